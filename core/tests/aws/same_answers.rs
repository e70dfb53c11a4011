//! The embedded KMS and the provider are two ways to one engine: what one answers, or refuses
//! with which code, the other does too.

use keyfold::kms::aws::{AwsConfig, AwsKms};
use keyfold::kms::{Kms, Request, Response, SignInput};
use keyfold::maybe_send::BoxFuture;
use keyfold::sign::SignatureAlgorithm as A;
use keyfold::transport::{HttpRequest, HttpResponse, Transport, TransportError};
use keyfold::{EncryptionContext, ErrorCode, KeyUri, ProviderParams, SecretBytes, WrappedKey};
use keyfold_kms::engine::Operation;
use keyfold_kms::types::*;
use keyfold_kms::{Caller, EmbeddedKms, Engine, KmsError, KmsErrorCode};
use pollster::block_on;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::support::*;

/// A server without a network: an engine behind the wire's JSON.
struct Wire<'a> {
    engine: &'a Engine,
    caller: Caller,
}

impl Wire<'_> {
    fn run<O>(&self, body: &[u8]) -> Result<Vec<u8>, KmsError>
    where
        O: Operation<Response: Serialize> + DeserializeOwned,
    {
        let request: O = serde_json::from_slice(body)
            .map_err(|_| KmsError::new(KmsErrorCode::Serialization, "no such request"))?;
        let answer = self.engine.call(&self.caller, &request)?;
        Ok(serde_json::to_vec(&answer).expect("an answer has a JSON form"))
    }
}

impl Transport for Wire<'_> {
    fn send(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse, TransportError>> {
        let body = &request.body;
        let outcome = match header(&request, "x-amz-target").expect("a target") {
            "TrentService.GenerateDataKey" => self.run::<GenerateDataKeyRequest>(body),
            "TrentService.Encrypt" => self.run::<EncryptRequest>(body),
            "TrentService.Decrypt" => self.run::<DecryptRequest>(body),
            "TrentService.ReEncrypt" => self.run::<ReEncryptRequest>(body),
            "TrentService.Sign" => self.run::<SignRequest>(body),
            "TrentService.Verify" => self.run::<VerifyRequest>(body),
            "TrentService.GetPublicKey" => self.run::<GetPublicKeyRequest>(body),
            "TrentService.DescribeKey" => self.run::<DescribeKeyRequest>(body),
            "secretsmanager.CreateSecret" => self.run::<CreateSecretRequest>(body),
            "secretsmanager.PutSecretValue" => self.run::<PutSecretValueRequest>(body),
            "secretsmanager.GetSecretValue" => self.run::<GetSecretValueRequest>(body),
            target => panic!("{target}"),
        };
        let response = outcome.map_or_else(
            |error| {
                let body = serde_json::json!({
                    "__type": error.code().as_str(), "message": error.message(),
                });
                answer(error.code().status(), &body.to_string())
            },
            |body| HttpResponse { status: 200, headers: vec![], body },
        );
        Box::pin(std::future::ready(Ok(response)))
    }
}

struct Fixture {
    embedded: EmbeddedKms,
    docs: KeyUri,
    other: KeyUri,
    disabled: KeyUri,
    p256: KeyUri,
    ed25519: KeyUri,
}

fn uri(text: &str) -> KeyUri {
    format!("keyfold:{text}").parse().expect("a key URI")
}

impl Fixture {
    fn new() -> Self {
        let kms = EmbeddedKms::in_memory().expect("a KMS");
        let make = |name: &str, spec| kms.create_key(name, spec).expect("a key");
        let docs = make("alias/docs", KeySpec::SymmetricDefault);
        let other = make("alias/other", KeySpec::SymmetricDefault);
        let disabled = make("alias/disabled", KeySpec::SymmetricDefault);
        let p256 = make("alias/p256", KeySpec::EccNistP256);
        let ed25519 = make("alias/ed25519", KeySpec::EccNistEdwards25519);
        let engine = kms.engine();
        let disable = DisableKeyRequest { key_id: disabled.rest().to_owned() };
        engine.call(&engine.owner(), &disable).expect("disabled");
        Fixture { embedded: kms, docs, other, disabled, p256, ed25519 }
    }

