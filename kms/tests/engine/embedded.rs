//! The engine behind the core's seam.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use keyfold::kms::{Kms, Request, Response, SignInput};
use keyfold::sign::{PublicKey, SignatureAlgorithm};
use keyfold::{EncryptionContext, Error, ErrorCode, KeyUri, SecretBytes};
use keyfold_kms::types::*;
use keyfold_kms::{Caller, EmbeddedKms};

use crate::world::*;

#[expect(clippy::needless_pass_by_value, reason = "every request is made for one call")]
fn ask(kms: &EmbeddedKms, request: Request) -> Result<Response, Error> {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(kms.call(&request)).as_mut().poll(&mut context) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("an embedded KMS answers at once"),
    }
}

#[track_caller]
fn refused(kms: &EmbeddedKms, request: Request) -> ErrorCode {
    match ask(kms, request) {
        Ok(_) => panic!("it succeeded"),
        Err(error) => error.code(),
    }
}

fn uri(text: &str) -> KeyUri {
    format!("keyfold:{text}").parse().expect("a key URI")
}

fn bound() -> EncryptionContext {
    [("tenant", "acme")].into()
}

fn fixture() -> (EmbeddedKms, String, String) {
    let kms = EmbeddedKms::in_memory().expect("a KMS");
    let owner = kms.engine().owner();
    let key = kms.engine().call(&owner, &CreateKeyRequest::default()).expect("a key");
    let key = key.key_metadata.key_id;
    kms.engine().call(&owner, &alias("alias/docs", &key)).expect("an alias");
    let pair = CreateKeyRequest {
        key_spec: Some(KeySpec::EccNistP256),
        key_usage: Some(KeyUsage::SignVerify),
        ..CreateKeyRequest::default()
    };
    let pair = kms.engine().call(&owner, &pair).expect("a key").key_metadata.key_id;
    (kms, key, pair)
}

#[test]
fn data_keys_are_wrapped_unwrapped_and_rewrapped() {
    let (kms, key, _) = fixture();
    let request = Request::GenerateDataKey { key: uri("alias/docs"), context: bound() };
    let Ok(Response::DataKey { data_key, wrapped }) = ask(&kms, request) else { panic!() };
    // An envelope names the key itself, never an alias that may move.
    assert_eq!(wrapped.key, uri(&kms.engine().realm().key(&key)));
    let unwrap = |wrapped, context| Request::Unwrap { wrapped, context, key: None };
    let Ok(Response::Unwrapped(same)) = ask(&kms, unwrap(wrapped.clone(), bound())) else {
        panic!()
    };
    assert_eq!(same.0.expose(), data_key.0.expose());
    let code = refused(&kms, unwrap(wrapped.clone(), EncryptionContext::new()));
    assert_eq!(code, ErrorCode::AuthenticationFailed);

    let other = kms
        .engine()
        .call(&kms.engine().owner(), &CreateKeyRequest::default())
        .expect("a key")
        .key_metadata
        .key_id;
    let request =
        Request::Rewrap { wrapped: wrapped.clone(), context: bound(), key: None, to: uri(&other) };
    let Ok(Response::Wrapped(moved)) = ask(&kms, request) else { panic!() };
    assert_eq!(moved.key, uri(&kms.engine().realm().key(&other)));
    let Ok(Response::Unwrapped(same)) = ask(&kms, unwrap(moved, bound())) else { panic!() };
    assert_eq!(same.0.expose(), data_key.0.expose());

    let request = Request::Wrap {
        key: uri("alias/docs"),
        data_key: SecretBytes::new(vec![5; 32]),
        context: bound(),
    };
    let Ok(Response::Wrapped(own)) = ask(&kms, request) else { panic!() };
    let Ok(Response::Unwrapped(same)) = ask(&kms, unwrap(own.clone(), bound())) else { panic!() };
    assert_eq!(same.0.expose(), &[5; 32]);

    // What the caller demands counts, by any name.
    let demand = |name: &str| Request::Unwrap {
        wrapped: own.clone(),
        context: bound(),
        key: Some(uri(name)),
    };
    assert!(ask(&kms, demand("alias/docs")).is_ok());
    assert_eq!(refused(&kms, demand(&other)), ErrorCode::AuthenticationFailed);

    // What is named by the envelope must be what the ciphertext is under.
    let mut swapped = own.clone();
    swapped.key = uri(&kms.engine().realm().key(&other));
    assert_eq!(refused(&kms, unwrap(swapped, bound())), ErrorCode::AuthenticationFailed);
    let request = Request::Encrypt {
        key: uri(&key),
        plaintext: SecretBytes::new(vec![1; 31]),
        context: bound(),
    };
    let Ok(Response::Ciphertext { ciphertext, key }) = ask(&kms, request) else { panic!() };
    let short = keyfold::WrappedKey { key, params: keyfold::ProviderParams::new(), ciphertext };
    assert_eq!(refused(&kms, unwrap(short, bound())), ErrorCode::AuthenticationFailed);
}

