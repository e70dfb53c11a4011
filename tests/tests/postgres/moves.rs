//! Copies from one kind of database to the other and back, backups of a database in use, and
//! restores into it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use keyfold::SystemRng;
use keyfold_conformance::rpc;
use keyfold_kms::root::FileSealer;
use keyfold_kms::store::{PostgresStore, SqliteStore, Store};
use keyfold_kms::transfer::{Backup, TransferError, back_up, copy};
use keyfold_kms::types::{
    CreateKeyRequest, DecryptRequest, EncryptRequest, ListKeysRequest, RotateKeyOnDemandRequest,
};
use keyfold_kms::{Clock, Engine, EngineOptions, clock::SystemClock};

use crate::{create, server, url};

fn open(store: impl Store + 'static, secret: &Path) -> Engine {
    Engine::open(Box::new(store), &[&FileSealer::new(secret)], EngineOptions::default())
        .unwrap_or_else(|error| panic!("{error}"))
}

fn keys(engine: &Engine) -> usize {
    let request = ListKeysRequest { limit: Some(1000), ..Default::default() };
    engine.call(&engine.owner(), &request).expect("listed").keys.len()
}

#[test]
fn a_store_goes_to_postgres_and_back() {
    let server = server();
    let address = server.database("kms").expect("a database");
    let folder = tempfile::tempdir().expect("a folder");
    let (secret, path) = (folder.path().join("root.key"), folder.path().join("store.db"));
    let sealer = FileSealer::create(&secret, &SystemRng).expect("a secret");
    let store = Box::new(SqliteStore::create(&path).expect("made"));
    let engine = Engine::create(store, &[("file", &sealer)], EngineOptions::default());
    let engine = engine.expect("made");
    let owner = engine.owner();
    let key = engine.call(&owner, &CreateKeyRequest::default()).expect("a key").key_metadata;
    let sealed = engine.call(
        &owner,
        &EncryptRequest {
            key_id: key.key_id.clone(),
            plaintext: b"hello"[..].into(),
            ..Default::default()
        },
    );
    let sealed = sealed.expect("encrypted").ciphertext_blob;
    for _ in 0..300 {
        engine.call(&owner, &CreateKeyRequest::default()).expect("a key");
    }
    drop(engine);

    let from = SqliteStore::open(&path).expect("opens");
    let count = copy(&from, &create(&address), false).expect("copied");
    assert!(count > 1500, "{count}");
    let again = PostgresStore::open(&url(&address)).expect("opens");
    assert_eq!(copy(&from, &again, true), Err(TransferError::NotEmpty));

    let back = folder.path().join("back.db");
    let new = SqliteStore::create(&back).expect("made");
    assert_eq!(copy(&again, &new, false), Ok(count));
    for engine in [open(again, &secret), open(new, &secret)] {
        let request =
            DecryptRequest { ciphertext_blob: Some(sealed.clone()), ..DecryptRequest::default() };
        let opened = engine.call(&engine.owner(), &request).expect("decrypted");
        assert_eq!(opened.plaintext.expose(), b"hello");
        assert_eq!(keys(&engine), 301);
        assert!(engine.verify_audit().expect("read").is_sound());
    }
}

#[test]
fn a_database_in_use_is_backed_up_and_restored() {
    let server = server();
    let address = server.database("kms").expect("a database");
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("root.key");
    let sealer = FileSealer::create(&secret, &SystemRng).expect("a secret");
    let engine = rpc::make(&address, &sealer);
    let key = engine.call(&engine.owner(), &CreateKeyRequest::default()).expect("a key");
    let (key, file) = (key.key_metadata.key_id, folder.path().join("backup"));
    let ended = AtomicBool::new(false);
    let (before, after) = std::thread::scope(|scope| {
        let busy = scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                engine.call(&engine.owner(), &CreateKeyRequest::default()).expect("a key");
            }
        });
        let before = keys(&engine);
        let source = PostgresStore::open(&url(&address)).expect("opens");
        let written = SqliteStore::create(&file).expect("made");
        back_up(&source, &written, SystemClock.now()).expect("a backup");
        written.into_file().expect("one file");
        let after = keys(&engine);
        ended.store(true, Ordering::Relaxed);
        busy.join().expect("no panic");
        (before, after)
    });

    let found: Vec<_> = std::fs::read_dir(folder.path()).expect("a folder").flatten().collect();
    assert_eq!(found.len(), 2, "the backup is one file beside the root's: {found:?}");
    let source = SqliteStore::open_read_only(&file).expect("opens");
    let backup = Backup::check(&source).unwrap_or_else(|error| panic!("{error}"));
    let other = server.database("restored").expect("a database");
    backup.restore(&create(&other), false, SystemClock.now()).expect("restored");
    let restored = rpc::open(&other, &secret);
    let report = restored.verify_audit().expect("read");
    assert!(report.is_sound(), "{:?}", report.problems);
    assert!((before..=after).contains(&keys(&restored)), "{before} to {after}");

    // Two histories from here on: their versions have different numbers.
    let version = |engine: &Engine| {
        let owner = engine.owner();
        let rotate = RotateKeyOnDemandRequest { key_id: key.clone() };
        engine.call(&owner, &rotate).expect("rotated");
        let request = EncryptRequest {
            key_id: key.clone(),
            plaintext: b"x"[..].into(),
            ..EncryptRequest::default()
        };
        let blob = engine.call(&owner, &request).expect("encrypted").ciphertext_blob;
        keyfold_kms::blob::parse(&blob.0).expect("a blob").key.version
    };
    assert_eq!(version(&engine), 2);
    assert!(version(&restored) > 1024);
    assert_eq!(version(&engine), 3);
}
