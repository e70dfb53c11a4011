//! Callers that are limited to operations, keys and contexts: every operation honours it.

use keyfold::EncryptionContext;
use keyfold_kms::engine::{Narrowing, Operation};
use keyfold_kms::types::*;
use keyfold_kms::{Caller, KmsErrorCode as Code};

use crate::authorization::{Attempt, attempt, attempts};
use crate::world::*;

/// One call of each operation of the safe that the owner may make, in an order in which all
/// succeed; their secrets are under a key.
fn safe_attempts(world: &World, key: &str) -> Vec<(&'static str, Attempt)> {
    let create = |name: &str| CreateSecretRequest {
        name: name.into(),
        kms_key_id: Some(key.into()),
        secret_string: Some("v".into()),
        ..CreateSecretRequest::default()
    };
    let version = world.ok(&create("s")).version_id.expect("a version");
    let id = || "s".to_owned();
    vec![
        attempt(create("new")),
        attempt(DescribeSecretRequest { secret_id: id() }),
        attempt(GetRandomPasswordRequest::default()),
        attempt(GetSecretValueRequest { secret_id: id(), ..Default::default() }),
        attempt(ListSecretVersionIdsRequest { secret_id: id(), ..Default::default() }),
        attempt(ListSecretsRequest::default()),
        attempt(PutSecretValueRequest {
            secret_id: id(),
            secret_string: Some("w".into()),
            ..PutSecretValueRequest::default()
        }),
        attempt(UpdateSecretRequest {
            secret_id: id(),
            description: Some("d".into()),
            ..UpdateSecretRequest::default()
        }),
        attempt(UpdateSecretVersionStageRequest {
            secret_id: id(),
            version_stage: "mine".into(),
            move_to_version_id: Some(version),
            ..UpdateSecretVersionStageRequest::default()
        }),
        attempt(TagSecretRequest {
            secret_id: id(),
            tags: vec![SecretTag { key: "a".into(), value: "b".into() }],
        }),
        attempt(UntagSecretRequest { secret_id: id(), tag_keys: vec!["a".into()] }),
        attempt(DeleteSecretRequest { secret_id: id(), ..DeleteSecretRequest::default() }),
        attempt(RestoreSecretRequest { secret_id: id() }),
    ]
}

/// All 37 and 13, with the service of each.
fn all(world: &World) -> Vec<(&'static str, &'static str, Attempt)> {
    let key = world.key();
    let kms = attempts(world).into_iter().map(|(name, attempt)| ("kms", name, attempt));
    let safe = safe_attempts(world, &key).into_iter();
    kms.chain(safe.map(|(name, attempt)| ("secretsmanager", name, attempt))).collect()
}

/// What is about no key.
const KEYLESS: &[&str] = &[
    "CreateKey",
    "GenerateRandom",
    "GetRandomPassword",
    "ListAliases",
    "ListKeys",
    "ListRetirableGrants",
    "ListSecrets",
];
/// What takes an encryption context.
const WITH_CONTEXT: &[&str] =
    &["Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncrypt"];
/// What the safe does under a context of its own.
const WITH_VALUE: &[&str] = &["CreateSecret", "GetSecretValue", "PutSecretValue"];

#[track_caller]
fn narrowing_of_last(world: &World) -> Option<String> {
    let report = world.engine.verify_audit().expect("a walk");
    let records = world.engine.audit_records(report.last - 1, 1).expect("a record");
    records[0].trail.narrowing.clone()
}

#[test]
fn all_fifty_are_refused_outside_of_the_operations() {
    let world = world();
    let all = all(&world);
    assert_eq!(all.len(), 50);
    for (service, name, attempt) in &all {
        let operation = format!("{service}:{name}");
        let others = all.iter().map(|(s, n, _)| format!("{s}:{n}")).filter(|o| *o != operation);
        let narrowed = world.owner.clone().narrowed(Narrowing::new().operations(others));
        let error = failure(attempt(&world.engine, &narrowed));
        assert_eq!(error.code(), Code::AccessDenied, "{operation}: {error}");
        assert_eq!(narrowing_of_last(&world).as_deref(), Some("operation"), "{operation}");
        let none = world.owner.clone().narrowed(Narrowing::new().operations([""; 0]));
        assert_eq!(failure(attempt(&world.engine, &none)).code(), Code::AccessDenied);
        // By each of its names it is allowed.
        let names = match *name {
            // This one can be done once only.
            _ if name.starts_with("Re") || name.starts_with("Cr") || name.starts_with("Ca") => {
                vec![operation]
            }
            "DeleteSecret" | "DeleteAlias" | "ScheduleKeyDeletion" => vec![operation],
            name => vec![operation, name.to_owned(), format!("{service}:*"), "*".to_owned()],
        };
        for operation in names {
            let narrowing = Narrowing::new().operations([operation.as_str()]);
            let narrowed = world.owner.clone().narrowed(narrowing);
            if let Err(error) = attempt(&world.engine, &narrowed) {
                panic!("{operation}: {error}");
            }
        }
    }
}

