//! Vault's Transit and KV version 2, and OpenBao's.

use std::error::Error as _;
use std::time::Duration;

use base64ct::{Base64, Encoding};
use keyfold::kms::admin::{AdminRequest, AdminResponse, KeyKind, KeyState, KeyUse};
use keyfold::kms::cloud::{Capability, Place, Support};
use keyfold::kms::vault::{CAPABILITIES, OPENBAO_CAPABILITIES, VaultConfig};
use keyfold::kms::{Request, Response, ServiceError, SignInput};
use keyfold::sign::{KeySpec, SignatureAlgorithm, SigningKey};
use keyfold::transport::{HttpRequest, HttpResponse};
use keyfold::{EncryptionContext, ErrorCode, ProviderParams, Retry, SystemRng};

use crate::aws_support::bearer;
use crate::support::*;

const KEY: &str = "vault://transit/docs";
const URL: &str = "https://vault.example.com:8200";
const TRANSIT: &str = "https://vault.example.com:8200/v1/transit";
const KV: &str = "https://vault.example.com:8200/v1/secret";
const CIPHERTEXT: &str = "vault:v3:AQIDBA==";

fn config() -> VaultConfig {
    VaultConfig::new(URL, "transit").expect("a configuration")
}

fn place(settings: &[(&str, &str)]) -> Place {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Place {
        keys: Some(URL.into()),
        settings: settings.iter().map(pair).collect(),
        ..Place::default()
    }
}

fn with_settings(settings: &[(&str, &str)]) -> VaultConfig {
    VaultConfig::of_place("transit", &place(settings)).expect("a configuration")
}

fn vault(answers: impl IntoIterator<Item = HttpResponse>) -> Cloud {
    Cloud::by(config(), bearer("hvs.token"), answers)
}

fn openbao(answers: impl IntoIterator<Item = HttpResponse>) -> Cloud {
    Cloud::by(with_settings(&[("edition", "openbao")]), bearer("hvs.token"), answers)
}

