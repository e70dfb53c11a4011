//! Two processes over one database: what one acknowledges holds in the other at once, and nothing
//! that either acknowledged is lost.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use keyfold::SystemRng;
use keyfold_conformance::postgres::Server;
use keyfold_conformance::rpc::{self, Worker};
use keyfold_kms::root::FileSealer;
use keyfold_kms::types::Blob;
use keyfold_kms::{Engine, EngineOptions, OpenError};
use serde_json::{Value, json};

use crate::{TERMINATE, create, server, url};

const GRANTEE: &str = "arn:aws:iam::000000000000:user/grantee";

/// A store in a database, and processes over it.
struct World {
    server: Server,
    address: String,
    secret: PathBuf,
    _folder: tempfile::TempDir,
}

impl World {
    fn make() -> Self {
        let server = server();
        let address = server.database("kms").expect("a database");
        let folder = tempfile::tempdir().expect("a folder");
        let secret = folder.path().join("root.key");
        let sealer = FileSealer::create(&secret, &SystemRng).expect("a secret");
        drop(rpc::make(&address, &sealer));
        World { server, address, secret, _folder: folder }
    }

    fn worker(&self) -> Worker {
        Worker::start(env!("CARGO_BIN_EXE_postgres-worker"), &self.address, &self.secret)
    }

    fn engine(&self) -> Engine {
        rpc::open(&self.address, &self.secret)
    }
}

fn make_key(worker: &mut Worker) -> String {
    let made = worker.own("CreateKey", &json!({}));
    made["KeyMetadata"]["KeyId"].as_str().expect("an id").to_owned()
}

fn encrypt(worker: &mut Worker, key: &str, plaintext: &str) -> Value {
    let plaintext = Blob(plaintext.as_bytes().to_vec());
    let made = worker.own("Encrypt", &json!({ "KeyId": key, "Plaintext": plaintext }));
    made["CiphertextBlob"].clone()
}

fn grant(worker: &mut Worker, key: &str) -> String {
    let made = worker.own(
        "CreateGrant",
        &json!({ "KeyId": key, "GranteePrincipal": GRANTEE, "Operations": ["Decrypt"] }),
    );
    made["GrantId"].as_str().expect("an id").to_owned()
}

/// What one process refuses from the moment in which another one acknowledged it, though it has
/// everything in memory and is being asked all the time.
#[test]
fn a_change_holds_everywhere_from_its_acknowledgement_on() {
    let world = World::make();
    let (mut one, mut other) = (world.worker(), world.worker());
    let key = make_key(&mut one);
    let sealed = json!({ "CiphertextBlob": encrypt(&mut one, &key, "plaintext") });
    let by_key = json!({ "KeyId": key });
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // A third process under load throughout, so that commits of others come in between.
        scope.spawn(|| {
            let mut busy = world.worker();
            let mut turns = 0;
            while !ended.load(Ordering::Relaxed) {
                // Refused or not, it is the load.
                let _ = busy.call("Decrypt", None, &sealed);
                turns += 1;
            }
            assert!(turns > 0);
        });
        for _ in 0..40 {
            let id = grant(&mut one, &key);
            let decrypt = |other: &mut Worker| other.call("Decrypt", Some(GRANTEE), &sealed);
            for _ in 0..3 {
                decrypt(&mut other).expect("it is granted");
            }
            one.own("RevokeGrant", &json!({ "KeyId": key, "GrantId": id }));
            assert_eq!(decrypt(&mut other), Err("AccessDeniedException".to_owned()));

            let owner = |other: &mut Worker| other.call("Decrypt", None, &sealed).map(drop);
            assert_eq!(owner(&mut other), Ok(()));
            one.own("DisableKey", &by_key);
            assert_eq!(owner(&mut other), Err("DisabledException".to_owned()));
            other.own("EnableKey", &by_key);
            assert_eq!(owner(&mut one), Ok(()));
            one.own("ScheduleKeyDeletion", &by_key);
            assert_eq!(owner(&mut other), Err("KMSInvalidStateException".to_owned()));
            one.own("CancelKeyDeletion", &by_key);
            other.own("EnableKey", &by_key);
            assert_eq!(owner(&mut one), Ok(()));
        }
        ended.store(true, Ordering::Relaxed);
    });
    let report = world.engine().verify_audit().expect("read");
    assert!(report.is_sound(), "{:?}", report.problems);
    let records = world.engine().audit_records(0, usize::MAX).expect("read");
    assert_eq!(records.len() as u64, report.records);
}

