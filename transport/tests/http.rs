//! The transport against servers on this machine.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use keyfold::transport::{HttpRequest, HttpResponse, Transport, TransportError};
use keyfold::{ErrorCode, SecretBytes};
use keyfold_transport::{HttpOptions, HttpTransport, Proxy};
use pollster::block_on;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;

/// What a server has seen.
#[derive(Clone, Default)]
struct Seen {
    requests: Arc<AtomicUsize>,
    peers: Arc<Mutex<Vec<SocketAddr>>>,
    versions: Arc<Mutex<Vec<axum::http::Version>>>,
}

async fn answer(
    State(seen): State<Seen>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    seen.requests.fetch_add(1, Ordering::SeqCst);
    seen.peers.lock().expect("no panic").push(peer);
    seen.versions.lock().expect("no panic").push(request.version());
    let (parts, body) = request.into_parts();
    let builder = Response::builder().header("x-method", parts.method.as_str());
    let built = match parts.uri.path() {
        "/echo" => builder.header("X-Got", parts.headers.get("x-sent").expect("sent")).body(body),
        "/redirect" => builder.status(307).header("location", "/echo").body("".into()),
        "/long" => builder.body("x".repeat(1001).into()),
        "/error" => builder.status(503).header("retry-after", "7").body("busy".into()),
        "/never" => std::future::pending().await,
        path => panic!("{path}"),
    };
    built.expect("an answer")
}

struct Server {
    seen: Seen,
    address: SocketAddr,
    handle: Handle<SocketAddr>,
}

impl Server {
    fn start(tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let (seen, handle) = (Seen::default(), Handle::new());
        let app = Router::new().fallback(answer).with_state(seen.clone());
        let service = app.into_make_service_with_connect_info::<SocketAddr>();
        let serving = handle.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let served = if let Some(tls) = tls {
                    let tls = RustlsConfig::from_config(tls);
                    let server = axum_server::from_tcp_rustls(listener, tls).expect("a server");
                    server.handle(serving).serve(service).await
                } else {
                    let server = axum_server::from_tcp(listener).expect("a server");
                    server.handle(serving).serve(service).await
                };
                served.expect("it serves");
            });
        });
        Server { seen, address, handle }
    }

    fn count(&self) -> usize {
        self.seen.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

fn request(url: String) -> HttpRequest {
    let headers = vec![("x-sent".to_owned(), "value".to_owned())];
    HttpRequest { method: "POST".to_owned(), url, headers, body: b"body".to_vec() }
}

fn transport(options: &HttpOptions) -> HttpTransport {
    HttpTransport::new(options).expect("a transport")
}

fn send(transport: &HttpTransport, url: String) -> Result<HttpResponse, TransportError> {
    block_on(transport.send(request(url)))
}

/// No error says where it happened.
#[track_caller]
fn check_failure(error: &TransportError, code: ErrorCode, detail: &str) {
    assert_eq!((error.code, error.detail.as_str()), (code, detail));
}

#[test]
fn what_is_sent_arrives_and_connections_are_used_again() {
    let server = Server::start(None);
    let transport = transport(&HttpOptions::default());
    for _ in 0..3 {
        let response =
            send(&transport, format!("http://{}/echo", server.address)).expect("an answer");
        assert_eq!((response.status, response.body.as_slice()), (200, &b"body"[..]));
        assert_eq!(response.header("x-got"), Some("value"));
        assert_eq!(response.header("x-method"), Some("POST"));
    }
    let peers = server.seen.peers.lock().expect("no panic").clone();
    assert_eq!(peers.len(), 3);
    assert!(peers.iter().all(|peer| *peer == peers[0]), "{peers:?}");

    // An answer of any status is one.
    let busy = send(&transport, format!("http://{}/error", server.address)).expect("an answer");
    assert_eq!((busy.status, busy.header("Retry-After")), (503, Some("7")));

    // Within a runtime of the caller's too, and from a clone that outlives the original.
    let clone = transport.clone();
    drop(transport);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let url = format!("http://{}/echo", server.address);
    assert!(runtime.block_on(clone.send(request(url))).is_ok());
}

#[test]
fn redirects_are_answers() {
    let server = Server::start(None);
    let transport = transport(&HttpOptions::default());
    let response = send(&transport, format!("http://{}/redirect", server.address));
    let response = response.expect("an answer");
    assert_eq!((response.status, response.header("location")), (307, Some("/echo")));
    assert_eq!(server.count(), 1);
}

#[test]
fn answers_end_in_time_and_within_their_length() {
    let server = Server::start(None);
    let short = HttpOptions { timeout: Duration::from_millis(200), ..HttpOptions::default() };
    let error = send(&transport(&short), format!("http://{}/never", server.address));
    let detail = "the server did not answer in time";
    check_failure(&error.expect_err("too late"), ErrorCode::KmsUnavailable, detail);

    let detail = "the answer is longer than any that is expected";
    let exact = HttpOptions { max_answer: 1001, ..HttpOptions::default() };
    assert!(send(&transport(&exact), format!("http://{}/long", server.address)).is_ok());
    let less = transport(&HttpOptions { max_answer: 1000, ..HttpOptions::default() });
    let error = send(&less, format!("http://{}/long", server.address));
    check_failure(&error.expect_err("too long"), ErrorCode::KmsProtocol, detail);
    // One that does not tell its length before.
    let chunked = one_answer(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3e8\r\n".to_owned()
            + &"x".repeat(1000)
            + "\r\n1\r\nx\r\n0\r\n\r\n",
    );
    let error = send(&less, format!("http://{chunked}/"));
    check_failure(&error.expect_err("too long"), ErrorCode::KmsProtocol, detail);
    // One that ends before its length.
    let broken = one_answer("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx".to_owned());
    let error = send(&less, format!("http://{broken}/")).expect_err("broken off");
    assert_eq!(error.code, ErrorCode::KmsUnavailable);
    assert!(error.detail.starts_with("the answer broke off"), "{}", error.detail);
    // One that is none.
    let other = one_answer("SSH-2.0-OpenSSH\r\n".to_owned());
    let error = send(&less, format!("http://{other}/")).expect_err("no HTTP");
    assert_eq!(error.code, ErrorCode::KmsUnavailable);
    assert!(!error.detail.contains("127.0.0.1"), "{}", error.detail);
}

/// A server that says this to whoever comes first.
fn one_answer(text: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a caller");
        read_head(&mut stream);
        stream.write_all(text.as_bytes()).expect("written");
    });
    address
}

