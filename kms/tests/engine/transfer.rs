//! Stores that are copied, backed up and restored.

use std::sync::Arc;

use keyfold::Rng;
use keyfold_kms::root::{RootKey, RootSealer, SealedRoot, SlotError};
use keyfold_kms::store::{End, MemoryStore, Store, StoreError, Table, Txn};
use keyfold_kms::transfer::{Backup, TransferError, back_up, check_source, copy};
use keyfold_kms::types::*;
use keyfold_kms::{Engine, EngineOptions, KmsErrorCode, OpenError, Timestamp, blob};

type Shared = Arc<MemoryStore>;

/// Keeps the root key in the clear: it is quick.
struct Clear;

impl RootSealer for Clear {
    fn kind(&self) -> &'static str {
        "clear"
    }

    fn seal(&self, root: &RootKey, _: &[u8], _: &dyn Rng) -> Result<SealedRoot, SlotError> {
        Ok(SealedRoot { params: serde_json::Value::Null, sealed: root.expose().to_vec() })
    }

    fn open(&self, sealed: &SealedRoot, _: &[u8]) -> Result<RootKey, SlotError> {
        RootKey::take(&mut sealed.sealed.clone()).ok_or(SlotError::Wrong)
    }
}

fn create(store: &Shared) -> Engine {
    let store = Box::new(Arc::clone(store));
    Engine::create(store, &[("p", &Clear)], EngineOptions::default()).expect("made")
}

fn open(store: &Shared) -> Result<Engine, OpenError> {
    Engine::open(Box::new(Arc::clone(store)), &[&Clear], EngineOptions::default())
}

fn opened(store: &Shared) -> Engine {
    open(store).unwrap_or_else(|error| panic!("{error}"))
}

fn key(engine: &Engine) -> String {
    let made = engine.call(&engine.owner(), &CreateKeyRequest::default()).expect("a key");
    made.key_metadata.key_id
}

fn encrypt(engine: &Engine, key: &str, plaintext: &[u8]) -> Blob {
    let request = EncryptRequest {
        key_id: key.to_owned(),
        plaintext: plaintext.into(),
        ..EncryptRequest::default()
    };
    engine.call(&engine.owner(), &request).expect("encrypted").ciphertext_blob
}

fn decrypt(engine: &Engine, ciphertext: &Blob) -> Result<Vec<u8>, KmsErrorCode> {
    let request =
        DecryptRequest { ciphertext_blob: Some(ciphertext.clone()), ..DecryptRequest::default() };
    let opened = engine.call(&engine.owner(), &request);
    opened.map(|opened| opened.plaintext.expose().to_vec()).map_err(|error| error.code())
}

fn rotate(engine: &Engine, key: &str) {
    let request = RotateKeyOnDemandRequest { key_id: key.to_owned() };
    engine.call(&engine.owner(), &request).expect("rotated");
}

fn version(ciphertext: &Blob) -> u32 {
    blob::parse(&ciphertext.0).expect("a blob").key.version
}

fn put(store: &dyn Store, table: Table, key: &[u8], value: &[u8]) {
    store
        .write(&mut |txn| {
            txn.put(table, key, value).expect("a put");
            End::Commit
        })
        .expect("it commits");
}

fn delete(store: &dyn Store, table: Table, key: &[u8]) {
    store
        .write(&mut |txn| {
            txn.delete(table, key).expect("a delete");
            End::Commit
        })
        .expect("it commits");
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000)
}

fn backup_of(store: &Shared) -> Shared {
    let file = Shared::default();
    back_up(store, &*file, now()).expect("a backup");
    file
}

fn restored(file: &Shared) -> Shared {
    let store = Shared::default();
    let backup = Backup::check(&**file).unwrap_or_else(|error| panic!("{error}"));
    backup.restore(&*store, false, now()).expect("restored");
    store
}

#[test]
fn a_copy_is_the_same_store() {
    let (old, new) = (Shared::default(), Shared::default());
    let engine = create(&old);
    let id = key(&engine);
    let sealed = encrypt(&engine, &id, b"before");
    // More than one batch: records of every size, up to the longest.
    for number in 0..200u32 {
        let value = vec![7; if number % 20 == 0 { 512 * 1024 } else { 1000 }];
        put(&old, Table::SecretValues, &number.to_be_bytes(), &value);
    }
    let before = engine.verify_audit().expect("read");
    let count = copy(&old, &new, false).expect("copied");
    assert!(count > 200, "{count}");
    assert_eq!(copy(&old, &new, false), Err(TransferError::NotEmpty));
    assert_eq!(copy(&old, &new, true), Err(TransferError::NotEmpty));

    let engine = opened(&new);
    assert_eq!(decrypt(&engine, &sealed), Ok(b"before".to_vec()));
    let after = engine.verify_audit().expect("read");
    assert!(after.is_sound() && after.records == before.records + 1, "{after:?}");
}