    fn remote(&self, caller: Caller) -> AwsKms<Wire<'_>> {
        let config = AwsConfig::keyfold("https://kms.example.com").expect("a configuration");
        let wire = Wire { engine: self.embedded.engine(), caller };
        AwsKms::new(wire, Noon, fixed(), config)
    }
}

fn bound() -> EncryptionContext {
    [("tenant", "acme"), ("\u{540d}", "\u{e9}\"\\")].into()
}

/// What an answer is, as far as it is the same each time.
fn summary(answer: keyfold::Result<Response>) -> Result<String, ErrorCode> {
    answer.map_err(|error| error.code()).map(|response| match response {
        Response::DataKey { wrapped, .. } => format!("data key under {}", wrapped.key),
        Response::Wrapped(wrapped) => format!("wrapped under {}", wrapped.key),
        Response::Unwrapped(key) => format!("unwrapped {:?}", key.0.expose()),
        Response::Ciphertext { key, .. } => format!("ciphertext under {key}"),
        Response::Plaintext { plaintext, key } => format!("{:?} under {key}", plaintext.expose()),
        Response::Signature(_) => "signature".to_owned(),
        Response::Verified => "verified".to_owned(),
        Response::PublicKey { spki, key } => format!("{spki:?} of {key}"),
        Response::Key(key) => key.to_string(),
        Response::SecretVersion { .. } => "version".to_owned(),
        Response::Secret { value, .. } => format!("secret {:?}", value.expose()),
        _ => "another answer".to_owned(),
    })
}

