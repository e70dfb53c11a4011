//! The engine as a service: one endpoint that speaks AWS JSON 1.1.
//!
//! `POST /` with `X-Amz-Target: TrentService.<Operation>` or `secretsmanager.<Operation>` performs
//! an operation of the engine: 37 of AWS KMS, 13 of AWS Secrets Manager, with their members, limits
//! and errors, so that their SDKs need no change; `keyfold.ListAuditRecords` is one of our own.
//! Beside it, `GET /healthz` says that the process lives, `GET /readyz` whether it can serve,
//! `GET /metrics` what it did, and `/console/` is a web page over all of it.
//!
//! # A request
//! In this order, each step refused in its own way before the next one costs anything:
//! 1. HTTP: method, path, no query, content type, no `Content-Encoding`, `Content-Length` within
//!    the limit; a place among the concurrent requests; the rate of the address.
//! 2. The body, read into memory that is wiped afterwards, within a time.
//! 3. The operation that `X-Amz-Target` names.
//! 4. Who calls (module `auth`), and the rate of that principal for the class of operation.
//! 5. The JSON: every member known, none twice, `null` the same as absent. A member of AWS's model
//!    that is not offered is `UnsupportedOperationException`; what else does not fit is
//!    `SerializationException`, and a value outside of its set `ValidationException`. No error
//!    repeats what was sent.
//! 6. The engine: shape, key, authorisation, state, the operation itself.
//!
//! Every fault of the client is status 400, but 404 and 405 for path and method, 408 for a body
//! that does not come, 413 and 415. The body is `{"__type": …, "message": …}` (`Message` for
//! secrets). A panic is caught, counted, and answered with `KMSInternalException`.
//!
//! # Life
//! A server that cannot open its root key yet listens, is not ready, answers
//! `KeyUnavailableException`, and tries again, at first every second and then every half minute.
//! A signal to end makes it not ready, then ends accepting; requests in flight finish, what they
//! queued is committed, and [`Server::run`] returns.
//!
//! ```
//! use keyfold_kms::server::{Server, ServerConfig};
//! use keyfold_kms::{Engine, OpenError};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let config = ServerConfig { listen: "127.0.0.1:0".parse()?, ..ServerConfig::default() };
//! let server = Server::bind(config, || Engine::in_memory().map_err(OpenError::from))?;
//! assert!(server.url().starts_with("http://127.0.0.1:"));
//!
//! let control = server.control();
//! let running = tokio::spawn(server.run());
//! control.shut_down();
//! running.await??;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod auth;
mod background;
mod config;
mod connection;
mod console;
mod cors;
mod health;
mod host;
mod http;
mod limit;
pub mod observe;
mod operations;
mod relay;
mod reply;
mod strict;
mod tls;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::RustlsAcceptor;
use hyper_util::rt::TokioTimer;
use keyfold::Kms;
use tokio::sync::{Notify, Semaphore};

use crate::Engine;
use crate::root::OpenError;

use auth::Authenticator;
use background::Background;
use connection::Connections;
use console::Console;
use host::Host;
use limit::Rates;
use relay::Relay;
use tls::Tls;

pub use config::{
    CorsConfig, DEFAULT_LISTEN, LimitConfig, MetricsConfig, Rate, RateConfig, ServerConfig,
    TlsConfig,
};
pub use relay::{RelayConfig, RelayRule};

/// Between two pings on an idle HTTP/2 connection, and how long the answer may take.
const PING: Duration = Duration::from_secs(30);
/// Requests at one time on one HTTP/2 connection.
const STREAMS: u32 = 256;
/// For how long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What every request needs.
pub(crate) struct App {
    config: ServerConfig,
    host: Arc<Host>,
    authenticator: Authenticator,
    rates: Rates,
    slots: Semaphore,
    health: health::Health,
    /// Set before the first request, where there is one.
    relay: OnceLock<Arc<Relay>>,
}

/// A server that is bound to its address.
pub struct Server {
    app: Arc<App>,
    listener: TcpListener,
    address: SocketAddr,
    metrics: Option<(TcpListener, SocketAddr)>,
    tls: Option<Arc<Tls>>,
    open: Box<Open>,
    control: Control,
    console: Option<Console>,
    upstreams: Vec<(String, Arc<dyn Kms>)>,
}

/// Opens the engine.
type Open = dyn Fn() -> Result<Engine, OpenError> + Send + Sync;

/// Ends a server, or makes it read its TLS files again; from any thread.
#[derive(Clone)]
pub struct Control(Arc<Signals>);

#[derive(Default)]
struct Signals {
    end: Notify,
    reload: Notify,
}

impl Control {
    /// Begins the end: no request is accepted any more, those in flight finish.
    pub fn shut_down(&self) {
        self.0.end.notify_one();
    }

    /// Reads the TLS files again, if they have changed.
    pub fn reload(&self) {
        self.0.reload.notify_one();
    }
}