#[test]
fn all_that_are_about_a_key_are_refused_outside_of_the_keys() {
    let world = world();
    let foreign = world.key();
    let all = all(&world);
    let narrowed = world.owner.clone().narrowed(Narrowing::new().keys([foreign.as_str()]));
    let mut refused = 0;
    for (service, name, attempt) in &all {
        if !KEYLESS.contains(name) {
            let error = failure(attempt(&world.engine, &narrowed));
            assert_eq!(error.code(), Code::AccessDenied, "{service}:{name}: {error}");
            assert_eq!(narrowing_of_last(&world).as_deref(), Some("key"), "{service}:{name}");
            refused += 1;
        } else if let Err(error) = attempt(&world.engine, &narrowed) {
            panic!("{name} is about no key: {error}");
        }
        // Those that change what later ones need are done by the owner.
        if !KEYLESS.contains(name) || *name == "CreateKey" {
            attempt(&world.engine, &world.owner).expect("the owner may");
        }
    }
    assert_eq!(refused, 43);
}

#[test]
fn all_are_allowed_within_the_keys() {
    let world = world();
    let all = all(&world);
    let keys = world.ok(&ListKeysRequest::default()).keys;
    let ids: Vec<String> = keys.into_iter().map(|key| key.key_id).collect();
    let narrowed = world.owner.clone().narrowed(Narrowing::new().keys(ids));
    for (service, name, attempt) in &all {
        if let Err(error) = attempt(&world.engine, &narrowed) {
            panic!("{service}:{name}: {error}");
        }
    }
}

#[test]
fn all_that_take_a_context_are_refused_without_the_pairs() {
    let world = world();
    let all = all(&world);
    let pairs = EncryptionContext::from([("tenant", "acme")]);
    let narrowing = Narrowing::new().context(pairs.clone());
    let strict = world.owner.clone().narrowed(narrowing.clone());
    let wide = world.owner.clone().narrowed(narrowing.operations(["*"]));
    for (service, name, attempt) in &all {
        // Where no operations are named, only those are left that take a context.
        let error = attempt(&world.engine, &strict).err().map(|error| error.code());
        let limit = match *name {
            "DescribeKey" => None,
            name if WITH_CONTEXT.contains(&name) => Some("context"),
            _ => Some("operation"),
        };
        assert_eq!(error, limit.map(|_| Code::AccessDenied), "{service}:{name}");
        assert_eq!(narrowing_of_last(&world).as_deref(), limit, "{service}:{name}");
        // Where they are, those that take none are as free as they are named.
        let error = attempt(&world.engine, &wide).err().map(|error| error.code());
        let limited = WITH_CONTEXT.contains(name) || WITH_VALUE.contains(name);
        assert_eq!(error, limited.then_some(Code::AccessDenied), "{service}:{name}");
        if limited {
            attempt(&world.engine, &world.owner).expect("the owner may");
        }
    }
}

#[test]
fn the_pairs_must_be_there_with_these_values() {
    let world = world();
    let (key, other) = (world.key(), world.key());
    let pairs = EncryptionContext::from([("tenant", "acme")]);
    let narrowed = world.owner.clone().narrowed(Narrowing::new().context(pairs.clone()));
    let encrypt_in = |context: EncryptionContext| EncryptRequest {
        encryption_context: context,
        ..encrypt(&key, b"x")
    };
    let more = EncryptionContext::from([("tenant", "acme"), ("doc", "7")]);
    let blob = world.ok_as(&narrowed, &encrypt_in(more.clone())).ciphertext_blob;
    for wrong in [
        EncryptionContext::new(),
        [("tenant", "evil")].into(),
        [("Tenant", "acme")].into(),
        [("tenant", "acme ")].into(),
        [("doc", "7")].into(),
    ] {
        assert_eq!(world.refused_as(&narrowed, &encrypt_in(wrong)), Code::AccessDenied);
    }
    let re_encrypt = |to: EncryptionContext| ReEncryptRequest {
        ciphertext_blob: Some(blob.clone()),
        source_encryption_context: more.clone(),
        destination_key_id: other.clone(),
        destination_encryption_context: to,
        ..ReEncryptRequest::default()
    };
    // Neither side may leave the limits.
    assert_eq!(world.refused_as(&narrowed, &re_encrypt([("doc", "7")].into())), Code::AccessDenied);
    world.ok_as(&narrowed, &re_encrypt(pairs));
    let foreign = world.ok(&encrypt_in([("doc", "7")].into())).ciphertext_blob;
    let decrypt_in =
        DecryptRequest { encryption_context: [("doc", "7")].into(), ..decrypt(&foreign) };
    assert_eq!(world.refused_as(&narrowed, &decrypt_in), Code::AccessDenied);
}

