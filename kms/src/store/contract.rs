//! What every store must do, as one test suite that each of them runs.

use std::ops::Bound;

use super::{End, Record, Store, StoreError, Table, Txn};

const FROM_START: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Unbounded, Bound::Unbounded);

/// Runs the suite; `make` gives a new, empty store each time.
///
/// # Panics
/// Where the store breaks the contract.
pub fn check(make: &mut dyn FnMut() -> Box<dyn Store>) {
    starts_empty(&*make());
    keeps_what_commits(&*make());
    forgets_what_rolls_back(&*make());
    sees_its_own_changes(&*make());
    orders_keys_as_bytes(&*make());
    keeps_tables_apart(&*make());
    refuses_changes_while_reading(&*make());
    limits_lengths(&*make());
    counts_the_audit_table(&*make());
    serialises_writers(&*make());
}

fn write(store: &dyn Store, mut work: impl FnMut(&mut dyn Txn)) {
    store
        .write(&mut |txn| {
            work(txn);
            End::Commit
        })
        .expect("the transaction commits");
}

fn get(store: &dyn Store, table: Table, key: &[u8]) -> Option<Vec<u8>> {
    let mut value = None;
    store.read(&mut |txn| value = txn.get(table, key).expect("a value is read")).expect("a read");
    value
}

fn scan(
    store: &dyn Store,
    table: Table,
    range: (Bound<&[u8]>, Bound<&[u8]>),
    limit: usize,
) -> Vec<Record> {
    let mut found = Vec::new();
    store
        .read(&mut |txn| found = txn.scan(table, range, limit).expect("a range is read"))
        .expect("a read");
    found
}

fn keys(records: &[Record]) -> Vec<&[u8]> {
    records.iter().map(|(key, _)| key.as_slice()).collect()
}

fn starts_empty(store: &dyn Store) {
    for &table in Table::ALL {
        assert!(scan(store, table, FROM_START, 10).is_empty(), "{table:?} is empty");
    }
}

fn keeps_what_commits(store: &dyn Store) {
    write(store, |txn| {
        txn.put(Table::Keys, b"a", b"1").expect("a put");
        txn.put(Table::Keys, b"b", b"").expect("a put");
    });
    write(store, |txn| {
        txn.put(Table::Keys, b"a", b"2").expect("a put over a value");
        txn.delete(Table::Keys, b"missing").expect("a delete of nothing");
    });
    assert_eq!(get(store, Table::Keys, b"a").as_deref(), Some(&b"2"[..]));
    assert_eq!(get(store, Table::Keys, b"b").as_deref(), Some(&b""[..]));
    write(store, |txn| txn.delete(Table::Keys, b"a").expect("a delete"));
    assert_eq!(get(store, Table::Keys, b"a"), None);
}

fn forgets_what_rolls_back(store: &dyn Store) {
    write(store, |txn| txn.put(Table::Keys, b"kept", b"1").expect("a put"));
    store
        .write(&mut |txn| {
            txn.put(Table::Keys, b"kept", b"2").expect("a put");
            txn.put(Table::Keys, b"new", b"2").expect("a put");
            txn.put(Table::Audit, &7u64.to_be_bytes(), b"2").expect("a put");
            End::Rollback
        })
        .expect("a rollback is no error");
    assert_eq!(get(store, Table::Keys, b"kept").as_deref(), Some(&b"1"[..]));
    assert_eq!(get(store, Table::Keys, b"new"), None);
    assert_eq!(get(store, Table::Audit, &7u64.to_be_bytes()), None);
}

fn sees_its_own_changes(store: &dyn Store) {
    write(store, |txn| {
        for key in [b"a", b"b", b"c"] {
            txn.put(Table::Keys, key, b"old").expect("a put");
        }
    });
    write(store, |txn| {
        txn.put(Table::Keys, b"b", b"new").expect("a put");
        txn.delete(Table::Keys, b"c").expect("a delete");
        txn.put(Table::Keys, b"d", b"new").expect("a put");
        assert_eq!(txn.get(Table::Keys, b"b").expect("a get").as_deref(), Some(&b"new"[..]));
        assert_eq!(txn.get(Table::Keys, b"c").expect("a get"), None);
        let found = txn.scan(Table::Keys, FROM_START, 10).expect("a scan");
        assert_eq!(keys(&found), [b"a", b"b", b"d"]);
        assert_eq!(found[1].1, b"new");
        assert_eq!(keys(&txn.scan(Table::Keys, FROM_START, 2).expect("a scan")), [b"a", b"b"]);
    });
}

