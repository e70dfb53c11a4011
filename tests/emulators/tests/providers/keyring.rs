//! One envelope under several clouds, and from one cloud to another.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keyfold::kms::admin::KeyUse;
use keyfold::kms::{Request, Response};
use keyfold::maybe_send::BoxFuture;
use keyfold::{
    CacheLimits, Client, DataKeyCache, EncryptionContext, ErrorCode, Header, KeyUri, Keyring, Kms,
    RouterKms,
};
use keyfold_emulators::Emulator;
use keyfold_kms::EmbeddedKms;
use keyfold_kms::types::KeySpec;
use pollster::block_on;

use crate::rig::{About, Rig, context, http, other_context};
use crate::{alibaba, azure, google, huawei, pingan, tencent};

/// How many calls are under way, and how many were at once.
#[derive(Default)]
struct Traffic {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// Counts into the traffic of all.
struct Counted<K>(K, Arc<Traffic>);

impl<K: Kms> Kms for Counted<K> {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, keyfold::Result<Response>> {
        Box::pin(async {
            let now = self.1.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.1.most.fetch_max(now, Ordering::SeqCst);
            let answer = self.0.call(request).await;
            self.1.now.fetch_sub(1, Ordering::SeqCst);
            answer
        })
    }
}

/// Clouds behind one client, the embedded KMS beside them.
struct Sky {
    /// None where it is down.
    clouds: Vec<Option<Emulator>>,
    keys: Vec<KeyUri>,
    embedded: KeyUri,
    client: Client<RouterKms>,
    traffic: Arc<Traffic>,
}

impl Sky {
    fn new(abouts: &[About]) -> Self {
        let traffic = Arc::new(Traffic::default());
        let mut router = RouterKms::new();
        let (mut clouds, mut keys) = (Vec::new(), Vec::new());
        for about in abouts {
            let rig = Rig::new(*about);
            keys.push(rig.create_key(about.wrapping, KeyUse::EncryptDecrypt, "docs").key);
            rig.requests();
            let Rig { emulator, kms, .. } = rig;
            router = router.route(format!("{}/", about.place), Counted(kms, traffic.clone()));
            clouds.push(Some(emulator));
        }
        let embedded = EmbeddedKms::in_memory().expect("a KMS");
        let key = embedded.create_key("alias/docs", KeySpec::SymmetricDefault).expect("a key");
        let client = Client::new(router.otherwise(embedded));
        Sky { clouds, keys, embedded: key, client, traffic }
    }

    fn calls(&self) -> u64 {
        let up = self.clouds.iter().flatten();
        up.map(|cloud| cloud.take_calls().values().sum::<u64>()).sum()
    }

    fn ring(&self) -> Keyring {
        let (first, others) = self.keys.split_first().expect("keys");
        let ring = Keyring::generate_with(first.clone());
        let ring = others.iter().fold(ring, |ring, key| ring.also_wrap_with(key.clone()));
        ring.also_wrap_with(self.embedded.clone())
    }

