//! What this process knows of the store: its newest generation, what changed since when, and
//! rows as they were then.
//!
//! Every commit reads, inside its transaction, which change of the store is the newest. Where
//! that is not the one known here, another process has changed something, and all that is kept
//! here ends. What this process changes itself ends alone: each change notes its scopes, and what
//! depends on one of them and was read before is not used, neither a row nor an evaluation.
//!
//! So a row that is kept here may be out of date by another process's change, but nothing that
//! was evaluated on it is ever answered: its audit record does not commit.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::RwLock;

use super::queue::Waiting;
use crate::audit::Change;
use crate::store::{Table, prefix_end};

/// How many rows are kept at most, and how large they are together, in bytes (by estimate). Both
/// for each of two halves: the older half ends when the younger is full.
const HALF_ROWS: usize = 24_576;
const HALF_BYTES: usize = 8 * 1024 * 1024;
/// What a row takes beyond itself, in bytes.
const ROW_OVERHEAD: usize = 160;
/// For how many scopes the last change is known; beyond it everything is read again.
const MAX_TOUCHED: usize = 65_536;
/// How long the ids are that rows of one thing begin with.
const ID_LEN: usize = 16;

/// How often the store has changed, as far as this process knows. It grows with every change
/// that is committed here, and with every commit that finds changes of another process; between
/// equal generations nothing has changed that this process could know of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(u64);

/// What something depends on, as a keyed hash: a row with all rows of the same key or secret, or
/// a whole table. Two scopes of one hash only end each other too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Scope(u64);

/// The hash of something that is a hash already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

type ByHash<K, V> = HashMap<K, V, BuildHasherDefault<Hashed>>;

/// A row, decoded.
#[derive(Clone)]
struct Entry {
    table: Table,
    key: Box<[u8]>,
    since: Generation,
    scope: Scope,
    value: Arc<dyn Any + Send + Sync>,
    bytes: usize,
}

#[derive(Default)]
struct State {
    generation: Generation,
    /// The store's newest change at this generation, once one was seen.
    change: Option<Change>,
    /// What was read before this generation is out of date.
    floor: Generation,
    /// When scopes were last changed.
    touched: ByHash<Scope, Generation>,
    young: ByHash<u64, Entry>,
    old: ByHash<u64, Entry>,
    young_bytes: usize,
}

impl State {
    /// Whether nothing in a scope has changed since.
    fn holds(&self, scope: Scope, since: Generation) -> bool {
        since >= self.floor && self.touched.get(&scope).is_none_or(|touched| since >= *touched)
    }

    fn forget_all(&mut self) {
        self.floor = self.generation;
        self.touched = HashMap::default();
        (self.young, self.old, self.young_bytes) = (HashMap::default(), HashMap::default(), 0);
    }

    fn insert(&mut self, hash: u64, entry: Entry) {
        if self.young.len() >= HALF_ROWS || self.young_bytes + entry.bytes > HALF_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += entry.bytes;
        if let Some(before) = self.young.insert(hash, entry) {
            self.young_bytes -= before.bytes;
        }
    }
}

#[derive(Default)]
pub(super) struct Known {
    state: RwLock<State>,
    hasher: RandomState,
}

impl Known {
    pub(super) fn generation(&self) -> Generation {
        self.state.read().generation
    }

    /// What a row belongs to: its key or secret where the table is ordered by those.
    pub(super) fn row_scope(&self, table: Table, key: &[u8]) -> Scope {
        let scope = match key.get(..ID_LEN) {
            Some(id) if begins_with_id(table) => self.hasher.hash_one((u8::MAX, id)),
            _ => self.hasher.hash_one((table as u8, key)),
        };
        Scope(scope)
    }

    /// What a range of rows belongs to.
    pub(super) fn range_scope(
        &self,
        table: Table,
        (from, to): (Bound<&[u8]>, Bound<&[u8]>),
    ) -> Scope {
        if let (Bound::Included(from) | Bound::Excluded(from), Bound::Excluded(to)) = (from, to)
            && let Some(id) = from.get(..ID_LEN)
            && begins_with_id(table)
            && prefix_end(id).is_some_and(|end| to <= &end[..])
        {
            return self.row_scope(table, id);
        }
        self.table_scope(table)
    }

