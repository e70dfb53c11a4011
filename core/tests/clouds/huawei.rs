//! Huawei's KMS and CSMS.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use keyfold::credentials::Credentials;
use keyfold::kms::admin::{AdminRequest, AdminResponse, KeyKind, KeyState, KeyUse};
use keyfold::kms::cloud::Place;
use keyfold::kms::huawei::{Aad, HuaweiConfig};
use keyfold::kms::{Request, Response, ServiceError, SignInput};
use keyfold::sign::SignatureAlgorithm;
use keyfold::transport::HttpResponse;
use keyfold::{EncryptionContext, ErrorCode, ProviderParams};

use crate::support::*;

const PROJECT: &str = "0123456789abcdef0123456789abcdef";
const ID: &str = "0d0466b0-e727-4d9c-b35d-f84bb474a37f";
const KEY: &str = "huawei://cn-north-4/0d0466b0-e727-4d9c-b35d-f84bb474a37f";
const HOST: &str = "https://kms.cn-north-4.myhuaweicloud.com";
/// The context in the newer dialect.
const AAD: &str = r#""additional_authenticated_data":"{\"app\":\"keyfold\",\"tenant\":\"acme\"}""#;
/// The context in the older one.
const PAIRS: &str = r#""encryption_context":{"app":"keyfold","tenant":"acme"}"#;

fn config() -> HuaweiConfig {
    HuaweiConfig::new("cn-north-4", PROJECT).expect("a configuration")
}

