//! The audit chain: what it says, and that nobody changes it unseen.

use std::ops::Bound;

use keyfold_kms::audit::AuditProblem as Problem;
use keyfold_kms::engine::Narrowing;
use keyfold_kms::store::{Store, Table};
use keyfold_kms::types::*;
use keyfold_kms::{Caller, Engine, EngineOptions, KmsErrorCode};

use crate::world::*;

fn fixture() -> (SharedStore, Engine) {
    let store = SharedStore::default();
    let sealer = keyfold_kms::root::PassphraseSealer::new(b"a passphrase".to_vec().into());
    let slots: [(&str, &dyn keyfold_kms::root::RootSealer); 1] = [("p", &sealer)];
    let engine = Engine::create(Box::new(store.clone()), &slots, EngineOptions::default())
        .expect("an engine");
    let owner = engine.owner();
    for _ in 0..10 {
        engine.call(&owner, &CreateKeyRequest::default()).expect("a key");
    }
    (store, engine)
}

fn row(store: &SharedStore, seq: u64) -> Vec<u8> {
    let mut found = None;
    store
        .read(&mut |txn| {
            found = txn.get(Table::Audit, &seq.to_be_bytes()).expect("a read");
        })
        .expect("a read");
    found.expect("a record")
}

fn put(store: &SharedStore, seq: u64, value: &[u8]) {
    store.change(|txn| txn.put(Table::Audit, &seq.to_be_bytes(), value).expect("a put"));
}

fn remove(store: &SharedStore, seqs: std::ops::RangeInclusive<u64>) {
    store.change(|txn| {
        for seq in seqs.clone() {
            txn.delete(Table::Audit, &seq.to_be_bytes()).expect("a delete");
        }
    });
}

#[test]
fn an_untouched_chain_is_sound_and_survives_a_restart() {
    let (store, engine) = fixture();
    let report = engine.verify_audit().expect("a walk");
    assert!(report.is_sound(), "{:?}", report.problems);
    assert_eq!((report.records, report.last), (10, 10));
    drop(engine);
    let sealer = keyfold_kms::root::PassphraseSealer::new(b"a passphrase".to_vec().into());
    let engine =
        Engine::open(Box::new(store), &[&sealer], EngineOptions::default()).expect("opens");
    engine.call(&engine.owner(), &CreateKeyRequest::default()).expect("a key");
    let report = engine.verify_audit().expect("a walk");
    assert!(report.is_sound());
    assert_eq!(report.records, 11);
}

#[test]
fn removed_altered_reordered_and_truncated_records_are_named() {
    let (store, engine) = fixture();
    let problems = || engine.verify_audit().expect("a walk").problems;
    let saved: Vec<_> = (1..=10).map(|seq| row(&store, seq)).collect();
    let restore = || {
        for (seq, value) in (1..).zip(&saved) {
            put(&store, seq, value);
        }
        assert_eq!(problems(), []);
    };

    remove(&store, 4..=5);
    assert_eq!(problems(), [Problem::Removed { from: 4, to: 5 }]);
    restore();
    remove(&store, 1..=1);
    assert_eq!(problems(), [Problem::Removed { from: 1, to: 1 }]);
    restore();
    remove(&store, 9..=10);
    assert_eq!(problems(), [Problem::Truncated { last: 8, expected: 10 }]);
    restore();
    remove(&store, 1..=10);
    assert_eq!(problems(), [Problem::Truncated { last: 0, expected: 10 }]);
    restore();

    for byte in 0..saved[2].len() {
        let mut altered = saved[2].clone();
        altered[byte] ^= 1;
        put(&store, 3, &altered);
        assert_eq!(problems(), [Problem::Altered { seq: 3 }], "byte {byte}");
    }
    put(&store, 3, b"");
    assert_eq!(problems(), [Problem::Altered { seq: 3 }]);
    restore();

    put(&store, 6, &saved[6]);
    put(&store, 7, &saved[5]);
    assert_eq!(
        problems(),
        [Problem::Reordered { seq: 6, found: 7 }, Problem::Reordered { seq: 7, found: 6 }]
    );
    restore();
    put(&store, 11, &saved[9]);
    assert_eq!(
        problems(),
        [Problem::Reordered { seq: 11, found: 10 }, Problem::Appended { expected: 10, last: 11 }]
    );
    remove(&store, 11..=11);
    restore();
}

