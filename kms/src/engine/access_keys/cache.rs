//! Access keys in memory, opened: opening one, and deriving from it, costs more than a signature.

use std::sync::Arc;

use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::principal;
use crate::clock::Timestamp;
use crate::engine::view::{CachedRow, Kept, Stamp};
use crate::engine::{Caller, Engine};
use crate::error::Result;
use crate::hierarchy::{self, damaged};
use crate::rows::{self, AccessKeyRow, Row};
use crate::store::{Table, Txn};

/// What is longer names no access key, in bytes.
const MAX_ID: usize = 128;
/// How many derived keys are kept of each: two services, today and the day before or after.
const MAX_DERIVED: usize = 4;
/// About how many bytes an opened access key takes, beside its row.
const OPENED: usize = 1024;

/// A key derived from a secret.
pub(crate) type DerivedKey = Zeroizing<[u8; 32]>;

/// An access key, opened. Its secret is zeroized on drop.
pub(crate) struct AccessKey {
    caller: Caller,
    /// From when to when it works.
    active: bool,
    expires: Option<Timestamp>,
    secret: Zeroizing<Vec<u8>>,
    derived: Mutex<Vec<(String, Arc<DerivedKey>)>>,
    stamp: Option<Arc<Stamp>>,
}

impl AccessKey {
    /// One that nobody has: it never works.
    pub(crate) fn decoy(secret: Zeroizing<Vec<u8>>) -> Self {
        let (caller, derived) = (Caller::new("", ""), Mutex::default());
        AccessKey { caller, active: false, expires: None, secret, derived, stamp: None }
    }

    /// Whether it works.
    pub(crate) fn works(&self, now: Timestamp) -> bool {
        self.active && self.expires.is_none_or(|end| now < end)
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

impl Kept for AccessKey {
    const TABLE: Table = Table::AccessKeys;

    fn load(engine: &Engine, txn: &mut dyn Txn, key: &[u8]) -> Result<Option<(Arc<Self>, usize)>> {
        const NAME: &str = AccessKeyRow::NAME;
        let Some(bytes) = txn.get(Table::AccessKeys, key)? else { return Ok(None) };
        let row: AccessKeyRow = rows::decode(&bytes, NAME)?;
        let id = std::str::from_utf8(key).map_err(|_| damaged(NAME))?;
        let (sealing, binding) = (engine.keys.access_key.expose(), row.binding(id)?);
        let secret = hierarchy::open(sealing, &binding, &row.sealed.0);
        let secret = secret.ok_or_else(|| damaged(NAME))?;
        let (active, expires) = (row.is_active(), row.expires);
        let realm = &engine.identity.realm;
        let caller = Caller::new(principal(realm, &row.user), realm.account.clone())
            .with_permissions(row.permissions)
            .authenticated_by(format!("sigv4 {id}"));
        let derived = Mutex::default();
        let stamp = Some(Stamp::of(Self::TABLE, key, &bytes));
        let key = AccessKey { caller, active, expires, secret, derived, stamp };
        Ok(Some((Arc::new(key), bytes.len() + OPENED)))
    }

    fn stamp(&self) -> Option<Arc<Stamp>> {
        self.stamp.clone()
    }
}

impl CachedRow<AccessKey> {
    /// Whom the key stands for, as long as it is what it is.
    pub(crate) fn caller(&self) -> Caller {
        self.row.caller.clone().resting_on(self)
    }
}

impl Engine {
    /// An access key that is in memory.
    pub(crate) fn access_key_in_memory(&self, id: &str) -> Option<CachedRow<AccessKey>> {
        self.row_in_memory(id.as_bytes())
    }

    /// An access key as it is in the store now.
    pub(crate) fn access_key_in_store(&self, id: &str) -> Result<Option<CachedRow<AccessKey>>> {
        if id.len() > MAX_ID { Ok(None) } else { self.row_in_store(id.as_bytes()) }
    }
}
