//! The HTTP around a service: its port and certificate, its counters, failures on demand.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request as HttpRequest, State};
use axum::http::{Response, StatusCode};
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use futures_util::stream;
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use tempfile::TempDir;

use crate::clock::{Clock, HTTP, format};
use crate::wire::{Protocol, Reply, Request};
use crate::{Fault, Options, Provider};
use crate::{alibaba, azure, google, huawei, pingan, tencent, vault};

/// The longest request that is read.
const MAX_BODY: usize = 40 * 1024 * 1024;
/// The length of an answer that is too long.
const HUGE: usize = 64 * 1024 * 1024;
/// Where failures are asked for and calls are counted.
const CONTROL: &str = "/_emulator/";

/// What the threads of the service and its owner share.
pub(crate) struct Shared {
    pub(crate) url: String,
    pub(crate) clock: Clock,
    pub(crate) control: Mutex<Control>,
    pub(crate) protocol: Box<dyn Protocol>,
}

#[derive(Default)]
pub(crate) struct Control {
    pub(crate) calls: BTreeMap<String, u64>,
    /// Query and body of the last request.
    pub(crate) last: Vec<u8>,
    /// How often still which fault is answered.
    pub(crate) faults: Option<(Fault, u32)>,
}

/// The thread of a service; it ends with this.
pub(crate) struct Host {
    pub(crate) address: SocketAddr,
    pub(crate) certificate: Option<PathBuf>,
    handle: Handle<SocketAddr>,
    thread: Option<JoinHandle<()>>,
    /// Holds the certificate's file.
    _folder: Option<TempDir>,
}

