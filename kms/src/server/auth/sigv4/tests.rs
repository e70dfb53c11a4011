//! Requests that botocore signed, and every way to spoil them.

mod mutations;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use uuid::Uuid;

use super::{Verifier, derive, parse_time};
use crate::clock::Timestamp;
use crate::engine::{Caller, Engine, Stale};
use crate::error::{KmsErrorCode as Code, Result};
use crate::root::{EngineOptions, PassphraseSealer};
use crate::rows::AccessKeyRow;
use crate::server::auth::{AuthConfig, Authenticator, Incoming, Peer, Service, SigV4Config};
use crate::store::{End, MemoryStore, Store, StoreError, Txn};
use crate::types::{AccessKeyStatus, CreateKeyRequest, GenerateRandomRequest, SecretText};
use mutations::{BAD, Change, INCOMPLETE, mutations};

#[derive(Deserialize)]
struct Data {
    access_key: String,
    secret: String,
    time: String,
    cases: Vec<Case>,
}

#[derive(Clone, Deserialize)]
struct Case {
    name: String,
    service: String,
    host: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// A request that a test can spoil.
#[derive(Clone)]
struct Request {
    name: String,
    service: Service,
    host: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    now: Timestamp,
}

struct World {
    engine: Engine,
    authenticator: Authenticator,
    id: String,
    secret: String,
    requests: Vec<Request>,
}

const MINUTE: i64 = 60 * Timestamp::SECOND;

fn world(config: SigV4Config) -> World {
    let data: Data =
        serde_json::from_str(include_str!("../../../../tests/data/sigv4.json")).expect("the data");
    let now = parse_time(&data.time).expect("a time");
    let engine = Engine::in_memory().expect("an engine");
    engine.insert_access_key(&data.access_key, "ann", &["kms:*"], &SecretText::from(&*data.secret));
    let request = |case: &Case| Request {
        name: case.name.clone(),
        service: if case.service == "kms" { Service::Kms } else { Service::Secrets },
        host: case.host.clone(),
        headers: case
            .headers
            .iter()
            .map(|(name, value)| (name.to_lowercase(), value.clone().into_bytes()))
            .collect(),
        body: STANDARD.decode(&case.body).expect("base64"),
        now,
    };
    World {
        engine,
        authenticator: authenticator(config),
        id: data.access_key,
        secret: data.secret,
        requests: data.cases.iter().map(request).collect(),
    }
}

fn authenticator(sigv4: SigV4Config) -> Authenticator {
    Authenticator::new(AuthConfig { sigv4, ..AuthConfig::default() }).expect("a configuration")
}

impl Request {
    fn get(&self, name: &str) -> String {
        let found = self.headers.iter().find(|(header, _)| header == name);
        String::from_utf8(found.expect("a header").1.clone()).expect("text")
    }

    fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.add(name, value);
    }

    fn add(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.as_bytes().to_vec()));
    }

    fn remove(&mut self, name: &str) {
        self.headers.retain(|(header, _)| header != name);
    }

    /// Changes the Authorization header, which must change by that.
    fn edit(&mut self, from: &str, to: &str) {
        let old = self.get("authorization");
        let new = old.replacen(from, to, 1);
        assert_ne!(old, new, "{from} is not in {old}");
        self.set("authorization", &new);
    }

    fn signature(&self) -> String {
        self.get("authorization").rsplit('=').next().expect("a signature").to_owned()
    }

    fn has_token(&self) -> bool {
        self.headers.iter().any(|(name, _)| name == "x-amz-security-token")
    }

    fn header_map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).expect("a name"),
                HeaderValue::from_bytes(value).expect("a value"),
            );
        }
        map
    }
}

impl World {
    fn ask(&self, request: &Request) -> Result<Caller> {
        self.ask_of(&self.authenticator, request)
    }

    fn ask_of(&self, authenticator: &Authenticator, request: &Request) -> Result<Caller> {
        self.ask_with(authenticator, request, None)
    }

    fn ask_with(
        &self,
        authenticator: &Authenticator,
        request: &Request,
        certificate: Option<Vec<u8>>,
    ) -> Result<Caller> {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let peer = Peer { address, tls: certificate.is_some(), certificate };
        pollster::block_on(authenticator.authenticate(
            &self.engine,
            &Incoming {
                headers: &request.header_map(),
                authority: &request.host,
                body: &request.body,
                service: request.service,
                peer: &peer,
                now: request.now,
                request_id: Uuid::nil(),
            },
        ))
    }

