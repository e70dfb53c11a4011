//! What the tests of all clouds share.

use std::sync::Arc;

use keyfold::credentials::{Credentials, StaticCredentials};
use keyfold::kms::admin::{AdminRequest, AdminResponse, KmsAdmin};
use keyfold::kms::cloud::{CloudConfig, CloudKms, Unsupported};
use keyfold::kms::{Kms, Request, Response};
use keyfold::transport::{HttpRequest, HttpResponse};
use keyfold::{EncryptionContext, Error, KeyUri, ProviderParams, Rng, SecretBytes, WrappedKey};
use pollster::block_on;

pub(crate) use crate::aws_support::{Canned, DATE, NOW, Noon, answer, header, with};

/// 32 bytes of 0 in base64: a data key.
pub(crate) const ZEROES: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
/// A token of a change.
pub(crate) const TOKEN: &str = "01234567-89ab-4def-8123-456789abcdef";

/// Gives the same bytes always: what is signed is then known.
pub(crate) struct Steady;

impl Rng for Steady {
    fn fill(&self, out: &mut [u8]) -> keyfold::Result<()> {
        for (byte, place) in out.iter_mut().zip(0u8..) {
            *byte = place;
        }
        Ok(())
    }
}

pub(crate) fn access_key(token: Option<&str>) -> Credentials {
    let secret = SecretBytes::from(&b"EXAMPLEsecretKEYexampleSECRET001"[..]);
    let token = token.map(|token| SecretBytes::from(token.as_bytes()));
    Credentials::access_key("AKIDEXAMPLE", &secret, token.as_ref()).expect("an access key")
}

/// A cloud that answers as it is told.
pub(crate) struct Cloud {
    pub(crate) kms: CloudKms,
    pub(crate) transport: Canned,
}

impl Cloud {
    pub(crate) fn new(
        config: impl Into<CloudConfig>,
        answers: impl IntoIterator<Item = HttpResponse>,
    ) -> Self {
        Self::by(config, access_key(None), answers)
    }

    pub(crate) fn by(
        config: impl Into<CloudConfig>,
        credentials: Credentials,
        answers: impl IntoIterator<Item = HttpResponse>,
    ) -> Self {
        let transport = Canned::new(answers);
        let credentials = Arc::new(StaticCredentials::new(credentials));
        let http = Arc::new(transport.clone());
        Cloud { kms: CloudKms::new(config, http, Noon, credentials, Steady), transport }
    }

    pub(crate) fn call(&self, request: &Request) -> Result<Response, Error> {
        block_on(self.kms.call(request))
    }

    pub(crate) fn administer(&self, request: &AdminRequest) -> Result<AdminResponse, Error> {
        block_on(self.kms.administer(request))
    }

    pub(crate) fn sent(&self) -> Vec<HttpRequest> {
        self.transport.sent()
    }
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

pub(crate) fn context() -> EncryptionContext {
    [("tenant", "acme"), ("app", "keyfold")].into()
}

/// More than any provider's text takes.
pub(crate) fn long_context() -> EncryptionContext {
    [("long", "x".repeat(2000))].into()
}

pub(crate) fn wrapped(key: &str, params: ProviderParams, ciphertext: &str) -> WrappedKey {
    let key = key.parse().expect("a key URI");
    WrappedKey { key, params, ciphertext: ciphertext.as_bytes().to_vec() }
}

pub(crate) fn uri(key: &str) -> KeyUri {
    key.parse().expect("a key URI")
}

pub(crate) fn secret(bytes: &[u8]) -> SecretBytes {
    SecretBytes::from(bytes)
}

/// Whether it was refused here, as something that the service does not have.
pub(crate) fn is_unsupported(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<Unsupported>)
}