/// Runs `work` in two processes at once, and answers what both say.
fn both<T: Send>(world: &World, work: impl Fn(&mut Worker, usize) -> T + Sync) -> [T; 2] {
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        let threads = [0, 1].map(|number| {
            let (work, barrier) = (&work, &barrier);
            scope.spawn(move || {
                let mut worker = world.worker();
                barrier.wait();
                work(&mut worker, number)
            })
        });
        threads.map(|thread| thread.join().expect("no panic"))
    })
}

#[test]
fn rotations_of_both_all_count() {
    let world = World::make();
    let key = make_key(&mut world.worker());
    let blobs = both(&world, |worker, number| -> Vec<(Value, String)> {
        (0..12)
            .map(|turn| {
                worker.own("RotateKeyOnDemand", &json!({ "KeyId": key }));
                let plaintext = format!("{number}/{turn}");
                (encrypt(worker, &key, &plaintext), plaintext)
            })
            .collect()
    });
    let mut worker = world.worker();
    let request = json!({ "KeyId": key, "IncludeKeyMaterial": "ALL_KEY_MATERIAL" });
    let listed = worker.own("ListKeyRotations", &request);
    let listed = listed["Rotations"].as_array().expect("a list");
    let ids: BTreeSet<_> = listed.iter().map(|entry| entry["KeyMaterialId"].to_string()).collect();
    assert_eq!((listed.len(), ids.len()), (25, 25));
    for (blob, plaintext) in blobs.into_iter().flatten() {
        let opened = worker.own("Decrypt", &json!({ "CiphertextBlob": blob }));
        let expected = serde_json::to_value(Blob(plaintext.into_bytes())).expect("a value");
        assert_eq!(opened["Plaintext"], expected);
    }
    // The next one is the last that is allowed: both processes have counted.
    worker.own("RotateKeyOnDemand", &json!({ "KeyId": key }));
    let more = worker.call("RotateKeyOnDemand", None, &json!({ "KeyId": key }));
    assert_eq!(more.err().as_deref(), Some("LimitExceededException"));
}

#[test]
fn updates_of_one_secret_by_both_are_all_there() {
    const EACH: usize = 20;
    let world = World::make();
    let token = |number: usize, turn: usize| format!("token-{number}-{turn:0>32}");
    world.worker().own(
        "CreateSecret",
        &json!({ "Name": "s", "SecretString": "first", "ClientRequestToken": token(9, 0) }),
    );
    both(&world, |worker, number| {
        for turn in 0..EACH {
            let request = json!({
                "SecretId": "s", "SecretString": format!("{number}/{turn}"),
                "ClientRequestToken": token(number, turn),
            });
            worker.own("PutSecretValue", &request);
        }
    });
    let mut worker = world.worker();
    for (number, turn) in (0..2).flat_map(|number| (0..EACH).map(move |turn| (number, turn))) {
        let request = json!({ "SecretId": "s", "VersionId": token(number, turn) });
        let found = worker.own("GetSecretValue", &request);
        assert_eq!(found["SecretString"], format!("{number}/{turn}"));
    }
    let request = json!({ "SecretId": "s", "IncludeDeprecated": true, "MaxResults": 100 });
    let listed = worker.own("ListSecretVersionIds", &request);
    let listed = listed["Versions"].as_array().expect("a list");
    assert_eq!(listed.len(), 2 * EACH + 1);
    for stage in ["AWSCURRENT", "AWSPREVIOUS"] {
        let with = listed.iter().filter(|version| {
            let stages = version["VersionStages"].as_array();
            stages.is_some_and(|stages| stages.iter().any(|found| found == stage))
        });
        assert_eq!(with.count(), 1, "{stage}");
    }
}

