//! What the rest of the crate builds on the engine: callers that rest on rows.

use std::time::Duration;

use super::authorize::Caller;
use super::{Begun, CachedRow, Engine, Stale};
use crate::error::KmsErrorCode;
use crate::rows::KeyRow;
use crate::types::{CreateKeyRequest, DescribeKeyRequest, DisableKeyRequest, EnableKeyRequest};

fn key(engine: &Engine) -> String {
    let made = engine.call(&engine.owner(), &CreateKeyRequest::default());
    made.expect("a key").key_metadata.key_id
}

/// As whoever authenticates callers: from memory, or else out of the store.
fn cached_row(engine: &Engine, key: &[u8]) -> Option<CachedRow<KeyRow>> {
    engine.row_in_memory(key).or_else(|| engine.row_in_store(key).expect("a read"))
}

fn resting_on(engine: &Engine, key_id: &str) -> Caller {
    let id = uuid::Uuid::try_parse(key_id).expect("an id");
    let row = cached_row(engine, id.as_bytes()).expect("a row");
    assert_eq!(row.row.id, id);
    engine.owner().resting_on(&row)
}

#[test]
fn a_caller_falls_with_the_row_that_it_rests_on_and_with_no_other() {
    let engine = Engine::in_memory().expect("an engine");
    let (credential, used, other) = (key(&engine), key(&engine), key(&engine));
    let describe = DescribeKeyRequest { key_id: used.clone(), ..Default::default() };
    let caller = resting_on(&engine, &credential);
    let disable = |key_id: &str| {
        let request = DisableKeyRequest { key_id: key_id.to_owned() };
        engine.call(&engine.owner(), &request).expect("disabled");
    };
    disable(&other);
    assert!(engine.perform(&caller, &describe).expect("not stale").is_ok());
    disable(&credential);
    let last = engine.verify_audit().expect("a walk").last;
    assert_eq!(engine.perform(&caller, &describe).err(), Some(Stale));
    let change = EnableKeyRequest { key_id: other };
    assert_eq!(engine.perform(&caller, &change).err(), Some(Stale));
    let error = engine.call(&caller, &change).map(drop).expect_err("refused");
    assert_eq!(error.code(), KmsErrorCode::DependencyTimeout);
    let Begun::Queued(pending) = engine.begin(&caller, &describe) else { panic!("it only reads") };
    assert_eq!(engine.commit_queued(Duration::ZERO), 1);
    assert_eq!(pollster::block_on(pending).err(), Some(Stale));
    assert_eq!(engine.verify_audit().expect("a walk").last, last, "nothing was done or recorded");
    // Authenticated again.
    let caller = resting_on(&engine, &credential);
    assert!(engine.perform(&caller, &change).expect("not stale").is_ok());
}

#[test]
fn what_is_there_no_more_is_not_kept() {
    let engine = Engine::in_memory().expect("an engine");
    assert!(cached_row(&engine, &[7; 16]).is_none());
    let id = uuid::Uuid::try_parse(&key(&engine)).expect("an id");
    for _ in 0..2 {
        assert!(cached_row(&engine, id.as_bytes()).is_some());
    }
    engine
        .transact(|mut txn| crate::rows::delete::<KeyRow>(&mut txn, id.as_bytes()))
        .expect("removed");
    assert!(cached_row(&engine, id.as_bytes()).is_none());
}
