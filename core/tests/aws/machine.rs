//! The machines, with answers of every kind.

use std::error::Error as _;
use std::time::Duration;

use keyfold::kms::aws::{AwsConfig, Call, Exchange, Service, ServiceError, Turn};
use keyfold::kms::{Request, Response, SignInput};
use keyfold::sign::SignatureAlgorithm;
use keyfold::transport::HttpResponse;
use keyfold::{
    EncryptionContext, Error, ErrorCode, KeyUri, ProviderParams, Retry, SecretBytes, WrappedKey,
};
use serde_json::{Value, json};

use crate::support::*;

fn config() -> AwsConfig {
    AwsConfig::aws("us-east-1").expect("a configuration")
}

fn key() -> KeyUri {
    format!("aws:{ARN}").parse().expect("a key URI")
}

fn context() -> EncryptionContext {
    [("tenant", "acme"), ("app", "keyfold")].into()
}

fn wrapped() -> WrappedKey {
    WrappedKey { key: key(), params: ProviderParams::new(), ciphertext: vec![1, 2, 3] }
}

/// Sends one request and takes one answer.
fn once(request: &Request, response: HttpResponse) -> Result<Response, Error> {
    let config = config();
    let mut call = Call::new(&config, request)?;
    call.request(&access_key(), NOW)?;
    match call.answer(response, NOW)? {
        Turn::Done(answer) => Ok(answer),
        turn => panic!("it wants to go on: {turn:?}"),
    }
}

fn refused(request: &Request, response: HttpResponse) -> Error {
    once(request, response).map(drop).expect_err("a failure")
}

fn resolve() -> Request {
    Request::ResolveKey { key: key() }
}

fn decrypt() -> Request {
    Request::Decrypt { key: None, ciphertext: vec![1, 2, 3], context: context() }
}

