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
use crate::rows::{self, KeyRow, VersionRow, version_key};
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

impl Call<'_> {
    /// Stores new material as the next version of a key, and makes it the current one. The
    /// caller stores the key's row.
    pub(crate) fn add_version(
        &mut self,
        key: &mut KeyRow,
        material: &Prepared,
        rotation: Option<RotationType>,
    ) -> Result<()> {
        let version = key
            .version
            .checked_add(1)
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
