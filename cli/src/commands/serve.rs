//! `keyfold serve`.

mod config;
mod telemetry;

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keyfold::kms::cloud::ConnectedCloud;
use keyfold::{Error, ErrorCode};
use keyfold_kms::OpenError;
use keyfold_kms::server::{Control, ServeError, Server};
use serde_json::json;

use config::{LogFormat, Settings};

use crate::fault::Result;
use crate::home::Ask;
use crate::session::Session;

/// Serve the KMS over HTTP, for any AWS SDK
///
/// Every option has an environment variable, and most have a place in the configuration file;
/// the command line goes before the environment, and the environment before the file.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Configuration file in TOML
    #[arg(long, value_name = "FILE", env = "KEYFOLD_CONFIG")]
    config: Option<PathBuf>,
    /// Check configuration, TLS files, store and root key, say what was found, and serve nothing
    #[arg(long)]
    check: bool,
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:8470]
    #[arg(long, value_name = "ADDRESS:PORT", env = "KEYFOLD_LISTEN")]
    listen: Option<SocketAddr>,
    /// Serve plain HTTP beyond this machine too, such as behind a proxy that speaks TLS
    #[arg(long, env = "KEYFOLD_ALLOW_PLAIN_HTTP")]
    allow_plain_http: bool,
    /// Certificate chain in PEM; read again when it changes
    #[arg(long, value_name = "FILE", env = "KEYFOLD_TLS_CERTIFICATE")]
    tls_certificate: Option<PathBuf>,
    /// Private key in PEM; read again when it changes
    #[arg(long, value_name = "FILE", env = "KEYFOLD_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// Certificates in PEM of the authorities that vouch for clients
    #[arg(long, value_name = "FILE", env = "KEYFOLD_TLS_CLIENT_CA")]
    tls_client_ca: Option<PathBuf>,
    /// Origin of web pages that may call, such as https://app.example.com; may stand several times
    #[arg(long, value_name = "ORIGIN", env = "KEYFOLD_ORIGINS", value_delimiter = ',')]
    origin: Vec<String>,
    /// Cloud to sign requests for, such as tencent://ap-guangzhou, with the credentials that are
    /// found here; the configuration file says who may use its keys. May stand several times
    #[arg(long, value_name = "URI", env = "KEYFOLD_UPSTREAMS", value_delimiter = ',')]
    upstream: Vec<String>,
    /// Serve no web page at /console
    #[arg(long, env = "KEYFOLD_NO_CONSOLE")]
    no_console: bool,
    /// Longest request body in bytes
    #[arg(long, value_name = "BYTES", env = "KEYFOLD_MAX_BODY_BYTES")]
    max_body_bytes: Option<usize>,
    /// Requests served at one time
    #[arg(long, value_name = "COUNT", env = "KEYFOLD_MAX_REQUESTS")]
    max_requests: Option<usize>,
    /// Connections at one time
    #[arg(long, value_name = "COUNT", env = "KEYFOLD_MAX_CONNECTIONS")]
    max_connections: Option<usize>,
    /// How long one request may take
    #[arg(long, value_name = "SECONDS", env = "KEYFOLD_REQUEST_SECONDS")]
    request_seconds: Option<u64>,
    /// How long requests in flight may take after the signal to end
    #[arg(long, value_name = "SECONDS", env = "KEYFOLD_SHUTDOWN_SECONDS")]
    shutdown_seconds: Option<u64>,
    /// Address of its own for /metrics, /healthz and /readyz
    #[arg(long, value_name = "ADDRESS:PORT", env = "KEYFOLD_METRICS_LISTEN")]
    metrics_listen: Option<SocketAddr>,
    /// What to log on standard error: error, warn, info (with a line for each request), debug,
    /// trace [default: info without the lines of requests]
    #[arg(long, value_name = "LEVEL", env = "KEYFOLD_LOG")]
    log_level: Option<String>,
    /// How to log [default: text]
    #[arg(long, value_name = "FORMAT", env = "KEYFOLD_LOG_FORMAT")]
    log_format: Option<LogFormat>,
    /// Where to send OpenTelemetry traces, by OTLP over HTTP, such as
    /// https://collector:4318/v1/traces
    #[arg(long, value_name = "URL", env = "KEYFOLD_TRACES_ENDPOINT")]
    traces_endpoint: Option<String>,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<()> {
    session.local()?;
    let settings = Settings::load(args, &session.home)?;
    if args.check {
        return check(session, &settings);
    }
    let upstreams = connect(session, &settings)?;
    let _telemetry = telemetry::start(&settings)?;
    let (home, first) = (settings.home.clone(), AtomicBool::new(true));
    let open = move || {
        // Somebody may be there at the start, and nobody later.
        let attended = first.swap(false, Ordering::Relaxed) && io::stdin().is_terminal();
        home.engine(if attended { Ask::Once } else { Ask::Never })
    };
    let mut server = Server::bind(settings.server, open)
        .map_err(|error| explain(error, |error| settings.home.explain(error)))?;
    if settings.console {
        server = server.with_console(console());
    }
    for (uri, kms) in upstreams {
        server = server.with_upstream(uri, kms);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(ErrorCode::Io, format!("no threads can be made: {error}")))?;
    let (url, control) = (server.url(), server.control());
    runtime.block_on(async {
        // Caught from here on: whoever reads the next line may send one.
        tokio::spawn(signals()?.obey(control));
        // The address is bound: from here on connections are accepted.
        session.console.answer(&json!({ "listening": url }), format!("listening on {url}"))?;
        server.run().await.map_err(|error| explain(error, Error::from))
    })
}