/// An answer with `data`.
fn reply(data: &str) -> HttpResponse {
    answer(200, &format!(r#"{{"request_id":"r-1","data":{data},"warnings":null,"auth":null}}"#))
}

fn error(status: u16, text: &str) -> HttpResponse {
    let texts = if text.is_empty() { String::new() } else { format!("{text:?}") };
    answer(status, &format!(r#"{{"errors":[{texts}]}}"#))
}

fn nothing() -> HttpResponse {
    answer(204, "")
}

/// A key, as the service describes it.
fn described(kind: &str, keys: &str, more: &str) -> HttpResponse {
    reply(&format!(
        r#"{{"name":"docs","type":"{kind}","keys":{keys},"latest_version":3,"min_decryption_version":2,"auto_rotate_period":0{more}}}"#
    ))
}

fn aes() -> HttpResponse {
    described("aes256-gcm96", r#"{"1":1500000000,"2":1500000001,"3":1500000002}"#, "")
}

fn sealed() -> HttpResponse {
    reply(&format!(r#"{{"ciphertext":"{CIPHERTEXT}","key_version":3}}"#))
}

fn plain(bytes: &[u8]) -> HttpResponse {
    reply(&format!(r#"{{"plaintext":"{}"}}"#, Base64::encode_string(bytes)))
}

/// The context as the service is told it.
fn aad() -> String {
    let canonical = context().to_canonical().expect("a context");
    format!(r#""associated_data":"{}""#, Base64::encode_string(&canonical))
}

/// Method, URL and body of what was sent, in one line each.
fn sent(cloud: &Cloud) -> Vec<String> {
    let line = |request: &HttpRequest| {
        assert_eq!(header(request, "authorization"), Some("Bearer hvs.token"));
        assert_eq!(header(request, "x-vault-request"), Some("true"));
        assert_eq!(header(request, "x-vault-namespace"), None);
        let json = header(request, "content-type") == Some("application/json");
        assert_eq!(json, !request.body.is_empty());
        format!("{} {} {}", request.method, request.url, text(&request.body))
    };
    cloud.sent().iter().map(line).collect()
}

fn record() -> keyfold::WrappedKey {
    wrapped(KEY, ProviderParams::new(), CIPHERTEXT)
}

#[test]
fn data_keys_are_made_here_and_bound_there() {
    // The generator of the tests gives 0, 1, 2…
    let made: Vec<u8> = (0..32).collect();
    let asked = vault([aes(), sealed(), sealed()]);
    let request = Request::GenerateDataKey { key: uri(KEY), context: context() };
    let Ok(Response::DataKey { data_key, wrapped }) = asked.call(&request) else {
        panic!("a data key")
    };
    assert_eq!(data_key.0.expose()[..], made);
    // What was written is kept as it came.
    assert_eq!(wrapped, record());
    let encoded = Base64::encode_string(&made);
    let line = format!("POST {TRANSIT}/encrypt/docs {{\"plaintext\":\"{encoded}\",{}}}", aad());
    // The key is looked up once: it would be made, if it were not there.
    assert!(asked.call(&request).is_ok());
    assert_eq!(sent(&asked), [format!("GET {TRANSIT}/keys/docs "), line.clone(), line]);

    let asked = vault([error(404, "")]);
    assert_eq!(asked.call(&request).expect_err("no key").code(), ErrorCode::KmsKeyUnavailable);
    assert_eq!(asked.sent().len(), 1);
    let config = with_settings(&[("before_encrypt", "nothing")]);
    let asked = Cloud::by(config, bearer("hvs.token"), [sealed()]);
    let context = EncryptionContext::new();
    let wrap = Request::Wrap { key: uri(KEY), data_key: secret(&[0; 32]), context };
    assert!(matches!(asked.call(&wrap), Ok(Response::Wrapped(wrapped)) if wrapped == record()));
    let line = format!("POST {TRANSIT}/encrypt/docs {{\"plaintext\":\"{ZEROES}\"}}");
    assert_eq!(sent(&asked), [line]);
}

#[test]
fn data_keys_of_openbao_are_its_own() {
    let answered = |warnings: &str| {
        let body = format!(
            r#"{{"data":{{"plaintext":"{ZEROES}","ciphertext":"{CIPHERTEXT}"}},"warnings":{warnings}}}"#
        );
        answer(200, &body)
    };
    let generate = |context| Request::GenerateDataKey { key: uri(KEY), context };
    for (context, warnings, body) in [
        (context(), "null", format!(r#"{{"bits":256,{}}}"#, aad())),
        (context(), "[]", format!(r#"{{"bits":256,{}}}"#, aad())),
        (EncryptionContext::new(), "[\"something\"]", r#"{"bits":256}"#.to_owned()),
    ] {
        let asked = openbao([answered(warnings)]);
        let Ok(Response::DataKey { data_key, wrapped }) = asked.call(&generate(context)) else {
            panic!("a data key")
        };
        assert_eq!((data_key.0.expose(), wrapped), (&[0; 32], record()));
        assert_eq!(sent(&asked), [format!("POST {TRANSIT}/datakey/plaintext/docs {body}")]);
    }
    // A Vault would bind it to nothing, and nobody could open what comes of it.
    let ignored = r#"["Endpoint ignored these unrecognized parameters: [associated_data]"]"#;
    let failed = openbao([answered(ignored)]).call(&generate(context())).expect_err("not bound");
    assert_eq!(failed.code(), ErrorCode::KmsProtocol);
    let short = reply(&format!(r#"{{"plaintext":"AAAA","ciphertext":"{CIPHERTEXT}"}}"#));
    let failed = openbao([short]).call(&generate(context())).expect_err("no data key");
    assert_eq!(failed.code(), ErrorCode::KmsProtocol);
}

#[test]
fn data_keys_are_unwrapped_and_moved() {
    let unwrap = |key: Option<&str>| Request::Unwrap {
        wrapped: record(),
        context: context(),
        key: key.map(uri),
    };
    let body = format!(r#"{{"ciphertext":"{CIPHERTEXT}",{}}}"#, aad());
    for key in [None, Some(KEY)] {
        let asked = vault([plain(&[7; 32])]);
        let Ok(Response::Unwrapped(data_key)) = asked.call(&unwrap(key)) else {
            panic!("a data key")
        };
        assert_eq!(data_key.0.expose(), &[7; 32]);
        assert_eq!(sent(&asked), [format!("POST {TRANSIT}/decrypt/docs {body}")]);
    }
    // Something else was encrypted under this key.
    let failed = vault([plain(b"hi")]).call(&unwrap(None)).expect_err("no data key");
    assert_eq!(failed.code(), ErrorCode::AuthenticationFailed);

    let rewrap =
        |context, to: &str| Request::Rewrap { wrapped: record(), context, key: None, to: uri(to) };
    // Bound to nothing and under the same key: the service does it, and the data key stays there.
    let newer = reply(r#"{"ciphertext":"vault:v4:BQ=="}"#);
    let asked = vault([newer]);
    let moved = asked.call(&rewrap(EncryptionContext::new(), KEY));
    let Ok(Response::Wrapped(moved)) = moved else { panic!("a wrapped key") };
    assert_eq!(moved, wrapped(KEY, ProviderParams::new(), "vault:v4:BQ=="));
    let line = format!("POST {TRANSIT}/rewrap/docs {{\"ciphertext\":\"{CIPHERTEXT}\"}}");
    assert_eq!(sent(&asked), [line]);
    // Otherwise it passes through the client.
    let other = answer(200, &text(&aes().body).replace("docs", "other"));
    let asked = vault([plain(&[7; 32]), other, sealed()]);
    let moved = asked.call(&rewrap(context(), "vault://transit/other"));
    assert!(matches!(moved, Ok(Response::Wrapped(moved)) if moved.key.as_str().ends_with("other")));
    let lines = sent(&asked);
    assert_eq!(lines[0], format!("POST {TRANSIT}/decrypt/docs {body}"));
    let sevens = Base64::encode_string(&[7; 32]);
    let line = format!("POST {TRANSIT}/encrypt/other {{\"plaintext\":\"{sevens}\",{}}}", aad());
    assert_eq!(lines[2], line);
    // Nothing is asked of the old key where the new one cannot be right.
    let failed = vault([]).call(&rewrap(context(), "vault://transit/a.")).expect_err("refused");
    assert_eq!(failed.code(), ErrorCode::InvalidArgument);
}

#[test]
fn records_and_names_are_checked_before_anything_is_sent() {
    let unwrap = |ciphertext: &str| Request::Unwrap {
        wrapped: wrapped(KEY, ProviderParams::new(), ciphertext),
        context: context(),
        key: None,
    };
    for ciphertext in [
        "",
        "AQIDBA==",
        "vault:v1:",
        "vault:v0:AQID",
        "vault:v:AQID",
        "vault:vx:AQID",
        "vault:v1:AQ=",
        "vault:v1:A QID",
        "vault:v12345678901:AQID",
    ] {
        let failed = vault([]).call(&unwrap(ciphertext)).expect_err("refused");
        assert_eq!(failed.code(), ErrorCode::AuthenticationFailed, "{ciphertext}");
    }
    for key in [
        "vault://transit/-a",
        "vault://transit/a.",
        "vault://transit/a@b",
        "vault://transit/a/0",
        "vault://transit/a/1/2",
        "vault://other/docs",
        "azure://transit/docs",
    ] {
        let failed = vault([]).call(&Request::GetPublicKey { key: uri(key) }).expect_err("refused");
        assert_eq!(failed.code(), ErrorCode::InvalidArgument, "{key}");
    }
    // A version signs; a key encrypts.
    let request =
        Request::GenerateDataKey { key: uri("vault://transit/docs/3"), context: context() };
    assert_eq!(vault([]).call(&request).expect_err("refused").code(), ErrorCode::InvalidArgument);
    let failed = Cloud::new(config(), []).call(&Request::ResolveKey { key: uri(KEY) });
    assert_eq!(failed.expect_err("no token").code(), ErrorCode::InvalidArgument);
}

#[test]
fn small_data_carries_what_decrypting_takes() {
    let asked = vault([aes(), sealed(), plain(b"hi"), plain(b"hi")]);
    let encrypt = Request::Encrypt { key: uri(KEY), plaintext: secret(b"hi"), context: context() };
    let Ok(Response::Ciphertext { ciphertext, key }) = asked.call(&encrypt) else {
        panic!("a ciphertext")
    };
    assert_eq!(key.as_str(), KEY);
    assert!(ciphertext.starts_with(b"KFP\x01") && ciphertext.ends_with(CIPHERTEXT.as_bytes()));
    // With a record of keyfold's, and with a ciphertext of the vendor's own tools.
    for (key, ciphertext) in [(None, ciphertext), (Some(uri(KEY)), CIPHERTEXT.into())] {
        let request = Request::Decrypt { key, ciphertext, context: context() };
        let Ok(Response::Plaintext { plaintext, .. }) = asked.call(&request) else {
            panic!("a plaintext")
        };
        assert_eq!(plaintext.expose(), b"hi");
    }
    let lines = sent(&asked);
    assert_eq!(
        lines[1],
        format!("POST {TRANSIT}/encrypt/docs {{\"plaintext\":\"aGk=\",{}}}", aad())
    );
    let line = format!("POST {TRANSIT}/decrypt/docs {{\"ciphertext\":\"{CIPHERTEXT}\",{}}}", aad());
    assert_eq!(lines[2..], [line.clone(), line]);
    let no_key = Request::Decrypt { key: None, ciphertext: CIPHERTEXT.into(), context: context() };
    assert_eq!(vault([]).call(&no_key).expect_err("refused").code(), ErrorCode::InvalidArgument);
}

/// A key that signs, as the service describes its second and third version.
fn signing(kind: &str, spec: KeySpec) -> ([SigningKey; 2], HttpResponse) {
    let keys = [(); 2].map(|()| SigningKey::generate(spec, &SystemRng).expect("a key"));
    let public = |key: &SigningKey| {
        let public = key.public_key();
        match spec {
            KeySpec::Ed25519 => {
                let der = public.to_spki_der();
                Base64::encode_string(&der[der.len() - 32..])
            }
            _ => public.to_spki_pem(),
        }
    };
    let entry = |key: &SigningKey| {
        serde_json::json!({
            "public_key": public(key), "name": kind,
            "creation_time": "2023-11-14T22:13:20.945319214Z",
        })
    };
    let versions = serde_json::json!({ "2": entry(&keys[0]), "3": entry(&keys[1]) });
    (keys, described(kind, &versions.to_string(), ""))
}

#[test]
fn keys_sign_there_and_signatures_are_verified_here() {
    for (kind, spec, algorithm, more) in [
        (
            "rsa-2048",
            KeySpec::Rsa2048,
            SignatureAlgorithm::RsaPssSha384,
            r#","hash_algorithm":"sha2-384","prehashed":false,"signature_algorithm":"pss","salt_length":"hash""#,
        ),
        (
            "rsa-2048",
            KeySpec::Rsa2048,
            SignatureAlgorithm::RsaPkcs1Sha256,
            r#","hash_algorithm":"sha2-256","prehashed":false,"signature_algorithm":"pkcs1v15""#,
        ),
        (
            "ecdsa-p256",
            KeySpec::EccNistP256,
            SignatureAlgorithm::EcdsaSha256,
            r#","hash_algorithm":"sha2-256","prehashed":false,"marshaling_algorithm":"asn1""#,
        ),
        (
            "ecdsa-p521",
            KeySpec::EccNistP521,
            SignatureAlgorithm::EcdsaSha512,
            r#","hash_algorithm":"sha2-512","prehashed":false,"marshaling_algorithm":"asn1""#,
        ),
        ("ed25519", KeySpec::Ed25519, SignatureAlgorithm::Ed25519, ""),
    ] {
        let (keys, described) = signing(kind, spec);
        let [older, newer] = &keys;
        let made = newer.sign(algorithm, b"hi").expect("a signature");
        let signed = |version: u8| {
            let text = Base64::encode_string(&made);
            reply(&format!(r#"{{"signature":"vault:v{version}:{text}","key_version":{version}}}"#))
        };
        let input = || SignInput::Message(b"hi".to_vec());
        let sign = |key: &str| Request::Sign { key: uri(key), algorithm, input: input() };
        let asked = vault([described.clone(), signed(3), signed(2)]);
        for key in [KEY, "vault://transit/docs/2"] {
            let Ok(Response::Signature(signature)) = asked.call(&sign(key)) else {
                panic!("a signature")
            };
            assert_eq!(signature, made, "{kind}");
        }
        let line = |version: &str| {
            format!("POST {TRANSIT}/sign/docs {{\"input\":\"aGk=\"{more}{version}}}")
        };
        // The type is asked for once.
        let get = format!("GET {TRANSIT}/keys/docs ");
        assert_eq!(sent(&asked), [get.clone(), line(""), line(r#","key_version":2"#)]);
        let failed = vault([described.clone(), signed(3)]).call(&sign("vault://transit/docs/2"));
        assert_eq!(failed.expect_err("another version").code(), ErrorCode::KmsProtocol);

        // Whichever version made it, as long as it counts.
        let verify = |key: &str, signature: Vec<u8>, message: &[u8]| {
            let input = SignInput::Message(message.to_vec());
            let asked = vault([described.clone()]);
            let verified =
                asked.call(&Request::Verify { key: uri(key), algorithm, input, signature });
            assert_eq!(sent(&asked), std::slice::from_ref(&get));
            verified.map(|_| ()).map_err(|error| error.code())
        };
        let of_older = || older.sign(algorithm, b"hi").expect("a signature");
        let wrong = Err(ErrorCode::SignatureInvalid);
        assert_eq!(verify(KEY, made.clone(), b"hi"), Ok(()), "{kind}");
        assert_eq!(verify(KEY, of_older(), b"hi"), Ok(()), "{kind}");
        assert_eq!(verify(KEY, made.clone(), b"ho"), wrong, "{kind}");
        assert_eq!(verify("vault://transit/docs/2", of_older(), b"hi"), Ok(()), "{kind}");
        assert_eq!(verify("vault://transit/docs/2", made.clone(), b"hi"), wrong, "{kind}");

        for (key, expected) in [(KEY, newer), ("vault://transit/docs/2", older)] {
            let request = Request::GetPublicKey { key: uri(key) };
            let Ok(Response::PublicKey { spki, .. }) = vault([described.clone()]).call(&request)
            else {
                panic!("a public key")
            };
            assert_eq!(spki, expected.public_key().to_spki_der());
        }
        let request = Request::GetPublicKey { key: uri("vault://transit/docs/7") };
        let failed = vault([described.clone()]).call(&request).expect_err("no version");
        assert_eq!(failed.code(), ErrorCode::KmsKeyUnavailable);
    }
    let (keys, described) = signing("ecdsa-p384", KeySpec::EccNistP384);
    let (key, algorithm) = (uri(KEY), SignatureAlgorithm::EcdsaSha384);
    let signature = keys[1].sign(algorithm, b"hi").expect("a signature");
    let answered =
        reply(&format!(r#"{{"signature":"vault:v3:{}"}}"#, Base64::encode_string(&signature)));
    let asked = vault([described, answered]);
    let request = Request::Sign { key, algorithm, input: SignInput::Digest(vec![0; 48]) };
    assert!(asked.call(&request).is_ok());
    let zeroes = Base64::encode_string(&[0; 48]);
    let body = format!(
        r#"{{"input":"{zeroes}","hash_algorithm":"sha2-384","prehashed":true,"marshaling_algorithm":"asn1"}}"#
    );
    assert_eq!(sent(&asked)[1], format!("POST {TRANSIT}/sign/docs {body}"));
}

#[test]
fn a_key_signs_only_as_it_can() {
    let rsa = || described("rsa-2048", "{}", "");
    let ed25519 = || described("ed25519", "{}", "");
    for (answers, algorithm, input) in [
        (vec![rsa()], SignatureAlgorithm::EcdsaSha256, SignInput::Digest(vec![0; 32])),
        (vec![aes()], SignatureAlgorithm::EcdsaSha256, SignInput::Digest(vec![0; 32])),
        (vec![], SignatureAlgorithm::EcdsaSha256, SignInput::Digest(vec![0; 31])),
        (vec![ed25519()], SignatureAlgorithm::EcdsaSha256, SignInput::Message(vec![0])),
        (vec![ed25519()], SignatureAlgorithm::Ed25519ph, SignInput::Digest(vec![0; 64])),
    ] {
        let request = Request::Sign { key: uri(KEY), algorithm, input };
        let failed = vault(answers).call(&request).expect_err("refused");
        assert_eq!(failed.code(), ErrorCode::InvalidArgument, "{algorithm}");
    }
    let failed = vault([aes()]).call(&Request::GetPublicKey { key: uri(KEY) });
    assert_eq!(failed.expect_err("no public half").code(), ErrorCode::InvalidArgument);
    let request = Request::ResolveKey { key: uri(KEY) };
    assert!(matches!(vault([aes()]).call(&request), Ok(Response::Key(key)) if key == uri(KEY)));
}

fn stored(version: u64, members: &str) -> HttpResponse {
    reply(&format!(r#"{{"data":{{{members}}},"metadata":{{"version":{version}}}}}"#))
}

fn put(value: &[u8]) -> Request {
    Request::PutSecret {
        name: "db/password".into(),
        value: secret(value),
        key: None,
        token: TOKEN.into(),
    }
}

#[test]
fn secrets_are_stored_over_the_version_that_was_seen() {
    let get = format!("GET {KV}/data/db/password ");
    let line = |cas: u64, members: &str| {
        format!(
            r#"POST {KV}/data/db/password {{"options":{{"cas":{cas}}},"data":{{{members},"keyfold-token":"{TOKEN}"}}}}"#
        )
    };
    let hunter = r#""value":"hunter2""#;
    let deleted =
        answer(404, r#"{"data":{"data":null,"metadata":{"version":4,"destroyed":false}}}"#);
    for (current, cas) in [(error(404, ""), 0), (stored(7, hunter), 7), (deleted, 4)] {
        let asked = vault([current, reply(&format!(r#"{{"version":{}}}"#, cas + 1))]);
        let Ok(Response::SecretVersion { version }) = asked.call(&put(b"hunter2")) else {
            panic!("stored")
        };
        assert_eq!(version, (cas + 1).to_string());
        assert_eq!(sent(&asked), [get.clone(), line(cas, hunter)]);
    }
    // Bytes that are no text.
    let asked = vault([error(404, ""), reply(r#"{"version":1}"#)]);
    assert!(asked.call(&put(&[0xff])).is_ok());
    assert_eq!(sent(&asked)[1], line(0, r#""value":"/w==","keyfold-encoding":"base64""#));
    // The answer to this change was lost: it is found, and not made again.
    let done = stored(2, &format!(r#"{hunter},"keyfold-token":"{TOKEN}""#));
    let found = vault([done]).call(&put(b"hunter2")).expect("stored");
    assert!(matches!(found, Response::SecretVersion { version } if version == "2"));
    // Somebody came between: once more, and not for ever.
    let conflict = || error(400, "check-and-set parameter did not match the current version");
    let asked =
        vault([stored(1, hunter), conflict(), stored(2, hunter), reply(r#"{"version":3}"#)]);
    assert!(asked.call(&put(b"hunter2")).is_ok());
    assert_eq!(sent(&asked)[3], line(2, hunter));
    let all = [(); 3].map(|()| [stored(1, hunter), conflict()]).concat();
    let failed = vault(all).call(&put(b"hunter2")).expect_err("others are faster");
    assert_eq!(failed.code(), ErrorCode::VersionConflict);

    let failed = vault([error(403, "permission denied")]).call(&put(b"v")).expect_err("denied");
    assert_eq!(failed.code(), ErrorCode::KmsDenied);
    for (name, value, key, code) in [
        ("../x", vec![1], None, ErrorCode::InvalidArgument),
        ("db//password", vec![1], None, ErrorCode::InvalidArgument),
        ("a b", vec![1], None, ErrorCode::InvalidArgument),
        ("n", vec![1], Some(uri(KEY)), ErrorCode::InvalidArgument),
        ("n", vec![b'x'; 65_537], None, ErrorCode::LimitExceeded),
    ] {
        let (name, token) = (name.to_owned(), TOKEN.to_owned());
        let request = Request::PutSecret { name, value: secret(&value), key, token };
        assert_eq!(vault([]).call(&request).expect_err("refused").code(), code);
    }
}

#[test]
fn secrets_are_read_by_version_and_by_stage() {
    let get = |version: Option<&str>, stage: Option<&str>| Request::GetSecret {
        name: "db/password".into(),
        version: version.map(str::to_owned),
        stage: stage.map(str::to_owned),
    };
    let hunter = r#""value":"hunter2","other":1"#;
    let metadata = || reply(r#"{"current_version":7,"versions":{}}"#);
    let path = format!("GET {KV}/data/db/password");
    let look = format!("GET {KV}/metadata/db/password ");
    for (request, answers, lines) in [
        (get(None, None), vec![stored(7, hunter)], vec![format!("{path} ")]),
        (get(None, Some("AWSCURRENT")), vec![stored(7, hunter)], vec![format!("{path} ")]),
        (get(Some("3"), None), vec![stored(3, hunter)], vec![format!("{path}?version=3 ")]),
        (
            get(None, Some("AWSPREVIOUS")),
            vec![metadata(), stored(6, hunter)],
            vec![look.clone(), format!("{path}?version=6 ")],
        ),
        (
            get(Some("7"), Some("AWSCURRENT")),
            vec![metadata(), stored(7, hunter)],
            vec![look.clone(), format!("{path}?version=7 ")],
        ),
    ] {
        let asked = vault(answers);
        let Ok(Response::Secret { value, .. }) = asked.call(&request) else { panic!("a secret") };
        assert_eq!(value.expose(), b"hunter2");
        assert_eq!(sent(&asked), lines);
    }
    let marked =
        |value: &str| stored(7, &format!(r#""value":"{value}","keyfold-encoding":"base64""#));
    let Ok(Response::Secret { value, version }) = vault([marked("/w==")]).call(&get(None, None))
    else {
        panic!("a secret")
    };
    assert_eq!((value.expose(), version.as_str()), (&[0xff][..], "7"));
    // Another member is its value, where the configuration says so.
    let config = with_settings(&[("field", "password"), ("kv", "kv/team")]);
    let asked = Cloud::by(config, bearer("hvs.token"), [stored(1, r#""password":"p""#)]);
    assert!(asked.call(&get(None, None)).is_ok());
    assert_eq!(sent(&asked), [format!("GET {URL}/v1/kv/team/data/db/password ")]);
    let gone = answer(404, r#"{"data":{"data":null,"metadata":{"version":7}}}"#);
    for (request, answers, code) in [
        (get(Some("6"), Some("AWSCURRENT")), vec![metadata()], ErrorCode::SecretNotFound),
        (get(None, Some("AWSPENDING")), vec![], ErrorCode::SecretNotFound),
        (
            get(None, Some("AWSPREVIOUS")),
            vec![reply(r#"{"current_version":1}"#)],
            ErrorCode::SecretNotFound,
        ),
        (get(Some("../x"), None), vec![], ErrorCode::InvalidArgument),
        (get(Some("0"), None), vec![], ErrorCode::InvalidArgument),
        (get(Some("3"), None), vec![stored(4, hunter)], ErrorCode::KmsProtocol),
        (get(None, None), vec![marked("hunter2")], ErrorCode::KmsProtocol),
        (get(None, None), vec![stored(1, r#""value":1"#)], ErrorCode::KmsProtocol),
        (get(None, None), vec![stored(1, r#""password":"p""#)], ErrorCode::SecretNotFound),
        (get(None, None), vec![gone], ErrorCode::SecretNotFound),
        (get(None, None), vec![error(404, "")], ErrorCode::SecretNotFound),
    ] {
        assert_eq!(vault(answers).call(&request).expect_err("refused").code(), code);
    }
}

#[test]
fn errors_become_codes() {
    let request = Request::Unwrap { wrapped: record(), context: context(), key: None };
    for (status, said, expected) in [
        (
            500,
            "1 error occurred:\n\t* cipher: message authentication failed\n\n",
            ErrorCode::AuthenticationFailed,
        ),
        (400, "cipher: message authentication failed", ErrorCode::AuthenticationFailed),
        (400, "invalid ciphertext: version is too new", ErrorCode::AuthenticationFailed),
        (400, "invalid ciphertext length", ErrorCode::AuthenticationFailed),
        (400, "encryption key not found", ErrorCode::KmsKeyUnavailable),
        (
            400,
            "ciphertext or signature version is disallowed by policy (too old)",
            ErrorCode::KmsKeyUnavailable,
        ),
        (400, "key has been soft deleted", ErrorCode::KmsKeyUnavailable),
        (
            400,
            "message decryption not supported for key type ecdsa-p256",
            ErrorCode::KmsKeyUnavailable,
        ),
        (400, "missing 'context' for key derivation", ErrorCode::InvalidArgument),
        (400, "nobody knows this", ErrorCode::InvalidArgument),
        (403, "permission denied", ErrorCode::KmsDenied),
        (
            403,
            "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n",
            ErrorCode::KmsDenied,
        ),
        (400, "missing client token", ErrorCode::KmsDenied),
        (404, "", ErrorCode::KmsKeyUnavailable),
        (404, "no handler for route \"transit/decrypt/docs\"", ErrorCode::KmsKeyUnavailable),
        (405, "unsupported operation", ErrorCode::KmsKeyUnavailable),
        (413, "http: request body too large", ErrorCode::LimitExceeded),
        (412, "required index state not present", ErrorCode::KmsUnavailable),
        (429, "rate limit quota exceeded", ErrorCode::KmsThrottled),
        (473, "performance standby", ErrorCode::KmsUnavailable),
        (500, "internal error", ErrorCode::KmsUnavailable),
        (502, "bad gateway", ErrorCode::KmsUnavailable),
        (503, "Vault is sealed", ErrorCode::KmsUnavailable),
        (418, "nobody knows this", ErrorCode::KmsProtocol),
    ] {
        // One that another token might help with is sent once more.
        let answers = [error(status, said), error(status, said)];
        let failed = vault(answers).call(&request).expect_err("an error");
        assert_eq!(failed.code(), expected, "{status} {said}");
        if expected == ErrorCode::AuthenticationFailed {
            // Opaque: no text, no source, and never repeated.
            assert!(failed.source().is_none() && failed.retry() == Retry::Never, "{said}");
            continue;
        }
        assert!(said.is_empty() || !failed.to_string().contains(said), "{failed}");
        let source = failed.source().and_then(|source| source.downcast_ref::<ServiceError>());
        let source = source.expect("the service's error");
        assert_eq!((source.provider(), source.name()), ("vault", None));
        assert_eq!((source.message(), source.status()), (Some(said), status));
    }
    // What a caller sent to be encrypted says nothing of a key.
    let generate = Request::GenerateDataKey { key: uri(KEY), context: context() };
    let failed = vault([aes(), error(400, "no ciphertext")]).call(&generate).expect_err("an error");
    assert_eq!(failed.code(), ErrorCode::InvalidArgument);
    let throttled = with(error(429, "rate limit quota exceeded"), "retry-after", "3");
    let throttled = vault([throttled]).call(&request).expect_err("an error");
    assert_eq!(throttled.retry(), Retry::Later(Some(Duration::from_secs(3))));
    for (status, code) in [
        (500, ErrorCode::KmsUnavailable),
        (403, ErrorCode::KmsDenied),
        (404, ErrorCode::KmsProtocol),
        // A standby that points elsewhere is not followed.
        (307, ErrorCode::KmsProtocol),
    ] {
        let proxy = answer(status, "<html>a proxy</html>");
        assert_eq!(vault([proxy]).call(&request).expect_err("an error").code(), code);
    }
    // A key, a secret, or a whole mount that is not there.
    let read = Request::GetSecret { name: "n".into(), version: None, stage: None };
    let failed = vault([error(404, "no handler for route \"secret/data/n\"")]).call(&read);
    assert_eq!(failed.expect_err("an error").code(), ErrorCode::SecretNotFound);
}

#[test]
fn what_is_no_answer_is_refused() {
    let by_bao = || with_settings(&[("edition", "openbao"), ("before_encrypt", "nothing")]).into();
    for key in [KEY, "vault://transit/docs/2"] {
        garbage_is_refused_by(|| config().into(), || bearer("t"), key);
        garbage_is_refused_by(by_bao, || bearer("t"), key);
    }
    let generate = Request::GenerateDataKey { key: uri(KEY), context: context() };
    let good = text(&aes().body).to_owned();
    for hostile in [
        good.replace("\"docs\"", "\"other\""),
        good.replace("\"docs\"", "1"),
        good.replace("\"aes256-gcm96\"", "[]"),
        good.replace(r#"{"name""#, r#"{"name":"docs","name""#),
        good.replace(r#""data":{"#, r#""data":[{"#),
    ] {
        assert_ne!(hostile, good);
        let failed = vault([answer(200, &hostile)]).call(&generate).expect_err("refused");
        assert_eq!(failed.code(), ErrorCode::KmsProtocol, "{hostile}");
    }
    let good = text(&sealed().body).to_owned();
    for hostile in [
        good.replace("vault:v3", "vault:v"),
        good.replace("vault:v3", "hcv:v3"),
        good.replace("AQIDBA==", "AQIDBA="),
        good.replace("AQIDBA==", ""),
        good.replace("AQIDBA==", &"A".repeat(6148)),
        good.replace(&format!("\"{CIPHERTEXT}\""), "null"),
    ] {
        assert_ne!(hostile, good);
        let failed = vault([aes(), answer(200, &hostile)]).call(&generate).expect_err("refused");
        assert_eq!(failed.code(), ErrorCode::KmsProtocol, "{hostile:.200}");
    }
    // Versions without end are not gone through.
    let many = described("ecdsa-p256", "{}", "");
    let many = text(&many.body)
        .replace(r#""latest_version":3"#, r#""latest_version":18446744073709551615"#);
    let request = Request::Verify {
        key: uri(KEY),
        algorithm: SignatureAlgorithm::EcdsaSha256,
        input: SignInput::Digest(vec![0; 32]),
        signature: vec![0; 70],
    };
    let failed = vault([answer(200, &many)]).call(&request).expect_err("refused");
    assert_eq!(failed.code(), ErrorCode::SignatureInvalid);
}

#[test]
fn what_there_is_not_is_refused_here() {
    for (config, capabilities) in
        [(config(), CAPABILITIES), (with_settings(&[("edition", "openbao")]), OPENBAO_CAPABILITIES)]
    {
        let mut absent = 0;
        for request in every_admin_request(KEY) {
            if capabilities.support(Capability::of_admin(&request)) == Support::Absent {
                let asked = Cloud::by(config.clone(), bearer("t"), []);
                assert!(is_unsupported(&asked.administer(&request).expect_err("refused")));
                absent += 1;
            }
        }
        // Besides it seals no replies, which is nothing that administers.
        assert_eq!(absent + 1, capabilities.absent.len());
        assert!(capabilities.absent.contains(&Capability::SealReply));
    }
    let create =
        |kind, usage, alias: Option<&str>, description: Option<&str>| AdminRequest::CreateKey {
            kind,
            usage,
            alias: alias.map(str::to_owned),
            description: description.map(str::to_owned),
        };
    let (encrypt, sign) = (KeyUse::EncryptDecrypt, KeyUse::SignVerify);
    let name = || "n".to_owned();
    for request in [
        create(KeyKind::Sm2, sign, Some("k"), None),
        create(KeyKind::EccSecgP256k1, sign, Some("k"), None),
        create(KeyKind::EccNistP256, encrypt, Some("k"), None),
        create(KeyKind::Rsa2048, sign, Some("a/b"), None),
        create(KeyKind::Rsa2048, sign, None, None),
        create(KeyKind::Rsa2048, sign, Some("k"), Some("for documents")),
        AdminRequest::DescribeKey { key: uri("vault://transit/docs/1") },
        AdminRequest::ScheduleKeyDeletion { key: uri(KEY), days: 7 },
        AdminRequest::SetRotation { key: uri(KEY), every_days: Some(0) },
        AdminRequest::ListKeys { page: Some("x".into()) },
        AdminRequest::ListSecretVersions { name: name(), page: Some("x".into()) },
        AdminRequest::ListSecrets { page: Some("../".into()) },
        AdminRequest::ListSecrets { page: Some("a".into()) },
        AdminRequest::ListSecrets { page: Some(String::new()) },
        AdminRequest::DeleteSecret { name: name(), days: 7 },
        AdminRequest::Random { len: 1025 },
    ] {
        let failed = vault([]).administer(&request).expect_err("refused");
        assert_eq!(failed.code(), ErrorCode::InvalidArgument, "{request:?}");
    }
}

#[test]
fn keys_are_created_and_listed() {
    let create = |kind, usage| AdminRequest::CreateKey {
        kind,
        usage,
        alias: Some("docs".into()),
        description: None,
    };
    let get = format!("GET {TRANSIT}/keys/docs ");
    for (kind, usage, word) in [
        (KeyKind::Symmetric, KeyUse::EncryptDecrypt, "aes256-gcm96"),
        (KeyKind::Rsa3072, KeyUse::SignVerify, "rsa-3072"),
        (KeyKind::EccNistP521, KeyUse::SignVerify, "ecdsa-p521"),
        (KeyKind::Ed25519, KeyUse::SignVerify, "ed25519"),
    ] {
        let keys = match usage {
            KeyUse::SignVerify => r#"{"1":{"creation_time":"2017-07-14T02:40:00Z"}}"#,
            _ => r#"{"1":1500000000}"#,
        };
        let asked = vault([error(404, ""), nothing(), described(word, keys, "")]);
        let Ok(AdminResponse::Key(info)) = asked.administer(&create(kind, usage)) else {
            panic!("a key")
        };
        assert_eq!((info.key.as_str(), info.state), (KEY, Some(KeyState::Enabled)));
        assert_eq!((info.kind, info.usage), (Some(kind), Some(usage)));
        assert_eq!((info.raw_kind.as_deref(), info.version.as_deref()), (Some(word), Some("3")));
        assert_eq!(info.created, Some(Duration::from_secs(1_500_000_000)));
        assert_eq!(info.rotates, Some(false));
        let line = format!("POST {TRANSIT}/keys/docs {{\"type\":\"{word}\"}}");
        assert_eq!(sent(&asked), [get.clone(), line, get.clone()]);
    }
    // Under a name that there is, the service would give that key.
    let failed = vault([aes()]).administer(&create(KeyKind::Symmetric, KeyUse::EncryptDecrypt));
    assert_eq!(failed.expect_err("there is one").code(), ErrorCode::VersionConflict);

    let deleted = described("hmac", "{}", r#","soft_deleted":true,"imported_key":true"#);
    let describe = AdminRequest::DescribeKey { key: uri(KEY) };
    let Ok(AdminResponse::Key(info)) = openbao([deleted]).administer(&describe) else {
        panic!("a key")
    };
    assert_eq!((info.state, info.kind), (Some(KeyState::Disabled), None));
    assert_eq!(
        (info.raw_state.as_deref(), info.origin.as_deref()),
        (Some("soft deleted"), Some("imported"))
    );

    let list = AdminRequest::ListKeys { page: None };
    let asked = vault([reply(r#"{"keys":["docs","releases"]}"#)]);
    let Ok(AdminResponse::Keys { keys, next: None }) = asked.administer(&list) else {
        panic!("keys")
    };
    let names: Vec<&str> = keys.iter().map(|info| info.key.as_str()).collect();
    assert_eq!(names, [KEY, "vault://transit/releases"]);
    assert_eq!(sent(&asked), [format!("GET {TRANSIT}/keys?list=true ")]);
    // None is not found; a mount that is not there is an error.
    let none = vault([error(404, "")]).administer(&list);
    assert_eq!(none, Ok(AdminResponse::Keys { keys: vec![], next: None }));
    let failed = vault([error(404, "no handler for route \"transit/keys\"")]).administer(&list);
    assert_eq!(failed.expect_err("no mount").code(), ErrorCode::KmsKeyUnavailable);
    let failed = vault([reply(r#"{"keys":["../x"]}"#)]).administer(&list);
    assert_eq!(failed.expect_err("no name").code(), ErrorCode::KmsProtocol);
}

#[test]
fn keys_are_deleted_rotated_and_at_openbao_disabled() {
    let delete = AdminRequest::ScheduleKeyDeletion { key: uri(KEY), days: 0 };
    let config = |allowed: bool| {
        format!("POST {TRANSIT}/keys/docs/config {{\"deletion_allowed\":{allowed}}}")
    };
    let (get, end) = (format!("GET {TRANSIT}/keys/docs "), format!("DELETE {TRANSIT}/keys/docs "));
    let asked = vault([aes(), nothing(), nothing()]);
    assert_eq!(asked.administer(&delete), Ok(AdminResponse::Deletion { at: None }));
    assert_eq!(sent(&asked), [get.clone(), config(true), end.clone()]);
    // What was allowed for it is taken back.
    let asked = vault([aes(), nothing(), error(403, "permission denied"), nothing()]);
    assert_eq!(asked.administer(&delete).expect_err("denied").code(), ErrorCode::KmsDenied);
    assert_eq!(sent(&asked), [get, config(true), end, config(false)]);

    let rotates = |seconds: u64| {
        let body = text(&aes().body)
            .replace(r#""auto_rotate_period":0"#, &format!(r#""auto_rotate_period":{seconds}"#));
        answer(200, &body)
    };
    for (seconds, on, every_days) in
        [(0, false, None), (3600, true, None), (7_776_000, true, Some(90))]
    {
        let rotation = AdminResponse::Rotation { on, every_days, next: None };
        let asked = vault([rotates(seconds)]);
        assert_eq!(asked.administer(&AdminRequest::GetRotation { key: uri(KEY) }), Ok(rotation));
    }
    for (request, line) in [
        (
            AdminRequest::SetRotation { key: uri(KEY), every_days: Some(90) },
            format!("POST {TRANSIT}/keys/docs/config {{\"auto_rotate_period\":\"2160h\"}}"),
        ),
        (
            AdminRequest::SetRotation { key: uri(KEY), every_days: None },
            format!("POST {TRANSIT}/keys/docs/config {{\"auto_rotate_period\":\"0h\"}}"),
        ),
        (AdminRequest::RotateKey { key: uri(KEY) }, format!("POST {TRANSIT}/keys/docs/rotate ")),
        (
            AdminRequest::DisableKey { key: uri(KEY) },
            format!("DELETE {TRANSIT}/keys/docs/soft-delete "),
        ),
        (
            AdminRequest::EnableKey { key: uri(KEY) },
            format!("POST {TRANSIT}/keys/docs/soft-delete-restore "),
        ),
    ] {
        let asked = openbao([nothing()]);
        assert_eq!(asked.administer(&request), Ok(AdminResponse::Done));
        assert_eq!(sent(&asked), [line]);
    }
    let asked = vault([reply(r#"{"random_bytes":"AQID"}"#)]);
    let random = asked.administer(&AdminRequest::Random { len: 3 });
    assert_eq!(random, Ok(AdminResponse::Random(secret(&[1, 2, 3]))));
    assert_eq!(sent(&asked), [format!("POST {TRANSIT}/random/3 {{\"format\":\"base64\"}}")]);
    let short = vault([reply(r#"{"random_bytes":"AQID"}"#)]);
    let failed = short.administer(&AdminRequest::Random { len: 4 }).expect_err("three bytes");
    assert_eq!(failed.code(), ErrorCode::KmsProtocol);
}

#[test]
fn secrets_are_administered() {
    let name = || "db/password".to_owned();
    let look = format!("GET {KV}/metadata/db/password ");
    let metadata = |deleted: &str| {
        reply(&format!(
            r#"{{"created_time":"2017-07-14T02:40:00.5Z","current_version":3,"versions":{{
                "1":{{"created_time":"2017-07-14T02:40:00Z","deletion_time":"","destroyed":true}},
                "2":{{"created_time":"2017-07-14T02:40:00Z","deletion_time":"","destroyed":false}},
                "3":{{"created_time":"2017-07-14T02:40:00Z","deletion_time":"{deleted}","destroyed":false}}}}}}"#
        ))
    };
    for (deleted, state) in [("", None), ("2017-07-14T02:40:01Z", Some("deleted"))] {
        let asked = vault([metadata(deleted)]);
        let described = asked.administer(&AdminRequest::DescribeSecret { name: name() });
        let Ok(AdminResponse::Secret(info)) = described else { panic!("a secret") };
        assert_eq!((info.name.as_str(), info.deleted), ("db/password", state.is_some()));
        assert_eq!(
            (info.raw_state.as_deref(), info.created.map(|at| at.as_secs())),
            (state, Some(1_500_000_000))
        );
        assert_eq!(sent(&asked), std::slice::from_ref(&look));
    }
    let none = vault([error(404, "")]);
    let failed = none.administer(&AdminRequest::DescribeSecret { name: name() });
    assert_eq!(failed.expect_err("none").code(), ErrorCode::SecretNotFound);

    let list = AdminRequest::ListSecretVersions { name: name(), page: None };
    let listed = vault([metadata("")]).administer(&list);
    let Ok(AdminResponse::SecretVersions { versions, next: None }) = listed else {
        panic!("versions")
    };
    let stages: Vec<(&str, String)> =
        versions.iter().map(|version| (version.id.as_str(), version.stages.join(" "))).collect();
    let words = [("3", "AWSCURRENT"), ("2", "AWSPREVIOUS"), ("1", "destroyed")];
    assert_eq!(stages, words.map(|(id, stage)| (id, stage.to_owned())));

    // Folder after folder; what keyfold could not ask for is passed over.
    let asked = vault([
        reply(r#"{"keys":["a/","b/","n","odd name"]}"#),
        reply(r#"{"keys":["x","c/"]}"#),
        error(404, ""),
        reply(r#"{"keys":["y"]}"#),
    ]);
    let (mut page, mut found) = (None, Vec::new());
    loop {
        let answer = asked.administer(&AdminRequest::ListSecrets { page }).expect("a page");
        let AdminResponse::Secrets { secrets, next } = answer else { panic!("secrets") };
        found.extend(secrets.into_iter().map(|info| info.name));
        page = next;
        if page.is_none() {
            break;
        }
    }
    assert_eq!(found, ["n", "b/x", "a/y"]);
    let folders = ["", "b/", "b/c/", "a/"];
    assert_eq!(
        sent(&asked),
        folders.map(|folder| format!("GET {KV}/metadata/{folder}?list=true "))
    );

    let asked = vault([nothing()]);
    let delete = AdminRequest::DeleteSecret { name: name(), days: 0 };
    assert_eq!(asked.administer(&delete), Ok(AdminResponse::Deletion { at: None }));
    assert_eq!(sent(&asked), [format!("DELETE {KV}/metadata/db/password ")]);
    let asked = vault([metadata("2017-07-14T02:40:01Z"), nothing()]);
    let restore = AdminRequest::RestoreSecret { name: name() };
    assert_eq!(asked.administer(&restore), Ok(AdminResponse::Done));
    let undelete = format!("POST {KV}/undelete/db/password {{\"versions\":[3]}}");
    assert_eq!(sent(&asked), [look, undelete]);
}

#[test]
fn places_are_configured() {
    let mut far = place(&[("namespace", "team/a")]);
    far.region = Some("eng/transit".into());
    far.secrets = Some("http://127.0.0.1:8300".into());
    let office = VaultConfig::of_place("office", &far).expect("a place");
    assert_eq!((office.url().as_str(), office.namespace()), (URL, Some("team/a")));
    let body = text(&aes().body).to_owned();
    let asked = Cloud::by(office, bearer("t"), [answer(200, &body), stored(1, r#""value":"v""#)]);
    assert!(asked.call(&Request::ResolveKey { key: uri("vault://office/docs") }).is_ok());
    let read = Request::GetSecret { name: "n".into(), version: None, stage: None };
    assert!(asked.call(&read).is_ok());
    let urls = asked.sent().into_iter().map(|request| {
        assert_eq!(header(&request, "x-vault-namespace"), Some("team/a"));
        request.url.clone()
    });
    let expected = [
        format!("{URL}/v1/eng/transit/keys/docs"),
        "http://127.0.0.1:8300/v1/secret/data/n".into(),
    ];
    assert_eq!(urls.collect::<Vec<_>>(), expected);

    let no_address = Place { keys: None, ..place(&[]) };
    let region = |region: &str| Place { region: Some(region.into()), ..place(&[]) };
    for place in [
        no_address,
        region("../sys"),
        region("a b"),
        place(&[("kv", "a//b")]),
        place(&[("namespace", "a\r\nb")]),
        place(&[("field", "")]),
        place(&[("edition", "enterprise")]),
        place(&[("before_encrypt", "pray")]),
        place(&[("kay", "x")]),
        Place { keys: Some("http://vault.example.com".into()), ..place(&[]) },
        Place { keys: Some("https://vault.example.com/v1".into()), ..place(&[]) },
    ] {
        let failed = VaultConfig::of_place("transit", &place).expect_err("refused");
        assert_eq!(failed.code(), ErrorCode::InvalidArgument, "{place:?}");
    }
    let config = config().with_kv("kv").and_then(|config| config.with_namespace("team"));
    assert_eq!(config.expect("a configuration").namespace(), Some("team"));
}
