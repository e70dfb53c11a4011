//! The store in memory: for tests, for WebAssembly, for keys that need not outlive a process.

use std::collections::BTreeMap;
use std::ops::Bound;

use parking_lot::RwLock;

use super::{End, Record, Store, StoreError, Table, Txn, check_lengths};

type Records = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// A store that ends with the process.
///
/// ```
/// use keyfold_kms::store::{MemoryStore, Store, StoreError, Table};
///
/// let store = MemoryStore::new();
/// store.read(&mut |txn| {
///     assert_eq!(txn.put(Table::Config, b"a", b"1"), Err(StoreError::ReadOnly));
/// })?;
/// # Ok::<(), StoreError>(())
/// ```
#[derive(Default)]
pub struct MemoryStore(RwLock<Records>);

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Store for MemoryStore {
    fn read(&self, work: &mut dyn FnMut(&mut dyn Txn)) -> Result<(), StoreError> {
        let records = self.0.read();
        work(&mut MemoryTxn { records: &records, changes: BTreeMap::new(), read_only: true });
        Ok(())
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Txn) -> End) -> Result<(), StoreError> {
        // A transaction that panics is not applied: the records are as before it.
        let mut records = self.0.write();
        let mut txn = MemoryTxn { records: &records, changes: BTreeMap::new(), read_only: false };
        if work(&mut txn) == End::Commit {
            for (key, change) in txn.changes {
                match change {
                    Some(value) => records.insert(key, value),
                    None => records.remove(&key),
                };
            }
        }
        Ok(())
    }
}

/// What a transaction sees: its own changes over the records; `None` is a removal.
struct MemoryTxn<'a> {
    records: &'a Records,
    changes: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>,
    read_only: bool,
}

impl MemoryTxn<'_> {
    fn change(
        &mut self,
        table: Table,
        key: &[u8],
        value: Option<Vec<u8>>,
    ) -> Result<(), StoreError> {
        if self.read_only {
            return Err(StoreError::ReadOnly);
        }
        check_lengths(key, value.as_deref().unwrap_or_default())?;
        self.changes.insert((table, key.to_vec()), value);
        Ok(())
    }
}

impl Txn for MemoryTxn<'_> {
    fn get(&mut self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let key = (table, key.to_vec());
        Ok(match self.changes.get(&key) {
            Some(change) => change.clone(),
            None => self.records.get(&key).cloned(),
        })
    }

    fn scan(
        &mut self,
        table: Table,
        (from, to): (Bound<&[u8]>, Bound<&[u8]>),
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let low = match from {
            Bound::Included(key) | Bound::Excluded(key) => key.to_vec(),
            Bound::Unbounded => Vec::new(),
        };
        let in_range = |key: &(Table, Vec<u8>)| {
            key.0 == table
                && match to {
                    Bound::Included(to) => key.1.as_slice() <= to,
                    Bound::Excluded(to) => key.1.as_slice() < to,
                    Bound::Unbounded => true,
                }
        };
        let skipped = |key: &[u8]| matches!(from, Bound::Excluded(excluded) if key == excluded);
        let start = (table, low);
        let mut stored =
            self.records.range(start.clone()..).take_while(|(key, _)| in_range(key)).peekable();
        let mut changed =
            self.changes.range(start..).take_while(|(key, _)| in_range(key)).peekable();
        let mut found = Vec::new();
        while found.len() < limit {
            // Both walk upwards; a change stands over the record of the same key.
            let next_is_change = match (stored.peek(), changed.peek()) {
                (None, None) => break,
                (Some(_), None) => false,
                (None, Some(_)) => true,
                (Some((stored, _)), Some((changed, _))) => changed <= stored,
            };
            let (key, value) = if next_is_change {
                let Some((key, change)) = changed.next() else { break };
                if stored.peek().is_some_and(|(stored, _)| *stored == key) {
                    stored.next();
                }
                (key, change.as_ref())
            } else {
                let Some((key, value)) = stored.next() else { break };
                (key, Some(value))
            };
            if let Some(value) = value
                && !skipped(&key.1)
            {
                found.push((key.1.clone(), value.clone()));
            }
        }
        Ok(found)
    }

    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.change(table, key, Some(value.to_vec()))
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), StoreError> {
        self.change(table, key, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_contract() {
        crate::store::contract::check(&mut || Box::new(MemoryStore::new()));
    }
}
