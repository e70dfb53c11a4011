//! Tokens of every kind, from issuers that behave in every way.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use http::{HeaderMap, HeaderValue};
use keyfold::crypto::hash::hmac_sha256;
use keyfold::crypto::rng::SystemRng;
use keyfold::sign::{KeySpec, SignatureAlgorithm, SigningKey, ecdsa_der_to_raw};
use parking_lot::Mutex;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::{Clock, SystemClock, Timestamp};
use crate::engine::{Caller, Engine};
use crate::error::{KmsErrorCode as Code, Result};
use crate::server::auth::{AuthConfig, Authenticator, Incoming, Peer, Service};
use crate::types::{
    CreateKeyRequest, DescribeKeyRequest, EncryptRequest, GenerateRandomRequest, IssueTokenRequest,
    ListKeysRequest,
};

const ISSUER: &str = "https://login.example.test/";

/// Somebody with a key who signs tokens.
struct Signer {
    id: &'static str,
    algorithm: &'static str,
    key: SigningKey,
}

impl Signer {
    fn new(id: &'static str, algorithm: &'static str) -> Self {
        let spec = match algorithm {
            "ES256" => KeySpec::EccNistP256,
            "EdDSA" => KeySpec::Ed25519,
            _ => KeySpec::Rsa2048,
        };
        let key = SigningKey::generate(spec, &SystemRng).expect("a key");
        Signer { id, algorithm, key }
    }

    /// The public half, as an issuer publishes it.
    fn jwk(&self) -> Value {
        let mut jwk: Value = serde_json::from_str(&self.key.public_key().to_jwk()).expect("JSON");
        jwk["kid"] = self.id.into();
        jwk["use"] = "sig".into();
        jwk["alg"] = self.algorithm.into();
        jwk
    }

    fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({ "alg": self.algorithm, "typ": "JWT", "kid": self.id }), claims)
    }

    fn token_with(&self, header: &Value, claims: &Value) -> String {
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

fn message(header: &Value, claims: &Value) -> String {
    format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()))
}

fn set(signers: &[&Signer]) -> Vec<u8> {
    let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
    json!({ "keys": keys }).to_string().into_bytes()
}

