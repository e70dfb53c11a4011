//! What a running operation sees of the store: the transaction of a change, or, for an operation
//! that only reads, what is kept in memory or else one snapshot.

use std::any::Any;
use std::collections::HashSet;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use keyfold::crypto::hash::Sha256;
use uuid::Uuid;

use super::Engine;
use super::known::{Generation, Scope};
use crate::error::Result;
use crate::rows::{self, Row};
use crate::store::{Record, StoreError, Table, Txn};

/// What one transaction has done so far.
#[derive(Default)]
pub(crate) struct Log {
    /// What it changed.
    pub(super) touched: HashSet<Scope>,
    /// The audit records to append.
    pub(super) records: Vec<Vec<u8>>,
    /// The keys whose material is forgotten when it commits.
    pub(super) forgotten: Vec<Uuid>,
}

impl Log {
    fn touch(&mut self, engine: &Engine, table: Table, key: &[u8]) {
        self.touched.insert(engine.known.row_scope(table, key));
        self.touched.insert(engine.known.table_scope(table));
    }
}

/// What an evaluation rests on.
pub(crate) struct Basis {
    pub(super) since: Generation,
    pub(super) scopes: Vec<Scope>,
    /// Whether something was not in memory.
    pub(super) missed: bool,
    /// Whether the operation turned out to change something.
    pub(super) wants_write: bool,
}

impl Basis {
    pub(super) fn since(since: Generation) -> Self {
        Basis { since, scopes: Vec::with_capacity(8), missed: false, wants_write: false }
    }

    /// Rests on one thing more, which was so at a generation.
    pub(super) fn add(&mut self, scope: Scope, since: Generation) {
        self.since = self.since.min(since);
        // Most of what one operation reads is of one key.
        if self.scopes.last() != Some(&scope) {
            self.scopes.push(scope);
        }
    }

    fn miss(&mut self) -> StoreError {
        self.missed = true;
        StoreError::Other("not in memory".into())
    }

    fn refuse(&mut self) -> StoreError {
        self.wants_write = true;
        StoreError::ReadOnly
    }
}

/// What a row was, byte for byte. Whoever rests on the row can so tell, with the lock held, that
/// it is as it was, although another process has changed something and what is in memory does not
/// count any more.
#[cfg_attr(
    not(feature = "server"),
    allow(dead_code, reason = "only those who call a server rest on rows")
)]
pub(crate) struct Stamp {
    table: Table,
    key: Box<[u8]>,
    digest: [u8; 32],
}

impl Stamp {
    #[cfg(feature = "server")]
    pub(crate) fn of(table: Table, key: &[u8], row: &[u8]) -> Arc<Self> {
        Arc::new(Stamp { table, key: key.into(), digest: Sha256::digest(row) })
    }

    pub(super) fn holds(&self, txn: &mut dyn Txn) -> Result<bool> {
        let row = txn.get(self.table, &self.key)?;
        Ok(row.is_some_and(|row| Sha256::digest(&row) == self.digest))
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stamp").finish_non_exhaustive()
    }
}

/// One thing that a caller rests on: since when it was known to be so, and what it was.
pub(crate) type Footing = (Scope, Generation, Option<Arc<Stamp>>);

/// What can be kept in memory at a generation: one row, or something made of the rows of one
/// scope, under a key of its own.
pub(crate) trait Kept: Any + Send + Sync + Sized {
    /// Where it is. Each table has one kept type.
    const TABLE: Table;

    /// Reads it. All that is read must be of the scope of `key`. Answers about how many bytes it
    /// takes, too.
    fn load(engine: &Engine, txn: &mut dyn Txn, key: &[u8]) -> Result<Option<(Arc<Self>, usize)>>;

    /// What the row was, for those who rest on it. Without one every change of another process
    /// makes them authenticate again.
    #[cfg(feature = "server")]
    fn stamp(&self) -> Option<Arc<Stamp>> {
        None
    }
}

impl<R: Row + Any + Send + Sync> Kept for R {
    const TABLE: Table = <R as Row>::TABLE;

    fn load(_: &Engine, txn: &mut dyn Txn, key: &[u8]) -> Result<Option<(Arc<Self>, usize)>> {
        let Some(bytes) = txn.get(<R as Row>::TABLE, key)? else { return Ok(None) };
        Ok(Some((Arc::new(rows::decode(&bytes, R::NAME)?), 2 * bytes.len())))
    }
}

/// Something kept, and since when it is known to be so.
#[cfg(feature = "server")]
pub(crate) struct CachedRow<T> {
    pub(crate) row: Arc<T>,
    scope: Scope,
    since: Generation,
}

#[cfg(feature = "server")]
impl<T: Kept> CachedRow<T> {
    /// What an answer that rests on this row depends on.
    pub(super) fn footing(&self) -> Footing {
        (self.scope, self.since, self.row.stamp())
    }
}

enum Access<'a> {
    Write(&'a mut dyn Txn, &'a mut Log),
    Snapshot(&'a mut dyn Txn, &'a mut Basis),
    Memory(&'a mut Basis),
}

/// What a running operation sees of the store.
pub(crate) struct View<'a> {
    engine: &'a Engine,
    access: Access<'a>,
}

impl<'a> View<'a> {
    /// Over a transaction that writes.
    pub(super) fn write(engine: &'a Engine, txn: &'a mut dyn Txn, log: &'a mut Log) -> Self {
        View { engine, access: Access::Write(txn, log) }
    }

    /// Over a transaction that reads; what is in memory is taken from there.
    pub(super) fn snapshot(engine: &'a Engine, txn: &'a mut dyn Txn, basis: &'a mut Basis) -> Self {
        View { engine, access: Access::Snapshot(txn, basis) }
    }

