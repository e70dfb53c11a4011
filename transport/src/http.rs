//! HTTP over reqwest.

use std::error::Error as StdError;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use keyfold::maybe_send::BoxFuture;
use keyfold::transport::{HttpRequest, HttpResponse, TransportError};
use keyfold::{Error, ErrorCode, SecretBytes, Transport};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, ClientBuilder, Method, Url};
use zeroize::Zeroizing;

use crate::clock::SystemClock;
use crate::tls;
use crate::worker::Worker;

/// Whether requests go through a proxy. Those to this machine never do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Proxy {
    /// As the environment says: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`, and the
    /// settings of the system where it has some.
    #[default]
    Environment,
    /// Never.
    None,
    /// Always through this one: `http://HOST:PORT`.
    Url(String),
}

/// How to reach a server.
///
/// ```
/// use keyfold_transport::HttpOptions;
/// use std::time::Duration;
///
/// let options = HttpOptions { timeout: Duration::from_secs(10), ..HttpOptions::default() };
/// assert_eq!(options.connect_timeout, Duration::from_secs(5));
/// ```
#[derive(Clone)]
pub struct HttpOptions {
    /// For name, connection and TLS together.
    pub connect_timeout: Duration,
    /// For one request with its whole answer.
    pub timeout: Duration,
    /// The longest answer, in bytes.
    pub max_answer: usize,
    /// Certificate authorities in PEM that are trusted beside those of the platform.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// The certificate that shows who we are, with its chain and its private key, in PEM.
    pub client_certificate_pem: Option<std::sync::Arc<SecretBytes>>,
    /// Whether there is a proxy.
    pub proxy: Proxy,
}

impl Default for HttpOptions {
    /// 5 seconds to connect, 30 for a request, answers of at most 4 MiB.
    fn default() -> Self {
        HttpOptions {
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            max_answer: 4 << 20,
            extra_ca_pem: None,
            client_certificate_pem: None,
            proxy: Proxy::default(),
        }
    }
}

/// HTTP/1.1 and HTTP/2 with TLS from rustls, the trust of the platform, and connections that are
/// used again. It follows no redirect and repeats nothing; no URL reaches an error or a log.
/// Dropping the future of a request ends the request.
///
/// It works under any executor, and blocks none: a thread of its own does the network. Clones
/// share it and its connections. It must not cross a `fork`.
///
/// ```
/// use keyfold::transport::{HttpRequest, Transport};
/// use keyfold_transport::{HttpOptions, HttpTransport};
///
/// let transport = HttpTransport::new(&HttpOptions::default())?;
/// let request = HttpRequest {
///     method: "GET".into(), url: "http://127.0.0.1:9/".into(), headers: vec![], body: vec![],
/// };
/// // Nobody is there.
/// let error = pollster::block_on(transport.send(request)).unwrap_err();
/// assert_eq!(error.code, keyfold::ErrorCode::KmsUnavailable);
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone)]
pub struct HttpTransport {
    /// Through the proxy, where there is one.
    outward: Client,
    /// To this machine.
    local: Client,
    worker: Worker,
    max_answer: usize,
}

impl HttpTransport {
    /// Sets everything up; nothing is sent yet.
    ///
    /// # Errors
    /// `invalid_argument` for certificates or a proxy of another form, `io` where the system
    /// gives no thread.
    pub fn new(options: &HttpOptions) -> keyfold::Result<Self> {
        let worker = Worker::start().map_err(Error::from)?;
        let tls = tls::config(options)?;
        let builder = || {
            Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .connect_timeout(options.connect_timeout)
                .timeout(options.timeout)
                .referer(false)
                .user_agent(concat!("keyfold/", env!("CARGO_PKG_VERSION")))
        };
        let outward = match &options.proxy {
            Proxy::Environment => builder(),
            Proxy::None => builder().no_proxy(),
            Proxy::Url(url) => builder().proxy(reqwest::Proxy::all(url).map_err(|_| {
                Error::new(ErrorCode::InvalidArgument, "a proxy has the form http://HOST:PORT")
            })?),
        };
        let build = |builder: ClientBuilder| {
            builder
                .build()
                .map_err(|_| Error::new(ErrorCode::InvalidArgument, "HTTP cannot be set up"))
        };
        let (outward, local) = (build(outward)?, build(builder().no_proxy())?);
        Ok(HttpTransport { outward, local, worker, max_answer: options.max_answer })
    }

