//! Google's Cloud KMS and Secret Manager.

use std::error::Error as _;
use std::time::Duration;

use base64ct::{Base64, Encoding};
use keyfold::kms::admin::{AdminRequest, AdminResponse, KeyKind, KeyState, KeyUse};
use keyfold::kms::cloud::{Capability, CloudConfig, Place, Places, Service, Support, config};
use keyfold::kms::google::{CAPABILITIES, GoogleConfig};
use keyfold::kms::{Request, Response, ServiceError, SignInput};
use keyfold::sign::{KeySpec, MessageHasher, SignatureAlgorithm, SigningKey};
use keyfold::transport::{HttpRequest, HttpResponse};
use keyfold::{EncryptionContext, ErrorCode, ProviderParams, Retry, SystemRng};

use crate::aws_support::bearer;
use crate::support::*;

const KEY: &str = "google://projects/p/locations/l/keyRings/r/cryptoKeys/k";
const VERSION: &str = "google://projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1";
const NAME: &str = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
const KMS: &str = "https://cloudkms.googleapis.com/v1";
const SAFE: &str = "https://secretmanager.googleapis.com/v1/projects/p/secrets";

fn google() -> GoogleConfig {
    let config = GoogleConfig::new().with_project("p").expect("a project");
    config.with_key_ring("l", "r").expect("a key ring")
}

fn cloud(answers: impl IntoIterator<Item = HttpResponse>) -> Cloud {
    Cloud::by(google(), bearer("ya29.token"), answers)
}

fn reply(body: &str) -> HttpResponse {
    answer(200, body)
}