#[test]
fn keys_are_meant_by_all_their_names() {
    let world = world();
    let (key, other) = (world.key(), world.key());
    world.ok(&alias("alias/docs", &key));
    let realm = world.engine.realm();
    for name in [key.clone(), realm.key(&key), "alias/docs".into(), realm.alias("alias/docs")] {
        let narrowed = world.owner.clone().narrowed(Narrowing::new().keys([name.as_str()]));
        for asked in [&key, "alias/docs", &realm.key(&key), &realm.alias("alias/docs")] {
            world.ok_as(&narrowed, &describe(asked));
        }
        assert_eq!(world.refused_as(&narrowed, &describe(&other)), Code::AccessDenied, "{name}");
    }
    // What names nothing here limits to nothing.
    for name in ["", "alias/none", "arn:aws:kms:eu-west-1:000000000000:key/x", "*", "alias/*"] {
        let narrowed = world.owner.clone().narrowed(Narrowing::new().keys([name]));
        assert_eq!(world.refused_as(&narrowed, &describe(&key)), Code::AccessDenied, "{name}");
    }
    // An alias means the key that it points to now.
    let narrowed = world.owner.clone().narrowed(Narrowing::new().keys(["alias/docs"]));
    world.ok(&UpdateAliasRequest { alias_name: "alias/docs".into(), target_key_id: other.clone() });
    assert_eq!(world.refused_as(&narrowed, &describe(&key)), Code::AccessDenied);
    world.ok_as(&narrowed, &describe(&other));
    // Nobody who is limited to keys learns which others there are.
    let absent = failure(world.engine.call(&narrowed, &describe("alias/none")));
    let foreign = failure(world.engine.call(&narrowed, &describe(&key)));
    assert_eq!((absent.code(), absent.message()), (foreign.code(), foreign.message()));
}

#[test]
fn an_alias_moves_only_between_keys_within_the_limits() {
    let world = world();
    let (key, other) = (world.key(), world.key());
    world.ok(&alias("alias/docs", &key));
    let to = |target: &str| UpdateAliasRequest {
        alias_name: "alias/docs".into(),
        target_key_id: target.into(),
    };
    let only = |id: &str| world.owner.clone().narrowed(Narrowing::new().keys([id]));
    assert_eq!(world.refused_as(&only(&key), &to(&other)), Code::AccessDenied);
    assert_eq!(world.refused_as(&only(&other), &to(&other)), Code::AccessDenied);
    let both = Narrowing::new().keys([key.as_str(), other.as_str()]);
    world.ok_as(&world.owner.clone().narrowed(both), &to(&other));
}

#[test]
fn a_secret_is_where_its_key_is() {
    let world = world();
    let (key, other) = (world.key(), world.key());
    let create = |name: &str, key: Option<&str>| CreateSecretRequest {
        name: name.into(),
        kms_key_id: key.map(str::to_owned),
        secret_string: Some("v".into()),
        ..CreateSecretRequest::default()
    };
    let get = |name: &str| GetSecretValueRequest { secret_id: name.into(), ..Default::default() };
    let narrowed = world.owner.clone().narrowed(Narrowing::new().keys([key.as_str()]));
    world.ok_as(&narrowed, &create("mine", Some(&key)));
    world.ok_as(&narrowed, &get("mine"));
    assert_eq!(world.refused_as(&narrowed, &create("x", Some(&other))), Code::AccessDenied);
    // The safe's own key, made by the first secret that names none, has a name before it is.
    assert_eq!(world.refused_as(&narrowed, &create("x", None)), Code::AccessDenied);
    let default = Narrowing::new().keys(["alias/aws/secretsmanager"]);
    let default = world.owner.clone().narrowed(default);
    world.ok_as(&default, &create("theirs", None));
    world.ok_as(&default, &get("theirs"));
    assert_eq!(world.refused_as(&narrowed, &get("theirs")), Code::AccessDenied);
    // A secret does not leave the limits either, nor can it be seen whether there is one.
    let away = UpdateSecretRequest {
        secret_id: "mine".into(),
        kms_key_id: Some(other.clone()),
        ..UpdateSecretRequest::default()
    };
    assert_eq!(world.refused_as(&narrowed, &away), Code::AccessDenied);
    assert_eq!(world.refused_as(&narrowed, &get("none")), Code::AccessDenied);
    let force = DeleteSecretRequest {
        secret_id: "theirs".into(),
        force_delete_without_recovery: Some(true),
        ..DeleteSecretRequest::default()
    };
    assert_eq!(world.refused_as(&narrowed, &force), Code::AccessDenied);
    // By its context a token can be for one secret alone.
    let arn = world.ok(&DescribeSecretRequest { secret_id: "mine".into() }).arn;
    let one = Narrowing::new()
        .operations(["GetSecretValue"])
        .context([("SecretARN", arn.as_str())].into());
    let one = world.owner.clone().narrowed(one);
    world.ok_as(&one, &get("mine"));
    assert_eq!(world.refused_as(&one, &get("theirs")), Code::AccessDenied);
}

