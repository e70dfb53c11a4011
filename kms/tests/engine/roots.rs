//! Root slots.

use std::path::Path;

use keyfold::crypto::rng::SystemRng;
use keyfold_kms::root::{EnvironmentSealer, FileSealer, PassphraseSealer, RootSealer, SlotError};
use keyfold_kms::store::Table;
use keyfold_kms::types::*;
use keyfold_kms::{Engine, EngineOptions, KmsErrorCode, OpenError};

use crate::world::*;

fn passphrase(text: &str) -> PassphraseSealer {
    PassphraseSealer::new(text.as_bytes().to_vec().into())
}

fn file(folder: &Path, name: &str) -> FileSealer {
    FileSealer::create(folder.join(name), &SystemRng).expect("a new file")
}

fn create(store: &SharedStore, sealers: &[(&str, &dyn RootSealer)]) -> Engine {
    Engine::create(Box::new(store.clone()), sealers, EngineOptions::default()).expect("an engine")
}

fn open(store: &SharedStore, sealer: &dyn RootSealer) -> Result<Engine, OpenError> {
    Engine::open(Box::new(store.clone()), &[sealer], EngineOptions::default())
}

fn refused(result: Result<Engine, OpenError>) -> OpenError {
    match result {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

#[test]
fn every_slot_opens_what_the_others_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SharedStore::default();
    let (secret, words) = (file(folder.path(), "root"), passphrase("correct horse"));
    let engine = create(&store, &[("disk", &secret), ("words", &words)]);
    let owner = engine.owner();
    let key = engine.call(&owner, &CreateKeyRequest::default()).expect("a key").key_metadata.key_id;
    let blob = engine.call(&owner, &encrypt(&key, b"x")).expect("encrypts").ciphertext_blob;
    assert_eq!(engine.opened_by().map(|slot| slot.label.as_str()), Some("disk"));
    drop(engine);
    for (sealer, label) in [(&secret as &dyn RootSealer, "disk"), (&words, "words")] {
        let engine = open(&store, sealer).unwrap_or_else(|error| panic!("{label}: {error}"));
        let slot = engine.opened_by().expect("a slot");
        assert_eq!((slot.label.as_str(), slot.kind.as_str()), (label, sealer.kind()));
        let plain = engine.call(&engine.owner(), &decrypt(&blob)).expect("decrypts").plaintext;
        assert_eq!(plain.expose(), b"x");
    }
    // Either of two sealers of one kind may be the right one.
    let wrong = passphrase("wrong");
    let sealers: [&dyn RootSealer; 2] = [&wrong, &words];
    Engine::open(Box::new(store), &sealers, EngineOptions::default()).expect("opens");
}

#[test]
fn a_wrong_root_is_told_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SharedStore::default();
    let engine = create(&store, &[("disk", &file(folder.path(), "right"))]);
    let expected =
        format!("this root key does not belong to this database (store id {})", engine.store_id());
    let error = refused(open(&store, &file(folder.path(), "wrong")));
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert!(error.to_string().contains("slot disk"), "{error}");
    // No sealer of the slot's kind at all.
    let error = refused(open(&store, &passphrase("x")));
    assert!(matches!(error, OpenError::NoSlotOpens { ref tried, .. } if tried.is_empty()));

    // A slot that opens, but of another store's root: slots and identity were mixed.
    let other = SharedStore::default();
    let right = FileSealer::new(folder.path().join("right"));
    create(&other, &[("disk", &right)]);
    let mut identity = None;
    keyfold_kms::store::Store::read(&other, &mut |txn| {
        identity = txn.get(Table::Config, b"identity").expect("a read");
    })
    .expect("a read");
    let theirs = String::from_utf8(identity.expect("a row")).expect("text");
    let mut ours = None;
    keyfold_kms::store::Store::read(&store, &mut |txn| {
        ours = txn.get(Table::Config, b"identity").expect("a read");
    })
    .expect("a read");
    let ours = String::from_utf8(ours.expect("a row")).expect("text");
    let check = |text: &str| {
        let json: serde_json::Value = serde_json::from_str(&text[1..]).expect("json");
        json["root_check"].as_str().expect("text").to_owned()
    };
    let mixed = ours.replace(&check(&ours), &check(&theirs));
    assert_ne!(mixed, ours);
    store.change(|txn| txn.put(Table::Config, b"identity", mixed.as_bytes()).expect("a put"));
    let error = refused(open(&store, &right));
    assert!(matches!(error, OpenError::WrongRoot { .. }));
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[test]
fn slots_come_and_go_but_the_last_one_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SharedStore::default();
    let first = file(folder.path(), "first");
    let engine = create(&store, &[("first", &first)]);
    let slots = engine.root_slots().expect("slots");
    let error = engine.remove_root_slot(slots[0].id).expect_err("the last slot");
    assert_eq!(error.code(), KmsErrorCode::InvalidState);
    let words = passphrase("words");
    let added = engine.add_root_slot("words", &words).expect("a slot");
    assert_eq!(engine.root_slots().expect("slots").len(), 2);
    open(&store, &words).expect("opens");
    engine.remove_root_slot(slots[0].id).expect("removed");
    refused(open(&store, &first));
    open(&store, &words).expect("opens still");
    assert_eq!(engine.root_slots().expect("slots"), [added]);
    let error = engine.remove_root_slot(slots[0].id).expect_err("gone");
    assert_eq!(error.code(), KmsErrorCode::NotFound);
    assert!(engine.verify_audit().expect("a walk").is_sound());
}

