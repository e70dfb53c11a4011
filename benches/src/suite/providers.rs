//! What a provider of a cloud costs without a network: signing one request for a data key and
//! reading the answer; and how many calls a thousand messages make.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use keyfold::credentials::{Credentials, StaticCredentials};
use keyfold::kms::cloud::{CloudKms, Place, Places, config};
use keyfold::kms::{Kms, Request};
use keyfold::maybe_send::BoxFuture;
use keyfold::transport::{HttpRequest, HttpResponse, Transport, TransportError};
use keyfold::{
    CacheLimits, Client, Clock, DataKeyCache, KeyUri, Keyring, RouterKms, SecretBytes, SystemRng,
    WallClock,
};
use pollster::block_on;

use crate::harness::{Effort, Subject, in_turns, median};
use crate::report::Row;

/// How many messages share their data keys.
const MESSAGES: usize = 1000;
/// What a call may cost where a request is signed with HMAC, in microseconds.
const MOST: f64 = 40.0;

/// 32 bytes of 0 in Base64.
const ZEROES: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const UUID: &str = "23e80852-1e38-11e9-b129-5cb9019b4b01";
const GOOGLE: &str = "projects/p/locations/l/keyRings/r/cryptoKeys/k";

/// A cloud, and what it answers.
struct Cloud {
    name: &'static str,
    key: String,
    settings: &'static [(&'static str, &'static str)],
    /// A part of the URL, and the answer to whatever has it; the first counts.
    answers: Vec<(&'static str, String)>,
    hmac: bool,
}

fn clouds() -> Vec<Cloud> {
    // As long as the services' own.
    let blob = "A".repeat(400);
    let tencent = format!(
        r#"{{"Response":{{"KeyId":"{UUID}","Plaintext":"{ZEROES}","CiphertextBlob":"{blob}","RequestId":"{UUID}"}}}}"#
    );
    let huawei = format!(
        r#"{{"key_id":"{UUID}","plain_text":"{}","cipher_text":"{blob}"}}"#,
        "0".repeat(64)
    );
    let alibaba = format!(
        r#"{{"KeyId":"key-hzz","KeyVersionId":"{UUID}","Plaintext":"{ZEROES}","CiphertextBlob":"{blob}","RequestId":"{UUID}"}}"#
    );
    let pingan = format!(
        r#"{{"code":"SUCCESS","keyId":"{UUID}","plainText":"{ZEROES}","cipherTextBlob":"{blob}","requestId":"{UUID}"}}"#
    );
    // The checksum of 300 bytes of 0.
    let google = format!(
        r#"{{"name":"{GOOGLE}/cryptoKeyVersions/1","ciphertext":"{blob}","ciphertextCrc32c":"{}","verifiedPlaintextCrc32c":true,"verifiedAdditionalAuthenticatedDataCrc32c":true}}"#,
        crc32c(&[0; 300])
    );
    let kid = "https://v.vault.azure.net/keys/k/0123456789abcdef0123456789abcdef";
    let wrapped = format!(r#"{{"kid":"{kid}","value":"{}"}}"#, "A".repeat(342));
    let bundle = format!(
        r#"{{"key":{{"kid":"{kid}","kty":"RSA","n":"{}","e":"AQAB"}},"attributes":{{"enabled":true}}}}"#,
        "A".repeat(342)
    );
    let one = |body: String| vec![("", body)];
    let project = &[("project", "0123456789abcdef0123456789abcdef")][..];
    let signed = |name, key: String, settings, body| Cloud {
        name,
        key,
        settings,
        answers: one(body),
        hmac: true,
    };
    let of = |scheme: &str| format!("{scheme}://cn-north-4/{UUID}");
    let hangzhou = || "alibaba://cn-hangzhou/key-hzz".to_owned();
    vec![
        signed("tencent", of("tencent"), &[], tencent),
        signed("huawei", of("huawei"), project, huawei),
        signed("alibaba, ACS3", hangzhou(), &[], alibaba.clone()),
        signed("alibaba, RPC", hangzhou(), &[("signing", "rpc")], alibaba),
        signed("pingan", of("pingan"), &[], pingan),
        Cloud {
            name: "google, 1 call",
            key: format!("google://{GOOGLE}"),
            settings: &[],
            answers: one(google),
            hmac: false,
        },
        Cloud {
            name: "azure, 2 calls",
            key: "azure://v/k".to_owned(),
            settings: &[],
            answers: vec![("/wrapkey", wrapped), ("", bundle)],
            hmac: false,
        },
    ]
}

/// CRC-32C (RFC 3720), bit by bit: it is needed once.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1)))
    })
}