    #[track_caller]
    fn refused(&self, request: &Request) -> Code {
        match self.ask(request) {
            Ok(_) => panic!("{}: it was accepted", request.name),
            Err(error) => error.code(),
        }
    }

    /// The requests that are good as they are.
    fn good(&self) -> impl Iterator<Item = &Request> {
        self.requests.iter().filter(|request| !request.has_token())
    }

    /// Signs a request anew over the headers that its Authorization header lists, with a second
    /// implementation: lists and joins, where the verifier goes through the headers.
    fn sign(&self, request: &mut Request, scope: &str) {
        use keyfold::crypto::hash::{Sha256, hmac_sha256};
        let hex = crate::audit::hex;
        let old = request.get("authorization");
        let list = old.split("SignedHeaders=").nth(1).and_then(|rest| rest.split(',').next());
        let list = list.expect("a list").to_owned();
        let line = |name: &str| {
            let values: Vec<String> = if name == "host" {
                vec![request.host.clone()]
            } else {
                let all = request.headers.iter().filter(|(header, _)| header == name);
                all.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
            };
            let words = |value: &String| value.split_whitespace().collect::<Vec<_>>().join(" ");
            format!("{name}:{}\n", values.iter().map(words).collect::<Vec<_>>().join(","))
        };
        let headers: String = list.split(';').map(line).collect();
        let payload = hex(&Sha256::digest(&request.body));
        let canonical = format!("POST\n/\n\n{headers}\n{list}\n{payload}");
        let date = request.get("x-amz-date");
        let hash = hex(&Sha256::digest(canonical.as_bytes()));
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{hash}");
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in scope.split('/') {
            key = hmac_sha256(&key, &[part.as_bytes()]).to_vec();
        }
        let signature = hex(&hmac_sha256(&key, &[text.as_bytes()]));
        let id = &self.id;
        request.set(
            "authorization",
            &format!(
                "AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={list}, \
                 Signature={signature}"
            ),
        );
    }
}

