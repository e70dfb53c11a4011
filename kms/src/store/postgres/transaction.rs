//! One transaction, in as few round trips as its reads allow.
//!
//! It begins with its first read: BEGIN, the lock and that read are sent together. Changes wait
//! here until a scan could see them, or until the end, when they are sent together with COMMIT.
//! So a transaction that reads one record and changes any number takes two round trips.

use std::collections::BTreeMap;
use std::ops::Bound;

use futures_util::future;
use r2d2::{Pool, PooledConnection};
use tokio_postgres::{Error, Row};

use super::connection::{Connection, LastFault, Manager};
use super::faults::{fault, is_passing, is_undone};
use super::sql::{BEGIN_READ, Query};
use crate::store::{End, Record, StoreError, Table, Txn, check_lengths};

/// The store's connections.
pub(super) struct Connections {
    pub(super) manager: Manager,
    pub(super) pool: Pool<Manager>,
    pub(super) last_fault: LastFault,
}

impl Connections {
    /// A connection of which it is not known that it is lost.
    fn take(&self) -> Result<PooledConnection<Manager>, StoreError> {
        // What the pool has may have been lost since it came back; dropping it makes room for a
        // new one. They may all be lost.
        for _ in 0..=self.pool.max_size() {
            self.last_fault.take();
            let connection = self
                .pool
                .get()
                .map_err(|_| self.last_fault.take().unwrap_or(StoreError::Locked))?;
            if !connection.client.is_closed() {
                return Ok(connection);
            }
        }
        Err(StoreError::Unavailable("every connection is closed at once".to_owned()))
    }
}

/// A running transaction.
pub(super) struct PostgresTxn<'a> {
    connections: &'a Connections,
    writes: bool,
    /// Where it has begun.
    connection: Option<PooledConnection<Manager>>,
    /// Changes that are not sent yet; `None` is a removal.
    changes: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>,
    /// The first error: nothing of the transaction stands.
    failed: Option<StoreError>,
}

impl<'a> PostgresTxn<'a> {
    pub(super) fn new(connections: &'a Connections, writes: bool) -> Self {
        let changes = BTreeMap::new();
        PostgresTxn { connections, writes, connection: None, changes, failed: None }
    }

