//! Grants.

use keyfold::EncryptionContext;
use keyfold_kms::KmsErrorCode as Code;
use keyfold_kms::types::*;

use crate::world::*;

fn bound(pairs: &[(&str, &str)]) -> EncryptionContext {
    pairs.iter().copied().collect()
}

fn subset(pairs: &[(&str, &str)]) -> Option<GrantConstraints> {
    Some(GrantConstraints { encryption_context_subset: bound(pairs), ..Default::default() })
}

fn equals(pairs: &[(&str, &str)]) -> Option<GrantConstraints> {
    Some(GrantConstraints { encryption_context_equals: bound(pairs), ..Default::default() })
}

fn list(world: &World, key: &str) -> Vec<GrantListEntry> {
    let request = ListGrantsRequest { key_id: key.into(), ..ListGrantsRequest::default() };
    world.ok(&request).grants
}

#[test]
fn a_grant_allows_its_operations_on_its_key_to_its_grantee() {
    let world = world();
    let (key, other) = (world.key(), world.key());
    assert_eq!(world.refused_as(&alice(), &encrypt(&key, b"x")), Code::AccessDenied);
    let made = world.ok(&grant(&key, ALICE, &[GrantOperation::Encrypt]));
    assert_eq!(made.grant_id.len(), 64);
    let blob = world.ok_as(&alice(), &encrypt(&key, b"x")).ciphertext_blob;
    assert_eq!(world.refused_as(&alice(), &decrypt(&blob)), Code::AccessDenied);
    assert_eq!(world.refused_as(&alice(), &encrypt(&other, b"x")), Code::AccessDenied);
    assert_eq!(world.refused_as(&bob(), &encrypt(&key, b"x")), Code::AccessDenied);
    let revoke = RevokeGrantRequest { key_id: key.clone(), grant_id: made.grant_id, dry_run: None };
    assert_eq!(world.refused_as(&alice(), &revoke), Code::AccessDenied);
    world.ok(&revoke);
    assert_eq!(world.refused_as(&alice(), &encrypt(&key, b"x")), Code::AccessDenied);
    assert_eq!(world.refused(&revoke), Code::NotFound);
    assert!(list(&world, &key).is_empty());
}

#[test]
fn constraints_bind_the_encryption_context() {
    let world = world();
    let key = world.key();
    let request = CreateGrantRequest {
        constraints: subset(&[("tenant", "1")]),
        ..grant(&key, ALICE, &[GrantOperation::Encrypt, GrantOperation::DescribeKey])
    };
    world.ok(&request);
    let request = CreateGrantRequest {
        constraints: equals(&[("a", "b")]),
        ..grant(&key, BOB, &[GrantOperation::Encrypt])
    };
    world.ok(&request);
    let under = |pairs: &[(&str, &str)]| EncryptRequest {
        encryption_context: bound(pairs),
        ..encrypt(&key, b"x")
    };
    world.ok_as(&alice(), &under(&[("tenant", "1")]));
    world.ok_as(&alice(), &under(&[("tenant", "1"), ("more", "")]));
    for pairs in [&[][..], &[("tenant", "2")], &[("Tenant", "1")]] {
        assert_eq!(world.refused_as(&alice(), &under(pairs)), Code::AccessDenied, "{pairs:?}");
    }
    // Constraints do not bear on what has no context.
    world.ok_as(&alice(), &describe(&key));
    world.ok_as(&bob(), &under(&[("a", "b")]));
    for pairs in [&[][..], &[("a", "b"), ("c", "")], &[("a", "B")]] {
        assert_eq!(world.refused_as(&bob(), &under(pairs)), Code::AccessDenied, "{pairs:?}");
    }
}

#[test]
fn a_named_grant_is_made_once() {
    let world = world();
    let key = world.key();
    let request = |name: Option<&str>, operation| CreateGrantRequest {
        name: name.map(Into::into),
        ..grant(&key, ALICE, &[operation])
    };
    let first = world.ok(&request(Some("n"), GrantOperation::Encrypt));
    world.clock.advance(5000);
    let again = world.ok(&request(Some("n"), GrantOperation::Encrypt));
    assert_eq!(first.grant_id, again.grant_id);
    assert_ne!(first.grant_token, again.grant_token);
    let other = world.ok(&request(Some("n"), GrantOperation::Decrypt));
    assert_ne!(first.grant_id, other.grant_id);
    let nameless = [None, None].map(|name| world.ok(&request(name, GrantOperation::Encrypt)));
    assert_ne!(nameless[0].grant_id, nameless[1].grant_id);
    assert_eq!(list(&world, &key).len(), 4);
    // Once it has ended, the name is free.
    let retire = RetireGrantRequest { grant_token: Some(first.grant_token), ..Default::default() };
    world.ok(&retire);
    assert_ne!(world.ok(&request(Some("n"), GrantOperation::Encrypt)).grant_id, first.grant_id);
}