    /// What a whole table belongs to.
    pub(super) fn table_scope(&self, table: Table) -> Scope {
        Scope(self.hasher.hash_one((table as u8, "all")))
    }

    /// Whether nothing in a scope has changed since.
    pub(super) fn holds(&self, scope: Scope, since: Generation) -> bool {
        self.state.read().holds(scope, since)
    }

    /// Of each record that waits, whether all that it was evaluated on is as it was.
    pub(super) fn which_hold(&self, waiting: &[Waiting]) -> Vec<bool> {
        let state = self.state.read();
        let holds = |waiting: &Waiting| {
            waiting.since >= state.floor
                && waiting.scopes.iter().all(|scope| state.holds(*scope, waiting.since))
        };
        waiting.iter().map(holds).collect()
    }

    /// A commit reads that this is the newest change of the store.
    pub(super) fn meet(&self, newest: Change) {
        if self.state.read().change == Some(newest) {
            return;
        }
        let mut state = self.state.write();
        // What was read before anything was known counts from the first change that is seen.
        state.generation.0 += 1;
        state.change = Some(newest);
        state.forget_all();
    }

    /// This process has committed a change, to these scopes.
    pub(super) fn changed(&self, newest: Change, touched: &HashSet<Scope>) {
        let mut state = self.state.write();
        state.generation.0 += 1;
        state.change = Some(newest);
        if state.touched.len() + touched.len() > MAX_TOUCHED {
            state.forget_all();
        }
        let now = state.generation;
        state.touched.extend(touched.iter().map(|scope| (*scope, now)));
    }

    /// A row that is kept and still holds.
    pub(super) fn get<T: Any + Send + Sync>(&self, table: Table, key: &[u8]) -> Option<Arc<T>> {
        let hash = self.hasher.hash_one((table as u8, key));
        let state = self.state.read();
        let young = state.young.get(&hash);
        let entry = young.or_else(|| state.old.get(&hash))?;
        // Another row may have the same hash: the entry itself says whose it is.
        if entry.table != table || *entry.key != *key || !state.holds(entry.scope, entry.since) {
            return None;
        }
        let value = Arc::clone(&entry.value).downcast().ok();
        if young.is_none() {
            let entry = entry.clone();
            drop(state);
            self.state.write().insert(hash, entry);
        }
        value
    }

    /// Keeps a row that was read when this generation was known already.
    pub(super) fn put(
        &self,
        (table, key): (Table, &[u8]),
        since: Generation,
        value: Arc<dyn Any + Send + Sync>,
        bytes: usize,
    ) {
        let hash = self.hasher.hash_one((table as u8, key));
        let scope = self.row_scope(table, key);
        let bytes = bytes + key.len() + ROW_OVERHEAD;
        let mut state = self.state.write();
        if bytes <= HALF_BYTES && state.holds(scope, since) {
            state.insert(hash, Entry { table, key: key.into(), since, scope, value, bytes });
        }
    }
}

