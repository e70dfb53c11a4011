//! What a server is told: addresses, TLS, origins, limits, rates.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::ServeError;
use super::auth::AuthConfig;
use super::relay::RelayConfig;

/// The address where none is given: this machine only.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8470);

/// How a server runs. Everything has a default; a name that is not known is an error.
///
/// ```
/// use keyfold_kms::server::ServerConfig;
///
/// let config = ServerConfig::default();
/// assert_eq!(config.listen.to_string(), "127.0.0.1:8470");
/// config.check()?;
///
/// // Plain HTTP stays on this machine, unless somebody insists.
/// let open = ServerConfig { listen: "0.0.0.0:8470".parse()?, ..ServerConfig::default() };
/// assert!(open.check().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether plain HTTP may leave this machine: behind a proxy that speaks TLS, for example.
    pub allow_plain_http: bool,
    /// TLS; plain HTTP where absent.
    pub tls: Option<TlsConfig>,
    /// Web pages of other origins.
    pub cors: CorsConfig,
    /// Sizes, times and counts.
    pub limits: LimitConfig,
    /// How often one principal may call.
    pub rates: RateConfig,
    /// Metrics.
    pub metrics: MetricsConfig,
    /// Who may call.
    pub auth: AuthConfig,
    /// Clouds that requests are passed on to.
    pub relay: RelayConfig,
}

impl Default for ServerConfig {
    fn default() -> Self {
        ServerConfig {
            listen: DEFAULT_LISTEN,
            allow_plain_http: false,
            tls: None,
            cors: CorsConfig::default(),
            limits: LimitConfig::default(),
            rates: RateConfig::default(),
            metrics: MetricsConfig::default(),
            auth: AuthConfig::default(),
            relay: RelayConfig::default(),
        }
    }
}

impl ServerConfig {
    /// Finds what contradicts itself, without touching anything.
    ///
    /// # Errors
    /// [`ServeError::Config`], naming the key.
    pub fn check(&self) -> Result<(), ServeError> {
        if self.tls.is_none() && !self.allow_plain_http && !self.listen.ip().is_loopback() {
            return Err(ServeError::config(format!(
                "plain HTTP on {} would carry secrets over the network: configure TLS, or allow \
                 plain HTTP in so many words",
                self.listen
            )));
        }
        if let Some(tls) = &self.tls
            && tls.require_client_certificate
            && tls.client_ca.is_none()
        {
            return Err(ServeError::config(
                "tls.require_client_certificate needs tls.client_ca".to_owned(),
            ));
        }
        self.cors.check()?;
        self.limits.check()?;
        self.relay.check(self.limits.request_seconds)?;
        self.rates.check()
    }
}

/// Certificate and key, as PEM files that are read again when they change.
///
/// ```
/// use keyfold_kms::server::TlsConfig;
///
/// let tls = TlsConfig::new("server.pem", "server.key");
/// assert_eq!(tls.reload_seconds, 10);
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// The private key: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
    /// Certificates of the authorities that vouch for clients. Where absent, none is asked for.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
    /// Whether a connection without a client certificate is refused in the handshake.
    #[serde(default)]
    pub require_client_certificate: bool,
    /// Between looks at the files, in seconds; 0: only when told.
    #[serde(default = "ten")]
    pub reload_seconds: u64,
}

const fn ten() -> u64 {
    10
}

impl TlsConfig {
    /// TLS without client certificates.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        TlsConfig {
            certificate: certificate.into(),
            key: key.into(),
            client_ca: None,
            require_client_certificate: false,
            reload_seconds: ten(),
        }
    }
}

/// Which web pages of other origins may call.
///
/// ```
/// use keyfold_kms::server::CorsConfig;
///
/// let cors = CorsConfig { origins: vec!["*".to_owned()], ..CorsConfig::default() };
/// assert!(cors.check().is_err(), "origins are named");
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CorsConfig {
    /// Exact origins, such as `https://app.example.com`; none by default.
    pub origins: Vec<String>,
    /// For how long a browser may keep the answer to a preflight, in seconds; 600 to 7200.
    pub max_age_seconds: u64,
}