#[test]
fn a_chain_set_back_together_with_its_head_cannot_be_continued_elsewhere() {
    let (store, engine) = fixture();
    let head = |store: &SharedStore| {
        let mut found = None;
        store
            .read(&mut |txn| {
                found = txn.get(Table::Config, b"audit-head").expect("a read");
            })
            .expect("a read");
        found.expect("the head")
    };
    let old_head = head(&store);
    let old_last = engine.verify_audit().expect("a walk").head;
    engine.call(&engine.owner(), &CreateKeyRequest::default()).expect("a key");
    // Records of two histories do not link: the newer record under the older head.
    let newer = row(&store, 11);
    store.change(|txn| {
        txn.put(Table::Config, b"audit-head", &old_head).expect("a put");
        txn.delete(Table::Audit, &11u64.to_be_bytes()).expect("a delete");
    });
    let report = engine.verify_audit().expect("a walk");
    assert!(report.is_sound(), "a whole snapshot is sound in itself");
    assert_eq!(report.head, old_last, "which is why the head is to be kept elsewhere");
    engine.call(&engine.owner(), &CreateKeyRequest::default()).expect("a key");
    engine.call(&engine.owner(), &CreateKeyRequest::default()).expect("a key");
    put(&store, 11, &newer);
    assert_eq!(engine.verify_audit().expect("a walk").problems, [Problem::Unlinked { seq: 12 }]);

    let mut forged = old_head.clone();
    forged[7] ^= 1;
    store.change(|txn| txn.put(Table::Config, b"audit-head", &forged).expect("a put"));
    assert!(engine.verify_audit().expect("a walk").problems.contains(&Problem::Head));
    // Nothing is done that cannot be recorded.
    assert!(engine.call(&engine.owner(), &CreateKeyRequest::default()).is_err());
}

#[test]
fn every_operation_leaves_a_record_also_one_that_fails() {
    let world = world();
    let key = world.key();
    world.ok(&alias("alias/a", &key));
    let request = EncryptRequest {
        encryption_context: [("tenant", "planted-value")].into(),
        ..encrypt("alias/a", b"planted-plaintext")
    };
    let blob = world.ok(&request).ciphertext_blob;
    world.refused(&decrypt(&blob));
    world.refused(&describe("alias/none"));
    world.refused(&EncryptRequest { dry_run: Some(true), ..encrypt(&key, b"x") });
    world.refused(&encrypt(&key, b""));
    let records = world.engine.audit_records(2, 100).expect("records");
    let results: Vec<_> =
        records.iter().map(|r| (r.operation.as_str(), r.result.as_str())).collect();
    assert_eq!(
        results,
        [
            ("Encrypt", "ok"),
            ("Decrypt", "InvalidCiphertextException"),
            ("DescribeKey", "NotFoundException"),
            ("Encrypt", "DryRunOperationException"),
            ("Encrypt", "ValidationException"),
        ]
    );
    let first = &records[0];
    assert_eq!(first.seq, 3);
    assert_eq!(first.time, START);
    assert_eq!(first.principal, world.engine.realm().account_root());
    assert_eq!(first.trail.resources, [world.arn(&key)]);
    assert_eq!(first.trail.alias.as_deref(), Some("alias/a"));
    assert_eq!(first.trail.context_names, ["tenant"]);
    assert_eq!(first.trail.context_hash.as_ref().map(String::len), Some(64));
    assert_eq!(first.trail.bytes_in, Some(17));
    assert!(first.read_only);
    assert!(records[3].trail.dry_run);
}