#[test]
fn grants_and_aliases_of_both_are_all_there() {
    const EACH: usize = 20;
    let world = World::make();
    let mut worker = world.worker();
    let key = make_key(&mut worker);
    let kept = both(&world, |worker, number| -> Vec<String> {
        let mut kept = Vec::new();
        for turn in 0..EACH {
            let id = grant(worker, &key);
            if turn % 2 == 0 {
                worker.own("RevokeGrant", &json!({ "KeyId": key, "GrantId": id }));
            } else {
                kept.push(id);
            }
            // One name, wanted by both: one of them gets it.
            let alias = json!({ "AliasName": format!("alias/{turn}"), "TargetKeyId": key });
            match worker.call("CreateAlias", None, &alias) {
                Ok(_) => kept.push(format!("alias/{turn}/{number}")),
                Err(error) => assert_eq!(error, "AlreadyExistsException"),
            }
        }
        kept
    });
    let kept: Vec<String> = kept.into_iter().flatten().collect();
    let aliases = kept.iter().filter(|name| name.starts_with("alias/"));
    assert_eq!(aliases.count(), EACH, "each name was given once");
    let listed = worker.own("ListGrants", &json!({ "KeyId": key, "Limit": 100 }));
    let found: BTreeSet<_> = listed["Grants"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|g| g["GrantId"].to_string())
        .collect();
    let expected: BTreeSet<_> = kept
        .iter()
        .filter(|name| !name.starts_with("alias/"))
        .map(|id| json!(id).to_string())
        .collect();
    assert_eq!(found.len(), EACH);
    assert!(found == expected, "{found:?} is not {expected:?}");
}

#[test]
fn of_many_that_make_the_root_at_once_one_does() {
    let server = server();
    for round in 0..4 {
        let address = server.database(&format!("root{round}")).expect("a database");
        drop(create(&address));
        let barrier = Barrier::new(6);
        let made: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6)
                .map(|_| {
                    scope.spawn(|| {
                        let folder = tempfile::tempdir().expect("a folder");
                        let secret = folder.path().join("root.key");
                        let sealer = FileSealer::create(&secret, &SystemRng).expect("a secret");
                        let store = keyfold_kms::store::PostgresStore::open(&url(&address));
                        let store = Box::new(store.expect("opens"));
                        barrier.wait();
                        Engine::create(store, &[("file", &sealer)], EngineOptions::default())
                            .map(|engine| engine.store_id())
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1, "{made:?}");
        let exists = made.iter().filter(|made| matches!(made, Err(OpenError::Exists)));
        assert_eq!(exists.count(), 5, "{made:?}");
        let slots = server
            .sql(&format!("root{round}"), "SELECT count(*) FROM keyfold.records WHERE tab = 2")
            .expect("a count");
        assert_eq!(slots, "1");
    }
}

#[test]
fn connections_may_end_at_any_moment() {
    let world = World::make();
    let (started, ended) = (Barrier::new(3), AtomicBool::new(false));
    let outcomes = std::thread::scope(|scope| {
        let killer = scope.spawn(|| {
            started.wait();
            for _ in 0..60 {
                world.server.sql("postgres", TERMINATE).expect("ended");
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            ended.store(true, Ordering::Relaxed);
        });
        let outcomes = both(&world, |worker, _| {
            let (mut made, mut failed) = (Vec::new(), 0);
            // Whoever is being opened when it happens does not open.
            make_key(worker);
            started.wait();
            while !ended.load(Ordering::Relaxed) {
                match worker.call("CreateKey", None, &json!({})) {
                    Ok(key) => made.push(key["KeyMetadata"]["KeyId"].clone()),
                    Err(error) => {
                        assert_eq!(error, "DependencyTimeoutException");
                        failed += 1;
                    }
                }
            }
            (made, failed)
        });
        killer.join().expect("no panic");
        outcomes
    });
    let mut worker = world.worker();
    let (mut acknowledged, mut unknown) = (0, 0);
    for (made, failed) in outcomes {
        for id in &made {
            worker.own("DescribeKey", &json!({ "KeyId": id }));
        }
        (acknowledged, unknown) = (acknowledged + made.len(), unknown + failed);
    }
    println!("{acknowledged} keys were acknowledged, {unknown} calls failed");
    assert!(acknowledged > 0);
    // The first one of each.
    acknowledged += 2;
    let keys = world.server.sql("kms", "SELECT count(*) FROM keyfold.records WHERE tab = 3");
    let keys: usize = keys.expect("a count").parse().expect("a number");
    assert!((acknowledged..=acknowledged + unknown).contains(&keys), "{keys} keys");
    let report = world.engine().verify_audit().expect("read");
    assert!(report.is_sound(), "{:?}", report.problems);
}
