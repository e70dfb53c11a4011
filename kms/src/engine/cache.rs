//! Unwrapped key material, kept for a short while: unwrapping costs more than using it.
//!
//! An entry is found by the ids of key and material, and says itself whose it is. The state of a
//! key is never kept here: it is read from the store by each operation.

use std::collections::VecDeque;
use std::sync::Arc;

use keyfold::sign::SigningKey;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::hierarchy::KEY_LEN;

/// How many versions are kept.
const MAX_ENTRIES: usize = 64;
/// How long, at most, whatever happens meanwhile: five minutes.
const MAX_AGE: i64 = 300 * Timestamp::SECOND;

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

/// The newest entries, oldest first.
#[derive(Default)]
pub(super) struct Cache(VecDeque<(Timestamp, Arc<Material>)>);

impl Cache {
    pub(super) fn get(
        &mut self,
        key_id: Uuid,
        material_id: &str,
        now: Timestamp,
    ) -> Option<Arc<Material>> {
        self.0.retain(|(since, _)| *since <= now && now < since.plus(MAX_AGE));
        self.0
            .iter()
            .find(|(_, entry)| entry.key_id == key_id && entry.id == material_id)
            .map(|(_, entry)| Arc::clone(entry))
    }

    pub(super) fn put(&mut self, material: Arc<Material>, now: Timestamp) {
        if self.0.len() >= MAX_ENTRIES {
            self.0.pop_front();
        }
        self.0.push_back((now, material));
    }

    /// Forgets a key: its state changed.
    pub(super) fn forget(&mut self, key_id: Uuid) {
        self.0.retain(|(_, entry)| entry.key_id != key_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn material(id: u8) -> Arc<Material> {
        Arc::new(Material {
            key_id: Uuid::from_bytes([id; 16]),
            id: format!("{id}"),
            secret: Secret::Symmetric(Zeroizing::new([id; KEY_LEN])),
        })
    }

    #[test]
    fn entries_end_by_age_by_number_and_by_request() {
        let mut cache = Cache::default();
        let now = Timestamp::from_millis(1_000_000);
        let has = |cache: &mut Cache, id: u8, at: Timestamp| {
            cache.get(Uuid::from_bytes([id; 16]), &format!("{id}"), at).is_some()
        };
        cache.put(material(1), now);
        assert!(has(&mut cache, 1, now.plus(MAX_AGE - 1)));
        assert!(cache.get(Uuid::from_bytes([1; 16]), "2", now).is_none());
        assert!(!has(&mut cache, 1, now.plus(MAX_AGE)));
        cache.put(material(2), now);
        cache.forget(Uuid::from_bytes([2; 16]));
        assert!(!has(&mut cache, 2, now));
        for id in 0..=64 {
            cache.put(material(id), now);
        }
        assert!(!has(&mut cache, 0, now));
        assert!(has(&mut cache, 1, now) && has(&mut cache, 64, now));
    }
}