fn error(status: u16, code: &str) -> HttpResponse {
    let error = format!(r#"{{"error_code":"{code}","error_msg":"in its own words"}}"#);
    with(answer(status, &format!(r#"{{"error":{error}}}"#)), "X-Request-Id", "r-1")
}

/// Methods, paths and bodies that were sent, in their order.
fn sent(cloud: &Cloud) -> Vec<String> {
    let of = |request: &keyfold::transport::HttpRequest| {
        let path = request.url.strip_prefix(HOST).expect("the host");
        let path = path.replace(PROJECT, "P");
        format!("{} {path} {}", request.method, text(&request.body))
    };
    cloud.sent().iter().map(of).collect()
}

fn call_with(
    config: HuaweiConfig,
    request: &Request,
    reply: &str,
    expected: &str,
) -> keyfold::Result<Response> {
    let cloud = Cloud::new(config, [answer(200, reply)]);
    let response = cloud.call(request);
    assert_eq!(sent(&cloud), [expected]);
    response
}

fn call(request: &Request, reply: &str, expected: &str) -> Response {
    call_with(config(), request, reply, expected).expect("an answer")
}

fn params(pairs: &[(&str, &str)]) -> ProviderParams {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
}

#[test]
fn requests_are_signed_or_carry_a_token() {
    let resolve = Request::ResolveKey { key: uri("huawei://cn-north-4/alias/docs") };
    let described = || answer(200, &format!(r#"{{"key_info":{{"key_id":"{ID}"}}}}"#));
    let cloud = Cloud::by(config(), access_key(Some("session")), [described()]);
    assert!(matches!(cloud.call(&resolve), Ok(Response::Key(key)) if key.as_str() == KEY));
    assert_eq!(sent(&cloud), [r#"POST /v1.0/P/kms/describe-key {"key_id":"alias/docs"}"#]);
    let request = &cloud.sent()[0];
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-project-id", PROJECT),
        ("x-sdk-date", "20231114T221320Z"),
        ("x-security-token", "session"),
    ] {
        assert_eq!(header(request, name), Some(value));
    }
    let signed = header(request, "authorization").expect("signed");
    let expected = "SDK-HMAC-SHA256 Access=AKIDEXAMPLE, \
                    SignedHeaders=content-type;host;x-project-id;x-sdk-date;x-security-token, ";
    assert!(signed.starts_with(expected), "{signed}");

    let cloud = Cloud::by(config(), crate::aws_support::bearer("a-token"), [described()]);
    assert!(cloud.call(&resolve).is_ok());
    let request = &cloud.sent()[0];
    assert_eq!(header(request, "x-auth-token"), Some("a-token"));
    assert_eq!(header(request, "authorization"), None);
    let europe = HuaweiConfig::new("eu-west-101", PROJECT).expect("a configuration");
    let cloud = Cloud::new(europe, [described()]);
    let resolve = Request::ResolveKey { key: uri("huawei://eu-west-101/k") };
    assert!(cloud.call(&resolve).is_ok());
    assert!(cloud.sent()[0].url.starts_with("https://kms.eu-west-101.myhuaweicloud.eu/v1.0/"));
}

/// 32 bytes of 0, and their digest, in hexadecimal digits.
fn zeroes() -> (String, &'static str) {
    ("00".repeat(32), "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925")
}

#[test]
fn data_keys_are_made_wrapped_and_unwrapped_in_both_dialects() {
    let (zeroes, digest) = zeroes();
    for (aad, member) in [(Aad::Text, AAD), (Aad::Pairs, PAIRS)] {
        let config = || config().with_aad(aad);
        let request = Request::GenerateDataKey { key: uri(KEY), context: context() };
        let made = format!(r#"{{"key_id":"{ID}","plain_text":"{zeroes}","cipher_text":"0200AB"}}"#);
        let expected = format!(
            r#"POST /v1.0/P/kms/create-datakey {{"key_id":"{ID}","datakey_length":"256",{member}}}"#
        );
        let response = call_with(config(), &request, &made, &expected);
        let Ok(Response::DataKey { data_key, wrapped: record }) = response else {
            panic!("a data key")
        };
        assert_eq!(data_key.0.expose(), &[0; 32]);
        assert_eq!(record, wrapped(KEY, params(&[("length", "32")]), "0200AB"));

        let request =
            Request::Wrap { key: uri(KEY), data_key: secret(&[0; 32]), context: context() };
        let expected = format!(
            r#"POST /v1.0/P/kms/encrypt-datakey {{"key_id":"{ID}","plain_text":"{zeroes}{digest}","datakey_plain_length":"32",{member}}}"#
        );
        let encrypted =
            format!(r#"{{"key_id":"{ID}","cipher_text":"0200AB","datakey_length":"32"}}"#);
        let response = call_with(config(), &request, &encrypted, &expected);
        assert!(matches!(response, Ok(Response::Wrapped(again)) if again == record));

        let unwrap = || Request::Unwrap { wrapped: record.clone(), context: context(), key: None };
        let expected = format!(
            r#"POST /v1.0/P/kms/decrypt-datakey {{"key_id":"{ID}","cipher_text":"0200AB","datakey_cipher_length":"32",{member}}}"#
        );
        let upper = digest.to_uppercase();
        for digest in [upper.as_str(), digest, ""] {
            let decrypted = format!(
                r#"{{"data_key":"{zeroes}","datakey_length":"32","datakey_dgst":"{digest}"}}"#
            );
            let response = call_with(config(), &unwrap(), &decrypted, &expected);
            let Ok(Response::Unwrapped(data_key)) = response else { panic!("a data key") };
            assert_eq!(data_key.0.expose(), &[0; 32]);
        }
        let wrong = format!(r#"{{"data_key":"{zeroes}","datakey_dgst":"{}"}}"#, "11".repeat(32));
        let error = call_with(config(), &unwrap(), &wrong, &expected).expect_err("altered");
        assert_eq!(error.code(), ErrorCode::KmsProtocol);
        let short = r#"{"data_key":"0000","datakey_length":"2"}"#;
        let error = call_with(config(), &unwrap(), short, &expected).expect_err("no data key");
        assert_eq!(error.code(), ErrorCode::AuthenticationFailed);
    }
}

#[test]
fn the_first_half_of_a_long_data_key_counts() {
    let config = || config().with_long_data_keys();
    let long = "00".repeat(32) + &"11".repeat(32);
    let request = Request::GenerateDataKey { key: uri(KEY), context: EncryptionContext::new() };
    let made = format!(r#"{{"key_id":"{ID}","plain_text":"{long}","cipher_text":"AB"}}"#);
    let expected =
        format!(r#"POST /v1.0/P/kms/create-datakey {{"key_id":"{ID}","datakey_length":"512"}}"#);
    let response = call_with(config(), &request, &made, &expected);
    let Ok(Response::DataKey { data_key, wrapped: record }) = response else { panic!("a key") };
    assert_eq!(data_key.0.expose(), &[0; 32]);
    assert_eq!(record.params, params(&[("length", "64")]));

    let request = Request::Unwrap { wrapped: record, context: EncryptionContext::new(), key: None };
    let expected = format!(
        r#"POST /v1.0/P/kms/decrypt-datakey {{"key_id":"{ID}","cipher_text":"AB","datakey_cipher_length":"64"}}"#
    );
    let decrypted = format!(r#"{{"data_key":"{long}"}}"#);
    // The record says how long it is; how the place is configured now does not matter.
    for config in [config(), self::config()] {
        let response = call_with(config, &request, &decrypted, &expected);
        assert!(matches!(response, Ok(Response::Unwrapped(key)) if key.0.expose() == &[0; 32]));
    }

    let cloud =
        Cloud::new(config(), [answer(200, &format!(r#"{{"key_id":"{ID}","cipher_text":"AB"}}"#))]);
    let request = Request::Wrap {
        key: uri(KEY),
        data_key: secret(&[0; 32]),
        context: EncryptionContext::new(),
    };
    assert!(cloud.call(&request).is_ok());
    // 32 bytes of the key, 32 that are random, 32 of the digest.
    let random = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let body = text(&cloud.sent()[0].body).to_owned();
    let begins = format!(r#"{{"key_id":"{ID}","plain_text":"{}{random}"#, "00".repeat(32));
    assert!(body.starts_with(&begins) && body.contains(r#""datakey_plain_length":"64""#), "{body}");
    let short = Request::Wrap {
        key: uri(KEY),
        data_key: secret(&[0; 16]),
        context: EncryptionContext::new(),
    };
    let error = Cloud::new(config(), []).call(&short).expect_err("refused");
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
}

#[test]
fn rewraps_stay_at_the_service_where_it_can() {
    let record = wrapped(KEY, params(&[("length", "32")]), "AB");
    let to = "huawei://cn-north-4/other";
    let request = Request::Rewrap { wrapped: record, context: context(), key: None, to: uri(to) };
    let reply = format!(r#"{{"cipher_text":"CD","key_id":"other","source_key_id":"{ID}"}}"#);
    let cloud = Cloud::new(config(), [answer(200, &reply)]);
    let response = cloud.call(&request).expect("rewrapped");
    let body: serde_json::Value = serde_json::from_slice(&cloud.sent()[0].body).expect("JSON");
    let bound = r#"{"app":"keyfold","tenant":"acme"}"#;
    assert_eq!(
        body,
        serde_json::json!({
            "source_key_id": ID,
            "cipher_text": "AB",
            "datakey_cipher_length": "32",
            "source_additional_authenticated_data": bound,
            "destination_key_id": "other",
            "destination_additional_authenticated_data": bound,
        })
    );
    assert!(cloud.sent()[0].url.ends_with("/re-encrypt"));
    let moved = wrapped(to, params(&[("length", "32")]), "CD");
    assert!(matches!(response, Response::Wrapped(record) if record == moved));

    // The older dialect has no such call.
    let (zeroes, _) = zeroes();
    let answers = [
        answer(200, &format!(r#"{{"data_key":"{zeroes}"}}"#)),
        answer(200, r#"{"key_id":"other","cipher_text":"CD"}"#),
    ];
    let cloud = Cloud::new(config().with_aad(Aad::Pairs), answers);
    let response = cloud.call(&request).expect("rewrapped");
    assert!(matches!(response, Response::Wrapped(record) if record == moved));
    let paths: Vec<String> = cloud.sent().iter().map(|sent| sent.url.clone()).collect();
    assert!(paths[0].ends_with("/decrypt-datakey") && paths[1].ends_with("/encrypt-datakey"));
}

#[test]
fn records_are_judged_before_anything_is_sent() {
    let good = params(&[("length", "32")]);
    let refused = |config: HuaweiConfig, params: ProviderParams, text: &str, key: Option<&str>| {
        let wrapped = wrapped(KEY, params, text);
        let request = Request::Unwrap { wrapped, context: context(), key: key.map(uri) };
        let cloud = Cloud::new(config, []);
        let error = cloud.call(&request).expect_err("refused");
        assert_eq!(error.code(), ErrorCode::AuthenticationFailed);
    };
    refused(config(), ProviderParams::new(), "AB", None);
    refused(config(), params(&[("length", "33")]), "AB", None);
    refused(config(), params(&[("length", "99999999999")]), "AB", None);
    refused(config(), good.clone(), "A B", None);
    refused(config(), params(&[("length", "32"), ("binding", "x")]), "AB", None);
    // The service does not say which key it was: it is compared here.
    refused(config(), good.clone(), "AB", Some("huawei://cn-north-4/other"));
    // A digest belongs to the other dialect.
    let digest = params(&[("length", "32"), ("binding", "digest")]);
    refused(config().with_aad(Aad::Pairs), digest, "AB", None);

    // Demanded by an alias, which is asked for first.
    let (zeroes, _) = zeroes();
    let unwrap = || Request::Unwrap {
        wrapped: wrapped(KEY, good.clone(), "AB"),
        context: context(),
        key: Some(uri("huawei://cn-north-4/alias/docs")),
    };
    let named = |id: &str| answer(200, &format!(r#"{{"key_info":{{"key_id":"{id}"}}}}"#));
    let opened = answer(200, &format!(r#"{{"data_key":"{zeroes}"}}"#));
    let cloud = Cloud::new(config(), [named(ID), opened]);
    assert!(matches!(cloud.call(&unwrap()), Ok(Response::Unwrapped(_))));
    let cloud = Cloud::new(config(), [named("other")]);
    let error = cloud.call(&unwrap()).expect_err("another key");
    assert_eq!(error.code(), ErrorCode::AuthenticationFailed);
}

#[test]
fn a_long_context_is_bound_by_its_digest() {
    let (zeroes, _) = zeroes();
    let made = format!(r#"{{"key_id":"{ID}","plain_text":"{zeroes}","cipher_text":"AB"}}"#);
    let cloud = Cloud::new(config(), [answer(200, &made)]);
    let request = Request::GenerateDataKey { key: uri(KEY), context: long_context() };
    let Ok(Response::DataKey { wrapped, .. }) = cloud.call(&request) else { panic!("a key") };
    assert_eq!(wrapped.params, params(&[("length", "32"), ("binding", "digest")]));
    let body = text(&cloud.sent()[0].body).to_owned();
    assert!(body.contains(r#""additional_authenticated_data":"{\"kf\":\""#), "{body}");
}

#[test]
fn small_data_is_encrypted_as_text() {
    let request =
        Request::Encrypt { key: uri(KEY), plaintext: secret(&[0xff, 0]), context: context() };
    let expected =
        format!(r#"POST /v1.0/P/kms/encrypt-data {{"key_id":"{ID}","plain_text":"/wA=",{AAD}}}"#);
    let reply = format!(r#"{{"key_id":"{ID}","cipher_text":"Agd="}}"#);
    let Response::Ciphertext { ciphertext, .. } = call(&request, &reply, &expected) else {
        panic!("a ciphertext")
    };
    let expected = format!(r#"POST /v1.0/P/kms/decrypt-data {{"cipher_text":"Agd=",{AAD}}}"#);
    let decrypt = |key: Option<&str>, ciphertext: &[u8]| Request::Decrypt {
        key: key.map(uri),
        ciphertext: ciphertext.to_vec(),
        context: context(),
    };
    let reply =
        format!(r#"{{"key_id":"{ID}","plain_text":"/wA=","plain_text_base64":"L3dBPQ=="}}"#);
    let Response::Plaintext { plaintext, key } =
        call(&decrypt(None, &ciphertext), &reply, &expected)
    else {
        panic!("a plaintext")
    };
    assert_eq!((plaintext.expose(), key.as_str()), (&[0xff, 0][..], KEY));

    // What the vendor's own tools have encrypted is text.
    for (reply, plain) in [
        (format!(r#"{{"key_id":"{ID}","plain_text":"hello"}}"#), &b"hello"[..]),
        (format!(r#"{{"key_id":"{ID}","plain_text":"?","plain_text_base64":"/w=="}}"#), &[0xff]),
    ] {
        let response = call(&decrypt(Some(KEY), b"Agd="), &reply, &expected);
        let Response::Plaintext { plaintext, .. } = response else { panic!("a plaintext") };
        assert_eq!(plaintext.expose(), plain);
    }
    let other = answer(200, r#"{"key_id":"other","plain_text":"/wA="}"#);
    let cloud = Cloud::new(config(), [other]);
    let error = cloud.call(&decrypt(None, &ciphertext)).expect_err("another key");
    assert_eq!(error.code(), ErrorCode::AuthenticationFailed);
    let long =
        Request::Encrypt { key: uri(KEY), plaintext: secret(&[0; 3073]), context: context() };
    let error = Cloud::new(config(), []).call(&long).expect_err("too long");
    assert_eq!(error.code(), ErrorCode::LimitExceeded);
}

#[test]
fn messages_and_digests_are_signed_and_verified() {
    let (algorithm, key) = (SignatureAlgorithm::RsaPssSha384, uri(KEY));
    let request =
        Request::Sign { key: key.clone(), algorithm, input: SignInput::Message(b"hi".to_vec()) };
    let expected = format!(
        r#"POST /v1.0/P/kms/sign {{"key_id":"{ID}","message":"aGk=","signing_algorithm":"RSASSA_PSS_SHA_384","message_type":"RAW"}}"#
    );
    let reply = format!(r#"{{"key_id":"{ID}","signature":"AQID"}}"#);
    let Response::Signature(signature) = call(&request, &reply, &expected) else {
        panic!("a signature")
    };
    let request = Request::Verify {
        key: key.clone(),
        algorithm: SignatureAlgorithm::EcdsaSha256,
        input: SignInput::Digest(vec![0; 32]),
        signature,
    };
    let expected = format!(
        r#"POST /v1.0/P/kms/verify {{"key_id":"{ID}","signature":"AQID","message":"{ZEROES}","signing_algorithm":"ECDSA_SHA_256","message_type":"DIGEST"}}"#
    );
    for valid in [r#""true""#, "true"] {
        let reply = format!(r#"{{"key_id":"{ID}","signature_valid":{valid}}}"#);
        assert!(matches!(call(&request, &reply, &expected), Response::Verified));
    }
    for (reply, code) in [
        (r#"{"signature_valid":"false"}"#, ErrorCode::SignatureInvalid),
        (r#"{"signature_valid":"perhaps"}"#, ErrorCode::KmsProtocol),
        ("{}", ErrorCode::KmsProtocol),
    ] {
        let error = call_with(config(), &request, reply, &expected).expect_err("not valid");
        assert_eq!(error.code(), code);
    }
    let request = Request::Sign {
        key: key.clone(),
        algorithm: SignatureAlgorithm::Ed25519ph,
        input: SignInput::Digest(vec![0; 64]),
    };
    let error = Cloud::new(config(), []).call(&request).expect_err("refused");
    assert_eq!(error.code(), ErrorCode::InvalidArgument);

    let request = Request::GetPublicKey { key };
    let expected = format!(r#"POST /v1.0/P/kms/get-publickey {{"key_id":"{ID}"}}"#);
    for public in
        ["-----BEGIN PUBLIC KEY-----\\nMAIF\\nAA==\\n-----END PUBLIC KEY-----\\n", "MAIFAA=="]
    {
        let reply = format!(r#"{{"key_id":"{ID}","public_key":"{public}"}}"#);
        let Response::PublicKey { spki, .. } = call(&request, &reply, &expected) else {
            panic!("a public key")
        };
        assert_eq!(spki, [0x30, 2, 5, 0]);
    }
    for public in ["-----BEGIN PUBLIC KEY-----", "AAAA", "?", ""] {
        let reply = format!(r#"{{"key_id":"{ID}","public_key":"{public}"}}"#);
        let error = call_with(config(), &request, &reply, &expected).expect_err("no key");
        assert_eq!(error.code(), ErrorCode::KmsProtocol);
    }
}

fn check(cloud: &Cloud, expected: &[&str]) {
    assert_eq!(sent(cloud), expected);
}

const VERSION: &str = r#"POST /v1/P/secrets/db-password/versions {"secret_string":"hunter2","version_stages":["SYSCURRENT"]}"#;

const STAGES: &str = "GET /v1/P/secrets/db-password/stages/";

const VERSIONS: &str = "GET /v1/P/secrets/db-password/versions/";

#[test]
fn secrets_are_stored_and_read() {
    let put = |value: &[u8]| Request::PutSecret {
        name: "db-password".into(),
        value: secret(value),
        key: Some(uri(KEY)),
        token: TOKEN.into(),
    };
    let create = format!(
        r#"POST /v1/P/secrets {{"name":"db-password","kms_key_id":"{ID}","secret_string":"hunter2"}}"#
    );
    let stored = || answer(200, r#"{"version_metadata":{"id":"v2"}}"#);
    let created = || answer(200, r#"{"secret":{"name":"db-password"}}"#);
    let stage = |id: &str| answer(200, &format!(r#"{{"stage":{{"version_id":"{id}"}}}}"#));
    let is = |response: keyfold::Result<Response>, id: &str| matches!(response, Ok(Response::SecretVersion { version }) if version == id);
    let cloud = Cloud::new(config(), [stored()]);
    assert!(is(cloud.call(&put(b"hunter2")), "v2"));
    check(&cloud, &[VERSION]);

    let cloud = Cloud::new(config(), [error(404, "CSMS.0205"), created(), stage("v1")]);
    assert!(is(cloud.call(&put(b"hunter2")), "v1"));
    check(&cloud, &[VERSION, &create, "GET /v1/P/secrets/db-password/stages/SYSCURRENT "]);

    // Somebody else was faster.
    let answers = [error(404, "CSMS.0205"), error(400, "CSMS.0101"), stored()];
    let cloud = Cloud::new(config(), answers);
    assert!(is(cloud.call(&put(b"hunter2")), "v2"));
    let cloud = Cloud::new(config(), [stored()]);
    assert!(cloud.call(&put(&[0xff])).is_ok());
    assert!(sent(&cloud)[0].contains(r#"{"secret_binary":"/w==","#));
    let denied = Cloud::new(config(), [error(403, "CSMS.0302")]).call(&put(b"v"));
    assert_eq!(denied.expect_err("denied").code(), ErrorCode::KmsDenied);

    let value = |id: &str| {
        answer(
            200,
            &format!(
                r#"{{"version":{{"version_metadata":{{"id":"{id}"}},"secret_string":"hunter2"}}}}"#
            ),
        )
    };
    let get = |version: Option<&str>, stage: Option<&str>| Request::GetSecret {
        name: "db-password".into(),
        version: version.map(str::to_owned),
        stage: stage.map(str::to_owned),
    };
    for (request, answers, expected) in [
        (get(None, None), vec![value("v2")], vec![format!("{VERSIONS}latest ")]),
        (get(Some("v1"), None), vec![value("v1")], vec![format!("{VERSIONS}v1 ")]),
        (
            get(None, Some("AWSPREVIOUS")),
            vec![stage("v1"), value("v1")],
            vec![format!("{STAGES}SYSPREVIOUS "), format!("{VERSIONS}v1 ")],
        ),
        (
            get(Some("a/b"), Some("mine")),
            vec![stage("a/b"), value("a/b")],
            vec![format!("{STAGES}mine "), format!("{VERSIONS}a%2Fb ")],
        ),
    ] {
        let cloud = Cloud::new(config(), answers);
        let Ok(Response::Secret { value, .. }) = cloud.call(&request) else { panic!("a secret") };
        assert_eq!(value.expose(), b"hunter2");
        assert_eq!(sent(&cloud), expected);
    }
    let cloud = Cloud::new(config(), [stage("v2")]);
    let none = cloud.call(&get(Some("v1"), Some("AWSCURRENT"))).expect_err("not that one");
    assert_eq!(none.code(), ErrorCode::SecretNotFound);
    for code in ["CSMS.0205", "CSMS.0103"] {
        let cloud = Cloud::new(config(), [error(400, code)]);
        let none = cloud.call(&get(None, None)).expect_err("none");
        assert_eq!(none.code(), ErrorCode::SecretNotFound);
    }
    let bad = Request::GetSecret { name: "db/password".into(), version: None, stage: None };
    let refused = Cloud::new(config(), []).call(&bad).expect_err("refused");
    assert_eq!(refused.code(), ErrorCode::InvalidArgument);
}

/// Tokens that count themselves.
struct Tokens(std::sync::atomic::AtomicUsize);

impl keyfold::credentials::CredentialsProvider for Tokens {
    fn credentials(
        &self,
    ) -> keyfold::maybe_send::BoxFuture<'_, keyfold::Result<Option<Arc<Credentials>>>> {
        let times = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let token = Credentials::bearer(&secret(format!("MII{times}").as_bytes()));
        Box::pin(std::future::ready(token.map(|token| Some(Arc::new(token)))))
    }
}

#[test]
fn errors_become_codes() {
    let request = Request::GenerateDataKey { key: uri(KEY), context: context() };
    for (status, code, expected) in [
        (400, "KMS.0207", ErrorCode::KmsKeyUnavailable),
        (400, "KMS.0209", ErrorCode::KmsKeyUnavailable),
        (400, "KMS.0210", ErrorCode::KmsKeyUnavailable),
        (400, "KMS.2203", ErrorCode::AuthenticationFailed),
        (403, "KMS.0303", ErrorCode::KmsDenied),
        (403, "KMS.0307", ErrorCode::KmsDenied),
        (403, "Unknown.1", ErrorCode::KmsDenied),
        (400, "KMS.2301", ErrorCode::LimitExceeded),
        (400, "KMS.1104", ErrorCode::VersionConflict),
        (429, "APIGW.0308", ErrorCode::KmsThrottled),
        (500, "KMS.0101", ErrorCode::KmsUnavailable),
        (400, "KMS.0106", ErrorCode::KmsKeyUnavailable),
        (400, "KMS.0208", ErrorCode::InvalidArgument),
        (404, "APIGW.0101", ErrorCode::KmsKeyUnavailable),
        (400, "Nobody.1", ErrorCode::KmsProtocol),
    ] {
        let cloud = Cloud::new(config(), [error(status, code)]);
        let failed = cloud.call(&request).expect_err("an error");
        assert_eq!(failed.code(), expected, "{code}");
        let source = failed.source().and_then(|source| source.downcast_ref::<ServiceError>());
        if expected == ErrorCode::AuthenticationFailed {
            assert!(source.is_none());
            continue;
        }
        let source = source.expect("the service's error");
        assert_eq!((source.provider(), source.name()), ("huawei", Some(code)));
        assert_eq!((source.status(), source.request_id()), (status, Some("r-1")));
    }
    // A token that has ended, with the status of somebody who may not.
    let resolved = || answer(200, &format!(r#"{{"key_info":{{"key_id":"{ID}"}}}}"#));
    let transport = Canned::new([error(403, "KMS.0303"), resolved()]);
    let (http, tokens) = (Arc::new(transport.clone()), Arc::new(Tokens(0.into())));
    let kms = keyfold::kms::cloud::CloudKms::new(config(), http, Noon, tokens, Steady);
    let resolve = Request::ResolveKey { key: uri(KEY) };
    assert!(pollster::block_on(keyfold::Kms::call(&kms, &resolve)).is_ok());
    let sent = transport.sent();
    let borne: Vec<_> = sent.iter().map(|sent| header(sent, "x-auth-token")).collect();
    assert_eq!(borne, [Some("MII0"), Some("MII1")]);
    // The gateway says it without `error`.
    let flat = r#"{"error_code":"APIGW.0301","error_msg":"Incorrect IAM authentication"}"#;
    let late = || with(answer(401, flat), "date", "Tue, 14 Nov 2023 23:13:20 GMT");
    let resolved = answer(200, &format!(r#"{{"key_info":{{"key_id":"{ID}"}}}}"#));
    let resolve = Request::ResolveKey { key: uri(KEY) };
    let cloud = Cloud::new(config(), [late(), resolved]);
    assert!(cloud.call(&resolve).is_ok());
    assert_eq!(header(&cloud.sent()[1], "x-sdk-date"), Some("20231114T231320Z"));
    let cloud = Cloud::new(config(), [answer(401, flat)]);
    assert_eq!(cloud.call(&resolve).expect_err("refused").code(), ErrorCode::KmsDenied);
    for (status, code) in [
        (404, ErrorCode::KmsProtocol),
        (401, ErrorCode::KmsDenied),
        (302, ErrorCode::KmsProtocol),
        (503, ErrorCode::KmsUnavailable),
    ] {
        let cloud = Cloud::new(config(), [answer(status, "<html>a proxy</html>")]);
        assert_eq!(cloud.call(&resolve).expect_err("an error").code(), code, "{status}");
    }
}

#[test]
fn what_is_no_answer_is_refused() {
    garbage_is_refused(|| config().into(), KEY);
    let request = Request::GenerateDataKey { key: uri(KEY), context: context() };
    let (zeroes, _) = zeroes();
    for reply in [
        format!(
            r#"{{"key_id":"k","plain_text":"{zeroes}","cipher_text":"AB","cipher_text":"CD"}}"#
        ),
        format!(r#"{{"key_id":"k","plain_text":"{zeroes}0","cipher_text":"AB"}}"#),
        format!(r#"{{"key_id":"k","plain_text":"{zeroes}00","cipher_text":"AB"}}"#),
        format!(r#"{{"key_id":"k","plain_text":"{}","cipher_text":"AB"}}"#, "zz".repeat(32)),
        format!(r#"{{"key_id":"k","plain_text":"{zeroes}","cipher_text":""}}"#),
        format!(r#"{{"key_id":"k?","plain_text":"{zeroes}","cipher_text":"AB"}}"#),
    ] {
        let cloud = Cloud::new(config(), [answer(200, &reply)]);
        assert_eq!(cloud.call(&request).expect_err("refused").code(), ErrorCode::KmsProtocol);
    }
}

#[test]
#[allow(clippy::too_many_lines)]
fn keys_are_administered() {
    let details = format!(
        r#"{{"key_id":"{ID}","domain_id":"d","key_alias":"docs","realm":"cn-north-4","key_spec":"AES_256","key_usage":"ENCRYPT_DECRYPT","key_description":"","creation_date":"1502799822000","scheduled_deletion_date":"","key_state":"2","default_key_flag":"0","key_type":"1","key_rotation_enabled":"false","origin":"kms"}}"#
    );
    let described = || answer(200, &format!(r#"{{"key_info":{details}}}"#));
    let key = || uri(KEY);
    let create = AdminRequest::CreateKey {
        kind: KeyKind::EccNistP384,
        usage: KeyUse::SignVerify,
        alias: Some("docs".into()),
        description: None,
    };
    let made = answer(200, &format!(r#"{{"key_info":{{"key_id":"{ID}","domain_id":"d"}}}}"#));
    let cloud = Cloud::new(config(), [made, described()]);
    let Ok(AdminResponse::Key(info)) = cloud.administer(&create) else { panic!("a key") };
    assert_eq!((info.state, info.kind), (Some(KeyState::Enabled), Some(KeyKind::Symmetric)));
    assert_eq!(info.usage, Some(KeyUse::EncryptDecrypt));
    // Milliseconds, whatever the documentation says.
    assert_eq!(info.created, Some(Duration::from_secs(1_502_799_822)));
    assert_eq!((info.deletion, info.rotates), (None, Some(false)));
    check(
        &cloud,
        &[
            r#"POST /v1.0/P/kms/create-key {"key_alias":"docs","key_spec":"EC_P384","key_usage":"SIGN_VERIFY"}"#,
            &format!(r#"POST /v1.0/P/kms/describe-key {{"key_id":"{ID}"}}"#),
        ],
    );

    let page = |more: bool| {
        answer(
            200,
            &format!(
                r#"{{"keys":["{ID}"],"key_details":[{details}],"next_marker":"100","truncated":"{more}","total":2}}"#
            ),
        )
    };
    let cloud = Cloud::new(config(), [page(true), page(false)]);
    let first = cloud.administer(&AdminRequest::ListKeys { page: None }).expect("a page");
    let AdminResponse::Keys { keys, next } = first else { panic!("keys") };
    assert_eq!((keys.len(), next.as_deref()), (1, Some("100")));
    let second = cloud.administer(&AdminRequest::ListKeys { page: next }).expect("a page");
    assert!(matches!(second, AdminResponse::Keys { next: None, .. }));
    check(
        &cloud,
        &[
            r#"POST /v1.0/P/kms/list-keys {"limit":"100","key_spec":"ALL"}"#,
            r#"POST /v1.0/P/kms/list-keys {"limit":"100","marker":"100","key_spec":"ALL"}"#,
        ],
    );

    let of_key = format!(r#"{{"key_id":"{ID}"}}"#);
    let done = || answer(200, &format!(r#"{{"key_info":{{"key_id":"{ID}","key_state":"2"}}}}"#));
    for (request, operation) in [
        (AdminRequest::EnableKey { key: key() }, "enable-key"),
        (AdminRequest::DisableKey { key: key() }, "disable-key"),
        (AdminRequest::CancelKeyDeletion { key: key() }, "cancel-key-deletion"),
        (AdminRequest::RotateKey { key: key() }, "rotate-on-demand"),
        (AdminRequest::SetRotation { key: key(), every_days: None }, "disable-key-rotation"),
    ] {
        for answer in [done(), answer(204, "")] {
            let cloud = Cloud::new(config(), [answer]);
            assert_eq!(cloud.administer(&request), Ok(AdminResponse::Done));
            check(&cloud, &[&format!("POST /v1.0/P/kms/{operation} {of_key}")]);
        }
    }
    let cloud = Cloud::new(config(), [error(400, "KMS.2701"), answer(200, "")]);
    let rotate = AdminRequest::SetRotation { key: key(), every_days: Some(90) };
    assert_eq!(cloud.administer(&rotate), Ok(AdminResponse::Done));
    check(
        &cloud,
        &[
            &format!("POST /v1.0/P/kms/enable-key-rotation {of_key}"),
            &format!(
                r#"POST /v1.0/P/kms/update-key-rotation-interval {{"key_id":"{ID}","rotation_interval":90}}"#
            ),
        ],
    );
    let rotates = answer(
        200,
        r#"{"key_rotation_enabled":true,"rotation_interval":365,"last_rotation_time":"1","number_of_rotations":1}"#,
    );
    let cloud = Cloud::new(config(), [rotates]);
    let rotation = AdminResponse::Rotation { on: true, every_days: Some(365), next: None };
    assert_eq!(cloud.administer(&AdminRequest::GetRotation { key: key() }), Ok(rotation));

    let delete = AdminRequest::ScheduleKeyDeletion { key: key(), days: 1096 };
    let cloud =
        Cloud::new(config(), [answer(200, &format!(r#"{{"key_id":"{ID}","key_state":"4"}}"#))]);
    assert_eq!(cloud.administer(&delete), Ok(AdminResponse::Deletion { at: None }));
    check(
        &cloud,
        &[&format!(
            r#"POST /v1.0/P/kms/schedule-key-deletion {{"key_id":"{ID}","pending_days":"1096"}}"#
        )],
    );

    // An alias that another key has is moved.
    let alias = AdminRequest::SetAlias { key: key(), alias: "alias/docs".into() };
    let cloud = Cloud::new(config(), [error(400, "KMS.1104"), answer(200, "{}")]);
    assert_eq!(cloud.administer(&alias), Ok(AdminResponse::Done));
    check(
        &cloud,
        &[
            &format!(r#"POST /v1.0/P/kms/aliases {{"key_id":"{ID}","alias":"alias/docs"}}"#),
            &format!(
                r#"POST /v1.0/P/kms/alias/associate {{"alias":"alias/docs","target_key_id":"{ID}"}}"#
            ),
        ],
    );
    let remove = AdminRequest::DeleteAlias { key: key(), alias: "alias/docs".into() };
    let cloud = Cloud::new(config(), [answer(204, "")]);
    assert_eq!(cloud.administer(&remove), Ok(AdminResponse::Done));
    check(
        &cloud,
        &[&format!(r#"DELETE /v1.0/P/kms/aliases {{"key_id":"{ID}","aliases":["alias/docs"]}}"#)],
    );
    let cloud = Cloud::new(config(), [answer(200, r#"{"random_data":"01FF"}"#)]);
    let random = cloud.administer(&AdminRequest::Random { len: 2 });
    assert_eq!(random, Ok(AdminResponse::Random(secret(&[1, 255]))));
    check(&cloud, &[r#"POST /v1.0/P/kms/gen-random {"random_data_length":"16"}"#]);
}

#[test]
fn secrets_are_administered() {
    let name = || "db-password".to_owned();
    let details = format!(
        r#"{{"id":"i","name":"db-password","state":"PENDING_DELETE","kms_key_id":"{ID}","description":"the database","create_time":1581507580000,"scheduled_delete_time":1581607580000}}"#
    );
    let described = || answer(200, &format!(r#"{{"secret":{details}}}"#));
    let cloud = Cloud::new(config(), [described()]);
    let Ok(AdminResponse::Secret(info)) =
        cloud.administer(&AdminRequest::DescribeSecret { name: name() })
    else {
        panic!("a secret")
    };
    assert_eq!((info.deleted, info.key.as_ref().map(keyfold::KeyUri::as_str)), (true, Some(KEY)));
    check(&cloud, &["GET /v1/P/secrets/db-password "]);

    let page = |marker: &str| {
        let info = format!(r#""page_info":{{"next_marker":{marker},"current_count":1}}"#);
        answer(200, &format!(r#"{{"secrets":[{details}],{info}}}"#))
    };
    let cloud = Cloud::new(config(), [page(r#""a b""#), page("null")]);
    let first = cloud.administer(&AdminRequest::ListSecrets { page: None }).expect("a page");
    let AdminResponse::Secrets { secrets, next } = first else { panic!("secrets") };
    assert_eq!((secrets.len(), next.as_deref()), (1, Some("a b")));
    let second = cloud.administer(&AdminRequest::ListSecrets { page: next });
    assert!(matches!(second, Ok(AdminResponse::Secrets { next: None, .. })));
    check(&cloud, &["GET /v1/P/secrets?limit=50 ", "GET /v1/P/secrets?limit=50&marker=a%20b "]);

    let versions = answer(
        200,
        r#"{"version_metadatas":[{"id":"v2","create_time":1581507580000,"version_stages":["SYSCURRENT","mine"]},{"id":"v1","version_stages":null}]}"#,
    );
    let cloud = Cloud::new(config(), [versions]);
    let listed = cloud.administer(&AdminRequest::ListSecretVersions { name: name(), page: None });
    let Ok(AdminResponse::SecretVersions { versions, next: None }) = listed else {
        panic!("versions")
    };
    assert_eq!(versions[0].stages, ["AWSCURRENT", "mine"]);
    assert_eq!((versions[1].id.as_str(), versions[1].created), ("v1", None));

    let cloud = Cloud::new(config(), [answer(204, ""), described()]);
    let at_once = AdminRequest::DeleteSecret { name: name(), days: 0 };
    assert_eq!(cloud.administer(&at_once), Ok(AdminResponse::Deletion { at: None }));
    let later = AdminRequest::DeleteSecret { name: name(), days: 7 };
    let at = Some(Duration::from_secs(1_581_607_580));
    assert_eq!(cloud.administer(&later), Ok(AdminResponse::Deletion { at }));
    check(
        &cloud,
        &[
            "DELETE /v1/P/secrets/db-password ",
            r#"POST /v1/P/secrets/db-password/scheduled-deleted-tasks/create {"recovery_window_in_days":7}"#,
        ],
    );
    let soon = AdminRequest::DeleteSecret { name: name(), days: 3 };
    let refused = Cloud::new(config(), []).administer(&soon).expect_err("refused");
    assert_eq!(refused.code(), ErrorCode::InvalidArgument);
    let cloud = Cloud::new(config(), [described()]);
    let restored = cloud.administer(&AdminRequest::RestoreSecret { name: name() });
    assert_eq!(restored, Ok(AdminResponse::Done));
    check(&cloud, &["POST /v1/P/secrets/db-password/scheduled-deleted-tasks/cancel "]);
}

#[test]
fn places_are_configured() {
    let place = |settings: &[(&str, &str)]| Place {
        settings: settings.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        ..Place::default()
    };
    let of = |settings: &[(&str, &str)]| HuaweiConfig::of_place("cn-north-4", &place(settings));
    for good in [
        &[("project", PROJECT)][..],
        &[("project", PROJECT), ("aad", "pairs"), ("data_key_bits", "512")],
        &[("project", PROJECT), ("signing", "sdk-hmac-sm3"), ("data_key_digest", "sm3")],
    ] {
        assert!(of(good).is_ok(), "{good:?}");
    }
    for bad in [
        &[][..],
        &[("project", "../x")],
        &[("project", PROJECT), ("aad", "xml")],
        &[("project", PROJECT), ("data_key_bits", "128")],
        &[("project", PROJECT), ("colour", "red")],
    ] {
        assert_eq!(of(bad).expect_err("refused").code(), ErrorCode::InvalidArgument, "{bad:?}");
    }
    // SM3 all the way.
    let sm = of(&[("project", PROJECT), ("signing", "sdk-hmac-sm3"), ("data_key_digest", "sm3")]);
    let encrypted = answer(200, &format!(r#"{{"key_id":"{ID}","cipher_text":"AB"}}"#));
    let cloud = Cloud::new(sm.expect("a configuration"), [encrypted]);
    let request = Request::Wrap { key: uri(KEY), data_key: secret(&[0; 32]), context: context() };
    assert!(cloud.call(&request).is_ok());
    let request = &cloud.sent()[0];
    assert!(
        header(request, "authorization").is_some_and(|value| value.starts_with("SDK-HMAC-SM3 "))
    );
    let (_, sha256) = zeroes();
    assert!(!text(&request.body).contains(sha256));
}