    /// Sends a request and waits for its answer. Where the transaction has not begun, it begins
    /// with it; and since nothing has been answered then, it does so once more on another
    /// connection where this one was lost.
    fn ask<T>(
        &mut self,
        request: &impl AsyncFn(&Connection) -> Result<T, Error>,
    ) -> Result<T, StoreError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let answer = match &mut self.connection {
            Some(connection) => {
                wait(self.connections, connection, request).and_then(|said| said.map_err(fault))
            }
            None => self.begin_with(request),
        };
        answer.inspect_err(|error| self.failed = Some(error.clone()))
    }

    fn begin_with<T>(
        &mut self,
        request: &impl AsyncFn(&Connection) -> Result<T, Error>,
    ) -> Result<T, StoreError> {
        let sql = &self.connections.manager.sql;
        let begin = if self.writes { sql.begin_write.as_str() } else { BEGIN_READ };
        let mut again = true;
        loop {
            let mut connection = self.connections.take()?;
            let (begun, answer) =
                wait(self.connections, &mut connection, &async |connection: &Connection| {
                    let begun = connection.client.batch_execute(begin);
                    future::join(begun, request(connection)).await
                })?;
            // Where it has not begun, what the request says is of no interest.
            match begun.and(answer) {
                Ok(answer) => {
                    self.connection = Some(connection);
                    return Ok(answer);
                }
                Err(error) => {
                    connection.roll_back();
                    if !again || !is_passing(&error) {
                        return Err(fault(error));
                    }
                    again = false;
                }
            }
        }
    }

    /// Ends it, one way or the other.
    pub(super) fn end(mut self, end: End) -> Result<(), StoreError> {
        if let Some(failed) = self.failed.take() {
            return if end == End::Commit { Err(failed) } else { Ok(()) };
        }
        if end == End::Rollback || self.changes.is_empty() && self.connection.is_none() {
            return Ok(());
        }
        if self.connection.is_none() {
            // Not together with COMMIT: what is lost then may have been done.
            self.ask(&async |_| Ok(()))?;
        }
        let changes = Changes::of(std::mem::take(&mut self.changes))?;
        let Some(mut connection) = self.connection.take() else { return Ok(()) };
        let (sent, committed) =
            wait(self.connections, &mut connection, &async |connection: &Connection| {
                let commit = connection.client.batch_execute("COMMIT");
                future::join(changes.send(connection), commit).await
            })
            .map_err(|_| StoreError::Uncertain)?;
        match sent.and(committed) {
            Ok(()) => Ok(()),
            // COMMIT after a statement that failed has undone everything, and so has one that
            // was itself refused.
            Err(error) if is_undone(&error) => Err(fault(error)),
            Err(_) => Err(StoreError::Uncertain),
        }
    }

    /// Sends the changes so far, and reads behind them.
    fn scan_rows(
        &mut self,
        table: Table,
        query: Query,
        parameters: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let concerned = self.changes.keys().any(|(changed, _)| *changed == table);
        if !concerned {
            return self.ask(&async |connection| connection.rows(query, parameters).await);
        }
        let changes = Changes::of(std::mem::take(&mut self.changes))?;
        self.ask(&async |connection| {
            let (sent, rows) =
                future::join(changes.send(connection), connection.rows(query, parameters)).await;
            sent.and(rows)
        })
    }

    fn change(&mut self, table: Table, key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
        if !self.writes {
            return Err(StoreError::ReadOnly);
        }
        if let Some(value) = value {
            check_lengths(key, value)?;
        }
        if table == Table::Audit {
            seq(key)?;
        }
        self.changes.insert((table, key.to_vec()), value.map(<[u8]>::to_vec));
        Ok(())
    }
}

/// Also where the work of the transaction panics.
impl Drop for PostgresTxn<'_> {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            connection.roll_back();
        }
    }
}

/// Waits for the answer to a request. A connection that owes an answer is not used again.
fn wait<T>(
    connections: &Connections,
    connection: &mut Connection,
    request: &impl AsyncFn(&Connection) -> T,
) -> Result<T, StoreError> {
    let answer = connections.manager.wait(request(connection));
    connection.abandoned |= answer.is_err();
    answer
}

/// Changes in the form in which they are sent.
#[derive(Default)]
struct Changes {
    tables: Vec<i32>,
    keys: Vec<Vec<u8>>,
    values: Vec<Vec<u8>>,
    numbers: Vec<i64>,
    audit: Vec<Vec<u8>>,
    deleted: Vec<(i32, Vec<u8>)>,
    deleted_audit: Vec<i64>,
}

impl Changes {
    fn of(changes: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>) -> Result<Self, StoreError> {
        let mut form = Changes::default();
        for ((table, key), value) in changes {
            match (table, value) {
                (Table::Audit, Some(value)) => {
                    form.numbers.push(seq(&key)?);
                    form.audit.push(value);
                }
                (Table::Audit, None) => form.deleted_audit.push(seq(&key)?),
                (table, Some(value)) => {
                    form.tables.push(table as i32);
                    form.keys.push(key);
                    form.values.push(value);
                }
                (table, None) => form.deleted.push((table as i32, key)),
            }
        }
        Ok(form)
    }