#[test]
fn nothing_is_copied_from_what_is_not_whole() {
    let (nothing, target) = (Shared::default(), Shared::default());
    assert_eq!(copy(&nothing, &target, false), Err(TransferError::NoStore));
    assert_eq!(back_up(&nothing, &*target, now()), Err(TransferError::NoStore));
    assert_eq!(check_source(&nothing), Err(TransferError::NoStore));
    let store = Shared::default();
    create(&store);
    let file = backup_of(&store);
    assert_eq!(copy(&file, &target, false), Err(TransferError::IsBackup));
    assert_eq!(back_up(&file, &*target, now()), Err(TransferError::IsBackup));
    // A target that was refused is as it was.
    copy(&store, &target, false).expect("copied");
}

/// A target that fails after so many transactions, as one whose disk is full.
struct Failing {
    inner: Shared,
    left: std::sync::Mutex<u32>,
}

impl Store for Failing {
    fn read(&self, work: &mut dyn FnMut(&mut dyn Txn)) -> Result<(), StoreError> {
        self.inner.read(work)
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Txn) -> End) -> Result<(), StoreError> {
        let mut left = self.left.lock().expect("not poisoned");
        if *left == 0 {
            return Err(StoreError::Full);
        }
        *left -= 1;
        self.inner.write(work)
    }
}

#[test]
fn what_an_interrupted_copy_leaves_is_refused_until_it_is_started_anew() {
    let old = Shared::default();
    let engine = create(&old);
    let id = key(&engine);
    let sealed = encrypt(&engine, &id, b"before");
    for number in 0..20u32 {
        put(&old, Table::SecretValues, &number.to_be_bytes(), &vec![7; 512 * 1024]);
    }
    let mut interrupted = 0;
    for left in 0.. {
        let new = Shared::default();
        let failing = Failing { inner: Arc::clone(&new), left: left.into() };
        match copy(&old, &failing, false) {
            Ok(_) => break,
            Err(error) => assert_eq!(error, TransferError::Target(StoreError::Full)),
        }
        interrupted += 1;
        if left == 0 {
            continue;
        }
        // Neither opened, nor made anew, nor taken for a source, nor for an empty target.
        assert!(matches!(open(&new), Err(OpenError::Unfinished)), "after {left}");
        let made =
            Engine::create(Box::new(Arc::clone(&new)), &[("p", &Clear)], EngineOptions::default());
        assert!(matches!(made, Err(OpenError::Unfinished)), "after {left}");
        assert_eq!(check_source(&new), Err(TransferError::NoStore));
        assert_eq!(copy(&old, &new, false), Err(TransferError::Unfinished));
        // Something that the source no longer has goes too.
        put(&new, Table::Aliases, b"stray", b"1");
        copy(&old, &new, true).expect("copied anew");
        assert_eq!(decrypt(&opened(&new), &sealed), Ok(b"before".to_vec()));
    }
    assert!(interrupted >= 5, "{interrupted}");
}

/// A target during whose first transaction the source is changed.
struct Meddling {
    inner: Shared,
    change: Box<dyn Fn() + Send + Sync>,
}