/// The clouds, made ready; nothing is sent yet.
fn connect(session: &Session, settings: &Settings) -> Result<Vec<(String, Arc<ConnectedCloud>)>> {
    // What is configured wrongly is told before what is not there.
    settings.server.check().map_err(|error| explain(error, Error::from))?;
    let relay = &settings.server.relay;
    let deadline = Duration::from_secs(relay.timeout_seconds);
    let connect = |uri: &String| Ok((uri.clone(), session.upstream(uri, deadline)?));
    relay.upstreams.iter().map(connect).collect()
}

/// The files of the web page, where this binary was built with them.
#[cfg(feature = "console")]
fn console() -> Vec<(String, &'static [u8])> {
    static FILES: include_dir::Dir<'_> = include_dir::include_dir!("$KEYFOLD_CONSOLE_FOLDER");
    let mut folders = vec![&FILES];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        folders.extend(folder.dirs());
        // Names are those of URLs, whatever the system parts its paths by.
        files.extend(
            folder
                .files()
                .map(|file| (file.path().to_string_lossy().replace('\\', "/"), file.contents())),
        );
    }
    files
}

#[cfg(not(feature = "console"))]
fn console() -> [(String, &'static [u8]); 0] {
    []
}

/// Says what a server would find.
fn check(session: &Session, settings: &Settings) -> Result<()> {
    telemetry::check(settings)?;
    Server::check(&settings.server).map_err(|error| explain(error, Error::from))?;
    let upstreams = connect(session, settings)?;
    let engine = settings.home.engine(Ask::Never).map_err(|error| settings.home.explain(error))?;
    let slot = engine.opened_by().map_or("none", |slot| slot.label.as_str());
    let server = &settings.server;
    let scheme = if server.tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", server.listen);
    let answer = json!({
        "listen": url,
        "metrics": server.metrics.listen.map(|address| format!("http://{address}/metrics")),
        "client_certificates": server.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some()),
        "origins": server.cors.origins,
        "upstreams": server.relay.upstreams,
        "store_id": engine.store_id().to_string(),
        "account": engine.realm().account,
        "region": engine.realm().region,
        "root_slot": slot,
    });
    let mut text = format!(
        "the configuration is valid\nwould listen on {url}\nstore {} of account {} in {}\n\
         the root key is opened by slot {slot}",
        engine.store_id(),
        engine.realm().account,
        engine.realm().region,
    );
    for (uri, _) in upstreams {
        let of = |key: &str| key.starts_with(&uri);
        let rules = server.relay.rules.iter().filter(|rule| of(&rule.key)).count();
        // Writing to a String cannot fail.
        let _ = match rules {
            0 => write!(text, "\nwould relay to {uri}, for nobody: relay.rules names nobody"),
            rules => write!(text, "\nwould relay to {uri}, by {rules} of relay.rules"),
        };
    }
    session.console.answer(&answer, text)
}

/// SIGTERM and SIGINT end the server, SIGHUP makes it read its TLS files again.
#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
fn signals() -> Result<Signals> {
    use tokio::signal::unix::{SignalKind, signal};
    let catch = |kind| {
        signal(kind).map_err(|error| {
            Error::new(ErrorCode::Io, format!("signals cannot be caught: {error}"))
        })
    };
    Ok(Signals {
        terminate: catch(SignalKind::terminate())?,
        interrupt: catch(SignalKind::interrupt())?,
        hangup: catch(SignalKind::hangup())?,
    })
}

#[cfg(unix)]
impl Signals {
    async fn obey(mut self, control: Control) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => control.shut_down(),
                _ = self.interrupt.recv() => control.shut_down(),
                _ = self.hangup.recv() => control.reload(),
            }
        }
    }
}

/// Ctrl+C ends the server.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere they may not be caught")]
fn signals() -> Result<Signals> {
    Ok(Signals)
}

#[cfg(not(unix))]
impl Signals {
    async fn obey(self, control: Control) {
        if tokio::signal::ctrl_c().await.is_ok() {
            control.shut_down();
        }
    }
}

fn explain(error: ServeError, open: impl FnOnce(OpenError) -> Error) -> Error {
    match error {
        ServeError::Open(error) => open(error),
        ServeError::Config(_) => Error::new(ErrorCode::InvalidArgument, error.to_string()),
        _ => Error::new(ErrorCode::Io, error.to_string()),
    }
}