/// One request of each kind, for a key of this name.
pub(crate) fn every_request(key: &str) -> Vec<Request> {
    use keyfold::kms::SignInput;
    use keyfold::sign::SignatureAlgorithm::EcdsaSha256;
    // What some services cannot have written is refused before it is sent.
    let ciphertext: &[u8] =
        if key.starts_with("vault:") { b"vault:v1:AQIDBAUG" } else { b"AQIDBAUG" };
    let (key, context) = (uri(key), context());
    let wrapped = WrappedKey {
        key: key.clone(),
        // What the records of some need to have; others do not look at it.
        params: ProviderParams::from([
            ("algorithm".to_owned(), b"RSA-OAEP-256".to_vec()),
            ("length".to_owned(), b"32".to_vec()),
            ("version".to_owned(), b"0123abc".to_vec()),
        ]),
        ciphertext: ciphertext.to_vec(),
    };
    let input = || SignInput::Digest(vec![7; 32]);
    vec![
        Request::GenerateDataKey { key: key.clone(), context: context.clone() },
        Request::Wrap { key: key.clone(), data_key: secret(&[0; 32]), context: context.clone() },
        Request::Unwrap { wrapped: wrapped.clone(), context: context.clone(), key: None },
        Request::Rewrap { wrapped, context: context.clone(), key: None, to: key.clone() },
        Request::Encrypt { key: key.clone(), plaintext: secret(b"hi"), context: context.clone() },
        Request::Decrypt { key: Some(key.clone()), ciphertext: ciphertext.to_vec(), context },
        Request::Sign { key: key.clone(), algorithm: EcdsaSha256, input: input() },
        Request::Verify {
            key: key.clone(),
            algorithm: EcdsaSha256,
            input: input(),
            signature: vec![1, 2, 3],
        },
        Request::GetPublicKey { key: key.clone() },
        Request::ResolveKey { key },
        Request::PutSecret {
            name: "db-password".into(),
            value: secret(b"hunter2"),
            key: None,
            token: TOKEN.into(),
        },
        Request::GetSecret { name: "db-password".into(), version: None, stage: None },
    ]
}

/// One request of administration of each kind.
pub(crate) fn every_admin_request(key: &str) -> Vec<AdminRequest> {
    use keyfold::kms::admin::{KeyKind, KeyUse};
    let (key, name) = (uri(key), "db-password".to_owned());
    vec![
        AdminRequest::CreateKey {
            kind: KeyKind::Symmetric,
            usage: KeyUse::EncryptDecrypt,
            alias: Some("docs".into()),
            description: None,
        },
        AdminRequest::DescribeKey { key: key.clone() },
        AdminRequest::ListKeys { page: None },
        AdminRequest::EnableKey { key: key.clone() },
        AdminRequest::DisableKey { key: key.clone() },
        AdminRequest::ScheduleKeyDeletion { key: key.clone(), days: 30 },
        AdminRequest::CancelKeyDeletion { key: key.clone() },
        AdminRequest::GetRotation { key: key.clone() },
        AdminRequest::SetRotation { key: key.clone(), every_days: Some(90) },
        AdminRequest::RotateKey { key: key.clone() },
        AdminRequest::SetAlias { key: key.clone(), alias: "alias/docs".into() },
        AdminRequest::DeleteAlias { key, alias: "alias/docs".into() },
        AdminRequest::Random { len: 32 },
        AdminRequest::DescribeSecret { name: name.clone() },
        AdminRequest::ListSecrets { page: None },
        AdminRequest::ListSecretVersions { name: name.clone(), page: None },
        AdminRequest::DeleteSecret { name: name.clone(), days: 7 },
        AdminRequest::RestoreSecret { name },
    ]
}