impl Drop for Host {
    fn drop(&mut self) {
        self.handle.shutdown();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(crate) fn start(provider: Provider, options: &Options) -> io::Result<(Arc<Shared>, Host)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let scheme = if options.tls { "https" } else { "http" };
    let url = format!("{scheme}://{address}");
    let protocol: Box<dyn Protocol> = match provider {
        Provider::Alibaba => Box::new(alibaba::Alibaba::new()),
        Provider::Vault => Box::new(vault::Vault::new()),
        Provider::Google => Box::new(google::Google::new(&url)),
        Provider::Azure => Box::new(azure::Azure::new(&url, options.managed_hsm)),
        Provider::PingAn => Box::new(pingan::PingAn::new()),
        Provider::Tencent => Box::new(tencent::Tencent::new()),
        Provider::Huawei => Box::new(huawei::Huawei::new(options.older_dialect)),
    };
    let clock = Clock::default();
    clock.set_offset(options.clock_offset);
    let shared = Arc::new(Shared { url, clock, control: Mutex::default(), protocol });

    let (mut folder, mut certificate, mut tls) = (None, None, None);
    if options.tls {
        let (pem, config) = self_signed()?;
        let made = tempfile::tempdir()?;
        let path = made.path().join("certificate.pem");
        std::fs::write(&path, pem)?;
        (folder, certificate) = (Some(made), Some(path));
        tls = Some(RustlsConfig::from_config(Arc::new(config)));
    }

    let handle = Handle::new();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let app = Router::new().fallback(serve).with_state(Arc::clone(&shared)).into_make_service();
    let stop = handle.clone();
    let thread = std::thread::Builder::new().name(provider.name().to_owned()).spawn(move || {
        let served = runtime.block_on(async {
            match tls {
                Some(tls) => {
                    axum_server::from_tcp_rustls(listener, tls)?.handle(stop).serve(app).await
                }
                None => axum_server::from_tcp(listener)?.handle(stop).serve(app).await,
            }
        });
        if let Err(error) = served {
            eprintln!("the emulator ended: {error}");
        }
    })?;
    let host = Host { address, certificate, handle, thread: Some(thread), _folder: folder };
    Ok((shared, host))
}

/// A certificate for this machine, in PEM, and a server that has it.
fn self_signed() -> io::Result<(String, ServerConfig)> {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
    let key =
        PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(io::Error::other)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .map_err(io::Error::other)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((made.cert.pem(), config))
}

async fn serve(State(shared): State<Arc<Shared>>, request: HttpRequest) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return status(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let request = Request {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: body.to_vec(),
    };
    if let Some(what) = request.path.strip_prefix(CONTROL) {
        return respond(&shared, control(&shared, what, &request));
    }
    let fault = {
        let mut control = shared.control.lock();
        *control.calls.entry(shared.protocol.operation(&request)).or_default() += 1;
        control.last = [request.query.as_bytes(), b"\n", &request.body].concat();
        let fault = control.faults;
        control.faults = fault.and_then(|(kind, times)| (times > 1).then(|| (kind, times - 1)));
        fault.map(|(kind, _)| kind)
    };
    let answer = |fault: Option<Fault>| {
        let shared = Arc::clone(&shared);
        // Making an RSA key takes a while.
        tokio::task::spawn_blocking(move || match fault {
            Some(Fault::Throttled) => shared.protocol.throttled(),
            Some(Fault::Unavailable) => shared.protocol.unavailable(),
            _ => shared.protocol.answer(&shared.clock, &request),
        })
    };
    match fault {
        None | Some(Fault::Throttled | Fault::Unavailable) => match answer(fault).await {
            Ok(reply) => respond(&shared, reply),
            Err(_) => status(StatusCode::INTERNAL_SERVER_ERROR),
        },
        Some(Fault::Truncated) => match answer(fault).await {
            Ok(mut reply) => {
                reply.body.truncate(reply.body.len() / 2);
                respond(&shared, reply)
            }
            Err(_) => status(StatusCode::INTERNAL_SERVER_ERROR),
        },
        Some(Fault::Html) => {
            let page = "<!doctype html><title>Sign in</title><p>Sign in to the network.";
            let headers = vec![("content-type", "text/html".to_owned())];
            respond(&shared, Reply { status: 200, headers, body: page.into() })
        }
        Some(Fault::Redirect) => {
            let elsewhere = format!("{}{}elsewhere", shared.url, CONTROL);
            respond(&shared, Reply::empty(302).with("location", elsewhere))
        }
        Some(Fault::Huge) => {
            let mut body = vec![b' '; HUGE];
            (body[0], body[HUGE - 1]) = (b'{', b'}');
            let headers = vec![("content-type", "application/json".to_owned())];
            respond(&shared, Reply { status: 200, headers, body })
        }
        Some(Fault::Closed) => {
            let broken = stream::iter([Err::<Bytes, _>(io::Error::other("closed on demand"))]);
            Response::new(Body::from_stream(broken))
        }
    }
}

/// The interface for tests, on the same port.
fn control(shared: &Shared, what: &str, request: &Request) -> Reply {
    let number = |name: &str| request.parameter(name).and_then(|text| text.parse::<i64>().ok());
    let times = number("times").and_then(|times| u32::try_from(times).ok()).unwrap_or(1);
    let fault = |fault: Fault| {
        shared.control.lock().faults = (times > 0).then_some((fault, times));
        Reply::empty(204)
    };
    match (request.method.as_str(), what) {
        ("GET", "calls") => Reply::json(200, &json!(shared.control.lock().calls)),
        ("POST", "calls/reset") => {
            shared.control.lock().calls.clear();
            Reply::empty(204)
        }
        ("POST", "throttle") => fault(Fault::Throttled),
        ("POST", "fault") => {
            let name = request.parameter("kind").unwrap_or_default();
            match Fault::ALL.into_iter().find(|fault| fault.name() == name) {
                Some(kind) => fault(kind),
                None => Reply::json(400, &json!({ "error": "no such kind of fault" })),
            }
        }
        ("POST", "clock") => {
            shared.clock.set_offset(number("offset").unwrap_or(0));
            Reply::empty(204)
        }
        ("POST", "expire-tokens") => {
            shared.protocol.expire_tokens();
            Reply::empty(204)
        }
        _ => Reply::json(404, &json!({ "error": "no such control" })),
    }
}

fn respond(shared: &Shared, reply: Reply) -> Response<Body> {
    let mut response = Response::builder()
        .status(reply.status)
        .header("date", format(shared.clock.seconds(), HTTP));
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(reply.body)).unwrap_or_else(|_| status(StatusCode::BAD_GATEWAY))
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
