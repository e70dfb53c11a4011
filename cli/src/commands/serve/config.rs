//! What a server is told: flags, then the environment, then a file, then defaults.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use keyfold_kms::server::auth::AuthConfig;
use keyfold_kms::server::{
    CorsConfig, DEFAULT_LISTEN, LimitConfig, MetricsConfig, RateConfig, RelayConfig, ServerConfig,
    TlsConfig,
};
use serde::Deserialize;

use super::Args;
use crate::fault::{self, Result};
use crate::home::Home;
use crate::input::Input;

/// The longest configuration file, in bytes.
const MAX_FILE: usize = 1024 * 1024;
/// What is logged unless told otherwise: what happens to the server. Requests are in the audit
/// chain and the metrics already; `info` writes a line for each of them too.
const DEFAULT_LOG: &str = "info,keyfold::request=warn";

/// A configuration file, whole.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    server: ServerPart,
    store: StorePart,
    tls: Option<TlsConfig>,
    cors: CorsConfig,
    limits: LimitConfig,
    rates: RateConfig,
    metrics: MetricsConfig,
    auth: AuthConfig,
    relay: RelayConfig,
    log: LogPart,
    traces: TracesPart,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ServerPart {
    listen: Option<std::net::SocketAddr>,
    allow_plain_http: bool,
    console: Option<bool>,
}