#[test]
fn small_data_and_signatures_pass_through() {
    let (kms, key, pair) = fixture();
    let request = Request::Encrypt {
        key: uri("alias/docs"),
        plaintext: SecretBytes::new(b"small".to_vec()),
        context: bound(),
    };
    let Ok(Response::Ciphertext { ciphertext, key: full }) = ask(&kms, request) else { panic!() };
    assert_eq!(full, uri(&kms.engine().realm().key(&key)));
    for key in [None, Some(uri("alias/docs"))] {
        let request = Request::Decrypt { key, ciphertext: ciphertext.clone(), context: bound() };
        let Ok(Response::Plaintext { plaintext, .. }) = ask(&kms, request) else { panic!() };
        assert_eq!(plaintext.expose(), b"small");
    }
    let Ok(Response::Key(resolved)) = ask(&kms, Request::ResolveKey { key: uri("alias/docs") })
    else {
        panic!()
    };
    assert_eq!(resolved, full);

    let algorithm = SignatureAlgorithm::EcdsaSha256;
    let input = || SignInput::Message(b"message".to_vec());
    let request = Request::Sign { key: uri(&pair), algorithm, input: input() };
    let Ok(Response::Signature(signature)) = ask(&kms, request) else { panic!() };
    let Ok(Response::PublicKey { spki, .. }) = ask(&kms, Request::GetPublicKey { key: uri(&pair) })
    else {
        panic!()
    };
    let public = PublicKey::from_spki_der(&spki).expect("a public key");
    public.verify(algorithm, b"message", &signature).expect("verifies offline");
    let verify = |signature: &[u8], input| Request::Verify {
        key: uri(&pair),
        algorithm,
        input,
        signature: signature.to_vec(),
    };
    assert!(matches!(ask(&kms, verify(&signature, input())), Ok(Response::Verified)));
    let digest = keyfold::crypto::hash::Sha256::digest(b"message").to_vec();
    let by_digest = verify(&signature, SignInput::Digest(digest));
    assert!(matches!(ask(&kms, by_digest), Ok(Response::Verified)));
    let forged = verify(&signature, SignInput::Message(b"forged".to_vec()));
    assert_eq!(refused(&kms, forged), ErrorCode::SignatureInvalid);
}

#[test]
fn secrets_pass_through() {
    let (kms, _, _) = fixture();
    let put = |value: &[u8]| Request::PutSecret {
        name: "db/password".into(),
        value: SecretBytes::new(value.to_vec()),
        key: Some(uri("alias/docs")),
        token: String::new(),
    };
    let get = |name: &str, version: Option<String>| Request::GetSecret {
        name: name.into(),
        version,
        stage: None,
    };
    let Ok(Response::SecretVersion { version: first }) = ask(&kms, put(b"one")) else { panic!() };
    // Not UTF-8: kept as bytes.
    let Ok(Response::SecretVersion { version }) = ask(&kms, put(b"\xff")) else { panic!() };
    let Ok(Response::Secret { value, version: current }) = ask(&kms, get("db/password", None))
    else {
        panic!()
    };
    assert_eq!((value.expose(), current), (&b"\xff"[..], version));
    let Ok(Response::Secret { value, .. }) = ask(&kms, get("db/password", Some(first))) else {
        panic!()
    };
    assert_eq!(value.expose(), b"one");
    assert_eq!(refused(&kms, get("none", None)), ErrorCode::SecretNotFound);
}

