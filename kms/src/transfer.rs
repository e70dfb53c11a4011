//! Whole stores, moved: from one database to another, to a backup file and back.
//!
//! A transfer reads one consistent view of its source, a few megabytes at a time, and writes into
//! a target that is empty. A marker that is written first and removed last keeps what was left
//! half done from being opened; afterwards every record has been compared.

mod backup;

use std::fmt;
use std::ops::Bound;

use keyfold::crypto::hash::Sha256;
use serde::{Deserialize, Serialize};

use crate::error::KmsError;
use crate::rows::{self, IDENTITY, IdentityRow, Row};
use crate::store::{self, Record, Store, StoreError, Table, Txn};

use backup::BACKUP;
pub use backup::{Backup, BackupInfo, back_up};
pub(crate) use backup::{finish_restore, was_restored};

/// How many records are read at a time: none is longer than half a megabyte.
const STEP: usize = 64;
/// How many bytes are committed at a time, and one step more.
const BATCH: usize = 4 * 1024 * 1024;

/// The key of [`TransferRow`] in [`Table::Config`].
pub(crate) const TRANSFER: &[u8] = b"transfer";

/// Says that a transfer into the store has not ended.
#[derive(Serialize, Deserialize)]
struct TransferRow {}

impl Row for TransferRow {
    const TABLE: Table = Table::Config;
    const NAME: &'static str = "the mark of a transfer";
}

/// Why a store is not moved.
///
/// ```
/// use keyfold_kms::store::MemoryStore;
/// use keyfold_kms::transfer::{TransferError, copy};
///
/// let (nothing, target) = (MemoryStore::new(), MemoryStore::new());
/// assert_eq!(copy(&nothing, &target, false), Err(TransferError::NoStore));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransferError {
    /// What the source says.
    Source(StoreError),
    /// What the target says.
    Target(StoreError),
    /// The source has no root key: nothing was ever made in it, or a transfer into it has not
    /// ended.
    NoStore,
    /// The source is a backup: it is restored, not copied.
    IsBackup,
    /// The source is not a backup.
    NotABackup,
    /// The backup was made by a newer keyfold.
    NewerBackup {
        /// The version of the backup.
        found: u32,
        /// The newest version that this keyfold knows.
        known: u32,
    },
    /// The backup is not what was written.
    Damaged,
    /// There is something in the target.
    NotEmpty,
    /// The target holds what an interrupted transfer left; it can be started anew.
    Unfinished,
    /// Another process changed the source while it was copied.
    Changed,
    /// The target does not hold what was written to it.
    Differs,
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransferError::Source(error) => write!(f, "the source: {error}"),
            TransferError::Target(error) => write!(f, "the target: {error}"),
            TransferError::NoStore => f.write_str("the source has no root key: there is nothing"),
            TransferError::IsBackup => f.write_str("the source is a backup: restore it"),
            TransferError::NotABackup => f.write_str("this is not a backup"),
            TransferError::NewerBackup { found, known } => write!(
                f,
                "the backup was made by a newer keyfold (version {found}, this one knows {known})"
            ),
            TransferError::Damaged => f.write_str("the backup is damaged or was altered"),
            TransferError::NotEmpty => f.write_str("the target is not empty"),
            TransferError::Unfinished => {
                f.write_str("the target holds what an interrupted copy or restore left")
            }
            TransferError::Changed => {
                f.write_str("another process changed the source meanwhile: end it, and start anew")
            }
            TransferError::Differs => {
                f.write_str("the target does not hold what was written to it")
            }
        }
    }
}

impl std::error::Error for TransferError {}

/// An error of the store that is written to, as the helpers of [`store`] give it.
impl From<StoreError> for TransferError {
    fn from(error: StoreError) -> Self {
        TransferError::Target(error)
    }
}

/// Why a store is not to be used, though it can be read.
pub(crate) enum Unusable {
    /// A transfer into it has not ended.
    Unfinished,
    /// It is a backup.
    IsBackup,
}

/// Whether a store is one to be used.
pub(crate) fn check_usable(txn: &mut dyn Txn) -> Result<Result<(), Unusable>, StoreError> {
    if txn.get(Table::Config, TRANSFER)?.is_some() {
        return Ok(Err(Unusable::Unfinished));
    }
    let backup = txn.get(Table::Config, BACKUP)?.is_some();
    Ok(if backup { Err(Unusable::IsBackup) } else { Ok(()) })
}

