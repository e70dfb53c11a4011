//! Secrets and the KMS keys that protect them; permissions; what audit records say.

use super::*;
use crate::rows as store_rows;
use crate::store::{self, Table};

fn create_under(safe: &Safe, name: &str, key: &str, value: &str) -> Result<CreateSecretResponse> {
    safe.call(&CreateSecretRequest {
        kms_key_id: Some(key.into()),
        secret_string: text(value),
        ..create(name)
    })
}

fn disable(safe: &Safe, key: &str) {
    safe.call(&DisableKeyRequest { key_id: key.into() }).expect("disabled");
}

fn enable(safe: &Safe, key: &str) {
    safe.call(&EnableKeyRequest { key_id: key.into() }).expect("enabled");
}

const DEFAULT_ALIAS: &str = "alias/aws/secretsmanager";

fn describe_key(safe: &Safe, key: &str) -> Result<KeyMetadata> {
    safe.call(&DescribeKeyRequest { key_id: key.into(), ..Default::default() })
        .map(|response| response.key_metadata)
}

#[test]
fn the_default_key_is_made_on_first_use() {
    with_safes(|safe| {
        assert_eq!(code(describe_key(safe, DEFAULT_ALIAS)), KmsErrorCode::NotFound);
        safe.call(&create("empty")).expect("without a value");
        assert_eq!(code(describe_key(safe, DEFAULT_ALIAS)), KmsErrorCode::NotFound);
        safe.create("a", "one");
        let key = describe_key(safe, DEFAULT_ALIAS).expect("the key is there");
        assert_eq!(key.key_manager, "AWS");
        safe.create("b", "two");
        let same = describe_key(safe, DEFAULT_ALIAS).expect("the key is there");
        assert_eq!(key.key_id, same.key_id);
        assert_eq!(safe.describe("a").expect("described").kms_key_id, None);
        let request = ListSecretVersionIdsRequest { secret_id: "a".into(), ..Default::default() };
        let versions = safe.call(&request).expect("a list").versions;
        assert_eq!(versions[0].kms_key_ids, [key.arn]);
    });
}

#[test]
fn a_disabled_key_takes_its_secrets_with_it() {
    with_safes(|safe| {
        let key = safe.new_key();
        create_under(safe, "s", &key, "v").expect("created");
        disable(safe, &key);
        assert_eq!(code(safe.get("s")), KmsErrorCode::DecryptionFailure);
        let request = PutSecretValueRequest { secret_string: text("w"), ..put("s") };
        assert_eq!(code(safe.call(&request)), KmsErrorCode::EncryptionFailure);
        assert_eq!(code(create_under(safe, "t", &key, "v")), KmsErrorCode::EncryptionFailure);
        assert_eq!(code(safe.describe("t")), KmsErrorCode::ResourceNotFound, "nothing was kept");
        safe.describe("s").expect("everything but the value");
        enable(safe, &key);
        assert_eq!(safe.get("s").expect("readable again"), "v");
        let deletion = ScheduleKeyDeletionRequest { key_id: key, pending_window_in_days: Some(7) };
        safe.call(&deletion).expect("scheduled");
        assert_eq!(code(safe.get("s")), KmsErrorCode::DecryptionFailure);
        safe.wait(8 * Timestamp::DAY);
        assert_eq!(code(safe.get("s")), KmsErrorCode::DecryptionFailure);
    });
}

#[test]
fn keys_that_cannot_protect_a_secret() {
    with_safes(|safe| {
        let signing = CreateKeyRequest {
            key_spec: Some(KeySpec::EccNistP256),
            key_usage: Some(KeyUsage::SignVerify),
            ..Default::default()
        };
        let signing = safe.call(&signing).expect("a key").key_metadata.key_id;
        for key in ["alias/missing", "no key at all", &signing] {
            assert_eq!(code(create_under(safe, "s", key, "v")), KmsErrorCode::EncryptionFailure);
        }
        assert_eq!(code(safe.describe("s")), KmsErrorCode::ResourceNotFound);
    });
}

#[test]
fn another_key_takes_over_the_versions_in_use() {
    with_safes(|safe| {
        let (old, new) = (safe.new_key(), safe.new_key());
        let first = create_under(safe, "s", &old, "one").expect("created").version_id;
        safe.put("s", "two");
        safe.put("s", "three");
        let pending = PutSecretValueRequest {
            secret_string: text("four"),
            version_stages: vec!["AWSPENDING".into()],
            ..put("s")
        };
        safe.call(&pending).expect("put");
        let update = UpdateSecretRequest {
            secret_id: "s".into(),
            kms_key_id: Some(new.clone()),
            ..Default::default()
        };
        safe.call(&update).expect("updated");
        assert_eq!(safe.describe("s").expect("described").kms_key_id, Some(new.clone()));
        disable(safe, &old);
        for (stage, value) in
            [("AWSCURRENT", "three"), ("AWSPREVIOUS", "two"), ("AWSPENDING", "four")]
        {
            assert_eq!(safe.read("s", None, Some(stage)).expect("under the new key"), value);
        }
        let left = safe.read("s", first.as_deref(), None);
        assert_eq!(code(left), KmsErrorCode::DecryptionFailure, "still under the old key");
        enable(safe, &old);
        disable(safe, &new);
        let back = UpdateSecretRequest { kms_key_id: Some(old), ..update };
        assert_eq!(code(safe.call(&back)), KmsErrorCode::DecryptionFailure);
    });
}

