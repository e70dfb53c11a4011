//! The keys of an issuer of tokens: a JSON Web Key Set (RFC 7517) in a file or at an address.
//!
//! They are asked for when a token names a key that is not known, and again when they get old;
//! by one request at a time, and never more often than configured, whatever tokens name. An
//! issuer that does not answer keeps the keys that it had; one that never answered has none, and
//! its tokens are refused.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jsonwebtoken::{Algorithm, DecodingKey};
use keyfold::sign::{KeySpec, PublicKey};
use reqwest::{Client, StatusCode, Url, redirect};
use serde_json::Value;
use tokio::sync::Mutex;

use super::config::{ConfigError, IssuerConfig};
use crate::clock::Timestamp;

/// The longest key set, in bytes.
const MAX_SET: usize = 256 * 1024;
/// How many keys of a set count.
const MAX_KEYS: usize = 128;
/// How long an issuer may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A key that verifies tokens, by one algorithm only.
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    verifies: DecodingKey,
}

impl Key {
    /// Reads a key; `None` for one that verifies no tokens here, or that is not sound.
    fn of(jwk: &Value) -> Option<Self> {
        if jwk.get("use").is_some_and(|of| of != "sig") {
            return None;
        }
        let public = PublicKey::from_jwk(&jwk.to_string()).ok()?;
        let (algorithm, verifies) = decoding_key(&public)?;
        let stated = jwk.get("alg");
        if stated.is_some_and(|stated| *stated != name(algorithm)) {
            return None;
        }
        let id = jwk.get("kid").and_then(Value::as_str).map(str::to_owned);
        Some(Key { id, algorithm, verifies })
    }
}

/// The name of an algorithm in tokens and keys.
fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::ES256 => "ES256",
        Algorithm::EdDSA => "EdDSA",
        Algorithm::RS256 => "RS256",
        _ => "",
    }
}

/// A public key as the verifier takes it, and the one algorithm that it is for.
pub(super) fn decoding_key(public: &PublicKey) -> Option<(Algorithm, DecodingKey)> {
    // The key was checked; its own form has each member once, and no other.
    let jwk: Value = serde_json::from_str(&public.to_jwk()).ok()?;
    let member = |name: &str| jwk.get(name).and_then(Value::as_str).unwrap_or_default();
    let (algorithm, key) = match public.spec() {
        KeySpec::EccNistP256 => {
            (Algorithm::ES256, DecodingKey::from_ec_components(member("x"), member("y")))
        }
        KeySpec::Ed25519 => (Algorithm::EdDSA, DecodingKey::from_ed_components(member("x"))),
        KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096 => {
            (Algorithm::RS256, DecodingKey::from_rsa_components(member("n"), member("e")))
        }
        _ => return None,
    };
    Some((algorithm, key.ok()?))
}

/// The keys of an issuer at some time.
struct KeySet(Vec<Key>);

impl KeySet {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let set: Value = serde_json::from_slice(bytes).ok()?;
        let keys = set.get("keys")?.as_array()?;
        Some(KeySet(keys.iter().take(MAX_KEYS).filter_map(Key::of).collect()))
    }

    /// The key for a token: that of its name, or where it has none the only one there is.
    fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&DecodingKey> {
        let mut fitting = self
            .0
            .iter()
            .filter(|key| key.algorithm == algorithm && (id.is_none() || key.id.as_deref() == id));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Some(&key.verifies),
            _ => None,
        }
    }
}

/// What is known of an issuer's keys.
struct Known {
    set: Arc<KeySet>,
    /// Grows whenever the keys are others.
    revision: u64,
    digest: [u8; 32],
    /// When they were got.
    since: Timestamp,
    /// When they were last asked for; they need not have been got.
    asked: Option<Timestamp>,
}

enum Source {
    File(PathBuf),
    Address(Url, Client),
}

/// The keys of one issuer.
pub(super) struct Keys {
    source: Source,
    refresh: i64,
    min_refresh: i64,
    known: ArcSwap<Known>,
    /// Whoever has it asks the issuer.
    turn: Mutex<()>,
}

/// A key to verify with, and the revision that it is of.
pub(super) struct Found {
    pub(super) key: DecodingKey,
    pub(super) revision: u64,
}

impl Keys {
    /// By a configuration; a file is read now.
    pub(super) fn new(config: &IssuerConfig) -> Result<Self, ConfigError> {
        let place = format!("tokens.issuers.{}", config.name);
        let source = match (&config.jwks_file, &config.jwks_url) {
            (Some(path), _) => Source::File(path.clone()),
            (None, url) => {
                let wrong = |why: &str| ConfigError::new(format!("{place}.jwks_url"), why);
                let url = Url::parse(url.as_deref().unwrap_or_default())
                    .map_err(|_| wrong("it is not an address"))?;
                let client = client(&url).ok_or_else(|| {
                    wrong("an https address without a user, or http on this machine")
                })?;
                Source::Address(url, client)
            }
        };
        let seconds = |seconds: u32| i64::from(seconds) * Timestamp::SECOND;
        let none = Known {
            set: Arc::new(KeySet(Vec::new())),
            revision: 0,
            digest: [0; 32],
            since: Timestamp::default(),
            asked: None,
        };
        let keys = Keys {
            source,
            refresh: seconds(config.refresh_seconds),
            min_refresh: seconds(config.min_refresh_seconds),
            known: ArcSwap::from_pointee(none),
            turn: Mutex::new(()),
        };
        if let Source::File(path) = &keys.source {
            let read = read_file(path).map_err(|why| {
                ConfigError::new(format!("{place}.jwks_file"), format!("{}: {why}", path.display()))
            })?;
            // Old enough to be read again by the first token.
            keys.take(&read, Timestamp::default()).map_err(|why| ConfigError::new(place, why))?;
        }
        Ok(keys)
    }

