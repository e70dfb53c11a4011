//! The client over the embedded KMS: how many calls each task costs, what it refuses, and what
//! stays as it is.

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_lite::future;
use keyfold::kms::{Kms, Request, Response};
use keyfold::maybe_send::BoxFuture;
use keyfold::sign::{KeySpec, PublicKey, SignatureAlgorithm, SigningKey};
use keyfold::stream::io::RangeReader;
use keyfold::stream::{SEALED_SEGMENT_LEN, SEGMENT_LEN};
use keyfold::{
    CacheLimits, CacheStats, Client, Clock, ContextCheck, DataKeyCache, Demands, EncryptionContext,
    Error, ErrorCode, Header, KeyUri, Keyring, Result, Retry, RetryKms, RetryLimits, SealOptions,
    SecretBytes, Signer, SignerPolicy, Suite, SystemRng, WrappedKey,
};
use keyfold_conformance::kms::{CountingKms, TestClock};
use keyfold_kms::types::DeleteSecretRequest;

fn uri(alias: &str) -> KeyUri {
    format!("keyfold:{alias}").parse().unwrap()
}

fn context() -> EncryptionContext {
    EncryptionContext::from([("tenant", "acme"), ("doc", "42")])
}

fn docs() -> Keyring {
    Keyring::generate_with(uri("alias/docs"))
}

fn client() -> Client<CountingKms> {
    Client::new(CountingKms::with_keys(&["alias/docs", "alias/backup"]))
}

fn cached(limits: CacheLimits) -> (Client<CountingKms>, Arc<TestClock>) {
    let clock = Arc::new(TestClock::default());
    (client().with_cache(DataKeyCache::new(limits, clock.clone())), clock)
}

#[test]
fn each_task_costs_the_calls_it_should() {
    future::block_on(async {
        let kf = client();
        let sealed = kf.encrypt(b"hello", &docs(), &context()).await.unwrap();
        assert_eq!(kf.kms().take_calls(), ["GenerateDataKey"]);
        assert_eq!(kf.decrypt(&sealed, &docs(), &context()).await.unwrap(), b"hello");
        assert_eq!(kf.kms().take_calls(), ["Unwrap"]);
        let ring = Keyring::discover("keyfold");
        assert_eq!(kf.decrypt(&sealed, &ring, &context()).await.unwrap(), b"hello");
        assert_eq!(kf.kms().take_calls(), ["Unwrap"]);

        let both = docs().also_wrap_with(uri("alias/backup"));
        let sealed = kf.encrypt(b"hello", &both, &context()).await.unwrap();
        assert_eq!(kf.kms().take_calls(), ["GenerateDataKey", "Wrap"]);
        let (header, _) = Header::parse(&sealed).unwrap();
        let backup = Keyring::generate_with(uri("alias/backup"));
        kf.rewrap(&header, &docs(), &backup).await.unwrap();
        assert_eq!(kf.kms().take_calls(), ["Rewrap"]);
        kf.public_key(&uri("alias/docs")).await.unwrap_err();
        assert_eq!(kf.kms().take_calls(), ["GetPublicKey"]);
        // What fails without a key asks nobody.
        kf.decrypt(&sealed, &docs(), EncryptionContext::new()).await.unwrap_err();
        kf.decrypt(b"PK\x03\x04", &docs(), &context()).await.unwrap_err();
        let long = EncryptionContext::from([("a", "x".repeat(9000))]);
        kf.encrypt(b"x", &docs(), &long).await.unwrap_err();
        assert!(kf.kms().take_calls().is_empty());
    });
}

#[test]
fn whole_values_go_to_the_callers_buffer() {
    future::block_on(async {
        let kf = client();
        let plaintext = vec![3u8; 50_000];
        let room = Client::<CountingKms>::max_encrypted_len(50_000).unwrap();
        let mut sealed = vec![0; usize::try_from(room).unwrap()];
        let options = SealOptions { suite: Some(Suite::ChaCha20Poly1305), ..Default::default() };
        let len =
            kf.encrypt_into(&plaintext, &docs(), &context(), &options, &mut sealed).await.unwrap();
        let mut opened = vec![0xFF; len];
        let sealed = &mut sealed[..len];
        let opened_len = kf.decrypt_into(sealed, &docs(), &context(), &mut opened).await.unwrap();
        assert_eq!(opened[..opened_len], plaintext);

        let mut short = [0u8; 100];
        let refused = kf.encrypt_into(&plaintext, &docs(), &context(), &options, &mut short).await;
        assert_eq!(refused.unwrap_err().code(), ErrorCode::InvalidArgument);
        let refused = kf.decrypt_into(sealed, &docs(), &context(), &mut short).await;
        assert_eq!(refused.unwrap_err().code(), ErrorCode::InvalidArgument);

        // The last byte is wrong: nothing of the rest is left in the buffer.
        let last = sealed.len() - 1;
        sealed[last] ^= 1;
        let refused = kf.decrypt_into(sealed, &docs(), &context(), &mut opened).await;
        assert_eq!(refused.unwrap_err().code(), ErrorCode::AuthenticationFailed);
        assert!(opened[..50_000].iter().all(|byte| *byte == 0));
    });
}