#[test]
fn a_narrowing_gives_no_rights() {
    let world = world();
    let key = world.key();
    let narrowing = Narrowing::new().keys([key.as_str()]).operations(["*"]);
    let stranger = alice().narrowed(narrowing);
    assert_eq!(world.refused_as(&stranger, &describe(&key)), Code::AccessDenied);
    assert_eq!(narrowing_of_last(&world), None);
}

#[test]
fn access_keys_and_tokens_are_made_by_whoever_may() {
    fn refused<O: Operation>(world: &World, request: &O) {
        let admin = |actions: &[&str]| alice().with_permissions(actions.iter().copied());
        assert_eq!(
            world.refused_as(&admin(&["kms:*", "secretsmanager:*"]), request),
            Code::AccessDenied
        );
        let foreign = Caller::new("arn:aws:iam::111122223333:root", "111122223333");
        let foreign = foreign.with_permissions(["*"]);
        assert_eq!(world.refused_as(&foreign, request), Code::AccessDenied);
        let narrowed = world.owner.clone().narrowed(Narrowing::new().operations(["kms:*"]));
        assert_eq!(world.refused_as(&narrowed, request), Code::AccessDenied);
        let own = format!("keyfold:{}", O::NAME);
        world.ok_as(&admin(&[&own]), request);
    }
    let world = world();
    let create = CreateAccessKeyRequest { user_name: "u".into(), ..Default::default() };
    let access_key_id = world.ok(&create).access_key.access_key_id;
    let id = || access_key_id.clone();
    refused(&world, &create);
    let inactive = AccessKeyStatus::Inactive;
    refused(&world, &UpdateAccessKeyRequest { access_key_id: id(), status: inactive });
    refused(&world, &RotateAccessKeyRequest { access_key_id: id() });
    refused(&world, &ListAccessKeysRequest::default());
    refused(&world, &DeleteAccessKeyRequest { access_key_id: id() });
    let token = IssueTokenRequest {
        subject: "s".into(),
        expires_in_seconds: 60,
        ..IssueTokenRequest::default()
    };
    refused(&world, &token);
}

#[test]
fn two_access_keys_of_a_user_work_at_a_time() {
    let world = world();
    let day = keyfold_kms::Timestamp::DAY;
    let start = world.engine.call(&world.owner, &ListAccessKeysRequest::default());
    assert_eq!(start.expect("a list").access_keys, []);
    let create = |user: &str, days: Option<i64>| CreateAccessKeyRequest {
        user_name: user.into(),
        permissions: vec!["kms:*".into()],
        expires: days.map(|days| keyfold_kms::Timestamp::from_millis(START).plus(days * day)),
    };
    let first = world.ok(&create("ann", Some(10))).access_key;
    let second = world.ok(&RotateAccessKeyRequest { access_key_id: first.access_key_id.clone() });
    assert_eq!(second.access_key.permissions, ["kms:*"]);
    assert_eq!(second.access_key.expires, first.expires, "as long as the first was made for");
    assert_eq!(world.refused(&create("ann", None)), Code::LimitExceeded);
    // A name that another one begins with is another user.
    world.ok(&create("ann2", None));
    let of = |user: &str| {
        let request = ListAccessKeysRequest { user_name: Some(user.into()), ..Default::default() };
        world.ok(&request).access_keys.len()
    };
    assert_eq!((of("ann"), of("ann2"), of("an")), (2, 1, 0));
    let set =
        |status| UpdateAccessKeyRequest { access_key_id: first.access_key_id.clone(), status };
    world.ok(&set(AccessKeyStatus::Inactive));
    world.ok(&set(AccessKeyStatus::Inactive));
    world.ok(&create("ann", None));
    assert_eq!(world.refused(&set(AccessKeyStatus::Active)), Code::LimitExceeded);
    // One whose time is over makes room.
    world.clock.advance_days(11);
    world.ok(&create("ann", None));
    let page = world.ok(&ListAccessKeysRequest { limit: Some(3), ..Default::default() });
    assert!(page.truncated);
    let next = ListAccessKeysRequest { marker: page.next_marker, ..Default::default() };
    assert_eq!(page.access_keys.len() + world.ok(&next).access_keys.len(), 5);
    assert_eq!(world.refused(&create("ann", Some(1))), Code::Validation);
}