/// Every request, good and bad, with the code that it is refused with.
#[expect(clippy::too_many_lines, reason = "a table")]
fn expectations(
    fixture: &Fixture,
    secret: &str,
) -> Vec<(&'static str, Request, Option<ErrorCode>)> {
    use ErrorCode as E;
    let Fixture { embedded, docs, other, disabled, p256, ed25519 } = fixture;
    let ask = |request: Request| block_on(embedded.call(&request)).expect("an answer");
    let wrap = Request::Wrap {
        key: docs.clone(),
        data_key: SecretBytes::new(vec![5; 32]),
        context: bound(),
    };
    let Response::Wrapped(wrapped) = ask(wrap) else { panic!() };
    let encrypt = |length: usize| Request::Encrypt {
        key: docs.clone(),
        plaintext: SecretBytes::new(vec![1; length]),
        context: bound(),
    };
    let Response::Ciphertext { ciphertext, .. } = ask(encrypt(31)) else { panic!() };
    let not_a_key = WrappedKey {
        key: docs.clone(),
        params: ProviderParams::new(),
        ciphertext: ciphertext.clone(),
    };
    let message = || SignInput::Message(b"message".to_vec());
    let digest = || SignInput::Digest(keyfold_digest());
    let sign =
        |key: &KeyUri, algorithm, input| Request::Sign { key: key.clone(), algorithm, input };
    let Response::Signature(ecdsa) = ask(sign(p256, A::EcdsaSha256, message())) else { panic!() };
    let Response::Signature(eddsa) = ask(sign(ed25519, A::Ed25519, message())) else { panic!() };
    let verify = |key: &KeyUri, algorithm, input, signature: &[u8]| Request::Verify {
        key: key.clone(),
        algorithm,
        input,
        signature: signature.to_vec(),
    };
    let unwrap = |wrapped: &WrappedKey, context, key: Option<&KeyUri>| Request::Unwrap {
        wrapped: wrapped.clone(),
        context,
        key: key.cloned(),
    };
    let mut flipped = wrapped.clone();
    flipped.ciphertext[40] ^= 1;
    let generate = |key: &KeyUri| Request::GenerateDataKey { key: key.clone(), context: bound() };
    let decrypt = |key: Option<&KeyUri>, ciphertext: &[u8], context| Request::Decrypt {
        key: key.cloned(),
        ciphertext: ciphertext.to_vec(),
        context,
    };
    let rewrap = |wrapped: &WrappedKey, to: &KeyUri| Request::Rewrap {
        wrapped: wrapped.clone(),
        context: bound(),
        key: None,
        to: to.clone(),
    };
    let put = |value: &[u8], key: Option<&KeyUri>| Request::PutSecret {
        name: secret.into(),
        value: value.into(),
        key: key.cloned(),
        token: String::new(),
    };
    let get = |name: &str, stage: Option<&str>| Request::GetSecret {
        name: name.into(),
        version: None,
        stage: stage.map(str::to_owned),
    };
    let none = EncryptionContext::new;
    let foreign: KeyUri = "aws:alias/docs".parse().expect("a key URI");
    vec![
        ("generate", generate(docs), None),
        ("generate by alias", generate(&uri("alias/docs")), None),
        ("generate, no such key", generate(&uri("alias/none")), Some(E::KmsKeyUnavailable)),
        ("generate, disabled", generate(disabled), Some(E::KmsKeyUnavailable)),
        ("generate, signing key", generate(p256), Some(E::KmsKeyUnavailable)),
        ("generate, foreign", generate(&foreign), Some(E::InvalidArgument)),
        ("unwrap", unwrap(&wrapped, bound(), None), None),
        ("unwrap by alias", unwrap(&wrapped, bound(), Some(&uri("alias/docs"))), None),
        ("unwrap, other context", unwrap(&wrapped, none(), None), Some(E::AuthenticationFailed)),
        (
            "unwrap, other key",
            unwrap(&wrapped, bound(), Some(other)),
            Some(E::AuthenticationFailed),
        ),
        ("unwrap, flipped", unwrap(&flipped, bound(), None), Some(E::AuthenticationFailed)),
        ("unwrap, no data key", unwrap(&not_a_key, bound(), None), Some(E::AuthenticationFailed)),
        ("rewrap", rewrap(&wrapped, other), None),
        ("rewrap, flipped", rewrap(&flipped, other), Some(E::AuthenticationFailed)),
        ("rewrap, disabled", rewrap(&wrapped, disabled), Some(E::KmsKeyUnavailable)),
        ("encrypt", encrypt(4096), None),
        ("encrypt nothing", encrypt(0), Some(E::InvalidArgument)),
        ("encrypt too much", encrypt(4097), Some(E::InvalidArgument)),
        ("decrypt", decrypt(None, &ciphertext, bound()), None),
        ("decrypt with a key", decrypt(Some(docs), &ciphertext, bound()), None),
        (
            "decrypt, other key",
            decrypt(Some(other), &ciphertext, bound()),
            Some(E::AuthenticationFailed),
        ),
        ("decrypt garbage", decrypt(None, b"garbage", bound()), Some(E::AuthenticationFailed)),
        ("decrypt nothing", decrypt(None, b"", bound()), Some(E::InvalidArgument)),
        ("sign", sign(p256, A::EcdsaSha256, message()), None),
        ("sign a digest", sign(p256, A::EcdsaSha256, digest()), None),
        (
            "sign, long digest",
            sign(p256, A::EcdsaSha256, SignInput::Digest(vec![0; 33])),
            Some(E::InvalidArgument),
        ),
        (
            "sign, other algorithm",
            sign(p256, A::EcdsaSha384, message()),
            Some(E::KmsKeyUnavailable),
        ),
        ("sign, symmetric key", sign(docs, A::EcdsaSha256, message()), Some(E::KmsKeyUnavailable)),
        ("sign Ed25519", sign(ed25519, A::Ed25519, message()), None),
        ("sign Ed25519 digest", sign(ed25519, A::Ed25519, digest()), Some(E::InvalidArgument)),
        ("sign Ed25519ph", sign(ed25519, A::Ed25519ph, digest()), Some(E::InvalidArgument)),
        (
            "sign too much",
            sign(p256, A::EcdsaSha256, SignInput::Message(vec![0; 4097])),
            Some(E::InvalidArgument),
        ),
        ("verify", verify(p256, A::EcdsaSha256, digest(), &ecdsa), None),
        ("verify Ed25519", verify(ed25519, A::Ed25519, message(), &eddsa), None),
        (
            "verify, forged",
            verify(p256, A::EcdsaSha256, SignInput::Message(vec![1]), &ecdsa),
            Some(E::SignatureInvalid),
        ),
        (
            "verify, no signature",
            verify(p256, A::EcdsaSha256, message(), b"x"),
            Some(E::SignatureInvalid),
        ),
        ("public key", Request::GetPublicKey { key: p256.clone() }, None),
        (
            "public key, symmetric",
            Request::GetPublicKey { key: docs.clone() },
            Some(E::KmsKeyUnavailable),
        ),
        ("resolve", Request::ResolveKey { key: uri("alias/p256") }, None),
        (
            "resolve, no such key",
            Request::ResolveKey { key: uri("alias/none") },
            Some(E::KmsKeyUnavailable),
        ),
        ("get, no such secret", get("none", None), Some(E::SecretNotFound)),
        (
            "put, key does not exist",
            put(b"x", Some(&uri("alias/none"))),
            Some(E::KmsKeyUnavailable),
        ),
        ("put, new", put(b"one", Some(docs)), None),
        ("put, again", put(b"\xfftwo", None), None),
        ("put, foreign key", put(b"three", Some(&foreign)), Some(E::InvalidArgument)),
        ("put too much", put(&vec![b'x'; 65_537], None), Some(E::InvalidArgument)),
        ("get", get(secret, None), None),
        ("get the one before", get(secret, Some("AWSPREVIOUS")), None),
        ("get, no such stage", get(secret, Some("MINE")), Some(E::SecretNotFound)),
    ]
}

