//! Access keys in memory, opened: opening one, and deriving from it, costs more than a signature.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::principal;
use crate::engine::{Caller, Engine};
use crate::error::Result;
use crate::hierarchy::{self, damaged};
use crate::rows::{self, AccessKeyRow, Row};
use crate::store;

/// What is longer names none, in bytes.
const MAX_ID: usize = 128;
/// How many access keys are kept.
const MAX_ENTRIES: usize = 4096;
/// How many derived keys are kept of each: two services, today and the day before or after.
const MAX_DERIVED: usize = 4;

/// A key derived from a secret.
pub(crate) type DerivedKey = Zeroizing<[u8; 32]>;

/// An access key that works, ready to check signatures with. Its secret is zeroized on drop.
pub(crate) struct AccessKey {
    /// Whom it stands for.
    pub(crate) caller: Caller,
    secret: Zeroizing<Vec<u8>>,
    derived: Mutex<Vec<(String, Arc<DerivedKey>)>>,
}

impl AccessKey {
    /// One that stands for somebody.
    pub(crate) fn new(caller: Caller, secret: Zeroizing<Vec<u8>>) -> Self {
        AccessKey { caller, secret, derived: Mutex::default() }
    }

    /// The key that `derive` makes of the secret for a scope, made once.
    pub(crate) fn derived(
        &self,
        scope: &str,
        derive: impl FnOnce(&[u8]) -> DerivedKey,
    ) -> Arc<DerivedKey> {
        let mut known = self.derived.lock();
        if let Some((_, key)) = known.iter().find(|(of, _)| of == scope) {
            return Arc::clone(key);
        }
        let key = Arc::new(derive(&self.secret));
        if known.len() >= MAX_DERIVED {
            known.remove(0);
        }
        known.push((scope.to_owned(), Arc::clone(&key)));
        key
    }
}

/// A row as it was read, and what is behind it.
struct Entry {
    row: Vec<u8>,
    key: Arc<AccessKey>,
}

/// The access keys that were asked for.
#[derive(Default)]
pub(crate) struct AccessKeys(Mutex<HashMap<String, Entry>>);

impl Engine {
    /// The access key with an id; `None` where there is none that works now.
    pub(crate) fn access_key(&self, id: &str) -> Result<Option<Arc<AccessKey>>> {
        const NAME: &str = AccessKeyRow::NAME;
        if id.len() > MAX_ID {
            return Ok(None);
        }
        let read = |txn: &mut dyn store::Txn| Ok(txn.get(AccessKeyRow::TABLE, id.as_bytes())?);
        let Some(bytes) = store::read::<_, crate::KmsError>(&*self.store, read)? else {
            self.access_keys.0.lock().remove(id);
            return Ok(None);
        };
        let row: AccessKeyRow = rows::decode(&bytes, NAME)?;
        if !row.works(self.clock.now()) {
            self.access_keys.0.lock().remove(id);
            return Ok(None);
        }
        if let Some(entry) = self.access_keys.0.lock().get(id)
            && entry.row == bytes
        {
            return Ok(Some(Arc::clone(&entry.key)));
        }
        let sealing = self.keys.access_key.expose();
        let secret = hierarchy::open(sealing, &row.binding(id)?, &row.sealed.0)
            .ok_or_else(|| damaged(NAME))?;
        let realm = &self.identity.realm;
        let caller = Caller::new(principal(realm, &row.user), realm.account.clone())
            .with_permissions(row.permissions)
            .authenticated_by(format!("sigv4 {id}"))
            .by_access_key(id);
        let key = Arc::new(AccessKey::new(caller, secret));
        let mut entries = self.access_keys.0.lock();
        if entries.len() >= MAX_ENTRIES {
            entries.clear();
        }
        entries.insert(id.to_owned(), Entry { row: bytes, key: Arc::clone(&key) });
        Ok(Some(key))
    }
}
