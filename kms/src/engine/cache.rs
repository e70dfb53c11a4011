//! Unwrapped key material, kept for a short while: unwrapping costs more than using it.
//!
//! An entry is found by its key, and says itself whose it is. Whether a key may be used is not
//! known here: each operation asks the key's row.

use std::collections::HashMap;
use std::sync::Arc;

use keyfold::sign::SigningKey;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::hierarchy::KEY_LEN;

/// How much is kept at most, in symmetric keys, in each of two halves: the older half ends when
/// the younger is full.
const HALF: usize = 8192;
/// What a key pair counts for, whose factors are prepared for use: several kilobytes.
const PAIR: usize = 32;
/// How long, at most, whatever happens meanwhile: five minutes.
const MAX_AGE: i64 = 300 * Timestamp::SECOND;
/// How often everything is looked through for what is too old.
const SWEEP: i64 = 60 * Timestamp::SECOND;

/// Unwrapped material of one version of one key.
pub(crate) struct Material {
    /// The key.
    pub(super) key_id: Uuid,
    /// The material id of the version.
    pub(super) id: String,
    pub(super) secret: Secret,
}

/// The secret itself, ready for use.
pub(crate) enum Secret {
    Symmetric(Zeroizing<[u8; KEY_LEN]>),
    Pair(Box<SigningKey>),
}

impl Material {
    fn size(&self) -> usize {
        match self.secret {
            Secret::Symmetric(_) => 1,
            Secret::Pair(_) => PAIR,
        }
    }
}

type Versions = Vec<(Timestamp, Arc<Material>)>;

#[derive(Default)]
struct Half {
    keys: HashMap<Uuid, Versions>,
    size: usize,
}

impl Half {
    fn find(&self, key_id: Uuid, material_id: &str, now: Timestamp) -> Option<Arc<Material>> {
        let versions = self.keys.get(&key_id)?;
        let found = versions.iter().find(|(since, entry)| {
            entry.id == material_id && entry.key_id == key_id && is_fresh(*since, now)
        });
        found.map(|(_, entry)| Arc::clone(entry))
    }

    fn retain(&mut self, keep: impl Fn(Timestamp) -> bool) {
        self.keys.retain(|_, versions| {
            versions.retain(|(since, _)| keep(*since));
            !versions.is_empty()
        });
        self.size = self.keys.values().flatten().map(|(_, entry)| entry.size()).sum();
    }
}

fn is_fresh(since: Timestamp, now: Timestamp) -> bool {
    since <= now && now < since.plus(MAX_AGE)
}

#[derive(Default)]
pub(super) struct Cache {
    young: Half,
    old: Half,
    swept: Timestamp,
}

impl Cache {
    pub(super) fn get(
        &mut self,
        key_id: Uuid,
        material_id: &str,
        now: Timestamp,
    ) -> Option<Arc<Material>> {
        self.sweep(now);
        let young = self.young.find(key_id, material_id, now);
        young.or_else(|| self.old.find(key_id, material_id, now))
    }

    pub(super) fn put(&mut self, material: Arc<Material>, now: Timestamp) {
        self.sweep(now);
        if self.young.size + material.size() > HALF {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.size += material.size();
        self.young.keys.entry(material.key_id).or_default().push((now, material));
    }

    /// Forgets a key: its state changed.
    pub(super) fn forget(&mut self, key_id: Uuid) {
        for half in [&mut self.young, &mut self.old] {
            if let Some(versions) = half.keys.remove(&key_id) {
                half.size -= versions.iter().map(|(_, entry)| entry.size()).sum::<usize>();
            }
        }
    }

    fn sweep(&mut self, now: Timestamp) {
        if now < self.swept || now >= self.swept.plus(SWEEP) {
            self.swept = now;
            self.young.retain(|since| is_fresh(since, now));
            self.old.retain(|since| is_fresh(since, now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> Uuid {
        Uuid::from_u128(number.into())
    }

    fn material(number: u32) -> Arc<Material> {
        Arc::new(Material {
            key_id: id(number),
            id: format!("{number}"),
            secret: Secret::Symmetric(Zeroizing::new([1; KEY_LEN])),
        })
    }

    #[test]
    fn entries_end_by_age_by_number_and_by_request() {
        let mut cache = Cache::default();
        let now = Timestamp::from_millis(1_000_000);
        let has = |cache: &mut Cache, number: u32, at: Timestamp| {
            cache.get(id(number), &format!("{number}"), at).is_some()
        };
        cache.put(material(1), now);
        assert!(has(&mut cache, 1, now.plus(MAX_AGE - 1)));
        assert!(cache.get(id(1), "2", now).is_none());
        assert!(!has(&mut cache, 1, now.plus(MAX_AGE)));
        assert_eq!(cache.young.size, 0, "what is too old is not only passed over");
        cache.put(material(2), now);
        assert!(!has(&mut cache, 2, now.plus(-1)), "the clock was set back");
        cache.put(material(2), now);
        cache.forget(id(2));
        assert!(!has(&mut cache, 2, now));
        let most = u32::try_from(2 * HALF).expect("a small number");
        for number in 0..=most {
            cache.put(material(number), now);
        }
        assert!(!has(&mut cache, 0, now));
        assert!(has(&mut cache, most / 2 + 1, now) && has(&mut cache, most, now));
        assert!(cache.young.size + cache.old.size <= 2 * HALF);
        cache.forget(id(most));
        assert_eq!(cache.young.size, 0);
    }
}