/// The first line and the headers of a request.
fn read_head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("text")
}

#[test]
fn nobody_there_and_nothing_sendable() {
    let transport = transport(&HttpOptions::default());
    let free = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    let error = send(&transport, format!("http://{free}/secret-path")).expect_err("nobody");
    let detail = "no connection to the server: connection refused";
    check_failure(&error, ErrorCode::KmsUnavailable, detail);
    let error = send(&transport, "no URL with a secret".to_owned()).expect_err("no URL");
    check_failure(&error, ErrorCode::Io, "the request has a URL that HTTP does not allow");
    let mut split = request(format!("http://{free}/"));
    split.headers.push(("x-a".to_owned(), "b\r\nx-c: d".to_owned()));
    let error = block_on(transport.send(split)).expect_err("two lines");
    check_failure(&error, ErrorCode::Io, "the request has a header that HTTP does not allow");
}

#[test]
fn a_dropped_request_ends_its_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let transport = transport(&HttpOptions::default());
    let mut sending = transport.send(request(url));
    let mut context = Context::from_waker(Waker::noop());
    assert!(sending.as_mut().poll(&mut context).is_pending());
    let (mut stream, _) = listener.accept().expect("a caller");
    read_head(&mut stream);
    drop(sending);
    // The other side hears the end; without it this would wait for the timeout of the test.
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("it ends");
    assert_eq!(rest, b"body");
}

