//! A server of a test's own, and ways to speak to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keyfold_kms::clock::SystemClock;
use keyfold_kms::server::{Control, ServeError, Server, ServerConfig};
use keyfold_kms::types::IssueTokenRequest;
use keyfold_kms::{Clock, Engine, EngineOptions, OpenError, Timestamp};
use parking_lot::{Condvar, Mutex};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// A server that runs.
pub(crate) struct World {
    pub(crate) url: String,
    pub(crate) address: std::net::SocketAddr,
    pub(crate) metrics: Option<std::net::SocketAddr>,
    /// The header that says who calls.
    pub(crate) authorization: String,
    pub(crate) clock: Arc<Gate>,
    pub(crate) control: Control,
    running: JoinHandle<Result<(), ServeError>>,
}

pub(crate) fn config() -> ServerConfig {
    ServerConfig { listen: "127.0.0.1:0".parse().expect("an address"), ..ServerConfig::default() }
}

impl World {
    pub(crate) fn start(config: ServerConfig) -> Self {
        let authorization = Arc::new(Mutex::new(String::new()));
        let clock = Arc::new(Gate::default());
        let (token, time) = (authorization.clone(), clock.clone());
        let mut world = Self::start_with(config, move || {
            let options =
                EngineOptions { clock: Box::new(time.clone()), ..EngineOptions::default() };
            let engine = Engine::in_memory_with(options)?;
            *token.lock() = owner_of(&engine);
            Ok(engine)
        });
        world.authorization.clone_from(&authorization.lock());
        world.clock = clock;
        world
    }

    pub(crate) fn start_with(
        config: ServerConfig,
        open: impl Fn() -> Result<Engine, OpenError> + Send + Sync + 'static,
    ) -> Self {
        let server = Server::bind(config, open).expect("a server");
        World {
            url: server.url(),
            address: server.address(),
            metrics: server.metrics_address(),
            authorization: String::new(),
            clock: Arc::default(),
            control: server.control(),
            running: tokio::spawn(server.run()),
        }
    }

    /// Calls an operation with a body.
    pub(crate) async fn call(&self, target: &str, body: &str) -> Reply {
        self.send("POST / HTTP/1.1", &self.headers(target), body).await
    }

    /// The headers that a call has.
    pub(crate) fn headers(&self, target: &str) -> Vec<String> {
        vec![
            "Content-Type: application/x-amz-json-1.1".to_owned(),
            format!("X-Amz-Target: {target}"),
            format!("Authorization: {}", self.authorization),
        ]
    }

    /// Sends a request with its length, byte for byte.
    pub(crate) async fn send(&self, line: &str, headers: &[String], body: &str) -> Reply {
        let mut headers = headers.to_vec();
        headers.push(format!("Content-Length: {}", body.len()));
        self.raw(line, &headers, body.as_bytes()).await
    }

    /// Sends a request as it stands.
    pub(crate) async fn raw(&self, line: &str, headers: &[String], body: &[u8]) -> Reply {
        exchange(self.address, line, headers, body).await
    }

    /// Ends the server as a signal would, and waits for it.
    pub(crate) async fn end(self) {
        self.control.shut_down();
        self.ended().await;
    }

    pub(crate) async fn ended(self) {
        self.running.await.expect("no panic").expect("no error");
    }
}

pub(crate) async fn exchange(
    address: std::net::SocketAddr,
    line: &str,
    headers: &[String],
    body: &[u8],
) -> Reply {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let host = if headers.iter().any(|header| header.starts_with("Host:")) {
        String::new()
    } else {
        format!("Host: {address}\r\n")
    };
    let headers = headers.join("\r\n");
    let end = if headers.is_empty() { "" } else { "\r\n" };
    let head = format!("{line}\r\n{host}Connection: close\r\n{headers}{end}\r\n");
    stream.write_all(head.as_bytes()).await.expect("sent");
    // The server may answer and close before it has read all.
    let _ = stream.write_all(body).await;
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    Reply::parse(&bytes)
}

/// A credential that may do everything.
pub(crate) fn owner_of(engine: &Engine) -> String {
    let request = IssueTokenRequest {
        subject: "tests".into(),
        permissions: vec!["*".into()],
        expires_in_seconds: 3600,
        ..IssueTokenRequest::default()
    };
    let issued = engine.call(&engine.owner(), &request).expect("a token");
    format!("Bearer {}", issued.token.expose())
}

/// A response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let headers = lines.filter_map(|line| line.split_once(": "));
        Reply {
            status: status.and_then(|status| status.parse().ok()).unwrap_or(0),
            headers: headers.map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned())).collect(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// The name of the error.
    pub(crate) fn error(&self) -> String {
        self.json()["__type"].as_str().unwrap_or("no error").to_owned()
    }
}

/// A clock that stops whoever asks, while it is shut: an operation that takes as long as a test
/// wants.
#[derive(Default)]
pub(crate) struct Gate {
    shut: AtomicBool,
    waiting: Mutex<usize>,
    changed: Condvar,
}

impl Clock for Gate {
    fn now(&self) -> Timestamp {
        if self.shut.load(Ordering::SeqCst) {
            let mut waiting = self.waiting.lock();
            *waiting += 1;
            self.changed.notify_all();
            while self.shut.load(Ordering::SeqCst) {
                self.changed.wait(&mut waiting);
            }
        }
        SystemClock.now()
    }
}

impl Gate {
    pub(crate) fn shut(&self) {
        self.shut.store(true, Ordering::SeqCst);
    }

    /// Waits until so many ask what time it is.
    pub(crate) async fn until_asked(self: &Arc<Self>, count: usize) {
        let gate = self.clone();
        let waited = tokio::task::spawn_blocking(move || {
            let mut waiting = gate.waiting.lock();
            while *waiting < count {
                gate.changed.wait(&mut waiting);
            }
        });
        waited.await.expect("no panic");
    }

    pub(crate) fn open(&self) {
        self.shut.store(false, Ordering::SeqCst);
        let _waiting = self.waiting.lock();
        self.changed.notify_all();
    }
}
