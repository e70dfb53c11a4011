//! The SQLite store: its contract, its file, and its faults.
#![cfg(feature = "sqlite")]

use std::ops::Bound;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use keyfold::crypto::rng::SystemRng;
use keyfold_kms::root::{FileSealer, RootSealer};
use keyfold_kms::store::{End, SqliteStore, Store, StoreError, Table, contract};
use keyfold_kms::types::*;
use keyfold_kms::{EmbeddedKms, EngineOptions, OpenError};

use crate::world::*;

fn fault(result: Result<SqliteStore, StoreError>) -> StoreError {
    match result {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

fn sql(path: &Path, statements: &str) {
    let mut connection =
        SqliteConnection::establish(path.to_str().expect("text")).expect("a connection");
    connection.batch_execute(statements).expect("statements");
}

fn put(store: &SqliteStore, value: &[u8]) -> Result<(), StoreError> {
    let mut outcome = Ok(());
    store.write(&mut |txn| {
        outcome = txn.put(Table::Keys, b"k", value);
        if outcome.is_ok() { End::Commit } else { End::Rollback }
    })?;
    outcome
}

fn get(store: &SqliteStore) -> Option<Vec<u8>> {
    let mut found = None;
    store.read(&mut |txn| found = txn.get(Table::Keys, b"k").expect("a get")).expect("a read");
    found
}

#[test]
fn sqlite_keeps_the_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut count = 0;
    contract::check(&mut || {
        count += 1;
        let path = folder.path().join(format!("{count}.db"));
        Box::new(SqliteStore::create(&path).expect("a store"))
    });
}

#[test]
fn records_survive_the_process() {
    let folder = tempfile::tempdir().expect("a folder");
    // Names that SQLite or a URI would read in their own way.
    for name in ["a b.db", "100%25?mode=memory#x.db", ":memory:", "file:x.db", "\u{e9}\u{4e2d}.db"]
    {
        let path = folder.path().join(name);
        put(&SqliteStore::create(&path).expect("a store"), b"kept").expect("a put");
        assert!(path.is_file(), "{name}");
        assert_eq!(get(&SqliteStore::open(&path).expect("opens")).as_deref(), Some(&b"kept"[..]));
        assert!(matches!(fault(SqliteStore::create(&path)), StoreError::Exists(_)));
    }
}

#[cfg(unix)]
#[test]
fn the_file_is_its_owners_alone_and_any_name_will_do() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(std::ffi::OsStr::from_bytes(b"not utf-8 \xff.db"));
    let store = SqliteStore::create(&path).expect("a store");
    put(&store, b"v").expect("a put");
    for entry in std::fs::read_dir(folder.path()).expect("a folder") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("metadata").permissions().mode() & 0o7777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
    drop(store);
    assert_eq!(get(&SqliteStore::open(&path).expect("opens")).as_deref(), Some(&b"v"[..]));
}

#[test]
fn the_file_says_what_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("k.db");
    drop(SqliteStore::create(&path).expect("a store"));
    let header = std::fs::read(&path).expect("the file");
    assert_eq!(&header[68..72], b"KfKM", "application_id");
    assert_eq!(&header[60..64], &1u32.to_be_bytes(), "user_version");
    assert_eq!(header[18], 2, "write-ahead log");
}

#[test]
fn what_is_not_ours_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    assert!(matches!(fault(SqliteStore::open(&path("none"))), StoreError::Missing(_)));
    assert_eq!(fault(SqliteStore::open(folder.path())), StoreError::Foreign);
    let text = path("text");
    std::fs::write(&text, "not a database, but long enough to look at for a while".repeat(40))
        .expect("written");
    assert_eq!(fault(SqliteStore::open(&text)), StoreError::Foreign);
    assert!(matches!(fault(SqliteStore::create(&text)), StoreError::Exists(_)));
    let other = path("other.db");
    sql(&other, "CREATE TABLE t (a)");
    assert_eq!(fault(SqliteStore::open(&other)), StoreError::Foreign);
    let bytes = std::fs::read(&other).expect("the file");
    sql(&other, "INSERT INTO t VALUES (1)");
    assert_eq!(bytes[68..72], [0; 4], "left alone");

    let newer = path("newer.db");
    drop(SqliteStore::create(&newer).expect("a store"));
    sql(&newer, "PRAGMA user_version = 99");
    let error = fault(SqliteStore::open(&newer));
    assert_eq!(error, StoreError::Newer { found: 99, known: 1 });
    assert!(error.to_string().contains("made by a newer keyfold"));
    let nowhere = path("no-such-folder").join("k.db");
    assert!(matches!(fault(SqliteStore::create(&nowhere)), StoreError::Missing(_)));
}

#[test]
fn an_interrupted_creation_is_finished() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("k.db");
    std::fs::write(&path, b"").expect("an empty file");
    let secret = FileSealer::create(folder.path().join("root"), &SystemRng).expect("a secret");
    let slots: [(&str, &dyn RootSealer); 1] = [("disk", &secret)];
    // The database is there, its root is not yet.
    drop(SqliteStore::create(&path).expect("a store"));
    assert!(matches!(EmbeddedKms::open(&path, &[&secret]), Err(OpenError::NoRoot)));
    drop(EmbeddedKms::create(&path, &slots, EngineOptions::default()).expect("a KMS"));
    EmbeddedKms::open(&path, &[&secret]).expect("opens");
    let again = EmbeddedKms::create(&path, &slots, EngineOptions::default());
    assert!(matches!(again, Err(OpenError::Exists)));
}