impl Server {
    /// Checks the configuration, reads the TLS files, opens the engine by `open` and binds the
    /// addresses. Where the root key cannot be opened yet, the server starts sealed and calls `open`
    /// again from a thread of its own.
    ///
    /// # Errors
    /// [`ServeError`]; [`ServeError::Open`] only for what waiting does not mend: another store, a
    /// newer schema, damage.
    pub fn bind(
        config: ServerConfig,
        open: impl Fn() -> Result<Engine, OpenError> + Send + Sync + 'static,
    ) -> Result<Self, ServeError> {
        let (tls, authenticator) = Self::prepare(&config)?;
        let host = Host::new();
        match open() {
            Ok(engine) => host.unseal(Arc::new(engine)),
            Err(error) if may_heal(&error) => {
                observe::sealed(true);
                let reason = error.to_string();
                tracing::warn!(target: "keyfold::server", reason, "sealed: will try again");
            }
            Err(error) => return Err(ServeError::Open(error)),
        }
        let (listener, address) = bind(config.listen)?;
        let metrics = config.metrics.listen.map(bind).transpose()?;
        let app = App {
            host: Arc::new(host),
            authenticator,
            rates: Rates::new(&config.rates),
            slots: Semaphore::new(config.limits.concurrent_requests),
            health: health::Health::default(),
            relay: OnceLock::new(),
            config,
        };
        // Metrics are counted from the first request on.
        let _ = observe::recorder();
        Ok(Server {
            app: Arc::new(app),
            listener,
            address,
            metrics,
            tls: tls.map(Arc::new),
            open: Box::new(open),
            control: Control(Arc::default()),
            console: None,
            upstreams: Vec::new(),
        })
    }

    /// Serves a console, a web page over this server, at `/console/`: files by their names relative
    /// to that, with `index.html` first. Those below `assets/` are never asked for again, so their
    /// names must change with what they hold; `NAME.gz` is the packed form of `NAME`. Where there
    /// is no file, a page there says how to build a console.
    ///
    /// ```
    /// use keyfold_kms::server::{Server, ServerConfig};
    /// use keyfold_kms::{Engine, OpenError};
    ///
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let config = ServerConfig { listen: "127.0.0.1:0".parse()?, ..ServerConfig::default() };
    /// let server = Server::bind(config, || Engine::in_memory().map_err(OpenError::from))?
    ///     .with_console([("index.html".to_owned(), &b"<!doctype html>..."[..])]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_console(
        mut self,
        files: impl IntoIterator<Item = (String, &'static [u8])>,
    ) -> Self {
        self.console = Some(Console::new(files));
        self
    }

    /// Connects one of the clouds that [`RelayConfig::upstreams`] names: requests about its keys,
    /// whose names begin with this URI, are passed on to this KMS. It should have a breaker, but
    /// repeat nothing: clients do.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use keyfold_kms::server::{RelayConfig, Server, ServerConfig};
    /// use keyfold_kms::{EmbeddedKms, Engine, OpenError};
    ///
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let upstreams = vec!["tencent://ap-guangzhou".to_owned()];
    /// let relay = RelayConfig { upstreams, ..RelayConfig::default() };
    /// let config =
    ///     ServerConfig { listen: "127.0.0.1:0".parse()?, relay, ..ServerConfig::default() };
    /// # let cloud = EmbeddedKms::in_memory()?; // `keyfold_transport::connect_cloud` makes one
    /// let server = Server::bind(config, || Engine::in_memory().map_err(OpenError::from))?
    ///     .with_upstream("tencent://ap-guangzhou", Arc::new(cloud));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_upstream(mut self, uri: impl Into<String>, kms: Arc<dyn Kms>) -> Self {
        self.upstreams.push((uri.into(), kms));
        self
    }

    /// Checks all that can be checked without an engine and without serving: the configuration,
    /// the TLS files, the keys of issuers of tokens.
    ///
    /// # Errors
    /// [`ServeError`].
    pub fn check(config: &ServerConfig) -> Result<(), ServeError> {
        Self::prepare(config).map(|_| ())
    }

    fn prepare(config: &ServerConfig) -> Result<(Option<Tls>, Authenticator), ServeError> {
        config.check()?;
        install_crypto();
        let tls = config.tls.as_ref().map(Tls::load).transpose()?;
        let authenticator = Authenticator::new(config.auth.clone())
            .map_err(|error| ServeError::config(error.to_string()))?;
        Ok((tls, authenticator))
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the metrics, where they have one of their own.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|(_, address)| *address)
    }

    /// Where clients find it, such as `http://127.0.0.1:8470`.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Whether the root key is open.
    pub fn is_open(&self) -> bool {
        self.app.host.engine().is_some()
    }

    /// A handle to end it with.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Serves until [`Control::shut_down`], and then until every request in flight is answered, or
    /// `limits.shutdown_seconds` are over, and everything queued is committed.
    ///
    /// # Errors
    /// [`ServeError::Io`] where accepting fails for good; [`ServeError::Config`] where a cloud is
    /// configured and not connected, or the other way.
    pub async fn run(self) -> Result<(), ServeError> {
        let Server { app, listener, metrics, tls, open, control, console, upstreams, .. } = self;
        let relay = Relay::new(&app.config.relay, &upstreams).map_err(ServeError::config)?;
        if let Some(relay) = relay {
            let _ = app.relay.set(Arc::new(relay));
        }
        let background = Background::start(app.clone(), open);
        let handle = Handle::new();
        let metrics_handle = Handle::new();
        let watch = tokio::spawn(watch(
            app.clone(),
            tls.clone(),
            control,
            handle.clone(),
            metrics_handle.clone(),
        ));
        let metrics_server = metrics.map(|(listener, _)| {
            let routes = health::own_router(&app);
            let connections = Connections::new(routes, app.config.limits.connections, false);
            tokio::spawn(serve(listener, None, connections, app.clone(), metrics_handle.clone()))
        });
        let routes = http::router(&app, console.as_ref());
        let connections = Connections::new(routes, app.config.limits.connections, tls.is_some());
        let served = serve(listener, tls, connections, app.clone(), handle).await;
        app.host.stop();
        // Connections are over: what they queued is committed now.
        let _ = tokio::task::spawn_blocking(move || background.finish()).await;
        watch.abort();
        metrics_handle.shutdown();
        if let Some(server) = metrics_server {
            let _ = server.await;
        }
        served.map_err(ServeError::Io)
    }
}