    /// The system's clock, with a timer on the thread of this transport.
    pub fn clock(&self) -> SystemClock {
        SystemClock::new(self.worker.clone())
    }

    fn begin(&self, request: HttpRequest) -> Result<reqwest::RequestBuilder, TransportError> {
        let mut request = request;
        let wrong = |what: &str| {
            let detail = format!("the request has {what} that HTTP does not allow");
            TransportError::new(ErrorCode::Io, detail)
        };
        let url = Url::parse(&request.url).map_err(|_| wrong("a URL"))?;
        let method =
            Method::from_bytes(request.method.as_bytes()).map_err(|_| wrong("a method"))?;
        let mut headers = HeaderMap::with_capacity(request.headers.len());
        for (name, value) in &request.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            let value = HeaderValue::from_str(value);
            let (Ok(name), Ok(mut value)) = (name, value) else { return Err(wrong("a header")) };
            // Not compressed in a table that later requests share, and not printed.
            value.set_sensitive(matches!(
                name.as_str(),
                "authorization" | "x-amz-security-token" | "x-aws-ec2-metadata-token"
            ));
            headers.append(name, value);
        }
        let client = if is_local(&url) { &self.local } else { &self.outward };
        let body = Bytes::from_owner(Zeroizing::new(std::mem::take(&mut request.body)));
        Ok(client.request(method, url).headers(headers).body(body))
    }
}

impl Transport for HttpTransport {
    fn send(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse, TransportError>> {
        let task = match self.begin(request) {
            Ok(request) => self.worker.spawn(exchange(request, self.max_answer)),
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        Box::pin(async {
            task.await.unwrap_or_else(|_| {
                Err(TransportError::new(ErrorCode::Internal, "the thread of the network has ended"))
            })
        })
    }
}

async fn exchange(
    request: reqwest::RequestBuilder,
    max_answer: usize,
) -> Result<HttpResponse, TransportError> {
    let mut response = request.send().await.map_err(explain)?;
    let length = response.content_length().unwrap_or(0);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > max_answer {
        return Err(too_long());
    }
    let mut body = Zeroizing::new(Vec::with_capacity(length));
    while let Some(part) = response.chunk().await.map_err(explain)? {
        if part.len() > max_answer - body.len() {
            return Err(too_long());
        }
        body.extend_from_slice(&part);
    }
    let headers = response.headers().iter().filter_map(|(name, value)| {
        // A value that is no text means nothing to any protocol here.
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    });
    Ok(HttpResponse {
        status: response.status().as_u16(),
        headers: headers.collect(),
        body: std::mem::take(&mut *body),
    })
}

fn too_long() -> TransportError {
    let detail = "the answer is longer than any that is expected";
    TransportError::new(ErrorCode::KmsProtocol, detail)
}

/// This machine, and the addresses at which its host speaks to it.
fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    match host.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.segments()[..2] == [0xfd00, 0x0ec2],
        Err(_) => host == "localhost",
    }
}

/// Why no answer came, in words of our own: those of the libraries hold the URL.
#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn explain(error: reqwest::Error) -> TransportError {
    let mut detail = if error.is_timeout() {
        "the server did not answer in time"
    } else if error.is_connect() {
        "no connection to the server"
    } else if error.is_body() || error.is_decode() {
        "the answer broke off"
    } else {
        "the request could not be sent, or its answer not be read"
    }
    .to_owned();
    let mut cause: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(inner) = cause {
        let io = inner.downcast_ref::<std::io::Error>();
        if let Some(error) = inner.downcast_ref::<rustls::Error>() {
            detail = format!("{detail}: {}", tls::explain(error));
            break;
        }
        // An error of input and output that carries another one does not call it its source.
        let carried = io.and_then(std::io::Error::get_ref);
        cause = match (io, carried) {
            (_, Some(carried)) => Some(carried),
            (Some(io), None) => {
                detail = format!("{detail}: {}", io.kind());
                break;
            }
            (None, None) => inner.source(),
        };
    }
    TransportError::new(ErrorCode::KmsUnavailable, detail)
}
