//! Keys of clouds, which keyfold's server asks for on our behalf (docs/kms-protocol.md).

use keyfold::kms::aws::{AwsConfig, AwsKms, Call, Turn};
use keyfold::kms::sealing::{ReplyOpener, Sealing};
use keyfold::kms::{Kms, Request, Response};
use keyfold::maybe_send::BoxFuture;
use keyfold::transport::HttpResponse;
use keyfold::{EncryptionContext, Error, ErrorCode, KeyUri, SecretBytes, WrappedKey};
use serde_json::{Value, json};

use crate::support::*;

const KEY: &str = "tencent://ap-guangzhou/k";
/// 32 bytes of 0.
const ZEROES: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
/// The record of `wrapped()`: its head with the key's URI, and the cloud's text `AQID`.
const RECORD: &str = "S0ZQAQAhAAEAA2tleQAYdGVuY2VudDovL2FwLWd1YW5nemhvdS9rQVFJRA==";

fn server() -> AwsConfig {
    AwsConfig::keyfold("https://kms.example.com").expect("a configuration")
}

fn uri(text: &str) -> KeyUri {
    text.parse().expect("a key URI")
}

fn wrapped() -> WrappedKey {
    let ciphertext = b"AQID".to_vec();
    WrappedKey { key: uri(KEY), params: keyfold::ProviderParams::new(), ciphertext }
}

fn context() -> EncryptionContext {
    [("tenant", "acme")].into()
}

fn unwrap() -> Request {
    Request::Unwrap { wrapped: wrapped(), context: context(), key: None }
}

fn generate() -> Request {
    Request::GenerateDataKey { key: uri(KEY), context: context() }
}

fn reply(body: &Value) -> HttpResponse {
    answer(200, &body.to_string())
}

/// Sends one request, whose members are these, and takes one answer.
fn once(request: &Request, members: &Value, response: &Value) -> Result<Response, Error> {
    let config = server();
    let mut call = Call::new(&config, request)?;
    let sent = call.request(&access_key(), NOW)?;
    assert_eq!(serde_json::from_slice::<Value>(&sent.body).expect("JSON"), *members);
    match call.answer(reply(response), NOW)? {
        Turn::Done(answer) => Ok(answer),
        turn => panic!("it wants to go on: {turn:?}"),
    }
}

#[test]
fn keys_keep_their_names_and_data_keys_travel_as_records() {
    let pairs = json!({ "tenant": "acme" });
    let made = json!({ "KeyId": KEY, "CiphertextBlob": RECORD, "Plaintext": ZEROES });
    let members = json!({ "KeyId": KEY, "KeySpec": "AES_256", "EncryptionContext": pairs });
    let answered = once(&generate(), &members, &made).expect("a data key");
    assert!(matches!(answered, Response::DataKey { wrapped: new, .. } if new == wrapped()));

    let data_key = SecretBytes::from(&[0; 32][..]);
    let wrap = Request::Wrap { key: uri(KEY), data_key, context: context() };
    let members = json!({
        "KeyId": KEY, "Plaintext": ZEROES, "EncryptionContext": pairs, "DataKey": true,
    });
    let answered = once(&wrap, &members, &made).expect("a wrapped key");
    assert!(matches!(answered, Response::Wrapped(new) if new == wrapped()));

    let members = json!({
        "KeyId": KEY, "CiphertextBlob": RECORD, "DataKey": true, "EncryptionContext": pairs,
    });
    let answered = once(&unwrap(), &members, &made).expect("a data key");
    assert!(matches!(answered, Response::Unwrapped(_)));

    let (to, key) = (uri("tencent://ap-guangzhou/k2"), Some(uri(KEY)));
    let rewrap = Request::Rewrap { wrapped: wrapped(), context: context(), key, to };
    let members = json!({
        "CiphertextBlob": RECORD, "DataKey": true, "SourceKeyId": KEY,
        "SourceEncryptionContext": pairs, "DestinationKeyId": "tencent://ap-guangzhou/k2",
        "DestinationEncryptionContext": pairs,
    });
    let answered = once(&rewrap, &members, &made).expect("a wrapped key");
    assert!(matches!(answered, Response::Wrapped(new) if new == wrapped()));

    // Small data is the record, which names its key.
    let plaintext = SecretBytes::from(&b"hi"[..]);
    let encrypt = Request::Encrypt { key: uri(KEY), plaintext, context: context() };
    let members = json!({ "KeyId": KEY, "Plaintext": "aGk=", "EncryptionContext": pairs });
    let Ok(Response::Ciphertext { ciphertext, key }) = once(&encrypt, &members, &made) else {
        panic!("a ciphertext")
    };
    assert_eq!((WrappedKey::from_record(&ciphertext), key.as_str()), (Ok(wrapped()), KEY));
    let decrypt = Request::Decrypt { key: None, ciphertext, context: context() };
    let members = json!({ "CiphertextBlob": RECORD, "EncryptionContext": pairs });
    let answered = once(&decrypt, &members, &json!({ "KeyId": KEY, "Plaintext": "aGk=" }));
    assert!(matches!(answered, Ok(Response::Plaintext { key, .. }) if key.as_str() == KEY));
}

