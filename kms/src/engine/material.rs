//! Versions of key material: made, sealed into the store, unwrapped for use.

use std::sync::Arc;

use keyfold::crypto::rng::Rng;
use keyfold::sign::{self, SigningKey};
use zeroize::Zeroizing;

use super::cache::{Material, Secret};
use super::{Call, Prepared};
use crate::audit::hex;
use crate::error::{KmsError, Result};
use crate::hierarchy::{self, KEY_LEN, damaged};
use crate::rows::{self, IDENTITY, IdentityRow, KeyRow, VersionRow, version_key};
use crate::types::{Blob, KeySpec, RotationType};

/// The spec of a key pair; `None` for a symmetric key and for what is not offered.
pub(crate) fn pair_spec(spec: KeySpec) -> Option<sign::KeySpec> {
    if spec == KeySpec::SymmetricDefault { None } else { spec.as_str().parse().ok() }
}

/// Makes new material for a key of this spec: 32 random bytes, or a key pair in PKCS#8.
pub(crate) fn make(spec: KeySpec, rng: &dyn Rng) -> Result<Prepared> {
    let Some(pair) = pair_spec(spec) else {
        let mut bytes = Zeroizing::new(vec![0; KEY_LEN]);
        rng.fill(&mut bytes)?;
        return Ok(Prepared(bytes));
    };
    let key = SigningKey::generate(pair, rng)?;
    Ok(Prepared(Zeroizing::new(key.to_pkcs8_der()?.expose().to_vec())))
}

/// What a sealed version is bound to: nobody can move it to another key, number or use.
fn binding(key: &KeyRow, version: u32, material_id: &str) -> String {
    let KeyRow { id, spec, usage, origin, .. } = key;
    format!("keyfold/kms/material/v1|versions|{id}|{version}|{spec}|{usage}|{origin}|{material_id}")
}

/// How many numbers of versions an epoch has.
const EPOCH: u32 = 1024;

/// The number of a key's next version. It is above all that were given out before, and those of
/// an epoch are its own: a backup does not know which numbers were given out after it was made,
/// so they are not given out again after it was restored.
fn next_version(current: u32, epoch: u32) -> Option<u32> {
    let first = epoch.checked_sub(1)?.checked_mul(EPOCH)?.checked_add(1)?;
    // The first version of a key is 1: no other history has a key of this id.
    let next = if current == 0 { 1 } else { first.max(current.checked_add(1)?) };
    (next < first.saturating_add(EPOCH - 1)).then_some(next)
}

impl Call<'_> {
    /// Stores new material as the next version of a key, and makes it the current one. The
    /// caller stores the key's row.
    pub(crate) fn add_version(
        &mut self,
        key: &mut KeyRow,
        material: &Prepared,
        rotation: Option<RotationType>,
    ) -> Result<()> {
        let identity: IdentityRow =
            rows::get(&mut self.txn, IDENTITY)?.ok_or_else(|| damaged("the identity"))?;
        let version = next_version(key.version, identity.epoch)
            .ok_or_else(|| KmsError::internal("a key ran out of versions"))?;
        // A keyed hash: a bare one would let guessable material be searched for.
        let id = self.keys().material_id_mac.mac(&[key.id.as_bytes(), &material.0]);
        let material_id = hex(&id);
        let sealed = hierarchy::seal(
            self.keys().material_wrap.expose(),
            self.rng(),
            binding(key, version, &material_id).as_bytes(),
            &material.0,
        )?;
        let row = VersionRow {
            material_id: material_id.clone(),
            sealed: Blob(sealed),
            created: self.now,
            rotation,
        };
        rows::put(&mut self.txn, &version_key(key.id, version), &row)?;
        key.version = version;
        key.material_id = material_id;
        Ok(())
    }

    /// The unwrapped material of a key's current version.
    pub(crate) fn current_material(&mut self, key: &KeyRow) -> Result<Arc<Material>> {
        self.material(key, key.version, &key.material_id)
    }

    /// The unwrapped material of a version, whose material id is known.
    pub(crate) fn material(
        &mut self,
        key: &KeyRow,
        version: u32,
        material_id: &str,
    ) -> Result<Arc<Material>> {
        let cached = self.cache().get(key.id, material_id, self.now);
        let material = match cached {
            Some(material) => material,
            None => self.unwrap_material(key, version, material_id)?,
        };
        // Encrypting under the wrong key loses data for good: ask the entry itself whose it is.
        if material.key_id != key.id || material.id != material_id {
            return Err(KmsError::internal("the cache answered with material of another key"));
        }
        self.trail.material_id = Some(material_id.to_owned());
        Ok(material)
    }

    fn unwrap_material(
        &mut self,
        key: &KeyRow,
        version: u32,
        material_id: &str,
    ) -> Result<Arc<Material>> {
        let lost = || damaged("a version of key material");
        let row: Option<VersionRow> = rows::get(&mut self.txn, &version_key(key.id, version))?;
        let row = row.ok_or_else(lost)?;
        let binding = binding(key, version, material_id);
        let wrap = self.keys().material_wrap.expose();
        let plain = hierarchy::open(wrap, binding.as_bytes(), &row.sealed.0).ok_or_else(lost)?;
        let secret = match pair_spec(key.spec) {
            None => {
                let mut bytes = Zeroizing::new([0; KEY_LEN]);
                if plain.len() != KEY_LEN {
                    return Err(lost());
                }
                bytes.copy_from_slice(&plain);
                Secret::Symmetric(bytes)
            }
            Some(spec) => {
                let pair = SigningKey::from_pkcs8_der(&plain).map_err(|_| lost())?;
                if pair.spec() != spec {
                    return Err(lost());
                }
                Secret::Pair(Box::new(pair))
            }
        };
        let material = Arc::new(Material { key_id: key.id, id: material_id.to_owned(), secret });
        self.cache().put(Arc::clone(&material), self.now);
        Ok(material)
    }

    pub(super) fn cache(&self) -> parking_lot::MutexGuard<'_, super::cache::Cache> {
        self.engine.cache.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_two_epochs_never_meet() {
        assert_eq!(next_version(0, 1), Some(1));
        assert_eq!(next_version(1, 1), Some(2));
        assert_eq!(next_version(0, 7), Some(1));
        // Whatever was reached before, a new epoch starts above it.
        for before in [1, 2, 500, EPOCH - 1] {
            assert_eq!(next_version(before, 2), Some(EPOCH + 1));
        }
        assert_eq!(next_version(EPOCH + 1, 2), Some(EPOCH + 2));
        assert_eq!(next_version(EPOCH - 2, 1), Some(EPOCH - 1));
        assert_eq!(next_version(EPOCH - 1, 1), None);
        assert_eq!(next_version(1, u32::MAX), None);
        assert_eq!(next_version(1, 0), None);
    }
}