#[test]
fn the_derived_key_is_the_one_that_aws_publishes() {
    let key =
        derive(b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20120215/us-east-1/iam/aws4_request");
    assert_eq!(
        crate::audit::hex(&key[..]),
        "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"
    );
}

#[test]
fn what_botocore_signs_is_accepted() {
    let world = world(SigV4Config::default());
    assert_eq!(world.requests.len(), 27);
    // Computed by another implementation than botocore too.
    let known = [
        "19a08f9fa5d89c2cc725bffa5c417118df293e49fe9376c8aa4f7a3eace566c6",
        "44dec6e9b4971f6b52862e5e9c59cdb634e1e4b0ce20ae930363abce72fd1fdf",
        "c05114988c0d8c1a6a65a64fbe4b0dbd16909cceaac4c02cca34f6fa612b6d2c",
        "82709b74cbe7d99c0017170774ae1b44f66b33a1987ee2708f3be8e71fb9489c",
    ];
    for (request, known) in world.requests.iter().zip(known) {
        assert_eq!(request.signature(), known, "{}", request.name);
    }
    for request in &world.requests {
        let mut again = request.clone();
        let service = request.service.name();
        world.sign(&mut again, &format!("20261122/us-east-1/{service}/aws4_request"));
        assert_eq!(again.signature(), request.signature(), "{}", request.name);
        if request.has_token() {
            // Right in every way, but no such token was ever issued.
            assert_eq!(world.refused(request), Code::UnrecognizedClient);
            continue;
        }
        let caller = world.ask(request).expect("a good signature");
        assert_eq!(caller.principal(), "arn:aws:iam::000000000000:user/ann");
        assert_eq!(caller.authentication(), "sigv4 AKIDEXAMPLE");
        assert!(caller.permits("kms:Encrypt") && !caller.permits("secretsmanager:ListSecrets"));
    }
}

#[test]
fn every_mutation_of_every_request_is_refused_by_its_name() {
    let world = world(SigV4Config::default());
    let mutations = mutations();
    assert!(mutations.len() >= 40);
    for request in world.good() {
        for (what, spoil, expected) in &mutations {
            let mut spoiled = request.clone();
            spoil(&mut spoiled);
            spoiled.name = format!("{}, {what}", request.name);
            assert_eq!(world.refused(&spoiled), *expected, "{}", spoiled.name);
        }
    }
}

#[test]
fn what_means_the_same_is_accepted() {
    let world = world(SigV4Config::default());
    let harmless: &[(&str, Change)] = &[
        ("no blank after the commas", |r| {
            let old = r.get("authorization");
            r.set("authorization", &old.replace(", ", ","));
        }),
        ("more blanks after the commas", |r| {
            let old = r.get("authorization");
            r.set("authorization", &old.replace(", ", " ,\t  "));
        }),
        ("blanks around a value", |r| r.set("content-type", "  application/x-amz-json-1.1 ")),
        ("other headers", |r| r.add("x-forwarded-host", "evil.example.test")),
        ("another agent", |r| r.set("user-agent", "other")),
        ("the headers in another order", |r| r.headers.reverse()),
        ("4:59 late", |r| r.now = r.now.plus(5 * MINUTE - 1000)),
        ("4:59 early", |r| r.now = r.now.plus(1000 - 5 * MINUTE)),
    ];
    for request in world.good() {
        for (what, change) in harmless {
            let mut changed = request.clone();
            change(&mut changed);
            if let Err(error) = world.ask(&changed) {
                panic!("{}, {what}: {error}", request.name);
            }
        }
    }
}

#[test]
fn the_hash_of_the_payload_must_be_right_where_it_is_signed() {
    let world = world(SigV4Config::default());
    let hash = |body: &[u8]| crate::audit::hex(&keyfold::crypto::hash::Sha256::digest(body));
    let scope = "20261122/us-east-1/kms/aws4_request";
    let signed = |value: &str| {
        let mut request = world.requests[0].clone();
        request.add("x-amz-content-sha256", value);
        request.edit("host;", "host;x-amz-content-sha256;");
        world.sign(&mut request, scope);
        request
    };
    let right = hash(b"{}");
    world.ask(&signed(&right)).expect("as the SDK for JavaScript sends it");
    for wrong in [
        "UNSIGNED-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        &right.to_uppercase(),
        &hash(b""),
        "",
    ] {
        assert_eq!(world.refused(&signed(wrong)), BAD, "{wrong}");
    }
}

#[test]
fn joined_and_spaced_values_are_signed_as_aws_does() {
    let world = world(SigV4Config::default());
    let mut request = world.requests[0].clone();
    for value in ["  one   two ", "", "three\t\tfour"] {
        request.add("x-amz-user-agent", value);
    }
    request.edit("x-amz-target", "x-amz-target;x-amz-user-agent");
    world.sign(&mut request, "20261122/us-east-1/kms/aws4_request");
    world.ask(&request).expect("a good signature");
    // The order of the values counts.
    request.headers.reverse();
    assert_eq!(world.refused(&request), BAD);
}

#[test]
fn a_day_is_valid_over_midnight() {
    // Signed before midnight, checked after it; and by a clock that goes ahead of ours.
    let world = world(SigV4Config::default());
    let mut late = world.requests[0].clone();
    late.set("x-amz-date", "20261121T235800Z");
    world.sign(&mut late, "20261121/us-east-1/kms/aws4_request");
    world.ask(&late).expect("two minutes old");
    let mut early = world.requests[0].clone();
    early.now = early.now.plus(-2 * MINUTE);
    world.ask(&early).expect("two minutes ahead");
    // The day is that of the date, not of today.
    world.sign(&mut late, "20261122/us-east-1/kms/aws4_request");
    assert_eq!(world.refused(&late), BAD);
}

#[test]
fn a_proxy_may_change_the_host_where_its_names_are_configured() {
    let hosts = vec!["other.example.test".to_owned(), "kms.example.test".to_owned()];
    let world = world(SigV4Config { hosts, ..SigV4Config::default() });
    let mut behind = world.requests[0].clone();
    behind.host = "10.0.0.7:8080".into();
    world.ask(&behind).expect("signed for kms.example.test");
    // A client that reaches the server itself still can.
    let direct = world.requests.iter().find(|r| r.host == "127.0.0.1:8443").expect("one");
    world.ask(direct).expect("signed for the host that was sent");
    let mut stranger = behind.clone();
    stranger.host = "evil.example.test".into();
    stranger.body.push(b' ');
    assert_eq!(world.refused(&stranger), BAD);
    // Without the list the name must be the one that was sent.
    let strict = authenticator(SigV4Config::default());
    let refused = world.ask_of(&strict, &behind).expect_err("another host");
    assert_eq!(refused.code(), BAD);
}

#[test]
fn the_window_is_configured() {
    let world = world(SigV4Config { max_skew_seconds: 900, ..SigV4Config::default() });
    let mut request = world.requests[0].clone();
    request.now = request.now.plus(15 * MINUTE);
    world.ask(&request).expect("fifteen minutes old");
    request.now = request.now.plus(1000);
    assert_eq!(world.refused(&request), BAD);
}

#[test]
fn a_disabled_key_is_refused_at_once() {
    let world = world(SigV4Config::default());
    let request = &world.requests[0];
    let caller = world.ask(request).expect("it works");
    let random = GenerateRandomRequest { number_of_bytes: Some(1), ..Default::default() };
    let create = CreateKeyRequest::default();
    world.engine.perform(&caller, &random).expect("it stands").expect("it may");
    world.engine.set_access_key(&world.id, AccessKeyStatus::Inactive);
    assert_eq!(world.refused(request), Code::UnrecognizedClient);
    // Requests that were authenticated before, and come to the engine after.
    assert_eq!(world.engine.perform(&caller, &random).err(), Some(Stale));
    assert_eq!(world.engine.perform(&caller, &create).err(), Some(Stale));
    world.engine.set_access_key(&world.id, AccessKeyStatus::Active);
    let caller = world.ask(request).expect("it works again");
    world.engine.perform(&caller, &random).expect("it stands").expect("it may");
}

#[test]
fn a_key_ends_at_its_time() {
    let world = world(SigV4Config::default());
    let request = &world.requests[0];
    world.engine.end_access_key(&world.id, Some(request.now.plus(1)));
    world.ask(request).expect("the last moment");
    world.engine.end_access_key(&world.id, Some(request.now));
    assert_eq!(world.refused(request), Code::UnrecognizedClient);
}

#[test]
fn whoever_can_write_the_store_gives_an_access_key_no_other_rights() {
    let alter: [fn(&mut AccessKeyRow); 4] = [
        |row| row.permissions = vec!["*".into()],
        |row| row.user = "root".into(),
        |row| row.expires = Some(row.created.plus(Timestamp::DAY * 10_000)),
        |row| row.sealed.0[40] ^= 1,
    ];
    for alter in alter {
        let world = world(SigV4Config::default());
        world.engine.alter_access_key(&world.id, alter);
        assert_eq!(world.refused(&world.requests[0]), Code::Internal);
    }
    // Nor is the key of another user in its place.
    let world = world(SigV4Config::default());
    let secret = SecretText::from("another");
    world.engine.insert_access_key("OTHER", "root", &["*"], &secret);
    world.engine.copy_access_key("OTHER", &world.id);
    assert_eq!(world.refused(&world.requests[0]), Code::Internal);
}

#[test]
fn what_another_process_does_to_a_key_counts_at_once() {
    // Two engines over one store, as two processes are.
    let store = SharedStore::default();
    let (ours, sealer) = (store.clone(), PassphraseSealer::new(b"p"[..].into()));
    let options = EngineOptions::default;
    let engine = Engine::create(Box::new(ours), &[("p", &sealer)], options()).expect("made");
    let other = Engine::open(Box::new(store), &[&sealer], options()).expect("opened");
    let mut world = world(SigV4Config::default());
    let secret = SecretText::from(&*world.secret);
    world.engine = engine;
    let request = world.requests[0].clone();
    let random = GenerateRandomRequest { number_of_bytes: Some(1), ..Default::default() };
    // As the server handles a request: from the start again where the store has changed.
    let handle = || {
        for _ in 0..3 {
            let caller = world.ask(&request)?;
            if let Ok(answer) = world.engine.perform(&caller, &random) {
                return answer.map(drop);
            }
        }
        panic!("nothing changes meanwhile")
    };
    let refused = |answer: Result<()>| answer.err().map(|error| error.code());
    // Refused before it is there, and accepted as soon as it is: a refusal is not kept.
    assert_eq!(refused(handle()), Some(Code::UnrecognizedClient));
    other.insert_access_key(&world.id, "ann", &["kms:*"], &secret);
    handle().expect("the other process made it");
    for _ in 0..3 {
        other.set_access_key(&world.id, AccessKeyStatus::Inactive);
        assert_eq!(refused(handle()), Some(Code::UnrecognizedClient));
        other.set_access_key(&world.id, AccessKeyStatus::Active);
        handle().expect("the other process enabled it");
    }
    // What it changes elsewhere is nothing to the key: nobody is asked to come again.
    let caller = world.ask(&request).expect("it works");
    let create = CreateKeyRequest::default();
    for _ in 0..20 {
        other.call(&other.owner(), &create).expect("changed");
        world.engine.perform(&caller, &create).expect("it stands").expect("it may");
        other.call(&other.owner(), &create).expect("changed");
        world.engine.perform(&caller, &random).expect("it stands").expect("it may");
    }
    other.set_access_key(&world.id, AccessKeyStatus::Inactive);
    assert_eq!(world.engine.perform(&caller, &create).err(), Some(Stale));
    assert_eq!(world.engine.perform(&caller, &random).err(), Some(Stale));
}

/// A memory store in two hands.
#[derive(Clone, Default)]
struct SharedStore(Arc<MemoryStore>);

impl Store for SharedStore {
    fn read(&self, work: &mut dyn FnMut(&mut dyn Txn)) -> Result<(), StoreError> {
        self.0.read(work)
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Txn) -> End) -> Result<(), StoreError> {
        self.0.write(work)
    }
}