impl Store for Meddling {
    fn read(&self, work: &mut dyn FnMut(&mut dyn Txn)) -> Result<(), StoreError> {
        self.inner.read(work)
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Txn) -> End) -> Result<(), StoreError> {
        (self.change)();
        self.inner.write(work)
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn a_source_that_changes_is_backed_up_as_it_was_and_not_copied() {
    use keyfold_kms::store::SqliteStore;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    let store = || Box::new(SqliteStore::open(&path).expect("opens"));
    let made = Box::new(SqliteStore::create(&path).expect("made"));
    let engine = Engine::create(made, &[("p", &Clear)], EngineOptions::default());
    let engine = Arc::new(engine.expect("made"));
    let meddling = |inner: &Shared| {
        let engine = Arc::clone(&engine);
        Meddling { inner: Arc::clone(inner), change: Box::new(move || drop(key(&engine))) }
    };
    let target = Shared::default();
    assert_eq!(copy(&*store(), &meddling(&target), false), Err(TransferError::Changed));
    assert!(matches!(open(&target), Err(OpenError::Unfinished)));

    let records = engine.verify_audit().expect("read").records;
    let file = Shared::default();
    back_up(&*store(), &meddling(&file), now()).expect("a backup of one moment");
    let report = opened(&restored(&file)).verify_audit().expect("read");
    assert!(report.is_sound(), "{:?}", report.problems);
    assert_eq!(report.records, records + 1, "those of the moment, and that it was restored");
    assert!(engine.verify_audit().expect("read").records > records);
}

#[test]
fn a_backup_is_restored_into_a_new_epoch() {
    let store = Shared::default();
    let engine = create(&store);
    let id = key(&engine);
    let first = encrypt(&engine, &id, b"first");
    rotate(&engine, &id);
    let second = encrypt(&engine, &id, b"second");
    assert_eq!((version(&first), version(&second)), (1, 2));
    let file = backup_of(&store);
    let kept = engine.verify_audit().expect("read");

    // What happens between the backup and the loss.
    rotate(&engine, &id);
    let lost = encrypt(&engine, &id, b"lost");
    rotate(&engine, &id);
    let lost_too = encrypt(&engine, &id, b"lost too");
    assert_eq!((version(&lost), version(&lost_too)), (3, 4));
    drop((engine, store));

    assert!(matches!(open(&file), Err(OpenError::IsBackup)));
    let store = restored(&file);
    let engine = opened(&store);
    assert_eq!(decrypt(&engine, &first), Ok(b"first".to_vec()));
    assert_eq!(decrypt(&engine, &second), Ok(b"second".to_vec()));
    for never_known in [&lost, &lost_too] {
        assert_eq!(decrypt(&engine, never_known), Err(KmsErrorCode::InvalidCiphertext));
    }
    // Numbers that were given out are not given out again.
    let mut numbers = vec![1, 2, 3, 4];
    for round in 0..3u8 {
        rotate(&engine, &id);
        let sealed = encrypt(&engine, &id, &[round]);
        assert!(!numbers.contains(&version(&sealed)), "{} again", version(&sealed));
        assert!(numbers.iter().all(|number| *number < version(&sealed)));
        numbers.push(version(&sealed));
        assert_eq!(decrypt(&engine, &sealed), Ok(vec![round]));
        assert_eq!(decrypt(&engine, &lost), Err(KmsErrorCode::InvalidCiphertext));
        assert_eq!(decrypt(&engine, &second), Ok(b"second".to_vec()));
    }
    let request = ListKeyRotationsRequest { key_id: id, ..Default::default() };
    let listed = engine.call(&engine.owner(), &request).expect("listed").rotations;
    assert_eq!(listed.len(), 4);

    // The chain goes on from the backup, and says what happened.
    let report = engine.verify_audit().expect("read");
    assert!(report.is_sound(), "{:?}", report.problems);
    let record = &engine.audit_records(kept.last, 1).expect("read")[0];
    assert_eq!((record.operation.as_str(), record.read_only), ("Restore", false));
    assert!(record.trail.resources[0].starts_with("backup/"), "{:?}", record.trail.resources);
    // Once only.
    drop(engine);
    let engine = opened(&store);
    let all = engine.audit_records(0, 1000).expect("read");
    assert_eq!(all.iter().filter(|record| record.operation == "Restore").count(), 1);
}

#[test]
fn one_backup_restored_twice_gives_numbers_of_two_epochs() {
    let store = Shared::default();
    let engine = create(&store);
    let id = key(&engine);
    let file = backup_of(&store);
    // After any clock that this test runs by.
    let first = Timestamp::from_millis(4_000_000_000_000);
    let numbers: Vec<u32> = [first, first.plus(10 * 60 * Timestamp::SECOND)]
        .into_iter()
        .map(|when| {
            let store = Shared::default();
            let backup = Backup::check(&*file).expect("whole");
            backup.restore(&*store, false, when).expect("restored");
            let engine = opened(&store);
            rotate(&engine, &id);
            version(&encrypt(&engine, &id, b"x"))
        })
        .collect();
    assert!(numbers[0] > 1 && numbers[1] > numbers[0], "{numbers:?}");
}

/// What is done to a backup, in words and in deed.
type Damage = (&'static str, fn(&Shared));

#[test]
fn a_backup_that_is_none_or_not_whole_is_refused() {
    let store = Shared::default();
    let engine = create(&store);
    key(&engine);
    assert_eq!(Backup::check(&*store).err(), Some(TransferError::NotABackup));
    assert_eq!(Backup::check(&MemoryStore::new()).err(), Some(TransferError::NotABackup));
    let damage: [Damage; 5] = [
        ("a record more", |file| put(file, Table::Aliases, b"alias/x", b"1")),
        ("a record altered", |file| put(file, Table::RootSlots, &slot(file), b"1")),
        ("a record less", |file| delete(file, Table::RootSlots, &slot(file))),
        ("a record in another table", |file| {
            let key = slot(file);
            delete(file, Table::RootSlots, &key);
            put(file, Table::Keys, &key, b"1");
        }),
        ("another mark", |file| put(file, Table::Config, b"backup", b"\x01{}")),
    ];
    for (what, damage) in damage {
        let file = backup_of(&store);
        assert!(Backup::check(&*file).is_ok());
        damage(&file);
        assert_eq!(Backup::check(&*file).err(), Some(TransferError::Damaged), "{what}");
    }
    let file = backup_of(&store);
    let mut mark = Vec::new();
    file.read(&mut |txn| mark = txn.get(Table::Config, b"backup").expect("read").expect("there"))
        .expect("a read");
    let text = String::from_utf8(mark).expect("text").replace("\"version\":1", "\"version\":2");
    put(&file, Table::Config, b"backup", text.as_bytes());
    let newer = TransferError::NewerBackup { found: 2, known: 1 };
    assert_eq!(Backup::check(&*file).err(), Some(newer));
    // A target that is in use is left alone.
    let file = backup_of(&store);
    let refused = Backup::check(&*file).expect("whole").restore(&*store, true, now());
    assert_eq!(refused, Err(TransferError::NotEmpty));
}

fn slot(store: &Shared) -> Vec<u8> {
    let mut found = Vec::new();
    let all = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
    store
        .read(&mut |txn| found = txn.scan(Table::RootSlots, all, 1).expect("read"))
        .expect("a read");
    found.remove(0).0
}