/// Whether the rows of a table begin with the id of the key or secret that they are about.
fn begins_with_id(table: Table) -> bool {
    match table {
        Table::Keys
        | Table::Versions
        | Table::Policies
        | Table::AliasesByKey
        | Table::Tags
        | Table::Grants
        | Table::GrantsByGrantee
        | Table::GrantsByName
        | Table::Tombstones
        | Table::Secrets
        | Table::SecretVersions
        | Table::SecretValues => true,
        Table::Audit
        | Table::Config
        | Table::RootSlots
        | Table::KeysByTime
        | Table::Aliases
        | Table::GrantsByRetiring
        | Table::DeletionsDue
        | Table::RotationsDue
        | Table::SecretNames
        | Table::SecretDeletionsDue
        | Table::AccessKeys
        | Table::AccessKeysByUser => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(number: u64) -> Change {
        Change { number, mark: [0; 16] }
    }

    fn put(known: &Known, key: &[u8], value: u32, bytes: usize) {
        known.put((Table::Keys, key), known.generation(), Arc::new(value), bytes);
    }

    #[test]
    fn a_row_ends_with_its_key_and_with_changes_of_others() {
        let known = Known::default();
        known.meet(change(1));
        let (a, b) = ([1; 16], [2; 16]);
        put(&known, &a, 1, 100);
        put(&known, &b, 2, 100);
        assert_eq!(known.get::<u32>(Table::Keys, &a).as_deref(), Some(&1));
        assert_eq!(known.get::<u32>(Table::Versions, &a), None, "another table");
        assert_eq!(known.get::<u64>(Table::Keys, &a), None, "another type");
        let before = known.generation();
        let version = [&a[..], &1u32.to_be_bytes()].concat();
        known.changed(change(2), &[known.row_scope(Table::Versions, &version)].into());
        assert_eq!(known.get::<u32>(Table::Keys, &a), None);
        assert_eq!(known.get::<u32>(Table::Keys, &b).as_deref(), Some(&2));
        // What was read before the change is not kept after it.
        known.put((Table::Keys, &a), before, Arc::new(1u32), 100);
        assert_eq!(known.get::<u32>(Table::Keys, &a), None);
        put(&known, &a, 3, 100);
        known.meet(change(2));
        assert_eq!(known.get::<u32>(Table::Keys, &a).as_deref(), Some(&3));
        // Another process; then a store that was set back.
        for newest in [change(3), change(2), Change { number: 2, mark: [1; 16] }] {
            put(&known, &b, 4, 100);
            known.meet(newest);
            assert_eq!(known.get::<u32>(Table::Keys, &b), None);
        }
    }

    #[test]
    fn ranges_belong_to_their_key_or_to_their_table() {
        let known = Known::default();
        for id in [[7; 16], [0xFF; 16], {
            let mut id = [3; 16];
            id[15] = 0xFF;
            id
        }] {
            let own = known.row_scope(Table::Tags, &id);
            let prefix = [&id[..], b"name"].concat();
            for prefix in [&id[..], &prefix] {
                let end = prefix_end(prefix);
                let to = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
                for from in [Bound::Included(prefix), Bound::Excluded(prefix)] {
                    let expected = if prefix_end(&id).is_some() {
                        own
                    } else {
                        known.table_scope(Table::Tags)
                    };
                    assert_eq!(known.range_scope(Table::Tags, (from, to)), expected);
                }
            }
            let beyond = [0xFF; 17];
            let wider = (Bound::Included(&id[..]), Bound::Excluded(&beyond[..]));
            let expected = known.table_scope(Table::Tags);
            assert_eq!(known.range_scope(Table::Tags, wider), expected);
        }
        let names = (Bound::Included(&[b'a'; 20][..]), Bound::Excluded(&[b'b'; 20][..]));
        let expected = known.table_scope(Table::Aliases);
        assert_eq!(known.range_scope(Table::Aliases, names), expected);
        assert_ne!(expected, known.table_scope(Table::SecretNames));
    }

    #[test]
    fn memory_is_bounded_by_number_and_by_size() {
        let known = Known::default();
        known.meet(change(1));
        for number in 0..3 * HALF_ROWS as u128 {
            put(&known, &number.to_be_bytes(), 0, 0);
        }
        let rows = |known: &Known| {
            let state = known.state.read();
            (state.young.len() + state.old.len(), state.young_bytes)
        };
        assert!(rows(&known).0 <= 2 * HALF_ROWS);
        for number in 0..100u128 {
            put(&known, &number.to_be_bytes(), 1, HALF_BYTES / 10);
        }
        let (count, bytes) = rows(&known);
        assert!(count <= 20 && bytes <= HALF_BYTES, "{count}, {bytes}");
        assert_eq!(known.get::<u32>(Table::Keys, &99u128.to_be_bytes()).as_deref(), Some(&1));
        put(&known, b"huge", 1, HALF_BYTES + 1);
        assert_eq!(known.get::<u32>(Table::Keys, b"huge"), None);
        // Rows in use stay, whatever else comes.
        for number in 200..400u128 {
            put(&known, &number.to_be_bytes(), 1, HALF_BYTES / 10);
            assert!(known.get::<u32>(Table::Keys, &99u128.to_be_bytes()).is_some());
        }
    }

    #[test]
    fn so_many_changes_that_none_is_remembered_end_everything() {
        let known = Known::default();
        known.meet(change(1));
        put(&known, &[1; 16], 1, 100);
        let scopes = (0..=MAX_TOUCHED as u64).map(Scope).collect();
        known.changed(change(2), &scopes);
        assert_eq!(known.get::<u32>(Table::Keys, &[1; 16]), None);
    }
}