#[test]
fn contexts_are_demanded_whole_or_in_part() {
    future::block_on(async {
        let kf = client();
        let sealed = kf.encrypt(b"x", &docs(), &context()).await.unwrap();
        let part = EncryptionContext::from([("tenant", "acme")]);
        let whole = kf.decrypt(&sealed, &docs(), &part).await;
        assert_eq!(whole.unwrap_err().code(), ErrorCode::ContextMismatch);
        kf.decrypt(&sealed, &docs(), ContextCheck::Contains(part)).await.unwrap();
        let other = EncryptionContext::from([("tenant", "evil")]);
        let wrong = kf.decrypt(&sealed, &docs(), ContextCheck::Contains(other)).await;
        assert_eq!(wrong.unwrap_err().code(), ErrorCode::ContextMismatch);
    });
}

#[test]
fn the_cache_spares_calls_and_its_entries_end() {
    future::block_on(async {
        let limits = CacheLimits { max_messages: 3, max_bytes: 1000, ..CacheLimits::default() };
        let (kf, clock) = cached(limits);
        let mut sealed = Vec::new();
        for _ in 0..4 {
            sealed.push(kf.encrypt(b"0123456789", &docs(), &context()).await.unwrap());
        }
        assert_eq!(kf.kms().take_calls().len(), 2, "three messages, then another data key");
        assert_eq!(kf.cache_stats(), CacheStats { hits: 2, misses: 2 });
        let salts: std::collections::BTreeSet<_> =
            sealed.iter().map(|sealed| sealed[sealed.len() - 80..].to_vec()).collect();
        assert_eq!(salts.len(), 4, "every message has a key of its own");
        for sealed in &sealed[..3] {
            kf.decrypt(sealed, &docs(), &context()).await.unwrap();
        }
        assert_eq!(kf.kms().take_calls(), ["Unwrap"]);

        clock.advance(Duration::from_secs(301));
        kf.encrypt(b"x", &docs(), &context()).await.unwrap();
        assert_eq!(kf.kms().take_calls(), ["GenerateDataKey"], "an entry ends with its age");
        kf.encrypt(&[0; 990], &docs(), &context()).await.unwrap();
        kf.encrypt(&[0; 990], &docs(), &context()).await.unwrap();
        assert_eq!(kf.kms().take_calls(), ["GenerateDataKey"], "an entry ends with its bytes");

        // Another context is another entry, unless only a part of it is bound.
        let other = EncryptionContext::from([("tenant", "acme"), ("doc", "43")]);
        kf.encrypt(b"x", &docs(), &other).await.unwrap();
        assert_eq!(kf.kms().take_calls().len(), 1);
        let tenant = docs().bind_only(["tenant"]);
        let one = kf.encrypt(b"one", &tenant, &context()).await.unwrap();
        let two = kf.encrypt(b"two", &tenant, &other).await.unwrap();
        assert_eq!(kf.kms().take_calls().len(), 1);
        assert_eq!(kf.decrypt(&one, &docs(), &context()).await.unwrap(), b"one");
        assert_eq!(kf.decrypt(&two, &docs(), &other).await.unwrap(), b"two");
        let swapped = kf.decrypt(&two, &docs(), &context()).await;
        assert_eq!(swapped.unwrap_err().code(), ErrorCode::ContextMismatch);
        kf.cache().unwrap().clear();
        kf.kms().take_calls();
        kf.decrypt(&two, &docs(), &other).await.unwrap();
        assert_eq!(kf.kms().take_calls(), ["Unwrap"]);
    });
}

