//! How runs of records are stored and chained.

use std::ops::Bound;

use lz4_flex::block::{compress_prepend_size, decompress, uncompressed_size};

use super::AuditRecord;
use crate::error::Result;
use crate::hierarchy::{StoreKeys, damaged};
use crate::store::{Table, Txn};

pub(super) const HASH_LEN: usize = 32;
/// What stands before the first run.
pub(super) const NO_HASH: [u8; HASH_LEN] = [0; HASH_LEN];
/// The key of the head in [`Table::Config`].
const HEAD: &[u8] = b"audit-head";
/// How long the JSON of a run is at most, in bytes: far more than the queue lets into one.
const MAX_JSON: usize = 16 * 1024 * 1024;
/// How many runs a walk reads at a time.
const STEP: usize = 32;

/// Which change of the store is its newest: their number, and a random mark that tells changes of
/// one number apart, where a store was set back in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub number: u64,
    pub mark: [u8; 16],
}

/// The end of the chain: number of the last record, hash of its run, and the newest change.
#[derive(Clone, Copy)]
pub(crate) struct Head {
    pub seq: u64,
    pub hash: [u8; HASH_LEN],
    pub change: Change,
}

impl Head {
    pub(crate) fn read(txn: &mut dyn Txn, keys: &StoreKeys) -> Result<Option<Self>> {
        Ok(txn.get(Table::Config, HEAD)?.and_then(|bytes| Self::decode(&bytes, keys)))
    }

    fn decode(bytes: &[u8], keys: &StoreKeys) -> Option<Self> {
        let (seq, rest) = bytes.split_first_chunk::<8>()?;
        let (hash, rest) = rest.split_first_chunk::<HASH_LEN>()?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        let (mark, mac) = rest.split_first_chunk::<16>()?;
        let change = Change { number: u64::from_be_bytes(*number), mark: *mark };
        let head = Head { seq: u64::from_be_bytes(*seq), hash: *hash, change };
        keyfold::crypto::hash::constant_time_eq(&head.mac(keys), mac).then_some(head)
    }

    fn write(&self, txn: &mut dyn Txn, keys: &StoreKeys) -> Result<()> {
        let bytes = [&self.fields()[..], &self.mac(keys)].concat();
        Ok(txn.put(Table::Config, HEAD, &bytes)?)
    }

    fn fields(&self) -> [u8; 16 + HASH_LEN + 16] {
        let mut fields = [0; 16 + HASH_LEN + 16];
        fields[..8].copy_from_slice(&self.seq.to_be_bytes());
        fields[8..8 + HASH_LEN].copy_from_slice(&self.hash);
        fields[8 + HASH_LEN..16 + HASH_LEN].copy_from_slice(&self.change.number.to_be_bytes());
        fields[16 + HASH_LEN..].copy_from_slice(&self.change.mark);
        fields
    }

    fn mac(&self, keys: &StoreKeys) -> [u8; 32] {
        keys.audit_mac.mac(&[b"head", &self.fields()])
    }
}

/// A stored run: the hash of the run before, its own hash, the numbers of its first and last
/// record, and the records as a JSON array, packed.
pub(super) struct Run<'a> {
    pub previous: &'a [u8; HASH_LEN],
    pub hash: &'a [u8; HASH_LEN],
    pub first: u64,
    pub last: u64,
    packed: &'a [u8],
}

impl<'a> Run<'a> {
    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (previous, rest) = bytes.split_first_chunk()?;
        let (hash, rest) = rest.split_first_chunk()?;
        let (first, rest) = rest.split_first_chunk()?;
        let (last, packed) = rest.split_first_chunk()?;
        let (first, last) = (u64::from_be_bytes(*first), u64::from_be_bytes(*last));
        Some(Run { previous, hash, first, last, packed })
    }

    /// Whether the run is one that this store wrote.
    pub(super) fn is_authentic(&self, keys: &StoreKeys) -> bool {
        let expected = run_hash(keys, self.previous, self.first, self.last, self.packed);
        keyfold::crypto::hash::constant_time_eq(&expected, self.hash)
    }

    /// The records, where there are as many as their numbers say.
    pub(super) fn records(&self) -> Option<Vec<AuditRecord>> {
        let mut records: Vec<AuditRecord> = serde_json::from_slice(&unpack(self.packed)?).ok()?;
        let count = self.last.checked_sub(self.first)?.checked_add(1)?;
        if u64::try_from(records.len()) != Ok(count) {
            return None;
        }
        for (seq, record) in (self.first..).zip(&mut records) {
            record.seq = seq;
        }
        Some(records)
    }
}

