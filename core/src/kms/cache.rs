//! The data-key cache: many messages under one data key, few calls to the KMS.
//!
//! This is safe because every message derives a key of its own from the data key
//! (docs/spec/envelope.md, clause 5).

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::context::EncryptionContext;
use crate::crypto::hash::Sha256;
use crate::error::Result;
use crate::keyring::Keyring;
use crate::keys::WrappedKey;
use crate::stream::MessageKeyDeriver;

/// When an entry ends: at the first of these. The defaults stay far below what one data key can
/// safely protect (docs/spec/envelope.md, clause 5.3).
///
/// ```
/// use keyfold::CacheLimits;
/// use std::time::Duration;
///
/// // A key that is disabled in the KMS stays usable here until its entry ends.
/// let limits = CacheLimits { max_age: Duration::from_secs(30), ..CacheLimits::default() };
/// assert_eq!(limits.max_messages, 1 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// Age of an entry.
    pub max_age: Duration,
    /// Messages sealed or opened with an entry.
    pub max_messages: u64,
    /// Bytes of plaintext sealed or opened with an entry.
    pub max_bytes: u64,
    /// Entries in the cache; beyond it the oldest goes.
    pub max_entries: usize,
}

impl Default for CacheLimits {
    /// Five minutes, 2^20 messages, 64 GiB, 1000 entries.
    fn default() -> Self {
        CacheLimits {
            max_age: Duration::from_mins(5),
            max_messages: 1 << 20,
            max_bytes: 1 << 36,
            max_entries: 1000,
        }
    }
}

/// How the cache has served so far.
///
/// ```
/// use keyfold::CacheStats;
///
/// let stats = CacheStats { hits: 99, misses: 1 };
/// assert_eq!(stats.hits * 100 / (stats.hits + stats.misses), 99);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Messages that needed no call to the KMS.
    pub hits: u64,
    /// Messages that needed one.
    pub misses: u64,
}

/// Keeps data keys for a while. Plaintext data keys are zeroized when their entry ends and the
/// last message that uses it is done.
///
/// ```
/// # use keyfold::{CacheLimits, Client, DataKeyCache, EncryptionContext, Keyring};
/// # use std::{sync::Arc, time::Duration};
/// # use keyfold::maybe_send::BoxFuture;
/// # struct Stopped;
/// # impl keyfold::Clock for Stopped {
/// #     fn now(&self) -> Duration { Duration::ZERO }
/// #     fn sleep(&self, _: Duration) -> BoxFuture<'_, ()> { Box::pin(std::future::ready(())) }
/// # }
/// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
/// # pollster::block_on(async {
/// # let kms = EmbeddedKms::in_memory()?;
/// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
/// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
/// # let context = EncryptionContext::from([("tenant", "acme")]);
/// let cache = DataKeyCache::new(CacheLimits::default(), Arc::new(Stopped));
/// let kf = kf.with_cache(cache);
/// let sealed = kf.encrypt(b"hello", &ring, &context).await?;
/// for _ in 0..3 {
///     kf.decrypt(&sealed, &ring, &context).await?;
/// }
/// assert_eq!(kf.cache_stats().misses, 2); // once to seal, once to open
///
/// // After a key was disabled: forget everything at once.
/// kf.cache().expect("it was given").clear();
/// # Ok::<(), keyfold::Error>(())
/// # }).unwrap();
/// ```
pub struct DataKeyCache {
    limits: CacheLimits,
    clock: Arc<dyn Clock>,
    /// In the order of their ids: found by halving, and little code in a page.
    slots: Mutex<Vec<(EntryId, Arc<Slot>)>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// What an entry is found by: a hash, so that no context value stays in memory.
pub(crate) type EntryId = [u8; Sha256::LEN];

/// A data key with its wrapped forms.
#[derive(Clone)]
pub(crate) struct CachedKey {
    pub(crate) key: Arc<MessageKeyDeriver>,
    /// The recipient list as it stands in a header; empty for a key that was unwrapped.
    pub(crate) recipients: Arc<[u8]>,
}

struct Slot {
    born: Duration,
    // Held across the call to the KMS, so that concurrent misses wait for it and then hit.
    entry: async_lock::Mutex<Option<Entry>>,
}

struct Entry {
    cached: CachedKey,
    born: Duration,
    messages: u64,
    bytes: u64,
}

impl DataKeyCache {
    /// An empty cache.
    pub fn new(limits: CacheLimits, clock: Arc<dyn Clock>) -> Self {
        DataKeyCache {
            limits,
            clock,
            slots: Mutex::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// How the cache has served so far.
    pub fn stats(&self) -> CacheStats {
        CacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
        }
    }

    /// Forgets every data key, for instance when a KMS key was disabled.
    pub fn clear(&self) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Forgets the data keys whose age is over; others end when they are next asked for.
    pub fn evict_expired(&self) {
        let now = self.clock.now();
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|(_, slot)| now.saturating_sub(slot.born) < self.limits.max_age);
    }