    /// Sends all of them at once. No two concern the same record, so their order means nothing.
    async fn send(&self, connection: &Connection) -> Result<(), Error> {
        let records = async {
            if self.keys.is_empty() {
                return Ok(vec![]);
            }
            let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
                [&self.tables, &self.keys, &self.values];
            connection.rows(Query::PutRecords, &parameters).await
        };
        let audit = async {
            if self.numbers.is_empty() {
                return Ok(vec![]);
            }
            connection.rows(Query::PutAudit, &[&self.numbers, &self.audit]).await
        };
        let deleted =
            future::join_all(self.deleted.iter().map(async |(table, key)| {
                connection.rows(Query::DeleteRecord, &[table, key]).await
            }));
        let deleted_audit = future::join_all(
            self.deleted_audit
                .iter()
                .map(async |number| connection.rows(Query::DeleteAudit, &[number]).await),
        );
        let (records, audit, deleted, deleted_audit) =
            future::join4(records, audit, deleted, deleted_audit).await;
        // The first one that failed is the cause of what followed.
        records.and(audit)?;
        deleted.into_iter().chain(deleted_audit).try_for_each(|done| done.map(drop))
    }
}

/// The number of an audit record; the table has no other keys.
fn seq(key: &[u8]) -> Result<i64, StoreError> {
    let bytes = key.try_into().map_err(|_| StoreError::Other("an audit key".into()))?;
    i64::try_from(u64::from_be_bytes(bytes)).map_err(|_| StoreError::TooLong)
}

impl Txn for PostgresTxn<'_> {
    fn get(&mut self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(change) = self.changes.get(&(table, key.to_vec())) {
            return Ok(change.clone());
        }
        let rows = if table == Table::Audit {
            let number = seq(key)?;
            self.ask(&async |connection| connection.rows(Query::GetAudit, &[&number]).await)
        } else {
            let table = table as i32;
            self.ask(&async |connection| connection.rows(Query::GetRecord, &[&table, &key]).await)
        }?;
        rows.first().map(|row| row.try_get(0).map_err(fault)).transpose()
    }

    fn scan(
        &mut self,
        table: Table,
        (from, to): (Bound<&[u8]>, Bound<&[u8]>),
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        if table == Table::Audit {
            let low = match from {
                Bound::Included(key) => seq(key)?,
                Bound::Excluded(key) => seq(key)?.saturating_add(1),
                Bound::Unbounded => i64::MIN,
            };
            let high = match to {
                Bound::Included(key) => seq(key)?,
                Bound::Excluded(key) => seq(key)?.saturating_sub(1),
                Bound::Unbounded => i64::MAX,
            };
            let rows = self.scan_rows(table, Query::ScanAudit, &[&low, &high, &limit])?;
            return rows.iter().map(audit_record).collect();
        }
        // A key that is excluded below, or included above, is followed by itself and a zero.
        let next = |key: &[u8]| [key, &[0]].concat();
        let low = match from {
            Bound::Included(key) => key.to_vec(),
            Bound::Excluded(key) => next(key),
            Bound::Unbounded => Vec::new(),
        };
        let number = table as i32;
        let rows = match to {
            Bound::Unbounded => self.scan_rows(table, Query::ScanFrom, &[&number, &low, &limit]),
            Bound::Included(_) | Bound::Excluded(_) => {
                let high = match to {
                    Bound::Included(key) => next(key),
                    Bound::Excluded(key) => key.to_vec(),
                    Bound::Unbounded => Vec::new(),
                };
                self.scan_rows(table, Query::ScanBetween, &[&number, &low, &high, &limit])
            }
        }?;
        rows.iter()
            .map(|row| Ok((row.try_get(0).map_err(fault)?, row.try_get(1).map_err(fault)?)))
            .collect()
    }

    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.change(table, key, Some(value))
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), StoreError> {
        self.change(table, key, None)
    }
}

fn audit_record(row: &Row) -> Result<Record, StoreError> {
    let number: i64 = row.try_get(0).map_err(fault)?;
    let number = u64::try_from(number)
        .map_err(|_| StoreError::Corrupt("an audit record has no number".into()))?;
    Ok((number.to_be_bytes().to_vec(), row.try_get(1).map_err(fault)?))
}