/// Chooses the cryptography of every TLS connection of this process that has not chosen its own:
/// those to issuers of tokens and to collectors of traces. One that is chosen already stays.
pub fn install_crypto() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Serves the connections of one listener.
async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    connections: Connections,
    app: Arc<App>,
    handle: Handle<SocketAddr>,
) -> io::Result<()> {
    let limits = &app.config.limits;
    let mut server = axum_server::from_tcp(listener)?
        .handle(handle)
        .first_request_timeout(limits.header_time())
        .accept_error_handler(connection::failed)
        .acceptor(NoDelayAcceptor::new());
    let builder = server.http_builder();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time())
        .max_buf_size(limits.header_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
    match tls {
        Some(tls) => {
            let acceptor = RustlsAcceptor::new(tls.current.clone())
                .handshake_timeout(HANDSHAKE)
                .acceptor(NoDelayAcceptor::new());
            server.acceptor(acceptor).serve(connections).await
        }
        None => server.serve(connections).await,
    }
}

/// Does what [`Control`] says, and looks at the TLS files from time to time.
async fn watch(
    app: Arc<App>,
    tls: Option<Arc<Tls>>,
    control: Control,
    main: Handle<SocketAddr>,
    metrics: Handle<SocketAddr>,
) {
    let seconds = app.config.tls.as_ref().map_or(0, |tls| tls.reload_seconds);
    loop {
        let look = async {
            match seconds {
                0 => std::future::pending().await,
                seconds => tokio::time::sleep(Duration::from_secs(seconds)).await,
            }
        };
        tokio::select! {
            () = control.0.end.notified() => break,
            () = control.0.reload.notified() => {}
            () = look => {}
        }
        if let Some(tls) = tls.clone() {
            let _ = tokio::task::spawn_blocking(move || tls.reload()).await;
        }
    }
    tracing::info!(target: "keyfold::server", "shutting down");
    app.host.stop();
    tokio::time::sleep(Duration::from_secs(app.config.limits.drain_seconds)).await;
    main.graceful_shutdown(Some(Duration::from_secs(app.config.limits.shutdown_seconds)));
    // The metrics stay readable until the end.
    drop(metrics);
}

fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let bound = TcpListener::bind(address).and_then(|listener| {
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    bound.map_err(|error| ServeError::Listen { address, error })
}

/// Whether opening the engine may succeed later, without anybody changing the configuration.
fn may_heal(error: &OpenError) -> bool {
    use crate::store::StoreError;
    matches!(
        error,
        OpenError::NoSlotOpens { .. }
            | OpenError::Store(
                StoreError::Locked | StoreError::Unavailable(_) | StoreError::Other(_)
            )
    )
}

/// Why a server does not start, or ends.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// The configuration contradicts itself; names the key.
    Config(String),
    /// A TLS file cannot be used.
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An address cannot be listened on.
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// The store is not one that this server can ever open.
    Open(OpenError),
    /// Accepting connections failed.
    Io(io::Error),
}

impl ServeError {
    fn config(text: String) -> Self {
        ServeError::Config(text)
    }

    fn tls(path: &Path, reason: &str) -> Self {
        ServeError::Tls { path: path.to_owned(), reason: reason.to_owned() }
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServeError::Config(text) => f.write_str(text),
            ServeError::Tls { path, reason } => write!(f, "{}: {reason}", path.display()),
            ServeError::Listen { address, error } => {
                write!(f, "cannot listen on {address}: {error}")
            }
            ServeError::Open(error) => error.fmt(f),
            ServeError::Io(error) => write!(f, "cannot accept connections: {error}"),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ServeError::Listen { error, .. } | ServeError::Io(error) => Some(error),
            ServeError::Open(error) => Some(error),
            ServeError::Config(_) | ServeError::Tls { .. } => None,
        }
    }
}