#[test]
fn only_a_server_of_keyfold_is_asked_for_them() {
    let aws = AwsConfig::aws("us-east-1").expect("a configuration");
    assert_eq!(Call::new(&aws, &generate()).err().expect("AWS").code(), ErrorCode::InvalidArgument);
    for key in ["aws:alias/docs", "tencent:k", "tencent://k"] {
        let request = Request::ResolveKey { key: uri(key) };
        let refused = Call::new(&server(), &request).err().expect(key);
        assert_eq!(refused.code(), ErrorCode::InvalidArgument, "{key}");
    }
}

#[test]
fn answers_about_other_keys_are_refused() {
    let members = json!({
        "KeyId": KEY, "KeySpec": "AES_256", "EncryptionContext": { "tenant": "acme" },
    });
    for (key, blob) in [
        ("keyfold:alias/docs", RECORD),
        (ARN, RECORD),
        ("tencent://ap-guangzhou/other", RECORD),
        (KEY, "AQID"),
        (KEY, "S0ZQAQAA"),
        (KEY, ""),
    ] {
        let answered = json!({ "KeyId": key, "CiphertextBlob": blob, "Plaintext": ZEROES });
        let refused = once(&generate(), &members, &answered).expect_err("another key");
        assert_eq!(refused.code(), ErrorCode::KmsProtocol, "{key} {blob}");
    }
}

#[test]
fn a_data_key_moves_between_clouds_by_way_of_the_client() {
    let opened = json!({ "KeyId": KEY, "Plaintext": ZEROES });
    let own = json!({ "KeyId": ARN, "CiphertextBlob": "AQID" });
    let canned = Canned::new([reply(&opened), reply(&own)]);
    let kms = AwsKms::new(canned.clone(), Noon, fixed(), server());
    let to = uri("keyfold:alias/docs");
    let request = Request::Rewrap { wrapped: wrapped(), context: context(), key: None, to };
    let answered = pollster::block_on(kms.call(&request)).expect("a wrapped key");
    assert!(matches!(answered, Response::Wrapped(new) if new.key.scheme() == "keyfold"));
    let targets: Vec<String> = canned
        .sent()
        .iter()
        .filter_map(|sent| header(sent, "x-amz-target").map(str::to_owned))
        .collect();
    assert_eq!(targets, ["TrentService.Decrypt", "TrentService.Encrypt"]);
}

/// "Seals" by not doing anything: what is between client and server is the same.
struct Plain;

impl ReplyOpener for Plain {
    fn public_key(&self) -> BoxFuture<'_, Result<Vec<u8>, Error>> {
        Box::pin(async { Ok(b"spki".to_vec()) })
    }

    fn open<'a>(&'a self, sealed: &'a [u8]) -> BoxFuture<'a, Result<SecretBytes, Error>> {
        Box::pin(async move { Ok(SecretBytes::from(sealed)) })
    }
}

