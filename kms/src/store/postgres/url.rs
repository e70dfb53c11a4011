//! Where the database is and how it is spoken to, as one URL.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use super::password;
use crate::store::StoreError;

/// The address of a PostgreSQL database, with everything that is to be said about it.
///
/// `postgres://USER:PASSWORD@HOST:PORT/DATABASE?NAME=VALUE&…`, as libpq reads it. Several hosts,
/// separated by commas, are tried in turn until one can be written to. Of libpq's parameters
/// `host`, `hostaddr`, `port`, `user`, `password`, `dbname`, `application_name`, `options`,
/// `connect_timeout`, `tcp_user_timeout`, `keepalives` and its companions, `target_session_attrs`,
/// `channel_binding`, `load_balance_hosts` and `sslnegotiation` are known, and these:
///
/// | parameter | meaning |
/// | --- | --- |
/// | `sslmode` | `verify-full`: TLS, the certificate is proven to be the host's. `require`: TLS, whoever answers. `prefer`: TLS where the server offers it. `disable`. Default: `prefer` where every host is a loopback address, `localhost` or a Unix socket, else `verify-full` |
/// | `sslrootcert` | a PEM file with the roots for `verify-full`, instead of the platform's |
/// | `passfile` | a password file in the form of `.pgpass`, readable by its owner only. Without it, and without a password in the URL, `PGPASSWORD` is taken, and then the file that `PGPASSFILE` names |
/// | `schema` | the schema that holds keyfold's tables, `keyfold` by default: lower-case letters, digits and `_` |
/// | `pool_size` | how many connections at most, 1 to 100; 8 by default |
/// | `lock_timeout` | how many seconds to wait for a connection and for the lock that serialises changes, 1 to 300; 5 by default |
/// | `prepared_statements` | `off` where a pooler between gives every transaction another connection |
/// | `unsafe_durability` | `on` accepts a server with `fsync` or `synchronous_commit` off, which loses acknowledged changes when it crashes: for tests only |
///
/// It is shown without its password.
///
/// ```
/// use keyfold_kms::store::PostgresUrl;
///
/// let url = PostgresUrl::parse("postgres://kms:secret@db.example/kms?schema=blue")?;
/// assert_eq!(url.to_string(), "postgres://kms@db.example:5432/kms?schema=blue");
/// assert!(PostgresUrl::parse("postgres://db.example/kms?sslmode=perhaps").is_err());
/// # Ok::<(), keyfold_kms::store::StoreError>(())
/// ```
#[derive(Clone)]
pub struct PostgresUrl {
    pub(super) config: Config,
    pub(super) tls: Tls,
    pub(super) root_file: Option<PathBuf>,
    pub(super) schema: String,
    pub(super) pool_size: u32,
    /// How long to wait for a connection, and for the lock.
    pub(super) wait: Duration,
    pub(super) prepared: bool,
    pub(super) unsafe_durability: bool,
}

/// What is asked of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    Disable,
    Prefer,
    Require,
    VerifyFull,
}

/// The schema unless the URL names another.
const SCHEMA: &str = "keyfold";
/// PostgreSQL cuts longer names.
const MAX_NAME: usize = 63;

/// Something in the URL is not right; the text never holds a part that might be a password.
fn wrong(what: impl Into<String>) -> StoreError {
    StoreError::Url(what.into())
}

impl PostgresUrl {
    /// Whether a text is meant to be such a URL.
    pub fn is_one(text: &str) -> bool {
        ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme))
    }

    /// Reads a URL, and the password from where it is kept if the URL has none.
    ///
    /// # Errors
    /// [`StoreError::Url`] says what is wrong, without repeating it.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        if !Self::is_one(text) {
            return Err(wrong("it starts with postgres:// or postgresql://"));
        }
        let (base, query) = split_query(text);
        let mut own = Own::default();
        let mut theirs = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            if !own.take(pair)? {
                theirs.push(pair);
            }
        }
        let config = match theirs.join("&") {
            none if none.is_empty() => base.parse::<Config>(),
            query => format!("{base}?{query}").parse::<Config>(),
        };
        own.complete(config.map_err(|error| {
            // The cause names a parameter, never its value.
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            wrong(cause.unwrap_or_else(|| "it cannot be read".to_owned()))
        })?)
    }
}

/// As the driver splits: credentials end at the first `@`, and the query starts after them.
fn split_query(text: &str) -> (&str, &str) {
    let after_credentials = text.find('@').map_or(0, |at| at + 1);
    match text[after_credentials..].find('?') {
        Some(mark) => {
            let (base, query) = text.split_at(after_credentials + mark);
            (base, &query[1..])
        }
        None => (text, ""),
    }
}