#[test]
fn a_root_is_made_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SharedStore::default();
    let secret = file(folder.path(), "root");
    assert!(matches!(refused(open(&store, &secret)), OpenError::NoRoot));
    let made = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let store = Box::new(store.clone());
                let secret = folder.path().join("root");
                scope.spawn(move || {
                    let sealer = FileSealer::new(secret);
                    let slots: [(&str, &dyn RootSealer); 1] = [("disk", &sealer)];
                    match Engine::create(store, &slots, EngineOptions::default()) {
                        Ok(_) => 1,
                        Err(OpenError::Exists) => 0,
                        Err(error) => panic!("{error}"),
                    }
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread")).sum::<i32>()
    });
    assert_eq!(made, 1);
    open(&store, &secret).expect("opens");
    let none = Engine::create(Box::new(SharedStore::default()), &[], EngineOptions::default());
    assert!(matches!(refused(none), OpenError::Other(_)));
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let store = SharedStore::default();
    let secret = file(folder.path(), "root");
    create(&store, &[("disk", &secret)]);
    let mode = std::fs::metadata(secret.path()).expect("metadata").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    for mode in [0o640, 0o604, 0o660, 0o610] {
        let open_to = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(secret.path(), open_to).expect("a mode");
        match refused(open(&store, &secret)) {
            OpenError::NoSlotOpens { tried, .. } => {
                assert!(matches!(tried[..], [(_, SlotError::Insecure(_))]), "{tried:?}");
            }
            error => panic!("{error}"),
        }
    }
    let own = std::fs::Permissions::from_mode(0o400);
    std::fs::set_permissions(secret.path(), own).expect("a mode");
    open(&store, &secret).expect("opens");
    assert!(FileSealer::create(secret.path(), &SystemRng).is_err(), "create-only");
}

#[test]
fn secrets_of_a_wrong_form_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SharedStore::default();
    create(&store, &[("disk", &file(folder.path(), "root"))]);
    let bad = file(folder.path(), "bad");
    for text in ["", "zz", &"z".repeat(64), &"0".repeat(63), &"0".repeat(300), "AAAA"] {
        std::fs::write(bad.path(), text).expect("written");
        match refused(open(&store, &bad)) {
            OpenError::NoSlotOpens { tried, .. } => {
                assert!(matches!(tried[..], [(_, SlotError::Malformed(_))]), "{text}: {tried:?}");
            }
            error => panic!("{error}"),
        }
    }
    std::fs::remove_file(bad.path()).expect("removed");
    let error = refused(open(&store, &bad));
    assert!(error.to_string().starts_with("no slot opens this database"), "{error}");
    // Base64 serves as well as hexadecimal.
    let mixed = SharedStore::default();
    let path = folder.path().join("base64");
    let base64 = file(folder.path(), "base64");
    std::fs::write(&path, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").expect("written");
    create(&mixed, &[("disk", &base64)]);
    let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    std::fs::write(&path, hex).expect("written");
    open(&mixed, &base64).expect("opens");
}

#[test]
fn a_variable_of_the_environment_opens() {
    // The tests of a process share its environment, so this one uses a variable that every
    // process has and that is no secret: it is refused by its form.
    let named = EnvironmentSealer::new("PATH");
    let store = SharedStore::default();
    let slots: [(&str, &dyn RootSealer); 1] = [("env", &named)];
    let made = Engine::create(Box::new(store.clone()), &slots, EngineOptions::default());
    assert!(refused(made).to_string().contains("PATH does not hold 32 bytes"));
    let unset = EnvironmentSealer::new("KEYFOLD_TEST_UNSET");
    let slots: [(&str, &dyn RootSealer); 1] = [("env", &unset)];
    let made = Engine::create(Box::new(store), &slots, EngineOptions::default());
    assert!(refused(made).to_string().contains("KEYFOLD_TEST_UNSET is not set"));
    let variable = "KEYFOLD_TEST_ROOT";
    if std::env::var_os(variable).is_some() {
        let store = SharedStore::default();
        let sealer = EnvironmentSealer::new(variable);
        create(&store, &[("env", &sealer)]);
        let slot = open(&store, &sealer).expect("opens").opened_by().cloned();
        assert_eq!(slot.map(|slot| slot.kind).as_deref(), Some("environment"));
    } else {
        // The process cannot set it for itself without unsafe code: run once more with it set.
        let status = std::process::Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "roots::a_variable_of_the_environment_opens"])
            .env(variable, "0f".repeat(32))
            .status()
            .expect("the test runs again");
        assert!(status.success());
    }
}

#[test]
fn a_file_is_made_only_where_there_is_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("root");
    let made = FileSealer::open_or_create(&path, &SystemRng).expect("it is made");
    let bytes = std::fs::read(made.path()).expect("it is there");
    FileSealer::open_or_create(&path, &SystemRng).expect("it is opened");
    assert!(std::fs::read(&path).expect("it is there") == bytes);
    // It cannot even be told whether that is there.
    let refused = FileSealer::open_or_create(path.join("below"), &SystemRng);
    assert!(matches!(refused, Err(SlotError::Unavailable(_))));
    #[cfg(unix)]
    {
        let (link, target) = (folder.path().join("link"), folder.path().join("nowhere"));
        std::os::unix::fs::symlink(&target, &link).expect("a link");
        FileSealer::open_or_create(&link, &SystemRng).expect("what is there is left");
        assert!(!target.exists());
    }
}
