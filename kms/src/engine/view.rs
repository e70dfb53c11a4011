//! What a running operation sees of the store: the transaction of a change, or, for an operation
//! that only reads, rows that are kept in memory and a connection for what is not.

use std::any::Any;
use std::collections::HashSet;
use std::ops::Bound;
use std::sync::Arc;

use super::Engine;
use super::known::{Generation, Scope};
use crate::error::Result;
use crate::rows::{self, Row};
use crate::store::{self, Record, StoreError, Table, Txn};

/// What one transaction has done so far.
#[derive(Default)]
pub(crate) struct Log {
    /// What it changed.
    pub(super) touched: HashSet<Scope>,
    /// The audit records to append.
    pub(super) records: Vec<Vec<u8>>,
}

/// What an evaluation rests on.
pub(crate) struct Basis {
    pub(super) since: Generation,
    pub(super) scopes: Vec<Scope>,
    /// Whether the operation turned out to change something.
    pub(super) wants_write: bool,
}

impl Basis {
    pub(super) fn since(since: Generation) -> Self {
        Basis { since, scopes: Vec::with_capacity(8), wants_write: false }
    }

    fn add(&mut self, scope: Scope) {
        if self.scopes.last() != Some(&scope) {
            self.scopes.push(scope);
        }
    }
}

/// What can be kept in memory at a generation: one row, or something made of the rows of one
/// scope, under a key of its own.
pub(crate) trait Kept: Any + Send + Sync + Sized {
    /// Where it is. Each table has one kept type.
    const TABLE: Table;

    /// Reads it. All that is read must be of the scope of `key`. Answers about how many bytes it
    /// takes, too.
    fn load(engine: &Engine, txn: &mut dyn Txn, key: &[u8]) -> Result<Option<(Arc<Self>, usize)>>;
}

impl<R: Row + Any + Send + Sync> Kept for R {
    const TABLE: Table = <R as Row>::TABLE;

    fn load(_: &Engine, txn: &mut dyn Txn, key: &[u8]) -> Result<Option<(Arc<Self>, usize)>> {
        let Some(bytes) = txn.get(<R as Row>::TABLE, key)? else { return Ok(None) };
        Ok(Some((Arc::new(rows::decode(&bytes, R::NAME)?), bytes.len())))
    }
}

enum Access<'a> {
    Write(&'a mut dyn Txn, &'a mut Log),
    Read(&'a mut Basis),
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

    /// For an operation that only reads.
    pub(super) fn read(engine: &'a Engine, basis: &'a mut Basis) -> Self {
        View { engine, access: Access::Read(basis) }
    }

    /// The same for a shorter time.
    pub(crate) fn reborrow(&mut self) -> View<'_> {
        let access = match &mut self.access {
            Access::Write(txn, log) => Access::Write(&mut **txn, log),
            Access::Read(basis) => Access::Read(basis),
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
            Access::Read(basis) => {
                basis.wants_write = true;
                return Err(StoreError::ReadOnly.into());
            }
        }
        Ok(())
    }

    /// What is under a key, decoded: from memory where nothing is being changed.
    pub(crate) fn kept<T: Kept>(&mut self, key: &[u8]) -> Result<Option<Arc<T>>> {
        match &mut self.access {
            Access::Write(txn, _) => {
                Ok(T::load(self.engine, &mut **txn, key)?.map(|(value, _)| value))
            }
            Access::Read(basis) => {
                basis.add(self.engine.known.row_scope(T::TABLE, key));
                self.engine.load_kept(key)
            }
        }
    }

    fn refuse<T>(basis: &mut Basis) -> std::result::Result<T, StoreError> {
        basis.wants_write = true;
        Err(StoreError::ReadOnly)
    }
}

impl Engine {
    /// What is under a key: from memory, or read and kept there.
    pub(super) fn load_kept<T: Kept>(&self, key: &[u8]) -> Result<Option<Arc<T>>> {
        if let Some(value) = self.known.get::<T>(T::TABLE, key) {
            return Ok(Some(value));
        }
        // Known before it is read: what changes in between ends it.
        let since = self.known.generation();
        let Some((value, bytes)) = store::read(&*self.store, |txn| T::load(self, txn, key))? else {
            return Ok(None);
        };
        let kept: Arc<dyn Any + Send + Sync> = Arc::clone(&value) as _;
        self.known.put((T::TABLE, key), since, kept, bytes);
        Ok(Some(value))
    }
}

impl Txn for View<'_> {
    fn get(
        &mut self,
        table: Table,
        key: &[u8],
    ) -> std::result::Result<Option<Vec<u8>>, StoreError> {
        match &mut self.access {
            Access::Write(txn, _) => txn.get(table, key),
            Access::Read(basis) => {
                basis.add(self.engine.known.row_scope(table, key));
                store::read(&*self.engine.store, |txn| txn.get(table, key))
            }
        }
    }

    fn scan(
        &mut self,
        table: Table,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        limit: usize,
    ) -> std::result::Result<Vec<Record>, StoreError> {
        match &mut self.access {
            Access::Write(txn, _) => txn.scan(table, range, limit),
            Access::Read(basis) => {
                basis.add(self.engine.known.range_scope(table, range));
                store::read(&*self.engine.store, |txn| txn.scan(table, range, limit))
            }
        }
    }

    fn put(
        &mut self,
        table: Table,
        key: &[u8],
        value: &[u8],
    ) -> std::result::Result<(), StoreError> {
        match &mut self.access {
            Access::Write(txn, log) => {
                log.touch(self.engine, table, key);
                txn.put(table, key, value)
            }
            Access::Read(basis) => Self::refuse(basis),
        }
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> std::result::Result<(), StoreError> {
        match &mut self.access {
            Access::Write(txn, log) => {
                log.touch(self.engine, table, key);
                txn.delete(table, key)
            }
            Access::Read(basis) => Self::refuse(basis),
        }
    }
}

impl Log {
    fn touch(&mut self, engine: &Engine, table: Table, key: &[u8]) {
        self.touched.insert(engine.known.row_scope(table, key));
        self.touched.insert(engine.known.table_scope(table));
    }
}