#[test]
fn the_cache_keeps_no_more_entries_than_it_may() {
    future::block_on(async {
        let (kf, clock) = cached(CacheLimits { max_entries: 2, ..CacheLimits::default() });
        for doc in ["1", "2", "3", "1"] {
            clock.advance(Duration::from_secs(1));
            let context = EncryptionContext::from([("doc", doc)]);
            kf.encrypt(b"x", &docs(), &context).await.unwrap();
        }
        assert_eq!(kf.kms().take_calls().len(), 4, "the oldest entry made room");
    });
}

#[test]
fn concurrent_misses_make_one_call() {
    let (kf, _) = cached(CacheLimits::default());
    kf.kms().yields.store(50, Ordering::Relaxed);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                future::block_on(kf.encrypt(b"x", &docs(), &context())).unwrap();
            });
        }
    });
    assert_eq!(kf.kms().take_calls(), ["GenerateDataKey"]);
    assert_eq!(kf.cache_stats(), CacheStats { hits: 7, misses: 1 });
}

#[test]
fn rewrapping_leaves_the_body_and_the_signature() {
    future::block_on(async {
        let kf = client();
        let signer = SigningKey::generate(KeySpec::Ed25519, &SystemRng).unwrap();
        let options = SealOptions { signer: Some(Signer::Local(&signer)), ..Default::default() };
        let sealed = kf.encrypt_with(b"hello", &docs(), &context(), &options).await.unwrap();
        let header = Header::parse_detached(&sealed.header).unwrap();
        let backup = Keyring::generate_with(uri("alias/backup"));
        let rewrapped = kf.rewrap(&header, &docs(), &backup).await.unwrap();
        assert_eq!(rewrapped.stable_part(), header.stable_part());
        assert_ne!(rewrapped.recipients(), header.recipients());
        let by = SignerPolicy::OneOf(vec![signer.public_key().clone()]);
        let demands = Demands::new(context()).signed_by(by);
        let opened = kf.decrypt_body(&rewrapped, &sealed.body, &backup, demands.clone()).await;
        assert_eq!(opened.unwrap(), b"hello");
        let refused = kf.decrypt_body(&rewrapped, &sealed.body, &docs(), demands.clone()).await;
        assert_eq!(refused.unwrap_err().code(), ErrorCode::NoUsableKey);

        let both = kf.add_recipients(&rewrapped, &backup, &docs()).await.unwrap();
        assert_eq!(both.recipients().len(), 2);
        kf.decrypt_body(&both, &sealed.body, &docs(), demands.clone()).await.unwrap();
        let one = kf.remove_recipients(&both, &[uri("alias/backup")]).await.unwrap();
        assert_eq!(one.recipients().len(), 1);
        kf.decrypt_body(&one, &sealed.body, &docs(), demands).await.unwrap();
        let none = kf.remove_recipients(&one, &[uri("alias/docs")]).await;
        assert_eq!(none.unwrap_err().code(), ErrorCode::InvalidArgument);
        let absent = kf.remove_recipients(&one, &[uri("alias/backup")]).await;
        assert_eq!(absent.unwrap_err().code(), ErrorCode::InvalidArgument);
    });
}

#[test]
fn envelopes_are_signed_by_every_kind_of_signer() {
    use keyfold_kms::types::KeySpec as KmsSpec;
    future::block_on(async {
        let kf = client();
        let specs = [
            (KmsSpec::EccNistP256, KeySpec::EccNistP256),
            (KmsSpec::EccNistP384, KeySpec::EccNistP384),
            (KmsSpec::Rsa2048, KeySpec::Rsa2048),
            (KmsSpec::EccNistEdwards25519, KeySpec::Ed25519),
        ];
        for (in_kms, local) in specs {
            let alias = format!("alias/{}", local.as_str().to_lowercase());
            let key = kf.kms().inner.create_key(&alias, in_kms).unwrap();
            let own = SigningKey::generate(local, &SystemRng).unwrap();
            let public: [PublicKey; 2] =
                [kf.public_key(&key).await.unwrap(), own.public_key().clone()];
            for (signer, public) in [Signer::Kms(key), Signer::Local(&own)].into_iter().zip(public)
            {
                let options = SealOptions { signer: Some(signer), ..Default::default() };
                let sealed = kf.encrypt_with(b"x", &docs(), &context(), &options).await.unwrap();
                let sealed = sealed.attached();
                let open = |signers: Option<SignerPolicy>| {
                    let mut demands = Demands::new(context());
                    demands.signers = signers;
                    let (kf, sealed) = (&kf, &sealed);
                    async move { kf.decrypt(sealed, &docs(), demands).await }
                };
                open(Some(SignerPolicy::OneOf(vec![public]))).await.unwrap();
                open(Some(SignerPolicy::Anyone)).await.unwrap();
                let other = SigningKey::generate(KeySpec::Ed25519, &SystemRng).unwrap();
                let other = SignerPolicy::OneOf(vec![other.public_key().clone()]);
                let refused = open(Some(other)).await.unwrap_err();
                assert_eq!(refused.code(), ErrorCode::SignatureInvalid, "{local:?}");
                let unnamed = open(None).await.unwrap_err();
                assert_eq!(unnamed.code(), ErrorCode::InvalidArgument, "{local:?}");
            }
        }
        let unsigned = kf.encrypt(b"x", &docs(), &context()).await.unwrap();
        let demands = Demands::new(context()).signed_by(SignerPolicy::Anyone);
        let refused = kf.decrypt(&unsigned, &docs(), demands).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::SignatureInvalid);
        let p521 = kf.kms().inner.create_key("alias/p521", KmsSpec::EccNistP521).unwrap();
        let options = SealOptions { signer: Some(Signer::Kms(p521)), ..Default::default() };
        let refused = kf.encrypt_with(b"x", &docs(), &context(), &options).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::InvalidArgument);
    });
}

