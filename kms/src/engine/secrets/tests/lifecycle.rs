//! Deletion, recovery and tags.

use super::*;
use crate::store;

fn delete_with(
    safe: &Safe,
    days: Option<u32>,
    force: Option<bool>,
) -> Result<DeleteSecretResponse> {
    safe.call(&DeleteSecretRequest {
        secret_id: "s".into(),
        recovery_window_in_days: days,
        force_delete_without_recovery: force,
    })
}

fn restore(safe: &Safe) -> Result<RestoreSecretResponse> {
    safe.call(&RestoreSecretRequest { secret_id: "s".into() })
}

#[test]
fn the_recovery_window_is_7_to_30_days() {
    with_safes(|safe| {
        safe.create("s", "v");
        for (days, force) in
            [(Some(6), None), (Some(31), None), (Some(0), None), (Some(7), Some(true))]
        {
            let refused = delete_with(safe, days, force);
            assert_eq!(code(refused), KmsErrorCode::InvalidParameter);
        }
        for (days, expected) in [(Some(7), 7), (Some(30), 30), (None, 30)] {
            let deleted = delete_with(safe, days, Some(false)).expect("scheduled");
            assert_eq!(deleted.deletion_date, Timestamp::from_millis(START).plus_days(expected));
            let described = safe.describe("s").expect("it can still be described");
            assert_eq!(described.deleted_date, Some(deleted.deletion_date));
            restore(safe).expect("restored");
            assert_eq!(safe.describe("s").expect("described").deleted_date, None);
            assert_eq!(safe.get("s").expect("readable again"), "v");
        }
        assert_eq!(code(restore(safe)), KmsErrorCode::InvalidRequest);
        assert_eq!(code(safe.delete("nothing")), KmsErrorCode::ResourceNotFound);
    });
}

#[test]
fn nothing_else_is_done_to_a_secret_that_is_scheduled_for_deletion() {
    with_safes(|safe| {
        let version = safe.create("s", "v").version_id.expect("a version");
        safe.delete("s").expect("scheduled");
        let update = UpdateSecretRequest {
            secret_id: "s".into(),
            description: Some("d".into()),
            ..Default::default()
        };
        let tags = vec![SecretTag { key: "k".into(), value: "v".into() }];
        let again = CreateSecretRequest { secret_string: text("v"), ..create("s") };
        for refused in [
            safe.get("s").map(drop),
            safe.call(&PutSecretValueRequest { secret_string: text("w"), ..put("s") }).map(drop),
            safe.call(&update).map(drop),
            safe.move_stage("mine", None, Some(&version)).map(drop),
            safe.call(&TagSecretRequest { secret_id: "s".into(), tags }).map(drop),
            safe.call(&UntagSecretRequest { secret_id: "s".into(), tag_keys: vec!["k".into()] })
                .map(drop),
            safe.call(&again).map(drop),
            safe.delete("s").map(drop),
        ] {
            assert_eq!(code(refused), KmsErrorCode::InvalidRequest);
        }
        restore(safe).expect("restored");
        assert_eq!(safe.get("s").expect("as it was"), "v");
    });
}

#[test]
fn after_the_window_the_secret_is_gone_and_its_name_free() {
    with_safes(|safe| {
        let old = safe.create("s", "old").arn;
        safe.create("other", "stays");
        let deleted = delete_with(safe, Some(7), None).expect("scheduled");
        safe.wait(deleted.deletion_date.millis() - START - 1);
        assert_eq!(code(safe.get("s")), KmsErrorCode::InvalidRequest);
        safe.wait(1);
        assert_eq!(code(restore(safe)), KmsErrorCode::ResourceNotFound);
        assert_eq!(code(safe.describe(&old)), KmsErrorCode::ResourceNotFound);
        let new = safe.create("s", "new").arn;
        assert_ne!(old, new);
        assert_eq!(safe.get("s").expect("the new one"), "new");
        assert_eq!(code(safe.get(&old)), KmsErrorCode::ResourceNotFound);
        assert_eq!(safe.get("other").expect("untouched"), "stays");
    });
}

#[test]
fn a_forced_deletion_leaves_nothing() {
    with_safes(|safe| {
        safe.create("s", "one");
        safe.put("s", "two");
        let deleted = delete_with(safe, None, Some(true)).expect("deleted");
        assert_eq!(deleted.deletion_date, Timestamp::from_millis(START));
        assert_eq!(code(safe.get("s")), KmsErrorCode::ResourceNotFound);
        assert_eq!(rows_of_secrets(safe), 0);
        let again = delete_with(safe, None, Some(true)).expect("a missing secret is no error");
        assert_eq!(again.name, "s");
        safe.create("s", "three");
        safe.delete("s").expect("scheduled");
        delete_with(safe, None, Some(true)).expect("a scheduled one can be deleted at once");
        assert_eq!(rows_of_secrets(safe), 0);
    });
}