/// Answers at once, and counts.
struct Answers {
    answers: Vec<(&'static str, String)>,
    calls: Arc<AtomicUsize>,
}

impl Transport for Answers {
    fn send(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse, TransportError>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let found = self.answers.iter().find(|(part, _)| request.url.contains(part));
        let body = found.map(|(_, body)| body.clone().into_bytes()).unwrap_or_default();
        let answer = HttpResponse { status: 200, headers: Vec::new(), body };
        Box::pin(std::future::ready(Ok(answer)))
    }
}

/// A moment of 2023, for ever.
struct Stopped;

impl WallClock for Stopped {
    fn unix_time(&self) -> Duration {
        Duration::from_secs(1_700_000_000)
    }
}

impl Clock for Stopped {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

impl Cloud {
    fn kms(&self, calls: Arc<AtomicUsize>) -> Result<CloudKms> {
        let secret = SecretBytes::from(&b"EXAMPLEsecretKEYexampleSECRET001"[..]);
        let credentials = if self.hmac {
            Credentials::access_key("AKIDEXAMPLEexampleEXAMPLEexample0001", &secret, None)
        } else {
            // As long as theirs.
            Credentials::bearer(&SecretBytes::from(&[b'a'; 1024][..]))
        }?;
        let (start, _) = self.key.split_at(self.key.rfind('/').unwrap_or(0));
        let place = if self.name.starts_with("google") { "google://projects" } else { start };
        let settings = self.settings.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let place =
            (place.to_owned(), Place { settings: settings.collect(), ..Place::default() });
        let config = config(&self.key, &Places::from([place]))?;
        let http = Arc::new(Answers { answers: self.answers.clone(), calls });
        let credentials = Arc::new(StaticCredentials::new(credentials));
        Ok(CloudKms::new(config, http, Stopped, credentials, SystemRng))
    }

    fn key(&self) -> Result<KeyUri> {
        Ok(self.key.parse()?)
    }
}

pub(crate) fn measure(quick: bool) -> Result<Vec<Row>> {
    let effort = Effort::new(quick);
    let clouds = clouds();
    let mut rows = one_call(&clouds, effort)?;
    rows.extend(many_messages(&clouds[..3], effort)?);
    Ok(rows)
}

/// From the request for a data key to the data key: signed, sent to nobody, answered, read.
fn one_call(clouds: &[Cloud], effort: Effort) -> Result<Vec<Row>> {
    let mut subjects = Vec::new();
    for cloud in clouds {
        let kms = cloud.kms(Arc::default())?;
        let request =
            Request::GenerateDataKey { key: cloud.key()?, context: super::context() };
        // What is measured works.
        block_on(kms.call(&request))?;
        subjects.push(Subject::new(cloud.name, move || {
            std::hint::black_box(block_on(kms.call(&request)).expect("it did before"));
        }));
    }
    let seconds = in_turns(&mut subjects, effort);
    let mut rows = Vec::new();
    for (cloud, seconds) in clouds.iter().zip(seconds) {
        let value = seconds * 1e6;
        if cloud.hmac && value > MOST {
            println!("{}: {value:.1} us are more than {MOST} us", cloud.name);
        }
        rows.push(row("data key", cloud.name, "call", ("latency", value, "us")));
    }
    Ok(rows)
}

/// A thousand messages under three clouds, with a cache and without.
fn many_messages(clouds: &[Cloud], effort: Effort) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, cached) in [("cached keyring", true), ("no cache", false)] {
        let (mut times, mut made) = (Vec::new(), 0);
        for _ in 0..effort.rounds {
            let calls = Arc::new(AtomicUsize::new(0));
            let mut router = RouterKms::new();
            for cloud in clouds {
                let prefix = format!("{}/", &cloud.key[..cloud.key.rfind('/').unwrap_or(0)]);
                router = router.route(prefix, cloud.kms(calls.clone())?);
            }
            let ring = Keyring::generate_with(clouds[0].key()?);
            let ring = clouds[1..].iter().try_fold(ring, |ring, cloud| {
                anyhow::Ok(ring.also_wrap_with(cloud.key()?))
            })?;
            let mut client = Client::new(router);
            if cached {
                let cache = DataKeyCache::new(CacheLimits::default(), Arc::new(Stopped));
                client = client.with_cache(cache);
            }
            let begun = std::time::Instant::now();
            for _ in 0..MESSAGES {
                block_on(client.encrypt(&[0x5a; 256], &ring, &super::context()))?;
            }
            times.push(begun.elapsed().as_secs_f64());
            made = calls.load(Ordering::Relaxed);
            let expected = if cached { clouds.len() } else { clouds.len() * MESSAGES };
            ensure!(made == expected, "{made} calls for {MESSAGES} messages");
        }
        let case = "3 clouds";
        #[allow(clippy::cast_precision_loss, reason = "thousands")]
        let (calls, messages) = (made as f64, MESSAGES as f64);
        rows.push(row(case, name, "encrypt", ("calls", calls, "calls")));
        let each = median(&mut times) / messages * 1e6;
        rows.push(row(case, name, "encrypt", ("latency", each, "us")));
    }
    rows.sort_by_key(|row| row.metric);
    Ok(rows)
}

fn row(
    case: &str,
    subject: &str,
    direction: &'static str,
    (metric, value, unit): (&'static str, f64, &'static str),
) -> Row {
    Row {
        case: case.to_owned(),
        subject: subject.to_owned(),
        size: if direction == "encrypt" { 256 } else { 32 },
        threads: 1,
        direction,
        metric,
        value,
        unit,
        ratio: None,
        ratio_to: None,
    }
}
