//! Azure's Key Vault, its secrets, and Managed HSM.

use std::error::Error as _;
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use keyfold::kms::admin::{AdminRequest, AdminResponse, KeyKind, KeyState, KeyUse};
use keyfold::kms::azure::{AzureConfig, CAPABILITIES, MANAGED_HSM_CAPABILITIES};
use keyfold::kms::cloud::{Capability, Place, Service, Support};
use keyfold::kms::{Request, Response, ServiceError, SignInput};
use keyfold::sign::{KeySpec, SignatureAlgorithm, SigningKey, ecdsa_der_to_raw};
use keyfold::transport::{HttpRequest, HttpResponse};
use keyfold::{EncryptionContext, ErrorCode, ProviderParams, Retry, SystemRng};

use crate::aws_support::bearer;
use crate::support::*;

const KEY: &str = "azure://my-vault/docs";
const VERSION: &str = "azure://my-vault/docs/0123abc";
const VAULT: &str = "https://my-vault.vault.azure.net";
const API: &str = "api-version=7.4";
const KID: &str = "https://my-vault.vault.azure.net/keys/docs/0123abc";

fn vault(answers: impl IntoIterator<Item = HttpResponse>) -> Cloud {
    Cloud::by(AzureConfig::vault("my-vault").expect("a vault"), bearer("eyJ.token"), answers)
}

fn hsm(answers: impl IntoIterator<Item = HttpResponse>) -> Cloud {
    Cloud::by(AzureConfig::managed_hsm("my-vault").expect("an HSM"), bearer("eyJ.token"), answers)
}

fn reply(body: &str) -> HttpResponse {
    answer(200, body)
}

