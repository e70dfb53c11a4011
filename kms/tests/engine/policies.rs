//! Key policies and the callers' own roles.

use keyfold_kms::KmsErrorCode as Code;
use keyfold_kms::policy::Policy;
use keyfold_kms::types::*;

use crate::world::*;

fn document(statements: &serde_json::Value) -> String {
    serde_json::json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

fn root() -> serde_json::Value {
    serde_json::json!({
        "Effect": "Allow",
        "Principal": { "AWS": format!("arn:aws:iam::{ACCOUNT}:root") },
        "Action": "kms:*",
        "Resource": "*",
    })
}

fn put(key: &str, policy: String) -> PutKeyPolicyRequest {
    PutKeyPolicyRequest { key_id: key.into(), policy, ..PutKeyPolicyRequest::default() }
}

#[test]
fn the_default_policy_needs_the_callers_own_role() {
    let world = world();
    let key = world.key();
    let read = GetKeyPolicyRequest { key_id: key.clone(), policy_name: Some("default".into()) };
    let text = world.ok(&read).policy;
    assert_eq!(text, Policy::default_document("aws", ACCOUNT));
    assert_eq!(world.refused_as(&alice(), &encrypt(&key, b"x")), Code::AccessDenied);
    let permitted = alice().with_permissions(["kms:Encrypt"]);
    let blob = world.ok_as(&permitted, &encrypt(&key, b"x")).ciphertext_blob;
    assert_eq!(world.refused_as(&permitted, &decrypt(&blob)), Code::AccessDenied);
    // The role of another account is nothing to this key.
    let stranger =
        keyfold_kms::Caller::new(ALICE.replace("000000000000", "111122223333"), "111122223333")
            .with_permissions(["*"]);
    assert_eq!(world.refused_as(&stranger, &encrypt(&key, b"x")), Code::AccessDenied);
    assert_eq!(world.refused_as(&stranger, &CreateKeyRequest::default()), Code::AccessDenied);
}

#[test]
fn a_policy_allows_by_name_and_denies_above_all() {
    let world = world();
    let key = world.key();
    let allow = serde_json::json!({
        "Effect": "Allow",
        "Principal": { "AWS": ALICE },
        "Action": ["kms:Encrypt", "kms:Decrypt"],
        "Resource": "*",
        "Condition": { "StringEquals": { "kms:EncryptionContext:tenant": "1" } },
    });
    world.ok(&put(&key, document(&serde_json::json!([root(), allow]))));
    let bound = |tenant: &str| EncryptRequest {
        encryption_context: [("tenant", tenant)].into(),
        ..encrypt(&key, b"x")
    };
    world.ok_as(&alice(), &bound("1"));
    assert_eq!(world.refused_as(&alice(), &bound("2")), Code::AccessDenied);

    let deny = serde_json::json!({
        "Sid": "frozen",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "kms:Encrypt",
        "Resource": "*",
    });
    world.ok(&put(&key, document(&serde_json::json!([root(), allow, deny]))));
    world.ok(&grant(&key, BOB, &[GrantOperation::Encrypt]));
    assert_eq!(world.refused_as(&alice(), &bound("1")), Code::AccessDenied);
    assert_eq!(world.refused_as(&bob(), &encrypt(&key, b"x")), Code::AccessDenied);
    assert_eq!(world.refused(&encrypt(&key, b"x")), Code::AccessDenied);
    let records = world.engine.audit_records(0, 1000).expect("records");
    let last = records.last().expect("a record");
    assert_eq!(last.trail.statement.as_deref(), Some("frozen"));
    assert_eq!(last.result, "AccessDeniedException");
}

#[test]
fn aliases_count_as_conditions() {
    let world = world();
    let key = world.key();
    for condition in ["kms:RequestAlias", "kms:ResourceAliases"] {
        let test = if condition == "kms:RequestAlias" {
            "StringEquals"
        } else {
            "ForAnyValue:StringEquals"
        };
        let allow = serde_json::json!({
            "Effect": "Allow",
            "Principal": { "AWS": ALICE },
            "Action": "kms:Encrypt",
            "Resource": "*",
            "Condition": { test: { condition: "alias/open" } },
        });
        world.ok(&put(&key, document(&serde_json::json!([root(), allow]))));
        assert_eq!(world.refused_as(&alice(), &encrypt(&key, b"x")), Code::AccessDenied);
        world.ok(&alias("alias/open", &key));
        world.ok_as(&alice(), &encrypt("alias/open", b"x"));
        let by_id = world.engine.call(&alice(), &encrypt(&key, b"x"));
        assert_eq!(by_id.is_ok(), condition == "kms:ResourceAliases");
        world.ok(&DeleteAliasRequest { alias_name: "alias/open".into() });
    }
}

#[test]
fn what_is_not_understood_is_refused_and_nobody_locks_himself_out() {
    let world = world();
    let key = world.key();
    for bad in ["{", "{}", "[]", &"x".repeat(40_000)] {
        assert_eq!(world.refused(&put(&key, bad.into())), Code::MalformedPolicyDocument);
    }
    let strange = serde_json::json!([{
        "Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*",
        "Condition": { "DateLessThan": { "aws:CurrentTime": "2030-01-01T00:00:00Z" } },
    }]);
    assert_eq!(world.refused(&put(&key, document(&strange))), Code::MalformedPolicyDocument);
    let elsewhere = serde_json::json!([root(), {
        "Effect": "Allow", "Principal": "*", "Action": "kms:*",
        "Resource": format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/other"),
    }]);
    assert_eq!(world.refused(&put(&key, document(&elsewhere))), Code::MalformedPolicyDocument);
    let only_alice = document(&serde_json::json!([{
        "Effect": "Allow", "Principal": { "AWS": ALICE }, "Action": "kms:*", "Resource": "*",
    }]));
    assert_eq!(world.refused(&put(&key, only_alice.clone())), Code::MalformedPolicyDocument);
    let request =
        CreateKeyRequest { policy: Some(only_alice.clone()), ..CreateKeyRequest::default() };
    assert_eq!(world.refused(&request), Code::MalformedPolicyDocument);
    let bypass = PutKeyPolicyRequest {
        bypass_policy_lockout_safety_check: Some(true),
        ..put(&key, only_alice.clone())
    };
    world.ok(&bypass);
    assert_eq!(world.refused(&encrypt(&key, b"x")), Code::AccessDenied);
    world.ok_as(&alice(), &put(&key, only_alice));
    let other_name = GetKeyPolicyRequest { key_id: key, policy_name: Some("x".into()) };
    assert_eq!(world.refused(&other_name), Code::NotFound);
}
