//! Work that is due by time: rotations, and the end of keys and secrets whose waiting period is
//! over.

use uuid::Uuid;

use super::authorize::Caller;
use super::{Call, Engine};
use crate::audit::Trail;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::hierarchy::damaged;
use crate::rows::{self, GrantRow, KeyRow, TombstoneRow};
use crate::store::{Table, Txn as _, scan_prefix};

/// Between the first sight of a key whose time is over and the end of its material: one hour.
/// A clock that jumps ahead and back destroys nothing.
const OBSERVATION: i64 = 60 * 60 * Timestamp::SECOND;
/// How many keys one transaction looks at.
const STEP: usize = 64;

/// What [`Engine::tick`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tick {
    /// How many keys were rotated.
    pub rotated: u32,
    /// How many keys ended: their material is destroyed.
    pub deleted: u32,
    /// How many secrets ended: their values are destroyed.
    pub deleted_secrets: u32,
}

fn due_key(key: &KeyRow) -> Option<Vec<u8>> {
    let date = key.deletion_date?;
    Some([&date.sort_key()[..], key.id.as_bytes()].concat())
}

impl Engine {
    /// Does what is due: rotates keys that rotate by themselves, and destroys keys and secrets
    /// whose waiting period is over. Call it at start and then about every hour.
    ///
    /// A key or secret cannot be used from its deletion date on. It is destroyed by the first
    /// call that finds it due an hour or more after an earlier call did.
    ///
    /// ```
    /// # use keyfold_kms::Engine;
    /// # let engine = Engine::in_memory()?;
    /// # let owner = engine.owner();
    ///
    /// let done = engine.tick()?;
    /// assert_eq!((done.rotated, done.deleted, done.deleted_secrets), (0, 0, 0));
    /// # Ok::<(), keyfold_kms::KmsError>(())
    /// ```
    ///
    /// # Errors
    /// What the store says; what was done before stays done.
    pub fn tick(&self) -> Result<Tick> {
        let mut done = Tick::default();
        for (table, count) in
            [(Table::RotationsDue, &mut done.rotated), (Table::DeletionsDue, &mut done.deleted)]
        {
            let mut passed = None;
            while let Some((did, last)) = self.tick_step(table, passed.as_deref())? {
                *count += did;
                passed = Some(last);
            }
        }
        done.deleted_secrets = self.tick_secrets(OBSERVATION, STEP)?;
        Ok(done)
    }

    /// Looks at the next entries of an index of what is due, in one transaction; answers how many
    /// were done and which was the last. `None` where nothing more is due.
    fn tick_step(&self, table: Table, after: Option<&[u8]>) -> Result<Option<(u32, Vec<u8>)>> {
        let (caller, now, mut trail) = (Caller::service(), self.clock.now(), Trail::default());
        self.transact(|mut view| {
            let mut txn = view.reborrow();
            let mut due = scan_prefix(&mut txn, table, b"", after, STEP)?;
            due.retain(|(index, _)| index.get(..8) <= Some(&now.sort_key()[..]));
            let Some((last, _)) = due.last().cloned() else { return Ok(None) };
            let trail = &mut trail;
            let mut call =
                Call { engine: self, caller: &caller, now, txn, trail, prepared: None, via: None };
            let mut did = 0;
            for (index, seen) in due {
                let id = index.get(8..).and_then(|id| Uuid::from_slice(id).ok());
                let id = id.ok_or_else(|| damaged("a due date"))?;
                let Some(mut key) = rows::get::<KeyRow>(&mut call.txn, id.as_bytes())? else {
                    call.txn.delete(table, &index)?;
                    continue;
                };
                // A key that is switched off stays due, and rotates when it is on again.
                did += u32::from(match table {
                    Table::RotationsDue => call.rotate_if_due(&mut key)?,
                    _ => call.delete_if_seen(&key, &index, &seen)?,
                });
            }
            Ok(Some((did, last)))
        })
    }
}

impl Call<'_> {
    /// Destroys a key whose time is over if that was seen long enough ago, and notes it if not.
    fn delete_if_seen(&mut self, key: &KeyRow, index: &[u8], seen: &[u8]) -> Result<bool> {
        if !key.is_gone(self.now) {
            return Ok(false);
        }
        let seen = <[u8; 8]>::try_from(seen).ok().map(i64::from_be_bytes);
        match seen.map(Timestamp::from_millis) {
            Some(seen) if seen <= self.now => {
                let over = seen.plus(OBSERVATION) <= self.now;
                if over {
                    self.destroy(key)?;
                }
                Ok(over)
            }
            // Not seen yet, or by a clock that has been set back since.
            _ => {
                self.txn.put(Table::DeletionsDue, index, &self.now.millis().to_be_bytes())?;
                Ok(false)
            }
        }
    }

    /// Puts a key on the list of those that end.
    pub(crate) fn watch_deletion(&mut self, key: &KeyRow) -> Result<()> {
        let index = due_key(key).ok_or_else(|| damaged("a due date"))?;
        Ok(self.txn.put(Table::DeletionsDue, &index, b"")?)
    }

    /// Takes a key off the list of those that end.
    pub(crate) fn unwatch_deletion(&mut self, key: &KeyRow) -> Result<()> {
        due_key(key).map_or(Ok(()), |index| Ok(self.txn.delete(Table::DeletionsDue, &index)?))
    }

    /// Ends a key for good: its material, policy, tags, aliases and grants. A tombstone stays.
    fn destroy(&mut self, key: &KeyRow) -> Result<()> {
        let mut key = key.clone();
        let id = key.id;
        for alias in self.aliases_of(id)? {
            self.remove_alias(&alias)?;
        }
        let name = <GrantRow as rows::Row>::NAME;
        for (index, row) in
            scan_prefix(&mut self.txn, Table::Grants, id.as_bytes(), None, usize::MAX)?
        {
            let grant = rows::decode::<GrantRow>(&row, name)?;
            self.remove_grant(&mut key, index.get(16..).unwrap_or_default(), &grant)?;
        }
        for table in [Table::Versions, Table::Tags] {
            for (index, _) in scan_prefix(&mut self.txn, table, id.as_bytes(), None, usize::MAX)? {
                self.txn.delete(table, &index)?;
            }
        }
        self.txn.delete(Table::Policies, id.as_bytes())?;
        self.unwatch_rotation(&key)?;
        self.unwatch_deletion(&key)?;
        self.unlist_key(&key)?;
        let tombstone = TombstoneRow {
            spec: key.spec,
            created: key.created,
            deleted: self.now,
            scheduled_by: key.deletion_scheduled_by.clone(),
        };
        rows::put(&mut self.txn, id.as_bytes(), &tombstone)?;
        self.txn.forget(id);
        self.record_own("DeleteKey", &key)
    }

    /// Records what the KMS did of itself, in the transaction of the change.
    pub(crate) fn record_own(&mut self, operation: &str, key: &KeyRow) -> Result<()> {
        let mut trail = Trail::default();
        trail.resource(self.realm().key(key.id));
        trail.material_id = Some(key.material_id.clone());
        let caller = Caller::service();
        let record = self.engine.draft(&caller, self.now, (operation, false), "ok", &trail)?;
        self.txn.record(record)
    }
}