#[test]
fn the_kms_signs_and_anyone_verifies() {
    use keyfold_kms::types::KeySpec as KmsSpec;
    future::block_on(async {
        let kf = client();
        let cases = [
            (KmsSpec::EccNistP256, SignatureAlgorithm::EcdsaSha256),
            (KmsSpec::EccNistP521, SignatureAlgorithm::EcdsaSha512),
            (KmsSpec::EccSecgP256K1, SignatureAlgorithm::EcdsaSha256),
            (KmsSpec::Rsa2048, SignatureAlgorithm::RsaPssSha384),
            (KmsSpec::Rsa2048, SignatureAlgorithm::RsaPkcs1Sha512),
        ];
        for (number, (spec, algorithm)) in cases.into_iter().enumerate() {
            let key = kf.kms().inner.create_key(&format!("alias/s{number}"), spec).unwrap();
            for message in [vec![1u8; 10], vec![2; 100_000]] {
                let signature = kf.sign(&key, algorithm, &message).await.unwrap();
                kf.verify(&key, algorithm, &message, &signature).await.unwrap();
                let refused = kf.verify(&key, algorithm, b"another", &signature).await;
                assert_eq!(refused.unwrap_err().code(), ErrorCode::SignatureInvalid);
            }
        }
        let key = kf.kms().inner.create_key("alias/ed", KmsSpec::EccNistEdwards25519).unwrap();
        let signature = kf.sign(&key, SignatureAlgorithm::Ed25519, b"message").await.unwrap();
        kf.verify(&key, SignatureAlgorithm::Ed25519, b"message", &signature).await.unwrap();
        let long = kf.sign(&key, SignatureAlgorithm::Ed25519, &[0; 5000]).await;
        assert_eq!(long.unwrap_err().code(), ErrorCode::InvalidArgument);
    });
}

