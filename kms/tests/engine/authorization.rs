//! Every operation is checked under its own action: whoever holds all others is refused.

use keyfold_kms::engine::Operation;
use keyfold_kms::types::*;
use keyfold_kms::{Caller, Engine, KmsError, KmsErrorCode as Code};

use crate::world::*;

pub(crate) type Attempt = Box<dyn Fn(&Engine, &Caller) -> Result<(), KmsError>>;

pub(crate) fn attempt<O: Operation + 'static>(request: O) -> (&'static str, Attempt) {
    (O::NAME, Box::new(move |engine, caller| engine.call(caller, &request).map(drop)))
}

/// One call of each operation that the owner may make, in an order in which all succeed.
pub(crate) fn attempts(world: &World) -> Vec<(&'static str, Attempt)> {
    let (key, other, doomed) = (world.key(), world.key(), world.key());
    let pair = world.pair(KeySpec::EccNistP256, KeyUsage::SignVerify);
    let algorithm = SigningAlgorithm::EcdsaSha256;
    let blob = world.ok(&encrypt(&key, b"x")).ciphertext_blob;
    let signature = world.ok(&sign(&pair, algorithm, b"m")).signature.0;
    let made = || world.ok(&grant(&key, ALICE, &[GrantOperation::Decrypt]));
    let (retired, revoked) = (made(), made());
    let key_id = || key.clone();
    vec![
        attempt(CreateKeyRequest::default()),
        attempt(describe(&key)),
        attempt(ListKeysRequest::default()),
        attempt(disable(&other)),
        attempt(enable(&other)),
        attempt(UpdateKeyDescriptionRequest { key_id: key_id(), description: "d".into() }),
        attempt(schedule(&doomed, 7)),
        attempt(cancel(&doomed)),
        attempt(alias("alias/new", &key)),
        attempt(UpdateAliasRequest {
            alias_name: "alias/new".into(),
            target_key_id: other.clone(),
        }),
        attempt(DeleteAliasRequest { alias_name: "alias/new".into() }),
        attempt(ListAliasesRequest::default()),
        attempt(TagResourceRequest { key_id: key_id(), tags: vec![tag("a", "b")] }),
        attempt(UntagResourceRequest { key_id: key_id(), tag_keys: vec!["a".into()] }),
        attempt(ListResourceTagsRequest { key_id: key_id(), ..Default::default() }),
        attempt(GetKeyPolicyRequest { key_id: key_id(), policy_name: None }),
        attempt(PutKeyPolicyRequest {
            key_id: key_id(),
            policy: keyfold_kms::policy::Policy::default_document("aws", ACCOUNT),
            bypass_policy_lockout_safety_check: Some(true),
            ..PutKeyPolicyRequest::default()
        }),
        attempt(ListKeyPoliciesRequest { key_id: key_id(), ..Default::default() }),
        attempt(encrypt(&key, b"x")),
        attempt(decrypt(&blob)),
        attempt(ReEncryptRequest {
            ciphertext_blob: Some(blob.clone()),
            destination_key_id: other.clone(),
            ..ReEncryptRequest::default()
        }),
        attempt(GenerateDataKeyRequest {
            key_id: key_id(),
            number_of_bytes: Some(32),
            ..GenerateDataKeyRequest::default()
        }),
        attempt(GenerateDataKeyWithoutPlaintextRequest {
            key_id: key_id(),
            number_of_bytes: Some(32),
            ..GenerateDataKeyWithoutPlaintextRequest::default()
        }),
        attempt(GenerateRandomRequest { number_of_bytes: Some(32), ..Default::default() }),
        attempt(sign(&pair, algorithm, b"m")),
        attempt(verify(&pair, algorithm, b"m", &signature)),
        attempt(GetPublicKeyRequest { key_id: pair.clone(), grant_tokens: vec![] }),
        attempt(EnableKeyRotationRequest { key_id: key_id(), rotation_period_in_days: None }),
        attempt(DisableKeyRotationRequest { key_id: key_id() }),
        attempt(GetKeyRotationStatusRequest { key_id: key_id() }),
        attempt(rotate(&key)),
        attempt(ListKeyRotationsRequest { key_id: key_id(), ..Default::default() }),
        attempt(grant(&key, BOB, &[GrantOperation::Decrypt])),
        attempt(ListGrantsRequest { key_id: key_id(), ..ListGrantsRequest::default() }),
        attempt(ListRetirableGrantsRequest {
            retiring_principal: Some(BOB.into()),
            ..ListRetirableGrantsRequest::default()
        }),
        attempt(RetireGrantRequest {
            grant_token: Some(retired.grant_token),
            ..RetireGrantRequest::default()
        }),
        attempt(RevokeGrantRequest { key_id: key_id(), grant_id: revoked.grant_id, dry_run: None }),
    ]
}

#[test]
fn all_thirty_seven_refuse_whoever_lacks_their_own_action() {
    let world = world();
    let attempts = attempts(&world);
    assert_eq!(attempts.len(), 37);
    let mut actions: Vec<&str> =
        attempts.iter().map(|(name, _)| *name).filter(|name| *name != "ReEncrypt").collect();
    actions.extend(["ReEncryptFrom", "ReEncryptTo"]);
    for (name, attempt) in &attempts {
        let own: &[&str] =
            if *name == "ReEncrypt" { &["ReEncryptFrom", "ReEncryptTo"] } else { &[name] };
        for missing in own {
            let others = actions.iter().filter(|action| action != &missing);
            let caller =
                Caller::new(world.engine.realm().account_root().replace("root", "user/x"), ACCOUNT)
                    .with_permissions(others.map(|action| format!("kms:{action}")));
            let error = failure(attempt(&world.engine, &caller));
            assert_eq!(error.code(), Code::AccessDenied, "{name} without {missing}: {error}");
        }
        // And the owner is allowed, so that the refusal was for the action's sake.
        if let Err(error) = attempt(&world.engine, &world.owner) {
            panic!("{name}: {error}");
        }
        // As is a caller with that action alone, but for the grant that names who may end it.
        if *name != "RetireGrant" {
            continue;
        }
        let caller = Caller::new(BOB, ACCOUNT).with_permissions(["kms:*"]);
        assert!(attempt(&world.engine, &caller).is_err());
    }
    assert!(world.engine.verify_audit().expect("a walk").is_sound());
}

#[test]
fn one_action_is_enough_for_its_operation() {
    // Operations that change what later ones need run on a world of their own.
    let count = attempts(&world()).len();
    for index in 0..count {
        let world = world();
        let attempts = attempts(&world);
        for (_, earlier) in &attempts[..index] {
            earlier(&world.engine, &world.owner).expect("the owner may");
        }
        let (name, attempt) = &attempts[index];
        let own = match *name {
            "RetireGrant" => continue, // The grant decides, not the role.
            "ReEncrypt" => vec!["kms:ReEncryptFrom".to_owned(), "kms:ReEncryptTo".to_owned()],
            name => vec![format!("kms:{name}")],
        };
        let caller = Caller::new(ALICE, ACCOUNT).with_permissions(own);
        if let Err(error) = attempt(&world.engine, &caller) {
            panic!("{name}: {error}");
        }
    }
}

#[test]
fn tags_at_creation_need_their_own_action() {
    let world = world();
    let request = CreateKeyRequest { tags: vec![tag("a", "b")], ..CreateKeyRequest::default() };
    let creator = alice().with_permissions(["kms:CreateKey", "kms:PutKeyPolicy"]);
    assert_eq!(world.refused_as(&creator, &request), Code::AccessDenied);
    world.ok_as(&creator.with_permissions(["kms:TagResource"]), &request);
}