fn run_hash(
    keys: &StoreKeys,
    previous: &[u8],
    first: u64,
    last: u64,
    packed: &[u8],
) -> [u8; HASH_LEN] {
    keys.audit_mac.mac(&[b"run", previous, &first.to_be_bytes(), &last.to_be_bytes(), packed])
}

/// The JSON of a run: its length in four bytes, little-endian, and an LZ4 block. Records that
/// commit together repeat one another; packed, they are a fifth as long.
fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let (length, block) = uncompressed_size(packed).ok()?;
    if length > MAX_JSON {
        return None;
    }
    decompress(block, length).ok()
}

/// Begins the chain of a new store.
pub(crate) fn start(txn: &mut dyn Txn, keys: &StoreKeys) -> Result<()> {
    let change = Change { number: 0, mark: [0; 16] };
    Head { seq: 0, hash: NO_HASH, change }.write(txn, keys)
}

/// Appends records as one run, and notes a change if there was one; answers the new head.
pub(crate) fn append<'r>(
    txn: &mut dyn Txn,
    keys: &StoreKeys,
    mut head: Head,
    records: impl Iterator<Item = &'r [u8]>,
    change: Option<Change>,
) -> Result<Head> {
    let (first, mut json) = (head.seq + 1, Vec::with_capacity(1024));
    for record in records {
        json.push(if json.is_empty() { b'[' } else { b',' });
        json.extend_from_slice(record);
        head.seq += 1;
    }
    let written = !json.is_empty();
    if written {
        json.push(b']');
        let packed = compress_prepend_size(&json);
        let (last, previous) = (head.seq, head.hash);
        head.hash = run_hash(keys, &previous, first, last, &packed);
        let numbers = [first.to_be_bytes(), last.to_be_bytes()].concat();
        let row = [&previous[..], &head.hash, &numbers, &packed].concat();
        txn.put(Table::Audit, &last.to_be_bytes(), &row)?;
    }
    head.change = change.unwrap_or(head.change);
    if written || change.is_some() {
        head.write(txn, keys)?;
    }
    Ok(head)
}

/// The next runs that end after a record, each with the number of its last record.
pub(super) fn runs_after(txn: &mut dyn Txn, seq: u64) -> Result<Vec<(u64, Vec<u8>)>> {
    let after = seq.to_be_bytes();
    let rows = txn.scan(Table::Audit, (Bound::Excluded(&after), Bound::Unbounded), STEP)?;
    rows.into_iter()
        .map(|(key, bytes)| {
            let seq = key.try_into().map_err(|_| damaged("the number of an audit record"))?;
            Ok((u64::from_be_bytes(seq), bytes))
        })
        .collect()
}

/// At most `limit` records after a number, oldest first; what cannot be read is left out, and
/// [`super::verify`] tells of it.
pub(crate) fn list(txn: &mut dyn Txn, after: u64, limit: usize) -> Result<Vec<AuditRecord>> {
    let (mut found, mut passed) = (Vec::new(), after);
    while found.len() < limit {
        let rows = runs_after(txn, passed)?;
        let Some((end, _)) = rows.last() else { break };
        passed = *end;
        let records = rows.iter().filter_map(|(_, bytes)| Run::decode(bytes)?.records()).flatten();
        found.extend(records.filter(|record| record.seq > after).take(limit - found.len()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_claims_too_much_is_not_unpacked() {
        let json = b"[{\"operation\":\"Decrypt\"},{\"operation\":\"Decrypt\"}]";
        let packed = compress_prepend_size(json);
        assert_eq!(unpack(&packed).as_deref(), Some(&json[..]));
        let claims = |length: usize| {
            let length = u32::try_from(length).expect("a length").to_le_bytes();
            unpack(&[&length[..], &packed[4..]].concat())
        };
        assert_eq!(claims(MAX_JSON + 1), None);
        assert_eq!(claims(u32::MAX as usize), None);
        assert_eq!(claims(json.len() - 1), None, "it is longer than it says");
        for cut in 0..packed.len() {
            assert_ne!(unpack(&packed[..cut]).as_deref(), Some(&json[..]), "cut after {cut}");
        }
    }
}