#[test]
fn a_grantee_passes_on_no_more_than_it_has() {
    let world = world();
    let key = world.key();
    let parent = CreateGrantRequest {
        constraints: subset(&[("t", "1")]),
        ..grant(&key, ALICE, &[GrantOperation::CreateGrant, GrantOperation::Decrypt])
    };
    world.ok(&parent);
    let child = |constraints, operations: &[GrantOperation]| CreateGrantRequest {
        constraints,
        ..grant(&key, BOB, operations)
    };
    let decrypt = &[GrantOperation::Decrypt][..];
    for constraints in [
        subset(&[("t", "1")]),
        subset(&[("t", "1"), ("u", "2")]),
        equals(&[("t", "1")]),
        equals(&[("t", "1"), ("u", "2")]),
    ] {
        world.ok_as(&alice(), &child(constraints, decrypt));
    }
    for constraints in [None, subset(&[("t", "2")]), equals(&[("u", "2")]), subset(&[])] {
        let request = child(constraints, decrypt);
        assert_eq!(world.refused_as(&alice(), &request), Code::AccessDenied);
    }
    let wider = child(subset(&[("t", "1")]), &[GrantOperation::Decrypt, GrantOperation::Encrypt]);
    assert_eq!(world.refused_as(&alice(), &wider), Code::AccessDenied);

    // Exact constraints are passed on exactly.
    let strict = world.key();
    let parent = CreateGrantRequest {
        constraints: equals(&[("t", "1")]),
        ..grant(&strict, ALICE, &[GrantOperation::CreateGrant, GrantOperation::Decrypt])
    };
    world.ok(&parent);
    let request = |constraints| CreateGrantRequest {
        constraints,
        ..grant(&strict, BOB, &[GrantOperation::Decrypt])
    };
    world.ok_as(&alice(), &request(equals(&[("t", "1")])));
    for looser in [subset(&[("t", "1")]), equals(&[("t", "1"), ("u", "2")])] {
        assert_eq!(world.refused_as(&alice(), &request(looser)), Code::AccessDenied);
    }
}

#[test]
fn a_grant_is_retired_by_those_it_names() {
    let world = world();
    let key = world.key();
    let make = |operations: &[GrantOperation]| {
        let request = CreateGrantRequest {
            retiring_principal: Some(BOB.into()),
            ..grant(&key, ALICE, operations)
        };
        world.ok(&request)
    };
    let by_id = |id: &str| RetireGrantRequest {
        key_id: Some(world.arn(&key)),
        grant_id: Some(id.into()),
        ..RetireGrantRequest::default()
    };
    let by_token = |token: &str| RetireGrantRequest {
        grant_token: Some(token.into()),
        ..RetireGrantRequest::default()
    };
    let plain = make(&[GrantOperation::Decrypt]);
    assert_eq!(world.refused_as(&alice(), &by_id(&plain.grant_id)), Code::AccessDenied);
    let request = ListRetirableGrantsRequest {
        retiring_principal: Some(BOB.into()),
        ..ListRetirableGrantsRequest::default()
    };
    let retirable = world.ok(&request).grants;
    assert_eq!(retirable.len(), 1);
    assert_eq!(retirable[0].grant_id, plain.grant_id);
    world.ok_as(&bob(), &by_id(&plain.grant_id));
    assert!(world.ok(&request).grants.is_empty());

    let own = make(&[GrantOperation::RetireGrant]);
    world.ok_as(&alice(), &by_token(&own.grant_token));
    let owned = make(&[GrantOperation::Decrypt]);
    world.ok(&by_id(&owned.grant_id));
    assert_eq!(world.refused(&by_token(&owned.grant_token)), Code::NotFound);
    let forged = "A".repeat(owned.grant_token.len());
    assert_eq!(world.refused(&by_token(&forged)), Code::InvalidGrantToken);
    let both = RetireGrantRequest { key_id: Some(key.clone()), ..by_token(&own.grant_token) };
    assert_eq!(world.refused(&both), Code::Validation);
    assert_eq!(world.refused(&by_id("xyz")), Code::InvalidGrantId);
}

