//! Many threads and two processes: what was refused once is refused everywhere from then on.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use keyfold_kms::engine::Begun;
use keyfold_kms::types::*;
use keyfold_kms::{Engine, KmsErrorCode};

use crate::world::*;

/// How often the key is switched off and on.
const ROUNDS: usize = 12;
/// SQLite lets processes wait for each other without any order: nobody may write without a pause.
const PAUSE: Duration = Duration::from_millis(2);

fn decrypts(engine: &Engine, request: &DecryptRequest) -> bool {
    let answer = match engine.begin(&engine.owner(), request) {
        // Half of the readers go through the queue of an asynchronous host.
        Begun::Queued(pending) => match pollster::block_on(pending) {
            Ok(answer) => answer,
            Err(_) => engine.call(&engine.owner(), request),
        },
        Begun::NeedsWrite => panic!("decryption only reads"),
    };
    is_open(answer)
}

fn is_open(answer: Result<DecryptResponse, keyfold_kms::KmsError>) -> bool {
    match answer {
        Ok(answer) => {
            assert_eq!(answer.plaintext.expose(), b"hi");
            true
        }
        Err(error) => {
            assert_eq!(error.code(), KmsErrorCode::Disabled, "{error}");
            false
        }
    }
}

/// Readers on every engine, while the first one switches the key off and on, and the last one
/// changes something else.
fn switch_under_load(engines: &[&Engine]) {
    let first = engines[0];
    let owner = first.owner();
    let make = || first.call(&owner, &CreateKeyRequest::default()).expect("a key").key_metadata;
    let (key, other) = (make().key_id, make().key_id);
    let sealed = first.call(&owner, &encrypt(&key, b"hi")).expect("sealed").ciphertext_blob;
    let request = decrypt(&sealed);
    let (done, opened) = (AtomicBool::new(false), AtomicUsize::new(0));
    let reading = AtomicUsize::new(2 * engines.len());
    std::thread::scope(|scope| {
        for engine in engines {
            let (done, opened, reading, request) = (&done, &opened, &reading, &request);
            scope.spawn(move || {
                while reading.load(Ordering::SeqCst) > 0 {
                    engine.commit_queued(Duration::from_millis(20));
                }
            });
            for blocking in [false, true] {
                scope.spawn(move || {
                    while !done.load(Ordering::SeqCst) {
                        let open = if blocking {
                            is_open(engine.call(&engine.owner(), request))
                        } else {
                            decrypts(engine, request)
                        };
                        opened.fetch_add(usize::from(open), Ordering::SeqCst);
                        std::thread::sleep(PAUSE);
                    }
                    reading.fetch_sub(1, Ordering::SeqCst);
                });
            }
        }
        let (last, done, other) = (engines[engines.len() - 1], &done, &other);
        scope.spawn(move || {
            let mut round = 0;
            while !done.load(Ordering::SeqCst) {
                round += 1;
                let request = UpdateKeyDescriptionRequest {
                    key_id: other.clone(),
                    description: format!("round {round}"),
                };
                last.call(&last.owner(), &request).expect("described");
                std::thread::sleep(PAUSE);
            }
        });
        for round in 0..ROUNDS {
            first.call(&owner, &disable(&key)).expect("disabled");
            for engine in engines {
                assert!(!decrypts(engine, &request), "after the key was disabled");
            }
            first.call(&owner, &enable(&key)).expect("enabled");
            let mine = engines[round % engines.len()];
            assert!(decrypts(mine, &request), "after the key was enabled");
        }
        // The key stays enabled now: the readers come to something too, however slow they are.
        let patience = Instant::now() + Duration::from_mins(1);
        while opened.load(Ordering::SeqCst) == 0 && Instant::now() < patience {
            std::thread::sleep(PAUSE);
        }
        done.store(true, Ordering::SeqCst);
    });
    assert!(opened.load(Ordering::SeqCst) > 0, "the readers came to something");
    let report = first.verify_audit().expect("a walk");
    assert!(report.is_sound(), "{:?}", report.problems);
    let records = first.audit_records(0, usize::MAX).expect("records");
    let mut enabled = true;
    for record in &records {
        match (record.operation.as_str(), record.result.as_str()) {
            ("DisableKey", "ok") => enabled = false,
            ("EnableKey", "ok") => enabled = true,
            ("Decrypt", result) => {
                let expected = if enabled { "ok" } else { "DisabledException" };
                assert_eq!(result, expected, "record {}", record.seq);
            }
            _ => {}
        }
    }
    let reads = records.iter().filter(|record| record.operation == "Decrypt").count();
    assert!(reads >= ROUNDS * (engines.len() + 1));
}

#[test]
fn no_decryption_succeeds_after_the_key_was_disabled() {
    switch_under_load(&[&Engine::in_memory().expect("an engine")]);
}

#[cfg(feature = "sqlite")]
#[test]
fn nor_in_another_process() {
    use keyfold::crypto::rng::SystemRng;
    use keyfold_kms::EngineOptions;
    use keyfold_kms::root::FileSealer;
    use keyfold_kms::store::SqliteStore;

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("k.db");
    let sealer = FileSealer::create(folder.path().join("root"), &SystemRng).expect("a root key");
    let store = SqliteStore::create(&path).expect("a store");
    let one = Engine::create(Box::new(store), &[("r", &sealer)], EngineOptions::default())
        .expect("an engine");
    let store = SqliteStore::open(&path).expect("opens");
    let two = Engine::open(Box::new(store), &[&sealer], EngineOptions::default()).expect("opens");
    switch_under_load(&[&one, &two]);
}