    /// How often the keys have changed.
    pub(super) fn revision(&self) -> u64 {
        self.known.load().revision
    }

    /// The key for a token. It may take as long as the issuer takes to answer.
    pub(super) async fn find(
        self: &Arc<Self>,
        issuer: &str,
        id: Option<&str>,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Option<Found> {
        if let Some(found) = self.look(id, algorithm)
            && !self.is_old(now)
        {
            return Some(found);
        }
        let (keys, issuer, id) = (Arc::clone(self), issuer.to_owned(), id.map(str::to_owned));
        let wanted = id.clone();
        // On a task of its own: a request that goes away does not take the answer with it.
        let asked = tokio::spawn(async move {
            let _turn = keys.turn.lock().await;
            // Somebody else may have asked while this one waited.
            if keys.look(id.as_deref(), algorithm).is_none() || keys.is_old(now) {
                keys.ask(&issuer, now).await;
            }
        });
        // It only fails where the process ends.
        let _ = asked.await;
        self.look(wanted.as_deref(), algorithm)
    }

    fn look(&self, id: Option<&str>, algorithm: Algorithm) -> Option<Found> {
        let known = self.known.load();
        let key = known.set.find(id, algorithm)?.clone();
        Some(Found { key, revision: known.revision })
    }

    /// A time before what was noted is of a clock that was set back: then all is old.
    fn is_old(&self, now: Timestamp) -> bool {
        let known = self.known.load();
        now < known.since || now >= known.since.plus(self.refresh)
    }

    /// Asks the issuer, unless it was asked just now. What does not work out leaves everything as
    /// it was.
    async fn ask(&self, issuer: &str, now: Timestamp) {
        let known = self.known.load_full();
        let waits = |asked: Timestamp| now >= asked && now < asked.plus(self.min_refresh);
        if known.asked.is_some_and(waits) {
            return;
        }
        // Noted before it is done: a request that goes away meanwhile has asked all the same.
        self.known.store(Arc::new(Known { asked: Some(now), ..known.again() }));
        let got = match &self.source {
            Source::File(path) => read_file(path),
            Source::Address(url, client) => fetch(client, url.clone()).await,
        };
        if let Err(why) = got.and_then(|bytes| self.take(&bytes, now)) {
            tracing::warn!(issuer, why, "the keys of an issuer of tokens cannot be had");
        }
    }

    fn take(&self, bytes: &[u8], now: Timestamp) -> Result<(), &'static str> {
        let known = self.known.load_full();
        let digest = keyfold::crypto::hash::Sha256::digest(bytes);
        let new = if digest == known.digest {
            Known { since: now, ..known.again() }
        } else {
            let set = KeySet::parse(bytes).ok_or("they are not a JSON Web Key Set")?;
            let revision = known.revision + 1;
            Known { set: Arc::new(set), revision, digest, since: now, asked: known.asked }
        };
        self.known.store(Arc::new(new));
        Ok(())
    }
}

impl Known {
    fn again(&self) -> Self {
        let Known { set, revision, digest, since, asked } = self;
        let (revision, digest, since, asked) = (*revision, *digest, *since, *asked);
        Known { set: Arc::clone(set), revision, digest, since, asked }
    }
}

fn read_file(path: &std::path::Path) -> Result<Vec<u8>, &'static str> {
    use std::io::Read as _;
    let file = std::fs::File::open(path).map_err(|_| "it cannot be read")?;
    let mut bytes = Vec::new();
    let limit = MAX_SET as u64 + 1;
    file.take(limit).read_to_end(&mut bytes).map_err(|_| "it cannot be read")?;
    if bytes.len() > MAX_SET { Err("it is longer than 262144 bytes") } else { Ok(bytes) }
}

/// A client for one address; `None` for one that is not to be asked.
fn client(url: &Url) -> Option<Client> {
    let host = url.host_str()?.trim_matches(['[', ']']);
    let local = host.parse().map_or(host == "localhost", |host: IpAddr| host.is_loopback());
    let secure = url.scheme() == "https";
    if !(secure || local && url.scheme() == "http")
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return None;
    }
    // Where the process has chosen one, that one counts.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let builder = Client::builder()
        .redirect(redirect::Policy::none())
        .timeout(TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        .https_only(secure)
        .pool_max_idle_per_host(0)
        .referer(false)
        .user_agent(concat!("keyfold/", env!("CARGO_PKG_VERSION")));
    // What is on this machine is not behind a proxy.
    let builder = if local { builder.no_proxy() } else { builder };
    builder.build().ok()
}

async fn fetch(client: &Client, url: Url) -> Result<Vec<u8>, &'static str> {
    const FAILED: &str = "the issuer does not answer";
    const TOO_LONG: &str = "the answer is longer than 262144 bytes";
    let mut response = client.get(url).send().await.map_err(|_| FAILED)?;
    // A redirect would lead to somebody else's keys.
    if response.status() != StatusCode::OK {
        return Err("the answer is another one than 200");
    }
    if response.content_length().is_some_and(|length| length > MAX_SET as u64) {
        return Err(TOO_LONG);
    }
    let mut bytes = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|_| FAILED)? {
        if bytes.len() + part.len() > MAX_SET {
            return Err(TOO_LONG);
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}