fn sealing(answers: impl IntoIterator<Item = Value>) -> (AwsKms<Canned>, Canned) {
    let canned = Canned::new(answers.into_iter().map(|body| reply(&body)));
    let kms = AwsKms::new(canned.clone(), Noon, fixed(), server());
    (kms.with_sealing(Sealing::by(Plain)), canned)
}

#[test]
fn a_data_key_is_sealed_or_refused() {
    let made = json!({ "KeyId": KEY, "CiphertextBlob": RECORD, "CiphertextForRecipient": ZEROES });
    let (kms, canned) = sealing([made.clone(), made]);
    let answered = pollster::block_on(kms.call(&generate())).expect("a data key");
    let Response::DataKey { data_key, wrapped: new } = answered else { panic!("a data key") };
    assert_eq!((data_key.0.expose(), new), (&[0; 32], wrapped()));
    let answered = pollster::block_on(kms.call(&unwrap())).expect("a data key");
    assert!(matches!(answered, Response::Unwrapped(data_key) if data_key.0.expose() == &[0; 32]));
    for sent in canned.sent() {
        let sent: Value = serde_json::from_slice(&sent.body).expect("JSON");
        let recipient =
            json!({ "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "PublicKey": "c3BraQ==" });
        assert_eq!(sent["Recipient"], recipient);
    }

    for (answered, code) in [
        // A server that shows what it should not have seen, one that did not pass it on, and
        // something else than a data key.
        (
            json!({ "KeyId": KEY, "CiphertextBlob": RECORD, "CiphertextForRecipient": ZEROES,
                    "Plaintext": ZEROES }),
            ErrorCode::KmsProtocol,
        ),
        (
            json!({ "KeyId": KEY, "CiphertextBlob": RECORD, "Plaintext": ZEROES }),
            ErrorCode::KmsProtocol,
        ),
        (json!({ "KeyId": KEY, "CiphertextBlob": RECORD }), ErrorCode::KmsProtocol),
        (
            json!({ "KeyId": KEY, "CiphertextBlob": RECORD, "CiphertextForRecipient": "AAAA" }),
            ErrorCode::AuthenticationFailed,
        ),
    ] {
        for request in [generate(), unwrap()] {
            let (kms, _) = sealing([answered.clone()]);
            let refused = pollster::block_on(kms.call(&request)).expect_err("not sealed");
            assert_eq!(refused.code(), code, "{answered}");
        }
    }
    // What would show one is not sent.
    let data_key = SecretBytes::from(&[0; 32][..]);
    let wrap = Request::Wrap { key: uri(KEY), data_key, context: context() };
    let (kms, canned) = sealing([]);
    let refused = pollster::block_on(kms.call(&wrap)).expect_err("it would be seen");
    assert_eq!((refused.code(), canned.sent().len()), (ErrorCode::InvalidArgument, 0));
    // Keys of the server itself are as without.
    let own = json!({ "KeyId": ARN, "CiphertextBlob": "AQID", "Plaintext": ZEROES });
    let (kms, canned) = sealing([own]);
    let request = Request::GenerateDataKey { key: uri("keyfold:alias/docs"), context: context() };
    pollster::block_on(kms.call(&request)).expect("a data key");
    assert!(!String::from_utf8_lossy(&canned.sent()[0].body).contains("Recipient"));
}

#[test]
fn what_is_sealed_opens_with_the_key_pair_of_the_client_alone() {
    let sealing = Sealing::ephemeral();
    assert_eq!(format!("{sealing:?}"), "Sealing(..)");
    let junk = json!({ "KeyId": KEY, "CiphertextBlob": RECORD, "CiphertextForRecipient": ZEROES });
    let canned = Canned::new([reply(&junk)]);
    let kms = AwsKms::new(canned, Noon, fixed(), server()).with_sealing(sealing);
    let refused = pollster::block_on(kms.call(&generate())).expect_err("not sealed to it");
    assert_eq!(refused.code(), ErrorCode::AuthenticationFailed);
}
