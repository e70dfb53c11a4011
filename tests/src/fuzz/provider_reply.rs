use std::sync::Arc;
use std::time::Duration;

use keyfold::credentials::{Credentials, StaticCredentials};
use keyfold::kms::admin::{AdminRequest, KmsAdmin};
use keyfold::kms::cloud::{CloudKms, Place, Places, SCHEMES, config};
use keyfold::kms::{Kms, Request, SignInput};
use keyfold::maybe_send::BoxFuture;
use keyfold::sign::SignatureAlgorithm;
use keyfold::transport::{HttpRequest, HttpResponse, Transport, TransportError};
use keyfold::{EncryptionContext, KeyUri, ProviderParams, SecretBytes, SystemRng, WrappedKey};
use pollster::block_on;

/// The clouds in the order of their numbers in the corpus: new ones come last.
const CLOUDS: [&str; 7] = ["tencent", "huawei", "alibaba", "pingan", "google", "azure", "vault"];
// None is left out.
const _: () = assert!(CLOUDS.len() == SCHEMES.len());
const PLACE: &str = "ap-guangzhou";

/// What clouds answer, and what records hold. The first byte chooses the cloud, the second what
/// is asked of it, the third the status; every request gets the rest as its answer. With an odd
/// third byte the rest is the record too that is decrypted, and a parameter of a recipient.
/// Nothing panics, and nobody asks for ever.
pub fn provider_reply(bytes: &[u8]) {
    let [cloud, operation, status, rest @ ..] = bytes else { return };
    let scheme = CLOUDS[usize::from(*cloud) % CLOUDS.len()];
    let key: KeyUri = key(scheme, *operation).parse().expect("a key URI");
    let config = config(key.as_str(), &places(scheme, *operation)).expect("a configuration");
    let secret = SecretBytes::from(&b"secret"[..]);
    let credentials = match scheme {
        "azure" | "google" | "vault" => Credentials::bearer(&secret).expect("a token"),
        _ => {
            let credentials = Credentials::access_key("AKIDEXAMPLE", &secret, None).expect("a key");
            let app_key = SecretBytes::from(&b"LzcI824P243Bt48F"[..]);
            credentials.with_app("APP", app_key).expect("an application")
        }
    };
    let status_code = [200, 200, 400, 401, 403, 404, 429, 500][usize::from(*status >> 1) % 8];
    let http = Arc::new(Always { status: status_code, body: rest.to_vec() });
    let credentials = Arc::new(StaticCredentials::new(credentials));
    let kms = CloudKms::new(config, http, Noon, credentials, SystemRng);
    let given: &[u8] = match scheme {
        _ if status % 2 == 1 => rest,
        "vault" => b"vault:v1:AQIDBA==",
        _ => b"AQIDBA==",
    };
    let requests = requests(&key, given);
    let administration = administration(&key);
    let place = usize::from(*operation) % (requests.len() + administration.len());
    match requests.get(place) {
        Some(request) => drop(block_on(kms.call(request))),
        None => drop(block_on(kms.administer(&administration[place - requests.len()]))),
    }
}

/// A key as the cloud names keys; where versions have names, half of the time with one.
fn key(scheme: &str, operation: u8) -> String {
    match scheme {
        "google" => {
            let version = if operation >= 128 { "/cryptoKeyVersions/1" } else { "" };
            format!("google://projects/p/locations/l/keyRings/r/cryptoKeys/k{version}")
        }
        "azure" if operation >= 128 => "azure://ap-guangzhou/k/0123456789abcdef".to_owned(),
        "vault" if operation >= 192 => "vault://ap-guangzhou/k/2".to_owned(),
        _ => format!("{scheme}://ap-guangzhou/k"),
    }
}

/// What a cloud cannot do without; half of the time Vault is an OpenBao.
fn places(scheme: &str, operation: u8) -> Places {
    let mut place = Place::default();
    if scheme == "huawei" {
        place.settings.insert("project".to_owned(), "0123456789abcdef".to_owned());
    }
    if scheme == "vault" {
        place.keys = Some("https://vault.example.com".to_owned());
        let edition = if operation % 128 >= 64 { "openbao" } else { "vault" };
        place.settings.insert("edition".to_owned(), edition.to_owned());
    }
    Places::from([(format!("{scheme}://{PLACE}"), place)])
}

struct Always {
    status: u16,
    body: Vec<u8>,
}

impl Transport for Always {
    fn send(&self, _: HttpRequest) -> BoxFuture<'_, Result<HttpResponse, TransportError>> {
        let date = "Tue, 14 Nov 2023 23:13:20 GMT".to_owned();
        let headers = vec![("date".to_owned(), date)];
        let answer = HttpResponse { status: self.status, headers, body: self.body.clone() };
        Box::pin(std::future::ready(Ok(answer)))
    }
}

struct Noon;

impl keyfold::WallClock for Noon {
    fn unix_time(&self) -> Duration {
        Duration::from_secs(1_700_000_000)
    }
}

fn requests(key: &KeyUri, given: &[u8]) -> Vec<Request> {
    let key = || key.clone();
    let context = || EncryptionContext::from([("tenant", "acme")]);
    let record = || WrappedKey {
        key: key(),
        params: ["binding", "length", "version", "algorithm", "iv", "tag"]
            .map(|name| (name.to_owned(), given.to_vec()))
            .into_iter()
            .take(given.len() % 7)
            .collect::<ProviderParams>(),
        ciphertext: given.to_vec(),
    };
    let (name, algorithm) = ("db-password".to_owned(), SignatureAlgorithm::EcdsaSha256);
    let input = || SignInput::Digest(vec![7; 32]);
    vec![
        Request::GenerateDataKey { key: key(), context: context() },
        Request::Wrap { key: key(), data_key: SecretBytes::from(&[0; 32][..]), context: context() },
        Request::Unwrap { wrapped: record(), context: context(), key: None },
        Request::Rewrap { wrapped: record(), context: context(), key: None, to: key() },
        Request::Encrypt {
            key: key(),
            plaintext: SecretBytes::from(&b"hi"[..]),
            context: context(),
        },
        Request::Decrypt { key: None, ciphertext: given.to_vec(), context: context() },
        Request::Decrypt { key: Some(key()), ciphertext: given.to_vec(), context: context() },
        Request::Sign { key: key(), algorithm, input: input() },
        Request::Verify { key: key(), algorithm, input: input(), signature: vec![1; 70] },
        Request::GetPublicKey { key: key() },
        Request::ResolveKey { key: key() },
        Request::PutSecret {
            name: name.clone(),
            value: SecretBytes::from(&b"hunter2"[..]),
            key: None,
            token: "01234567-89ab-4def-8123-456789abcdef".to_owned(),
        },
        Request::GetSecret { name, version: None, stage: None },
    ]
}

fn administration(key: &KeyUri) -> Vec<AdminRequest> {
    let (key, name) = (|| key.clone(), "db-password".to_owned());
    vec![
        AdminRequest::DescribeKey { key: key() },
        AdminRequest::ListKeys { page: None },
        AdminRequest::ScheduleKeyDeletion { key: key(), days: 30 },
        AdminRequest::GetRotation { key: key() },
        AdminRequest::RotateKey { key: key() },
        AdminRequest::SetAlias { key: key(), alias: "alias/docs".to_owned() },
        AdminRequest::Random { len: 32 },
        AdminRequest::DescribeSecret { name: name.clone() },
        AdminRequest::ListSecrets { page: None },
        AdminRequest::ListSecretVersions { name: name.clone(), page: None },
        AdminRequest::DeleteSecret { name, days: 7 },
    ]
}
