//! Rotation.

use keyfold_kms::KmsErrorCode as Code;
use keyfold_kms::types::*;

use crate::world::*;

fn material(world: &World, key: &str) -> Option<String> {
    world.ok(&describe(key)).key_metadata.current_key_material_id
}

fn rotations(world: &World, key: &str, all: bool) -> Vec<RotationsListEntry> {
    let include_key_material = all.then_some(IncludeKeyMaterial::AllKeyMaterial);
    let request = ListKeyRotationsRequest {
        key_id: key.into(),
        include_key_material,
        ..ListKeyRotationsRequest::default()
    };
    world.ok(&request).rotations
}

#[test]
fn old_versions_decrypt_and_the_twenty_sixth_rotation_is_refused() {
    let world = world();
    let key = world.key();
    let mut blobs = vec![world.ok(&encrypt(&key, b"0")).ciphertext_blob];
    for n in 1..=25u8 {
        let before = material(&world, &key);
        world.ok(&rotate(&key));
        assert_ne!(material(&world, &key), before);
        blobs.push(world.ok(&encrypt(&key, &[n])).ciphertext_blob);
    }
    assert_eq!(world.refused(&rotate(&key)), Code::LimitExceeded);
    for (n, blob) in blobs.iter().enumerate().skip(1) {
        assert_eq!(world.ok(&decrypt(blob)).plaintext.expose(), [u8::try_from(n).expect("small")]);
    }
    let first = world.ok(&decrypt(&blobs[0]));
    let listed = rotations(&world, &key, true);
    assert_eq!(listed.len(), 26);
    assert_eq!(Some(&listed[0].key_material_id), first.key_material_id.as_ref());
    assert_eq!(listed[0].rotation_type, None);
    assert_eq!(listed[0].key_material_state, KeyMaterialState::NonCurrent);
    assert_eq!(listed[25].key_material_state, KeyMaterialState::Current);
    assert_eq!(Some(listed[25].key_material_id.clone()), material(&world, &key));
    let only = rotations(&world, &key, false);
    assert_eq!(only.len(), 25);
    assert!(only.iter().all(|entry| entry.rotation_type == Some(RotationType::OnDemand)));
}

#[test]
fn automatic_rotation_happens_at_use_and_by_tick() {
    let world = world();
    let (used, ticked) = (world.key(), world.key());
    let blob = world.ok(&encrypt(&used, b"old")).ciphertext_blob;
    for key_id in [used.clone(), ticked.clone()] {
        world.ok(&EnableKeyRotationRequest { key_id, rotation_period_in_days: Some(90) });
    }
    let status = world.ok(&GetKeyRotationStatusRequest { key_id: used.clone() });
    assert_eq!(status.next_rotation_date.expect("a date").millis(), START + 90 * 86_400_000);
    let before = (material(&world, &used), material(&world, &ticked));
    world.clock.advance_days(89);
    assert_eq!(world.engine.tick().expect("a tick").rotated, 0);
    assert_eq!(material(&world, &used), before.0);

    world.clock.advance_days(1);
    world.ok(&encrypt(&used, b"new"));
    assert_ne!(material(&world, &used), before.0);
    assert_eq!(world.engine.tick().expect("a tick").rotated, 1);
    assert_eq!(world.engine.tick().expect("a tick").rotated, 0);
    assert_ne!(material(&world, &ticked), before.1);
    assert_eq!(world.ok(&decrypt(&blob)).plaintext.expose(), b"old");
    let entry = &rotations(&world, &used, false)[0];
    assert_eq!(entry.rotation_type, Some(RotationType::Automatic));
}

#[test]
fn a_key_that_is_off_rotates_when_it_is_on_again() {
    let world = world();
    let key = world.key();
    world.ok(&EnableKeyRotationRequest { key_id: key.clone(), rotation_period_in_days: Some(90) });
    let before = material(&world, &key);
    world.ok(&disable(&key));
    world.clock.advance_days(100);
    assert_eq!(world.engine.tick().expect("a tick").rotated, 0);
    assert_eq!(material(&world, &key), before);
    let status = world.ok(&GetKeyRotationStatusRequest { key_id: key.clone() });
    assert!(status.key_rotation_enabled);
    world.ok(&enable(&key));
    assert_ne!(material(&world, &key), before);
    assert_eq!(rotations(&world, &key, false).len(), 1);
}

#[test]
fn pending_deletion_hides_the_setting_and_cancelling_restores_it() {
    let world = world();
    let key = world.key();
    let status = || world.ok(&GetKeyRotationStatusRequest { key_id: key.clone() });
    assert!(!status().key_rotation_enabled);
    world.ok(&EnableKeyRotationRequest { key_id: key.clone(), rotation_period_in_days: None });
    assert_eq!(status().rotation_period_in_days, Some(365));
    world.ok(&schedule(&key, 30));
    assert!(!status().key_rotation_enabled);
    assert_eq!(status().next_rotation_date, None);
    world.ok(&cancel(&key));
    assert!(status().key_rotation_enabled);
    world.ok(&enable(&key));
    world.ok(&DisableKeyRotationRequest { key_id: key.clone() });
    assert!(!status().key_rotation_enabled);
    world.clock.advance_days(400);
    assert_eq!(world.engine.tick().expect("a tick").rotated, 0);
}

#[test]
fn rotation_is_for_symmetric_keys_and_waits_for_no_conflict() {
    let world = world();
    let pair = world.pair(KeySpec::EccNistP256, KeyUsage::SignVerify);
    assert_eq!(world.refused(&rotate(&pair)), Code::UnsupportedOperation);
    let key_id = pair.clone();
    let request = EnableKeyRotationRequest { key_id, rotation_period_in_days: None };
    assert_eq!(world.refused(&request), Code::UnsupportedOperation);
    let request = GetKeyRotationStatusRequest { key_id: pair.clone() };
    assert_eq!(world.refused(&request), Code::UnsupportedOperation);
    let request = ListKeyRotationsRequest { key_id: pair, ..Default::default() };
    assert_eq!(world.refused(&request), Code::UnsupportedOperation);

    let key = world.key();
    let request =
        EnableKeyRotationRequest { key_id: key.clone(), rotation_period_in_days: Some(90) };
    world.ok(&request);
    world.clock.advance(90 * 86_400_000 - 19 * 60_000);
    assert_eq!(world.refused(&rotate(&key)), Code::Conflict);
    for days in [89, 2561] {
        let request =
            EnableKeyRotationRequest { key_id: key.clone(), rotation_period_in_days: Some(days) };
        assert_eq!(world.refused(&request), Code::Validation);
    }
}
