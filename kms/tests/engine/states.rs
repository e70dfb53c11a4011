//! The state machine, against a small model of it.

use keyfold_kms::KmsErrorCode as Code;
use keyfold_kms::types::*;
use proptest::prelude::*;

use crate::world::*;

/// What can be done with one key.
#[derive(Clone, Copy, Debug)]
enum Step {
    Enable,
    Disable,
    Schedule(u32),
    Cancel,
    Days(i64),
    Tick,
    Encrypt,
    Decrypt,
    ReEncrypt,
    GenerateDataKey,
    Describe,
    Tag,
    Untag,
    UpdateDescription,
    GetPolicy,
    PutPolicy,
    ListGrants,
    CreateGrant,
    RevokeGrant,
    CreateAlias,
    DeleteAlias,
    EnableRotation,
    DisableRotation,
    RotationStatus,
    Rotate,
    ListRotations,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Enable),
        3 => Just(Step::Disable),
        3 => (7u32..=30).prop_map(Step::Schedule),
        3 => Just(Step::Cancel),
        3 => (0i64..12).prop_map(Step::Days),
        1 => Just(Step::Tick),
        1 => Just(Step::Encrypt),
        1 => Just(Step::Decrypt),
        1 => Just(Step::ReEncrypt),
        1 => Just(Step::GenerateDataKey),
        1 => Just(Step::Describe),
        1 => Just(Step::Tag),
        1 => Just(Step::Untag),
        1 => Just(Step::UpdateDescription),
        1 => Just(Step::GetPolicy),
        1 => Just(Step::PutPolicy),
        1 => Just(Step::ListGrants),
        1 => Just(Step::CreateGrant),
        1 => Just(Step::RevokeGrant),
        1 => Just(Step::CreateAlias),
        1 => Just(Step::DeleteAlias),
        1 => Just(Step::EnableRotation),
        1 => Just(Step::DisableRotation),
        1 => Just(Step::RotationStatus),
        1 => Just(Step::Rotate),
        1 => Just(Step::ListRotations),
    ]
}

/// The model: a state, and the days until the end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Model {
    Enabled,
    Disabled,
    Pending(i64),
    Gone,
}

impl Model {
    /// Section "operation by state" of the AWS guide, as one table.
    fn expects(&mut self, step: Step) -> Option<Code> {
        use Model::{Disabled, Enabled, Gone, Pending};
        use Step as S;
        let (old, invalid) = (*self, Some(Code::InvalidState));
        if old == Gone && !matches!(step, S::Days(_) | S::Tick) {
            // A ciphertext names its key itself.
            return Some(Code::NotFound);
        }
        match (step, old) {
            (S::Enable, Enabled | Disabled) => *self = Enabled,
            (S::Disable, Enabled | Disabled) => *self = Disabled,
            (S::Schedule(days), Enabled | Disabled) => *self = Pending(days.into()),
            (S::Cancel, Pending(_)) => *self = Disabled,
            (S::Enable | S::Disable | S::Schedule(_), Pending(_)) => return invalid,
            (S::Cancel, _) => return invalid,
            (S::Days(days), Pending(left)) => {
                *self = if left <= days { Gone } else { Pending(left - days) };
            }
            (
                S::Encrypt
                | S::Decrypt
                | S::ReEncrypt
                | S::GenerateDataKey
                | S::CreateGrant
                | S::EnableRotation
                | S::DisableRotation
                | S::Rotate,
                state,
            ) => match state {
                Disabled => return Some(Code::Disabled),
                Pending(_) => return invalid,
                _ => {}
            },
            (S::Tag | S::Untag | S::UpdateDescription | S::CreateAlias, Pending(_)) => {
                return invalid;
            }
            _ => {}
        }
        None
    }
}

struct Subject {
    world: World,
    key: String,
    other: String,
    blob: Blob,
    aliases: u32,
    rotations: u32,
}

impl Subject {
    fn new() -> Self {
        let world = world();
        let (key, other) = (world.key(), world.key());
        let blob = world.ok(&encrypt(&key, b"before")).ciphertext_blob;
        Subject { world, key, other, blob, aliases: 0, rotations: 0 }
    }

