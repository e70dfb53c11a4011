//! Who calls Vault.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keyfold::credentials::{
    CachedCredentials, Credentials, CredentialsProvider, TokenSource, VaultLoginCredentials,
};
use keyfold::kms::cloud::CloudKms;
use keyfold::kms::vault::VaultConfig;
use keyfold::kms::{Kms as _, Request};
use keyfold::transport::HttpResponse;
use keyfold::{Error, ErrorCode, SecretBytes, WallClock};
use pollster::block_on;

use crate::support::*;

const URL: &str = "https://vault.example.com:8200";
const ROLE: &str = "59d6d1ca-47bb-4e7e-a40b-8be3bc5a0ba8";
const LOGIN: &str = "https://vault.example.com:8200/v1/auth/approle/login";
const RENEW: &str = "https://vault.example.com:8200/v1/auth/token/renew-self";

fn config() -> VaultConfig {
    VaultConfig::new(URL, "transit").expect("a configuration")
}

struct Fixed(&'static str);

impl TokenSource for Fixed {
    fn token(&self) -> keyfold::Result<SecretBytes> {
        Ok(SecretBytes::from(self.0.as_bytes()))
    }
}

/// A clock that the test moves on.
#[derive(Clone, Default)]
struct Time(Arc<AtomicU64>);

impl WallClock for Time {
    fn unix_time(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

fn granted(token: &str, lease: u64, renewable: bool) -> HttpResponse {
    answer(
        200,
        &format!(
            r#"{{"auth":{{"client_token":"{token}","lease_duration":{lease},"renewable":{renewable}}},"data":null}}"#
        ),
    )
}

fn app_role<C: WallClock>(transport: Canned, clock: C) -> VaultLoginCredentials<Canned, C> {
    let secret = Box::new(Fixed("s-1"));
    VaultLoginCredentials::with_app_role(transport, clock, &config(), ROLE, Some(secret))
        .expect("a source")
}

fn found(credentials: Result<Option<Arc<Credentials>>, Error>) -> Option<Duration> {
    credentials.expect("an answer").expect("credentials").expires()
}

#[test]
fn an_application_logs_in_by_its_role() {
    let transport = Canned::new([granted("hvs.a", 1200, true)]);
    let source = app_role(transport.clone(), Noon);
    assert_eq!(found(block_on(source.credentials())), Some(NOW + Duration::from_secs(1200)));
    let sent = transport.sent();
    assert_eq!((sent[0].method.as_str(), sent[0].url.as_str()), ("POST", LOGIN));
    assert_eq!(text(&sent[0].body), format!(r#"{{"role_id":"{ROLE}","secret_id":"s-1"}}"#));
    assert_eq!(header(&sent[0], "authorization"), None);
    assert_eq!(header(&sent[0], "x-vault-request"), Some("true"));

    // A role that wants no secret id, at another mount, in a namespace; and a lease without end.
    let transport = Canned::new([granted("hvs.a", 0, false)]);
    let config = config().with_namespace("team").expect("a namespace");
    let source = VaultLoginCredentials::with_app_role(transport.clone(), Noon, &config, ROLE, None);
    let source = source.and_then(|source| source.at_mount("team/roles")).expect("a source");
    assert_eq!(found(block_on(source.credentials())), Some(NOW + Duration::from_secs(7 * 86_400)));
    let sent = transport.sent();
    assert_eq!(sent[0].url, format!("{URL}/v1/auth/team/roles/login"));
    assert_eq!(text(&sent[0].body), format!(r#"{{"role_id":"{ROLE}"}}"#));
    assert_eq!(header(&sent[0], "x-vault-namespace"), Some("team"));

    for (answered, code) in [
        (answer(400, r#"{"errors":["invalid role or secret ID"]}"#), ErrorCode::KmsDenied),
        (answer(403, r#"{"errors":["permission denied"]}"#), ErrorCode::KmsDenied),
        (answer(404, r#"{"errors":[]}"#), ErrorCode::KmsProtocol),
        (answer(429, ""), ErrorCode::KmsThrottled),
        (answer(503, r#"{"errors":["Vault is sealed"]}"#), ErrorCode::KmsUnavailable),
        (answer(307, ""), ErrorCode::KmsProtocol),
        (answer(200, "<html>"), ErrorCode::KmsProtocol),
        (answer(200, r#"{"auth":null}"#), ErrorCode::KmsProtocol),
        (answer(200, r#"{"auth":{"client_token":"a"}}"#), ErrorCode::KmsProtocol),
        (answer(200, r#"{"auth":{"client_token":"","lease_duration":1}}"#), ErrorCode::KmsProtocol),
        (granted(r"a\nb", 1, true), ErrorCode::KmsProtocol),
    ] {
        let source = app_role(Canned::new([answered]), Noon);
        assert_eq!(block_on(source.credentials()).expect_err("refused").code(), code);
    }
    for role in ["", "a b", "a\r\nb"] {
        let source =
            VaultLoginCredentials::with_app_role(Canned::default(), Noon, &config, role, None);
        assert_eq!(source.err().expect("refused").code(), ErrorCode::InvalidArgument);
    }
    let source = app_role(Canned::default(), Noon).at_mount("../sys");
    assert_eq!(source.err().expect("refused").code(), ErrorCode::InvalidArgument);
}

#[test]
fn a_pod_logs_in_by_the_token_of_its_service_account() {
    let transport = Canned::new([granted("hvs.a", 1200, true)]);
    let token = Box::new(Fixed("eyJ.e30.c2ln"));
    let source = VaultLoginCredentials::with_kubernetes(
        transport.clone(),
        Noon,
        &config(),
        "keyfold",
        token,
    );
    found(block_on(source.expect("a source").credentials()));
    let sent = transport.sent();
    assert_eq!(sent[0].url, format!("{URL}/v1/auth/kubernetes/login"));
    assert_eq!(text(&sent[0].body), r#"{"role":"keyfold","jwt":"eyJ.e30.c2ln"}"#);
}

#[test]
fn tokens_are_renewed_before_they_end() {
    let time = Time::default();
    let denied = || answer(403, r#"{"errors":["permission denied"]}"#);
    let transport = Canned::new([
        granted("hvs.a", 1200, true),
        granted("hvs.a", 1200, true),
        // Near its longest life the lease becomes short: there is another login.
        granted("hvs.a", 599, true),
        granted("hvs.b", 1200, true),
        // It cannot be renewed.
        denied(),
        granted("hvs.c", 1200, false),
        granted("hvs.d", 1200, true),
    ]);
    let source = app_role(transport.clone(), time.clone());
    let cached = CachedCredentials::new(source, time.clone());
    let ask = || block_on(cached.credentials()).expect("an answer").expect("credentials");
    let mut urls = Vec::new();
    for at in [0, 899, 900, 1800, 2700, 3600] {
        time.0.store(at, Ordering::Relaxed);
        let end = ask().expires().expect("an end");
        assert!(end > Duration::from_secs(at + 300), "{at}");
        urls.push(transport.sent().len());
    }
    // Asked for five minutes before the end, and not before.
    assert_eq!(urls, [1, 1, 2, 4, 6, 7]);
    let sent = transport.sent();
    let lines: Vec<(&str, Option<&str>)> =
        sent.iter().map(|one| (one.url.as_str(), header(one, "authorization"))).collect();
    let (a, b) = (Some("Bearer hvs.a"), Some("Bearer hvs.b"));
    assert_eq!(
        lines,
        [
            (LOGIN, None),
            (RENEW, a),
            (RENEW, a),
            (LOGIN, None),
            (RENEW, b),
            (LOGIN, None),
            (LOGIN, None)
        ]
    );
    assert_eq!(text(&sent[1].body), "{}");
}

#[test]
fn a_token_that_is_refused_is_replaced_once() {
    let invalid = || answer(403, r#"{"errors":["permission denied","invalid token"]}"#);
    let key = r#"{"data":{"name":"docs","type":"aes256-gcm96"}}"#;
    let ask = |answers: Vec<HttpResponse>| {
        let transport = Canned::new(answers);
        let source = app_role(transport.clone(), Noon);
        let credentials = Arc::new(CachedCredentials::new(source, Noon));
        let http = Arc::new(transport.clone());
        let kms = CloudKms::new(config(), http, Noon, credentials, Steady);
        let resolved =
            block_on(kms.call(&Request::ResolveKey { key: uri("vault://transit/docs") }));
        let lines = transport.sent().into_iter().map(|one| {
            let token = header(&one, "authorization").unwrap_or("-").to_owned();
            format!("{token} {}", one.url.rsplit_once("/v1/").expect("a path").1)
        });
        (resolved.map(|_| ()).map_err(|error| error.code()), lines.collect::<Vec<_>>())
    };
    let lines = [
        "- auth/approle/login",
        "Bearer hvs.a transit/keys/docs",
        // Not renewed: it is no longer good for anything.
        "- auth/approle/login",
        "Bearer hvs.b transit/keys/docs",
    ];
    let (a, b) = (|| granted("hvs.a", 1200, true), || granted("hvs.b", 1200, true));
    let (resolved, sent) = ask(vec![a(), invalid(), b(), answer(200, key)]);
    assert_eq!((resolved, &sent[..]), (Ok(()), &lines.map(str::to_owned)[..]));
    let (resolved, sent) = ask(vec![a(), invalid(), b(), invalid()]);
    assert_eq!((resolved, sent.len()), (Err(ErrorCode::KmsDenied), 4));
    // What a policy forbids another token would not get either.
    let denied = answer(403, r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#);
    let (resolved, sent) = ask(vec![a(), denied]);
    assert_eq!((resolved, sent.len()), (Err(ErrorCode::KmsDenied), 2));
}
