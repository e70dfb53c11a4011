//! Backups: a copy of a store at one moment, in a file, and the way back.
//!
//! A store that comes from a backup does not know what was done after it: which numbers of
//! versions were given out, for one. Before it is used for the first time it enters a new epoch,
//! whose numbers no other history has, and its audit chain says so.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Result, Sum, TransferError, begin, check_live, compare, end, is_there, read_source};
use super::{source_fault, write_all};
use crate::arn::Realm;
use crate::clock::Timestamp;
use crate::error::KmsError;
use crate::hierarchy::damaged;
use crate::rows::{self, IDENTITY, IdentityRow, Row};
use crate::store::{Store, Table, Txn};
use crate::types::Blob;

/// The key of [`BackupRow`] in [`Table::Config`].
pub(crate) const BACKUP: &[u8] = b"backup";
/// The key of [`RestoredRow`] in [`Table::Config`].
const RESTORED: &[u8] = b"restored";
/// The newest version of backups that is known.
const VERSION: u32 = 1;

/// Makes a store a backup.
#[derive(Serialize, Deserialize)]
struct BackupRow {
    version: u32,
    id: Uuid,
    created: Timestamp,
    /// How many records there are, this one not counted.
    records: u64,
    /// SHA-256 over all of them.
    hash: Blob,
}

impl Row for BackupRow {
    const TABLE: Table = Table::Config;
    const NAME: &'static str = "the mark of a backup";
}

/// Says that the store came from a backup and has not been opened since.
#[derive(Serialize, Deserialize)]
struct RestoredRow {
    backup: Uuid,
    created: Timestamp,
    restored: Timestamp,
}

impl Row for RestoredRow {
    const TABLE: Table = Table::Config;
    const NAME: &'static str = "the mark of a restore";
}

/// What is known of a backup without its root key. Nothing of it is proven: whoever can write the
/// file can make it say anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupInfo {
    /// Its own id.
    pub id: Uuid,
    /// When it was made.
    pub created: Timestamp,
    /// The id of the store.
    pub store_id: Uuid,
    /// Partition, region and account of the store.
    pub realm: Realm,
    /// How many records it has.
    pub records: u64,
}

/// Writes a backup of a store, which may be in use meanwhile, into an empty one: usually a file
/// of its own. It holds what the store holds: nothing in it can be used without the root key.
///
/// # Errors
/// [`TransferError`]; what was written is no backup then.
pub fn back_up(from: &dyn Store, to: &dyn Store, now: Timestamp) -> Result<BackupInfo> {
    read_source(from, |source| {
        check_live(source)?;
        begin(to, false)?;
        write_all(source, to)?;
        let sum = compare(source, to)?;
        let id = crate::engine::make_id(&keyfold::crypto::rng::SystemRng).map_err(source_fault)?;
        let hash = Blob(sum.hash.finish().to_vec());
        let row = BackupRow { version: VERSION, id, created: now, records: sum.count, hash };
        end(to, |target| rows::put(target, BACKUP, &row).map_err(source_fault))?;
        info(source, &row)
    })
}

fn info(source: &mut dyn Txn, row: &BackupRow) -> Result<BackupInfo> {
    let identity = rows::get::<IdentityRow>(source, IDENTITY).map_err(source_fault)?;
    let IdentityRow { store_id, realm, .. } = identity.ok_or(TransferError::Damaged)?;
    Ok(BackupInfo { id: row.id, created: row.created, store_id, realm, records: row.records })
}

/// A backup that is whole.
pub struct Backup<'a> {
    from: &'a dyn Store,
    info: BackupInfo,
}

impl<'a> Backup<'a> {
    /// Reads all of a backup, and compares it with what was written.
    ///
    /// # Errors
    /// [`TransferError::NotABackup`], [`TransferError::NewerBackup`], [`TransferError::Damaged`],
    /// [`TransferError::Source`].
    pub fn check(from: &'a dyn Store) -> Result<Self> {
        let info = read_source(from, |source| {
            if !is_there(source, BACKUP)? {
                return Err(TransferError::NotABackup);
            }
            let row = rows::get::<BackupRow>(source, BACKUP).map_err(|_| TransferError::Damaged)?;
            let row = row.ok_or(TransferError::NotABackup)?;
            if row.version > VERSION {
                let found = row.version;
                return Err(TransferError::NewerBackup { found, known: VERSION });
            }
            let sum = Sum::of(source)?;
            if (sum.count, &sum.hash.finish()[..]) != (row.records, &row.hash.0) {
                return Err(TransferError::Damaged);
            }
            info(source, &row)
        })?;
        Ok(Backup { from, info })
    }

    /// What it is.
    pub fn info(&self) -> &BackupInfo {
        &self.info
    }

    /// Copies it into an empty store. With `again` it may hold what an interrupted transfer
    /// left, which is removed first. When the store is opened for the first time
    /// ([`crate::Engine::open`]) it enters a new epoch, and an audit record `Restore` says so.
    ///
    /// # Errors
    /// [`TransferError`]; what was written stays behind, under a marker.
    pub fn restore(&self, to: &dyn Store, again: bool, now: Timestamp) -> Result<()> {
        read_source(self.from, |source| {
            begin(to, again)?;
            write_all(source, to)?;
            compare(source, to)?;
            let BackupInfo { id, created, .. } = self.info;
            let row = RestoredRow { backup: id, created, restored: now };
            end(to, |target| rows::put(target, RESTORED, &row).map_err(source_fault))
        })
    }
}

/// Brings a store that came from a backup into its new epoch, where that has not been done yet;
/// answers what the audit record is to be about.
pub(crate) fn finish_restore(
    txn: &mut dyn Txn,
    now: Timestamp,
) -> Result<Option<String>, KmsError> {
    let Some(row) = rows::get::<RestoredRow>(txn, RESTORED)? else { return Ok(None) };
    let lost = || damaged(<IdentityRow as Row>::NAME);
    let mut identity: IdentityRow = rows::get(txn, IDENTITY)?.ok_or_else(lost)?;
    identity.epoch = next_epoch(identity.epoch, row.restored.max(now));
    rows::put(txn, IDENTITY, &identity)?;
    rows::delete::<RestoredRow>(txn, RESTORED)?;
    Ok(Some(format!("backup/{}/{}", row.backup, row.created)))
}

/// Whether a store came from a backup and has not been opened since.
pub(crate) fn was_restored(txn: &mut dyn Txn) -> Result<bool, KmsError> {
    Ok(txn.get(Table::Config, RESTORED)?.is_some())
}

/// The epoch after this one: the number of ten minutes since 2025, so that restoring one backup
/// twice gives two epochs, or one more where the clock says less.
fn next_epoch(epoch: u32, now: Timestamp) -> u32 {
    const START: i64 = 1_735_689_600_000;
    const TEN_MINUTES: i64 = 10 * 60 * Timestamp::SECOND;
    let passed = now.millis().saturating_sub(START) / TEN_MINUTES;
    epoch.saturating_add(1).max(u32::try_from(passed).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_grow_and_tell_restores_of_one_backup_apart() {
        let at = |text| next_epoch(1, Timestamp::from_millis(text));
        assert_eq!(at(0), 2);
        assert_eq!(at(i64::MIN), 2);
        assert_eq!(at(1_735_689_600_000), 2);
        let (first, later) = (at(1_790_000_000_000), at(1_790_000_600_000));
        assert_eq!(first + 1, later);
        assert_eq!(next_epoch(later, Timestamp::from_millis(0)), later + 1);
        // There are epochs until 2104.
        assert!(at(4_240_000_000_000) < u32::MAX / 1024);
    }
}