fn put() -> Request {
    Request::PutSecret {
        name: "db/password".into(),
        value: SecretBytes::from(&b"caf\xc3\xa9"[..]),
        key: Some("aws:alias/docs".parse().expect("a key URI")),
        token: "0".repeat(32),
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn requests_have_the_members_of_the_api() {
    let (message, digest) =
        (|| SignInput::Message(b"m".to_vec()), || SignInput::Digest(vec![7; 32]));
    let pss = SignatureAlgorithm::RsaPssSha256;
    let pairs = json!({"app": "keyfold", "tenant": "acme"});
    let cases: [(Request, &str, Value); 13] = [
        (
            Request::GenerateDataKey { key: key(), context: context() },
            "TrentService.GenerateDataKey",
            json!({"KeyId": ARN, "KeySpec": "AES_256", "EncryptionContext": pairs}),
        ),
        (
            Request::Wrap {
                key: "aws:alias/docs".parse().expect("a key URI"),
                data_key: SecretBytes::new(vec![0; 32]),
                context: EncryptionContext::new(),
            },
            "TrentService.Encrypt",
            json!({"KeyId": "alias/docs", "Plaintext": "A".repeat(43) + "="}),
        ),
        (
            Request::Unwrap { wrapped: wrapped(), context: context(), key: None },
            "TrentService.Decrypt",
            json!({"KeyId": ARN, "CiphertextBlob": "AQID", "EncryptionContext": pairs}),
        ),
        (
            Request::Unwrap {
                wrapped: wrapped(),
                context: context(),
                key: Some("aws:alias/docs".parse().expect("a key URI")),
            },
            "TrentService.Decrypt",
            json!({"KeyId": "alias/docs", "CiphertextBlob": "AQID", "EncryptionContext": pairs}),
        ),
        (
            Request::Rewrap {
                wrapped: wrapped(),
                context: context(),
                key: None,
                to: "aws:alias/new".parse().expect("a key URI"),
            },
            "TrentService.ReEncrypt",
            json!({
                "CiphertextBlob": "AQID",
                "SourceKeyId": ARN, "SourceEncryptionContext": pairs,
                "DestinationKeyId": "alias/new", "DestinationEncryptionContext": pairs,
            }),
        ),
        (
            Request::Encrypt {
                key: key(),
                plaintext: SecretBytes::from(&b"\xff"[..]),
                context: [("\u{540d}\u{524d}", "\u{e9}")].into(),
            },
            "TrentService.Encrypt",
            json!({
                "KeyId": ARN, "Plaintext": "/w==",
                "EncryptionContext": {"\u{540d}\u{524d}": "\u{e9}"},
            }),
        ),
        (
            decrypt(),
            "TrentService.Decrypt",
            json!({"CiphertextBlob": "AQID", "EncryptionContext": pairs}),
        ),
        (
            Request::Sign { key: key(), algorithm: pss, input: message() },
            "TrentService.Sign",
            json!({
                "KeyId": ARN, "Message": "bQ==", "MessageType": "RAW",
                "SigningAlgorithm": "RSASSA_PSS_SHA_256",
            }),
        ),
        (
            Request::Verify { key: key(), algorithm: pss, input: digest(), signature: vec![0] },
            "TrentService.Verify",
            json!({
                "KeyId": ARN, "Message": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=",
                "MessageType": "DIGEST", "Signature": "AA==",
                "SigningAlgorithm": "RSASSA_PSS_SHA_256",
            }),
        ),
        (Request::GetPublicKey { key: key() }, "TrentService.GetPublicKey", json!({"KeyId": ARN})),
        (resolve(), "TrentService.DescribeKey", json!({"KeyId": ARN})),
        (
            put(),
            "secretsmanager.PutSecretValue",
            json!({
                "SecretId": "db/password", "SecretString": "caf\u{e9}",
                "ClientRequestToken": "0".repeat(32),
            }),
        ),
        (
            Request::GetSecret {
                name: "db/password".into(),
                version: Some("v".into()),
                stage: Some("AWSPREVIOUS".into()),
            },
            "secretsmanager.GetSecretValue",
            json!({"SecretId": "db/password", "VersionId": "v", "VersionStage": "AWSPREVIOUS"}),
        ),
    ];
    let config = config();
    for (request, target, members) in cases {
        let mut call = Call::new(&config, &request).expect("a call");
        let http = call.request(&access_key(), NOW).expect("a request");
        let service = target.split('.').next().expect("a service");
        let host = if service == "secretsmanager" { service } else { "kms" };
        assert_eq!(http.url, format!("https://{host}.us-east-1.amazonaws.com/"));
        assert_eq!(http.method, "POST");
        assert_eq!(header(&http, "x-amz-target"), Some(target));
        assert_eq!(header(&http, "content-type"), Some("application/x-amz-json-1.1"));
        let signed = header(&http, "authorization").expect("it is signed");
        assert!(signed.contains(&format!("/us-east-1/{host}/aws4_request, ")), "{signed}");
        let body: Value = serde_json::from_slice(&http.body).expect("JSON");
        assert_eq!(body, members, "{target}");
    }
}

#[test]
fn what_can_never_be_right_is_not_sent() {
    let config = config();
    let ed25519ph = Request::Sign {
        key: key(),
        algorithm: SignatureAlgorithm::Ed25519ph,
        input: SignInput::Digest(vec![0; 64]),
    };
    let foreign = Request::ResolveKey { key: "keyfold:alias/docs".parse().expect("a key URI") };
    for request in [ed25519ph, foreign] {
        let error = Call::new(&config, &request).err().expect("refused");
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
    }
    for operation in ["", "Describe Key", "A\r\nx: y", "TrentService.ListKeys"] {
        let error = Exchange::new(&config, Service::Kms, operation, Vec::new()).err();
        assert_eq!(error.expect("refused").code(), ErrorCode::InvalidArgument, "{operation}");
    }
}

#[test]
fn answers_are_understood() {
    let key_answer = format!(r#"{{"KeyMetadata":{{"Arn":"{ARN}","New":[1]}},"More":null}}"#);
    let Ok(Response::Key(name)) = once(&resolve(), answer(200, &key_answer)) else { panic!() };
    assert_eq!(name, key());

    let unwrap = Request::Unwrap { wrapped: wrapped(), context: context(), key: None };
    let plain = |length: usize| {
        let bytes = keyfold_base64(&vec![9; length]);
        answer(200, &format!(r#"{{"KeyId":"{ARN}","Plaintext":"{bytes}"}}"#))
    };
    let Ok(Response::Unwrapped(data_key)) = once(&unwrap, plain(32)) else { panic!() };
    assert_eq!(data_key.0.expose(), &[9; 32]);
    // Something else was encrypted: as the embedded KMS says it.
    assert_eq!(refused(&unwrap, plain(31)).code(), ErrorCode::AuthenticationFailed);

    let generate = Request::GenerateDataKey { key: key(), context: context() };
    let made = |length: usize, blob: &str| {
        let bytes = keyfold_base64(&vec![9; length]);
        let body =
            format!(r#"{{"KeyId":"{ARN}","Plaintext":"{bytes}","CiphertextBlob":"{blob}"}}"#);
        answer(200, &body)
    };
    let Ok(Response::DataKey { wrapped, .. }) = once(&generate, made(32, "AQID")) else { panic!() };
    assert_eq!((wrapped.key, wrapped.ciphertext), (key(), vec![1, 2, 3]));
    let long = keyfold_base64(&[0; 6145]);
    for wrong in [made(16, "AQID"), made(32, ""), made(32, &long)] {
        assert_eq!(refused(&generate, wrong).code(), ErrorCode::KmsProtocol);
    }

    // Services say a wrong signature in two ways.
    let verify = Request::Verify {
        key: key(),
        algorithm: SignatureAlgorithm::EcdsaSha256,
        input: SignInput::Message(vec![1]),
        signature: vec![2],
    };
    let holds = once(&verify, answer(200, r#"{"SignatureValid":true}"#));
    assert!(matches!(holds, Ok(Response::Verified)));
    for wrong in
        [answer(200, r#"{"SignatureValid":false}"#), exception("KMSInvalidSignatureException")]
    {
        assert_eq!(refused(&verify, wrong).code(), ErrorCode::SignatureInvalid);
    }

    let get = Request::GetSecret { name: "n".into(), version: None, stage: None };
    for (members, value) in [
        (r#""SecretString":"a\"\u00e9""#, "a\"\u{e9}".as_bytes()),
        (r#""SecretBinary":"/w==""#, b"\xff"),
    ] {
        let body = format!(r#"{{"VersionId":"v",{members}}}"#);
        let Ok(Response::Secret { value: got, version }) = once(&get, answer(200, &body)) else {
            panic!()
        };
        assert_eq!((got.expose(), version.as_str()), (value, "v"));
    }
    assert_eq!(refused(&get, answer(200, r#"{"VersionId":"v"}"#)).code(), ErrorCode::KmsProtocol);
}

fn keyfold_base64(bytes: &[u8]) -> String {
    use base64ct::Encoding;
    base64ct::Base64::encode_string(bytes)
}

#[test]
fn a_secret_is_put_or_made() {
    let config = config();
    let request = put();
    let targets = |answers: Vec<HttpResponse>| {
        let mut call = Call::new(&config, &request).expect("a call");
        let mut seen = Vec::new();
        for response in answers {
            let http = call.request(&access_key(), NOW).expect("a request");
            let body: Value = serde_json::from_slice(&http.body).expect("JSON");
            // One name for the change, whatever it takes.
            assert_eq!(body["ClientRequestToken"], "0".repeat(32));
            let target = header(&http, "x-amz-target").expect("a target").to_owned();
            if target == "secretsmanager.CreateSecret" {
                assert_eq!(body["Name"], "db/password");
                assert_eq!(body["KmsKeyId"], "alias/docs");
            } else {
                assert_eq!(body["SecretId"], "db/password");
                assert_eq!(body.get("KmsKeyId"), None);
            }
            seen.push(target.replace("secretsmanager.", ""));
            match call.answer(response, NOW) {
                Ok(Turn::Send) => {}
                Ok(Turn::Done(Response::SecretVersion { version })) => {
                    return (seen, Ok(version));
                }
                Ok(turn) => panic!("{turn:?}"),
                Err(error) => return (seen, Err(error.code())),
            }
        }
        panic!("it is not done after {seen:?}")
    };
    let stored = || answer(200, r#"{"ARN":"a","Name":"n","VersionId":"v1"}"#);
    let missing = || exception("ResourceNotFoundException");
    let exists = || exception("ResourceExistsException");
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let done = Ok("v1".to_owned());
    assert_eq!(targets(vec![stored()]), (names(&["PutSecretValue"]), done.clone()));
    assert_eq!(
        targets(vec![missing(), stored()]),
        (names(&["PutSecretValue", "CreateSecret"]), done.clone())
    );
    let three = names(&["PutSecretValue", "CreateSecret", "PutSecretValue"]);
    assert_eq!(targets(vec![missing(), exists(), stored()]), (three.clone(), done));
    // Once each: two that fight over a name do not go on for ever.
    let gone = (three, Err(ErrorCode::SecretNotFound));
    assert_eq!(targets(vec![missing(), exists(), missing()]), gone);
    let waits = vec![exception("InvalidRequestException")];
    assert_eq!(targets(waits), (names(&["PutSecretValue"]), Err(ErrorCode::SecretNotFound)));
}

#[test]
fn errors_take_their_codes_from_the_body_first() {
    use ErrorCode as E;
    let hour = Retry::Later(Some(Duration::from_hours(1)));
    let cases: [(HttpResponse, ErrorCode, Retry); 30] = [
        (exception("NotFoundException"), E::KmsKeyUnavailable, Retry::AfterChange),
        (
            exception("com.amazonaws.kms#DisabledException"),
            E::KmsKeyUnavailable,
            Retry::AfterChange,
        ),
        (exception("KMSInvalidStateException:http://x/"), E::KmsKeyUnavailable, Retry::AfterChange),
        (exception("InvalidCiphertextException"), E::AuthenticationFailed, Retry::Never),
        (exception("IncorrectKeyException"), E::AuthenticationFailed, Retry::Never),
        (exception("AccessDeniedException"), E::KmsDenied, Retry::AfterChange),
        (exception("MissingAuthenticationTokenException"), E::KmsDenied, Retry::AfterChange),
        (exception("ThrottlingException"), E::KmsThrottled, Retry::Later(None)),
        (exception("RequestLimitExceeded"), E::KmsThrottled, Retry::Later(None)),
        (exception("LimitExceededException"), E::LimitExceeded, Retry::Never),
        (exception("ValidationException"), E::InvalidArgument, Retry::Never),
        (exception("InvalidRequestException"), E::InvalidArgument, Retry::Never),
        (exception("ResourceNotFoundException"), E::SecretNotFound, Retry::Never),
        (exception("AlreadyExistsException"), E::VersionConflict, Retry::AfterChange),
        (exception("KMSInternalException"), E::KmsUnavailable, Retry::Later(None)),
        (exception("InternalServiceError"), E::KmsUnavailable, Retry::Later(None)),
        (exception("BrandNewException"), E::KmsProtocol, Retry::Never),
        // No name in the body: the header, then the status.
        (
            with(answer(400, "{}"), "X-Amzn-ErrorType", "ThrottlingException:http://x"),
            E::KmsThrottled,
            Retry::Later(None),
        ),
        (answer(401, "<html>"), E::KmsDenied, Retry::AfterChange),
        (answer(403, ""), E::KmsDenied, Retry::AfterChange),
        (answer(413, ""), E::LimitExceeded, Retry::Never),
        (answer(429, "slow down"), E::KmsThrottled, Retry::Later(None)),
        (answer(500, "<html>"), E::KmsUnavailable, Retry::Later(None)),
        (answer(503, r#"{"__type":7}"#), E::KmsUnavailable, Retry::Later(None)),
        (answer(404, "<html>"), E::KmsProtocol, Retry::Never),
        (
            with(answer(302, ""), "location", "https://elsewhere.example/"),
            E::KmsProtocol,
            Retry::Never,
        ),
        // The pause that is asked for, in seconds or as a date, within reason.
        (
            with(exception("ThrottlingException"), "Retry-After", "7"),
            E::KmsThrottled,
            Retry::Later(Some(Duration::from_secs(7))),
        ),
        (
            with(answer(503, ""), "retry-after", "Tue, 14 Nov 2023 22:13:50 GMT"),
            E::KmsUnavailable,
            Retry::Later(Some(Duration::from_secs(30))),
        ),
        (with(answer(503, ""), "retry-after", "4000000000"), E::KmsUnavailable, hour),
        (with(answer(503, ""), "retry-after", "soon"), E::KmsUnavailable, Retry::Later(None)),
    ];
    for (response, code, retry) in cases {
        let shown = String::from_utf8_lossy(&response.body).into_owned();
        let error = refused(&resolve(), response);
        assert_eq!((error.code(), error.retry()), (code, retry), "{shown}");
    }
}

#[test]
fn errors_tell_name_and_request_but_nothing_of_the_answer() {
    let response = with(
        answer(400, r#"{"__type":"BrandNewException","Message":"SECRET-4711\u0007"}"#),
        "x-amzn-RequestId",
        "6f1c-22",
    );
    let error = refused(&resolve(), response);
    assert_eq!(error.detail(), "the KMS answered BrandNewException (request 6f1c-22)");
    let source = error.source().and_then(|source| source.downcast_ref::<ServiceError>());
    let source = source.expect("what the service said");
    assert_eq!((source.name(), source.status()), (Some("BrandNewException"), 400));
    assert_eq!(source.message(), Some("SECRET-4711\u{7}"));
    assert!(!format!("{error} {error:?} {source} {source:?}").contains("SECRET"));

    // Names and ids that are none do not get into texts.
    let hostile =
        with(answer(400, r#"{"__type":"a b\nSECRET-4711"}"#), "x-amzn-requestid", "SECRET 4711");
    let error = refused(&resolve(), hostile);
    assert_eq!(error.detail(), "the KMS answered status 400 and no error of its own");

    // What was decided with a key has one text, whatever the cause.
    let one = refused(&decrypt(), exception("InvalidCiphertextException"));
    let two = refused(&decrypt(), exception("IncorrectKeyException"));
    assert_eq!((one.detail(), one.source().is_none()), (two.detail(), two.source().is_none()));
    assert!(one.source().is_none());
}

#[test]
fn what_is_no_answer_is_none() {
    let nested = "[".repeat(5000);
    let wrong = [
        "<!doctype html><p>Welcome",
        "",
        "{",
        r#"{"KeyMetadata":{"Arn":"arn:aws:kms"#,
        r#"{"KeyMetadata":{}}"#,
        r#"{"KeyMetadata":{"Arn":7}}"#,
        r#"{"KeyMetadata":{"Arn":""}}"#,
        r#"{"KeyMetadata":{"Arn":"two words"}}"#,
        "null",
        "[]",
        "\u{feff}{}",
        &format!(r#"{{"KeyMetadata":{nested}"#),
    ];
    for body in wrong {
        let error = refused(&resolve(), answer(200, body));
        assert_eq!(error.code(), ErrorCode::KmsProtocol, "{body:.40}");
    }
    let long = format!(r#"{{"x":"{}"}}"#, "a".repeat(4 << 20));
    assert_eq!(refused(&resolve(), answer(200, &long)).code(), ErrorCode::KmsProtocol);
    assert_eq!(refused(&resolve(), answer(500, &long)).code(), ErrorCode::KmsProtocol);
    // No value of an answer is in the error.
    let body = format!(r#"{{"KeyId":"{ARN}","Plaintext":"U0VDUkVU!"}}"#);
    let error = refused(&decrypt(), answer(200, &body));
    assert_eq!(error.code(), ErrorCode::KmsProtocol);
    assert!(!format!("{error:?}").contains("U0VD"));
}

#[test]
fn a_wrong_clock_is_set_right_once() {
    let config = config();
    let request = resolve();
    let skewed = |date: &str| with(exception("InvalidSignatureException"), "Date", date);
    let signed_at = |call: &mut Call<'_>| {
        let http = call.request(&access_key(), NOW).expect("a request");
        header(&http, "x-amz-date").expect("a date").to_owned()
    };
    let mut call = Call::new(&config, &request).expect("a call");
    assert_eq!(signed_at(&mut call), "20231114T221320Z");
    let turn = call.answer(skewed("Tue, 14 Nov 2023 23:13:20 GMT"), NOW);
    assert!(matches!(turn, Ok(Turn::Send)));
    assert_eq!(signed_at(&mut call), "20231114T231320Z");
    // Once: then the signature itself is wrong.
    let turn = call.answer(skewed("Tue, 14 Nov 2023 20:13:20 GMT"), NOW);
    assert_eq!(turn.expect_err("refused").code(), ErrorCode::KmsDenied);

    // The next call knows, and so does a copy of the configuration.
    let copy = config.clone();
    let mut call = Call::new(&copy, &request).expect("a call");
    assert_eq!(signed_at(&mut call), "20231114T231320Z");
    // A clock that is ahead is set back.
    let turn = call.answer(skewed("Tue, 14 Nov 2023 21:13:20 GMT"), NOW);
    assert!(matches!(turn, Ok(Turn::Send)));
    assert_eq!(signed_at(&mut call), "20231114T211320Z");

    // No date, our own date, another error, a bearer token: it is not the clock.
    let config = self::config();
    for response in [
        exception("InvalidSignatureException"),
        skewed(DATE),
        skewed("yesterday"),
        with(exception("AccessDeniedException"), "date", "Tue, 14 Nov 2023 23:13:20 GMT"),
    ] {
        let mut call = Call::new(&config, &request).expect("a call");
        assert_eq!(signed_at(&mut call), "20231114T221320Z");
        assert_eq!(call.answer(response, NOW).expect_err("refused").code(), ErrorCode::KmsDenied);
    }
    let mut call = Call::new(&config, &request).expect("a call");
    let http = call.request(&bearer("token"), NOW).expect("a request");
    assert_eq!(header(&http, "authorization"), Some("Bearer token"));
    assert_eq!(header(&http, "x-amz-date"), None);
    let turn = call.answer(skewed("Tue, 14 Nov 2023 23:13:20 GMT"), NOW);
    assert_eq!(turn.expect_err("refused").code(), ErrorCode::KmsDenied);
}

#[test]
fn ended_credentials_are_renewed_once() {
    let config = config();
    let request = resolve();
    let mut call = Call::new(&config, &request).expect("a call");
    call.request(&bearer("old"), NOW).expect("a request");
    let Ok(Turn::Renew(error)) = call.answer(exception("ExpiredTokenException"), NOW) else {
        panic!("it does not ask for others")
    };
    assert_eq!(error.code(), ErrorCode::KmsDenied);
    call.request(&bearer("new"), NOW).expect("a request");
    let turn = call.answer(exception("ExpiredTokenException"), NOW);
    assert_eq!(turn.expect_err("refused").code(), ErrorCode::KmsDenied);
}