#[test]
fn a_certificate_counts_where_there_is_no_authorization() {
    let world = world(SigV4Config::default());
    let data: std::collections::BTreeMap<String, String> =
        serde_json::from_str(include_str!("../../../../tests/data/certificates.json"))
            .expect("the data");
    let der = STANDARD.decode(&data["a SPIFFE ID"]).expect("base64");
    let ask = |request: &Request| world.ask_with(&world.authenticator, request, Some(der.clone()));
    let mut request = world.requests[0].clone();
    assert!(ask(&request).expect("signed").principal().ends_with("user/ann"));
    request.body.push(b' ');
    let spoiled = ask(&request).expect_err("it does not fall back to the certificate");
    assert_eq!(spoiled.code(), BAD);
    request.remove("authorization");
    let caller = ask(&request).expect("known by the certificate");
    assert!(caller.principal().contains(":mtls/spiffe://example.test/"));
}

#[test]
fn signatures_can_be_switched_off() {
    let world = world(SigV4Config { enabled: false, ..SigV4Config::default() });
    assert_eq!(world.refused(&world.requests[0]), INCOMPLETE);
}

#[test]
fn a_wrong_configuration_says_where() {
    let error = |config| Verifier::new(config).err().expect("it is wrong").to_string();
    let skew = SigV4Config { max_skew_seconds: 901, ..SigV4Config::default() };
    assert!(error(skew).starts_with("auth.sigv4.max_skew_seconds:"));
    for host in ["", "https://kms.example.test", "a b", "kms.example.test/"] {
        let hosts = SigV4Config { hosts: vec![host.into()], ..SigV4Config::default() };
        assert!(error(hosts).starts_with("auth.sigv4.hosts:"), "{host}");
    }
}