#[test]
fn no_record_holds_what_must_not_be_there() {
    let store = SharedStore::default();
    let sealer = keyfold_kms::root::PassphraseSealer::new(b"p".to_vec().into());
    let slots: [(&str, &dyn keyfold_kms::root::RootSealer); 1] = [("p", &sealer)];
    let engine = Engine::create(Box::new(store.clone()), &slots, EngineOptions::default())
        .expect("an engine");
    let owner = engine.owner();
    let made = engine.call(&owner, &CreateKeyRequest::default()).expect("a key");
    let key_id = made.key_metadata.key_id;
    let request = EncryptRequest {
        encryption_context: [("name", "planted-value")].into(),
        ..encrypt(&key_id, b"planted-plaintext")
    };
    engine.call(&owner, &request).expect("encrypts");
    let data_key = GenerateDataKeyRequest {
        key_id: key_id.clone(),
        number_of_bytes: Some(32),
        ..GenerateDataKeyRequest::default()
    };
    let data_key = engine.call(&owner, &data_key).expect("a data key").plaintext;
    let pair = CreateKeyRequest {
        key_spec: Some(KeySpec::EccNistP256),
        key_usage: Some(KeyUsage::SignVerify),
        ..CreateKeyRequest::default()
    };
    let pair = engine.call(&owner, &pair).expect("a key").key_metadata.key_id;
    let algorithm = SigningAlgorithm::EcdsaSha256;
    engine.call(&owner, &sign(&pair, algorithm, b"planted-message")).expect("signs");
    let grant =
        engine.call(&owner, &grant(&key_id, ALICE, &[GrantOperation::Decrypt])).expect("a grant");
    let planted: [&[u8]; 5] = [
        b"planted-value",
        b"planted-plaintext",
        b"planted-message",
        data_key.expose(),
        grant.grant_token.as_bytes(),
    ];
    for &table in Table::ALL {
        let mut rows = Vec::new();
        store
            .read(&mut |txn| {
                let all = (Bound::Unbounded, Bound::Unbounded);
                rows = txn.scan(table, all, usize::MAX).expect("a scan");
            })
            .expect("a read");
        for (key, value) in rows {
            for secret in planted {
                let holds = |bytes: &[u8]| bytes.windows(secret.len()).any(|w| w == secret);
                assert!(!holds(&key) && !holds(&value), "{table:?}");
            }
        }
    }
}

#[test]
fn the_chain_is_listed_to_those_who_may_and_to_nobody_who_is_limited_to_keys() {
    let world = world();
    let key = world.key();
    let request = ListAuditRecordsRequest::default();
    let caller = |permission: &str| Caller::new(ALICE, ACCOUNT).with_permissions([permission]);
    for (caller, may) in [
        (world.owner.clone(), true),
        (caller("keyfold:ListAuditRecords"), true),
        (caller("keyfold:*"), true),
        (caller("kms:*"), false),
        (caller("secretsmanager:*"), false),
        (Caller::new(ALICE, ACCOUNT), false),
        (Caller::new(ALICE, "111122223333").with_permissions(["*"]), false),
        (world.owner.clone().narrowed(Narrowing::new().keys([key.as_str()])), false),
        (world.owner.clone().narrowed(Narrowing::new().operations(["kms:*"])), false),
        (world.owner.clone().narrowed(Narrowing::new().operations(["keyfold:*"])), true),
    ] {
        match world.engine.call(&caller, &request) {
            Ok(page) => assert!(may && !page.records.is_empty(), "{caller:?}"),
            Err(error) => assert_eq!((may, error.code()), (false, KmsErrorCode::AccessDenied)),
        }
    }
}

#[test]
fn a_record_that_cannot_be_read_leaves_a_gap_in_its_page_alone() {
    let (store, engine) = fixture();
    remove(&store, 8..=8);
    put(&store, 4, b"");
    let page = |marker| {
        let request = ListAuditRecordsRequest { limit: Some(5), marker };
        engine.call(&engine.owner(), &request).expect("a page")
    };
    let numbers =
        |page: &ListAuditRecordsResponse| page.records.iter().map(|r| r.seq).collect::<Vec<_>>();
    let first = page(None);
    assert_eq!(numbers(&first), [10, 9, 7, 6]);
    let second = page(first.next_marker);
    assert_eq!((numbers(&second), second.truncated), (vec![5, 3, 2, 1], false));
}