fn keyfold_digest() -> Vec<u8> {
    let mut hasher = keyfold::sign::MessageHasher::new(A::EcdsaSha256).expect("a hash");
    hasher.update(b"message");
    hasher.finish()
}

/// The embedded KMS makes its own names for changes; over the wire one is given.
fn named(mut request: Request, number: usize) -> Request {
    if let Request::PutSecret { token, .. } = &mut request {
        *token = format!("{number:032}");
    }
    request
}

#[test]
fn both_ways_answer_alike() {
    let fixture = Fixture::new();
    let provider = fixture.remote(fixture.embedded.engine().owner());
    let both: [&dyn Kms; 2] = [&fixture.embedded, &provider];
    let mut secrets = ["db/one", "db/two"].into_iter();
    let [embedded, remote] = both.map(|kms| {
        let secret = secrets.next().expect("one for each way");
        let requests = expectations(&fixture, secret).into_iter().enumerate();
        let outcomes = requests.map(|(number, (what, request, code))| {
            let outcome = summary(block_on(kms.call(&named(request, number))));
            assert_eq!(outcome.as_ref().err(), code.as_ref(), "{what}");
            (what, outcome)
        });
        outcomes.collect::<Vec<_>>()
    });
    assert_eq!(embedded, remote);
    assert_eq!(embedded.len(), 49);
}

#[test]
fn both_ways_refuse_a_stranger() {
    let fixture = Fixture::new();
    let stranger = || Caller::new("arn:aws:iam::000000000000:user/eve", "000000000000");
    let request = Request::GenerateDataKey { key: fixture.docs.clone(), context: bound() };
    let remote = summary(block_on(fixture.remote(stranger()).call(&request)));
    let embedded = summary(block_on(fixture.embedded.as_caller(stranger()).call(&request)));
    assert_eq!(remote, embedded);
    assert_eq!(remote, Err(ErrorCode::KmsDenied));
}