#[test]
fn errors_take_the_codes_of_the_core() {
    let (kms, key, pair) = fixture();
    let owner = kms.engine().owner();
    let generate = |name: &str| Request::GenerateDataKey { key: uri(name), context: bound() };
    assert_eq!(refused(&kms, generate("alias/none")), ErrorCode::KmsKeyUnavailable);
    assert_eq!(refused(&kms, generate(&pair)), ErrorCode::KmsKeyUnavailable);
    kms.engine().call(&owner, &disable(&key)).expect("disabled");
    assert_eq!(refused(&kms, generate(&key)), ErrorCode::KmsKeyUnavailable);
    kms.engine().call(&owner, &enable(&key)).expect("enabled");
    let foreign = Request::GenerateDataKey {
        key: "aws:alias/docs".parse().expect("a key URI"),
        context: bound(),
    };
    assert_eq!(refused(&kms, foreign), ErrorCode::InvalidArgument);
    let large = Request::Encrypt {
        key: uri(&key),
        plaintext: SecretBytes::new(vec![0; 4097]),
        context: bound(),
    };
    assert_eq!(refused(&kms, large), ErrorCode::InvalidArgument);
    let ed25519ph = Request::Sign {
        key: uri(&pair),
        algorithm: SignatureAlgorithm::Ed25519ph,
        input: SignInput::Message(vec![1]),
    };
    assert_eq!(refused(&kms, ed25519ph), ErrorCode::InvalidArgument);
    let kms = kms.as_caller(Caller::new(ALICE, ACCOUNT));
    assert_eq!(refused(&kms, generate(&key)), ErrorCode::KmsDenied);
}

#[test]
fn secrets_have_versions_and_stages_and_need_their_key() {
    let (kms, key, _) = fixture();
    let put = |name: &str, value: &[u8], key: Option<&str>| -> Result<String, Error> {
        let request = Request::PutSecret {
            name: name.into(),
            value: SecretBytes::from(value),
            key: key.map(uri),
            token: String::new(),
        };
        match ask(&kms, request)? {
            Response::SecretVersion { version } => Ok(version),
            _ => panic!("another answer"),
        }
    };
    let get = |name: &str, version: Option<&str>, stage: Option<&str>| -> Result<_, Error> {
        let request = Request::GetSecret {
            name: name.into(),
            version: version.map(str::to_owned),
            stage: stage.map(str::to_owned),
        };
        match ask(&kms, request)? {
            Response::Secret { value, version } => Ok((value.expose().to_vec(), version)),
            _ => panic!("another answer"),
        }
    };
    let code = |result: Result<_, Error>| result.map(drop).expect_err("refused").code();
    assert_eq!(code(get("db/password", None, None)), ErrorCode::SecretNotFound);
    let first = put("db/password", b"one", Some(&key)).expect("a new secret");
    let second = put("db/password", b"\xfftwo", None).expect("a new version");
    assert_eq!(get("db/password", None, None).expect("current"), (b"\xfftwo".to_vec(), second));
    let one = (b"one".to_vec(), first.clone());
    assert_eq!(get("db/password", Some(&first), None).expect("by id"), one);
    assert_eq!(get("db/password", None, Some("AWSPREVIOUS")).expect("by stage"), one);
    assert_eq!(code(get("db/password", None, Some("mine"))), ErrorCode::SecretNotFound);
    assert!(put("db/password", &vec![0; 65_537], None).is_err());
    let foreign = Request::PutSecret {
        name: "x".into(),
        value: SecretBytes::from(b"v".as_slice()),
        key: Some("aws:alias/docs".parse().expect("a key URI")),
        token: String::new(),
    };
    assert_eq!(refused(&kms, foreign), ErrorCode::InvalidArgument);

    let owner = kms.engine().owner();
    kms.engine().call(&owner, &DisableKeyRequest { key_id: key }).expect("disabled");
    assert_eq!(code(get("db/password", None, None)), ErrorCode::KmsKeyUnavailable);
    assert!(
        put("db/password", b"three", None)
            .is_err_and(|error| error.code() == ErrorCode::KmsKeyUnavailable)
    );
}
