//! Tencent's KMS and SSM.

use std::error::Error as _;
use std::time::Duration;

use keyfold::kms::admin::{AdminRequest, AdminResponse, KeyKind, KeyState, KeyUse};
use keyfold::kms::cloud::{Capability, Place, Service, Support};
use keyfold::kms::tencent::{CAPABILITIES, TencentConfig};
use keyfold::kms::{Request, Response, ServiceError, SignInput};
use keyfold::sign::SignatureAlgorithm;
use keyfold::transport::HttpResponse;
use keyfold::{EncryptionContext, ErrorCode, ProviderParams, Retry};

use crate::support::*;

const KEY: &str = "tencent://ap-guangzhou/23e80852-1e38-11e9-b129-5cb9019b4b01";
const ID: &str = "23e80852-1e38-11e9-b129-5cb9019b4b01";

fn config() -> TencentConfig {
    TencentConfig::new("ap-guangzhou").expect("a configuration")
}

fn reply(members: &str) -> HttpResponse {
    answer(200, &format!(r#"{{"Response":{{{members},"RequestId":"r-1"}}}}"#))
}

fn error(code: &str) -> HttpResponse {
    reply(&format!(r#""Error":{{"Code":"{code}","Message":"in its own words"}}"#))
}

/// The actions and bodies that were sent, in their order.
fn sent(cloud: &Cloud) -> Vec<(String, String)> {
    let of = |request: &keyfold::transport::HttpRequest| {
        let action = header(request, "x-tc-action").expect("an action").to_owned();
        (action, text(&request.body).to_owned())
    };
    cloud.sent().iter().map(of).collect()
}

/// Asserts what was sent.
fn check_sent(cloud: &Cloud, expected: &[(&str, &str)]) {
    let sent = sent(cloud);
    let sent: Vec<(&str, &str)> = sent.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(sent, expected);
}

fn call(request: &Request, reply: HttpResponse, action: &str, body: &str) -> Response {
    let cloud = Cloud::new(config(), [reply]);
    let response = cloud.call(request).expect("an answer");
    check_sent(&cloud, &[(action, body)]);
    response
}

const CONTEXT: &str = r#"{\"app\":\"keyfold\",\"tenant\":\"acme\"}"#;

#[test]
fn requests_have_the_headers_of_their_service() {
    let resolve = Request::ResolveKey { key: uri(KEY) };
    let described = reply(&format!(r#""KeyMetadata":{{"KeyId":"{ID}"}}"#));
    let cloud = Cloud::by(config(), access_key(Some("session")), [described]);
    assert!(matches!(cloud.call(&resolve), Ok(Response::Key(key)) if key.as_str() == KEY));
    let sent = &cloud.sent()[0];
    assert_eq!((sent.method.as_str(), &*sent.url), ("POST", "https://kms.tencentcloudapi.com/"));
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-tc-action", "DescribeKey"),
        ("x-tc-version", "2019-01-18"),
        ("x-tc-region", "ap-guangzhou"),
        ("x-tc-timestamp", "1700000000"),
        ("x-tc-token", "session"),
    ] {
        assert_eq!(header(sent, name), Some(value));
    }
    let signed = header(sent, "authorization").expect("signed");
    let scope = "TC3-HMAC-SHA256 Credential=AKIDEXAMPLE/2023-11-14/kms/tc3_request, ";
    assert!(signed.starts_with(scope), "{signed}");

    let list = AdminRequest::ListSecrets { page: None };
    let international = TencentConfig::international("na-ashburn").expect("a configuration");
    let cloud = Cloud::new(international, [reply(r#""TotalCount":0,"SecretMetadatas":null"#)]);
    assert!(cloud.administer(&list).is_ok());
    let sent = &cloud.sent()[0];
    assert_eq!(sent.url, "https://ssm.intl.tencentcloudapi.com/");
    assert_eq!(header(sent, "x-tc-version"), Some("2019-09-23"));
    let signed = header(sent, "authorization").expect("signed");
    assert!(signed.contains("/2023-11-14/ssm/tc3_request, "), "{signed}");
}

#[test]
fn data_keys_are_made_wrapped_and_unwrapped() {
    let made = reply(&format!(r#""KeyId":"{ID}","Plaintext":"{ZEROES}","CiphertextBlob":"a+/B=""#));
    let request = Request::GenerateDataKey { key: uri(KEY), context: context() };
    let body = format!(r#"{{"KeyId":"{ID}","KeySpec":"AES_256","EncryptionContext":"{CONTEXT}"}}"#);
    let Response::DataKey { data_key, wrapped: record } =
        call(&request, made.clone(), "GenerateDataKey", &body)
    else {
        panic!("a data key")
    };
    assert_eq!(data_key.0.expose(), &[0; 32]);
    // The text is kept as it came.
    assert_eq!(record, wrapped(KEY, ProviderParams::new(), "a+/B="));

    let request = Request::Wrap {
        key: uri(KEY),
        data_key: secret(&[0; 32]),
        context: EncryptionContext::new(),
    };
    let body = format!(r#"{{"KeyId":"{ID}","Plaintext":"{ZEROES}"}}"#);
    let encrypted = reply(&format!(r#""KeyId":"{ID}","CiphertextBlob":"a+/B=""#));
    let Response::Wrapped(again) = call(&request, encrypted, "Encrypt", &body) else {
        panic!("a wrapped key")
    };
    assert_eq!(again, record);

    let request = Request::Unwrap { wrapped: record.clone(), context: context(), key: None };
    let body = format!(r#"{{"CiphertextBlob":"a+/B=","EncryptionContext":"{CONTEXT}"}}"#);
    let Response::Unwrapped(data_key) = call(&request, made, "Decrypt", &body) else {
        panic!("a data key")
    };
    assert_eq!(data_key.0.expose(), &[0; 32]);

    let to = "tencent://ap-guangzhou/other";
    let request = Request::Rewrap { wrapped: record, context: context(), key: None, to: uri(to) };
    let moved = reply(&format!(r#""KeyId":"other","SourceKeyId":"{ID}","CiphertextBlob":"C""#));
    let body = format!(
        r#"{{"CiphertextBlob":"a+/B=","DestinationKeyId":"other","SourceEncryptionContext":"{CONTEXT}","DestinationEncryptionContext":"{CONTEXT}"}}"#
    );
    let Response::Wrapped(moved) = call(&request, moved, "ReEncrypt", &body) else {
        panic!("a wrapped key")
    };
    assert_eq!(moved, wrapped(to, ProviderParams::new(), "C"));
}

#[test]
fn a_long_context_is_bound_by_its_digest() {
    let key = reply(&format!(r#""KeyId":"{ID}","Plaintext":"{ZEROES}","CiphertextBlob":"AQID""#));
    let cloud = Cloud::new(config(), [key.clone(), key]);
    let context = long_context();
    let request = Request::GenerateDataKey { key: uri(KEY), context: context.clone() };
    let Ok(Response::DataKey { wrapped: record, .. }) = cloud.call(&request) else {
        panic!("a data key")
    };
    assert_eq!(record.params["binding"], b"digest");
    let request = Request::Unwrap { wrapped: record.clone(), context: context.clone(), key: None };
    assert!(matches!(cloud.call(&request), Ok(Response::Unwrapped(_))));
    let sent = sent(&cloud);
    let bound = |body: &str| -> String {
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        body["EncryptionContext"].as_str().expect("text").to_owned()
    };
    assert_eq!(bound(&sent[0].1), bound(&sent[1].1));
    assert_eq!(bound(&sent[0].1).len(), 73);

    // No other form is known.
    let mut hostile = record;
    hostile.params.insert("binding".into(), b"none".to_vec());
    let cloud = Cloud::new(config(), []);
    let error = cloud.call(&Request::Unwrap { wrapped: hostile, context, key: None });
    assert_eq!(error.expect_err("refused").code(), ErrorCode::AuthenticationFailed);
}

#[test]
fn another_key_than_the_one_demanded_opens_nothing() {
    let other = reply(&format!(r#""KeyId":"other","Plaintext":"{ZEROES}""#));
    let record = wrapped(KEY, ProviderParams::new(), "AQID");
    let unwrap = |key: Option<&str>| Request::Unwrap {
        wrapped: record.clone(),
        context: context(),
        key: key.map(uri),
    };
    let cloud = Cloud::new(config(), [other.clone(), other]);
    let error = cloud.call(&unwrap(None)).expect_err("of another key");
    assert_eq!(error.code(), ErrorCode::AuthenticationFailed);
    assert!(cloud.call(&unwrap(Some("tencent://ap-guangzhou/other"))).is_ok());
    // Keys of other places and of other clouds are not asked for here.
    for key in
        ["tencent://ap-beijing/k", "huawei://ap-guangzhou/k", "tencent://ap-guangzhou", "aws:k"]
    {
        let cloud = Cloud::new(config(), []);
        let error = cloud.call(&Request::GetPublicKey { key: uri(key) }).expect_err("refused");
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{key}");
    }
    for ciphertext in ["", "a b", "caf\u{e9}", "a\n"] {
        let record = wrapped(KEY, ProviderParams::new(), ciphertext);
        let cloud = Cloud::new(config(), []);
        let request = Request::Unwrap { wrapped: record, context: context(), key: None };
        let error = cloud.call(&request).expect_err("refused");
        assert_eq!(error.code(), ErrorCode::AuthenticationFailed, "{ciphertext:?}");
    }
    // Something else was encrypted under this key: no data key.
    let short = reply(&format!(r#""KeyId":"{ID}","Plaintext":"AAAA""#));
    let cloud = Cloud::new(config(), [short]);
    let error = cloud.call(&unwrap(None)).expect_err("not a data key");
    assert_eq!(error.code(), ErrorCode::AuthenticationFailed);
    let short = reply(&format!(r#""KeyId":"{ID}","Plaintext":"AAAA","CiphertextBlob":"A""#));
    let request = Request::GenerateDataKey { key: uri(KEY), context: context() };
    let error = Cloud::new(config(), [short]).call(&request).expect_err("not a data key");
    assert_eq!(error.code(), ErrorCode::KmsProtocol);
}

#[test]
fn small_data_carries_what_decrypting_takes() {
    let encrypted = reply(&format!(r#""KeyId":"{ID}","CiphertextBlob":"a+/B=""#));
    let request = Request::Encrypt { key: uri(KEY), plaintext: secret(b"hi"), context: context() };
    let body = format!(r#"{{"KeyId":"{ID}","Plaintext":"aGk=","EncryptionContext":"{CONTEXT}"}}"#);
    let Response::Ciphertext { ciphertext, key } = call(&request, encrypted, "Encrypt", &body)
    else {
        panic!("a ciphertext")
    };
    assert_eq!(key.as_str(), KEY);
    assert!(ciphertext.starts_with(b"KFP\x01") && ciphertext.ends_with(b"a+/B="));

    // With a record of keyfold's, and with a ciphertext of the vendor's own tools.
    let body = format!(r#"{{"CiphertextBlob":"a+/B=","EncryptionContext":"{CONTEXT}"}}"#);
    for ciphertext in [ciphertext.clone(), b"a+/B=".to_vec()] {
        let decrypted = reply(&format!(r#""KeyId":"{ID}","Plaintext":"aGk=""#));
        let request = Request::Decrypt { key: None, ciphertext, context: context() };
        let Response::Plaintext { plaintext, key } = call(&request, decrypted, "Decrypt", &body)
        else {
            panic!("a plaintext")
        };
        assert_eq!((plaintext.expose(), key.as_str()), (&b"hi"[..], KEY));
    }
    let other = reply(r#""KeyId":"other","Plaintext":"aGk=""#);
    let request = Request::Decrypt { key: None, ciphertext, context: context() };
    let error = Cloud::new(config(), [other]).call(&request).expect_err("another key");
    assert_eq!(error.code(), ErrorCode::AuthenticationFailed);

    let request =
        Request::Encrypt { key: uri(KEY), plaintext: secret(&[0; 4097]), context: context() };
    let error = Cloud::new(config(), []).call(&request).expect_err("too long");
    assert_eq!(error.code(), ErrorCode::LimitExceeded);
}

#[test]
fn messages_and_digests_are_signed_and_verified() {
    let (algorithm, key) = (SignatureAlgorithm::RsaPssSha256, uri(KEY));
    let request =
        Request::Sign { key: key.clone(), algorithm, input: SignInput::Message(b"hi".to_vec()) };
    let body = format!(
        r#"{{"KeyId":"{ID}","Algorithm":"RSA_PSS_SHA_256","Message":"aGk=","MessageType":"RAW"}}"#
    );
    let signed = reply(r#""Signature":"AQID""#);
    let Response::Signature(signature) = call(&request, signed, "SignByAsymmetricKey", &body)
    else {
        panic!("a signature")
    };
    assert_eq!(signature, [1, 2, 3]);

    let input = || SignInput::Digest(vec![0; 32]);
    let algorithm = SignatureAlgorithm::EcdsaSha256;
    let body = format!(
        r#"{{"KeyId":"{ID}","SignatureValue":"AQID","Algorithm":"ECC_P256_R1","Message":"{ZEROES}","MessageType":"DIGEST"}}"#
    );
    let request = Request::Verify {
        key: key.clone(),
        algorithm,
        input: input(),
        signature: signature.clone(),
    };
    let valid = reply(r#""SignatureValid":true"#);
    assert!(matches!(call(&request, valid, "VerifyByAsymmetricKey", &body), Response::Verified));
    let cloud = Cloud::new(config(), [reply(r#""SignatureValid":false"#)]);
    assert_eq!(cloud.call(&request).expect_err("wrong").code(), ErrorCode::SignatureInvalid);

    // In either form of the service's, in DER for the caller; in none, refused.
    let raw = format!(r#""Signature":"{}""#, "AAAA".repeat(21));
    let request = Request::Sign { key: key.clone(), algorithm, input: input() };
    let error = Cloud::new(config(), [reply(&raw)]).call(&request).expect_err("63 bytes");
    assert_eq!(error.code(), ErrorCode::KmsProtocol);
    let raw: Vec<u8> = [[vec![0; 31], vec![1]].concat(), [vec![0; 31], vec![2]].concat()].concat();
    let der = vec![0x30, 6, 2, 1, 1, 2, 1, 2];
    for bytes in [&raw, &der] {
        use base64ct::Encoding as _;
        let text = base64ct::Base64::encode_string(bytes);
        let cloud = Cloud::new(config(), [reply(&format!(r#""Signature":"{text}""#))]);
        let Ok(Response::Signature(signature)) = cloud.call(&request) else {
            panic!("a signature")
        };
        assert_eq!(signature, der);
    }

    for (algorithm, input) in [
        (SignatureAlgorithm::EcdsaSha384, SignInput::Digest(vec![0; 48])),
        (SignatureAlgorithm::Ed25519, SignInput::Message(vec![0])),
        (SignatureAlgorithm::EcdsaSha256, SignInput::Digest(vec![0; 31])),
    ] {
        let request = Request::Sign { key: key.clone(), algorithm, input };
        let error = Cloud::new(config(), []).call(&request).expect_err("refused");
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
    }

    let public = reply(&format!(r#""KeyId":"{ID}","PublicKey":"AQID","PublicKeyPem":"…""#));
    let request = Request::GetPublicKey { key };
    let body = format!(r#"{{"KeyId":"{ID}"}}"#);
    let Response::PublicKey { spki, key } = call(&request, public, "GetPublicKey", &body) else {
        panic!("a public key")
    };
    assert_eq!((spki, key.as_str()), (vec![1, 2, 3], KEY));
}

fn versions(list: &[(&str, u64)]) -> HttpResponse {
    let list: Vec<String> = list
        .iter()
        .map(|(id, at)| format!(r#"{{"VersionId":"{id}","CreateTime":{at}}}"#))
        .collect();
    reply(&format!(r#""SecretName":"db-password","Versions":[{}]"#, list.join(",")))
}

fn put(value: &[u8]) -> Request {
    let (name, token) = ("db-password".to_owned(), TOKEN.to_owned());
    Request::PutSecret { name, value: secret(value), key: Some(uri(KEY)), token }
}

fn stored(id: &str) -> HttpResponse {
    reply(&format!(r#""SecretName":"db-password","VersionId":"{id}""#))
}

#[test]
fn secrets_are_stored_under_numbered_versions() {
    const LIST: (&str, &str) = ("ListSecretVersionIds", r#"{"SecretName":"db-password"}"#);
    let first = format!("00000001.{TOKEN}");
    let third = format!("00000003.{TOKEN}");
    let create = format!(
        r#"{{"SecretName":"db-password","VersionId":"{first}","SecretString":"hunter2","KmsKeyId":"{ID}"}}"#
    );
    // A new one.
    let cloud = Cloud::new(config(), [error("ResourceNotFound.SecretNotExist"), stored(&first)]);
    let made = cloud.call(&put(b"hunter2")).expect("stored");
    assert!(matches!(made, Response::SecretVersion { version } if version == first));
    check_sent(&cloud, &[LIST, ("CreateSecret", &create)]);

    // A new version of one that is there; bytes that are no text.
    let known = [("00000002.other", 1_700_000_000), ("v1", 1_600_000_000)];
    let cloud = Cloud::new(config(), [versions(&known), stored(&third)]);
    assert!(cloud.call(&put(&[0xff])).is_ok());
    let body =
        format!(r#"{{"SecretName":"db-password","VersionId":"{third}","SecretBinary":"/w=="}}"#);
    check_sent(&cloud, &[LIST, ("PutSecretValue", &body)]);

    // Somebody else was faster.
    let answers = [
        error("ResourceNotFound.SecretNotExist"),
        error("ResourceInUse.SecretExists"),
        versions(&known),
        stored(&third),
    ];
    let cloud = Cloud::new(config(), answers);
    assert!(cloud.call(&put(b"hunter2")).is_ok());
    assert_eq!(sent(&cloud)[3].0, "PutSecretValue");

    // The answer to this change was lost: it is found, and not made again.
    let cloud = Cloud::new(config(), [versions(&[(&third, 1)])]);
    let found = cloud.call(&put(b"hunter2")).expect("stored");
    assert!(matches!(found, Response::SecretVersion { version } if version == third));

    for name in ["", "db/password", "a b", &"x".repeat(129)] {
        let (name, token) = (name.to_owned(), TOKEN.to_owned());
        let request = Request::PutSecret { name, value: secret(b"v"), key: None, token };
        let error = Cloud::new(config(), []).call(&request).expect_err("refused");
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
    }
    let error = Cloud::new(config(), []).call(&put(&vec![0; 32 * 1024 + 1])).expect_err("too long");
    assert_eq!(error.code(), ErrorCode::LimitExceeded);
}

#[test]
fn secrets_are_read_by_version_and_by_stage() {
    let value = |id: &str| {
        reply(&format!(r#""SecretName":"db-password","VersionId":"{id}","SecretString":"hunter2""#))
    };
    let get = |version: Option<&str>, stage: Option<&str>| Request::GetSecret {
        name: "db-password".into(),
        version: version.map(str::to_owned),
        stage: stage.map(str::to_owned),
    };
    let list = || versions(&[("00000003.c", 9), ("00000001.a", 5), ("00000002.b", 9)]);
    let read = |request: &Request, answers: Vec<HttpResponse>, asked: &str| {
        let cloud = Cloud::new(config(), answers);
        let Ok(Response::Secret { value, .. }) = cloud.call(request) else { panic!("a secret") };
        assert_eq!(value.expose(), b"hunter2");
        let (action, body) = sent(&cloud).pop().expect("a request");
        assert_eq!(action, "GetSecretValue");
        assert_eq!(body, format!(r#"{{"SecretName":"db-password","VersionId":"{asked}"}}"#));
    };
    read(&get(Some("v7"), None), vec![value("v7")], "v7");
    read(&get(None, None), vec![list(), value("00000003.c")], "00000003.c");
    read(&get(None, Some("AWSPREVIOUS")), vec![list(), value("00000002.b")], "00000002.b");
    let both = get(Some("00000003.c"), Some("AWSCURRENT"));
    read(&both, vec![list(), value("00000003.c")], "00000003.c");
    for request in [
        get(None, Some("AWSPENDING")),
        get(Some("00000001.a"), Some("AWSCURRENT")),
        get(None, None),
    ] {
        let answers = if matches!(&request, Request::GetSecret { version: None, stage: None, .. }) {
            versions(&[])
        } else {
            list()
        };
        let error = Cloud::new(config(), [answers]).call(&request).expect_err("none");
        assert_eq!(error.code(), ErrorCode::SecretNotFound);
    }
    let bytes =
        reply(r#""SecretName":"n","VersionId":"v","SecretString":"","SecretBinary":"/w==""#);
    let cloud = Cloud::new(config(), [bytes]);
    let Ok(Response::Secret { value, .. }) = cloud.call(&get(Some("v"), None)) else {
        panic!("a secret")
    };
    assert_eq!(value.expose(), [0xff]);
}

#[test]
fn errors_become_codes() {
    let request = Request::GenerateDataKey { key: uri(KEY), context: context() };
    for (code, expected) in [
        ("ResourceUnavailable.CmkNotFound", ErrorCode::KmsKeyUnavailable),
        ("ResourceUnavailable.CmkDisabled", ErrorCode::KmsKeyUnavailable),
        ("ResourceUnavailable.CmkArchived", ErrorCode::KmsKeyUnavailable),
        ("ResourceUnavailable.KeyPendingDelete", ErrorCode::KmsKeyUnavailable),
        ("ResourceUnavailable.NotPurchased", ErrorCode::KmsDenied),
        ("ResourceUnavailable.TokenExpired", ErrorCode::InvalidArgument),
        ("InvalidParameterValue.InvalidCiphertext", ErrorCode::AuthenticationFailed),
        ("FailedOperation.DecryptError", ErrorCode::AuthenticationFailed),
        ("InvalidParameterValue.InvalidKeyId", ErrorCode::InvalidArgument),
        ("MissingParameter", ErrorCode::InvalidArgument),
        ("InvalidParameterValue.AliasAlreadyExists", ErrorCode::VersionConflict),
        ("LimitExceeded.CmkLimitExceeded", ErrorCode::LimitExceeded),
        ("RequestLimitExceeded", ErrorCode::KmsThrottled),
        ("RequestLimitExceeded.UinLimitExceeded", ErrorCode::KmsThrottled),
        ("InternalError", ErrorCode::KmsUnavailable),
        ("FailedOperation.EncryptionError", ErrorCode::KmsUnavailable),
        ("UnsupportedOperation.NotExternalCmk", ErrorCode::KmsKeyUnavailable),
        ("UnsupportedOperation.ServiceTemporaryUnavailable", ErrorCode::KmsUnavailable),
        ("AuthFailure.UnauthorizedOperation", ErrorCode::KmsDenied),
        ("AuthFailure.SignatureFailure", ErrorCode::KmsDenied),
        ("AuthFailure.SignatureExpire", ErrorCode::KmsDenied),
        ("AuthFailure.TokenFailure", ErrorCode::KmsDenied),
        ("UnauthorizedOperation", ErrorCode::KmsDenied),
        ("NobodyKnowsThis.Code", ErrorCode::KmsProtocol),
    ] {
        let cloud = Cloud::new(config(), [error(code)]);
        let failed = cloud.call(&request).expect_err("an error");
        assert_eq!(failed.code(), expected, "{code}");
        assert!(!failed.to_string().contains("own words"), "{failed}");
        if expected == ErrorCode::AuthenticationFailed {
            // Opaque: no name, no source.
            assert!(failed.source().is_none() && !failed.to_string().contains(code));
            continue;
        }
        let source = failed.source().and_then(|source| source.downcast_ref::<ServiceError>());
        let source = source.expect("the service's error");
        assert_eq!((source.provider(), source.name()), ("tencent", Some(code)));
        assert_eq!((source.request_id(), source.status()), (Some("r-1"), 200));
        assert_eq!(source.message(), Some("in its own words"));
    }
    let broken = Cloud::new(config(), [error("FailedOperation.SignError")]);
    let broken = broken.call(&request).expect_err("an error");
    assert_eq!((broken.code(), broken.retry()), (ErrorCode::KmsUnavailable, Retry::Never));
    let throttled = with(error("RequestLimitExceeded"), "retry-after", "3");
    let throttled = Cloud::new(config(), [throttled]).call(&request).expect_err("an error");
    assert_eq!(throttled.retry(), Retry::Later(Some(Duration::from_secs(3))));
    for (status, code) in [
        (500, ErrorCode::KmsUnavailable),
        (502, ErrorCode::KmsUnavailable),
        (429, ErrorCode::KmsThrottled),
        (403, ErrorCode::KmsDenied),
        (301, ErrorCode::KmsProtocol),
    ] {
        let cloud = Cloud::new(config(), [answer(status, "<html>a proxy</html>")]);
        assert_eq!(cloud.call(&request).expect_err("an error").code(), code);
    }
    // A secret that is not there, or no longer.
    for code in ["ResourceNotFound.SecretNotExist", "ResourceUnavailable.ResourcePendingDeleted"] {
        let request = Request::GetSecret {
            name: "db-password".into(),
            version: Some("v".into()),
            stage: None,
        };
        let failed = Cloud::new(config(), [error(code)]).call(&request).expect_err("none");
        assert_eq!(failed.code(), ErrorCode::SecretNotFound);
    }
}

#[test]
fn a_clock_is_set_right_once() {
    let resolved = || reply(&format!(r#""KeyMetadata":{{"KeyId":"{ID}"}}"#));
    let expired =
        || with(error("AuthFailure.SignatureExpire"), "date", "Tue, 14 Nov 2023 23:13:20 GMT");
    let request = Request::ResolveKey { key: uri(KEY) };
    let cloud = Cloud::new(config(), [expired(), resolved(), resolved()]);
    assert!(cloud.call(&request).is_ok() && cloud.call(&request).is_ok());
    let sent = cloud.sent();
    let stamps: Vec<_> = sent.iter().map(|sent| header(sent, "x-tc-timestamp")).collect();
    assert_eq!(stamps, [Some("1700000000"), Some("1700003600"), Some("1700003600")]);

    let cloud = Cloud::new(config(), [expired(), expired()]);
    assert_eq!(cloud.call(&request).expect_err("still").code(), ErrorCode::KmsDenied);
    // The clocks agree: something else is wrong.
    let agreed = with(error("AuthFailure.SignatureExpire"), "date", DATE);
    let cloud = Cloud::new(config(), [agreed]);
    assert_eq!(cloud.call(&request).expect_err("refused").code(), ErrorCode::KmsDenied);
    assert_eq!(cloud.sent().len(), 1);
}

#[test]
fn what_is_no_answer_is_refused() {
    garbage_is_refused(|| config().into(), KEY);
    let twice = reply(r#""KeyId":"a","KeyId":"b","Plaintext":"","CiphertextBlob":"A""#);
    let request = Request::GenerateDataKey { key: uri(KEY), context: context() };
    for reply in [
        twice,
        reply(&format!(r#""KeyId":"a/../b","Plaintext":"{ZEROES}","CiphertextBlob":"A""#)),
        reply(&format!(r#""KeyId":"a","Plaintext":"{ZEROES}","CiphertextBlob":"""#)),
        reply(&format!(
            r#""KeyId":"a","Plaintext":"{ZEROES}","CiphertextBlob":"{}""#,
            "A".repeat(6145)
        )),
        reply(&format!(r#""KeyId":"a","Plaintext":"{ZEROES}","CiphertextBlob":["A"]"#)),
        reply(r#""KeyId":"a","Plaintext":"not base64!","CiphertextBlob":"A""#),
    ] {
        let error = Cloud::new(config(), [reply]).call(&request).expect_err("refused");
        assert_eq!(error.code(), ErrorCode::KmsProtocol);
    }
}

#[test]
fn what_there_is_not_is_refused_here() {
    for request in every_admin_request(KEY) {
        let capability = Capability::of_admin(&request);
        if CAPABILITIES.support(capability) == Support::Absent {
            let cloud = Cloud::new(config(), []);
            let error = cloud.administer(&request).expect_err("refused");
            assert!(is_unsupported(&error), "{error}");
            assert_eq!(error.code(), ErrorCode::InvalidArgument);
        }
    }
    for days in [6, 31] {
        let request = AdminRequest::ScheduleKeyDeletion { key: uri(KEY), days };
        let error = Cloud::new(config(), []).administer(&request).expect_err("refused");
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
    }
    let bearer = crate::aws_support::bearer("token");
    let request = Request::ResolveKey { key: uri(KEY) };
    let error = Cloud::by(config(), bearer, []).call(&request).expect_err("no access key");
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
}

#[test]
fn keys_are_administered() {
    let metadata = |state: &str| {
        format!(
            r#"{{"KeyId":"{ID}","Alias":"docs","CreateTime":1500000000,"Description":"","KeyState":"{state}","KeyUsage":"ENCRYPT_DECRYPT","Type":2,"KeyRotationEnabled":true,"RotateDays":365,"NextRotateTime":1710000000,"DeletionDate":0,"Origin":"TENCENT_KMS"}}"#
        )
    };
    let describe = ("DescribeKey", format!(r#"{{"KeyId":"{ID}"}}"#));
    let described = |state: &str| reply(&format!(r#""KeyMetadata":{}"#, metadata(state)));
    let key = || uri(KEY);

    let create = AdminRequest::CreateKey {
        kind: KeyKind::EccNistP256,
        usage: KeyUse::SignVerify,
        alias: Some("releases".into()),
        description: Some("signs".into()),
    };
    let made = reply(&format!(
        r#""KeyId":"{ID}","Alias":"releases","CreateTime":1,"Description":"signs","KeyState":"Enabled","KeyUsage":"ASYMMETRIC_SIGN_VERIFY_ECC""#
    ));
    let cloud = Cloud::new(config(), [made]);
    let Ok(AdminResponse::Key(info)) = cloud.administer(&create) else { panic!("a key") };
    assert_eq!((info.kind, info.usage), (Some(KeyKind::EccNistP256), Some(KeyUse::SignVerify)));
    assert_eq!(info.key.as_str(), KEY);
    let body = r#"{"Alias":"releases","Description":"signs","KeyUsage":"ASYMMETRIC_SIGN_VERIFY_ECC","Type":1}"#;
    check_sent(&cloud, &[("CreateKey", body)]);

    let cloud = Cloud::new(config(), [described("PendingDelete")]);
    let Ok(AdminResponse::Key(info)) = cloud.administer(&AdminRequest::DescribeKey { key: key() })
    else {
        panic!("a key")
    };
    assert_eq!(
        (info.state, info.alias.as_deref()),
        (Some(KeyState::PendingDeletion), Some("docs"))
    );
    assert_eq!((info.description, info.deletion), (None, None));
    assert_eq!(info.raw_kind.as_deref(), Some("ENCRYPT_DECRYPT"));
    check_sent(&cloud, &[(describe.0, &describe.1)]);

    // Page after page.
    let page = |count: usize| {
        let list = vec![metadata("Enabled"); count].join(",");
        reply(&format!(r#""TotalCount":150,"KeyMetadatas":[{list}]"#))
    };
    let cloud = Cloud::new(config(), [page(100), page(50)]);
    let first = cloud.administer(&AdminRequest::ListKeys { page: None }).expect("a page");
    let AdminResponse::Keys { keys, next } = first else { panic!("keys") };
    assert_eq!((keys.len(), next.as_deref()), (100, Some("100")));
    let second = cloud.administer(&AdminRequest::ListKeys { page: next }).expect("a page");
    assert!(matches!(second, AdminResponse::Keys { keys, next: None } if keys.len() == 50));
    let list =
        |offset: u32| format!(r#"{{"Offset":{offset},"Limit":100,"KeyState":0,"KeyUsage":"ALL"}}"#);
    check_sent(&cloud, &[("ListKeyDetail", &list(0)), ("ListKeyDetail", &list(100))]);

    // Disabled first, as the service demands.
    let deleted = reply(&format!(r#""KeyId":"{ID}","DeletionDate":1800000000"#));
    let request = AdminRequest::ScheduleKeyDeletion { key: key(), days: 7 };
    let nothing = || answer(200, r#"{"Response":{"RequestId":"r-1"}}"#);
    let cloud = Cloud::new(config(), [described("Enabled"), nothing(), deleted.clone()]);
    let at = Some(Duration::from_hours(500_000));
    assert_eq!(cloud.administer(&request), Ok(AdminResponse::Deletion { at }));
    let schedule = format!(r#"{{"KeyId":"{ID}","PendingWindowInDays":7}}"#);
    let of_key = &describe.1;
    check_sent(
        &cloud,
        &[("DescribeKey", of_key), ("DisableKey", of_key), ("ScheduleKeyDeletion", &schedule)],
    );
    let cloud = Cloud::new(config(), [described("Disabled"), deleted]);
    assert!(cloud.administer(&request).is_ok());
    assert_eq!(cloud.sent().len(), 2);

    let cloud = Cloud::new(config(), [described("Enabled")]);
    let rotation = AdminResponse::Rotation {
        on: true,
        every_days: Some(365),
        next: Some(Duration::from_hours(475_000)),
    };
    assert_eq!(cloud.administer(&AdminRequest::GetRotation { key: key() }), Ok(rotation));

    let rotate = format!(r#"{{"KeyId":"{ID}","RotateDays":90}}"#);
    let alias = format!(r#"{{"KeyId":"{ID}","Alias":"new"}}"#);
    for (request, action, body) in [
        (AdminRequest::EnableKey { key: key() }, "EnableKey", of_key),
        (AdminRequest::DisableKey { key: key() }, "DisableKey", of_key),
        (AdminRequest::CancelKeyDeletion { key: key() }, "CancelKeyDeletion", of_key),
        (AdminRequest::RotateKey { key: key() }, "RotateKey", of_key),
        (AdminRequest::SetRotation { key: key(), every_days: None }, "DisableKeyRotation", of_key),
        (
            AdminRequest::SetRotation { key: key(), every_days: Some(90) },
            "EnableKeyRotation",
            &rotate,
        ),
        (AdminRequest::SetAlias { key: key(), alias: "new".into() }, "UpdateAlias", &alias),
    ] {
        let cloud = Cloud::new(config(), [nothing()]);
        assert_eq!(cloud.administer(&request), Ok(AdminResponse::Done));
        check_sent(&cloud, &[(action, body)]);
    }
    let cloud = Cloud::new(config(), [reply(r#""Plaintext":"AQID""#)]);
    let random = cloud.administer(&AdminRequest::Random { len: 3 });
    assert_eq!(random, Ok(AdminResponse::Random(secret(&[1, 2, 3]))));
    check_sent(&cloud, &[("GenerateRandom", r#"{"NumberOfBytes":3}"#)]);
}

#[test]
fn secrets_are_administered() {
    let nothing = || answer(200, r#"{"Response":{"RequestId":"r-1"}}"#);
    let name = || "db-password".to_owned();
    let of_name = r#"{"SecretName":"db-password"}"#;
    let metadata = format!(
        r#""SecretName":"db-password","Description":"the database","KmsKeyId":"{ID}","Status":"PendingDelete","DeleteTime":1800000000,"CreateTime":1500000000"#
    );
    let cloud = Cloud::new(config(), [reply(&metadata)]);
    let described = cloud.administer(&AdminRequest::DescribeSecret { name: name() });
    let Ok(AdminResponse::Secret(info)) = described else { panic!("a secret") };
    assert_eq!((info.name.as_str(), info.deleted), ("db-password", true));
    assert_eq!(info.key.as_ref().map(keyfold::KeyUri::as_str), Some(KEY));
    check_sent(&cloud, &[("DescribeSecret", of_name)]);

    let page = reply(&format!(r#""TotalCount":1,"SecretMetadatas":[{{{metadata}}}]"#));
    let cloud = Cloud::new(config(), [page]);
    let listed = cloud.administer(&AdminRequest::ListSecrets { page: None });
    let Ok(AdminResponse::Secrets { secrets, next: None }) = listed else { panic!("secrets") };
    assert_eq!(secrets, [*info]);
    check_sent(&cloud, &[("ListSecrets", r#"{"Offset":0,"Limit":100}"#)]);

    let cloud = Cloud::new(config(), [versions(&[("b", 2), ("a", 1), ("c", 3)])]);
    let listed = cloud.administer(&AdminRequest::ListSecretVersions { name: name(), page: None });
    let Ok(AdminResponse::SecretVersions { versions, next: None }) = listed else {
        panic!("versions")
    };
    let stages: Vec<(&str, &[String])> =
        versions.iter().map(|version| (version.id.as_str(), &version.stages[..])).collect();
    let (current, previous) = (["AWSCURRENT".to_owned()], ["AWSPREVIOUS".to_owned()]);
    assert_eq!(stages, [("a", &[][..]), ("b", &previous), ("c", &current)]);

    // Disabled first, as the service demands; it may be so already.
    let delete = AdminRequest::DeleteSecret { name: name(), days: 7 };
    let deleted = || reply(r#""SecretName":"db-password","DeleteTime":1800000000"#);
    let body = r#"{"SecretName":"db-password","RecoveryWindowInDays":7}"#;
    for disabled in [nothing(), error("ResourceUnavailable.ResourceDisabled")] {
        let cloud = Cloud::new(config(), [disabled, deleted()]);
        let at = Some(Duration::from_hours(500_000));
        assert_eq!(cloud.administer(&delete), Ok(AdminResponse::Deletion { at }));
        check_sent(&cloud, &[("DisableSecret", of_name), ("DeleteSecret", body)]);
    }
    let cloud = Cloud::new(config(), [error("UnauthorizedOperation")]);
    assert_eq!(cloud.administer(&delete).expect_err("denied").code(), ErrorCode::KmsDenied);
    let cloud = Cloud::new(config(), [nothing(), nothing()]);
    let restored = cloud.administer(&AdminRequest::RestoreSecret { name: name() });
    assert_eq!(restored, Ok(AdminResponse::Done));
    check_sent(&cloud, &[("RestoreSecret", of_name), ("EnableSecret", of_name)]);
}

#[test]
fn places_are_configured() {
    let place = Place {
        region: Some("ap-beijing".into()),
        keys: Some("http://127.0.0.1:8080".into()),
        ..Place::default()
    };
    let config = TencentConfig::of_place("office", &place).expect("a configuration");
    let described = reply(&format!(r#""KeyMetadata":{{"KeyId":"{ID}"}}"#));
    let cloud = Cloud::new(config, [described]);
    let key = format!("tencent://office/{ID}");
    let resolved = cloud.call(&Request::ResolveKey { key: uri(&key) }).expect("a key");
    assert!(matches!(resolved, Response::Key(found) if found.as_str() == key));
    let sent = &cloud.sent()[0];
    assert_eq!(sent.url, "http://127.0.0.1:8080/");
    assert_eq!(header(sent, "x-tc-region"), Some("ap-beijing"));

    let with = |name: &str, value: &str| Place {
        settings: [(name.to_owned(), value.to_owned())].into(),
        ..Place::default()
    };
    assert!(TencentConfig::of_place("na-ashburn", &with("site", "international")).is_ok());
    for place in [with("site", "moon"), with("sight", "mainland")] {
        let error = TencentConfig::of_place("ap-guangzhou", &place).expect_err("refused");
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
    }
    assert!(TencentConfig::new("AP GUANGZHOU").is_err());
    assert!(config_with("http://kms.example.com").is_err());
}

fn config_with(url: &str) -> keyfold::Result<TencentConfig> {
    config().with_endpoint(Service::Keys, url)
}