    /// Over what is in memory; everything else is missing, and noted as such.
    pub(super) fn memory(engine: &'a Engine, basis: &'a mut Basis) -> Self {
        View { engine, access: Access::Memory(basis) }
    }

    /// The same for a shorter time.
    pub(crate) fn reborrow(&mut self) -> View<'_> {
        let access = match &mut self.access {
            Access::Write(txn, log) => Access::Write(&mut **txn, log),
            Access::Snapshot(txn, basis) => Access::Snapshot(&mut **txn, basis),
            Access::Memory(basis) => Access::Memory(basis),
        };
        View { engine: self.engine, access }
    }

    /// Appends an audit record in the transaction of a change.
    ///
    /// # Errors
    /// Where there is none; the operation is then performed again in one.
    pub(crate) fn record(&mut self, record: Vec<u8>) -> Result<()> {
        match &mut self.access {
            Access::Write(_, log) => log.records.push(record),
            Access::Snapshot(_, basis) | Access::Memory(basis) => {
                return Err(basis.refuse().into());
            }
        }
        Ok(())
    }

    /// Whether the transaction has changed anything yet.
    pub(super) fn has_changed(&self) -> bool {
        match &self.access {
            Access::Write(_, log) => !log.touched.is_empty(),
            Access::Snapshot(..) | Access::Memory(_) => false,
        }
    }

    /// Lets the unwrapped material of a key be forgotten when the change commits.
    pub(crate) fn forget(&mut self, key_id: Uuid) {
        if let Access::Write(_, log) = &mut self.access {
            log.forgotten.push(key_id);
        }
    }

    /// What is under a key, decoded: from memory where nothing is being changed.
    pub(crate) fn kept<T: Kept>(&mut self, key: &[u8]) -> Result<Option<Arc<T>>> {
        let known = &self.engine.known;
        match &mut self.access {
            Access::Write(txn, _) => {
                Ok(T::load(self.engine, &mut **txn, key)?.map(|(value, _)| value))
            }
            Access::Snapshot(txn, basis) => {
                basis.add(known.row_scope(T::TABLE, key), basis.since);
                match known.get(T::TABLE, key) {
                    Some(value) => Ok(Some(value)),
                    // The snapshot is not older than the generation that was known before it.
                    None => self.engine.load_kept(&mut **txn, key, basis.since),
                }
            }
            Access::Memory(basis) => {
                basis.add(known.row_scope(T::TABLE, key), basis.since);
                known.get(T::TABLE, key).map(Some).ok_or_else(|| basis.miss().into())
            }
        }
    }
}

impl Engine {
    /// Reads what is under a key and keeps it. `since` was known before the transaction began.
    fn load_kept<T: Kept>(
        &self,
        txn: &mut dyn Txn,
        key: &[u8],
        since: Generation,
    ) -> Result<Option<Arc<T>>> {
        let Some((value, bytes)) = T::load(self, txn, key)? else { return Ok(None) };
        let kept: Arc<dyn Any + Send + Sync> = Arc::clone(&value) as _;
        self.known.put((T::TABLE, key), since, kept, bytes);
        Ok(Some(value))
    }

    /// A row that is in memory. It may be out of date by a change that another process has just
    /// made: let the [`super::Caller`] that is made of it rest on it
    /// ([`super::Caller::resting_on`]), and no operation of that caller succeeds on it.
    #[cfg(feature = "server")]
    pub(crate) fn row_in_memory<T: Kept>(&self, key: &[u8]) -> Option<CachedRow<T>> {
        let (scope, since) = (self.known.row_scope(T::TABLE, key), self.known.generation());
        let row = self.known.get(T::TABLE, key)?;
        Some(CachedRow { row, scope, since })
    }

    /// The same, out of the store as it is now: for what is not in memory, and before a caller is
    /// refused on what is.
    #[cfg(feature = "server")]
    pub(crate) fn row_in_store<T: Kept>(&self, key: &[u8]) -> Result<Option<CachedRow<T>>> {
        let (scope, since) = (self.known.row_scope(T::TABLE, key), self.known.generation());
        let row = crate::store::read(&*self.store, |txn| self.load_kept(txn, key, since))?;
        Ok(row.map(|row| CachedRow { row, scope, since }))
    }
}

type Stored<T> = std::result::Result<T, StoreError>;

impl Txn for View<'_> {
    fn get(&mut self, table: Table, key: &[u8]) -> Stored<Option<Vec<u8>>> {
        match &mut self.access {
            Access::Write(txn, _) => txn.get(table, key),
            Access::Snapshot(txn, basis) => {
                basis.add(self.engine.known.row_scope(table, key), basis.since);
                txn.get(table, key)
            }
            Access::Memory(basis) => Err(basis.miss()),
        }
    }

    fn scan(
        &mut self,
        table: Table,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        limit: usize,
    ) -> Stored<Vec<Record>> {
        match &mut self.access {
            Access::Write(txn, _) => txn.scan(table, range, limit),
            Access::Snapshot(txn, basis) => {
                basis.add(self.engine.known.range_scope(table, range), basis.since);
                txn.scan(table, range, limit)
            }
            Access::Memory(basis) => Err(basis.miss()),
        }
    }

    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Stored<()> {
        match &mut self.access {
            Access::Write(txn, log) => {
                log.touch(self.engine, table, key);
                txn.put(table, key, value)
            }
            Access::Snapshot(_, basis) | Access::Memory(basis) => Err(basis.refuse()),
        }
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Stored<()> {
        match &mut self.access {
            Access::Write(txn, log) => {
                log.touch(self.engine, table, key);
                txn.delete(table, key)
            }
            Access::Snapshot(_, basis) | Access::Memory(basis) => Err(basis.refuse()),
        }
    }
}