fn error(status: u16, code: &str, inner: &str) -> HttpResponse {
    let inner = if inner.is_empty() {
        String::new()
    } else {
        format!(r#","innererror":{{"code":"{inner}"}}"#)
    };
    let body = format!(r#"{{"error":{{"code":"{code}","message":"in its own words"{inner}}}}}"#);
    with(answer(status, &body), "x-ms-request-id", "r-1")
}

fn base64url(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// A key, as the service describes it.
fn bundle(jwk: &str, enabled: bool) -> HttpResponse {
    reply(&format!(
        r#"{{"key":{{"kid":"{KID}",{jwk}}},"attributes":{{"enabled":{enabled},"created":1500000000,"recoverableDays":90}},"tags":{{"description":"for documents"}}}}"#
    ))
}

fn rsa() -> HttpResponse {
    bundle(r#""kty":"RSA","key_ops":["wrapKey","unwrapKey"],"n":"AQ","e":"AQAB""#, true)
}

fn aes() -> HttpResponse {
    bundle(r#""kty":"oct-HSM""#, true)
}

fn value(bytes: &[u8]) -> HttpResponse {
    reply(&format!(r#"{{"kid":"{KID}","value":"{}"}}"#, base64url(bytes)))
}

/// Method, URL and body of what was sent, in one line each.
fn sent(cloud: &Cloud) -> Vec<String> {
    let line = |request: &HttpRequest| {
        assert_eq!(header(request, "authorization"), Some("Bearer eyJ.token"));
        assert!(!request.url.contains("eyJ"));
        let json = header(request, "content-type") == Some("application/json");
        assert_eq!(json, !request.body.is_empty());
        format!("{} {} {}", request.method, request.url, text(&request.body))
    };
    cloud.sent().iter().map(line).collect()
}

fn params(pairs: &[(&str, &str)]) -> ProviderParams {
    pairs.iter().map(|(name, value)| ((*name).into(), value.as_bytes().to_vec())).collect()
}

fn of_rsa() -> ProviderParams {
    params(&[("version", "0123abc"), ("algorithm", "RSA-OAEP-256")])
}

#[test]
fn data_keys_are_made_here_and_wrapped_there() {
    // The generator of the tests gives 0, 1, 2…
    let made: Vec<u8> = (0..32).collect();
    let asked = vault([rsa(), value(&[1, 2, 3, 4])]);
    let request = Request::GenerateDataKey { key: uri(KEY), context: context() };
    let Ok(Response::DataKey { data_key, wrapped: record }) = asked.call(&request) else {
        panic!("a data key")
    };
    assert_eq!(data_key.0.expose()[..], made);
    // What was written is kept as it came, and all that unwrapping takes beside it.
    assert_eq!(record, wrapped(KEY, of_rsa(), "AQIDBA"));
    let body = format!(r#"{{"alg":"RSA-OAEP-256","value":"{}"}}"#, base64url(&made));
    let lines = [
        format!("GET {VAULT}/keys/docs?{API} "),
        format!("POST {VAULT}/keys/docs/0123abc/wrapkey?{API} {body}"),
    ];
    assert_eq!(sent(&asked), lines);

    let unwrap = |key: Option<&str>| Request::Unwrap {
        wrapped: record.clone(),
        context: context(),
        key: key.map(uri),
    };
    for key in [None, Some(KEY), Some(VERSION)] {
        let asked = vault([value(&[7; 32])]);
        let Ok(Response::Unwrapped(data_key)) = asked.call(&unwrap(key)) else {
            panic!("a data key")
        };
        assert_eq!(data_key.0.expose(), &[7; 32]);
        let body = r#"{"alg":"RSA-OAEP-256","value":"AQIDBA"}"#;
        let line = format!("POST {VAULT}/keys/docs/0123abc/unwrapkey?{API} {body}");
        assert_eq!(sent(&asked), [line]);
    }
    // Another key than the one that is demanded: the service is not asked for its version.
    let asked = vault([]);
    let failed = asked.call(&unwrap(Some("azure://my-vault/other"))).expect_err("no");
    assert_eq!((failed.code(), asked.sent().len()), (ErrorCode::AuthenticationFailed, 0));
    // Another version than the one that is demanded.
    let failed = vault([]).call(&unwrap(Some("azure://my-vault/docs/other"))).expect_err("no");
    assert_eq!(failed.code(), ErrorCode::AuthenticationFailed);

    // AES at an HSM; the name that the caller used stays the key's.
    let asked = hsm([aes(), value(&[9; 40])]);
    let data_key = secret(&[7; 32]);
    let request = Request::Wrap { key: uri(VERSION), data_key, context: context() };
    let Ok(Response::Wrapped(record)) = asked.call(&request) else { panic!("a wrapped key") };
    assert_eq!(record.key.as_str(), VERSION);
    assert_eq!(record.params, params(&[("version", "0123abc"), ("algorithm", "A256KW")]));
    let lines = sent(&asked);
    assert_eq!(
        lines[0],
        format!("GET https://my-vault.managedhsm.azure.net/keys/docs/0123abc?{API} ")
    );
    assert!(lines[1].contains(r#"{"alg":"A256KW","value":""#));
}

#[test]
fn a_disabled_key_wraps_nothing() {
    let disabled = || bundle(r#""kty":"RSA","n":"AQ","e":"AQAB""#, false);
    for request in [
        Request::GenerateDataKey { key: uri(KEY), context: context() },
        Request::Wrap { key: uri(KEY), data_key: secret(&[0; 32]), context: context() },
        Request::Verify {
            key: uri(KEY),
            algorithm: SignatureAlgorithm::RsaPssSha256,
            input: SignInput::Digest(vec![0; 32]),
            signature: vec![0; 256],
        },
    ] {
        let asked = vault([disabled()]);
        let failed = asked.call(&request).expect_err("disabled");
        assert_eq!(failed.code(), ErrorCode::KmsKeyUnavailable);
        assert_eq!(asked.sent().len(), 1);
    }
    let signs = bundle(r#""kty":"EC","crv":"P-256","x":"AQ","y":"AQ""#, true);
    let request = Request::GenerateDataKey { key: uri(KEY), context: context() };
    let failed = vault([signs]).call(&request).expect_err("it signs");
    assert_eq!(failed.code(), ErrorCode::InvalidArgument);
}

#[test]
fn a_data_key_moves_to_another_key_by_way_of_the_client() {
    let request = |to: &str| Request::Rewrap {
        wrapped: wrapped(KEY, of_rsa(), "AQIDBA"),
        context: context(),
        key: None,
        to: uri(to),
    };
    let other = |response: HttpResponse| reply(&text(&response.body).replace("/docs/", "/other/"));
    let asked = vault([value(&[7; 32]), other(rsa()), other(value(&[5]))]);
    let moved = asked.call(&request("azure://my-vault/other"));
    let Ok(Response::Wrapped(moved)) = moved else { panic!("a wrapped key") };
    assert_eq!(moved, wrapped("azure://my-vault/other", of_rsa(), "BQ"));
    assert!(sent(&asked)[2].contains(&base64url(&[7; 32])));
    // Nothing is asked of the old key where the new one cannot be right.
    let failed = vault([]).call(&request("azure://my-vault/a_b")).expect_err("refused");
    assert_eq!(failed.code(), ErrorCode::InvalidArgument);
}

#[test]
fn records_are_checked_before_anything_is_sent() {
    let unwrap = |params: ProviderParams, ciphertext: &str| Request::Unwrap {
        wrapped: wrapped(KEY, params, ciphertext),
        context: context(),
        key: None,
    };
    let rsa = "RSA-OAEP-256";
    for request in [
        unwrap(ProviderParams::new(), "AQIDBA"),
        unwrap(params(&[("algorithm", rsa)]), "AQIDBA"),
        unwrap(params(&[("version", "0123abc")]), "AQIDBA"),
        unwrap(params(&[("version", "../x"), ("algorithm", rsa)]), "AQIDBA"),
        unwrap(params(&[("version", ""), ("algorithm", rsa)]), "AQIDBA"),
        unwrap(params(&[("version", "0123abc"), ("algorithm", "RSA1_5")]), "AQIDBA"),
        unwrap(params(&[("version", "0123abc"), ("algorithm", "A256GCM")]), "AQIDBA"),
        unwrap(of_rsa(), ""),
        unwrap(of_rsa(), "AQID+/=="),
        unwrap(of_rsa(), "a b"),
    ] {
        let failed = vault([]).call(&request).expect_err("refused");
        assert_eq!(failed.code(), ErrorCode::AuthenticationFailed, "{request:?}");
    }
    // Something else was encrypted under this key: no data key.
    let failed = vault([value(b"hi")]).call(&unwrap(of_rsa(), "AQIDBA")).expect_err("no data key");
    assert_eq!(failed.code(), ErrorCode::AuthenticationFailed);
    for key in ["azure://my-vault/a_b", "azure://other/docs", "google://my-vault/docs"] {
        let failed = vault([]).call(&Request::GetPublicKey { key: uri(key) }).expect_err("refused");
        assert_eq!(failed.code(), ErrorCode::InvalidArgument, "{key}");
    }
    let config = AzureConfig::vault("my-vault").expect("a vault");
    let failed = Cloud::new(config, []).call(&Request::ResolveKey { key: uri(KEY) });
    assert_eq!(failed.expect_err("no token").code(), ErrorCode::InvalidArgument);
}

#[test]
fn small_data_carries_what_decrypting_takes() {
    let none = EncryptionContext::new;
    let encrypt = |context: EncryptionContext| Request::Encrypt {
        key: uri(KEY),
        plaintext: secret(b"hi"),
        context,
    };
    let asked = vault([rsa(), value(&[1, 2, 3]), value(b"hi"), value(b"hi")]);
    let Ok(Response::Ciphertext { ciphertext, key }) = asked.call(&encrypt(none())) else {
        panic!("a ciphertext")
    };
    assert_eq!(key.as_str(), KEY);
    assert!(ciphertext.starts_with(b"KFP\x01") && ciphertext.ends_with(b"AQID"));
    // With a record of keyfold's, and with a ciphertext of the vendor's own tools.
    for (key, ciphertext) in [(None, ciphertext), (Some(uri(VERSION)), b"AQID".to_vec())] {
        let request = Request::Decrypt { key, ciphertext, context: none() };
        let Ok(Response::Plaintext { plaintext, .. }) = asked.call(&request) else {
            panic!("a plaintext")
        };
        assert_eq!(plaintext.expose(), b"hi");
    }
    let lines = sent(&asked);
    let body = r#"{"alg":"RSA-OAEP-256","value":"AQID"}"#;
    assert_eq!(
        lines[1],
        format!(
            "POST {VAULT}/keys/docs/0123abc/encrypt?{API} {{\"alg\":\"RSA-OAEP-256\",\"value\":\"aGk\"}}"
        )
    );
    let line = format!("POST {VAULT}/keys/docs/0123abc/decrypt?{API} {body}");
    assert_eq!(lines[2..], [line.clone(), line]);
    // Nothing would bind a context.
    let failed = vault([]).call(&encrypt(context())).expect_err("refused");
    assert_eq!(failed.code(), ErrorCode::InvalidArgument);
    let failed = hsm([rsa()]).call(&encrypt(context())).expect_err("refused");
    assert_eq!(failed.code(), ErrorCode::InvalidArgument);
    for key in [None, Some(uri(KEY))] {
        let request = Request::Decrypt { key, ciphertext: b"AQID".to_vec(), context: none() };
        assert_eq!(vault([]).call(&request).expect_err("no").code(), ErrorCode::InvalidArgument);
    }

    // AES at an HSM binds it; vector and tag stand apart.
    let sealed =
        || reply(&format!(r#"{{"kid":"{KID}","value":"AQID","iv":"aXY","tag":"dGFn","aad":"x"}}"#));
    let asked = hsm([aes(), sealed(), value(b"hi")]);
    let Ok(Response::Ciphertext { ciphertext, .. }) = asked.call(&encrypt(context())) else {
        panic!("a ciphertext")
    };
    let request = Request::Decrypt { key: None, ciphertext, context: context() };
    assert!(matches!(asked.call(&request), Ok(Response::Plaintext { .. })));
    let aad = base64url(&context().to_canonical().expect("a context"));
    let lines = sent(&asked);
    assert!(lines[1].ends_with(&format!(r#"{{"alg":"A256GCM","value":"aGk","aad":"{aad}"}}"#)));
    let body =
        format!(r#"{{"alg":"A256GCM","value":"AQID","iv":"aXY","tag":"dGFn","aad":"{aad}"}}"#);
    assert!(lines[2].ends_with(&body), "{}", lines[2]);
    let no_tag = reply(&text(&sealed().body).replace("tag", "other"));
    let failed = hsm([aes(), no_tag]).call(&encrypt(context())).expect_err("refused");
    assert_eq!(failed.code(), ErrorCode::KmsProtocol);
}

/// A key on a curve as the service describes it, and the key itself.
fn on_curve(spec: KeySpec, crv: &str) -> (SigningKey, HttpResponse) {
    let key = SigningKey::generate(spec, &SystemRng).expect("a key");
    let jwk: serde_json::Value = serde_json::from_str(&key.public_key().to_jwk()).expect("a JWK");
    let members = format!(r#""kty":"EC","crv":"{crv}","x":{},"y":{}"#, jwk["x"], jwk["y"]);
    (key, bundle(&members, true))
}

#[test]
fn digests_are_signed_there_and_signatures_verified_here() {
    for (spec, crv, word) in [
        (KeySpec::EccNistP256, "P-256", "ES256"),
        (KeySpec::EccSecgP256k1, "P-256K", "ES256K"),
        (KeySpec::EccNistP384, "P-384", "ES384"),
        (KeySpec::EccNistP521, "P-521", "ES512"),
    ] {
        let (key, described) = on_curve(spec, crv);
        let algorithm = spec.default_algorithm();
        let der = key.sign(algorithm, b"hi").expect("a signature");
        let raw = ecdsa_der_to_raw(spec, &der).expect("r and s");
        let asked = vault([described.clone(), value(&raw), described.clone(), described.clone()]);
        let input = || SignInput::Message(b"hi".to_vec());
        let request = Request::Sign { key: uri(KEY), algorithm, input: input() };
        let Ok(Response::Signature(signature)) = asked.call(&request) else {
            panic!("a signature")
        };
        assert_eq!(signature, der);
        let lines = sent(&asked);
        let path = format!("POST {VAULT}/keys/docs/0123abc/sign?{API} ");
        assert!(lines[1].starts_with(&format!(r#"{path}{{"alg":"{word}","value":""#)), "{lines:?}");
        let verify = |input: SignInput| Request::Verify {
            key: uri(KEY),
            algorithm,
            input,
            signature: der.clone(),
        };
        assert!(matches!(asked.call(&verify(input())), Ok(Response::Verified)));
        let failed = asked.call(&verify(SignInput::Message(b"ho".to_vec()))).expect_err("wrong");
        assert_eq!(failed.code(), ErrorCode::SignatureInvalid);

        let request = Request::GetPublicKey { key: uri(VERSION) };
        let Ok(Response::PublicKey { spki, .. }) = vault([described.clone()]).call(&request) else {
            panic!("a public key")
        };
        assert_eq!(spki, key.public_key().to_spki_der());
        // Of another length than that of the curve.
        let request = Request::Sign { key: uri(KEY), algorithm, input: input() };
        let failed = vault([described, value(&raw[1..])]).call(&request).expect_err("short");
        assert_eq!(failed.code(), ErrorCode::KmsProtocol);
    }
    let asked = vault([rsa(), value(&[9; 256])]);
    let (key, algorithm) = (uri(KEY), SignatureAlgorithm::RsaPssSha384);
    let request = Request::Sign { key, algorithm, input: SignInput::Digest(vec![0; 48]) };
    assert!(matches!(asked.call(&request), Ok(Response::Signature(s)) if s == [9; 256]));
    assert!(sent(&asked)[1].contains(r#"{"alg":"PS384","value":""#));
    for (answers, algorithm, input) in [
        (vec![rsa()], SignatureAlgorithm::EcdsaSha256, SignInput::Digest(vec![0; 32])),
        (vec![aes()], SignatureAlgorithm::EcdsaSha384, SignInput::Digest(vec![0; 48])),
        (vec![], SignatureAlgorithm::EcdsaSha256, SignInput::Digest(vec![0; 31])),
        (vec![], SignatureAlgorithm::Ed25519, SignInput::Message(vec![0])),
        (vec![rsa()], SignatureAlgorithm::Ed25519ph, SignInput::Digest(vec![0; 64])),
    ] {
        let request = Request::Sign { key: uri(KEY), algorithm, input };
        let failed = vault(answers).call(&request).expect_err("refused");
        assert_eq!(failed.code(), ErrorCode::InvalidArgument, "{algorithm}");
    }
}

fn stored(version: &str, more: &str) -> HttpResponse {
    reply(&format!(
        r#"{{"value":"hunter2","id":"{VAULT}/secrets/db-password/{version}","attributes":{{"enabled":true,"created":5}}{more}}}"#
    ))
}

fn versions(list: &[(&str, u64)], next: &str) -> HttpResponse {
    let version = |(id, at): &(&str, u64)| {
        format!(
            r#"{{"id":"{VAULT}/secrets/db-password/{id}","attributes":{{"enabled":true,"created":{at},"recoverableDays":7}}}}"#
        )
    };
    let list: Vec<String> = list.iter().map(version).collect();
    reply(&format!(r#"{{"value":[{}],"nextLink":{next}}}"#, list.join(",")))
}

#[test]
fn secrets_are_stored_with_the_token_of_their_change() {
    let put = |value: &[u8]| Request::PutSecret {
        name: "db-password".into(),
        value: secret(value),
        key: None,
        token: TOKEN.into(),
    };
    let tags = format!(r#""tags":{{"keyfold-token":"{TOKEN}"}}"#);
    let get = format!("GET {VAULT}/secrets/db-password?{API} ");
    for current in [error(404, "SecretNotFound", ""), stored("v1", "")] {
        let asked = vault([current, stored("v2", "")]);
        let made = asked.call(&put(b"hunter2")).expect("stored");
        assert!(matches!(made, Response::SecretVersion { version } if version == "v2"));
        let line = format!(r#"PUT {VAULT}/secrets/db-password?{API} {{"value":"hunter2",{tags}}}"#);
        assert_eq!(sent(&asked), [get.clone(), line]);
    }
    // Bytes that are no text, over a present version that is disabled.
    let asked = vault([error(403, "Forbidden", "SecretDisabled"), stored("v2", "")]);
    assert!(asked.call(&put(&[0xff])).is_ok());
    let body = format!(r#"{{"value":"/w==","contentType":"application/x-keyfold-base64",{tags}}}"#);
    assert!(sent(&asked)[1].ends_with(&body));
    // The answer to this change was lost: it is found, and not made again.
    let asked = vault([stored("v2", &format!(",{tags}"))]);
    let found = asked.call(&put(b"hunter2")).expect("stored");
    assert!(matches!(found, Response::SecretVersion { version } if version == "v2"));

    let failed = vault([error(403, "Forbidden", "")]).call(&put(b"v")).expect_err("denied");
    assert_eq!(failed.code(), ErrorCode::KmsDenied);
    for (name, value, key, code) in [
        ("db/password", vec![1], None, ErrorCode::InvalidArgument),
        ("db_password", vec![1], None, ErrorCode::InvalidArgument),
        ("n", vec![1], Some(uri(KEY)), ErrorCode::InvalidArgument),
        ("n", vec![b'x'; 25_601], None, ErrorCode::LimitExceeded),
        ("n", vec![0xff; 19_201], None, ErrorCode::LimitExceeded),
    ] {
        let (name, token) = (name.to_owned(), TOKEN.to_owned());
        let request = Request::PutSecret { name, value: secret(&value), key, token };
        assert_eq!(vault([]).call(&request).expect_err("refused").code(), code);
    }
    let failed = hsm([]).call(&put(b"v")).expect_err("an HSM");
    assert!(is_unsupported(&failed));
}

#[test]
fn secrets_are_read_by_version_and_by_stage() {
    let get = |version: Option<&str>, stage: Option<&str>| Request::GetSecret {
        name: "db-password".into(),
        version: version.map(str::to_owned),
        stage: stage.map(str::to_owned),
    };
    let path = format!("GET {VAULT}/secrets/db-password");
    // The link leads elsewhere; nothing goes there.
    let next = format!(r#""https://evil.example.com/x?{API}&$skiptoken=abc""#);
    let pages = || [versions(&[("b", 7), ("c", 9)], &next), versions(&[("a", 5)], "null")];
    let list =
        [format!("{path}/versions?{API} "), format!("{path}/versions?{API}&$skiptoken=abc ")];
    let read = |request: &Request, answers: Vec<HttpResponse>, lines: &[String]| {
        let asked = vault(answers);
        let Ok(Response::Secret { value, .. }) = asked.call(request) else { panic!("a secret") };
        assert_eq!(value.expose(), b"hunter2");
        assert_eq!(sent(&asked), lines);
    };
    let plain = format!("{path}?{API} ");
    read(&get(None, None), vec![stored("c", "")], std::slice::from_ref(&plain));
    read(&get(None, Some("AWSCURRENT")), vec![stored("c", "")], &[plain]);
    read(&get(Some("a"), None), vec![stored("a", "")], &[format!("{path}/a?{API} ")]);
    let [first, second] = pages();
    let lines = [&list[..], &[format!("{path}/b?{API} ")]].concat();
    read(&get(None, Some("AWSPREVIOUS")), vec![first, second, stored("b", "")], &lines);
    let marked = stored("c", r#","contentType":"application/x-keyfold-base64""#);
    let bytes = reply(&text(&marked.body).replace("hunter2", "/w=="));
    let Ok(Response::Secret { value, .. }) = vault([bytes]).call(&get(None, None)) else {
        panic!("a secret")
    };
    assert_eq!(value.expose(), [0xff]);
    let [first, second] = pages();
    for (request, answers, code) in [
        (get(Some("a"), Some("AWSCURRENT")), vec![first, second], ErrorCode::SecretNotFound),
        (get(None, Some("AWSPENDING")), vec![versions(&[], "null")], ErrorCode::SecretNotFound),
        (get(Some("../x"), None), vec![], ErrorCode::InvalidArgument),
        (get(Some("a"), None), vec![stored("b", "")], ErrorCode::KmsProtocol),
        (get(None, None), vec![marked], ErrorCode::KmsProtocol),
        (get(None, None), vec![error(404, "SecretNotFound", "")], ErrorCode::SecretNotFound),
        (
            get(None, Some("AWSPREVIOUS")),
            vec![versions(&[("a", 1)], r#""no link""#)],
            ErrorCode::KmsProtocol,
        ),
    ] {
        assert_eq!(vault(answers).call(&request).expect_err("refused").code(), code);
    }
}

#[test]
fn errors_become_codes() {
    let request = Request::Unwrap {
        wrapped: wrapped(KEY, of_rsa(), "AQIDBA"),
        context: context(),
        key: None,
    };
    for (status, code, inner, expected) in [
        (404, "KeyNotFound", "", ErrorCode::KmsKeyUnavailable),
        (403, "Forbidden", "KeyDisabled", ErrorCode::KmsKeyUnavailable),
        (409, "Conflict", "ObjectIsDeletedButRecoverable", ErrorCode::KmsKeyUnavailable),
        (409, "ObjectIsBeingDeleted", "", ErrorCode::KmsKeyUnavailable),
        (409, "Conflict", "", ErrorCode::VersionConflict),
        (403, "Forbidden", "KeyOperationForbidden", ErrorCode::KmsKeyUnavailable),
        (403, "Forbidden", "", ErrorCode::KmsDenied),
        (403, "Forbidden", "ForbiddenByRbac", ErrorCode::KmsDenied),
        (403, "Forbidden", "NobodyKnowsThis", ErrorCode::KmsDenied),
        (401, "Unauthorized", "", ErrorCode::KmsDenied),
        (400, "BadParameter", "", ErrorCode::AuthenticationFailed),
        (429, "Throttled", "", ErrorCode::KmsThrottled),
        (503, "ServiceUnavailable", "", ErrorCode::KmsUnavailable),
        (418, "NobodyKnowsThis", "", ErrorCode::KmsProtocol),
    ] {
        let failed = vault([error(status, code, inner)]).call(&request).expect_err("an error");
        assert_eq!(failed.code(), expected, "{code} {inner}");
        if expected == ErrorCode::AuthenticationFailed {
            // Opaque: no name, no source.
            assert!(failed.source().is_none() && !failed.to_string().contains(code));
            continue;
        }
        assert!(!failed.to_string().contains("own words"), "{failed}");
        let source = failed.source().and_then(|source| source.downcast_ref::<ServiceError>());
        let source = source.expect("the service's error");
        let name = if inner.is_empty() { code } else { inner };
        assert_eq!((source.provider(), source.name()), ("azure", Some(name)));
        assert_eq!((source.request_id(), source.status()), (Some("r-1"), status));
    }
    // What a caller sent to be wrapped says nothing of a key.
    let request_wrap = Request::GenerateDataKey { key: uri(KEY), context: context() };
    let failed = vault([rsa(), error(400, "BadParameter", "")]).call(&request_wrap);
    assert_eq!(failed.expect_err("an error").code(), ErrorCode::InvalidArgument);
    let throttled = with(error(429, "Throttled", ""), "retry-after", "3");
    let throttled = vault([throttled]).call(&request).expect_err("an error");
    assert_eq!(throttled.retry(), Retry::Later(Some(Duration::from_secs(3))));
    for (status, code) in [
        (500, ErrorCode::KmsUnavailable),
        (403, ErrorCode::KmsDenied),
        (404, ErrorCode::KmsProtocol),
        (301, ErrorCode::KmsProtocol),
    ] {
        let proxy = answer(status, "<html>a proxy</html>");
        assert_eq!(vault([proxy]).call(&request).expect_err("an error").code(), code);
    }
}

#[test]
fn what_is_no_answer_is_refused() {
    for key in [KEY, VERSION] {
        let config = || AzureConfig::vault("my-vault").expect("a vault").into();
        garbage_is_refused_by(config, || bearer("t"), key);
        let config = || AzureConfig::managed_hsm("my-vault").expect("an HSM").into();
        garbage_is_refused_by(config, || bearer("t"), key);
    }
    let request = Request::GenerateDataKey { key: uri(KEY), context: context() };
    let good = text(&rsa().body).to_owned();
    for hostile in [
        good.replace("/docs/", "/other/"),
        good.replace("/0123abc", ""),
        good.replace(KID, "docs"),
        good.replace(r#"{"key""#, r#"{"key":{},"key""#),
        good.replace("true", "\"yes\""),
        good.replace(r#""RSA""#, "1"),
        good.replace(r#"{"key""#, r#"{"error":{},"key""#),
    ] {
        assert_ne!(hostile, good);
        let failed = vault([reply(&hostile)]).call(&request).expect_err("refused");
        assert_eq!(failed.code(), ErrorCode::KmsProtocol, "{hostile}");
    }
    let good = text(&value(&[1, 2, 3]).body).to_owned();
    for hostile in [
        good.replace("/docs/", "/other/"),
        good.replace("0123abc", "4567"),
        good.replace("AQID", "AQID=="),
        good.replace("AQID", "AQ+/"),
        good.replace("AQID", ""),
        good.replace("AQID", &"A".repeat(6148)),
        good.replace("\"AQID\"", "[\"AQID\"]"),
    ] {
        let failed = vault([rsa(), reply(&hostile)]).call(&request).expect_err("refused");
        assert_eq!(failed.code(), ErrorCode::KmsProtocol, "{hostile:.200}");
    }
}

#[test]
fn what_there_is_not_is_refused_here() {
    let of_hsm = AzureConfig::managed_hsm("my-vault").expect("an HSM");
    let of_vault = AzureConfig::vault("my-vault").expect("a vault");
    for (config, capabilities) in [(of_vault, CAPABILITIES), (of_hsm, MANAGED_HSM_CAPABILITIES)] {
        for request in every_admin_request(KEY) {
            if capabilities.support(Capability::of_admin(&request)) == Support::Absent {
                let asked = Cloud::by(config.clone(), bearer("t"), []);
                assert!(is_unsupported(&asked.administer(&request).expect_err("refused")));
            }
        }
    }
    let create = |kind, usage, alias: Option<&str>| AdminRequest::CreateKey {
        kind,
        usage,
        alias: alias.map(str::to_owned),
        description: None,
    };
    for request in [
        create(KeyKind::Symmetric, KeyUse::EncryptDecrypt, Some("k")),
        create(KeyKind::Sm2, KeyUse::SignVerify, Some("k")),
        create(KeyKind::EccNistP256, KeyUse::EncryptDecrypt, Some("k")),
        create(KeyKind::Rsa2048, KeyUse::SignVerify, Some("a_b")),
        create(KeyKind::Rsa2048, KeyUse::SignVerify, None),
        AdminRequest::RotateKey { key: uri(VERSION) },
        AdminRequest::ScheduleKeyDeletion { key: uri(VERSION), days: 90 },
        AdminRequest::SetRotation { key: uri(KEY), every_days: Some(27) },
        AdminRequest::ListKeys { page: Some("a#b".into()) },
    ] {
        let failed = vault([]).administer(&request).expect_err("refused");
        assert_eq!(failed.code(), ErrorCode::InvalidArgument, "{request:?}");
    }
    let failed = hsm([]).administer(&AdminRequest::Random { len: 129 }).expect_err("refused");
    assert_eq!(failed.code(), ErrorCode::InvalidArgument);
}

#[test]
fn keys_are_created_and_listed() {
    let create = AdminRequest::CreateKey {
        kind: KeyKind::Rsa3072,
        usage: KeyUse::EncryptDecrypt,
        alias: Some("docs".into()),
        description: Some("for documents".into()),
    };
    let none = || error(404, "KeyNotFound", "");
    let asked = vault([none(), rsa()]);
    let Ok(AdminResponse::Key(info)) = asked.administer(&create) else { panic!("a key") };
    assert_eq!((info.key.as_str(), info.state), (KEY, Some(KeyState::Enabled)));
    assert_eq!(
        (info.usage, info.version.as_deref()),
        (Some(KeyUse::EncryptDecrypt), Some("0123abc"))
    );
    assert_eq!(info.description.as_deref(), Some("for documents"));
    let body = r#"{"kty":"RSA","key_size":3072,"key_ops":["encrypt","decrypt","wrapKey","unwrapKey"],"tags":{"description":"for documents"}}"#;
    assert_eq!(
        sent(&asked),
        [
            format!("GET {VAULT}/keys/docs?{API} "),
            format!("POST {VAULT}/keys/docs/create?{API} {body}"),
        ]
    );
    // Under a name that there is, the service would make a version of that key.
    let failed = vault([rsa()]).administer(&create).expect_err("there is one");
    assert_eq!(failed.code(), ErrorCode::VersionConflict);
    let create = AdminRequest::CreateKey {
        kind: KeyKind::Symmetric,
        usage: KeyUse::EncryptDecrypt,
        alias: Some("docs".into()),
        description: None,
    };
    let asked = hsm([none(), aes()]);
    assert!(asked.administer(&create).is_ok());
    assert!(sent(&asked)[1].contains(r#"{"kty":"oct-HSM","key_size":256,"key_ops""#));

    let (_, described) = on_curve(KeySpec::EccNistP384, "P-384");
    let asked = vault([described]);
    let describe = AdminRequest::DescribeKey { key: uri(VERSION) };
    let Ok(AdminResponse::Key(info)) = asked.administer(&describe) else { panic!("a key") };
    assert_eq!((info.key.as_str(), info.kind), (VERSION, Some(KeyKind::EccNistP384)));
    assert_eq!(info.created, Some(Duration::from_secs(1_500_000_000)));

    // Page after page, and at this vault, wherever the link leads.
    let page = |next: &str| {
        reply(&format!(
            r#"{{"value":[{{"kid":"{VAULT}/keys/docs","attributes":{{"enabled":false}}}}],"nextLink":{next}}}"#
        ))
    };
    let asked = vault([
        page(r#""https://evil.example.com/keys?api-version=7.4&$skiptoken=a""#),
        page("null"),
    ]);
    let first = asked.administer(&AdminRequest::ListKeys { page: None }).expect("a page");
    let AdminResponse::Keys { keys, next } = first else { panic!("keys") };
    assert_eq!((keys[0].key.as_str(), keys[0].state), (KEY, Some(KeyState::Disabled)));
    let second = asked.administer(&AdminRequest::ListKeys { page: next }).expect("a page");
    assert!(matches!(second, AdminResponse::Keys { next: None, .. }));
    assert_eq!(
        sent(&asked),
        [
            format!("GET {VAULT}/keys?{API} "),
            format!("GET {VAULT}/keys?api-version=7.4&$skiptoken=a "),
        ]
    );
}

#[test]
fn keys_are_switched_deleted_and_rotated() {
    // Every version has its switch.
    let list = reply(&format!(
        r#"{{"value":[{{"kid":"{VAULT}/keys/docs/a1","attributes":{{"enabled":true}}}},{{"kid":"{VAULT}/keys/docs/b2","attributes":{{"enabled":false}}}}]}}"#
    ));
    let asked = vault([list, rsa()]);
    let disable = AdminRequest::DisableKey { key: uri(KEY) };
    assert_eq!(asked.administer(&disable), Ok(AdminResponse::Done));
    let patch = |path: &str, on: bool| {
        format!(r#"PATCH {VAULT}/keys/docs/{path}?{API} {{"attributes":{{"enabled":{on}}}}}"#)
    };
    assert_eq!(sent(&asked)[1..], [patch("a1", false)]);
    let asked = vault([rsa()]);
    let enable = AdminRequest::EnableKey { key: uri(VERSION) };
    assert_eq!(asked.administer(&enable), Ok(AdminResponse::Done));
    assert_eq!(sent(&asked), [patch("0123abc", true)]);

    // How long it is kept was chosen with the vault.
    let deleted = reply(r#"{"recoveryId":"x","scheduledPurgeDate":1800000000}"#);
    let asked = vault([rsa(), deleted]);
    let delete = |days| AdminRequest::ScheduleKeyDeletion { key: uri(KEY), days };
    let at = Some(Duration::from_secs(1_800_000_000));
    assert_eq!(asked.administer(&delete(90)), Ok(AdminResponse::Deletion { at }));
    assert_eq!(sent(&asked)[1], format!("DELETE {VAULT}/keys/docs?{API} "));
    let failed = vault([rsa()]).administer(&delete(30)).expect_err("another period");
    assert!(failed.to_string().contains("90 days"), "{failed}");

    let policy = |actions: &str| reply(&format!(r#"{{"id":"x","lifetimeActions":{actions}}}"#));
    let rotate = r#"[{"trigger":{"timeBeforeExpiry":"P30D"},"action":{"type":"Notify"}},{"trigger":{"timeAfterCreate":"P3M"},"action":{"type":"rotate"}}]"#;
    for (actions, every_days) in [(rotate, Some(90)), ("[]", None)] {
        let get = AdminRequest::GetRotation { key: uri(KEY) };
        let rotation = AdminResponse::Rotation { on: every_days.is_some(), every_days, next: None };
        assert_eq!(vault([policy(actions)]).administer(&get), Ok(rotation));
    }
    let days = r#"{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P90D"},"action":{"type":"Rotate"}}]}"#;
    for (request, line) in [
        (
            AdminRequest::SetRotation { key: uri(KEY), every_days: Some(90) },
            format!("PUT {VAULT}/keys/docs/rotationpolicy?{API} {days}"),
        ),
        (
            AdminRequest::SetRotation { key: uri(KEY), every_days: None },
            format!("PUT {VAULT}/keys/docs/rotationpolicy?{API} {{\"lifetimeActions\":[]}}"),
        ),
        (
            AdminRequest::RotateKey { key: uri(KEY) },
            format!("POST {VAULT}/keys/docs/rotate?{API} "),
        ),
        (
            AdminRequest::CancelKeyDeletion { key: uri(KEY) },
            format!("POST {VAULT}/deletedkeys/docs/recover?{API} "),
        ),
        (
            AdminRequest::RestoreSecret { name: "n".into() },
            format!("POST {VAULT}/deletedsecrets/n/recover?{API} "),
        ),
    ] {
        let asked = vault([reply("{}")]);
        assert_eq!(asked.administer(&request), Ok(AdminResponse::Done));
        assert_eq!(sent(&asked), [line]);
    }
    let asked = hsm([reply(r#"{"value":"AQID"}"#)]);
    let random = asked.administer(&AdminRequest::Random { len: 3 });
    assert_eq!(random, Ok(AdminResponse::Random(secret(&[1, 2, 3]))));
    assert!(sent(&asked)[0].ends_with(r#"/rng?api-version=7.4 {"count":3}"#));
}

#[test]
fn secrets_are_administered() {
    let name = || "db-password".to_owned();
    let list = || versions(&[("b", 7), ("c", 9), ("a", 5)], "null");
    let asked = vault([list()]);
    let described = asked.administer(&AdminRequest::DescribeSecret { name: name() });
    let Ok(AdminResponse::Secret(info)) = described else { panic!("a secret") };
    assert_eq!((info.name.as_str(), info.created), ("db-password", Some(Duration::from_secs(5))));
    let none = vault([versions(&[], "null")]);
    let failed = none.administer(&AdminRequest::DescribeSecret { name: name() });
    assert_eq!(failed.expect_err("none").code(), ErrorCode::SecretNotFound);

    let page = reply(&format!(
        r#"{{"value":[{{"id":"{VAULT}/secrets/db-password","attributes":{{"enabled":false,"created":5}}}}]}}"#
    ));
    let listed = vault([page]).administer(&AdminRequest::ListSecrets { page: None });
    let Ok(AdminResponse::Secrets { secrets, next: None }) = listed else { panic!("secrets") };
    assert_eq!(
        (secrets[0].name.as_str(), secrets[0].raw_state.as_deref()),
        ("db-password", Some("disabled"))
    );

    let listed =
        vault([list()]).administer(&AdminRequest::ListSecretVersions { name: name(), page: None });
    let Ok(AdminResponse::SecretVersions { versions, next: None }) = listed else {
        panic!("versions")
    };
    let stages: Vec<(&str, &[String])> =
        versions.iter().map(|version| (version.id.as_str(), &version.stages[..])).collect();
    let (current, previous) = (["AWSCURRENT".to_owned()], ["AWSPREVIOUS".to_owned()]);
    assert_eq!(stages, [("a", &[][..]), ("b", &previous), ("c", &current)]);

    let asked = vault([list(), reply(r#"{"scheduledPurgeDate":1800000000}"#)]);
    let delete = |days| AdminRequest::DeleteSecret { name: name(), days };
    let at = Some(Duration::from_secs(1_800_000_000));
    assert_eq!(asked.administer(&delete(7)), Ok(AdminResponse::Deletion { at }));
    assert_eq!(sent(&asked)[1], format!("DELETE {VAULT}/secrets/db-password?{API} "));
    let failed = vault([list()]).administer(&delete(0)).expect_err("another period");
    assert_eq!(failed.code(), ErrorCode::InvalidArgument);
}

#[test]
fn places_are_configured() {
    let with_setting = |name: &str, value: &str| Place {
        settings: [(name.to_owned(), value.to_owned())].into(),
        ..Place::default()
    };
    for (place, url) in [
        (with_setting("cloud", "china"), "https://office.vault.azure.cn"),
        (with_setting("cloud", "government"), "https://office.vault.usgovcloudapi.net"),
        (with_setting("kind", "hsm"), "https://office.managedhsm.azure.net"),
        (Place { region: Some("v".into()), ..Place::default() }, "https://v.vault.azure.net"),
        (
            Place { keys: Some("http://127.0.0.1:8080".into()), ..Place::default() },
            "http://127.0.0.1:8080",
        ),
    ] {
        assert_eq!(AzureConfig::of_place("office", &place).expect("a place").url(), url);
    }
    for place in [
        with_setting("cloud", "moon"),
        with_setting("kint", "hsm"),
        Place { region: Some("a.b".into()), ..Place::default() },
    ] {
        let failed = AzureConfig::of_place("office", &place).expect_err("refused");
        assert_eq!(failed.code(), ErrorCode::InvalidArgument);
    }
    let config = AzureConfig::vault("my-vault").expect("a vault");
    assert!(config.with_endpoint(Service::Keys, "http://vault.example.com").is_err());
}
