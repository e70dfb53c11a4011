//! Tokens of every kind, from issuers that behave in every way.

mod configuration;
mod issuers;
mod world;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use keyfold::crypto::hash::hmac_sha256;
use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::error::KmsErrorCode as Code;
use crate::types::{
    CreateKeyRequest, DescribeKeyRequest, EncryptRequest, GenerateRandomRequest, IssueTokenRequest,
    ListKeysRequest,
};
use world::{ISSUER, Signer, World, authenticator, message};

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
