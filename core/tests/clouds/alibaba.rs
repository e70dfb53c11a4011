//! Alibaba's KMS and its secrets manager.

use std::error::Error as _;
use std::time::Duration;

use keyfold::kms::admin::{AdminRequest, AdminResponse, KeyKind, KeyState, KeyUse};
use keyfold::kms::alibaba::{AlibabaConfig, Parameters, Signing};
use keyfold::kms::cloud::Place;
use keyfold::kms::{Request, Response, ServiceError, SignInput};
use keyfold::sign::SignatureAlgorithm;
use keyfold::transport::HttpResponse;
use keyfold::{EncryptionContext, ErrorCode, ProviderParams, Retry};

use crate::support::*;

const ID: &str = "key-hzz62f1cb66fa42qo0001";
const KEY: &str = "alibaba://cn-hangzhou/key-hzz62f1cb66fa42qo0001";
const HOST: &str = "https://kms.cn-hangzhou.aliyuncs.com/";
/// The context, percent-encoded.
const CONTEXT: &str = "%7B%22app%22%3A%22keyfold%22%2C%22tenant%22%3A%22acme%22%7D";

fn config() -> AlibabaConfig {
    AlibabaConfig::new("cn-hangzhou").expect("a configuration")
}

fn reply(members: &str) -> HttpResponse {
    answer(200, &format!(r#"{{{members},"RequestId":"r-1"}}"#))
}

fn error(status: u16, code: &str, message: &str) -> HttpResponse {
    let body = format!(
        r#"{{"HttpStatus":{status},"Code":"{code}","Message":"{message}","RequestId":"r-2"}}"#
    );
    answer(status, &body)
}

/// Action, query and body of what was sent, in their order.
fn sent(cloud: &Cloud) -> Vec<String> {
    let of = |request: &keyfold::transport::HttpRequest| {
        let query = request.url.strip_prefix(HOST).expect("the host");
        let action = header(request, "x-acs-action").expect("an action");
        let body = text(&request.body);
        format!("{action}{query}{}{body}", if body.is_empty() { "" } else { " " })
    };
    cloud.sent().iter().map(of).collect()
}

fn call(request: &Request, reply: HttpResponse, expected: &str) -> Response {
    let cloud = Cloud::new(config(), [reply]);
    let response = cloud.call(request).expect("an answer");
    assert_eq!(sent(&cloud), [expected]);
    response
}

fn version() -> ProviderParams {
    [("version".to_owned(), b"v-1".to_vec())].into()
}

/// What is wrong in itself is refused before the key is asked for its version.
#[test]
fn digests_are_looked_at_first() {
    let (key, algorithm) = (uri(KEY), SignatureAlgorithm::EcdsaSha256);
    let input = || SignInput::Digest(vec![7; 31]);
    for request in [
        Request::Sign { key: key.clone(), algorithm, input: input() },
        Request::Verify { key, algorithm, input: input(), signature: vec![1] },
    ] {
        let cloud = Cloud::new(config(), []);
        let error = cloud.call(&request).expect_err("a digest of another length");
        assert_eq!((error.code(), cloud.sent().len()), (ErrorCode::InvalidArgument, 0));
    }
}

/// Small data may be longer than what an envelope takes, and a wrapped key may not.
#[test]
fn ciphertexts_are_as_long_as_they_may_be() {
    let long = "A".repeat(8 * 1024);
    let answered = || reply(&format!(r#""KeyId":"{ID}","CiphertextBlob":"{long}""#));
    let (key, plaintext) = (uri(KEY), secret(&[7; 6144]));
    let encrypt = Request::Encrypt { key: key.clone(), plaintext, context: context() };
    assert!(Cloud::new(config(), [answered()]).call(&encrypt).is_ok());
    let wrap = Request::Wrap { key, data_key: secret(&[7; 32]), context: context() };
    let error = Cloud::new(config(), [answered()]).call(&wrap).expect_err("too long");
    assert_eq!(error.code(), ErrorCode::KmsProtocol);
}

#[test]
fn requests_are_signed_in_four_ways() {
    let resolve = Request::ResolveKey { key: uri("alibaba://cn-hangzhou/alias/docs") };
    let described = || reply(&format!(r#""KeyMetadata":{{"KeyId":"{ID}"}}"#));
    let cloud = Cloud::by(config(), access_key(Some("session")), [described()]);
    assert!(matches!(cloud.call(&resolve), Ok(Response::Key(key)) if key.as_str() == KEY));
    assert_eq!(sent(&cloud), ["DescribeKey?KeyId=alias%2Fdocs"]);
    let request = &cloud.sent()[0];
    for (name, value) in [
        ("accept", "application/json"),
        ("x-acs-version", "2016-01-20"),
        ("x-acs-date", "2023-11-14T22:13:20Z"),
        ("x-acs-signature-nonce", "000102030405060708090a0b0c0d0e0f"),
        ("x-acs-accesskey-id", "AKIDEXAMPLE"),
        ("x-acs-security-token", "session"),
    ] {
        assert_eq!(header(request, name), Some(value));
    }
    for (signing, beginning) in [
        (Signing::Acs3Sha256, "ACS3-HMAC-SHA256 Credential=AKIDEXAMPLE,SignedHeaders=host;x-acs-"),
        (Signing::Acs3Sm3, "ACS3-HMAC-SM3 Credential=AKIDEXAMPLE,SignedHeaders="),
        (
            Signing::Acs4Sha256,
            "ACS4-HMAC-SHA256 \
             Credential=AKIDEXAMPLE/20231114/cn-hangzhou/Kms/aliyun_v4_request,SignedHeaders=",
        ),
    ] {
        let cloud = Cloud::new(config().with_signing(signing), [described()]);
        assert!(cloud.call(&resolve).is_ok());
        let sent = &cloud.sent()[0];
        let signed = header(sent, "authorization").expect("signed");
        assert!(signed.starts_with(beginning), "{signed}");
    }
    let rpc = config().with_signing(Signing::Rpc);
    let cloud = Cloud::by(rpc, access_key(Some("se/ssion")), [described()]);
    assert!(cloud.call(&resolve).is_ok());
    let sent = &cloud.sent()[0];
    assert_eq!(header(sent, "authorization"), None);
    let (unsigned, signature) = sent.url.split_once("&Signature=").expect("signed");
    assert_eq!(
        unsigned,
        "https://kms.cn-hangzhou.aliyuncs.com/?AccessKeyId=AKIDEXAMPLE&Action=DescribeKey\
         &Format=json&KeyId=alias%2Fdocs&SecurityToken=se%2Fssion&SignatureMethod=HMAC-SHA1\
         &SignatureNonce=000102030405060708090a0b0c0d0e0f&SignatureVersion=1.0\
         &Timestamp=2023-11-14T22%3A13%3A20Z&Version=2016-01-20"
    );
    assert!(signature.ends_with("%3D"));
}

#[test]
fn data_keys_are_made_wrapped_and_unwrapped() {
    let of_key = format!(r#""KeyId":"{ID}","KeyVersionId":"v-1""#);
    let made = reply(&format!(r#"{of_key},"Plaintext":"{ZEROES}","CiphertextBlob":"a+/B=""#));
    let request = Request::GenerateDataKey { key: uri(KEY), context: context() };
    let expected =
        format!("GenerateDataKey?EncryptionContext={CONTEXT}&KeyId={ID}&KeySpec=AES_256");
    let Response::DataKey { data_key, wrapped: record } = call(&request, made.clone(), &expected)
    else {
        panic!("a data key")
    };
    assert_eq!(data_key.0.expose(), &[0; 32]);
    assert_eq!(record, wrapped(KEY, version(), "a+/B="));

    let wrap = Request::Wrap {
        key: uri(KEY),
        data_key: secret(&[0; 32]),
        context: EncryptionContext::new(),
    };
    let encrypted = reply(&format!(r#"{of_key},"CiphertextBlob":"a+/B=""#));
    let expected = format!("Encrypt?KeyId={ID}&Plaintext={}", ZEROES.replace('=', "%3D"));
    let again = call(&wrap, encrypted, &expected);
    assert!(matches!(again, Response::Wrapped(again) if again == record));

    let unwrap = Request::Unwrap { wrapped: record.clone(), context: context(), key: None };
    let expected = format!("Decrypt?CiphertextBlob=a%2B%2FB%3D&EncryptionContext={CONTEXT}");
    let Response::Unwrapped(data_key) = call(&unwrap, made, &expected) else {
        panic!("a data key")
    };
    assert_eq!(data_key.0.expose(), &[0; 32]);
    let other = reply(&format!(r#""KeyId":"other","Plaintext":"{ZEROES}""#));
    let failed = Cloud::new(config(), [other]).call(&unwrap).expect_err("another key");
    assert_eq!(failed.code(), ErrorCode::AuthenticationFailed);

    let to = "alibaba://cn-hangzhou/other";
    let moved = reply(r#""KeyId":"other","KeyVersionId":"v-1","CiphertextBlob":"C""#);
    let request = Request::Rewrap { wrapped: record, context: context(), key: None, to: uri(to) };
    let expected = format!(
        "ReEncrypt?CiphertextBlob=a%2B%2FB%3D&DestinationEncryptionContext={CONTEXT}\
         &DestinationKeyId=other&SourceEncryptionContext={CONTEXT}"
    );
    let moved = call(&request, moved, &expected);
    assert!(matches!(moved, Response::Wrapped(moved) if moved == wrapped(to, version(), "C")));
}

/// `ReEncrypt` does not say of which key a ciphertext was, and `Decrypt` does.
#[test]
fn a_rewrap_proves_the_key_that_is_demanded() {
    let rewrap = Request::Rewrap {
        wrapped: wrapped(KEY, version(), "AQID"),
        context: context(),
        key: Some(uri(KEY)),
        to: uri("alibaba://cn-hangzhou/new"),
    };
    let opened = |id: &str| reply(&format!(r#""KeyId":"{id}","Plaintext":"{ZEROES}""#));
    let moved = reply(r#""KeyId":"new","KeyVersionId":"v-1","CiphertextBlob":"C""#);
    let cloud = Cloud::new(config(), [opened(ID), moved]);
    cloud.call(&rewrap).expect("a wrapped key");
    let sent = sent(&cloud);
    assert!(sent[0].starts_with("Decrypt?") && sent[1].starts_with("Encrypt?"), "{sent:?}");
    let failed = Cloud::new(config(), [opened("other")]).call(&rewrap).expect_err("another key");
    assert_eq!(failed.code(), ErrorCode::AuthenticationFailed);
}

#[test]
fn a_key_may_be_demanded_by_any_of_its_names() {
    let record = || wrapped(KEY, version(), "AQID");
    let opened = || reply(&format!(r#""KeyId":"{ID}","Plaintext":"{ZEROES}""#));
    let described = |id: &str| reply(&format!(r#""KeyMetadata":{{"KeyId":"{id}"}}"#));
    let unwrap = |key: &str| Request::Unwrap {
        wrapped: record(),
        context: context(),
        key: Some(uri(&format!("alibaba://cn-hangzhou/{key}"))),
    };
    for (key, answers, opens) in [
        ("alias/docs", vec![described(ID), opened()], true),
        ("alias/docs", vec![described("other"), opened()], false),
        ("acs:kms:cn-hangzhou:1:key/key-hzz62f1cb66fa42qo0001", vec![opened()], true),
        ("acs:kms:cn-hangzhou:1:key/other", vec![opened()], false),
        ("key-hzz62f1cb66fa42qo0001/v-9", vec![opened()], true),
        ("other", vec![opened()], false),
    ] {
        let result = Cloud::new(config(), answers).call(&unwrap(key));
        match result {
            Ok(_) => assert!(opens, "{key}"),
            Err(error) => {
                assert!(!opens, "{key}: {error}");
                assert_eq!(error.code(), ErrorCode::AuthenticationFailed);
            }
        }
    }
    let rewrap = Request::Rewrap {
        wrapped: record(),
        context: context(),
        key: Some(uri("alibaba://cn-hangzhou/other")),
        to: uri("alibaba://cn-hangzhou/new"),
    };
    let error = Cloud::new(config(), []).call(&rewrap).expect_err("another key");
    assert_eq!(error.code(), ErrorCode::AuthenticationFailed);
}

#[test]
fn small_data_carries_what_decrypting_takes() {
    let of_key = format!(r#""KeyId":"{ID}","KeyVersionId":"v-1""#);
    let encrypted = reply(&format!(r#"{of_key},"CiphertextBlob":"AQID""#));
    let request = Request::Encrypt { key: uri(KEY), plaintext: secret(b"hi"), context: context() };
    let expected = format!("Encrypt?EncryptionContext={CONTEXT}&KeyId={ID}&Plaintext=aGk%3D");
    let Response::Ciphertext { ciphertext, .. } = call(&request, encrypted, &expected) else {
        panic!("a ciphertext")
    };
    let expected = format!("Decrypt?CiphertextBlob=AQID&EncryptionContext={CONTEXT}");
    for ciphertext in [ciphertext, b"AQID".to_vec()] {
        let request = Request::Decrypt { key: None, ciphertext, context: context() };
        let decrypted = reply(&format!(r#"{of_key},"Plaintext":"aGk=""#));
        let Response::Plaintext { plaintext, key } = call(&request, decrypted, &expected) else {
            panic!("a plaintext")
        };
        assert_eq!((plaintext.expose(), key.as_str()), (&b"hi"[..], KEY));
    }
    // Everything in the body, where the place is configured so.
    let in_body = config().with_parameters(Parameters::Body);
    let answers = [reply(&format!(r#"{of_key},"CiphertextBlob":"AQID""#))];
    let cloud = Cloud::new(in_body, answers);
    assert!(cloud.call(&request).is_ok());
    assert_eq!(
        sent(&cloud),
        [format!("Encrypt EncryptionContext={CONTEXT}&KeyId={ID}&Plaintext=aGk%3D")]
    );
    let form = Some("application/x-www-form-urlencoded");
    assert_eq!(header(&cloud.sent()[0], "content-type"), form);
}

#[test]
fn a_long_context_is_bound_by_its_digest() {
    let made = reply(&format!(r#""KeyId":"{ID}","Plaintext":"{ZEROES}","CiphertextBlob":"A""#));
    let long = EncryptionContext::from([("long", "x".repeat(2048))]);
    let request = Request::GenerateDataKey { key: uri(KEY), context: long };
    let cloud = Cloud::new(config(), [made]);
    let Ok(Response::DataKey { wrapped, .. }) = cloud.call(&request) else { panic!("a key") };
    assert_eq!(wrapped.params["binding"], b"digest");
    assert!(sent(&cloud)[0].contains("EncryptionContext=%7B%22kf%22%3A%22"));
}

#[test]
fn digests_are_signed_and_messages_hashed_here() {
    let versions = || {
        reply(
            r#""KeyVersions":{"KeyVersion":[{"KeyVersionId":"v-1","CreationDate":"2020-01-01T00:00:00Z"},{"KeyVersionId":"v-2","CreationDate":"2021-01-01T00:00:00Z"}]},"TotalCount":2"#,
        )
    };
    let (algorithm, key) = (SignatureAlgorithm::RsaPkcs1Sha256, uri(KEY));
    let request =
        Request::Sign { key: key.clone(), algorithm, input: SignInput::Message(b"abc".to_vec()) };
    let cloud = Cloud::new(config(), [versions(), reply(r#""Value":"AQID""#)]);
    assert!(matches!(cloud.call(&request), Ok(Response::Signature(bytes)) if bytes == [1, 2, 3]));
    // SHA-256 of `abc`.
    let digest = "ungWv48Bz%2BpBQUDeXa4iI7ADYaOWF3qctBD%2FYfIAFa0%3D";
    assert_eq!(
        sent(&cloud),
        [
            format!("ListKeyVersions?KeyId={ID}&PageNumber=1&PageSize=100"),
            format!(
                "AsymmetricSign?Algorithm=RSA_PKCS1_SHA_256&Digest={digest}&KeyId={ID}&KeyVersionId=v-2"
            )
        ]
    );
    // A version that is named is not looked up.
    let of_version = uri(&format!("{KEY}/v-1"));
    let request = |input| Request::Verify {
        key: of_version.clone(),
        algorithm: SignatureAlgorithm::EcdsaSha256,
        input,
        signature: vec![1, 2, 3],
    };
    let zeroes = ZEROES.replace('=', "%3D");
    let expected = format!(
        "AsymmetricVerify?Algorithm=ECDSA_SHA_256&Digest={zeroes}&KeyId={ID}&KeyVersionId=v-1&Value=AQID"
    );
    let digest = || SignInput::Digest(vec![0; 32]);
    let valid = call(&request(digest()), reply(r#""Value":true"#), &expected);
    assert!(matches!(valid, Response::Verified));
    let cloud = Cloud::new(config(), [reply(r#""Value":false"#)]);
    let wrong = cloud.call(&request(digest())).expect_err("not valid");
    assert_eq!(wrong.code(), ErrorCode::SignatureInvalid);
    for (algorithm, input) in [
        (SignatureAlgorithm::RsaPssSha512, SignInput::Digest(vec![0; 64])),
        (SignatureAlgorithm::EcdsaSha256, SignInput::Digest(vec![0; 20])),
    ] {
        let request = Request::Sign { key: of_version.clone(), algorithm, input };
        let refused = Cloud::new(config(), []).call(&request).expect_err("refused");
        assert_eq!(refused.code(), ErrorCode::InvalidArgument);
    }
    let public = reply(&format!(
        r#""KeyId":"{ID}","KeyVersionId":"v-1","PublicKey":"-----BEGIN PUBLIC KEY-----\nMAIFAA==\n-----END PUBLIC KEY-----""#
    ));
    let request = Request::GetPublicKey { key: of_version };
    let public = call(&request, public, &format!("GetPublicKey?KeyId={ID}&KeyVersionId=v-1"));
    assert!(matches!(public, Response::PublicKey { spki, .. } if spki == [0x30, 2, 5, 0]));
}

#[test]
fn secrets_are_stored_and_read() {
    let put = |value: &[u8]| Request::PutSecret {
        name: "prod/db".into(),
        value: secret(value),
        key: Some(uri(KEY)),
        token: TOKEN.into(),
    };
    let of = "SecretDataType=text&SecretName=prod%2Fdb";
    let value = "SecretData=hunter2%26";
    let version = format!("VersionId={TOKEN}");
    let stored = || reply(&format!(r#""SecretName":"prod/db","VersionId":"{TOKEN}""#));
    let none = || error(404, "Forbidden.ResourceNotFound", "none");
    let exists = || error(409, "Rejected.ResourceExist", "it exists");
    let is = |response: keyfold::Result<Response>| matches!(response, Ok(Response::SecretVersion { version }) if version == TOKEN);
    let cloud = Cloud::new(config(), [stored()]);
    assert!(is(cloud.call(&put(b"hunter2&"))));
    // The value is in no URL.
    assert_eq!(sent(&cloud), [format!("PutSecretValue?{of}&{version} {value}")]);

    let cloud = Cloud::new(config(), [none(), stored()]);
    assert!(is(cloud.call(&put(b"hunter2&"))));
    let create = format!("CreateSecret?EncryptionKeyId={ID}&{of}&{version} {value}");
    assert_eq!(sent(&cloud)[1], create);
    // The answer to this change was lost.
    assert!(is(Cloud::new(config(), [exists()]).call(&put(b"hunter2&"))));
    // Somebody else was faster.
    let cloud = Cloud::new(config(), [none(), exists(), stored()]);
    assert!(is(cloud.call(&put(b"hunter2&"))));
    let cloud = Cloud::new(config(), [stored()]);
    assert!(is(cloud.call(&put(&[0xff]))));
    assert!(sent(&cloud)[0].contains("SecretDataType=binary&"));
    assert!(sent(&cloud)[0].ends_with(" SecretData=%2Fw%3D%3D"));

    let get = |version: Option<&str>, stage: Option<&str>| Request::GetSecret {
        name: "prod/db".into(),
        version: version.map(str::to_owned),
        stage: stage.map(str::to_owned),
    };
    for (request, expected) in [
        (get(None, None), "GetSecretValue?SecretName=prod%2Fdb"),
        (get(Some("v1"), None), "GetSecretValue?SecretName=prod%2Fdb&VersionId=v1"),
        (
            get(None, Some("AWSPREVIOUS")),
            "GetSecretValue?SecretName=prod%2Fdb&VersionStage=ACSPrevious",
        ),
    ] {
        let value = reply(r#""SecretData":"hunter2","SecretDataType":"text","VersionId":"v1""#);
        let Response::Secret { value, version } = call(&request, value, expected) else {
            panic!("a secret")
        };
        assert_eq!((value.expose(), version.as_str()), (&b"hunter2"[..], "v1"));
    }
    let bytes = reply(r#""SecretData":"/w==","SecretDataType":"binary","VersionId":"v1""#);
    let response = Cloud::new(config(), [bytes]).call(&get(None, None));
    assert!(matches!(response, Ok(Response::Secret { value, .. }) if value.expose() == [0xff]));
    let failed = Cloud::new(config(), [none()]).call(&get(None, None)).expect_err("none");
    assert_eq!(failed.code(), ErrorCode::SecretNotFound);
}

#[test]
fn errors_become_codes() {
    let request = Request::GenerateDataKey { key: uri(KEY), context: context() };
    for (status, code, expected) in [
        (404, "Forbidden.KeyNotFound", ErrorCode::KmsKeyUnavailable),
        (404, "InvalidAccessKeyId.NotFound", ErrorCode::KmsDenied),
        (409, "Rejected.Disabled", ErrorCode::KmsKeyUnavailable),
        (409, "Rejected.PendingDeletion", ErrorCode::KmsKeyUnavailable),
        (429, "Rejected.Throttling", ErrorCode::KmsThrottled),
        (400, "Throttling.User", ErrorCode::KmsThrottled),
        (409, "Rejected.LimitExceeded", ErrorCode::LimitExceeded),
        (400, "InvalidParameter", ErrorCode::InvalidArgument),
        (400, "UnsupportedOperation", ErrorCode::KmsKeyUnavailable),
        (400, "SignatureDoesNotMatch", ErrorCode::KmsDenied),
        (400, "InvalidSecurityToken.Expired", ErrorCode::KmsDenied),
        (403, "Forbidden.NoPermission", ErrorCode::KmsDenied),
        (400, "SignatureNonceUsed", ErrorCode::KmsUnavailable),
        (409, "EntityAlreadyExists", ErrorCode::VersionConflict),
        (500, "InternalFailure", ErrorCode::KmsUnavailable),
        (503, "ServiceUnavailableTemporary", ErrorCode::KmsUnavailable),
        (400, "NobodyKnows.This", ErrorCode::KmsProtocol),
    ] {
        let cloud = Cloud::new(config(), [error(status, code, "in its own words")]);
        let failed = cloud.call(&request).expect_err("an error");
        assert_eq!(failed.code(), expected, "{code}");
        let source = failed.source().and_then(|source| source.downcast_ref::<ServiceError>());
        let source = source.expect("the service's error");
        assert_eq!((source.provider(), source.name()), ("alibaba", Some(code)));
        assert_eq!(source.request_id(), Some("r-2"));
    }
    let unwrap =
        Request::Unwrap { wrapped: wrapped(KEY, version(), "AQID"), context: context(), key: None };
    let bad =
        error(400, "InvalidParameter", "The specified parameter CiphertextBlob is not valid.");
    let failed = Cloud::new(config(), [bad.clone()]).call(&unwrap).expect_err("not authentic");
    assert_eq!(failed.code(), ErrorCode::AuthenticationFailed);
    assert!(failed.source().is_none());
    // Of another action it is what it says.
    let failed = Cloud::new(config(), [bad]).call(&request).expect_err("an error");
    assert_eq!(failed.code(), ErrorCode::InvalidArgument);

    let throttled = with(error(429, "Rejected.Throttling", ""), "x-acs-retry-after", "2");
    let failed = Cloud::new(config(), [throttled]).call(&request).expect_err("an error");
    assert_eq!(failed.retry(), Retry::Later(Some(Duration::from_secs(2))));

    let late =
        with(error(400, "InvalidTimeStamp.Expired", ""), "date", "Tue, 14 Nov 2023 23:13:20 GMT");
    let resolve = Request::ResolveKey { key: uri(KEY) };
    let resolved = reply(&format!(r#""KeyMetadata":{{"KeyId":"{ID}"}}"#));
    let cloud = Cloud::new(config(), [late, resolved]);
    assert!(cloud.call(&resolve).is_ok());
    assert_eq!(header(&cloud.sent()[1], "x-acs-date"), Some("2023-11-14T23:13:20Z"));
    let ended = error(400, "InvalidSecurityToken.Expired", "");
    let cloud = Cloud::new(config(), [ended]);
    assert_eq!(cloud.call(&resolve).expect_err("refused").code(), ErrorCode::KmsDenied);
}

#[test]
fn what_is_no_answer_is_refused() {
    garbage_is_refused(|| config().into(), KEY);
    let request = Request::GenerateDataKey { key: uri(KEY), context: context() };
    for members in [
        format!(r#""KeyId":"k","KeyId":"l","Plaintext":"{ZEROES}","CiphertextBlob":"A""#),
        format!(r#""KeyId":"k","Plaintext":"{ZEROES}","CiphertextBlob":7"#),
        format!(
            r#""KeyId":"k","KeyVersionId":"{}","Plaintext":"{ZEROES}","CiphertextBlob":"A""#,
            "v".repeat(129)
        ),
        r#""KeyId":"k","Plaintext":"AAAA","CiphertextBlob":"A""#.to_owned(),
    ] {
        let error = Cloud::new(config(), [reply(&members)]).call(&request).expect_err("refused");
        assert_eq!(error.code(), ErrorCode::KmsProtocol);
    }
}

#[test]
fn keys_are_administered() {
    let metadata = format!(
        r#""KeyMetadata":{{"KeyId":"{ID}","Arn":"acs:kms:cn-hangzhou:1:key/{ID}","KeyState":"Enabled","KeySpec":"EC_P256","KeyUsage":"SIGN/VERIFY","CreationDate":"2023-11-14T22:13:20Z","DeleteDate":"","Description":"signs","Origin":"Aliyun_KMS","PrimaryKeyVersion":"v-1","AutomaticRotation":"Enabled","RotationInterval":"31536000s","NextRotationDate":"2024-11-13T22:13:20Z"}}"#
    );
    let key = || uri(KEY);
    let nothing = || answer(200, r#"{"RequestId":"r-1"}"#);
    let create = AdminRequest::CreateKey {
        kind: KeyKind::EccNistP256,
        usage: KeyUse::SignVerify,
        alias: Some("alias/docs".into()),
        description: Some("signs".into()),
    };
    let mut place = Place::default();
    place.settings.insert("instance".into(), "kst-1".into());
    let config_of_instance = AlibabaConfig::of_place("cn-hangzhou", &place).expect("a place");
    let cloud = Cloud::new(config_of_instance, [reply(&metadata), nothing()]);
    let Ok(AdminResponse::Key(info)) = cloud.administer(&create) else { panic!("a key") };
    assert_eq!((info.state, info.kind), (Some(KeyState::Enabled), Some(KeyKind::EccNistP256)));
    assert_eq!((info.usage, info.version.as_deref()), (Some(KeyUse::SignVerify), Some("v-1")));
    assert_eq!((info.created, info.deletion), (Some(NOW), None));
    assert_eq!(
        sent(&cloud),
        [
            "CreateKey?DKMSInstanceId=kst-1&Description=signs&KeySpec=EC_P256&KeyUsage=SIGN%2FVERIFY"
                .to_owned(),
            format!("CreateAlias?AliasName=alias%2Fdocs&KeyId={ID}"),
        ]
    );
    let aliases = reply(&format!(
        r#""Aliases":{{"Alias":[{{"AliasName":"alias/docs","KeyId":"{ID}"}}]}},"TotalCount":1"#
    ));
    let cloud = Cloud::new(config(), [reply(&metadata), aliases]);
    let Ok(AdminResponse::Key(info)) = cloud.administer(&AdminRequest::DescribeKey { key: key() })
    else {
        panic!("a key")
    };
    assert_eq!(info.alias.as_deref(), Some("alias/docs"));
    assert_eq!(sent(&cloud)[1], format!("ListAliasesByKeyId?KeyId={ID}"));

    let page = || reply(&format!(r#""Keys":{{"Key":[{{"KeyId":"{ID}"}}]}},"TotalCount":101"#));
    let cloud = Cloud::new(config(), [page(), page()]);
    let first = cloud.administer(&AdminRequest::ListKeys { page: None }).expect("a page");
    let AdminResponse::Keys { keys, next } = first else { panic!("keys") };
    assert_eq!((keys[0].key.as_str(), keys[0].state, next.as_deref()), (KEY, None, Some("2")));
    let second = cloud.administer(&AdminRequest::ListKeys { page: next }).expect("a page");
    assert!(matches!(second, AdminResponse::Keys { next: None, .. }));
    assert_eq!(
        sent(&cloud),
        ["ListKeys?PageNumber=1&PageSize=100", "ListKeys?PageNumber=2&PageSize=100"]
    );

    for (request, expected) in [
        (AdminRequest::EnableKey { key: key() }, format!("EnableKey?KeyId={ID}")),
        (AdminRequest::DisableKey { key: key() }, format!("DisableKey?KeyId={ID}")),
        (AdminRequest::CancelKeyDeletion { key: key() }, format!("CancelKeyDeletion?KeyId={ID}")),
        (AdminRequest::RotateKey { key: key() }, format!("CreateKeyVersion?KeyId={ID}")),
        (
            AdminRequest::SetRotation { key: key(), every_days: Some(90) },
            format!(
                "UpdateRotationPolicy?EnableAutomaticRotation=true&KeyId={ID}&RotationInterval=90d"
            ),
        ),
        (
            AdminRequest::SetRotation { key: key(), every_days: None },
            format!("UpdateRotationPolicy?EnableAutomaticRotation=false&KeyId={ID}"),
        ),
        (
            AdminRequest::SetAlias { key: key(), alias: "alias/docs".into() },
            format!("CreateAlias?AliasName=alias%2Fdocs&KeyId={ID}"),
        ),
        (
            AdminRequest::DeleteAlias { key: key(), alias: "alias/docs".into() },
            "DeleteAlias?AliasName=alias%2Fdocs".to_owned(),
        ),
    ] {
        let cloud = Cloud::new(config(), [nothing()]);
        assert_eq!(cloud.administer(&request), Ok(AdminResponse::Done));
        assert_eq!(sent(&cloud), [expected]);
    }
    let alias = AdminRequest::SetAlias { key: key(), alias: "alias/docs".into() };
    let cloud = Cloud::new(config(), [error(409, "Rejected.AlreadyExists", ""), nothing()]);
    assert_eq!(cloud.administer(&alias), Ok(AdminResponse::Done));
    assert_eq!(sent(&cloud)[1], format!("UpdateAlias?AliasName=alias%2Fdocs&KeyId={ID}"));

    let cloud = Cloud::new(config(), [nothing()]);
    let delete = AdminRequest::ScheduleKeyDeletion { key: key(), days: 366 };
    assert_eq!(cloud.administer(&delete), Ok(AdminResponse::Deletion { at: None }));
    assert_eq!(sent(&cloud), [format!("ScheduleKeyDeletion?KeyId={ID}&PendingWindowInDays=366")]);
    let cloud = Cloud::new(config(), [reply(&metadata)]);
    let rotation = AdminResponse::Rotation {
        on: true,
        every_days: Some(365),
        next: Some(NOW + Duration::from_hours(24 * 365)),
    };
    assert_eq!(cloud.administer(&AdminRequest::GetRotation { key: key() }), Ok(rotation));
    let random = Cloud::new(config(), []).administer(&AdminRequest::Random { len: 32 });
    assert!(is_unsupported(&random.expect_err("refused")));
}

#[test]
fn secrets_are_administered() {
    let name = || "prod/db".to_owned();
    let secret_info = format!(
        r#""SecretName":"prod/db","Description":"","EncryptionKeyId":"{ID}","CreateTime":"2023-11-14T22:13:20Z","PlannedDeleteTime":"2023-11-14T22:13:20Z""#
    );
    let cloud = Cloud::new(config(), [reply(&secret_info)]);
    let Ok(AdminResponse::Secret(info)) =
        cloud.administer(&AdminRequest::DescribeSecret { name: name() })
    else {
        panic!("a secret")
    };
    assert_eq!((info.deleted, info.created), (true, Some(NOW)));
    assert_eq!(info.key.as_ref().map(keyfold::KeyUri::as_str), Some(KEY));

    let listed = reply(&format!(r#""SecretList":{{"Secret":[{{{secret_info}}}]}},"TotalCount":1"#));
    let cloud = Cloud::new(config(), [listed]);
    let listed = cloud.administer(&AdminRequest::ListSecrets { page: None });
    let expected = AdminResponse::Secrets { secrets: vec![*info], next: None };
    assert_eq!(listed, Ok(expected));

    let versions = reply(
        r#""VersionIds":{"VersionId":[{"VersionId":"v2","CreateTime":"2023-11-14T22:13:20Z","VersionStages":{"VersionStage":["ACSCurrent","mine"]}},{"VersionId":"v1"}]},"TotalCount":2"#,
    );
    let cloud = Cloud::new(config(), [versions]);
    let listed = cloud.administer(&AdminRequest::ListSecretVersions { name: name(), page: None });
    let Ok(AdminResponse::SecretVersions { versions, next: None }) = listed else {
        panic!("versions")
    };
    assert_eq!(versions[0].stages, ["AWSCURRENT", "mine"]);
    assert!(versions[1].stages.is_empty());
    assert_eq!(
        sent(&cloud),
        ["ListSecretVersionIds?PageNumber=1&PageSize=100&SecretName=prod%2Fdb"]
    );
    let deleted = || reply(r#""SecretName":"prod/db","PlannedDeleteTime":"2023-11-14T22:13:20Z""#);
    for (days, expected) in [
        (0, "DeleteSecret?ForceDeleteWithoutRecovery=true&SecretName=prod%2Fdb"),
        (7, "DeleteSecret?RecoveryWindowInDays=7&SecretName=prod%2Fdb"),
    ] {
        let cloud = Cloud::new(config(), [deleted()]);
        let done = cloud.administer(&AdminRequest::DeleteSecret { name: name(), days });
        assert_eq!(done, Ok(AdminResponse::Deletion { at: Some(NOW) }));
        assert_eq!(sent(&cloud), [expected]);
    }
    let cloud = Cloud::new(config(), [reply(r#""SecretName":"prod/db""#)]);
    let restored = cloud.administer(&AdminRequest::RestoreSecret { name: name() });
    assert_eq!(restored, Ok(AdminResponse::Done));
}
