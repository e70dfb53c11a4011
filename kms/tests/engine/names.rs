//! Names of keys, aliases, tags.

use keyfold_kms::KmsErrorCode as Code;
use keyfold_kms::types::*;

use crate::world::*;

#[test]
fn a_key_answers_to_its_four_names_where_it_is_used() {
    let world = world();
    let key = world.key();
    world.ok(&alias("alias/docs", &key));
    let realm = world.engine.realm();
    for name in [key.clone(), realm.key(&key), "alias/docs".into(), realm.alias("alias/docs")] {
        assert_eq!(world.ok(&encrypt(&name, b"x")).key_id, realm.key(&key));
        assert_eq!(world.ok(&describe(&name)).key_metadata.key_id, key);
    }
    // Operations that manage a key want the key itself.
    assert_eq!(world.refused(&disable("alias/docs")), Code::NotFound);
    assert_eq!(world.refused(&disable(&realm.alias("alias/docs"))), Code::InvalidArn);
    world.ok(&disable(&realm.key(&key)));
}

#[test]
fn names_that_name_nothing_are_refused_by_kind() {
    let world = world();
    let key = world.key();
    for (name, code) in [
        (String::new(), Code::Validation),
        ("x".repeat(2049), Code::Validation),
        ("no-such-key".into(), Code::NotFound),
        ("alias/none".into(), Code::NotFound),
        ("00000000-0000-4000-8000-000000000000".into(), Code::NotFound),
        (key.to_uppercase(), Code::NotFound),
        (format!("{{{key}}}"), Code::NotFound),
        (key.replace('-', ""), Code::NotFound),
        (format!("arn:aws:kms:eu-west-1:{ACCOUNT}:key/{key}"), Code::NotFound),
        (format!("arn:aws:kms:us-east-1:111122223333:key/{key}"), Code::NotFound),
        (format!("arn:aws:s3:us-east-1:{ACCOUNT}:key/{key}"), Code::InvalidArn),
        (format!("arn:aws:kms:us-east-1:{ACCOUNT}:{key}"), Code::InvalidArn),
        ("arn:".into(), Code::InvalidArn),
    ] {
        assert_eq!(world.refused(&describe(&name)), code, "{name:.80}");
    }
}

#[test]
fn aliases_are_checked_moved_and_removed() {
    let world = world();
    let (key, other) = (world.key(), world.key());
    for name in ["docs", "alias/", "alias/aws/x", "alias/a b", "alias/a:b", "alias/\u{e9}"] {
        assert_eq!(world.refused(&alias(name, &key)), Code::InvalidAliasName, "{name}");
    }
    assert_eq!(world.refused(&alias("", &key)), Code::Validation);
    let long = format!("alias/{}", "a".repeat(251));
    assert_eq!(world.refused(&alias(&long, &key)), Code::Validation);
    world.ok(&alias(&long[..256], &key));

    world.ok(&alias("alias/a", &key));
    assert_eq!(world.refused(&alias("alias/a", &other)), Code::AlreadyExists);
    assert_eq!(world.refused(&alias("alias/b", "alias/a")), Code::NotFound);
    let to = |target: &str| UpdateAliasRequest {
        alias_name: "alias/a".into(),
        target_key_id: target.into(),
    };
    world.clock.advance(1000);
    world.ok(&to(&other));
    assert_eq!(world.ok(&describe("alias/a")).key_metadata.key_id, other);
    let list = ListAliasesRequest { key_id: Some(other.clone()), ..Default::default() };
    let listed = world.ok(&list).aliases;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].target_key_id, other);
    assert_eq!(listed[0].alias_arn, world.engine.realm().alias("alias/a"));
    assert!(listed[0].creation_date < listed[0].last_updated_date);
    let pair = world.pair(KeySpec::Rsa2048, KeyUsage::EncryptDecrypt);
    assert_eq!(world.refused(&to(&pair)), Code::InvalidKeyUsage);
    world.ok(&schedule(&key, 7));
    assert_eq!(world.refused(&to(&key)), Code::InvalidState);
    world.ok(&schedule(&other, 7));
    let fresh = world.key();
    world.ok(&to(&fresh));

    let remove = DeleteAliasRequest { alias_name: "alias/a".into() };
    world.ok(&remove);
    assert_eq!(world.refused(&remove), Code::NotFound);
    assert_eq!(world.refused(&to(&fresh)), Code::NotFound);
    for n in 0..50 {
        world.ok(&alias(&format!("alias/{n}"), &fresh));
    }
    assert_eq!(world.refused(&alias("alias/50", &fresh)), Code::LimitExceeded);
}

#[test]
fn tags_are_added_replaced_removed_and_limited() {
    let world = world();
    let request = CreateKeyRequest { tags: vec![tag("a", "1")], ..CreateKeyRequest::default() };
    let key = world.ok(&request).key_metadata.key_id;
    let put = |tags: Vec<Tag>| TagResourceRequest { key_id: key.clone(), tags };
    world.ok(&put(vec![tag("a", "2"), tag("b", "")]));
    let list = ListResourceTagsRequest { key_id: key.clone(), ..Default::default() };
    assert_eq!(world.ok(&list).tags, [tag("a", "2"), tag("b", "")]);
    world.ok(&UntagResourceRequest { key_id: key.clone(), tag_keys: vec!["a".into(), "z".into()] });
    assert_eq!(world.ok(&list).tags, [tag("b", "")]);
    assert_eq!(world.refused(&put(vec![tag("aws:x", "")])), Code::Tag);
    assert_eq!(world.refused(&put(vec![tag("c", ""), tag("c", "")])), Code::Tag);
    assert_eq!(world.refused(&put(vec![tag("", "")])), Code::Validation);
    assert_eq!(world.refused(&put(vec![tag(&"k".repeat(129), "")])), Code::Validation);
    assert_eq!(world.refused(&put(vec![tag("k", &"v".repeat(257))])), Code::Validation);
    let many: Vec<Tag> = (0..50).map(|n| tag(&format!("n{n}"), "")).collect();
    assert_eq!(world.refused(&put(many.clone())), Code::LimitExceeded);
    assert_eq!(world.ok(&list).tags, [tag("b", "")]);
    world.ok(&put(many[1..].to_vec()));
    assert_eq!(world.ok(&list).tags.len(), 50);
}