#[test]
fn a_key_policy_can_speak_of_the_secret() {
    with_safes(|safe| {
        let key = safe.new_key();
        let (a, b) = (
            create_under(safe, "a", &key, "one").expect("created"),
            create_under(safe, "b", &key, "two").expect("created"),
        );
        let statement = |sid: &str, effect: &str, condition: serde_json::Value| {
            serde_json::json!({
                "Sid": sid, "Effect": effect, "Principal": "*", "Action": "kms:*",
                "Resource": "*", "Condition": condition,
            })
        };
        let deny = serde_json::json!({"StringEquals": {"kms:EncryptionContext:SecretARN": b.arn}});
        let policy = serde_json::json!({
            "Version": "2012-10-17",
            "Statement": [
                statement("all", "Allow", serde_json::json!({})),
                statement("not b", "Deny", deny),
            ],
        });
        let request =
            PutKeyPolicyRequest { key_id: key, policy: policy.to_string(), ..Default::default() };
        safe.call(&request).expect("a policy");
        assert_eq!(safe.get(&a.arn).expect("allowed"), "one");
        assert_eq!(code(safe.get(&b.arn)), KmsErrorCode::AccessDenied);
    });
}

#[test]
fn the_role_must_allow_each_operation_by_its_own_name() {
    with_safes(|safe| {
        safe.create("s", "v");
        let account = safe.engine.realm().account.clone();
        let arn = format!("arn:aws:iam::{account}:user/reader");
        let reader = Caller::new(arn, account)
            .with_permissions(["secretsmanager:GetSecretValue", "kms:Decrypt"]);
        let get = GetSecretValueRequest { secret_id: "s".into(), ..Default::default() };
        safe.engine.call(&reader, &get).expect("allowed");
        let describe = DescribeSecretRequest { secret_id: "s".into() };
        let delete = DeleteSecretRequest { secret_id: "s".into(), ..Default::default() };
        let write = PutSecretValueRequest { secret_string: text("w"), ..put("s") };
        for refused in [
            safe.engine.call(&reader, &describe).map(drop),
            safe.engine.call(&reader, &delete).map(drop),
            safe.engine.call(&reader, &write).map(drop),
            safe.engine.call(&reader, &ListSecretsRequest::default()).map(drop),
            safe.engine.call(&reader, &GetRandomPasswordRequest::default()).map(drop),
        ] {
            assert_eq!(code(refused), KmsErrorCode::AccessDenied);
        }
    });
}

#[test]
fn the_default_key_is_used_only_through_the_safe() {
    with_safes(|safe| {
        safe.create("s", "v");
        let own_key = safe.new_key();
        create_under(safe, "t", &own_key, "v").expect("created");
        let account = safe.engine.realm().account.clone();
        let reader = |account: &str| {
            Caller::new(format!("arn:aws:iam::{account}:user/reader"), account)
                .with_permissions(["secretsmanager:GetSecretValue"])
        };
        let get = |caller: &Caller, name: &str| {
            let request = GetSecretValueRequest { secret_id: name.into(), ..Default::default() };
            safe.engine.call(caller, &request).map(drop)
        };
        get(&reader(&account), "s").expect("who may read the secret needs no right to the key");
        assert_eq!(code(get(&reader(&account), "t")), KmsErrorCode::AccessDenied);
        assert_eq!(code(get(&reader("111122223333"), "s")), KmsErrorCode::AccessDenied);
        let directly = GenerateDataKeyRequest {
            key_id: DEFAULT_ALIAS.into(),
            number_of_bytes: Some(32),
            ..Default::default()
        };
        assert_eq!(
            code(safe.engine.call(&reader(&account), &directly)),
            KmsErrorCode::AccessDenied
        );
    });
}