type Result<T, E = TransferError> = std::result::Result<T, E>;

/// A row that does not decode.
fn source_fault(_: KmsError) -> TransferError {
    TransferError::Source(StoreError::Corrupt("a record cannot be read".to_owned()))
}

/// Runs `work` over one consistent view of the source.
fn read_source<T>(from: &dyn Store, work: impl FnOnce(&mut dyn Txn) -> Result<T>) -> Result<T> {
    let mut result = None;
    let mut work = Some(work);
    let read = from.read(&mut |txn| result = work.take().map(|work| work(txn)));
    read.map_err(TransferError::Source)?;
    result.unwrap_or(Err(TransferError::NoStore))
}

/// Copies everything into an empty store, and answers how many records there are. With `again`
/// it may hold what an interrupted transfer left, which is removed first.
///
/// The two are the same store from then on, down to the chain of its audit records: go on with
/// one of them only.
///
/// ```
/// use keyfold_kms::store::MemoryStore;
/// use keyfold_kms::transfer::copy;
/// use keyfold_kms::{Engine, EngineOptions};
/// # use keyfold_kms::root::PassphraseSealer;
/// # use keyfold_kms::transfer::TransferError;
/// # use std::sync::Arc;
/// # let sealer = PassphraseSealer::new(keyfold::SecretBytes::from(&b"correct horse"[..]));
///
/// let old = Arc::new(MemoryStore::new());
/// let store = Box::new(Arc::clone(&old));
/// drop(Engine::create(store, &[("p", &sealer)], EngineOptions::default())?);
///
/// let new = MemoryStore::new(); // or a PostgresStore
/// assert_eq!(copy(&*old, &new, false), Ok(3));
/// assert_eq!(copy(&*old, &new, false), Err(TransferError::NotEmpty));
/// let engine = Engine::open(Box::new(new), &[&sealer], EngineOptions::default())?;
/// # Ok::<(), keyfold_kms::OpenError>(())
/// ```
///
/// # Errors
/// [`TransferError`]; what was written stays behind, under the marker.
pub fn copy(from: &dyn Store, to: &dyn Store, again: bool) -> Result<u64> {
    let (count, before) = read_source(from, |source| {
        check_live(source)?;
        begin(to, again)?;
        write_all(source, to)?;
        Ok((compare(source, to)?.count, marks(source)?))
    })?;
    // That view was of the beginning: what came later would be lost.
    if read_source(from, marks)? != before {
        return Err(TransferError::Changed);
    }
    end(to, |_| Ok(()))?;
    Ok(count)
}

/// Whether a store can be copied.
///
/// # Errors
/// [`TransferError::NoStore`], [`TransferError::IsBackup`].
pub fn check_source(from: &dyn Store) -> Result<()> {
    read_source(from, check_live)
}

fn check_live(source: &mut dyn Txn) -> Result<()> {
    if is_there(source, BACKUP)? {
        return Err(TransferError::IsBackup);
    }
    let identity = rows::get::<IdentityRow>(source, IDENTITY).map_err(source_fault)?;
    if identity.is_none() || is_there(source, TRANSFER)? {
        return Err(TransferError::NoStore);
    }
    Ok(())
}

fn is_there(source: &mut dyn Txn, key: &[u8]) -> Result<bool> {
    Ok(source.get(Table::Config, key).map_err(TransferError::Source)?.is_some())
}

/// The single records, the head of the audit chain among them: every change alters one.
fn marks(source: &mut dyn Txn) -> Result<Vec<Record>> {
    let all = (Bound::Unbounded, Bound::Unbounded);
    source.scan(Table::Config, all, STEP).map_err(TransferError::Source)
}

/// Marks the target, which must be empty.
fn begin(to: &dyn Store, again: bool) -> Result<()> {
    let unfinished = store::write(to, |target| {
        if target.get(Table::Config, TRANSFER)?.is_some() {
            return Ok(true);
        }
        for &table in Table::ALL {
            if !target.scan(table, (Bound::Unbounded, Bound::Unbounded), 1)?.is_empty() {
                return Err(TransferError::NotEmpty);
            }
        }
        let row = rows::encode(&TransferRow {}).map_err(source_fault)?;
        target.put(Table::Config, TRANSFER, &row)?;
        Ok(false)
    })?;
    match (unfinished, again) {
        (false, _) => Ok(()),
        (true, false) => Err(TransferError::Unfinished),
        (true, true) => erase(to),
    }
}