    fn ask<O: keyfold_kms::engine::Operation>(&self, request: &O) -> Option<Code> {
        self.world.engine.call(&self.world.owner, request).err().map(|error| error.code())
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each step")]
    fn perform(&mut self, step: Step) -> Option<Code> {
        let key_id = self.key.clone();
        match step {
            Step::Enable => self.ask(&enable(&key_id)),
            Step::Disable => self.ask(&disable(&key_id)),
            Step::Schedule(days) => self.ask(&schedule(&key_id, days)),
            Step::Cancel => self.ask(&cancel(&key_id)),
            Step::Days(days) => {
                self.world.clock.advance_days(days);
                None
            }
            Step::Tick => {
                self.world.engine.tick().expect("a tick");
                None
            }
            Step::Encrypt => self.ask(&encrypt(&key_id, b"now")),
            Step::Decrypt => {
                let request = DecryptRequest { key_id: Some(key_id), ..decrypt(&self.blob) };
                self.ask(&request)
            }
            Step::ReEncrypt => self.ask(&ReEncryptRequest {
                ciphertext_blob: Some(self.blob.clone()),
                source_key_id: Some(key_id),
                destination_key_id: self.other.clone(),
                ..ReEncryptRequest::default()
            }),
            Step::GenerateDataKey => self.ask(&GenerateDataKeyRequest {
                key_id,
                number_of_bytes: Some(32),
                ..GenerateDataKeyRequest::default()
            }),
            Step::Describe => self.ask(&describe(&key_id)),
            Step::Tag => self.ask(&TagResourceRequest { key_id, tags: vec![tag("a", "b")] }),
            Step::Untag => self.ask(&UntagResourceRequest { key_id, tag_keys: vec!["a".into()] }),
            Step::UpdateDescription => {
                self.ask(&UpdateKeyDescriptionRequest { key_id, description: "d".into() })
            }
            Step::GetPolicy => self.ask(&GetKeyPolicyRequest { key_id, policy_name: None }),
            Step::PutPolicy => {
                let policy = keyfold_kms::policy::Policy::default_document("aws", ACCOUNT);
                self.ask(&PutKeyPolicyRequest { key_id, policy, ..Default::default() })
            }
            Step::ListGrants => {
                self.ask(&ListGrantsRequest { key_id, ..ListGrantsRequest::default() })
            }
            Step::CreateGrant => self.ask(&grant(&key_id, ALICE, &[GrantOperation::Decrypt])),
            Step::RevokeGrant => {
                let list = ListGrantsRequest { key_id: key_id.clone(), ..Default::default() };
                match self.world.engine.call(&self.world.owner, &list) {
                    Err(error) => Some(error.code()),
                    Ok(list) => list.grants.first().and_then(|grant| {
                        let grant_id = grant.grant_id.clone();
                        self.ask(&RevokeGrantRequest { key_id, grant_id, dry_run: None })
                    }),
                }
            }
            Step::CreateAlias => {
                let outcome = self.ask(&alias(&format!("alias/n{}", self.aliases), &key_id));
                self.aliases += u32::from(outcome.is_none());
                outcome
            }
            Step::DeleteAlias if self.aliases == 0 => self.ask(&describe(&key_id)),
            Step::DeleteAlias => {
                let alias_name = format!("alias/n{}", self.aliases - 1);
                let outcome = self.ask(&DeleteAliasRequest { alias_name });
                self.aliases -= u32::from(outcome.is_none());
                outcome
            }
            Step::EnableRotation => {
                self.ask(&EnableKeyRotationRequest { key_id, rotation_period_in_days: Some(2560) })
            }
            Step::DisableRotation => self.ask(&DisableKeyRotationRequest { key_id }),
            Step::RotationStatus => self.ask(&GetKeyRotationStatusRequest { key_id }),
            Step::Rotate if self.rotations >= 25 => self.ask(&encrypt(&key_id, b"now")),
            Step::Rotate => {
                let outcome = self.ask(&rotate(&key_id));
                self.rotations += u32::from(outcome.is_none());
                outcome
            }
            Step::ListRotations => {
                self.ask(&ListKeyRotationsRequest { key_id, ..Default::default() })
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_engine_follows_the_model(steps in proptest::collection::vec(step(), 1..50)) {
        let (mut subject, mut model) = (Subject::new(), Model::Enabled);
        for step in steps {
            let before = model;
            let expected = model.expects(step);
            let outcome = subject.perform(step);
            prop_assert_eq!(outcome, expected, "{:?} in {:?}", step, before);
            let described = subject.world.engine.call(&subject.world.owner, &describe(&subject.key));
            match (model, described.map(|described| described.key_metadata)) {
                (Model::Gone, Err(error)) => prop_assert_eq!(error.code(), Code::NotFound),
                (model, Ok(key)) => {
                    let state = match model {
                        Model::Enabled => KeyState::Enabled,
                        Model::Disabled => KeyState::Disabled,
                        _ => KeyState::PendingDeletion,
                    };
                    prop_assert_eq!(key.key_state, state);
                    prop_assert_eq!(key.enabled, state == KeyState::Enabled);
                    prop_assert_eq!(
                        key.deletion_date.is_some(),
                        state == KeyState::PendingDeletion
                    );
                }
                (model, Err(error)) => prop_assert!(false, "{:?}: {}", model, error),
            }
        }
        prop_assert!(subject.world.engine.verify_audit().expect("a walk").is_sound());
    }
}

#[test]
fn what_clients_grep_for_leads_with_the_arn() {
    let world = world();
    let key = world.key();
    let arn = world.arn(&key);
    let text = |request: &EncryptRequest| {
        failure(world.engine.call(&world.owner, request)).message().to_owned()
    };
    world.ok(&disable(&key));
    assert_eq!(text(&encrypt(&key, b"x")), format!("{arn} is disabled."));
    let error = failure(world.engine.call(&world.owner, &cancel(&key)));
    assert_eq!(error.message(), format!("{arn} is not pending deletion."));
    world.ok(&schedule(&key, 7));
    assert_eq!(text(&encrypt(&key, b"x")), format!("{arn} is pending deletion."));
}

#[test]
fn a_deleted_key_is_gone_at_its_date_and_destroyed_after_two_observations() {
    let world = world();
    let key = world.key();
    world.ok(&alias("alias/doomed", &key));
    world.ok(&grant(&key, ALICE, &[GrantOperation::Decrypt]));
    let blob = world.ok(&encrypt(&key, b"secret")).ciphertext_blob;
    let scheduled = world.ok(&schedule(&key, 7));
    assert_eq!(scheduled.deletion_date.millis(), START + 7 * 86_400_000);

    world.clock.advance_days(7);
    assert_eq!(world.refused(&describe(&key)), Code::NotFound);
    assert_eq!(world.refused(&cancel(&key)), Code::NotFound);
    assert_eq!(world.refused(&describe("alias/doomed")), Code::NotFound);
    assert!(world.ok(&ListKeysRequest::default()).keys.is_empty());
    assert!(world.ok(&ListAliasesRequest::default()).aliases.is_empty());

    // A clock that jumped ahead and came back has destroyed nothing.
    assert_eq!(world.engine.tick().expect("a tick").deleted, 0);
    world.clock.advance_days(-7);
    assert_eq!(world.state(&key), KeyState::PendingDeletion);
    assert_eq!(world.engine.tick().expect("a tick").deleted, 0);

    world.clock.advance_days(7);
    assert_eq!(world.engine.tick().expect("a tick").deleted, 0);
    world.clock.advance(3_600_000);
    assert_eq!(world.engine.tick().expect("a tick").deleted, 1);
    world.clock.advance_days(-7);
    let error = failure(world.engine.call(&world.owner, &describe(&key)));
    assert_eq!(error.code(), Code::NotFound);
    assert!(error.message().contains("was deleted on 20"), "{error}");
    assert_eq!(world.refused(&decrypt(&blob)), Code::NotFound);
    // The name is free again.
    let next = world.key();
    world.ok(&alias("alias/doomed", &next));
    let last = world.engine.audit_records(0, 1000).expect("records");
    assert!(last.iter().any(|r| r.operation == "DeleteKey" && r.principal == "keyfold"));
}

#[test]
fn an_alias_of_a_key_whose_time_is_over_is_free() {
    let world = world();
    let key = world.key();
    world.ok(&alias("alias/a", &key));
    world.ok(&schedule(&key, 7));
    let next = world.key();
    assert_eq!(world.refused(&alias("alias/a", &next)), Code::AlreadyExists);
    world.clock.advance_days(8);
    world.ok(&alias("alias/a", &next));
    assert_eq!(world.ok(&describe("alias/a")).key_metadata.key_id, next);
    world.engine.tick().expect("a tick");
    world.clock.advance_days(1);
    assert_eq!(world.engine.tick().expect("a tick").deleted, 1);
    assert_eq!(world.ok(&describe("alias/a")).key_metadata.key_id, next);
}

#[test]
fn asymmetric_keys_have_the_same_states() {
    let world = world();
    let key = world.pair(KeySpec::EccNistP256, KeyUsage::SignVerify);
    let public = GetPublicKeyRequest { key_id: key.clone(), grant_tokens: vec![] };
    let make = sign(&key, SigningAlgorithm::EcdsaSha256, b"m");
    let signature = world.ok(&make).signature;
    let check = verify(&key, SigningAlgorithm::EcdsaSha256, b"m", &signature.0);
    world.ok(&check);
    world.ok(&public);
    world.ok(&disable(&key));
    assert_eq!(world.refused(&make), Code::Disabled);
    assert_eq!(world.refused(&check), Code::Disabled);
    assert_eq!(world.refused(&public), Code::Disabled);
    world.ok(&schedule(&key, 7));
    assert_eq!(world.refused(&make), Code::InvalidState);
    assert_eq!(world.refused(&check), Code::InvalidState);
    assert_eq!(world.refused(&public), Code::InvalidState);
}