/// How an issuer's server answers.
enum Answer {
    Set(Vec<u8>),
    Raw(&'static str),
    /// So many megabytes, of a length that is told or not.
    Huge {
        megabytes: usize,
        told: bool,
    },
}

/// An issuer's server; it counts what it is asked, and what it could send.
struct Server {
    url: String,
    asked: Arc<AtomicUsize>,
    sent: Arc<AtomicUsize>,
    answer: Arc<Mutex<Answer>>,
}

impl Server {
    fn start(answer: Answer) -> Self {
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

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn answers(&self, answer: Answer) {
        *self.answer.lock() = answer;
    }
}

/// A server's view: an engine, and an authenticator with one configured issuer.
struct World {
    engine: Engine,
    authenticator: Authenticator,
    now: Timestamp,
}

impl World {
    fn new(issuer: &Value) -> Self {
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

    fn of_file(signers: &[&Signer], more: &Value) -> (Self, tempfile::NamedTempFile) {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(&set(signers)).expect("written");
        let mut config = json!({ "jwks_file": file.path() });
        for (name, value) in more.as_object().expect("an object") {
            config[name] = value.clone();
        }
        (Self::new(&config), file)
    }

    async fn ask(&self, token: &str) -> Result<Caller> {
        self.ask_at(token, self.now).await
    }

    async fn ask_at(&self, token: &str, now: Timestamp) -> Result<Caller> {
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
    fn code(answer: Result<Caller>) -> Option<Code> {
        answer.err().map(|error| error.code())
    }

    /// Claims that are right.
    fn claims(&self) -> Value {
        let seconds = self.now.millis() / 1000;
        json!({
            "iss": ISSUER, "aud": "keyfold", "sub": "alice", "iat": seconds, "exp": seconds + 600,
        })
    }

    /// The same with one claim changed; gone where it is `null`.
    fn with(&self, name: &str, value: Value) -> Value {
        let mut claims = self.claims();
        match value {
            Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
            value => claims[name] = value,
        }
        claims
    }
}

fn authenticator(config: &Value) -> std::result::Result<Authenticator, String> {
    let config: AuthConfig =
        serde_json::from_value(config.clone()).map_err(|error| error.to_string())?;
    Authenticator::new(config).map_err(|error| error.to_string())
}

#[tokio::test]
async fn the_three_algorithms_are_accepted() {
    for algorithm in ["ES256", "EdDSA", "RS256"] {
        let signer = Signer::new("k1", algorithm);
        let (world, _file) = World::of_file(&[&signer], &json!({}));
        let caller = world.ask(&signer.token(&world.claims())).await.expect("a good token");
        assert_eq!(caller.principal(), "arn:aws:iam::000000000000:oidc/corp/alice");
        assert_eq!((caller.account(), caller.authentication()), ("000000000000", "token corp"));
        // By itself it allows nothing.
        assert!(!caller.permits("kms:Decrypt"));
        // One whose algorithm was not configured is not.
        let other = if algorithm == "ES256" { "EdDSA" } else { "ES256" };
        let (world, _file) = World::of_file(&[&signer], &json!({ "algorithms": [other] }));
        let answer = world.ask(&signer.token(&world.claims())).await;
        assert_eq!(World::code(answer), Some(Code::UnrecognizedClient), "{algorithm}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_token_is_refused() {
    const BAD: Code = Code::UnrecognizedClient;
    let signer = Signer::new("k1", "ES256");
    let (world, _file) = World::of_file(&[&signer], &json!({}));
    let now = world.now.millis() / 1000;
    for (name, value, expected) in [
        ("iss", json!(null), BAD),
        ("iss", json!("https://login.example.test"), BAD),
        ("iss", json!([ISSUER]), BAD),
        ("iss", json!(7), BAD),
        ("aud", json!(null), BAD),
        ("aud", json!("other"), BAD),
        ("aud", json!(["other", "another"]), BAD),
        ("aud", json!([]), BAD),
        ("aud", json!({"keyfold": true}), BAD),
        ("sub", json!(null), BAD),
        ("sub", json!(""), BAD),
        ("sub", json!(["alice"]), BAD),
        ("sub", json!("a b"), BAD),
        ("sub", json!("*"), BAD),
        ("sub", json!("ali\u{e7}e"), BAD),
        ("sub", json!("a".repeat(257)), BAD),
        ("exp", json!(null), BAD),
        ("exp", json!("never"), BAD),
        ("exp", json!(-1), BAD),
        ("exp", json!(1e300), BAD),
        ("exp", json!(now - 61), Code::ExpiredToken),
        ("exp", json!(now + 86_402), BAD),
        ("iat", json!(null), BAD),
        ("iat", json!(now + 62), BAD),
        ("iat", json!(now - 86_400), BAD),
        ("nbf", json!(now + 62), BAD),
        ("nbf", json!("now"), BAD),
        ("keyfold_keys", json!("alias/docs"), BAD),
        ("keyfold_keys", json!([1]), BAD),
        ("keyfold_operations", json!({"a": 1}), BAD),
        ("keyfold_operations", json!(vec!["kms:*"; 65]), BAD),
        ("keyfold_context", json!(["tenant"]), BAD),
        ("keyfold_context", json!({"tenant": 1}), BAD),
        // This issuer may not say what is allowed.
        ("keyfold_allow", json!(["*"]), BAD),
        ("keyfold_allow", json!([]), BAD),
    ] {
        let token = signer.token(&world.with(name, value.clone()));
        assert_eq!(World::code(world.ask(&token).await), Some(expected), "{name} {value}");
    }
    for (name, value) in [
        ("aud", json!(["other", "kms"])),
        ("exp", json!(now - 58)),
        ("exp", serde_json::from_str(&format!("{now}.5")).expect("a number")),
        ("iat", json!(now + 58)),
        ("nbf", json!(now + 58)),
        ("sub", json!("auth0|5f7c8e")),
        ("sub", json!("repo:example/app:ref:refs/heads/main")),
        ("sub", json!("alice@example.test")),
    ] {
        let token = signer.token(&world.with(name, value.clone()));
        if let Err(error) = world.ask(&token).await {
            panic!("{name} {value}: {error}");
        }
    }
}

#[tokio::test]
async fn a_token_that_was_not_signed_by_the_issuer_is_refused() {
    let (rsa, ec) = (Signer::new("rsa", "RS256"), Signer::new("ec", "ES256"));
    let stranger = Signer::new("rsa", "RS256");
    let (world, _file) = World::of_file(&[&rsa, &ec], &json!({}));
    let claims = world.claims();
    let header = |alg: &str, kid: &str| json!({ "alg": alg, "typ": "JWT", "kid": kid });
    let mut tokens = vec![];
    // No signature at all.
    for alg in ["none", "None", "NONE", ""] {
        tokens.push(format!("{}.", message(&header(alg, "rsa"), &claims)));
    }
    tokens.push(format!("{}.", message(&header("RS256", "rsa"), &claims)));
    tokens.push(message(&header("RS256", "rsa"), &claims));
    // A MAC under what everybody knows: the public key, in each of its forms.
    let public = rsa.key.public_key();
    let forms =
        [public.to_spki_pem().into_bytes(), public.to_spki_der(), public.to_jwk().into_bytes()];
    for alg in ["HS256", "HS384", "HS512"] {
        for form in &forms {
            let message = message(&header(alg, "rsa"), &claims);
            let mac = hmac_sha256(form, &[message.as_bytes()]);
            tokens.push(format!("{message}.{}", BASE64.encode(mac)));
        }
    }
    // Somebody else's key under a known name, and a key that the token brings along.
    tokens.push(stranger.token(&claims));
    let mut own = header("RS256", "rsa");
    own["jwk"] = stranger.jwk();
    own["jku"] = "http://127.0.0.1:9/keys".into();
    tokens.push(stranger.token_with(&own, &claims));
    // The right key under another algorithm or the name of another key.
    tokens.push(rsa.token_with(&header("ES256", "ec"), &claims));
    tokens.push(rsa.token_with(&header("ES256", "rsa"), &claims));
    tokens.push(rsa.token_with(&header("PS256", "rsa"), &claims));
    tokens.push(rsa.token_with(&header("RS512", "rsa"), &claims));
    tokens.push(ec.token_with(&header("ES384", "ec"), &claims));
    tokens.push(ec.token_with(&header("RS256", "rsa"), &claims));
    tokens.push(ec.token_with(&header("ES256", "rsa"), &claims));
    // What the header demands.
    let more = |name: &str, value: Value| {
        let mut header = header("ES256", "ec");
        header[name] = value;
        ec.token_with(&header, &claims)
    };
    tokens.push(more("crit", json!(["exp"])));
    tokens.push(more("typ", json!("logout+jwt")));
    tokens.push(more("zip", json!("DEF")));
    // Anything altered.
    let good = ec.token(&claims);
    let parts: Vec<&str> = good.split('.').collect();
    let admin = BASE64.encode(world.with("sub", json!("admin")).to_string());
    tokens.push(format!("{}.{admin}.{}", parts[0], parts[2]));
    tokens.push(format!("{}.{}.{}", parts[0], parts[1], BASE64.encode([0; 64])));
    tokens.push(format!("{good}."));
    tokens.push(format!("{good}.{}", parts[2]));
    tokens.push(format!(".{good}"));
    tokens.push(format!("{}.{}", parts[0], parts[1]));
    tokens.push(good[..good.len() - 4].to_owned());
    for text in ["", ".", "..", "...", "a", "a.b.c", "e30.e30.e30", "null.null.null"] {
        tokens.push(text.to_owned());
    }
    tokens.push(format!("{}{good}", "a".repeat(9000)));
    for token in &tokens {
        let code = World::code(world.ask(token).await);
        let refused = [Some(Code::UnrecognizedClient), Some(Code::IncompleteSignature)];
        assert!(refused.contains(&code), "{code:?} {}", &token[..token.len().min(200)]);
    }
    // And the issuer's own tokens are accepted, so that they were refused for that.
    for token in [ec.token(&claims), rsa.token(&claims)] {
        world.ask(&token).await.expect("a good token");
    }
}

#[tokio::test]
async fn a_token_without_a_key_id_is_verified_by_the_only_key_there_is() {
    let (ec, other, ed) =
        (Signer::new("a", "ES256"), Signer::new("b", "ES256"), Signer::new("c", "EdDSA"));
    let (world, _file) = World::of_file(&[&ec, &ed], &json!({}));
    let nameless =
        |signer: &Signer| signer.token_with(&json!({ "alg": signer.algorithm }), &world.claims());
    world.ask(&nameless(&ec)).await.expect("the only one of its algorithm");
    let (two, _file) = World::of_file(&[&ec, &other], &json!({}));
    assert_eq!(World::code(two.ask(&nameless(&ec)).await), Some(Code::UnrecognizedClient));
}

#[tokio::test]
async fn claims_give_rights_by_rules_and_set_limits() {
    let signer = Signer::new("k1", "EdDSA");
    let rules = json!({
        "allow": ["kms:DescribeKey"],
        "rules": [
            { "claim": "groups", "value": "kms-admins", "allow": ["kms:*"] },
            { "claim": "/realm_access/roles", "value": "reader", "allow": ["kms:List*"] },
            { "claim": "scope", "value": "safe", "allow": ["secretsmanager:*"] },
            { "claim": "https://example.test/team", "value": "red", "allow": ["kms:Sign"] },
            { "claim": "/https:~1~1example.test~1team", "value": "blue", "allow": ["kms:Verify"] },
        ],
    });
    let (world, _file) = World::of_file(&[&signer], &rules);
    let actions = [
        "kms:DescribeKey",
        "kms:Encrypt",
        "kms:ListKeys",
        "secretsmanager:GetSecretValue",
        "kms:Sign",
        "kms:Verify",
    ];
    for (name, value, allowed) in [
        ("x", json!(1), "100000"),
        ("groups", json!(["users", "kms-admins"]), "111011"),
        ("groups", json!("kms-admins"), "111011"),
        ("groups", json!(["kms-admins2"]), "100000"),
        ("groups", json!({"kms-admins": true}), "100000"),
        ("realm_access", json!({"roles": ["reader"]}), "101000"),
        ("realm_access", json!(["reader"]), "100000"),
        ("scope", json!("openid safe"), "100100"),
        ("scope", json!("unsafe"), "100000"),
        ("https://example.test/team", json!("red"), "100010"),
        ("https://example.test/team", json!("blue"), "100001"),
    ] {
        let token = signer.token(&world.with(name, value.clone()));
        let caller = world.ask(&token).await.expect("a good token");
        let permits: String =
            actions.iter().map(|action| if caller.permits(action) { '1' } else { '0' }).collect();
        assert_eq!(permits, allowed, "{name} {value}");
    }

    let owner = world.engine.owner();
    let new_key =
        || world.engine.call(&owner, &CreateKeyRequest::default()).expect("a key").key_metadata;
    let (mine, other) = (new_key(), new_key());
    let mut claims = world.with("groups", json!(["kms-admins"]));
    claims["keyfold_keys"] = json!([mine.arn]);
    claims["keyfold_operations"] = json!(["kms:Encrypt", "DescribeKey"]);
    claims["keyfold_context"] = json!({ "tenant": "acme" });
    let caller = world.ask(&signer.token(&claims)).await.expect("a good token");
    let encrypt = |key_id: &str, tenant: &str| {
        let request = EncryptRequest {
            key_id: key_id.into(),
            plaintext: b"x"[..].into(),
            encryption_context: [("tenant", tenant)].into(),
            ..EncryptRequest::default()
        };
        world.engine.call(&caller, &request).map(drop).map_err(|error| error.code())
    };
    assert_eq!(encrypt(&mine.key_id, "acme"), Ok(()));
    assert_eq!(encrypt(&mine.key_id, "evil"), Err(Code::AccessDenied));
    assert_eq!(encrypt(&other.key_id, "acme"), Err(Code::AccessDenied));
    let describe = DescribeKeyRequest { key_id: mine.key_id.clone(), grant_tokens: vec![] };
    world.engine.call(&caller, &describe).expect("one of its operations");
    let list = world.engine.call(&caller, &ListKeysRequest::default()).expect_err("not one");
    assert_eq!(list.code(), Code::AccessDenied);
    let records = world.engine.audit_records(2, 10).expect("records");
    let limits: Vec<_> = records.iter().map(|r| r.trail.narrowing.as_deref()).collect();
    assert_eq!(limits, [None, Some("context"), Some("key"), None, Some("operation")]);
    assert!(records.iter().all(|r| r.principal.ends_with(":oidc/corp/alice")));
    assert!(records.iter().all(|r| r.authentication == "token corp"));
}

#[tokio::test]
async fn an_issuer_says_what_is_allowed_only_where_it_may() {
    let signer = Signer::new("k1", "EdDSA");
    let (world, _file) = World::of_file(&[&signer], &json!({ "may_allow": true }));
    let token = signer.token(&world.with("keyfold_allow", json!(["kms:Sign"])));
    let caller = world.ask(&token).await.expect("it may");
    assert!(caller.permits("kms:Sign") && !caller.permits("kms:Decrypt"));
    let wrong = signer.token(&world.with("keyfold_allow", json!(["s3:*"])));
    assert_eq!(World::code(world.ask(&wrong).await), Some(Code::UnrecognizedClient));
}

#[tokio::test]
async fn the_stores_own_tokens_are_accepted() {
    let world = World::new(&json!({ "jwks_url": "http://127.0.0.1:9/keys" }));
    let issue = |audience: &str| {
        let request = IssueTokenRequest {
            subject: "ci".into(),
            audience: audience.into(),
            permissions: vec!["kms:GenerateRandom".into()],
            expires_in_seconds: 600,
            ..IssueTokenRequest::default()
        };
        let issued = world.engine.call(&world.engine.owner(), &request).expect("issued");
        issued.token.expose().to_owned()
    };
    // Before the first one is issued there is no key.
    let stranger = Signer::new("k1", "EdDSA");
    let mut forged =
        world.with("iss", json!(crate::engine::tokens::issuer(world.engine.store_id())));
    forged["keyfold_allow"] = json!(["*"]);
    let refused = Some(Code::UnrecognizedClient);
    assert_eq!(World::code(world.ask(&stranger.token(&forged)).await), refused);
    let token = issue("");
    for _ in 0..3 {
        let caller = world.ask(&token).await.expect("its own");
        assert_eq!(caller.principal(), "arn:aws:iam::000000000000:oidc/local/ci");
        assert!(caller.permits("kms:GenerateRandom") && !caller.permits("kms:Decrypt"));
        let request = GenerateRandomRequest { number_of_bytes: Some(1), ..Default::default() };
        world.engine.perform(&caller, &request).expect("it stands").expect("it may");
    }
    // Not by somebody else's key under the name of the store's, nor for somebody else.
    assert_eq!(World::code(world.ask(&stranger.token(&forged)).await), refused);
    let kid = jsonwebtoken::decode_header(&token).expect("a header").kid;
    let header = json!({ "alg": "EdDSA", "kid": kid });
    assert_eq!(World::code(world.ask(&stranger.token_with(&header, &forged)).await), refused);
    assert_eq!(World::code(world.ask(&issue("other")).await), refused);
    // A store of its own has a key of its own.
    let other = World::new(&json!({ "jwks_url": "http://127.0.0.1:9/keys" }));
    assert_eq!(World::code(other.ask(&token).await), refused);
    // Time ends it, kept or not.
    let late = world.now.plus(661 * Timestamp::SECOND);
    assert_eq!(World::code(world.ask_at(&token, late).await), Some(Code::ExpiredToken));
    let config = json!({ "tokens": { "local": false } });
    let without = World { authenticator: authenticator(&config).expect("right"), ..world };
    assert_eq!(World::code(without.ask(&token).await), refused);
}

#[tokio::test]
async fn keys_are_asked_for_seldom_whatever_tokens_name() {
    let signer = Signer::new("k1", "ES256");
    let server = Server::start(Answer::Set(set(&[&signer])));
    let world = World::new(&json!({ "jwks_url": server.url }));
    let token = signer.token(&world.claims());
    world.ask(&token).await.expect("a good token");
    assert_eq!(server.asked(), 1);
    // A storm of names that are not known, from all sides at once.
    let world = Arc::new(world);
    let storm: Vec<_> = (0..500)
        .map(|number| {
            let header = json!({ "alg": "ES256", "kid": format!("unknown-{number}") });
            let token = signer.token_with(&header, &world.claims());
            let world = Arc::clone(&world);
            tokio::spawn(async move { World::code(world.ask(&token).await) })
        })
        .collect();
    for answer in storm {
        assert_eq!(answer.await.expect("it ran"), Some(Code::UnrecognizedClient));
    }
    assert_eq!(server.asked(), 1, "not again within thirty seconds");
    // After the interval a name that is not known asks once more.
    let later = world.now.plus(31 * Timestamp::SECOND);
    let header = json!({ "alg": "ES256", "kid": "unknown" });
    for _ in 0..5 {
        let token = signer.token_with(&header, &world.claims());
        assert_eq!(World::code(world.ask_at(&token, later).await), Some(Code::UnrecognizedClient));
    }
    assert_eq!(server.asked(), 2);
    // Known ones go on without.
    world.ask_at(&token, later).await.expect("a good token");
    assert_eq!(server.asked(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_first_tokens_ask_once_together() {
    let signer = Signer::new("k1", "ES256");
    let server = Server::start(Answer::Set(set(&[&signer])));
    let world = Arc::new(World::new(&json!({ "jwks_url": server.url })));
    let together: Vec<_> = (0..64)
        .map(|number| {
            let token = signer.token(&world.with("jti", json!(number)));
            let world = Arc::clone(&world);
            tokio::spawn(async move { World::code(world.ask(&token).await) })
        })
        .collect();
    for answer in together {
        assert_eq!(answer.await.expect("it ran"), None);
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn keys_rotate_and_removed_ones_end() {
    let (old, new) = (Signer::new("old", "ES256"), Signer::new("new", "ES256"));
    let server = Server::start(Answer::Set(set(&[&old])));
    let world = World::new(&json!({ "jwks_url": server.url, "max_lifetime_seconds": 86_400 }));
    let long = |signer: &Signer| {
        let seconds = world.now.millis() / 1000;
        signer.token(&world.with("exp", json!(seconds + 80_000)))
    };
    let (first, second) = (long(&old), long(&new));
    world.ask(&first).await.expect("by the old key");
    // A new key is found by its name.
    server.answers(Answer::Set(set(&[&old, &new])));
    let soon = world.now.plus(31 * Timestamp::SECOND);
    world.ask_at(&second, soon).await.expect("by the new key");
    world.ask_at(&first, soon).await.expect("by the old key");
    assert_eq!(server.asked(), 2);
    // The old one is removed: what was verified by it ends when the keys are asked for again.
    server.answers(Answer::Set(set(&[&new])));
    let later = soon.plus(301 * Timestamp::SECOND);
    world.ask_at(&second, later).await.expect("by the new key");
    assert_eq!(server.asked(), 3);
    assert_eq!(World::code(world.ask_at(&first, later).await), Some(Code::UnrecognizedClient));
    // The same before the time that a verified token is kept is over.
    let third = world.with("jti", json!("3"));
    let third = new.token(&third);
    world.ask_at(&third, later).await.expect("by the new key");
    server.answers(Answer::Set(set(&[&old])));
    let unknown = old.token_with(&json!({ "alg": "ES256", "kid": "?" }), &world.claims());
    let moment = later.plus(31 * Timestamp::SECOND);
    assert_eq!(World::code(world.ask_at(&unknown, moment).await), Some(Code::UnrecognizedClient));
    assert_eq!(World::code(world.ask_at(&third, moment).await), Some(Code::UnrecognizedClient));
    assert_eq!(server.asked(), 4);
}

#[tokio::test]
async fn an_issuer_that_is_down_keeps_the_keys_that_it_had() {
    let signer = Signer::new("k1", "ES256");
    let server = Server::start(Answer::Set(set(&[&signer])));
    let world = World::new(&json!({ "jwks_url": server.url }));
    let seconds = world.now.millis() / 1000;
    let token = signer.token(&world.with("exp", json!(seconds + 80_000)));
    world.ask(&token).await.expect("a good token");
    for (hours, broken) in [
        (1, Answer::Raw("")),
        (2, Answer::Raw("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")),
        (3, Answer::Set(b"not JSON".to_vec())),
        (4, Answer::Set(b"{\"keys\":{}}".to_vec())),
        (5, Answer::Huge { megabytes: 1, told: true }),
    ] {
        server.answers(broken);
        let now = world.now.plus(hours * 3600 * Timestamp::SECOND);
        world.ask_at(&token, now).await.expect("by the key that is known");
        assert_eq!(server.asked(), usize::try_from(hours).expect("a few") + 1);
    }
}

#[tokio::test]
async fn an_issuer_that_never_answered_vouches_for_nobody() {
    let signer = Signer::new("k1", "ES256");
    // Nobody listens there.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    let world = World::new(&json!({ "jwks_url": format!("http://{free}/keys") }));
    let token = signer.token(&world.claims());
    assert_eq!(World::code(world.ask(&token).await), Some(Code::UnrecognizedClient));

    let server = Server::start(Answer::Raw("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"));
    let world = World::new(&json!({ "jwks_url": server.url }));
    assert_eq!(World::code(world.ask(&token).await), Some(Code::UnrecognizedClient));
    // Once it is up its tokens are accepted.
    server.answers(Answer::Set(set(&[&signer])));
    let later = world.now.plus(31 * Timestamp::SECOND);
    world.ask_at(&token, later).await.expect("a good token");
}

#[tokio::test]
async fn an_issuer_cannot_lead_elsewhere_nor_fill_the_memory() {
    let signer = Signer::new("k1", "ES256");
    let elsewhere = Server::start(Answer::Set(set(&[&signer])));
    let location =
        format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", elsewhere.url);
    let server = Server::start(Answer::Raw(location.leak()));
    let world = World::new(&json!({ "jwks_url": server.url }));
    let token = signer.token(&world.claims());
    assert_eq!(World::code(world.ask(&token).await), Some(Code::UnrecognizedClient));
    assert_eq!((server.asked(), elsewhere.asked()), (1, 0));
    for told in [true, false] {
        let server = Server::start(Answer::Huge { megabytes: 100, told });
        let world = World::new(&json!({ "jwks_url": server.url }));
        assert_eq!(World::code(world.ask(&token).await), Some(Code::UnrecognizedClient));
        assert_eq!(server.asked(), 1);
        // What the sockets took in between is far less than what was there.
        assert!(server.sent.load(Ordering::SeqCst) < 32 << 20, "it read on");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_tokens_at_once_are_told_apart() {
    let (ec, ed) = (Signer::new("ec", "ES256"), Signer::new("ed", "EdDSA"));
    let forger = Signer::new("ec", "ES256");
    let (world, _file) = World::of_file(&[&ec, &ed], &json!({}));
    let world = Arc::new(world);
    let expired = world.now.millis() / 1000 - 100;
    let tokens: Vec<(String, bool)> = (0..10_000)
        .map(|number: u32| {
            let claims = world.with("sub", json!(format!("user-{}", number / 4)));
            let signer = if number % 8 < 4 { &ec } else { &ed };
            match number % 4 {
                0 => (signer.token(&claims), true),
                1 => (forger.token(&claims), false),
                2 => {
                    let mut claims = claims;
                    claims["exp"] = json!(expired);
                    (signer.token(&claims), false)
                }
                _ => {
                    let good = signer.token(&claims);
                    let (message, _) = good.rsplit_once('.').expect("three parts");
                    (format!("{message}.{}", BASE64.encode([7; 64])), false)
                }
            }
        })
        .collect();
    let tasks: Vec<_> = tokens
        .into_iter()
        .enumerate()
        .map(|(number, (token, good))| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                // Twice: verified, and remembered.
                for _ in 0..2 {
                    let answer = world.ask(&token).await;
                    let principal = answer.ok().map(|caller| caller.principal().to_owned());
                    let expected = good.then(|| {
                        format!("arn:aws:iam::000000000000:oidc/corp/user-{}", number / 4)
                    });
                    assert_eq!(principal, expected, "{number}");
                }
                usize::from(good)
            })
        })
        .collect();
    let mut accepted = 0;
    for task in tasks {
        accepted += task.await.expect("told apart");
    }
    assert_eq!(accepted, 2500);
}

#[tokio::test]
async fn keys_that_are_not_for_tokens_are_passed_over() {
    let good = Signer::new("good", "ES256");
    let mut encryption = Signer::new("enc", "ES256");
    let mut jwks = vec![good.jwk()];
    let mut jwk = encryption.jwk();
    jwk["use"] = "enc".into();
    jwks.push(jwk);
    // Stated for another algorithm; a secret; a private key; no key at all.
    let mut jwk = Signer::new("other", "RS256").jwk();
    jwk["alg"] = "RS512".into();
    jwks.push(jwk);
    jwks.push(json!({ "kty": "oct", "kid": "oct", "k": BASE64.encode("secret"), "alg": "HS256" }));
    let leaked = Signer::new("leaked", "EdDSA");
    let private = leaked.key.to_jwk().expect("a JWK");
    let mut jwk: Value = serde_json::from_slice(private.expose()).expect("JSON");
    jwk["kid"] = "leaked".into();
    jwks.push(jwk);
    jwks.extend([json!(null), json!(7), json!({}), json!({ "kty": "EC", "crv": "P-256" })]);
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(json!({ "keys": jwks }).to_string().as_bytes()).expect("written");
    let world = World::new(&json!({ "jwks_file": file.path() }));
    world.ask(&good.token(&world.claims())).await.expect("the one that is");
    encryption.id = "enc";
    for signer in [&encryption, &leaked] {
        let answer = world.ask(&signer.token(&world.claims())).await;
        assert_eq!(World::code(answer), Some(Code::UnrecognizedClient), "{}", signer.id);
    }
    let message = message(&json!({ "alg": "HS256", "kid": "oct" }), &world.claims());
    let mac = BASE64.encode(hmac_sha256(b"secret", &[message.as_bytes()]));
    let answer = world.ask(&format!("{message}.{mac}")).await;
    assert_eq!(World::code(answer), Some(Code::UnrecognizedClient));
}

#[test]
fn a_wrong_configuration_says_where() {
    let base = json!({
        "name": "corp", "issuer": ISSUER, "audiences": ["keyfold"],
        "jwks_url": "https://login.example.test/keys",
    });
    let with = |name: &str, value: Value| {
        let mut issuer = base.clone();
        issuer[name] = value;
        authenticator(&json!({ "tokens": { "issuers": [issuer] } }))
    };
    assert!(with("leeway_seconds", json!(60)).is_ok());
    assert!(with("jwks_url", json!("http://[::1]:8080/keys")).is_ok());
    assert!(with("jwks_url", json!("http://localhost/keys")).is_ok());
    for (name, value, place) in [
        ("name", json!("local"), "tokens.issuers[0].name"),
        ("name", json!("Corp"), "tokens.issuers[0].name"),
        ("name", json!("a/b"), "tokens.issuers[0].name"),
        ("issuer", json!(""), "tokens.issuers[0].issuer"),
        ("issuer", json!("urn:keyfold:store:x"), "tokens.issuers[0].issuer"),
        ("audiences", json!([]), "tokens.issuers[0].audiences"),
        ("audiences", json!([""]), "tokens.issuers[0].audiences"),
        ("algorithms", json!([]), "tokens.issuers[0].algorithms"),
        ("algorithms", json!(["HS256"]), "unknown variant `HS256`"),
        ("algorithms", json!(["none"]), "unknown variant `none`"),
        ("max_lifetime_seconds", json!(0), "tokens.issuers[0].max_lifetime_seconds"),
        ("max_lifetime_seconds", json!(604_801), "tokens.issuers[0].max_lifetime_seconds"),
        ("leeway_seconds", json!(61), "tokens.issuers[0].leeway_seconds"),
        ("min_refresh_seconds", json!(0), "tokens.issuers[0].min_refresh_seconds"),
        ("min_refresh_seconds", json!(301), "tokens.issuers[0].min_refresh_seconds"),
        ("rules", json!([{ "claim": "", "value": "x", "allow": [] }]), "tokens.issuers[0].rules"),
        (
            "rules",
            json!([{ "claim": "g", "value": "x", "allow": ["kms:Decrpt"] }]),
            "tokens.issuers[0].rules",
        ),
        ("allow", json!(["s3:*"]), "tokens.issuers[0].rules"),
        ("jwks_url", json!("http://login.example.test/keys"), "tokens.issuers.corp.jwks_url"),
        ("jwks_url", json!("http://127.0.0.1.example.test/keys"), "tokens.issuers.corp.jwks_url"),
        ("jwks_url", json!("ftp://127.0.0.1/keys"), "tokens.issuers.corp.jwks_url"),
        ("jwks_url", json!("file:///etc/passwd"), "tokens.issuers.corp.jwks_url"),
        ("jwks_url", json!("https://u:p@login.example.test/keys"), "tokens.issuers.corp.jwks_url"),
        ("jwks_url", json!("nonsense"), "tokens.issuers.corp.jwks_url"),
        ("jwks_file", json!("/no/such/file"), "tokens.issuers[0].jwks_url"),
        ("jkws_url", json!("x"), "unknown field `jkws_url`"),
    ] {
        let error = with(name, value.clone()).err().expect("it is wrong");
        assert!(error.contains(place), "{name} {value}: {error}");
    }
    let none = |name: &str| {
        let mut issuer = base.clone();
        issuer.as_object_mut().expect("an object").remove(name);
        authenticator(&json!({ "tokens": { "issuers": [issuer] } })).err().expect("it is wrong")
    };
    assert!(none("audiences").contains("missing field `audiences`"));
    assert!(none("jwks_url").contains("tokens.issuers[0].jwks_url"));
    let mut file = base.clone();
    file.as_object_mut().expect("an object").remove("jwks_url");
    file["jwks_file"] = "/no/such/file".into();
    let missing = authenticator(&json!({ "tokens": { "issuers": [file] } })).err();
    assert!(missing.expect("it is wrong").contains("tokens.issuers.corp.jwks_file: /no/such/file"));
    let twice = authenticator(&json!({ "tokens": { "issuers": [base, base] } })).err();
    assert!(twice.expect("it is wrong").contains("tokens.issuers[1]"));
    for (config, place) in [
        (json!({ "tokens": { "audience": "" } }), "auth.tokens.audience"),
        (json!({ "mtls": { "rules": [{ "san": "", "allow": ["*"] }] } }), "auth.mtls.rules"),
        (json!({ "mtls": { "rules": [{ "san": "a", "allow": ["x"] }] } }), "auth.mtls.rules"),
        (json!({ "sigv5": {} }), "unknown field `sigv5`"),
    ] {
        let error = authenticator(&config).err().expect("it is wrong");
        assert!(error.contains(place), "{error}");
    }
}