/// Where the keys are.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct StorePart {
    home: Option<PathBuf>,
    /// A file, or `postgres://…`; a password is better kept in a file of its own.
    database: Option<String>,
    root_file: Option<PathBuf>,
    passphrase_file: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LogPart {
    level: Option<String>,
    format: Option<LogFormat>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TracesPart {
    endpoint: Option<String>,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// Everything put together.
pub(crate) struct Settings {
    pub(crate) server: ServerConfig,
    /// Whether the web page is served.
    pub(crate) console: bool,
    pub(crate) home: Home,
    pub(crate) log_level: String,
    pub(crate) log_format: LogFormat,
    pub(crate) traces: Option<String>,
}

impl Settings {
    /// Reads the file, if there is one, and puts what the command line says over it.
    ///
    /// # Errors
    /// `io`; `invalid_argument`, with the line of the file.
    pub(crate) fn load(args: &Args, home: &Home) -> Result<Self> {
        let file = args.config.as_deref().map_or_else(|| Ok(File::default()), read)?;
        let mut server = ServerConfig {
            listen: args.listen.or(file.server.listen).unwrap_or(DEFAULT_LISTEN),
            allow_plain_http: args.allow_plain_http || file.server.allow_plain_http,
            tls: file.tls,
            cors: file.cors,
            limits: file.limits,
            rates: file.rates,
            metrics: file.metrics,
            auth: file.auth,
            relay: file.relay,
        };
        put_tls(&mut server, args)?;
        if !args.origin.is_empty() {
            server.cors.origins.clone_from(&args.origin);
        }
        let upstreams = &mut server.relay.upstreams;
        let new = args.upstream.iter().filter(|uri| !upstreams.contains(uri));
        let new: Vec<String> = new.cloned().collect();
        upstreams.extend(new);
        let limits = &mut server.limits;
        put(&mut limits.body_bytes, args.max_body_bytes);
        put(&mut limits.concurrent_requests, args.max_requests);
        put(&mut limits.connections, args.max_connections);
        put(&mut limits.request_seconds, args.request_seconds);
        put(&mut limits.shutdown_seconds, args.shutdown_seconds);
        server.metrics.listen = args.metrics_listen.or(server.metrics.listen);
        let or = |given: &Option<PathBuf>, file: Option<PathBuf>| given.clone().or(file);
        Ok(Settings {
            server,
            console: !args.no_console && file.server.console.unwrap_or(true),
            home: Home {
                folder: or(&home.folder, file.store.home),
                database: home.database.clone().or(file.store.database.map(OsString::from)),
                root_file: or(&home.root_file, file.store.root_file),
                passphrase_file: or(&home.passphrase_file, file.store.passphrase_file),
            },
            log_level: args
                .log_level
                .clone()
                .or(file.log.level)
                .unwrap_or_else(|| DEFAULT_LOG.to_owned()),
            log_format: args.log_format.or(file.log.format).unwrap_or_default(),
            traces: args.traces_endpoint.clone().or(file.traces.endpoint),
        })
    }
}

fn put<T>(to: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *to = given;
    }
}

/// Certificate and key come together, from one place or from two.
fn put_tls(server: &mut ServerConfig, args: &Args) -> Result<()> {
    let (certificate, key) = (args.tls_certificate.clone(), args.tls_key.clone());
    let tls = match (server.tls.take(), certificate, key) {
        (Some(mut tls), certificate, key) => {
            put(&mut tls.certificate, certificate);
            put(&mut tls.key, key);
            Some(tls)
        }
        (None, Some(certificate), Some(key)) => Some(TlsConfig::new(certificate, key)),
        (None, None, None) => None,
        _ => return Err(fault::invalid("TLS needs both a certificate and a key")),
    };
    server.tls = match (tls, &args.tls_client_ca) {
        (Some(mut tls), Some(ca)) => {
            tls.client_ca = Some(ca.clone());
            Some(tls)
        }
        (None, Some(_)) => {
            return Err(fault::invalid("client certificates need TLS: a certificate and a key"));
        }
        (tls, None) => tls,
    };
    Ok(())
}

fn read(path: &Path) -> Result<File> {
    let bytes = Input::open(path)?.read_all(MAX_FILE, "a configuration file")?;
    let name = path.display();
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| fault::invalid(format!("{name} is not text in UTF-8")))?;
    toml::from_str(text).map_err(|error| {
        // Without the line itself, which may hold something that is nobody else's business.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        fault::invalid(format!("{name}, line {line}: {}", error.message()))
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn load(file: &str, line: &[&str]) -> Result<Settings> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keyfold.toml");
        std::fs::write(&path, file).expect("a file");
        let mut words = vec!["serve", "--config", path.to_str().expect("a path")];
        words.extend(line);
        let home = Home { folder: None, database: None, root_file: None, passphrase_file: None };
        Settings::load(&Line::parse_from(words).args, &home)
    }

    #[test]
    fn a_flag_goes_before_the_file_and_the_file_before_the_default() {
        let file = "[server]\nlisten = '127.0.0.1:1'\n[limits]\nbody_bytes = 2048\n\
                    connections = 7\n[log]\nformat = 'json'\n[rates]\nsymmetric.per_second = 9\n";
        let settings = load(file, &["--listen", "127.0.0.1:2", "--max-body-bytes", "4096"]);
        let settings = settings.expect("valid");
        assert_eq!(settings.server.listen.port(), 2);
        assert_eq!(settings.server.limits.body_bytes, 4096);
        assert_eq!(settings.server.limits.connections, 7);
        assert_eq!(settings.server.limits.header_seconds, 30);
        assert_eq!(settings.server.rates.symmetric.per_second, 9);
        assert_eq!(settings.log_format, LogFormat::Json);
        assert_eq!(settings.log_level, DEFAULT_LOG);
    }

    #[test]
    fn what_is_not_known_is_an_error_with_its_line_and_without_its_text() {
        for file in ["[server]\nlisen = 'secret'", "\n[sever]", "[tls]\ncertificate = 'a'"] {
            let error = load(file, &[]).err().expect("refused");
            assert_eq!(error.code(), keyfold::ErrorCode::InvalidArgument);
            assert!(error.detail().contains("line "), "{error}");
            assert!(!error.detail().contains("secret"), "{error}");
        }
    }

    #[test]
    fn half_of_tls_is_refused() {
        for line in [&["--tls-key", "k"][..], &["--tls-client-ca", "c"]] {
            assert!(load("", line).is_err());
        }
        let tls = "[tls]\ncertificate = 'a'\nkey = 'b'\n";
        let settings = load(tls, &["--tls-key", "k", "--tls-client-ca", "c"]).expect("whole");
        let tls = settings.server.tls.expect("TLS");
        assert_eq!((tls.certificate, tls.key), ("a".into(), "k".into()));
        assert_eq!(tls.client_ca, Some("c".into()));
    }
}