    fn slot(&self, id: &EntryId, now: Duration) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(place) = slots.binary_search_by(|(known, _)| known.cmp(id)) {
            return slots[place].1.clone();
        }
        slots.retain(|(_, slot)| now.saturating_sub(slot.born) < self.limits.max_age);
        while slots.len() >= self.limits.max_entries.max(1) {
            let oldest = slots.iter().enumerate().min_by_key(|(_, (_, slot))| slot.born);
            if let Some((place, _)) = oldest {
                slots.remove(place);
            }
        }
        let slot = Arc::new(Slot { born: now, entry: async_lock::Mutex::new(None) });
        let place = slots.partition_point(|(known, _)| known < id);
        slots.insert(place, (*id, slot.clone()));
        slot
    }

    /// The entry of `id` for one more message of `bytes` bytes, made anew where it is missing or
    /// has ended. Concurrent misses of one entry make one call.
    pub(crate) async fn get_or_make(
        &self,
        id: &EntryId,
        bytes: u64,
        make: impl Future<Output = Result<CachedKey>>,
    ) -> Result<CachedKey> {
        let now = self.clock.now();
        let slot = self.slot(id, now);
        let mut entry = slot.entry.lock().await;
        if let Some(entry) = entry.as_mut().filter(|entry| self.serves(entry, bytes)) {
            entry.messages += 1;
            entry.bytes = entry.bytes.saturating_add(bytes);
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(entry.cached.clone());
        }
        *entry = None;
        self.misses.fetch_add(1, Ordering::Relaxed);
        let cached = make.await?;
        *entry = Some(Entry { cached: cached.clone(), born: self.clock.now(), messages: 1, bytes });
        Ok(cached)
    }

    fn serves(&self, entry: &Entry, bytes: u64) -> bool {
        self.clock.now().saturating_sub(entry.born) < self.limits.max_age
            && entry.messages < self.limits.max_messages
            && entry.bytes.saturating_add(bytes) <= self.limits.max_bytes
    }
}

/// The entry for sealing: the keys that wrap, in order, and the context that the KMS sees, in
/// its canonical form.
pub(crate) fn seal_id(keyring: &Keyring, bound: &[u8]) -> EntryId {
    let mut hash = Sha256::default();
    hash.update(b"seal");
    hash.update(&[u8::from(keyring.bound.is_some())]);
    for key in &keyring.wrap {
        put(&mut hash, key.as_str().as_bytes());
    }
    hash.update(bound);
    hash.finish()
}

/// The entry for opening: what was wrapped, the context it is bound to, and who may unwrap.
pub(crate) fn open_id(
    wrapped: &WrappedKey,
    demanded: Option<&crate::KeyUri>,
    bound: &EncryptionContext,
) -> Result<EntryId> {
    let mut hash = Sha256::default();
    hash.update(b"open");
    put(&mut hash, wrapped.key.as_str().as_bytes());
    put(&mut hash, demanded.map_or("", crate::KeyUri::as_str).as_bytes());
    put(&mut hash, &wrapped.ciphertext);
    put(&mut hash, &crate::context::encode_pairs(wrapped.params.iter()));
    hash.update(&bound.to_canonical()?);
    Ok(hash.finish())
}

fn put(hash: &mut Sha256, part: &[u8]) {
    hash.update(&(part.len() as u64).to_be_bytes());
    hash.update(part);
}