/// The parameters that the driver does not know.
#[derive(Default)]
struct Own {
    tls: Option<Tls>,
    root_file: Option<PathBuf>,
    password_file: Option<PathBuf>,
    schema: Option<String>,
    pool_size: Option<u32>,
    wait: Option<u32>,
    prepared: Option<bool>,
    unsafe_durability: Option<bool>,
}

impl Own {
    /// Takes a parameter that is ours.
    fn take(&mut self, pair: &str) -> Result<bool, StoreError> {
        fn set<T>(place: &mut Option<T>, name: &str, value: Option<T>) -> Result<bool, StoreError> {
            if place.is_some() {
                return Err(wrong(format!("{name} stands twice")));
            }
            *place = Some(value.ok_or_else(|| wrong(format!("{name} has not a valid value")))?);
            Ok(true)
        }
        let Some((name, value)) = pair.split_once('=') else { return Ok(false) };
        let Ok(value) = percent_decode_str(value).decode_utf8() else {
            return Err(wrong(format!("{name} is not text")));
        };
        let value = &*value;
        let file = || (!value.is_empty()).then(|| PathBuf::from(value));
        let number = |most: u32| value.parse().ok().filter(|number| (1..=most).contains(number));
        let switch = || match value {
            "on" => Some(true),
            "off" => Some(false),
            _ => None,
        };
        match name {
            "sslmode" => set(&mut self.tls, name, tls(value)),
            "sslrootcert" => set(&mut self.root_file, name, file()),
            "passfile" => set(&mut self.password_file, name, file()),
            "schema" => set(&mut self.schema, name, schema(value)),
            "pool_size" => set(&mut self.pool_size, name, number(100)),
            "lock_timeout" => set(&mut self.wait, name, number(300)),
            "prepared_statements" => set(&mut self.prepared, name, switch()),
            "unsafe_durability" => set(&mut self.unsafe_durability, name, switch()),
            _ => Ok(false),
        }
    }

    fn complete(self, mut config: Config) -> Result<PostgresUrl, StoreError> {
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(wrong("it names no host"));
        }
        if config.get_user().is_none() {
            return Err(wrong("it names no user"));
        }
        if config.get_password().is_none()
            && let Some(password) = password::find(&config, self.password_file.as_deref())?
        {
            config.password(password.expose());
        }
        let local = config.get_hosts().iter().all(is_local)
            && config.get_hostaddrs().iter().all(IpAddr::is_loopback);
        let tls = self.tls.unwrap_or(if local { Tls::Prefer } else { Tls::VerifyFull });
        if self.root_file.is_some() && tls != Tls::VerifyFull {
            return Err(wrong("sslrootcert means nothing without sslmode=verify-full"));
        }
        config.ssl_mode(match tls {
            Tls::Disable => SslMode::Disable,
            Tls::Prefer => SslMode::Prefer,
            Tls::Require | Tls::VerifyFull => SslMode::Require,
        });
        let hosts = config.get_hosts().len().max(config.get_hostaddrs().len());
        if hosts > 1 && config.get_target_session_attrs() == TargetSessionAttrs::Any {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        if config.get_application_name().is_none() {
            config.application_name("keyfold");
        }
        // A server that is gone without a word is noticed within seconds.
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(5));
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(Duration::from_secs(15));
        }
        config.keepalives_idle(config.get_keepalives_idle().min(Duration::from_secs(15)));
        Ok(PostgresUrl {
            config,
            tls,
            root_file: self.root_file,
            schema: self.schema.unwrap_or_else(|| SCHEMA.to_owned()),
            pool_size: self.pool_size.unwrap_or(8),
            wait: Duration::from_secs(self.wait.unwrap_or(5).into()),
            prepared: self.prepared.unwrap_or(true),
            unsafe_durability: self.unsafe_durability.unwrap_or(false),
        })
    }
}

fn tls(value: &str) -> Option<Tls> {
    Some(match value {
        "disable" => Tls::Disable,
        "prefer" => Tls::Prefer,
        "require" => Tls::Require,
        "verify-full" => Tls::VerifyFull,
        _ => return None,
    })
}