fn rows_of_secrets(safe: &Safe) -> usize {
    use std::ops::Bound::Unbounded;
    use store::Table;
    store::read(&*safe.engine.store, |txn| {
        let tables = [
            Table::Secrets,
            Table::SecretNames,
            Table::SecretVersions,
            Table::SecretValues,
            Table::SecretDeletionsDue,
        ];
        let mut rows = 0;
        for table in tables {
            rows += txn.scan(table, (Unbounded, Unbounded), 100)?.len();
        }
        Ok::<_, store::StoreError>(rows)
    })
    .expect("a read")
}

#[test]
fn the_tick_destroys_what_is_due_and_nothing_else() {
    const MINUTE: i64 = 60 * Timestamp::SECOND;
    with_safes(|safe| {
        let arn = safe.create("s", "v").arn;
        safe.create("later", "v");
        safe.create("stays", "v");
        delete_with(safe, Some(7), None).expect("scheduled");
        safe.delete("later").expect("scheduled");
        let tick = || safe.engine.tick().expect("a tick").deleted_secrets;
        let before = rows_of_secrets(safe);
        safe.wait(6 * Timestamp::DAY);
        assert_eq!(tick(), 0);
        safe.wait(Timestamp::DAY);
        assert_eq!(tick(), 0, "seen for the first time");
        safe.wait(59 * MINUTE);
        assert_eq!(tick(), 0, "seen less than an hour ago");
        assert_eq!(rows_of_secrets(safe), before);
        safe.wait(MINUTE);
        assert_eq!(tick(), 1);
        // A row each for the secret, its name, its version, its value and its due date.
        assert_eq!(rows_of_secrets(safe), before - 5);
        assert_eq!(tick(), 0);
        assert_eq!(code(safe.describe("s")), KmsErrorCode::ResourceNotFound);
        safe.describe("later").expect("its time has not come");
        assert_eq!(safe.get("stays").expect("nobody deleted it"), "v");
        let records = safe.engine.audit_records(0, 1000).expect("records");
        let by_engine = |record: &&crate::audit::AuditRecord| {
            record.operation == "DeleteSecret" && record.principal == "keyfold"
        };
        let end = records.iter().find(by_engine).expect("a record of the end");
        assert_eq!(end.trail.resources, [arn]);
        assert!(safe.engine.verify_audit().expect("a walk").is_sound());
    });
}

#[test]
fn a_clock_that_jumps_ahead_and_back_destroys_nothing() {
    with_safes(|safe| {
        safe.create("s", "v");
        delete_with(safe, Some(7), None).expect("scheduled");
        safe.wait(400 * Timestamp::DAY);
        assert_eq!(code(safe.get("s")), KmsErrorCode::ResourceNotFound);
        assert_eq!(safe.engine.tick().expect("a tick").deleted_secrets, 0);
        safe.wait(-400 * Timestamp::DAY);
        assert_eq!(safe.engine.tick().expect("a tick").deleted_secrets, 0);
        restore(safe).expect("restored");
        assert_eq!(safe.get("s").expect("nothing was lost"), "v");
    });
}

#[test]
fn tags_are_set_replaced_and_removed() {
    with_safes(|safe| {
        safe.create("s", "v");
        let tag = |key: &str, value: &str| SecretTag { key: key.into(), value: value.into() };
        let set =
            |tags: Vec<SecretTag>| safe.call(&TagSecretRequest { secret_id: "s".into(), tags });
        let remove = |keys: &[&str]| {
            let tag_keys = keys.iter().map(|&key| key.to_owned()).collect();
            safe.call(&UntagSecretRequest { secret_id: "s".into(), tag_keys })
        };
        set(vec![tag("a", "1"), tag("A", "2"), tag("b", "")]).expect("set");
        set(vec![tag("a", "3")]).expect("replaced");
        let tags = || safe.describe("s").expect("described").tags;
        assert_eq!(tags(), [tag("A", "2"), tag("a", "3"), tag("b", "")]);
        remove(&["a", "missing"]).expect("removed");
        assert_eq!(tags(), [tag("A", "2"), tag("b", "")]);
        let many = |count: usize| (0..count).map(|n| tag(&format!("t{n}"), "")).collect::<Vec<_>>();
        for bad in [many(51), many(49), vec![tag("", "")], vec![tag("aws:x", "")]] {
            assert_eq!(code(set(bad)), KmsErrorCode::InvalidParameter);
        }
        assert_eq!(tags().len(), 2, "a refused call sets none");
        set(many(48)).expect("fifty in all");
        assert_eq!(code(remove(&["aws:x"])), KmsErrorCode::InvalidParameter);
    });
}