/// Bodies that no service answers: every one is `kms_protocol`, whatever was asked.
pub(crate) fn garbage() -> Vec<HttpResponse> {
    let deep = format!(r#"{{"Response":{}{}}}"#, "[".repeat(1000), "]".repeat(1000));
    let huge = format!(r#"{{"Response":{{"KeyId":"{}"}}}}"#, "k".repeat(5 << 20));
    // Every name that an answer may have, each with what it never is, and each twice.
    let names = [
        "Response",
        "KeyId",
        "Plaintext",
        "CiphertextBlob",
        "SourceKeyId",
        "KeyMetadata",
        "Signature",
        "key_id",
        "plain_text",
        "cipher_text",
        "data_key",
        "key_info",
        "signature",
        "public_key",
        "keyId",
        "plainText",
        "cipherTextBlob",
        "keyMetadata",
        "keychainPassword",
        "Value",
        "KeyVersions",
        "PublicKey",
        "VersionId",
        "SecretData",
        "Keys",
        "Aliases",
        "name",
        "ciphertext",
        "plaintext",
        "payload",
        "pem",
        "algorithm",
        "cryptoKeys",
        "secrets",
        "kid",
        "key",
        "value",
        "attributes",
        "id",
        "nextLink",
        "lifetimeActions",
        "error",
        "versions",
        "version",
        "secret",
        "stage",
        "version_metadata",
        "TotalCount",
        "truncated",
    ];
    let all = |value: &str| {
        let members: Vec<String> =
            names.iter().map(|name| format!(r#""{name}":{value}"#)).collect();
        members.join(",")
    };
    let wrong_types = ["7", "[7]", "{\"x\":7}"].map(|value| format!("{{{}}}", all(value)));
    let twice = format!("{{{},{}}}", all("\"k\""), all("{}"));
    let [numbers, lists, objects] = &wrong_types;
    let bodies = [
        "",
        "{",
        "[]",
        "null",
        "\"text\"",
        "{}",
        "{\"Response\":null}",
        "{\"Response\":[]}",
        "{\"Response\":{}",
        "{\"Response\":{\"KeyId\":1}}",
        "{\"Response\":{}} trailing",
        "<html><body>Sign in to the network</body></html>",
        "\u{feff}{}",
        &deep,
        &huge,
        numbers,
        lists,
        objects,
        &twice,
    ];
    let mut all: Vec<HttpResponse> = bodies.iter().map(|body| answer(200, body)).collect();
    all.push(answer(301, "<html>moved</html>"));
    all.push(with(answer(302, ""), "location", "https://elsewhere.example.com/"));
    all.push(answer(204, ""));
    all.push(answer(404, "<html>not found</html>"));
    all.push(HttpResponse { status: 200, headers: vec![], body: vec![0xff; 64] });
    all
}

/// Lets every request of both seams meet every body of [`garbage`].
pub(crate) fn garbage_is_refused(config: impl Fn() -> CloudConfig, key: &str) {
    let with_app = || {
        let credentials = access_key(None).with_app("APP", secret(b"LzcI824P243Bt48F"));
        credentials.expect("an application")
    };
    garbage_is_refused_by(config, with_app, key);
}

/// The same for a caller with other credentials than an access key.
pub(crate) fn garbage_is_refused_by(
    config: impl Fn() -> CloudConfig,
    credentials: impl Fn() -> Credentials,
    key: &str,
) {
    use keyfold::ErrorCode::{AuthenticationFailed, InvalidArgument, KmsProtocol};
    for garbage in garbage() {
        for request in every_request(key) {
            let cloud = Cloud::by(config(), credentials(), vec![garbage.clone(); 8]);
            let error = cloud.call(&request).expect_err("refused");
            // What is no record of ours is nothing that some services could decrypt.
            let no_record =
                error.code() == AuthenticationFailed && matches!(request, Request::Decrypt { .. });
            let local = error.code() == InvalidArgument || no_record;
            assert!(
                error.code() == KmsProtocol || local && cloud.sent().is_empty(),
                "{request:?}: {error}, {garbage:?}"
            );
        }
        for request in every_admin_request(key) {
            let cloud = Cloud::by(config(), credentials(), vec![garbage.clone(); 8]);
            let Err(error) = cloud.administer(&request) else {
                // An answer that says nothing has no form that it could break.
                assert_eq!(garbage.status / 100, 2, "{request:?}: {garbage:?}");
                continue;
            };
            let local = error.code() == InvalidArgument && cloud.sent().is_empty();
            assert!(local || error.code() == KmsProtocol, "{request:?}: {error}, {garbage:?}");
        }
    }
}
