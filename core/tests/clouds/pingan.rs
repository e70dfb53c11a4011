//! Ping An's KMS, and reading its password safe.

use std::error::Error as _;

use keyfold::credentials::Credentials;
use keyfold::kms::admin::{AdminRequest, AdminResponse, KeyKind, KeyState, KeyUse};
use keyfold::kms::cloud::{Capability, Place, Support};
use keyfold::kms::pingan::{CAPABILITIES, Codec, PingAnConfig};
use keyfold::kms::{Request, Response, ServiceError};
use keyfold::transport::HttpResponse;
use keyfold::{EncryptionContext, ErrorCode, ProviderParams, Retry};

use crate::support::*;

const KEY: &str = "pingan://cn-shanghai/1234abcd-12ab-34cd-56ef-1234567890ab";
const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
const HOST: &str = "https://kms-cn-shanghai.yun.pingan.com/?";
/// The context, percent-encoded.
const CONTEXT: &str = "%7B%22app%22%3A%22keyfold%22%2C%22tenant%22%3A%22acme%22%7D";

fn config() -> PingAnConfig {
    PingAnConfig::new("cn-shanghai").expect("a configuration")
}

fn reply(members: &str) -> HttpResponse {
    answer(200, &format!(r#"{{"code":"SUCCESS",{members},"requestId":"r-1"}}"#))
}

fn error(code: &str) -> HttpResponse {
    answer(200, &format!(r#"{{"code":"{code}","requestId":"r-2"}}"#))
}

/// The parameters of each request that are not of every request.
fn sent(cloud: &Cloud) -> Vec<String> {
    let of = |request: &keyfold::transport::HttpRequest| {
        assert_eq!((request.method.as_str(), request.body.len()), ("GET", 0));
        let query = request.url.strip_prefix(HOST).expect("the host");
        let common = ["accessKeyId=", "signature", "timestamp=", "version=2017-01-01"];
        let own = query.split('&').filter(|pair| !common.iter().any(|name| pair.starts_with(name)));
        own.collect::<Vec<_>>().join("&")
    };
    cloud.sent().iter().map(of).collect()
}

fn call(request: &Request, reply: HttpResponse, expected: &str) -> Response {
    let cloud = Cloud::new(config(), [reply]);
    let response = cloud.call(request).expect("an answer");
    assert_eq!(sent(&cloud), [expected]);
    response
}

#[test]
fn requests_are_signed_among_their_parameters() {
    let resolve = Request::ResolveKey { key: uri(KEY) };
    let cloud = Cloud::new(config(), [reply(&format!(r#""keyMetadata":{{"keyId":"{ID}"}}"#))]);
    assert!(matches!(cloud.call(&resolve), Ok(Response::Key(key)) if key.as_str() == KEY));
    let url = &cloud.sent()[0].url;
    // 63 bits of what was random.
    let beginning = format!(
        "{HOST}accessKeyId=AKIDEXAMPLE&action=DescribeKey&keyId={ID}&signatureMethod=HMAC-SHA1\
         &signatureNonce={}&signatureVersion=1.0",
        0x0001_0203_0405_0607_u64 >> 1
    );
    assert!(url.starts_with(&beginning), "{url}");
    assert!(url.contains("&timestamp=1700000000000&version=2017-01-01&signature="), "{url}");
    for credentials in [access_key(Some("session")), crate::aws_support::bearer("token")] {
        let refused = Cloud::by(config(), credentials, []).call(&resolve).expect_err("refused");
        assert_eq!(refused.code(), ErrorCode::InvalidArgument);
    }
}

#[test]
fn data_keys_are_made_wrapped_and_unwrapped() {
    let made =
        || reply(&format!(r#""keyId":"{ID}","plainText":"{ZEROES}","cipherTextBlob":"a+/B=""#));
    let request = Request::GenerateDataKey { key: uri(KEY), context: context() };
    let expected =
        format!("action=GenerateDataKey&encryptionContext={CONTEXT}&keyId={ID}&keySpec=AES_256");
    let Response::DataKey { data_key, wrapped: record } = call(&request, made(), &expected) else {
        panic!("a data key")
    };
    assert_eq!(data_key.0.expose(), &[0; 32]);
    assert_eq!(record, wrapped(KEY, ProviderParams::new(), "a+/B="));

    let unwrap = Request::Unwrap { wrapped: record.clone(), context: context(), key: None };
    let decrypt = format!("action=Decrypt&cipherTextBlob=a%2B%2FB%3D&encryptionContext={CONTEXT}");
    assert!(matches!(call(&unwrap, made(), &decrypt), Response::Unwrapped(_)));
    let other = reply(&format!(r#""keyId":"other","plainText":"{ZEROES}""#));
    let failed = Cloud::new(config(), [other]).call(&unwrap).expect_err("another key");
    assert_eq!(failed.code(), ErrorCode::AuthenticationFailed);

    // The service cannot rewrap: it unwraps and wraps. Its members may be capitalised.
    let to = "pingan://cn-shanghai/other";
    let request = Request::Rewrap { wrapped: record, context: context(), key: None, to: uri(to) };
    let cloud =
        Cloud::new(config(), [made(), answer(200, r#"{"Code":"Success","CipherTextBlob":"C"}"#)]);
    let moved = cloud.call(&request).expect("rewrapped");
    assert!(
        matches!(moved, Response::Wrapped(moved) if moved == wrapped(to, ProviderParams::new(), "C"))
    );
    let zeroes = ZEROES.replace('=', "%3D");
    let encrypt =
        format!("action=Encrypt&encryptionContext={CONTEXT}&keyId=other&plainText={zeroes}");
    assert_eq!(sent(&cloud), [decrypt, encrypt]);

    // In hexadecimal digits, where the place is configured so.
    let digits = "00".repeat(32);
    let made = reply(&format!(r#""keyId":"{ID}","plainText":"{digits}","cipherTextBlob":"A""#));
    let request = Request::GenerateDataKey { key: uri(KEY), context: EncryptionContext::new() };
    let cloud = Cloud::new(config().with_codec(Codec::Hex), [made]);
    assert!(matches!(cloud.call(&request), Ok(Response::DataKey { .. })));
}

#[test]
fn small_data_carries_what_decrypting_takes() {
    let request = Request::Encrypt { key: uri(KEY), plaintext: secret(b"hi"), context: context() };
    let expected =
        format!("action=Encrypt&encryptionContext={CONTEXT}&keyId={ID}&plainText=aGk%3D");
    let reply_to = reply(r#""cipherTextBlob":"AQID""#);
    let Response::Ciphertext { ciphertext, key } = call(&request, reply_to, &expected) else {
        panic!("a ciphertext")
    };
    assert_eq!(key.as_str(), KEY);
    let expected = format!("action=Decrypt&cipherTextBlob=AQID&encryptionContext={CONTEXT}");
    for ciphertext in [ciphertext, b"AQID".to_vec()] {
        let decrypted = reply(&format!(r#""keyId":"{ID}","plainText":"aGk=""#));
        let request = Request::Decrypt { key: None, ciphertext, context: context() };
        let Response::Plaintext { plaintext, .. } = call(&request, decrypted, &expected) else {
            panic!("a plaintext")
        };
        assert_eq!(plaintext.expose(), b"hi");
    }
}

#[test]
fn errors_become_codes() {
    let request = Request::GenerateDataKey { key: uri(KEY), context: context() };
    for (code, expected) in [
        ("KEY_NOT_EXIST", ErrorCode::KmsKeyUnavailable),
        ("KeyDisabled", ErrorCode::KmsKeyUnavailable),
        ("KEY_PENDING_DELETE", ErrorCode::KmsKeyUnavailable),
        ("SignatureNotMatch", ErrorCode::KmsDenied),
        ("TIMESTAMP_EXPIRED", ErrorCode::KmsDenied),
        ("NO_PERMISSION", ErrorCode::KmsDenied),
        ("QUOTA_EXCEEDED", ErrorCode::LimitExceeded),
        ("REQUEST_TOO_FREQUENT", ErrorCode::KmsThrottled),
        ("INVALID_PARAM", ErrorCode::InvalidArgument),
        ("SYSTEM_ERROR", ErrorCode::KmsUnavailable),
        ("4711", ErrorCode::KmsUnavailable),
    ] {
        let failed = Cloud::new(config(), [error(code)]).call(&request).expect_err("an error");
        assert_eq!(failed.code(), expected, "{code}");
        let source = failed.source().and_then(|source| source.downcast_ref::<ServiceError>());
        let source = source.expect("the service's error");
        assert_eq!((source.provider(), source.name()), ("pingan", Some(code)));
        assert_eq!(source.request_id(), Some("r-2"));
        // What nobody knows is not repeated.
        if code == "4711" {
            assert_eq!(failed.retry(), Retry::Never);
        }
    }
    let unwrap = Request::Unwrap {
        wrapped: wrapped(KEY, ProviderParams::new(), "AQID"),
        context: context(),
        key: None,
    };
    let failed = Cloud::new(config(), [error("INVALID_CIPHERTEXT")]).call(&unwrap);
    assert_eq!(failed.expect_err("not authentic").code(), ErrorCode::AuthenticationFailed);
    let late = with(error("TIMESTAMP_EXPIRED"), "date", "Tue, 14 Nov 2023 23:13:20 GMT");
    let resolved = reply(&format!(r#""keyMetadata":{{"keyId":"{ID}"}}"#));
    let cloud = Cloud::new(config(), [late, resolved]);
    assert!(cloud.call(&Request::ResolveKey { key: uri(KEY) }).is_ok());
    assert!(cloud.sent()[1].url.contains("timestamp=1700003600000"));
}

#[test]
fn what_is_no_answer_is_refused() {
    garbage_is_refused(|| config().into(), KEY);
    let request = Request::GenerateDataKey { key: uri(KEY), context: context() };
    for members in [
        format!(r#""keyId":"k","KeyId":"k","plainText":"{ZEROES}","cipherTextBlob":"A""#),
        r#""keyId":"k","plainText":"?","cipherTextBlob":"A""#.to_owned(),
        format!(r#""keyId":"k","plainText":"{ZEROES}","cipherTextBlob":"A B""#).replace("A B", ""),
    ] {
        let error = Cloud::new(config(), [reply(&members)]).call(&request).expect_err("refused");
        assert_eq!(error.code(), ErrorCode::KmsProtocol);
    }
    for request in every_request(KEY) {
        if CAPABILITIES.support(Capability::of(&request)) == Support::Absent {
            let refused = Cloud::new(config(), []).call(&request).expect_err("refused");
            assert!(is_unsupported(&refused), "{refused}");
        }
    }
}

#[test]
fn keys_are_administered() {
    let metadata = format!(
        r#""keyMetadata":{{"keyId":"{ID}","alias":"docs","keyUsage":"ENCRYPT_DECRYPT","description":"","creationDate":"2023-11-15 06:13:20","deleteDate":"","ownerId":"1","keyState":1,"origin":0}}"#
    );
    let key = || uri(KEY);
    let create = AdminRequest::CreateKey {
        kind: KeyKind::Symmetric,
        usage: KeyUse::EncryptDecrypt,
        alias: Some("docs".into()),
        description: None,
    };
    let cloud = Cloud::new(config(), [reply(&metadata)]);
    let Ok(AdminResponse::Key(info)) = cloud.administer(&create) else { panic!("a key") };
    assert_eq!((info.state, info.alias.as_deref()), (Some(KeyState::Disabled), Some("docs")));
    // In the service's own time, eight hours ahead.
    assert_eq!((info.created, info.deletion), (Some(NOW), None));
    assert_eq!(sent(&cloud), ["action=CreateCmk&alias=docs&keyUsage=0&origin=0"]);
    for (request, expected) in [
        (AdminRequest::EnableKey { key: key() }, format!("action=EnableKey&keyId={ID}")),
        (AdminRequest::DisableKey { key: key() }, format!("action=DisableKey&keyId={ID}")),
        (
            AdminRequest::CancelKeyDeletion { key: key() },
            format!("action=CancelKeyDeletion&keyId={ID}"),
        ),
    ] {
        let cloud = Cloud::new(config(), [reply(r#""more":1"#)]);
        assert_eq!(cloud.administer(&request), Ok(AdminResponse::Done));
        assert_eq!(sent(&cloud), [expected]);
    }
    let cloud = Cloud::new(config(), [reply(r#""more":1"#)]);
    let delete = AdminRequest::ScheduleKeyDeletion { key: key(), days: 7 };
    assert_eq!(cloud.administer(&delete), Ok(AdminResponse::Deletion { at: None }));
    assert_eq!(
        sent(&cloud),
        [format!("action=ScheduleKeyDeletion&keyId={ID}&pendingWindowInDays=7")]
    );
    let rsa = AdminRequest::CreateKey {
        kind: KeyKind::Rsa2048,
        usage: KeyUse::SignVerify,
        alias: None,
        description: None,
    };
    let refused = Cloud::new(config(), []).administer(&rsa).expect_err("refused");
    assert_eq!(refused.code(), ErrorCode::InvalidArgument);
}

fn with_app() -> Credentials {
    let app_key = secret(b"LzcI824P243Bt48F");
    access_key(None).with_app("APP_KMS_koZvZIHO", app_key).expect("an application")
}

/// What `openssl enc -aes-128-ecb` makes of `hunter2`.
const SEALED: &str = "a083df7c6540910f4aaf745e42a4bc0b";
const TIME: &str = "20231115061320000";
const SIGN: &str = "253D618BB3837957882FFF54C8384633F05A20E3ED7BAE5AEF80123A3747DEB9";
#[test]
fn passwords_are_read_with_the_credential_of_an_application() {
    let get = Request::GetSecret { name: "db".into(), version: None, stage: None };
    let answered = |sealed: &str, sign: &str| {
        reply(&format!(r#""keychainPassword":"{sealed}","responseTime":"{TIME}","sign":"{sign}""#))
    };
    let cloud = Cloud::by(config(), with_app(), [answered(SEALED, SIGN)]);
    let Ok(Response::Secret { value, .. }) = cloud.call(&get) else { panic!("a secret") };
    assert_eq!(value.expose(), b"hunter2");
    assert_eq!(
        sent(&cloud),
        [format!(
            "action=GetKeychainPassword&appId=APP_KMS_koZvZIHO&keychainAccount=db&requestTime={TIME}&sign={SIGN}"
        )]
    );

    let wrong = "00".repeat(16);
    for (sealed, sign, code) in [
        (SEALED, "AA", ErrorCode::KmsProtocol),
        (&wrong[..], SIGN, ErrorCode::AuthenticationFailed),
        ("AAAA", SIGN, ErrorCode::AuthenticationFailed),
        ("?", SIGN, ErrorCode::KmsProtocol),
    ] {
        let cloud = Cloud::by(config(), with_app(), [answered(sealed, sign)]);
        assert_eq!(cloud.call(&get).expect_err("refused").code(), code, "{sealed}");
    }
    let mut place = Place::default();
    place.settings.insert("reply_signature".into(), "ignore".into());
    let lenient = PingAnConfig::of_place("cn-shanghai", &place).expect("a place");
    assert!(Cloud::by(lenient, with_app(), [answered(SEALED, "AA")]).call(&get).is_ok());

    let denied = Cloud::new(config(), []).call(&get).expect_err("no application");
    assert_eq!(denied.code(), ErrorCode::KmsDenied);
    let old = Request::GetSecret { name: "db".into(), version: Some("v1".into()), stage: None };
    let none = Cloud::by(config(), with_app(), []).call(&old).expect_err("none");
    assert_eq!(none.code(), ErrorCode::SecretNotFound);
    for (id, key) in [("", "LzcI824P243Bt48F"), ("APP", "short"), ("A B", "LzcI824P243Bt48F")] {
        assert!(access_key(None).with_app(id, secret(key.as_bytes())).is_err());
    }
}