impl Default for CorsConfig {
    fn default() -> Self {
        CorsConfig { origins: Vec::new(), max_age_seconds: 3600 }
    }
}

impl CorsConfig {
    /// Finds what is not an origin.
    ///
    /// # Errors
    /// [`ServeError::Config`].
    pub fn check(&self) -> Result<(), ServeError> {
        for origin in &self.origins {
            let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
            if !host.is_some_and(|host| !host.is_empty() && host.bytes().all(plain)) {
                return Err(ServeError::config(format!(
                    "cors.origins: {origin:?} is not an origin such as https://app.example.com"
                )));
            }
        }
        range("cors.max_age_seconds", self.max_age_seconds, 600..=7200)
    }
}

/// Sizes, times and counts. What exceeds one is refused before it costs more.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitConfig {
    /// The longest request body, in bytes; 1 KiB to 16 MiB, 1 MiB by default.
    pub body_bytes: usize,
    /// The longest head of a request, in bytes; 8 KiB to 1 MiB, 64 KiB by default.
    pub header_bytes: usize,
    /// For how long the head of a request may take, or a connection be idle, in seconds; 30.
    pub header_seconds: u64,
    /// For how long a whole request may take, in seconds; 30.
    pub request_seconds: u64,
    /// Requests at one time; more are told to come back. 1024.
    pub concurrent_requests: usize,
    /// Connections at one time; more are closed at once. 8192.
    pub connections: usize,
    /// For how long requests in flight may take after the signal to end, in seconds; 20.
    pub shutdown_seconds: u64,
    /// Between the signal to end, from which `/readyz` answers 503, and the end of accepting, in
    /// seconds: time for load balancers. 0.
    pub drain_seconds: u64,
}

impl Default for LimitConfig {
    fn default() -> Self {
        LimitConfig {
            body_bytes: 1024 * 1024,
            header_bytes: 64 * 1024,
            header_seconds: 30,
            request_seconds: 30,
            concurrent_requests: 1024,
            connections: 8192,
            shutdown_seconds: 20,
            drain_seconds: 0,
        }
    }
}

impl LimitConfig {
    pub(crate) fn request_time(&self) -> Duration {
        Duration::from_secs(self.request_seconds)
    }

    pub(crate) fn header_time(&self) -> Duration {
        Duration::from_secs(self.header_seconds)
    }

    fn check(&self) -> Result<(), ServeError> {
        range("limits.body_bytes", self.body_bytes as u64, 1024..=16 * 1024 * 1024)?;
        range("limits.header_bytes", self.header_bytes as u64, 8 * 1024..=1024 * 1024)?;
        range("limits.header_seconds", self.header_seconds, 1..=3600)?;
        range("limits.request_seconds", self.request_seconds, 1..=3600)?;
        range("limits.concurrent_requests", self.concurrent_requests as u64, 1..=65_536)?;
        range("limits.connections", self.connections as u64, 1..=1_048_576)?;
        range("limits.shutdown_seconds", self.shutdown_seconds, 0..=3600)?;
        range("limits.drain_seconds", self.drain_seconds, 0..=3600)
    }
}

/// Requests a second, and how many may come at once after a pause.
///
/// ```
/// use keyfold_kms::server::Rate;
///
/// assert!(Rate::OFF.is_off());
/// assert_eq!(Rate::new(100, 500).burst, 500);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Requests a second in the long run; 0: no limit.
    pub per_second: u32,
    /// Requests at once after a pause; where absent, as many as in two seconds.
    #[serde(default)]
    pub burst: u32,
}

impl Rate {
    /// No limit.
    pub const OFF: Rate = Rate { per_second: 0, burst: 0 };

    /// A limit.
    pub const fn new(per_second: u32, burst: u32) -> Self {
        Rate { per_second, burst }
    }