#[test]
fn a_locked_database_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("k.db");
    let store = SqliteStore::create(&path).expect("a store");
    let mut other =
        SqliteConnection::establish(path.to_str().expect("text")).expect("a connection");
    other.batch_execute("BEGIN IMMEDIATE").expect("a lock");
    assert_eq!(put(&store, b"v"), Err(StoreError::Locked));
    assert_eq!(get(&store), None, "reading goes on");
    other.batch_execute("ROLLBACK").expect("unlocked");
    put(&store, b"v").expect("a put");
}

#[test]
fn a_full_database_refuses_and_recovers() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("k.db");
    let store = SqliteStore::create(&path).expect("a store");
    put(&store, b"before").expect("a put");
    drop(store);
    // SQLite itself limits the pages: the same code as a full device.
    let store = SqliteStore::open(&path).expect("opens");
    store.limit_pages(8).expect("a limit");
    assert_eq!(put(&store, &vec![1; 200_000]), Err(StoreError::Full));
    assert_eq!(get(&store).as_deref(), Some(&b"before"[..]));
    store.limit_pages(1_000_000).expect("no limit");
    put(&store, b"after").expect("a put");
}

/// Every byte of the file overwritten in turn by page: never a panic, never a wrong record.
#[test]
fn a_damaged_database_is_found_or_reads_right() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("k.db");
    let store = SqliteStore::create(&path).expect("a store");
    store
        .write(&mut |txn| {
            for n in 0..200u32 {
                txn.put(Table::Keys, &n.to_be_bytes(), &[7; 100]).expect("a put");
            }
            End::Commit
        })
        .expect("committed");
    drop(store);
    let sound = std::fs::read(&path).expect("the file");
    let mut found = 0;
    for page in 0..sound.len() / 4096 {
        let mut damaged = sound.clone();
        let start = page * 4096 + usize::from(page == 0) * 100;
        damaged[start..start + 64].fill(0xA5);
        let path: PathBuf = folder.path().join(format!("damaged{page}.db"));
        std::fs::write(&path, damaged).expect("written");
        match SqliteStore::open(&path) {
            Err(error) => {
                assert!(matches!(error, StoreError::Corrupt(_)), "page {page}: {error}");
                found += 1;
            }
            Ok(store) => store
                .read(&mut |txn| {
                    let all = (Bound::Unbounded, Bound::Unbounded);
                    let _ = txn.scan(Table::Keys, all, 1000);
                })
                .expect("a read"),
        }
    }
    assert!(found >= 3, "only {found} damaged pages were found");
    std::fs::write(&path, &sound[..sound.len() / 2]).expect("written");
    assert!(matches!(fault(SqliteStore::open(&path)), StoreError::Corrupt(_)));
}

#[cfg(unix)]
#[test]
fn a_read_only_database_reads_and_does_not_write() {
    use std::os::unix::fs::PermissionsExt;
    if rustix_is_root() {
        println!("skipped: root writes whatever the mode says");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("k.db");
    put(&SqliteStore::create(&path).expect("a store"), b"v").expect("a put");
    let mode = |path: &Path, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, mode).expect("a mode");
    };
    mode(&path, 0o400);
    mode(folder.path(), 0o500);
    let outcome = SqliteStore::open(&path).map(|store| put(&store, b"w"));
    mode(folder.path(), 0o700);
    assert!(matches!(outcome, Ok(Err(StoreError::ReadOnly)) | Err(StoreError::ReadOnly)));
}

#[cfg(unix)]
fn rustix_is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::metadata(folder.path()).expect("metadata").uid() == 0
}

#[test]
fn a_kms_in_a_file_keeps_everything() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("k.db");
    let secret = FileSealer::create(folder.path().join("root"), &SystemRng).expect("a secret");
    let slots: [(&str, &dyn RootSealer); 1] = [("disk", &secret)];
    let kms = EmbeddedKms::create(&path, &slots, EngineOptions::default()).expect("a KMS");
    let owner = kms.engine().owner();
    let ask = |kms: &EmbeddedKms, key: &str| {
        kms.engine().call(&owner, &encrypt(key, b"kept")).expect("encrypts").ciphertext_blob
    };
    let made = kms.engine().call(&owner, &CreateKeyRequest::default()).expect("a key");
    let key = made.key_metadata.key_id;
    let mut blobs = vec![ask(&kms, &key)];
    kms.engine().call(&owner, &alias("alias/a", &key)).expect("an alias");
    kms.engine().call(&owner, &rotate(&key)).expect("a rotation");
    blobs.push(ask(&kms, "alias/a"));
    // Two processes, one file.
    let second = EmbeddedKms::open(&path, &[&secret]).expect("opens");
    second.engine().call(&owner, &disable(&key)).expect("disabled");
    let error = failure(kms.engine().call(&owner, &decrypt(&blobs[0])));
    assert_eq!(error.code(), keyfold_kms::KmsErrorCode::Disabled);
    second.engine().call(&owner, &enable(&key)).expect("enabled");
    drop((kms, second));
    let kms = EmbeddedKms::open(&path, &[&secret]).expect("opens");
    for blob in &blobs {
        let plain = kms.engine().call(&owner, &decrypt(blob)).expect("decrypts").plaintext;
        assert_eq!(plain.expose(), b"kept");
    }
    let report = kms.engine().verify_audit().expect("a walk");
    assert!(report.is_sound(), "{:?}", report.problems);
    assert_eq!(report.records, 10);
}
