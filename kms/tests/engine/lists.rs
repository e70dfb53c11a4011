//! Lists in pages.

use std::collections::BTreeSet;

use keyfold_kms::KmsErrorCode as Code;
use keyfold_kms::types::*;

use crate::world::*;

#[test]
fn keys_come_in_pages_in_the_order_of_their_creation() {
    let world = world();
    let made: Vec<String> = (0..7)
        .map(|_| {
            world.clock.advance(1);
            world.key()
        })
        .collect();
    let page = |marker: Option<String>| world.ok(&ListKeysRequest { limit: Some(3), marker });
    let first = page(None);
    assert!(first.truncated);
    // What is made between two pages neither repeats nor skips what was there.
    world.clock.advance(1);
    let late = world.key();
    let mut seen: Vec<String> = first.keys.into_iter().map(|key| key.key_id).collect();
    let mut marker = first.next_marker;
    while let Some(next) = marker {
        let next = page(Some(next));
        assert_eq!(next.truncated, next.next_marker.is_some());
        seen.extend(next.keys.into_iter().map(|key| key.key_id));
        marker = next.next_marker;
    }
    assert_eq!(seen[..7], made);
    assert_eq!(seen[7..], [late]);
}

#[test]
fn every_list_has_pages() {
    let world = world();
    let key = world.key();
    for n in 0..5 {
        world.ok(&alias(&format!("alias/{n}"), &key));
        world.ok(&TagResourceRequest { key_id: key.clone(), tags: vec![tag(&n.to_string(), "")] });
        world.ok(&rotate(&key));
        let request = CreateGrantRequest {
            retiring_principal: Some(BOB.into()),
            ..grant(&key, ALICE, &[GrantOperation::Decrypt])
        };
        world.ok(&request);
    }
    let mut lists: Vec<(&str, BTreeSet<String>)> = Vec::new();
    macro_rules! walk {
        ($name:literal, $request:expr, $items:ident, $id:ident) => {{
            let mut seen = BTreeSet::new();
            let mut marker = None;
            loop {
                let mut request = $request;
                request.limit = Some(2);
                request.marker = marker.take();
                let page = world.ok(&request);
                assert!(page.$items.len() <= 2);
                for item in page.$items {
                    assert!(seen.insert(item.$id.clone()), "{} repeats", $name);
                }
                assert_eq!(page.truncated, page.next_marker.is_some());
                match page.next_marker {
                    Some(next) => marker = Some(next),
                    None => break,
                }
            }
            lists.push(($name, seen));
        }};
    }
    let key_id = key.clone();
    walk!("aliases", ListAliasesRequest::default(), aliases, alias_name);
    walk!(
        "aliases of a key",
        ListAliasesRequest { key_id: Some(key.clone()), ..Default::default() },
        aliases,
        alias_name
    );
    walk!(
        "tags",
        ListResourceTagsRequest { key_id: key.clone(), ..Default::default() },
        tags,
        tag_key
    );
    walk!(
        "rotations",
        ListKeyRotationsRequest { key_id: key.clone(), ..Default::default() },
        rotations,
        key_material_id
    );
    walk!(
        "grants",
        ListGrantsRequest { key_id: key.clone(), ..Default::default() },
        grants,
        grant_id
    );
    walk!(
        "grants of a grantee",
        ListGrantsRequest {
            key_id: key_id.clone(),
            grantee_principal: Some(ALICE.into()),
            ..Default::default()
        },
        grants,
        grant_id
    );
    walk!(
        "retirable grants",
        ListRetirableGrantsRequest { retiring_principal: Some(BOB.into()), ..Default::default() },
        grants,
        grant_id
    );
    for (name, seen) in lists {
        assert_eq!(seen.len(), 5, "{name}");
    }
}

#[test]
fn a_marker_is_for_its_list_and_for_a_day() {
    let world = world();
    let (key, other) = (world.key(), world.key());
    for n in 0..3 {
        for key_id in [&key, &other] {
            let key_id = key_id.clone();
            world.ok(&TagResourceRequest { key_id, tags: vec![tag(&n.to_string(), "")] });
        }
    }
    let page = |key_id: &str, marker: Option<String>| ListResourceTagsRequest {
        key_id: key_id.into(),
        limit: Some(1),
        marker,
    };
    let marker = world.ok(&page(&key, None)).next_marker;
    world.ok(&page(&key, marker.clone()));
    assert_eq!(world.refused(&page(&other, marker.clone())), Code::InvalidMarker);
    let elsewhere = ListKeysRequest { limit: None, marker: marker.clone() };
    assert_eq!(world.refused(&elsewhere), Code::InvalidMarker);
    assert_eq!(world.refused(&page(&key, Some("nonsense".into()))), Code::InvalidMarker);
    assert_eq!(world.refused(&page(&key, Some(String::new()))), Code::Validation);
    world.clock.advance_days(1);
    world.ok(&page(&key, marker.clone()));
    world.clock.advance(1);
    assert_eq!(world.refused(&page(&key, marker)), Code::InvalidMarker);
    for limit in [0, 51] {
        let request = ListResourceTagsRequest { limit: Some(limit), ..page(&key, None) };
        assert_eq!(world.refused(&request), Code::Validation);
    }
}