#[test]
fn errors_repeat_nothing_of_the_request() {
    let world = world(SigV4Config::default());
    for (_, spoil, _) in mutations() {
        let mut request = world.requests[0].clone();
        let signature = request.signature();
        spoil(&mut request);
        let error = world.ask(&request).expect_err("spoiled");
        for part in [&signature, "AKID", "xxxx", &world.secret] {
            assert!(!error.to_string().contains(part), "{error}");
        }
    }
}

proptest::proptest! {
    #[test]
    fn any_header_is_answered(text in "[ -~\t]{0,200}") {
        thread_local!(static WORLD: World = world(SigV4Config::default()));
        WORLD.with(|world| {
            for header in [text.clone(), format!("AWS4-HMAC-SHA256 {text}")] {
                let mut request = world.requests[0].clone();
                request.set("authorization", &header);
                assert!(world.ask(&request).is_err());
            }
        });
    }

    #[test]
    fn any_time_is_read_or_refused(text in "[0-9TZ]{14,17}") {
        if let Some(time) = parse_time(&text) {
            let printed = time.to_string().replace(['-', ':'], "").replace(".000Z", "Z");
            // Two days and a second are more than a month or a minute may have.
            let spills = text[6..8] > *"28" || text[13..15] == *"60";
            assert!(printed == text || spills, "{text} {printed}");
        }
    }
}