fn orders_keys_as_bytes(store: &dyn Store) {
    let sorted: [&[u8]; 6] = [b"", b"\x00", b"\x7f", b"\x80", b"\x80\x00", b"\xff"];
    write(store, |txn| {
        for key in sorted.iter().rev() {
            txn.put(Table::Aliases, key, key).expect("a put");
        }
    });
    assert_eq!(keys(&scan(store, Table::Aliases, FROM_START, 10)), sorted);
    let inner = (Bound::Excluded(&b"\x00"[..]), Bound::Included(&b"\x80"[..]));
    assert_eq!(keys(&scan(store, Table::Aliases, inner, 10)), [b"\x7f", b"\x80"]);
    let inner = (Bound::Included(&b"\x00"[..]), Bound::Excluded(&b"\x80"[..]));
    assert_eq!(keys(&scan(store, Table::Aliases, inner, 10)), [b"\x00", b"\x7f"]);
    assert!(scan(store, Table::Aliases, FROM_START, 0).is_empty());
}

fn keeps_tables_apart(store: &dyn Store) {
    write(store, |txn| {
        for &table in Table::ALL {
            let key = (table as u64).to_be_bytes();
            txn.put(table, &key, &[table as u8]).expect("a put");
        }
    });
    for &table in Table::ALL {
        let key = (table as u64).to_be_bytes().to_vec();
        assert_eq!(scan(store, table, FROM_START, 10), [(key, vec![table as u8])]);
    }
}

fn refuses_changes_while_reading(store: &dyn Store) {
    store
        .read(&mut |txn| {
            assert_eq!(txn.put(Table::Keys, b"a", b"1"), Err(StoreError::ReadOnly));
            assert_eq!(txn.delete(Table::Keys, b"a"), Err(StoreError::ReadOnly));
        })
        .expect("a read");
    assert_eq!(get(store, Table::Keys, b"a"), None);
}

fn limits_lengths(store: &dyn Store) {
    let (key, value) = (vec![1; super::MAX_KEY + 1], vec![1; super::MAX_VALUE + 1]);
    write(store, |txn| {
        assert_eq!(txn.put(Table::Keys, &key, b""), Err(StoreError::TooLong));
        assert_eq!(txn.put(Table::Keys, b"a", &value), Err(StoreError::TooLong));
        txn.put(Table::Keys, &key[1..], &value[1..]).expect("the longest record");
    });
    assert_eq!(get(store, Table::Keys, &key[1..]).map(|v| v.len()), Some(super::MAX_VALUE));
}

fn counts_the_audit_table(store: &dyn Store) {
    write(store, |txn| {
        for seq in [300u64, 1, 256, 2] {
            txn.put(Table::Audit, &seq.to_be_bytes(), b"r").expect("a put");
        }
    });
    let found = scan(store, Table::Audit, FROM_START, 10);
    let expected: Vec<_> = [1u64, 2, 256, 300].iter().map(|s| s.to_be_bytes()).collect();
    assert_eq!(keys(&found), expected);
    let after_two = (Bound::Excluded(&expected[1][..]), Bound::Unbounded);
    assert_eq!(keys(&scan(store, Table::Audit, after_two, 1)), [expected[2]]);
}

#[cfg(target_arch = "wasm32")]
fn serialises_writers(_: &dyn Store) {}

#[cfg(not(target_arch = "wasm32"))]
fn serialises_writers(store: &dyn Store) {
    const THREADS: u64 = 4;
    const EACH: u64 = 25;
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..EACH {
                    write(store, |txn| {
                        let old = txn.get(Table::Config, b"n").expect("a get");
                        let old = old.and_then(|v| v.try_into().ok()).map_or(0, u64::from_be_bytes);
                        txn.put(Table::Config, b"n", &(old + 1).to_be_bytes()).expect("a put");
                    });
                }
            });
        }
    });
    let n = get(store, Table::Config, b"n").expect("the counter");
    assert_eq!(n, (THREADS * EACH).to_be_bytes());
}