#[test]
fn tokens_are_accepted_and_foreign_ones_refused() {
    let world = world();
    let key = world.key();
    let made = world.ok(&grant(&key, ALICE, &[GrantOperation::Encrypt]));
    let with =
        |token: &str| EncryptRequest { grant_tokens: vec![token.into()], ..encrypt(&key, b"x") };
    world.ok_as(&alice(), &with(&made.grant_token));
    assert_eq!(world.refused_as(&alice(), &with("nonsense")), Code::InvalidGrantToken);
    // A token is no authority of its own.
    assert_eq!(world.refused_as(&bob(), &with(&made.grant_token)), Code::AccessDenied);
    let many = EncryptRequest { grant_tokens: vec![made.grant_token; 11], ..encrypt(&key, b"x") };
    assert_eq!(world.refused_as(&alice(), &many), Code::Validation);
}

#[test]
fn a_grant_fits_its_key() {
    let world = world();
    let key = world.key();
    let pair = world.pair(KeySpec::EccNistP256, KeyUsage::SignVerify);
    for (key, misfit) in [
        (&key, GrantOperation::Sign),
        (&key, GrantOperation::GetPublicKey),
        (&key, GrantOperation::GenerateMac),
        (&pair, GrantOperation::Encrypt),
        (&pair, GrantOperation::GenerateDataKey),
    ] {
        assert_eq!(world.refused(&grant(key, ALICE, &[misfit])), Code::Validation, "{misfit}");
    }
    let constrained = CreateGrantRequest {
        constraints: subset(&[("a", "b")]),
        ..grant(&pair, ALICE, &[GrantOperation::Sign])
    };
    assert_eq!(world.refused(&constrained), Code::Validation);
    world.ok(&grant(&pair, ALICE, &[GrantOperation::Sign, GrantOperation::GetPublicKey]));
    world.ok_as(&alice(), &sign(&pair, SigningAlgorithm::EcdsaSha256, b"m"));

    let nobody = CreateGrantRequest { grantee_principal: None, ..grant(&key, "", &[]) };
    assert_eq!(world.refused(&nobody), Code::Validation);
    assert_eq!(world.refused(&grant(&key, ALICE, &[])), Code::Validation);
    assert_eq!(world.refused(&grant(&key, "alice", &[GrantOperation::Decrypt])), Code::InvalidArn);
    let nine: Vec<_> = (0..9).map(|n| (format!("k{n}"), "v")).collect();
    let constraints = Some(GrantConstraints {
        encryption_context_subset: nine.into_iter().collect(),
        ..GrantConstraints::default()
    });
    let request =
        CreateGrantRequest { constraints, ..grant(&key, ALICE, &[GrantOperation::Decrypt]) };
    assert_eq!(world.refused(&request), Code::Validation);
}

#[test]
fn a_service_holds_a_grant_under_its_name() {
    let world = world();
    let key = world.key();
    let service = keyfold_kms::Caller::new("obs.example.com", "999999999999");
    let request = CreateGrantRequest {
        grantee_principal: None,
        grantee_service_principal: Some("obs.example.com".into()),
        constraints: subset(&[("bucket", "b1")]),
        ..grant(&key, "", &[GrantOperation::GenerateDataKey, GrantOperation::Decrypt])
    };
    world.ok(&request);
    let ask = |bucket: &str| GenerateDataKeyRequest {
        key_id: world.arn(&key),
        number_of_bytes: Some(32),
        encryption_context: bound(&[("bucket", bucket), ("object", "o")]),
        ..GenerateDataKeyRequest::default()
    };
    world.ok_as(&service, &ask("b1"));
    assert_eq!(world.refused_as(&service, &ask("b2")), Code::AccessDenied);
    let entry = &list(&world, &key)[0];
    assert_eq!(entry.grantee_service_principal.as_deref(), Some("obs.example.com"));
    assert_eq!(entry.grantee_principal, None);
}