/// Removes everything but the mark.
fn erase(to: &dyn Store) -> Result<()> {
    loop {
        let removed = store::write(to, |target| {
            let mut removed = 0;
            for &table in Table::ALL {
                let found = target.scan(table, (Bound::Unbounded, Bound::Unbounded), STEP)?;
                for (key, _) in found {
                    if (table, key.as_slice()) != (Table::Config, TRANSFER) {
                        target.delete(table, &key)?;
                        removed += 1;
                    }
                }
            }
            Ok::<_, TransferError>(removed)
        })?;
        if removed == 0 {
            return Ok(());
        }
    }
}

/// Removes the mark, together with the last change.
fn end(to: &dyn Store, work: impl FnOnce(&mut dyn Txn) -> Result<()>) -> Result<()> {
    store::write(to, |target| {
        work(target)?;
        Ok(target.delete(Table::Config, TRANSFER)?)
    })
}

/// Walks over all records but those that belong to the file that they are in.
struct Walk {
    tables: std::slice::Iter<'static, Table>,
    table: Option<Table>,
    after: Option<Vec<u8>>,
    page: std::vec::IntoIter<Record>,
}

impl Walk {
    fn new() -> Self {
        let mut tables = Table::ALL.iter();
        let table = tables.next().copied();
        Walk { tables, table, after: None, page: Vec::new().into_iter() }
    }

    /// The next record; `None` at the end.
    fn next(&mut self, txn: &mut dyn Txn) -> Result<Option<(Table, Record)>, StoreError> {
        while let Some(table) = self.table {
            for record in self.page.by_ref() {
                let of_file = record.0 == TRANSFER || record.0 == BACKUP;
                if table != Table::Config || !of_file {
                    return Ok(Some((table, record)));
                }
            }
            let from = self.after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let found = txn.scan(table, (from, Bound::Unbounded), STEP)?;
            self.after = found.last().map(|(last, _)| last.clone());
            if found.is_empty() {
                self.table = self.tables.next().copied();
            }
            self.page = found.into_iter();
        }
        Ok(None)
    }
}

/// Writes all records of the source, batch by batch.
fn write_all(source: &mut dyn Txn, to: &dyn Store) -> Result<()> {
    let mut walk = Walk::new();
    let mut more = true;
    while more {
        store::write(to, |target| {
            let mut written = 0;
            while written < BATCH {
                let next = walk.next(source).map_err(TransferError::Source)?;
                let Some((table, (key, value))) = next else {
                    more = false;
                    break;
                };
                target.put(table, &key, &value)?;
                written += key.len() + value.len();
            }
            Ok::<_, TransferError>(())
        })?;
    }
    Ok(())
}

/// Compares all records of both, in one view of each.
fn compare(source: &mut dyn Txn, to: &dyn Store) -> Result<Sum> {
    store::read(to, |target| {
        let (mut theirs, mut ours, mut sum) = (Walk::new(), Walk::new(), Sum::default());
        loop {
            let expected = theirs.next(source).map_err(TransferError::Source)?;
            if ours.next(target)? != expected {
                return Err(TransferError::Differs);
            }
            let Some((table, record)) = expected else { return Ok(sum) };
            sum.add(table, &record);
        }
    })
}

/// How many records there are, and a hash over all of them.
#[derive(Default)]
struct Sum {
    count: u64,
    hash: Sha256,
}

impl Sum {
    fn add(&mut self, table: Table, (key, value): &Record) {
        self.count += 1;
        self.hash.update(&[table as u8]);
        for part in [key, value] {
            self.hash.update(&(part.len() as u64).to_be_bytes());
            self.hash.update(part);
        }
    }

    fn of(source: &mut dyn Txn) -> Result<Self> {
        let (mut walk, mut sum) = (Walk::new(), Sum::default());
        while let Some((table, record)) = walk.next(source).map_err(TransferError::Source)? {
            sum.add(table, &record);
        }
        Ok(sum)
    }
}