    fn open(&self, envelope: &[u8], ring: &Keyring) -> Result<Vec<u8>, ErrorCode> {
        let opened = block_on(self.client.decrypt(envelope, ring, &context()));
        opened.map_err(|error| error.code())
    }
}

const TEXT: &[u8] = b"figures that several clouds keep";

#[test]
fn an_envelope_opens_with_any_one_of_its_clouds() {
    let abouts = [tencent::ABOUT, huawei::ABOUT];
    for up in 0..=abouts.len() {
        let mut sky = Sky::new(&abouts);
        let ring = sky.ring();
        let sealed = block_on(sky.client.encrypt(TEXT, &ring, &context())).expect("sealed");
        assert_eq!(sky.calls(), 2, "one made the key, the other wrapped it");
        let (header, _) = Header::parse(&sealed).expect("a header");
        assert_eq!(header.recipients().len(), 3);
        // All others are down.
        for (at, cloud) in sky.clouds.iter_mut().enumerate() {
            if at != up {
                *cloud = None;
            }
        }
        assert_eq!(sky.open(&sealed, &ring).as_deref(), Ok(TEXT), "only {up} is up");
        assert_eq!(sky.calls(), u64::from(up < abouts.len()));
        // A keyring that names only what is down opens nothing, and says why.
        let down = Keyring::unwrap_with(vec![sky.keys[usize::from(up == 0)].clone()]);
        assert_eq!(sky.open(&sealed, &down), Err(ErrorCode::NoUsableKey));
        let other = block_on(sky.client.decrypt(&sealed, &ring, &other_context()));
        assert!(other.is_err(), "another context opens nothing");
    }
}

/// All but the first: the key has to be there before it can be wrapped.
#[test]
fn clouds_wrap_at_the_same_time() {
    let abouts = [tencent::ABOUT, huawei::ABOUT, alibaba::ABOUT, pingan::ABOUT];
    let sky = Sky::new(&abouts);
    block_on(sky.client.encrypt(TEXT, &sky.ring(), &context())).expect("sealed");
    assert_eq!(sky.calls(), 4);
    assert_eq!(sky.traffic.most.load(Ordering::SeqCst), 3);
}

#[test]
fn a_rewrap_changes_no_byte_of_the_body() {
    let abouts = [
        tencent::ABOUT,
        huawei::ABOUT,
        alibaba::ABOUT,
        pingan::ABOUT,
        google::ABOUT,
        azure::VAULT,
        azure::HSM,
    ];
    let sky = Sky::new(&abouts);
    let mut at = Keyring::generate_with(sky.embedded.clone());
    let mut sealed = block_on(sky.client.encrypt(TEXT, &at, &context())).expect("sealed");
    let body = {
        let (_, len) = Header::parse(&sealed).expect("a header");
        sealed[len..].to_vec()
    };
    // Around all clouds, and back.
    for key in sky.keys.iter().chain([&sky.embedded]) {
        let to = Keyring::generate_with(key.clone());
        let (header, len) = Header::parse(&sealed).expect("a header");
        let moved = block_on(sky.client.rewrap(&header, &at, &to)).expect("rewrapped");
        assert_eq!(&sealed[len..], body);
        sealed = [moved.as_bytes(), &body].concat();
        assert_eq!(sky.open(&sealed, &to).as_deref(), Ok(TEXT), "{key}");
        assert_eq!(sky.open(&sealed, &at), Err(ErrorCode::NoUsableKey), "{key}");
        at = to;
    }
}

#[test]
fn a_thousand_messages_cost_three_calls() {
    let sky = Sky::new(&[tencent::ABOUT, huawei::ABOUT, alibaba::ABOUT]);
    let (first, others) = sky.keys.split_first().expect("keys");
    let ring = Keyring::generate_with(first.clone());
    let ring = others.iter().fold(ring, |ring, key| ring.also_wrap_with(key.clone()));
    let Sky { clouds, client, .. } = sky;
    let clock = Arc::new(http().clock());
    let limits = CacheLimits { max_age: Duration::from_hours(1), ..CacheLimits::default() };
    let client = client.with_cache(DataKeyCache::new(limits, clock));
    let context: EncryptionContext = context();
    let messages: Vec<_> = (0..1000)
        .map(|number| {
            let text = format!("message {number}");
            block_on(client.encrypt(text.as_bytes(), &ring, &context)).expect("sealed")
        })
        .collect();
    let calls: Vec<u64> =
        clouds.iter().flatten().map(|cloud| cloud.take_calls().values().sum()).collect();
    assert_eq!(calls, [1, 1, 1], "one of each cloud, for all of them");
    // Whoever opens them needs one call, of the first that answers.
    for (number, message) in messages.iter().enumerate() {
        let opened = block_on(client.decrypt(message, &ring, &context)).expect("opened");
        assert_eq!(opened, format!("message {number}").as_bytes());
    }
    let calls: u64 =
        clouds.iter().flatten().flat_map(|cloud| cloud.take_calls().into_values()).sum();
    assert_eq!(calls, 1);
}