#[test]
fn small_data_and_secrets_live_in_the_kms() {
    future::block_on(async {
        let kf = client();
        let key = uri("alias/docs");
        let small = SecretBytes::from(&b"+44 20 7946 0000"[..]);
        let sealed = kf.encrypt_small(&key, small, &context()).await.unwrap();
        let opened = kf.decrypt_small(None, &sealed, &context()).await.unwrap();
        assert_eq!(opened.expose(), b"+44 20 7946 0000");
        let wrong = kf.decrypt_small(None, &sealed, &EncryptionContext::new()).await;
        assert_eq!(wrong.unwrap_err().code(), ErrorCode::AuthenticationFailed);
        let other = kf.decrypt_small(Some(&uri("alias/backup")), &sealed, &context()).await;
        assert_eq!(other.unwrap_err().code(), ErrorCode::AuthenticationFailed);
        for (len, code) in [(0, ErrorCode::InvalidArgument), (4097, ErrorCode::LimitExceeded)] {
            let plaintext = SecretBytes::new(vec![0; len]);
            let refused = kf.encrypt_small(&key, plaintext, &context()).await.unwrap_err();
            assert_eq!(refused.code(), code, "{len} bytes");
        }
        let one = SecretBytes::new(vec![1]);
        let unknown = kf.encrypt_small(&uri("alias/none"), one, &context()).await;
        assert_eq!(unknown.unwrap_err().code(), ErrorCode::KmsKeyUnavailable);

        let secrets = kf.secrets();
        let first = secrets.put("db/password", SecretBytes::from(&b"one"[..]), None).await.unwrap();
        secrets.put("db/password", SecretBytes::from(&b"two"[..]), None).await.unwrap();
        assert_eq!(secrets.get("db/password").await.unwrap().expose(), b"two");
        let old = secrets.get_version("db/password", Some(&first), None).await.unwrap();
        assert_eq!(old.expose(), b"one");
        let old = secrets.get_version("db/password", None, Some("AWSPREVIOUS")).await.unwrap();
        assert_eq!(old.expose(), b"one");
        let absent = secrets.get("db/other").await.unwrap_err();
        assert_eq!(absent.code(), ErrorCode::SecretNotFound);
        let engine = kf.kms().inner.engine();
        let delete = DeleteSecretRequest { secret_id: "db/password".into(), ..Default::default() };
        engine.call(&engine.owner(), &delete).unwrap();
        let waiting = secrets.get("db/password").await.unwrap_err();
        assert_eq!(waiting.code(), ErrorCode::SecretNotFound);
    });
}

/// A source that counts what is read of it.
struct Counted {
    inner: Cursor<Vec<u8>>,
    read: Arc<Mutex<usize>>,
}

impl Read for Counted {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(out)?;
        *self.read.lock().unwrap() += read;
        Ok(read)
    }
}

impl Seek for Counted {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.inner.seek(to)
    }
}

#[test]
fn a_range_read_fetches_only_its_segments() {
    future::block_on(async {
        let kf = client();
        let plaintext: Vec<u8> = (0..3_000_000u32).flat_map(u32::to_le_bytes).collect();
        let sealed = kf.encrypt(&plaintext, &docs(), &context()).await.unwrap();
        let (header, start) = Header::parse(&sealed).unwrap();
        let unlocked = kf.unlock(&header, &docs(), &context()).await.unwrap();
        let read = Arc::new(Mutex::new(0));
        let source = Counted { inner: Cursor::new(sealed), read: read.clone() };
        let mut reader =
            RangeReader::new(source, start as u64, |prefix, len| unlocked.into_ranges(prefix, len))
                .unwrap();
        assert_eq!(*read.lock().unwrap(), 56, "salt and commitment");
        let mut part = Vec::new();
        reader.read_range(1_000_000..1_004_096, &mut part).unwrap();
        assert_eq!(part, plaintext[1_000_000..1_004_096]);
        assert_eq!(*read.lock().unwrap(), 56 + SEALED_SEGMENT_LEN, "one segment");
        let boundary = 10 * SEGMENT_LEN as u64;
        reader.read_range(boundary - 1..boundary + 1, &mut part).unwrap();
        assert_eq!(*read.lock().unwrap(), 56 + 3 * SEALED_SEGMENT_LEN, "two more");
    });
}

/// A KMS that fails so many times before it answers.
struct Flaky {
    failures: Mutex<u32>,
    error: Error,
}

impl Kms for Flaky {
    fn call<'a>(&'a self, _: &'a Request) -> BoxFuture<'a, Result<Response>> {
        let mut left = self.failures.lock().unwrap();
        let answer = if *left == 0 {
            Ok(Response::Verified)
        } else {
            *left -= 1;
            Err(self.error.clone())
        };
        Box::pin(std::future::ready(answer))
    }
}