/// A name that means the same quoted and unquoted, and is none of the system's.
fn schema(value: &str) -> Option<String> {
    let plain = value.len() <= MAX_NAME
        && value.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && value.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !value.starts_with("pg_")
        && value != "information_schema";
    plain.then(|| value.to_owned())
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

/// Who, where and what; never the password.
impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres://{}@", self.config.get_user().unwrap_or_default())?;
        let ports = self.config.get_ports();
        for (number, host) in self.config.get_hosts().iter().enumerate() {
            let port = ports.get(number).or(ports.last()).unwrap_or(&5432);
            let comma = if number == 0 { "" } else { "," };
            match host {
                Host::Tcp(name) => write!(f, "{comma}{name}:{port}")?,
                #[cfg(unix)]
                Host::Unix(folder) => write!(f, "{comma}{}:{port}", folder.display())?,
            }
        }
        let database = self.config.get_dbname().or(self.config.get_user()).unwrap_or_default();
        write!(f, "/{database}")?;
        if self.schema != SCHEMA {
            write!(f, "?schema={}", self.schema)?;
        }
        Ok(())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> PostgresUrl {
        PostgresUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn tls_is_proven_unless_the_host_is_this_one() {
        for (text, expected) in [
            ("postgres://u@db.example/d", Tls::VerifyFull),
            ("postgresql://u@10.0.0.1/d", Tls::VerifyFull),
            ("postgres://u@localhost,db.example/d", Tls::VerifyFull),
            ("postgres://u@localhost/d?hostaddr=10.0.0.1", Tls::VerifyFull),
            ("postgres://u@localhost.example/d", Tls::VerifyFull),
            ("postgres://u@localhost/d", Tls::Prefer),
            ("postgres://u@127.0.0.1:5433/d", Tls::Prefer),
            ("postgres://u@[::1]/d", Tls::Prefer),
            ("postgres://u@%2Fvar%2Frun%2Fpostgresql/d", Tls::Prefer),
            ("postgres://u@db.example/d?sslmode=require", Tls::Require),
            ("postgres://u@db.example/d?sslmode=disable", Tls::Disable),
            ("postgres://u@localhost/d?sslmode=verify-full", Tls::VerifyFull),
        ] {
            assert_eq!(parsed(text).tls, expected, "{text}");
        }
    }

    #[test]
    fn parameters_of_both_are_read() {
        let url = parsed(
            "postgres://u:p%40ss@h1,h2:6432/d?schema=_a1&connect_timeout=3&pool_size=2\
             &lock_timeout=300&prepared_statements=off&unsafe_durability=on\
             &sslmode=verify-full&sslrootcert=%2Fetc%2Froots%20a.pem",
        );
        assert_eq!(url.config.get_password(), Some(&b"p@ss"[..]));
        assert_eq!(url.config.get_connect_timeout(), Some(&Duration::from_secs(3)));
        assert_eq!(url.config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        assert_eq!((url.schema.as_str(), url.pool_size, url.wait.as_secs()), ("_a1", 2, 300));
        assert!(!url.prepared && url.unsafe_durability);
        assert_eq!(url.root_file, Some(PathBuf::from("/etc/roots a.pem")));
        // A question mark in a password belongs to it, as the driver reads it.
        let odd = parsed("postgres://u:a?schema=b@localhost/d?schema=c");
        assert_eq!(odd.schema, "c");
        assert_eq!(odd.config.get_password(), Some(&b"a?schema=b"[..]));
    }

    #[test]
    fn what_is_wrong_is_named_and_never_repeated() {
        for text in [
            "mysql://u:hunter2@h/d",
            "postgres://",
            "postgres://h/d",
            "postgres://u:hunter2@/d",
            "postgres://u:hunter2@h:99999999/d",
            "postgres://u:hunter2@h/d?sslmode=hunter2",
            "postgres://u:hunter2@h/d?sslmode=verify-ca",
            "postgres://u:hunter2@h/d?sslmode=require&sslmode=disable",
            "postgres://u:hunter2@h/d?sslmode=require&sslrootcert=x",
            "postgres://u:hunter2@h/d?sslrootcert=",
            "postgres://u:hunter2@h/d?schema=A",
            "postgres://u:hunter2@h/d?schema=a\"b",
            "postgres://u:hunter2@h/d?schema=pg_catalog",
            "postgres://u:hunter2@h/d?schema=1a",
            "postgres://u:hunter2@h/d?schema=",
            "postgres://u:hunter2@h/d?pool_size=0",
            "postgres://u:hunter2@h/d?pool_size=101",
            "postgres://u:hunter2@h/d?lock_timeout=0",
            "postgres://u:hunter2@h/d?prepared_statements=yes",
            "postgres://u:hunter2@h/d?passfile=%FF",
            "postgres://u:hunter2@h/d?password",
            "postgres://u:hunter2@h/d?unknown=hunter2",
            "postgres://u:hunter2@h/d?connect_timeout=hunter2",
        ] {
            let error = PostgresUrl::parse(text).err().unwrap_or_else(|| panic!("{text}"));
            assert!(matches!(error, StoreError::Url(_)), "{text}: {error:?}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{text}: {error}");
        }
    }

    #[test]
    fn it_is_shown_without_its_password() {
        let url = parsed("postgres://u:hunter2@h1,h2:6432/d?password=hunter2&schema=x");
        assert_eq!(url.to_string(), "postgres://u@h1:5432,h2:6432/d?schema=x");
        assert!(!format!("{url:?}").contains("hunter2"));
    }
}