    /// Whether there is no limit.
    pub const fn is_off(self) -> bool {
        self.per_second == 0
    }
}

/// How often one principal may call, by class of operation, and one address before anybody knows
/// who it is. The defaults keep one caller from starving the others by accident; they are far
/// above what an application needs.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateConfig {
    /// Encrypt, Decrypt, data keys, random bytes: 200,000 a second.
    pub symmetric: Rate,
    /// Sign, Verify, GetPublicKey: 50,000 a second.
    pub asymmetric: Rate,
    /// CreateKey: 500 a second, 20,000 at once.
    pub key_generation: Rate,
    /// GetSecretValue: 50,000 a second.
    pub secrets_read: Rate,
    /// Everything else: 20,000 a second.
    pub management: Rate,
    /// Each address (IPv6: each /64), before authentication: 50,000 a second. Loopback addresses
    /// are exempt.
    pub address: Rate,
}

impl Default for RateConfig {
    fn default() -> Self {
        RateConfig {
            symmetric: Rate::new(200_000, 400_000),
            asymmetric: Rate::new(50_000, 100_000),
            key_generation: Rate::new(500, 20_000),
            secrets_read: Rate::new(50_000, 100_000),
            management: Rate::new(20_000, 40_000),
            address: Rate::new(50_000, 100_000),
        }
    }
}

impl RateConfig {
    fn check(&self) -> Result<(), ServeError> {
        let rates = [
            ("symmetric", self.symmetric),
            ("asymmetric", self.asymmetric),
            ("key_generation", self.key_generation),
            ("secrets_read", self.secrets_read),
            ("management", self.management),
            ("address", self.address),
        ];
        for (name, rate) in rates {
            let key = format!("rates.{name}.per_second");
            range(&key, rate.per_second.into(), 0..=10_000_000)?;
            range(&format!("rates.{name}.burst"), rate.burst.into(), 0..=100_000_000)?;
        }
        Ok(())
    }
}

/// Where metrics are read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsConfig {
    /// An address of their own for `/metrics`, `/healthz` and `/readyz`, plain HTTP. Where absent,
    /// the main address answers `/metrics` to loopback peers only.
    pub listen: Option<SocketAddr>,
}

pub(super) fn range(
    key: &str,
    value: u64,
    range: std::ops::RangeInclusive<u64>,
) -> Result<(), ServeError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(ServeError::config(format!(
        "{key} is {value}, but must be {} to {}",
        range.start(),
        range.end()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contradicts_itself_is_refused() {
        type Change = fn(&mut ServerConfig);
        let refused: [(&str, Change); 9] = [
            ("plain HTTP", |c| c.listen = "192.0.2.1:80".parse().expect("an address")),
            ("client_ca", |c| {
                c.tls = Some(TlsConfig {
                    require_client_certificate: true,
                    ..TlsConfig::new("c", "k")
                });
            }),
            ("cors.origins", |c| c.cors.origins = vec!["*".to_owned()]),
            ("cors.origins", |c| c.cors.origins = vec!["https://a.example/path".to_owned()]),
            ("cors.origins", |c| c.cors.origins = vec!["https://".to_owned()]),
            ("cors.max_age", |c| c.cors.max_age_seconds = 1),
            ("limits.body_bytes", |c| c.limits.body_bytes = 0),
            ("limits.concurrent_requests", |c| c.limits.concurrent_requests = 0),
            ("rates.symmetric", |c| c.rates.symmetric = Rate::new(u32::MAX, 1)),
        ];
        for (names, change) in refused {
            let mut config = ServerConfig::default();
            change(&mut config);
            let error = config.check().expect_err(names).to_string();
            assert!(error.contains(names), "{error} does not name {names}");
        }
    }

    #[test]
    fn plain_http_may_be_insisted_on() {
        let listen = "0.0.0.0:80".parse().expect("an address");
        let config = ServerConfig { listen, allow_plain_http: true, ..ServerConfig::default() };
        config.check().expect("allowed");
    }
}
