//! Issuers that sign tokens and publish their keys, and a server that is to believe them.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use http::{HeaderMap, HeaderValue};
use keyfold::crypto::rng::SystemRng;
use keyfold::sign::{KeySpec, SignatureAlgorithm, SigningKey, ecdsa_der_to_raw};
use parking_lot::Mutex;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::{Clock, SystemClock, Timestamp};
use crate::engine::{Caller, Engine};
use crate::error::{KmsErrorCode as Code, Result};
use crate::server::auth::{AuthConfig, Authenticator, Incoming, Peer, Service};

pub(super) const ISSUER: &str = "https://login.example.test/";

/// Somebody with a key who signs tokens.
pub(super) struct Signer {
    pub(super) id: &'static str,
    pub(super) algorithm: &'static str,
    pub(super) key: SigningKey,
}

impl Signer {
    pub(super) fn new(id: &'static str, algorithm: &'static str) -> Self {
        let spec = match algorithm {
            "ES256" => KeySpec::EccNistP256,
            "EdDSA" => KeySpec::Ed25519,
            _ => KeySpec::Rsa2048,
        };
        let key = SigningKey::generate(spec, &SystemRng).expect("a key");
        Signer { id, algorithm, key }
    }

    /// The public half, as an issuer publishes it.
    pub(super) fn jwk(&self) -> Value {
        let mut jwk: Value = serde_json::from_str(&self.key.public_key().to_jwk()).expect("JSON");
        jwk["kid"] = self.id.into();
        jwk["use"] = "sig".into();
        jwk["alg"] = self.algorithm.into();
        jwk
    }

    pub(super) fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({ "alg": self.algorithm, "typ": "JWT", "kid": self.id }), claims)
    }

    pub(super) fn token_with(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let bytes = message.as_bytes();
        let signature = match self.algorithm {
            "ES256" => {
                let der = self.key.sign(SignatureAlgorithm::EcdsaSha256, bytes);
                ecdsa_der_to_raw(KeySpec::EccNistP256, &der.expect("signed")).expect("raw")
            }
            "EdDSA" => self.key.sign(SignatureAlgorithm::Ed25519, bytes).expect("signed"),
            _ => self.key.sign(SignatureAlgorithm::RsaPkcs1Sha256, bytes).expect("signed"),
        };
        format!("{message}.{}", BASE64.encode(signature))
    }
}

pub(super) fn message(header: &Value, claims: &Value) -> String {
    format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()))
}

pub(super) fn set(signers: &[&Signer]) -> Vec<u8> {
    let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
    json!({ "keys": keys }).to_string().into_bytes()
}

/// How an issuer's server answers.
pub(super) enum Answer {
    Set(Vec<u8>),
    Raw(&'static str),
    /// So many megabytes, of a length that is told or not.
    Huge {
        megabytes: usize,
        told: bool,
    },
}

/// An issuer's server; it counts what it is asked, and what it could send.
pub(super) struct Server {
    pub(super) url: String,
    pub(super) asked: Arc<AtomicUsize>,
    pub(super) sent: Arc<AtomicUsize>,
    pub(super) answer: Arc<Mutex<Answer>>,
}

impl Server {
    pub(super) fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
        let server = Server {
            url,
            asked: Arc::default(),
            sent: Arc::default(),
            answer: Arc::new(Mutex::new(answer)),
        };
        let (asked, sent, answer) =
            (Arc::clone(&server.asked), Arc::clone(&server.sent), Arc::clone(&server.answer));
        // It ends with the process of the tests.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let mut request = [0; 4096];
                let _ = stream.read(&mut request);
                asked.fetch_add(1, Ordering::SeqCst);
                let mut send = |bytes: &[u8]| {
                    let done = stream.write_all(bytes).is_ok();
                    sent.fetch_add(if done { bytes.len() } else { 0 }, Ordering::SeqCst);
                    done
                };
                let head = |length: usize| {
                    format!(
                        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
                    )
                };
                match &*answer.lock() {
                    Answer::Set(set) => {
                        send(head(set.len()).as_bytes());
                        send(set);
                    }
                    Answer::Raw(text) => {
                        send(text.as_bytes());
                    }
                    Answer::Huge { megabytes, told } => {
                        let length = megabytes << 20;
                        let head = if *told {
                            head(length)
                        } else {
                            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_owned()
                        };
                        send(head.as_bytes());
                        let block = vec![b' '; 1 << 16];
                        let _ = (0..length / block.len()).all(|_| send(&block));
                    }
                }
            }
        });
        server
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(super) fn answers(&self, answer: Answer) {
        *self.answer.lock() = answer;
    }
}

/// A server's view: an engine, and an authenticator with one configured issuer.
pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) authenticator: Authenticator,
    pub(super) now: Timestamp,
}

impl World {
    pub(super) fn new(issuer: &Value) -> Self {
        let mut config =
            json!({ "name": "corp", "issuer": ISSUER, "audiences": ["keyfold", "kms"] });
        for (name, value) in issuer.as_object().expect("an object") {
            config[name] = value.clone();
        }
        let config = json!({ "tokens": { "issuers": [config] } });
        World {
            engine: Engine::in_memory().expect("an engine"),
            authenticator: authenticator(&config).expect("a configuration"),
            now: SystemClock.now(),
        }
    }

    pub(super) fn of_file(signers: &[&Signer], more: &Value) -> (Self, tempfile::NamedTempFile) {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(&set(signers)).expect("written");
        let mut config = json!({ "jwks_file": file.path() });
        for (name, value) in more.as_object().expect("an object") {
            config[name] = value.clone();
        }
        (Self::new(&config), file)
    }

    pub(super) async fn ask(&self, token: &str) -> Result<Caller> {
        self.ask_at(token, self.now).await
    }

    pub(super) async fn ask_at(&self, token: &str, now: Timestamp) -> Result<Caller> {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(&format!("Bearer {token}")).expect("a value");
        headers.insert("authorization", value);
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let peer = Peer { address, certificate: None, tls: false };
        let incoming = Incoming {
            headers: &headers,
            authority: "localhost",
            body: b"{}",
            service: Service::Kms,
            peer: &peer,
            now,
            request_id: Uuid::nil(),
        };
        self.authenticator.authenticate(&self.engine, &incoming).await
    }

    #[track_caller]
    pub(super) fn code(answer: Result<Caller>) -> Option<Code> {
        answer.err().map(|error| error.code())
    }

    /// Claims that are right.
    pub(super) fn claims(&self) -> Value {
        let seconds = self.now.millis() / 1000;
        json!({
            "iss": ISSUER, "aud": "keyfold", "sub": "alice", "iat": seconds, "exp": seconds + 600,
        })
    }

    /// The same with one claim changed; gone where it is `null`.
    pub(super) fn with(&self, name: &str, value: Value) -> Value {
        let mut claims = self.claims();
        match value {
            Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
            value => claims[name] = value,
        }
        claims
    }
}

pub(super) fn authenticator(config: &Value) -> std::result::Result<Authenticator, String> {
    let config: AuthConfig =
        serde_json::from_value(config.clone()).map_err(|error| error.to_string())?;
    Authenticator::new(config).map_err(|error| error.to_string())
}