#[test]
fn a_value_opens_only_in_its_own_place() {
    with_safes(|safe| {
        let own = safe.create("s", "own").version_id.expect("a version");
        safe.wait(1);
        let other = safe.put("s", "other");
        store::write(&*safe.engine.store, |txn| {
            let (key, _) = txn
                .scan(Table::Secrets, (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded), 1)?
                .remove(0);
            let [from, to] = [&own, &other].map(|id| [key.as_slice(), id.as_bytes()].concat());
            let value = txn.get(Table::SecretValues, &from)?.expect("a value");
            txn.put(Table::SecretValues, &to, &value)
        })
        .expect("somebody writes to the database");
        assert_eq!(code(safe.read("s", Some(&other), None)), KmsErrorCode::DecryptionFailure);
        assert_eq!(safe.read("s", Some(&own), None).expect("untouched"), "own");
        // Text does not pass for bytes either.
        store::write(&*safe.engine.store, |txn| {
            let (key, bytes) = txn
                .scan(
                    Table::SecretValues,
                    (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded),
                    10,
                )?
                .into_iter()
                .find(|(key, _)| key.ends_with(own.as_bytes()))
                .expect("a value");
            let mut row: serde_json::Value = store_rows::decode(&bytes, "a value")?;
            row["kind"] = "Bytes".into();
            Ok::<_, crate::error::KmsError>(txn.put(
                Table::SecretValues,
                &key,
                &store_rows::encode(&row)?,
            )?)
        })
        .expect("somebody writes to the database");
        assert_eq!(code(safe.read("s", Some(&own), None)), KmsErrorCode::InternalService);
    });
}

#[test]
fn an_altered_index_does_not_pass_one_secret_off_as_another() {
    with_safes(|safe| {
        safe.create("a", "one");
        safe.create("b", "two");
        store::write(&*safe.engine.store, |txn| {
            let key = txn.get(Table::SecretNames, b"b")?.expect("an entry");
            txn.put(Table::SecretNames, b"a", &key)
        })
        .expect("somebody writes to the database");
        assert_eq!(code(safe.get("a")), KmsErrorCode::InternalService);
        assert_eq!(safe.get("b").expect("untouched"), "two");
    });
}

#[test]
fn audit_records_tell_everything_but_values() {
    const PLANTED: &str = "planted-value-0123456789";
    with_safes(|safe| {
        let created = safe.create("s", PLANTED);
        safe.get("s").expect("read");
        safe.put("s", &format!("{PLANTED}-2"));
        safe.call(&PutSecretValueRequest {
            client_request_token: created.version_id,
            secret_string: text(&format!("{PLANTED}-3")),
            ..put("s")
        })
        .expect_err("refused");
        safe.delete("s").expect("scheduled");
        code(safe.get("s"));
        let records = safe.engine.audit_records(0, 1000).expect("records");
        let told: Vec<(&str, &str)> =
            records.iter().map(|r| (r.operation.as_str(), r.result.as_str())).collect();
        assert_eq!(
            told,
            [
                ("CreateKey", "ok"),
                ("CreateSecret", "ok"),
                ("GetSecretValue", "ok"),
                ("PutSecretValue", "ok"),
                ("PutSecretValue", "ResourceExistsException"),
                ("DeleteSecret", "ok"),
                ("GetSecretValue", "InvalidRequestException"),
            ]
        );
        let records = &records[1..];
        for record in records {
            assert_eq!(record.trail.resources.first(), Some(&created.arn), "{record:?}");
            let text = serde_json::to_string(record).expect("json");
            assert!(!text.contains(PLANTED), "{text}");
        }
        assert_eq!(records[1].trail.bytes_out, Some(PLANTED.len() as u64));
        assert!(records[1].read_only && !records[2].read_only);
        assert!(safe.engine.verify_audit().expect("a walk").is_sound());
    });
}

#[cfg(feature = "sqlite")]
#[test]
fn the_files_on_disk_hold_no_value() {
    const PLANTED: &str = "planted-value-0123456789";
    let safe = Safe::on_disk();
    safe.create("s", PLANTED);
    safe.put("s", &format!("{PLANTED}-2"));
    let folder = safe.folder.as_ref().expect("a folder").path();
    let mut files = 0;
    for file in std::fs::read_dir(folder).expect("a folder") {
        let bytes = std::fs::read(file.expect("a file").path()).expect("its bytes");
        let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        assert!(!holds(PLANTED.as_bytes()) && !holds(b"planted"));
        files += usize::from(holds(b"AWSCURRENT"));
    }
    assert!(files > 0, "the database itself was among them");
}

#[test]
fn errors_do_not_repeat_values() {
    const PLANTED: &str = "planted-value-0123456789";
    with_safes(|safe| {
        let key = safe.new_key();
        create_under(safe, "s", &key, PLANTED).expect("created");
        disable(safe, &key);
        for error in [
            safe.get("s").err(),
            safe.call(&PutSecretValueRequest { secret_string: text(PLANTED), ..put("s") }).err(),
            safe.call(&PutSecretValueRequest {
                secret_string: text(&PLANTED.repeat(5000)),
                ..put("s")
            })
            .err(),
            create_under(safe, "s", &key, PLANTED).err(),
        ] {
            let error = error.expect("refused");
            assert!(!format!("{error} {error:?}").contains(PLANTED));
        }
    });
}