fn error(status: u16, name: &str, message: &str) -> HttpResponse {
    let body =
        format!(r#"{{"error":{{"code":{status},"message":"{message}","status":"{name}"}}}}"#);
    answer(status, &body)
}

fn sum(bytes: &[u8]) -> u32 {
    crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(bytes)
}

/// `"NAME":"BASE64","NAMECrc32c":"SUM"`.
fn field(name: &str, bytes: &[u8]) -> String {
    format!(r#""{name}":"{}","{name}Crc32c":"{}""#, Base64::encode_string(bytes), sum(bytes))
}

fn encrypted(name: &str, ciphertext: &[u8]) -> HttpResponse {
    let ciphertext = field("ciphertext", ciphertext);
    reply(&format!(
        r#"{{"name":"{name}/cryptoKeyVersions/3",{ciphertext},"verifiedPlaintextCrc32c":true,"verifiedAdditionalAuthenticatedDataCrc32c":true,"protectionLevel":"SOFTWARE"}}"#
    ))
}

fn decrypted(plaintext: &[u8]) -> HttpResponse {
    reply(&format!(r#"{{{},"usedPrimary":true}}"#, field("plaintext", plaintext)))
}

/// Method, URL and body of what was sent, in one line each.
fn sent(cloud: &Cloud) -> Vec<String> {
    let line = |request: &HttpRequest| {
        assert_eq!(header(request, "authorization"), Some("Bearer ya29.token"));
        assert!(!request.url.contains("ya29"));
        let json = header(request, "content-type") == Some("application/json");
        assert_eq!(json, !request.body.is_empty());
        format!("{} {} {}", request.method, request.url, text(&request.body))
    };
    cloud.sent().iter().map(line).collect()
}

fn aad() -> String {
    field("additionalAuthenticatedData", &context().to_canonical().expect("a context"))
}

#[test]
fn data_keys_are_made_here_and_wrapped_there() {
    // The generator of the tests gives 0, 1, 2…
    let made: Vec<u8> = (0..32).collect();
    let asked = cloud([encrypted(NAME, &[1, 2, 3])]);
    let request = Request::GenerateDataKey { key: uri(KEY), context: context() };
    let Ok(Response::DataKey { data_key, wrapped: record }) = asked.call(&request) else {
        panic!("a data key")
    };
    assert_eq!(data_key.0.expose()[..], made);
    assert_eq!(record, wrapped(KEY, ProviderParams::new(), "AQID"));
    let body = format!("{{{},{}}}", field("plaintext", &made), aad());
    assert_eq!(sent(&asked), [format!("POST {KMS}/{NAME}:encrypt {body}")]);

    let asked = cloud([encrypted(NAME, &[1, 2, 3])]);
    let (key, context_of) = (uri(KEY), EncryptionContext::new());
    let request = Request::Wrap { key, data_key: secret(&[0; 32]), context: context_of.clone() };
    let Ok(Response::Wrapped(again)) = asked.call(&request) else { panic!("a wrapped key") };
    assert_eq!(again, record);
    let body = format!("{{{}}}", field("plaintext", &[0; 32]));
    assert_eq!(sent(&asked), [format!("POST {KMS}/{NAME}:encrypt {body}")]);

    // A version wraps, and the key decrypts.
    let asked = cloud([encrypted(NAME, &[1, 2, 3])]);
    let versioned = VERSION.replace("/1", "/3");
    let request =
        Request::Wrap { key: uri(&versioned), data_key: secret(&[0; 32]), context: context_of };
    let Ok(Response::Wrapped(record)) = asked.call(&request) else { panic!("a wrapped key") };
    assert_eq!(record.key.as_str(), versioned);
    assert!(
        sent(&asked)[0].starts_with(&format!("POST {KMS}/{NAME}/cryptoKeyVersions/3:encrypt "))
    );
    let asked = cloud([decrypted(&[7; 32])]);
    let request = Request::Unwrap { wrapped: record, context: context(), key: None };
    let Ok(Response::Unwrapped(data_key)) = asked.call(&request) else { panic!("a data key") };
    assert_eq!(data_key.0.expose(), &[7; 32]);
    let body = format!("{{{},{}}}", field("ciphertext", &[1, 2, 3]), aad());
    assert_eq!(sent(&asked), [format!("POST {KMS}/{NAME}:decrypt {body}")]);
}

#[test]
fn a_data_key_moves_to_another_key_by_way_of_the_client() {
    let other = "google://projects/p/locations/l/keyRings/r/cryptoKeys/other";
    let request = |to: &str| Request::Rewrap {
        wrapped: wrapped(KEY, ProviderParams::new(), "AQID"),
        context: context(),
        key: None,
        to: uri(to),
    };
    let asked = cloud([
        decrypted(&[7; 32]),
        encrypted("projects/123/locations/l/keyRings/r/cryptoKeys/other", &[4]),
    ]);
    let Ok(Response::Wrapped(moved)) = asked.call(&request(other)) else { panic!("a wrapped key") };
    assert_eq!(moved, wrapped(other, ProviderParams::new(), "BA=="));
    let lines = sent(&asked);
    assert!(lines[0].starts_with(&format!("POST {KMS}/{NAME}:decrypt ")));
    assert!(lines[1].contains(&field("plaintext", &[7; 32])) && lines[1].contains(&aad()));
    // Nothing is asked of the old key where the new one cannot be right.
    let asked = cloud([]);
    let error = asked.call(&request("google://projects/nonsense")).expect_err("refused");
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
}

#[test]
fn what_was_damaged_on_the_way_is_found() {
    let generate = Request::GenerateDataKey { key: uri(KEY), context: context() };
    let unwrap = Request::Unwrap {
        wrapped: wrapped(KEY, ProviderParams::new(), "AQID"),
        context: context(),
        key: None,
    };
    let good = text(&encrypted(NAME, &[1, 2, 3]).body).to_owned();
    let right = sum(&[1, 2, 3]).to_string();
    for damaged in [
        // The service did not get what was sent; it leaves out what is false.
        good.replace(r#""verifiedPlaintextCrc32c":true,"#, ""),
        good.replace("DataCrc32c\":true", "DataCrc32c\":false"),
        // What it sent did not arrive.
        good.replace(&right, "123"),
        good.replace("AQID", "AQIE"),
    ] {
        assert_ne!(damaged, good);
        let failed = cloud([reply(&damaged)]).call(&generate).expect_err("damaged");
        assert_eq!(
            (failed.code(), failed.retry()),
            (ErrorCode::KmsUnavailable, Retry::Later(None))
        );
    }
    let plain = text(&decrypted(&[7; 32]).body).replacen("Bwc", "Bwd", 1);
    let failed = cloud([reply(&plain)]).call(&unwrap).expect_err("damaged");
    assert_eq!(failed.code(), ErrorCode::KmsUnavailable);
    // No checksum at all is no answer of this service.
    for reply_without in
        [good.replace("ciphertextCrc32c", "other"), format!(r#"{{"name":"{NAME}"}}"#)]
    {
        let failed = cloud([reply(&reply_without)]).call(&generate).expect_err("refused");
        assert_eq!(failed.code(), ErrorCode::KmsProtocol);
    }
    // The service found it: the same may arrive whole.
    let found = error(400, "INVALID_ARGUMENT", "The checksum in field ciphertext_crc32c differs");
    let failed = cloud([found]).call(&unwrap).expect_err("damaged");
    assert_eq!(failed.code(), ErrorCode::KmsUnavailable);
}

#[test]
fn small_data_carries_the_name_of_its_key() {
    let asked = cloud([encrypted(NAME, &[1, 2, 3]), decrypted(b"hi"), decrypted(b"hi")]);
    let request = Request::Encrypt { key: uri(KEY), plaintext: secret(b"hi"), context: context() };
    let Ok(Response::Ciphertext { ciphertext, key }) = asked.call(&request) else {
        panic!("a ciphertext")
    };
    assert_eq!(key.as_str(), KEY);
    assert!(ciphertext.starts_with(b"KFP\x01") && ciphertext.ends_with(b"AQID"));
    // With a record of keyfold's, and with a ciphertext of the vendor's own tools.
    for (key, ciphertext) in [(None, ciphertext), (Some(uri(KEY)), b"AQID".to_vec())] {
        let request = Request::Decrypt { key, ciphertext, context: context() };
        let Ok(Response::Plaintext { plaintext, key }) = asked.call(&request) else {
            panic!("a plaintext")
        };
        assert_eq!((plaintext.expose(), key.as_str()), (&b"hi"[..], KEY));
    }
    let line =
        format!("POST {KMS}/{NAME}:decrypt {{{},{}}}", field("ciphertext", &[1, 2, 3]), aad());
    assert_eq!(sent(&asked)[1..], [line.clone(), line]);
    // Which key that is must be known.
    let request = Request::Decrypt { key: None, ciphertext: b"AQID".to_vec(), context: context() };
    let asked = cloud([]);
    assert_eq!(asked.call(&request).expect_err("refused").code(), ErrorCode::InvalidArgument);
    for text in ["", "a b", "AQI", "not base64!"] {
        let record = wrapped(KEY, ProviderParams::new(), text);
        let request = Request::Unwrap { wrapped: record, context: context(), key: None };
        let error = cloud([]).call(&request).expect_err("refused");
        assert_eq!(error.code(), ErrorCode::AuthenticationFailed, "{text:?}");
    }
    // Something else was encrypted under this key: no data key.
    let record = wrapped(KEY, ProviderParams::new(), "AQID");
    let request = Request::Unwrap { wrapped: record, context: context(), key: None };
    let error = cloud([decrypted(b"hi")]).call(&request).expect_err("no data key");
    assert_eq!(error.code(), ErrorCode::AuthenticationFailed);
}

#[test]
fn versions_sign_as_they_were_made_to() {
    let version = |algorithm: &str| {
        reply(&format!(
            r#"{{"name":"{NAME}/cryptoKeyVersions/1","state":"ENABLED","algorithm":"{algorithm}"}}"#
        ))
    };
    let signed = |verified: &str, signature: &[u8]| {
        let signature = field("signature", signature);
        reply(&format!(r#"{{"name":"{NAME}/cryptoKeyVersions/1",{signature},"{verified}":true}}"#))
    };
    let path = format!("{KMS}/{NAME}/cryptoKeyVersions/1");
    let algorithm = SignatureAlgorithm::EcdsaSha256;
    let sign = |algorithm, input| Request::Sign { key: uri(VERSION), algorithm, input };
    let digest = {
        let mut hasher = MessageHasher::new(algorithm).expect("a hash");
        hasher.update(b"hi");
        hasher.finish()
    };
    let der = [0x30, 6, 2, 1, 1, 2, 1, 2];
    let signed_digest = || signed("verifiedDigestCrc32c", &der);
    let asked = cloud([version("EC_SIGN_P256_SHA256"), signed_digest(), signed_digest()]);
    // Digests go, whatever was given; the algorithm of the version is asked for once.
    for input in [SignInput::Message(b"hi".to_vec()), SignInput::Digest(digest.clone())] {
        let Ok(Response::Signature(signature)) = asked.call(&sign(algorithm, input)) else {
            panic!("a signature")
        };
        assert_eq!(signature, der);
    }
    let body = format!(
        r#"{{"digest":{{"sha256":"{}"}},"digestCrc32c":"{}"}}"#,
        Base64::encode_string(&digest),
        sum(&digest)
    );
    let line = format!("POST {path}:asymmetricSign {body}");
    assert_eq!(sent(&asked), [format!("GET {path} "), line.clone(), line]);

    // Ed25519 signs messages themselves.
    let asked = cloud([version("EC_SIGN_ED25519"), signed("verifiedDataCrc32c", &[9; 64])]);
    let request = sign(SignatureAlgorithm::Ed25519, SignInput::Message(b"hi".to_vec()));
    assert!(matches!(asked.call(&request), Ok(Response::Signature(s)) if s == [9; 64]));
    assert_eq!(sent(&asked)[1], format!("POST {path}:asymmetricSign {{{}}}", field("data", b"hi")));

    // Longer digests have other names; what did not arrive is found here too.
    let asked = cloud([version("RSA_SIGN_PSS_4096_SHA512"), signed("verifiedDataCrc32c", &[1])]);
    let request = sign(SignatureAlgorithm::RsaPssSha512, SignInput::Digest(vec![0; 64]));
    assert_eq!(asked.call(&request).expect_err("damaged").code(), ErrorCode::KmsUnavailable);
    assert!(sent(&asked)[1].contains(r#"{"digest":{"sha512":""#));

    // A version that pads, hashes or curves otherwise signs nothing.
    for (theirs, ours, len) in [
        ("RSA_SIGN_PKCS1_2048_SHA256", SignatureAlgorithm::RsaPssSha256, 32),
        ("RSA_SIGN_PSS_2048_SHA256", SignatureAlgorithm::RsaPkcs1Sha256, 32),
        ("RSA_SIGN_PSS_4096_SHA512", SignatureAlgorithm::RsaPssSha256, 32),
        ("EC_SIGN_P384_SHA384", SignatureAlgorithm::EcdsaSha256, 32),
        ("GOOGLE_SYMMETRIC_ENCRYPTION", SignatureAlgorithm::EcdsaSha256, 32),
    ] {
        let asked = cloud([version(theirs)]);
        let error = asked.call(&sign(ours, SignInput::Digest(vec![0; len]))).expect_err("refused");
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{theirs}");
    }
    for (key, algorithm, input) in [
        (KEY, SignatureAlgorithm::EcdsaSha256, SignInput::Digest(vec![0; 32])),
        (VERSION, SignatureAlgorithm::EcdsaSha256, SignInput::Digest(vec![0; 31])),
        (VERSION, SignatureAlgorithm::Ed25519, SignInput::Digest(vec![0; 64])),
    ] {
        let error = cloud([]).call(&Request::Sign { key: uri(key), algorithm, input });
        assert_eq!(error.expect_err("refused").code(), ErrorCode::InvalidArgument);
    }
}

#[test]
fn signatures_are_verified_here() {
    let key = SigningKey::generate(KeySpec::EccNistP256, &SystemRng).expect("a key");
    let public = |algorithm: &str, pem: &str| {
        let escaped = pem.replace('\n', "\\n");
        reply(&format!(
            r#"{{"name":"{NAME}/cryptoKeyVersions/1","pem":"{escaped}","pemCrc32c":"{}","algorithm":"{algorithm}"}}"#,
            sum(pem.as_bytes())
        ))
    };
    let pem = key.public_key().to_spki_pem();
    let good = || public("EC_SIGN_P256_SHA256", &pem);
    let algorithm = SignatureAlgorithm::EcdsaSha256;
    let signature = key.sign(algorithm, b"hi").expect("a signature");
    let verify = |message: &[u8]| Request::Verify {
        key: uri(VERSION),
        algorithm,
        input: SignInput::Message(message.to_vec()),
        signature: signature.clone(),
    };
    let asked = cloud([good(), good()]);
    assert!(matches!(asked.call(&verify(b"hi")), Ok(Response::Verified)));
    assert_eq!(sent(&asked), [format!("GET {KMS}/{NAME}/cryptoKeyVersions/1/publicKey ")]);
    // Asked for each time: a version that somebody has disabled verifies nothing any more.
    let error = asked.call(&verify(b"ho")).expect_err("wrong");
    assert_eq!(error.code(), ErrorCode::SignatureInvalid);
    let error = cloud([public("RSA_SIGN_PSS_2048_SHA256", &pem)]).call(&verify(b"hi"));
    assert_eq!(error.expect_err("refused").code(), ErrorCode::InvalidArgument);

    let request = Request::GetPublicKey { key: uri(VERSION) };
    let Ok(Response::PublicKey { spki, key: named }) = cloud([good()]).call(&request) else {
        panic!("a public key")
    };
    assert_eq!((spki, named.as_str()), (key.public_key().to_spki_der(), VERSION));
    for (answer, code) in [
        (public("EC_SIGN_P256_SHA256", "no PEM"), ErrorCode::KmsProtocol),
        (public("EC_SIGN_P256_SHA256", &pem.replace("PUBLIC", "PRIVATE")), ErrorCode::KmsProtocol),
        (reply(&text(&good().body).replace("MF", "MG")), ErrorCode::KmsUnavailable),
    ] {
        assert_eq!(cloud([answer]).call(&request).expect_err("refused").code(), code);
    }
    assert!(cloud([]).call(&Request::GetPublicKey { key: uri(KEY) }).is_err());
}

#[test]
fn keys_are_asked_for_by_their_whole_names() {
    let described = || reply(&format!(r#"{{"name":"{NAME}","purpose":"ENCRYPT_DECRYPT"}}"#));
    let asked = cloud([described()]);
    let resolved = asked.call(&Request::ResolveKey { key: uri(KEY) });
    assert!(matches!(resolved, Ok(Response::Key(key)) if key.as_str() == KEY));
    assert_eq!(sent(&asked), [format!("GET {KMS}/{NAME} ")]);
    let other = reply(&format!(r#"{{"name":"{NAME}2"}}"#));
    let error = cloud([other]).call(&Request::ResolveKey { key: uri(KEY) }).expect_err("another");
    assert_eq!(error.code(), ErrorCode::KmsProtocol);
    for key in [
        "google://projects/p",
        "google://projects/p/locations/l/keyRings/r/cryptoKeys/k:destroy",
        "google://office/p/locations/l/keyRings/r/cryptoKeys/k",
        "tencent://projects/p/locations/l/keyRings/r/cryptoKeys/k",
    ] {
        let error = cloud([]).call(&Request::GetPublicKey { key: uri(key) }).expect_err("refused");
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{key}");
    }
    // Only tokens are borne.
    let error = Cloud::new(google(), []).call(&Request::ResolveKey { key: uri(KEY) });
    assert_eq!(error.expect_err("refused").code(), ErrorCode::InvalidArgument);
}

fn version(number: u32) -> String {
    format!(r#"{{"name":"projects/123/secrets/db-password/versions/{number}","state":"ENABLED"}}"#)
}

#[test]
fn secrets_are_stored_in_versions() {
    let put = |value: &[u8], key: Option<&str>| Request::PutSecret {
        name: "db-password".into(),
        value: secret(value),
        key: key.map(uri),
        token: TOKEN.into(),
    };
    let add = |value: &[u8]| {
        format!("POST {SAFE}/db-password:addVersion {{\"payload\":{{{}}}}}", field("data", value))
    };
    let asked = cloud([reply(&version(4))]);
    let stored = asked.call(&put(&[0xff], None)).expect("stored");
    assert!(matches!(stored, Response::SecretVersion { version } if version == "4"));
    assert_eq!(sent(&asked), [add(&[0xff])]);

    // A new one; somebody else may have been faster.
    let none = || error(404, "NOT_FOUND", "Secret not found");
    let made = reply(r#"{"name":"projects/123/secrets/db-password"}"#);
    for made in [made, error(409, "ALREADY_EXISTS", "it is there")] {
        let asked = cloud([none(), made, reply(&version(1))]);
        assert!(asked.call(&put(b"hunter2", Some(KEY))).is_ok());
        let create = format!(
            r#"POST {SAFE}?secretId=db-password {{"replication":{{"automatic":{{"customerManagedEncryption":{{"kmsKeyName":"{NAME}"}}}}}}}}"#
        );
        assert_eq!(sent(&asked), [add(b"hunter2"), create, add(b"hunter2")]);
    }
    let asked = cloud([none(), error(403, "PERMISSION_DENIED", "no")]);
    let failed = asked.call(&put(b"hunter2", None)).expect_err("denied");
    assert_eq!(failed.code(), ErrorCode::KmsDenied);
    assert!(sent(&asked)[1].ends_with(r#"{"replication":{"automatic":{}}}"#));

    for name in ["", "db/password", "a b", &"x".repeat(256)] {
        let (name, token) = (name.to_owned(), TOKEN.to_owned());
        let request = Request::PutSecret { name, value: secret(b"v"), key: None, token };
        let error = cloud([]).call(&request).expect_err("refused");
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
    }
    let error = cloud([]).call(&put(&vec![0; 64 * 1024 + 1], None)).expect_err("too long");
    assert_eq!(error.code(), ErrorCode::LimitExceeded);
    // Secrets are of a project.
    let nowhere = Cloud::by(GoogleConfig::new(), bearer("t"), []);
    let error = nowhere.call(&put(b"v", None)).expect_err("no project");
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
}

#[test]
fn secrets_are_read_by_version_and_by_stage() {
    let value = |number: u32| {
        reply(&format!(
            r#"{{"name":"projects/123/secrets/db-password/versions/{number}","payload":{{{}}}}}"#,
            field("data", b"hunter2")
        ))
    };
    let get = |version: Option<&str>, stage: Option<&str>| Request::GetSecret {
        name: "db-password".into(),
        version: version.map(str::to_owned),
        stage: stage.map(str::to_owned),
    };
    let list = || reply(&format!(r#"{{"versions":[{},{}]}}"#, version(7), version(5)));
    let paged = format!("GET {SAFE}/db-password/versions?pageSize=2 ");
    let access = |version: &str| format!("GET {SAFE}/db-password/versions/{version}:access ");
    for (request, answers, lines) in [
        (get(None, None), vec![value(7)], vec![access("latest")]),
        (get(None, Some("AWSCURRENT")), vec![value(7)], vec![access("latest")]),
        (get(Some("3"), None), vec![value(3)], vec![access("3")]),
        (get(None, Some("AWSPREVIOUS")), vec![list(), value(5)], vec![paged.clone(), access("5")]),
        (
            get(Some("7"), Some("AWSCURRENT")),
            vec![list(), value(7)],
            vec![paged.clone(), access("7")],
        ),
    ] {
        let asked = cloud(answers);
        let Ok(Response::Secret { value, .. }) = asked.call(&request) else { panic!("a secret") };
        assert_eq!(value.expose(), b"hunter2");
        assert_eq!(sent(&asked), lines);
    }
    for (request, answers, code) in [
        (get(Some("5"), Some("AWSCURRENT")), vec![list()], ErrorCode::SecretNotFound),
        (get(None, Some("AWSPREVIOUS")), vec![reply("{}")], ErrorCode::SecretNotFound),
        (get(None, Some("AWSPENDING")), vec![], ErrorCode::SecretNotFound),
        (get(Some("../1"), None), vec![], ErrorCode::InvalidArgument),
        (get(Some("3"), None), vec![value(4)], ErrorCode::KmsProtocol),
        (
            get(None, None),
            vec![reply(&text(&value(1).body).replace("db-password", "other"))],
            ErrorCode::KmsProtocol,
        ),
        (
            get(None, None),
            vec![reply(&text(&value(1).body).replace("Crc32c\":\"", "Crc32c\":\"1"))],
            ErrorCode::KmsUnavailable,
        ),
        (get(None, None), vec![error(404, "NOT_FOUND", "none")], ErrorCode::SecretNotFound),
        (
            get(None, None),
            vec![error(400, "FAILED_PRECONDITION", "Secret Version is in DESTROYED state.")],
            ErrorCode::SecretNotFound,
        ),
        (
            get(None, None),
            vec![error(400, "FAILED_PRECONDITION", "Secret Version is in DISABLED state.")],
            ErrorCode::KmsKeyUnavailable,
        ),
    ] {
        assert_eq!(cloud(answers).call(&request).expect_err("refused").code(), code);
    }
}

#[test]
fn errors_become_codes() {
    let request = Request::Unwrap {
        wrapped: wrapped(KEY, ProviderParams::new(), "AQID"),
        context: context(),
        key: None,
    };
    for (status, name, message, expected) in [
        (404, "NOT_FOUND", "none", ErrorCode::KmsKeyUnavailable),
        (
            400,
            "FAILED_PRECONDITION",
            "is not enabled, current state is: DISABLED",
            ErrorCode::KmsKeyUnavailable,
        ),
        (
            400,
            "FAILED_PRECONDITION",
            "current state is: DESTROY_SCHEDULED",
            ErrorCode::KmsKeyUnavailable,
        ),
        (
            400,
            "FAILED_PRECONDITION",
            "The API has not been used in project 1",
            ErrorCode::KmsDenied,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "Decryption failed: the ciphertext is invalid.",
            ErrorCode::AuthenticationFailed,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "Decryption failed: verify that 'name' refers to the correct CryptoKey.",
            ErrorCode::AuthenticationFailed,
        ),
        (400, "INVALID_ARGUMENT", "the resource name is wrong", ErrorCode::InvalidArgument),
        (403, "PERMISSION_DENIED", "no", ErrorCode::KmsDenied),
        (401, "UNAUTHENTICATED", "no", ErrorCode::KmsDenied),
        (429, "RESOURCE_EXHAUSTED", "later", ErrorCode::KmsThrottled),
        (409, "ALREADY_EXISTS", "there", ErrorCode::VersionConflict),
        (409, "ABORTED", "again", ErrorCode::VersionConflict),
        (501, "UNIMPLEMENTED", "no", ErrorCode::KmsKeyUnavailable),
        (503, "UNAVAILABLE", "later", ErrorCode::KmsUnavailable),
        (500, "INTERNAL", "later", ErrorCode::KmsUnavailable),
        (504, "DEADLINE_EXCEEDED", "later", ErrorCode::KmsUnavailable),
        (418, "NOBODY_KNOWS_THIS", "no", ErrorCode::KmsProtocol),
    ] {
        let failed = cloud([error(status, name, message)]).call(&request).expect_err("an error");
        assert_eq!(failed.code(), expected, "{name}: {message}");
        if expected == ErrorCode::AuthenticationFailed {
            // Opaque: no name, no source.
            assert!(failed.source().is_none() && !failed.to_string().contains(name));
            continue;
        }
        assert!(!failed.to_string().contains(message), "{failed}");
        let source = failed.source().and_then(|source| source.downcast_ref::<ServiceError>());
        let source = source.expect("the service's error");
        assert_eq!((source.provider(), source.name()), ("google", Some(name)));
        assert_eq!((source.message(), source.status()), (Some(message), status));
    }
    // What a caller sent to be encrypted says nothing of a key.
    let encrypt = Request::GenerateDataKey { key: uri(KEY), context: context() };
    let failed = error(400, "INVALID_ARGUMENT", "Decryption failed");
    assert_eq!(cloud([failed]).call(&encrypt).expect_err("no").code(), ErrorCode::InvalidArgument);
    let throttled = with(error(429, "RESOURCE_EXHAUSTED", "x"), "retry-after", "3");
    let throttled = cloud([throttled]).call(&request).expect_err("an error");
    assert_eq!(throttled.retry(), Retry::Later(Some(Duration::from_secs(3))));
    for (status, code) in [
        (500, ErrorCode::KmsUnavailable),
        (429, ErrorCode::KmsThrottled),
        (404, ErrorCode::KmsProtocol),
        (301, ErrorCode::KmsProtocol),
    ] {
        let proxy = answer(status, "<html>a proxy</html>");
        assert_eq!(cloud([proxy]).call(&request).expect_err("an error").code(), code);
    }
}

#[test]
fn what_is_no_answer_is_refused() {
    for key in [KEY, VERSION] {
        garbage_is_refused_by(|| google().into(), || bearer("t"), key);
    }
    let request = Request::GenerateDataKey { key: uri(KEY), context: context() };
    let good = text(&encrypted(NAME, &[1, 2, 3]).body).to_owned();
    assert!(cloud([reply(&good)]).call(&request).is_ok());
    let long = encrypted(NAME, &[0; 6144]);
    for hostile in [
        good.replace(r#"{"name""#, r#"{"name":"a","name""#),
        good.replace(NAME, "projects/p/locations/l/keyRings/r/cryptoKeys/other"),
        good.replace(NAME, "projects/p/../k"),
        good.replace("AQID", "not base64!"),
        good.replace(r#""AQID""#, r#"["AQID"]"#),
        good.replace(&format!(r#""{}""#, sum(&[1, 2, 3])), "true"),
        good.replace('{', r#"{"error":{},"#),
        text(&long.body).to_owned(),
    ] {
        assert_ne!(hostile, good);
        let error = cloud([reply(&hostile)]).call(&request).expect_err("refused");
        assert_eq!(error.code(), ErrorCode::KmsProtocol, "{hostile:.200}");
    }
}

#[test]
fn what_there_is_not_is_refused_here() {
    for request in every_admin_request(KEY) {
        let capability = Capability::of_admin(&request);
        if CAPABILITIES.support(capability) == Support::Absent {
            let error = cloud([]).administer(&request).expect_err("refused");
            assert!(is_unsupported(&error), "{error}");
        }
    }
    let nowhere = || Cloud::by(GoogleConfig::new(), bearer("t"), []);
    for request in [
        AdminRequest::ListKeys { page: None },
        AdminRequest::Random { len: 32 },
        AdminRequest::ListSecrets { page: None },
    ] {
        let error = nowhere().administer(&request).expect_err("no project");
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
    }
    let create = |kind, usage, alias: &str, description: Option<&str>| AdminRequest::CreateKey {
        kind,
        usage,
        alias: Some(alias.into()),
        description: description.map(str::to_owned),
    };
    let (symmetric, encrypt) = (KeyKind::Symmetric, KeyUse::EncryptDecrypt);
    for request in [
        create(KeyKind::Sm2, KeyUse::SignVerify, "k", None),
        create(symmetric, KeyUse::SignVerify, "k", None),
        create(symmetric, encrypt, "a/b", None),
        create(symmetric, encrypt, "k", Some("text")),
        AdminRequest::Random { len: 7 },
        AdminRequest::Random { len: 1025 },
        AdminRequest::RotateKey { key: uri(VERSION) },
        AdminRequest::SetRotation { key: uri(KEY), every_days: Some(0) },
        AdminRequest::DeleteSecret { name: "n".into(), days: 1 },
        AdminRequest::ScheduleKeyDeletion { key: uri(KEY), days: 121 },
    ] {
        let error = cloud([]).administer(&request).expect_err("refused");
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{request:?}");
    }
}

fn crypto_key(state: &str) -> String {
    format!(
        r#"{{"name":"{NAME}","primary":{{"name":"{NAME}/cryptoKeyVersions/3","state":"{state}","algorithm":"GOOGLE_SYMMETRIC_ENCRYPTION"}},"purpose":"ENCRYPT_DECRYPT","createTime":"2023-11-14T22:13:20.123456Z","nextRotationTime":"2024-03-01T00:00:00Z","rotationPeriod":"7776000s","versionTemplate":{{"protectionLevel":"SOFTWARE","algorithm":"GOOGLE_SYMMETRIC_ENCRYPTION"}},"destroyScheduledDuration":"2592000s"}}"#
    )
}

fn versions(list: &[(u32, &str)], next: &str) -> HttpResponse {
    let version = |(number, state): &(u32, &str)| {
        format!(r#"{{"name":"{NAME}/cryptoKeyVersions/{number}","state":"{state}"}}"#)
    };
    let list: Vec<String> = list.iter().map(version).collect();
    let list = list.join(",");
    reply(&format!(r#"{{"cryptoKeyVersions":[{list}],"nextPageToken":"{next}","totalSize":9}}"#))
}

#[test]
fn keys_are_made_and_described() {
    let create = AdminRequest::CreateKey {
        kind: KeyKind::EccNistP256,
        usage: KeyUse::SignVerify,
        alias: Some("k".into()),
        description: None,
    };
    let made = || {
        reply(&format!(
            r#"{{"name":"{NAME}","purpose":"ASYMMETRIC_SIGN","versionTemplate":{{"algorithm":"EC_SIGN_P256_SHA256"}}}}"#
        ))
    };
    let ring = format!("{KMS}/projects/p/locations/l/keyRings");
    let line = format!(
        r#"POST {ring}/r/cryptoKeys?cryptoKeyId=k {{"purpose":"ASYMMETRIC_SIGN","versionTemplate":{{"protectionLevel":"SOFTWARE","algorithm":"EC_SIGN_P256_SHA256"}}}}"#
    );
    let asked = cloud([made()]);
    let Ok(AdminResponse::Key(info)) = asked.administer(&create) else { panic!("a key") };
    assert_eq!((info.kind, info.usage), (Some(KeyKind::EccNistP256), Some(KeyUse::SignVerify)));
    assert_eq!((info.key.as_str(), info.state), (KEY, Some(KeyState::Enabled)));
    assert_eq!(sent(&asked), std::slice::from_ref(&line));
    // The key ring comes first.
    let asked = cloud([error(404, "NOT_FOUND", "no ring"), reply("{}"), made()]);
    assert!(asked.administer(&create).is_ok());
    let make_ring = format!("POST {ring}?keyRingId=r {{}}");
    assert_eq!(sent(&asked), [line.clone(), make_ring, line]);
    let asked = cloud([error(409, "ALREADY_EXISTS", "there")]);
    let failed = asked.administer(&create).expect_err("there is one");
    assert_eq!(failed.code(), ErrorCode::VersionConflict);

    let asked = cloud([reply(&crypto_key("DESTROY_SCHEDULED"))]);
    let describe = AdminRequest::DescribeKey { key: uri(KEY) };
    let Ok(AdminResponse::Key(info)) = asked.administer(&describe) else { panic!("a key") };
    assert_eq!(
        (info.kind, info.state),
        (Some(KeyKind::Symmetric), Some(KeyState::PendingDeletion))
    );
    assert_eq!(info.raw_state.as_deref(), Some("DESTROY_SCHEDULED"));
    assert_eq!((info.version.as_deref(), info.rotates), (Some("3"), Some(true)));
    assert_eq!(info.created, Some(Duration::from_secs(1_700_000_000)));
    let one = reply(&format!(
        r#"{{"name":"{NAME}/cryptoKeyVersions/1","state":"DISABLED","algorithm":"RSA_SIGN_PSS_4096_SHA512"}}"#
    ));
    let asked = cloud([one]);
    let describe = AdminRequest::DescribeKey { key: uri(VERSION) };
    let Ok(AdminResponse::Key(info)) = asked.administer(&describe) else { panic!("a version") };
    assert_eq!((info.key.as_str(), info.state), (VERSION, Some(KeyState::Disabled)));
    assert_eq!(info.kind, Some(KeyKind::Rsa4096));

    // Page after page.
    let page = |next: &str| {
        reply(&format!(r#"{{"cryptoKeys":[{}],"nextPageToken":"{next}"}}"#, crypto_key("ENABLED")))
    };
    let asked = cloud([page("a/b=="), page(""), reply("{}")]);
    let first = asked.administer(&AdminRequest::ListKeys { page: None }).expect("a page");
    let AdminResponse::Keys { keys, next } = first else { panic!("keys") };
    assert_eq!((keys.len(), next.as_deref()), (1, Some("a/b==")));
    let second = asked.administer(&AdminRequest::ListKeys { page: next }).expect("a page");
    assert!(matches!(second, AdminResponse::Keys { keys, next: None } if keys.len() == 1));
    let none = asked.administer(&AdminRequest::ListKeys { page: None }).expect("a page");
    assert!(matches!(none, AdminResponse::Keys { keys, next: None } if keys.is_empty()));
    let lines = sent(&asked);
    assert_eq!(lines[0], format!("GET {ring}/r/cryptoKeys?pageSize=100 "));
    assert_eq!(lines[1], format!("GET {ring}/r/cryptoKeys?pageSize=100&pageToken=a%2Fb%3D%3D "));
}

#[test]
fn every_version_has_its_switch() {
    let path = format!("{KMS}/{NAME}/cryptoKeyVersions");
    let listed = format!("GET {path}?pageSize=100 ");
    let nothing = || reply("{}");
    let patch = |number: u32, state: &str| {
        format!(r#"PATCH {path}/{number}?updateMask=state {{"state":"{state}"}}"#)
    };
    // All that are in the other state, on all pages; nothing else.
    let asked = cloud([
        versions(&[(1, "ENABLED"), (2, "DISABLED")], "next"),
        versions(&[(3, "DESTROYED"), (4, "ENABLED")], ""),
        nothing(),
        nothing(),
    ]);
    let disable = AdminRequest::DisableKey { key: uri(KEY) };
    assert_eq!(asked.administer(&disable), Ok(AdminResponse::Done));
    let second = format!("GET {path}?pageSize=100&pageToken=next ");
    assert_eq!(sent(&asked), [listed.clone(), second, patch(1, "DISABLED"), patch(4, "DISABLED")]);
    // One version by its name.
    let asked = cloud([nothing()]);
    let enable = AdminRequest::EnableKey { key: uri(VERSION) };
    assert_eq!(asked.administer(&enable), Ok(AdminResponse::Done));
    assert_eq!(sent(&asked), [patch(1, "ENABLED")]);

    // A waiting period was chosen with the key.
    let key = || reply(&crypto_key("ENABLED"));
    let scheduled = |at: &str| {
        reply(&format!(r#"{{"name":"x","state":"DESTROY_SCHEDULED","destroyTime":"{at}"}}"#))
    };
    let list = || versions(&[(1, "DISABLED"), (2, "ENABLED")], "");
    let asked = cloud([
        key(),
        list(),
        list(),
        scheduled("2024-03-01T00:00:00Z"),
        scheduled("2024-02-01T00:00:00Z"),
    ]);
    let delete = |days| AdminRequest::ScheduleKeyDeletion { key: uri(KEY), days };
    let at = Some(Duration::from_secs(1_709_251_200));
    assert_eq!(asked.administer(&delete(30)), Ok(AdminResponse::Deletion { at }));
    assert_eq!(
        sent(&asked)[3..],
        [format!("POST {path}/2:destroy {{}}"), format!("POST {path}/1:destroy {{}}")]
    );
    let asked = cloud([key()]);
    let failed = asked.administer(&delete(7)).expect_err("another period");
    assert_eq!(failed.code(), ErrorCode::InvalidArgument);
    assert!(failed.to_string().contains("30 days"), "{failed}");
    let asked = cloud([versions(&[(1, "DESTROY_SCHEDULED"), (2, "DESTROYED")], ""), nothing()]);
    let cancel = AdminRequest::CancelKeyDeletion { key: uri(KEY) };
    assert_eq!(asked.administer(&cancel), Ok(AdminResponse::Done));
    assert_eq!(sent(&asked)[1], format!("POST {path}/1:restore {{}}"));
}

#[test]
fn keys_rotate() {
    let path = format!("{KMS}/{NAME}");
    let nothing = || reply("{}");
    let asked = cloud([reply(&crypto_key("ENABLED")), reply(&format!(r#"{{"name":"{NAME}"}}"#))]);
    let get = AdminRequest::GetRotation { key: uri(KEY) };
    let next = Some(Duration::from_secs(1_709_251_200));
    let rotation = AdminResponse::Rotation { on: true, every_days: Some(90), next };
    assert_eq!(asked.administer(&get), Ok(rotation));
    let rotation = AdminResponse::Rotation { on: false, every_days: None, next: None };
    assert_eq!(asked.administer(&get), Ok(rotation));

    let mask = "updateMask=rotationPeriod%2CnextRotationTime";
    for (every_days, body) in [
        (Some(90), r#"{"rotationPeriod":"7776000s","nextRotationTime":"2024-02-12T22:13:20Z"}"#),
        (None, "{}"),
    ] {
        let asked = cloud([nothing()]);
        let set = AdminRequest::SetRotation { key: uri(KEY), every_days };
        assert_eq!(asked.administer(&set), Ok(AdminResponse::Done));
        assert_eq!(sent(&asked), [format!("PATCH {path}?{mask} {body}")]);
    }

    // A new version encrypts from now on; one that signs is asked for by its number.
    let made = |algorithm: &str| {
        reply(&format!(
            r#"{{"name":"{NAME}/cryptoKeyVersions/8","state":"ENABLED","algorithm":"{algorithm}"}}"#
        ))
    };
    let rotate = AdminRequest::RotateKey { key: uri(KEY) };
    let asked = cloud([made("GOOGLE_SYMMETRIC_ENCRYPTION"), nothing()]);
    assert_eq!(asked.administer(&rotate), Ok(AdminResponse::Done));
    let create = format!("POST {path}/cryptoKeyVersions {{}}");
    let update = format!(r#"POST {path}:updatePrimaryVersion {{"cryptoKeyVersionId":"8"}}"#);
    assert_eq!(sent(&asked), [create.clone(), update]);
    let asked = cloud([made("EC_SIGN_ED25519")]);
    assert_eq!(asked.administer(&rotate), Ok(AdminResponse::Done));
    assert_eq!(sent(&asked), [create]);

    let random: Vec<u8> = (0..32).collect();
    let asked = cloud([reply(&format!("{{{}}}", field("data", &random)))]);
    let given = asked.administer(&AdminRequest::Random { len: 32 });
    assert_eq!(given, Ok(AdminResponse::Random(secret(&random))));
    let line = format!(
        r#"POST {KMS}/projects/p/locations/l:generateRandomBytes {{"lengthBytes":32,"protectionLevel":"HSM"}}"#
    );
    assert_eq!(sent(&asked), [line]);
}

#[test]
fn secrets_are_administered() {
    let described = format!(
        r#"{{"name":"projects/123/secrets/db-password","replication":{{"automatic":{{"customerManagedEncryption":{{"kmsKeyName":"{NAME}"}}}}}},"createTime":"2023-11-14T22:13:20Z"}}"#
    );
    let asked = cloud([reply(&described)]);
    let describe = AdminRequest::DescribeSecret { name: "db-password".into() };
    let Ok(AdminResponse::Secret(info)) = asked.administer(&describe) else { panic!("a secret") };
    assert_eq!((info.name.as_str(), info.deleted), ("db-password", false));
    assert_eq!(info.key.as_ref().map(keyfold::KeyUri::as_str), Some(KEY));
    assert_eq!(sent(&asked), [format!("GET {SAFE}/db-password ")]);

    let asked = cloud([reply(&format!(r#"{{"secrets":[{described}],"totalSize":1}}"#))]);
    let listed = asked.administer(&AdminRequest::ListSecrets { page: None });
    let Ok(AdminResponse::Secrets { secrets, next: None }) = listed else { panic!("secrets") };
    assert_eq!(secrets, [*info]);
    assert_eq!(sent(&asked), [format!("GET {SAFE}?pageSize=100 ")]);

    let list = format!(
        r#"{{"versions":[{},{},{}],"nextPageToken":"n"}}"#,
        version(9),
        version(8).replace("ENABLED", "DISABLED"),
        version(7)
    );
    let asked = cloud([reply(&list), reply(&list)]);
    let page = |page: Option<&str>| {
        let (name, page) = ("db-password".into(), page.map(str::to_owned));
        let listed = asked.administer(&AdminRequest::ListSecretVersions { name, page });
        let Ok(AdminResponse::SecretVersions { versions, next }) = listed else {
            panic!("versions")
        };
        assert_eq!(next.as_deref(), Some("n"));
        let of = |version: keyfold::kms::admin::SecretVersionInfo| (version.id, version.stages);
        versions.into_iter().map(of).collect::<Vec<_>>()
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        page(None),
        [
            ("9".to_owned(), words(&["AWSCURRENT"])),
            ("8".to_owned(), words(&["AWSPREVIOUS", "DISABLED"])),
            ("7".to_owned(), words(&[])),
        ]
    );
    assert_eq!(page(Some("n"))[0], ("9".to_owned(), words(&[])));

    let asked = cloud([reply("{}")]);
    let delete = AdminRequest::DeleteSecret { name: "db-password".into(), days: 0 };
    assert_eq!(asked.administer(&delete), Ok(AdminResponse::Deletion { at: None }));
    assert_eq!(sent(&asked), [format!("DELETE {SAFE}/db-password ")]);
}

#[test]
fn places_are_configured() {
    let place = Place {
        region: Some("europe-west3".into()),
        keys: Some("http://127.0.0.1:8080".into()),
        settings: [("project", "q"), ("key_ring", "s"), ("quota_project", "paid")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..Place::default()
    };
    let office = GoogleConfig::of_place("office", &place).expect("a configuration");
    let asked = Cloud::by(office, bearer("ya29.token"), [reply("{}")]);
    assert!(asked.administer(&AdminRequest::ListKeys { page: None }).is_ok());
    let sent = &asked.sent()[0];
    let url = "http://127.0.0.1:8080/v1/projects/q/locations/europe-west3/keyRings/s/cryptoKeys";
    assert_eq!(sent.url, format!("{url}?pageSize=100"));
    assert_eq!(header(sent, "x-goog-user-project"), Some("paid"));

    // The URI by which the caller reaches it says the same.
    for uri in [KEY, "google://projects/p/locations/l/keyRings/r"] {
        let near = config(uri, &Places::new()).expect("a configuration");
        assert_eq!(near.uri(), "google://projects");
        let asked = Cloud::by(near, bearer("ya29.token"), [reply("{}")]);
        assert!(asked.administer(&AdminRequest::ListKeys { page: None }).is_ok());
        let url = "https://cloudkms.googleapis.com/v1/projects/p/locations/l/keyRings/r/cryptoKeys";
        assert!(asked.sent()[0].url.starts_with(url));
    }
    let with = |name: &str, value: &str| Place {
        settings: [(name.to_owned(), value.to_owned())].into(),
        ..Place::default()
    };
    assert!(GoogleConfig::of_place("office", &with("protection", "hsm")).is_ok());
    for place in [
        with("protection", "moon"),
        with("projekt", "p"),
        with("project", "p/x"),
        with("quota_project", "p\r\nx: y"),
        with("key_ring", ".."),
        Place { region: Some("l/x".into()), ..Place::default() },
    ] {
        let error = GoogleConfig::of_place("office", &place).expect_err("refused");
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
    }
    assert!(google().with_endpoint(Service::Keys, "http://kms.example.com").is_err());
    assert_eq!(CloudConfig::from(google()).capabilities().scheme, "google");
}