#[test]
fn a_proxy_is_asked_except_for_this_machine() {
    let proxy = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", proxy.local_addr().expect("an address"));
    let through =
        transport(&HttpOptions { proxy: Proxy::Url(url.clone()), ..HttpOptions::default() });
    let asked = thread::spawn(move || {
        let mut heads = Vec::new();
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
            "HTTP/1.1 403 No\r\n\r\n",
        ] {
            let (mut stream, _) = proxy.accept().expect("a caller");
            heads.push(read_head(&mut stream));
            stream.write_all(answer.as_bytes()).expect("written");
        }
        heads
    });
    let plain = send(&through, "http://kms.test/a".to_owned()).expect("an answer");
    assert_eq!(plain.body, b"ok");
    // With TLS the proxy learns the name alone.
    let error = send(&through, "https://kms.test/secret-path".to_owned()).expect_err("refused");
    assert_eq!(error.code, ErrorCode::KmsUnavailable);
    let heads = asked.join().expect("a proxy");
    assert!(heads[0].starts_with("POST http://kms.test/a HTTP/1.1\r\n"), "{}", heads[0]);
    assert!(heads[1].starts_with("CONNECT kms.test:443 HTTP/1.1\r\n"), "{}", heads[1]);

    let server = Server::start(None);
    assert!(send(&through, format!("http://{}/echo", server.address)).is_ok());
    assert!(send(&through, format!("http://localhost:{}/echo", server.address.port())).is_ok());
    let wrong = HttpOptions { proxy: Proxy::Url("::".to_owned()), ..HttpOptions::default() };
    let error = HttpTransport::new(&wrong).err().expect("no proxy");
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
}

/// An authority, a server's configuration under it, and a client's certificate with its key.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Authority { issuer: CertifiedIssuer::self_signed(params, key).expect("an authority") }
    }

    /// Certificate and key, in PEM.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    fn pem(&self) -> Vec<u8> {
        self.issuer.pem().into_bytes()
    }

    fn server(&self, name: &str, clients: Option<&Authority>) -> Arc<rustls::ServerConfig> {
        let (certificate, key) = self.issue(name);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("versions");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.issuer.der().clone()).expect("an authority");
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM")];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
        let mut config = builder.with_single_cert(chain, key).expect("a configuration");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

#[test]
fn tls_trusts_the_platform_and_what_is_added() {
    let authority = Authority::new();
    let server = Server::start(Some(authority.server("localhost", None)));
    let url = format!("https://localhost:{}/echo", server.address.port());
    let stranger = transport(&HttpOptions::default());
    let error = send(&stranger, url.clone()).expect_err("not trusted");
    assert_eq!(error.code, ErrorCode::KmsUnavailable);
    let reason = "the server's certificate is of an authority that is not trusted";
    assert!(error.detail.ends_with(reason), "{}", error.detail);
    assert_eq!(server.count(), 0);

    let extra = || HttpOptions { extra_ca_pem: Some(authority.pem()), ..HttpOptions::default() };
    let response = send(&transport(&extra()), url).expect("an answer");
    assert_eq!(response.body, b"body");
    let versions = server.seen.versions.lock().expect("no panic").clone();
    assert_eq!(versions, [axum::http::Version::HTTP_2]);

    let other = Server::start(Some(authority.server("elsewhere.test", None)));
    let url = format!("https://localhost:{}/echo", other.address.port());
    let error = send(&transport(&extra()), url).expect_err("another name");
    let reason = "the server's certificate is for another name";
    assert!(error.detail.ends_with(reason), "{}", error.detail);
    assert_eq!(other.count(), 0);

    for pem in [&b""[..], b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"x"] {
        let options = HttpOptions { extra_ca_pem: Some(pem.to_vec()), ..HttpOptions::default() };
        let error = HttpTransport::new(&options).err().expect("no certificate");
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
    }
}

#[test]
fn a_client_shows_its_certificate() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let server = Server::start(Some(servers.server("localhost", Some(&clients))));
    let url = format!("https://localhost:{}/echo", server.address.port());
    let with = |pem: Option<String>| HttpOptions {
        extra_ca_pem: Some(servers.pem()),
        client_certificate_pem: pem.map(|pem| Arc::new(SecretBytes::new(pem.into_bytes()))),
        ..HttpOptions::default()
    };
    let (certificate, key) = clients.issue("client.test");
    let both = transport(&with(Some(format!("{certificate}{key}"))));
    assert_eq!(send(&both, url.clone()).expect("an answer").status, 200);
    let (certificate, key) = servers.issue("client.test");
    for none in [with(None), with(Some(format!("{certificate}{key}")))] {
        let error = send(&transport(&none), url.clone()).expect_err("unknown");
        assert_eq!(error.code, ErrorCode::KmsUnavailable);
    }
    assert_eq!(server.count(), 1);
    let error = HttpTransport::new(&with(Some(certificate))).err().expect("no key");
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
}
