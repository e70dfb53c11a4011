//! Small messages, many of them, under a data key that is at hand.

use std::cell::RefCell;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use keyfold::kms::{DataKeyReply, Request, Response};
use keyfold::maybe_send::BoxFuture;
use keyfold::{
    CacheLimits, Client, Clock, DataKey, DataKeyCache, Demands, Error, ErrorCode, Keyring, Kms,
    SealOptions, Sealer, Suite, SystemRng, Unlocked,
};
use pollster::block_on;

use super::Comparison;
use crate::harness::{Effort, Subject};
use crate::report::Row;
use crate::suite::{context, envelope, recipient};

/// Whole messages of this size, both ways, for each suite.
pub(super) fn messages(size: usize, effort: Effort) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for suite in [Suite::Aes256Gcm, Suite::ChaCha20Poly1305] {
        rows.extend(of_suite(suite, size, effort)?);
    }
    Ok(rows)
}

/// Whole messages of this size, both ways.
pub(super) fn of_suite(suite: Suite, size: usize, effort: Effort) -> Result<Vec<Row>> {
    let [machine, client_name] = match suite {
        Suite::Aes256Gcm => ["machine 0x0001", "Client 0x0001, cached data key"],
        _ => ["machine 0x0002", "Client 0x0002, cached data key"],
    };
    let plain = vec![0x5A; size];
    let room = usize::try_from(Client::<OneKey>::max_encrypted_len(size as u64)?)?;
    let out = RefCell::new(vec![0; room]);
    let (header, key) = envelope(suite)?;
    let demands = Demands::new(context());
    let cache = DataKeyCache::new(CacheLimits::default(), Arc::new(SystemClock(Instant::now())));
    let client = Client::new(OneKey).with_cache(cache);
    let keyring = Keyring::generate_with("bench:key".parse()?);
    let options = SealOptions {
        suite: Some(suite),
        plaintext_len: Some(size as u64),
        ..SealOptions::default()
    };

    let mut sealed = Vec::new();
    let mut sealer = Sealer::new(&header, &key, &SystemRng)?;
    sealer.update(&plain, &mut sealed)?;
    sealer.finish(&mut sealed)?;
    let mut seal = [
        Subject::new(machine, || {
            let mut out = out.borrow_mut();
            let mut sealer = Sealer::new(&header, &key, &SystemRng).expect("randomness");
            let written = sealer.update_into(&plain, &mut out).expect("room enough");
            sealer.finish_into(&mut out[written..]).expect("room enough");
            black_box(&mut *out);
        }),
        Subject::new(client_name, || {
            let mut out = out.borrow_mut();
            block_on(client.encrypt_into(&plain, &keyring, &context(), &options, &mut out))
                .expect("the KMS is at hand");
            black_box(&mut *out);
        })
        .compared_with(&[machine]),
    ];
    let comparison = Comparison { case: "message", direction: "encrypt", size };
    let mut rows = comparison.latency(&mut seal, effort);
    drop(seal);

    let envelope =
        block_on(client.encrypt_with(&plain, &keyring, &context(), &options))?.attached();
    let misses = client.cache_stats().misses;
    let mut open = [
        Subject::new(machine, || {
            let mut out = out.borrow_mut();
            let mut opener = Unlocked::new(&header, key.clone(), &demands)
                .expect("the context is the right one")
                .into_opener();
            let written = opener.update_into(&sealed, &mut out).expect("authentic");
            opener.finish_into(&mut out[written..]).expect("whole");
            black_box(&mut *out);
        }),
        Subject::new(client_name, || {
            let mut out = out.borrow_mut();
            block_on(client.decrypt_into(&envelope, &keyring, context(), &mut out))
                .expect("the KMS is at hand");
            black_box(&mut *out);
        })
        .compared_with(&[machine]),
    ];
    let comparison = Comparison { case: "message", direction: "decrypt", size };
    rows.extend(comparison.latency(&mut open, effort));
    drop(open);
    // Another entry each 2^20 messages; were it one each message, this would measure the KMS.
    let stats = client.cache_stats();
    ensure!(stats.misses - misses <= 1 + (stats.hits >> 16), "the cache does not serve");
    Ok(rows)
}

/// A KMS that knows one data key, to leave its own cost out.
struct OneKey;

impl Kms for OneKey {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, keyfold::Result<Response>> {
        Box::pin(async move {
            let data_key = DataKeyReply(DataKey::take(&mut [7; 32])?);
            match request {
                Request::GenerateDataKey { .. } => {
                    let wrapped = recipient().map_err(|_| unsupported())?;
                    Ok(Response::DataKey { data_key, wrapped })
                }
                Request::Unwrap { .. } => Ok(Response::Unwrapped(data_key)),
                _ => Err(unsupported()),
            }
        })
    }
}

fn unsupported() -> Error {
    Error::new(ErrorCode::KmsProtocol, "this KMS only has a data key")
}

struct SystemClock(Instant);

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move { std::thread::sleep(time) })
    }
}