#[test]
fn only_what_may_succeed_later_is_repeated() {
    let run = |failures: u32, error: Error, limits: RetryLimits| {
        let clock = Arc::new(TestClock::default());
        let flaky = Flaky { failures: Mutex::new(failures), error };
        let kms = RetryKms::new(&flaky, ArcClock(clock.clone()), limits);
        let request = Request::ResolveKey { key: uri("alias/docs") };
        let answer = future::block_on(kms.call(&request)).map(drop);
        (answer, failures - *flaky.failures.lock().unwrap(), clock.now())
    };
    let throttled = Error::new(ErrorCode::KmsThrottled, "slow down");
    let (answer, failed, slept) = run(2, throttled.clone(), RetryLimits::default());
    assert!(answer.is_ok());
    assert_eq!(failed, 2);
    assert!(slept >= Duration::from_millis(300), "100 ms, then 200 ms, and jitter: {slept:?}");
    let (answer, failed, _) = run(9, throttled.clone(), RetryLimits::default());
    assert_eq!(answer.unwrap_err().code(), ErrorCode::KmsThrottled);
    assert_eq!(failed, 4, "the first call and three retries");
    let denied = Error::new(ErrorCode::KmsDenied, "no");
    let (answer, failed, slept) = run(9, denied, RetryLimits::default());
    assert_eq!(answer.unwrap_err().code(), ErrorCode::KmsDenied);
    assert_eq!((failed, slept), (1, Duration::ZERO));
    let hint = throttled.with_retry(Retry::Later(Some(Duration::from_secs(3))));
    let (_, _, slept) = run(1, hint.clone(), RetryLimits::default());
    assert!(slept >= Duration::from_secs(3), "the service's own pause is kept: {slept:?}");
    let hurried = RetryLimits { deadline: Duration::from_secs(2), ..RetryLimits::default() };
    let (answer, failed, slept) = run(1, hint, hurried);
    assert!(answer.is_err());
    assert_eq!((failed, slept), (1, Duration::ZERO), "no pause is begun that ends too late");
}

struct ArcClock(Arc<TestClock>);

impl Clock for ArcClock {
    fn now(&self) -> Duration {
        self.0.now()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        self.0.sleep(time)
    }
}

#[test]
fn nothing_public_prints_a_secret() {
    future::block_on(async {
        let kf = client();
        let canary = "canary-5f1c9e";
        let context = EncryptionContext::from([("tenant", canary)]);
        let secret = || SecretBytes::from(canary.as_bytes());
        let mut printed = vec![format!("{context:?}"), format!("{:?}", secret())];
        let requests = [
            Request::Encrypt {
                key: uri("alias/docs"),
                plaintext: secret(),
                context: context.clone(),
            },
            Request::Wrap { key: uri("alias/docs"), data_key: secret(), context: context.clone() },
            Request::PutSecret { name: "n".into(), value: secret(), key: None, token: "t".into() },
            Request::GetSecret { name: "n".into(), version: None, stage: None },
        ];
        for request in &requests {
            printed.push(format!("{request:?}"));
            printed.push(format!("{:?}", kf.kms().call(request).await));
        }
        let sealed = kf.encrypt(canary.as_bytes(), &docs(), &context).await.unwrap();
        let (header, _) = Header::parse(&sealed).unwrap();
        printed.push(format!("{header:?}"));
        printed.push(format!("{:?}", Demands::new(context.clone())));
        for error in [
            kf.decrypt(&sealed, &docs(), EncryptionContext::new()).await.unwrap_err(),
            kf.decrypt(&sealed, &Keyring::unwrap_with([]), &context).await.unwrap_err(),
            kf.encrypt(b"", &Keyring::unwrap_with([]), &context).await.unwrap_err(),
            kf.secrets().put(&format!("bad name {canary} "), secret(), None).await.unwrap_err(),
            kf.encrypt_small(&uri("alias/none"), secret(), &context).await.unwrap_err(),
        ] {
            printed.push(format!("{error:?}"));
            printed.push(error.to_string());
        }
        let bytes = format!("{:?}", canary.as_bytes());
        let bytes = bytes.trim_matches(['[', ']']);
        for text in printed {
            assert!(!text.contains(canary) && !text.contains(bytes), "{text}");
        }
    });
}

#[test]
fn a_failed_recipient_does_not_stop_the_next() {
    future::block_on(async {
        let kf = client();
        let ring = docs().also_wrap_with(uri("alias/backup"));
        let sealed = kf.encrypt_with(b"x", &ring, &context(), &SealOptions::default()).await;
        let sealed = sealed.unwrap();
        let header = Header::parse_detached(&sealed.header).unwrap();
        let mut recipients: Vec<WrappedKey> = header.recipients().to_vec();
        recipients[0].ciphertext[60] ^= 1;
        let header = header.with_recipients(recipients.clone()).unwrap();
        let ring = Keyring::discover("keyfold");
        let opened = kf.decrypt_body(&header, &sealed.body, &ring, &context()).await;
        assert_eq!(opened.unwrap(), b"x");
        recipients.truncate(1);
        let header = header.with_recipients(recipients).unwrap();
        let error = kf.decrypt_body(&header, &sealed.body, &ring, &context()).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NoUsableKey);
        assert!(error.detail().contains("authentication_failed"), "{error}");
    });
}
