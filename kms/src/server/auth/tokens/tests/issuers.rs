//! Issuers whose keys change, hide, are down, or are not what they should be.

use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use keyfold::crypto::hash::hmac_sha256;
use serde_json::{Value, json};

use super::world::{Answer, Server, Signer, World, message, set};
use crate::clock::Timestamp;
use crate::error::KmsErrorCode as Code;

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
