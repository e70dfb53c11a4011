//! Versions, stages, idempotency, and the end of versions that nothing needs.

use std::collections::BTreeMap;

use keyfold::SecretBytes;
use proptest::prelude::*;

use super::*;

fn put_with(
    safe: &Safe,
    token: &str,
    value: &str,
    stages: &[&str],
) -> Result<PutSecretValueResponse> {
    safe.call(&PutSecretValueRequest {
        client_request_token: Some(token.into()),
        secret_string: text(value),
        version_stages: stages.iter().map(|&stage| stage.to_owned()).collect(),
        ..put("s")
    })
}

fn versions(safe: &Safe, deprecated: bool) -> Vec<SecretVersionsListEntry> {
    let request = ListSecretVersionIdsRequest {
        secret_id: "s".into(),
        include_deprecated: Some(deprecated),
        ..Default::default()
    };
    safe.call(&request).expect("a list").versions
}

#[test]
fn a_new_value_is_current_and_the_old_one_previous() {
    with_safes(|safe| {
        let first = safe.create("s", "one").version_id.expect("a version");
        let second = safe.put("s", "two");
        let third = safe.put("s", "three");
        assert_eq!(safe.get("s").expect("current"), "three");
        assert_eq!(safe.read("s", None, Some("AWSPREVIOUS")).expect("previous"), "two");
        assert_eq!(safe.read("s", Some(&first), None).expect("by id"), "one");
        let agreed = safe.read("s", Some(&second), Some("AWSPREVIOUS"));
        assert_eq!(agreed.expect("id and stage agree"), "two");
        let stages = safe.describe("s").expect("described").version_ids_to_stages;
        assert_eq!(
            stages,
            BTreeMap::from([
                (second, vec!["AWSPREVIOUS".to_owned()]),
                (third, vec!["AWSCURRENT".to_owned()]),
            ])
        );
    });
}

#[test]
fn what_is_not_there_is_not_found() {
    with_safes(|safe| {
        safe.call(&create("empty")).expect("a secret without a value");
        let first = safe.create("s", "one").version_id.expect("a version");
        for refused in [
            safe.get("nothing"),
            safe.get("empty"),
            safe.read("s", None, Some("AWSPENDING")),
            safe.read("s", Some(&token(9)), None),
            safe.read("s", Some(&first), Some("AWSPREVIOUS")),
        ] {
            assert_eq!(code(refused), KmsErrorCode::ResourceNotFound);
        }
        for refused in [
            safe.read("s", Some("short"), None),
            safe.read("s", None, Some("")),
            safe.read("s", None, Some(&"x".repeat(257))),
        ] {
            assert_eq!(code(refused), KmsErrorCode::InvalidParameter);
        }
        assert_eq!(
            code(safe.call(&PutSecretValueRequest { secret_string: text("v"), ..put("nothing") })),
            KmsErrorCode::ResourceNotFound
        );
    });
}

#[test]
fn explicit_stages_leave_the_current_version_alone() {
    with_safes(|safe| {
        safe.call(&create("s")).expect("without a value");
        let first = put_with(safe, &token(1), "one", &["AWSPENDING"]).expect("put");
        assert_eq!(first.version_stages, ["AWSCURRENT", "AWSPENDING"]);
        let second = put_with(safe, &token(2), "two", &["AWSPENDING", "mine"]).expect("put");
        assert_eq!(second.version_stages, ["AWSPENDING", "mine"]);
        assert_eq!(safe.get("s").expect("current"), "one");
        assert_eq!(safe.read("s", None, Some("mine")).expect("mine"), "two");
        let many: Vec<String> = (0..21).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let refused = put_with(safe, &token(3), "three", &many);
        assert_eq!(code(refused), KmsErrorCode::InvalidParameter);
        put_with(safe, &token(3), "three", &many[..20]).expect("twenty stages");
        let refused = safe.move_stage("one-more", None, Some(&token(3)));
        assert_eq!(code(refused), KmsErrorCode::LimitExceeded);
    });
}

#[test]
fn a_put_made_again_changes_nothing() {
    with_safes(|safe| {
        safe.create("s", "zero");
        put_with(safe, &token(1), "one", &[]).expect("put");
        put_with(safe, &token(2), "two", &[]).expect("put");
        let again = put_with(safe, &token(1), "one", &[]).expect("the same again");
        assert_eq!(
            (again.version_id, again.version_stages),
            (token(1), vec!["AWSPREVIOUS".into()])
        );
        assert_eq!(safe.get("s").expect("current"), "two");
        assert_eq!(versions(safe, true).len(), 3);
        let other = put_with(safe, &token(1), "another", &[]);
        assert_eq!(code(other), KmsErrorCode::ResourceExists);
        // Text and bytes are different values though their bytes are the same.
        let bytes = PutSecretValueRequest {
            client_request_token: Some(token(1)),
            secret_binary: Some(Sensitive::from(b"one".as_slice())),
            ..put("s")
        };
        assert_eq!(code(safe.call(&bytes)), KmsErrorCode::ResourceExists);
        assert_eq!(safe.read("s", Some(&token(1)), None).expect("as it was"), "one");
    });
}

#[test]
fn a_create_made_again_changes_nothing() {
    with_safes(|safe| {
        let request = |value: Option<&str>, token: Option<String>| CreateSecretRequest {
            secret_string: value.map(SecretText::from),
            client_request_token: token,
            ..create("s")
        };
        let first = safe.call(&request(Some("one"), Some(token(1)))).expect("created");
        assert_eq!(first.version_id, Some(token(1)));
        let again = safe.call(&request(Some("one"), Some(token(1)))).expect("the same again");
        assert_eq!(again, first);
        assert_eq!(versions(safe, true).len(), 1);
        for (value, token) in [
            (Some("two"), Some(token(1))),
            (Some("one"), Some(token(2))),
            (Some("one"), None),
            (None, Some(token(1))),
            (None, None),
        ] {
            assert_eq!(code(safe.call(&request(value, token))), KmsErrorCode::ResourceExists);
        }
        let empty = CreateSecretRequest { client_request_token: Some(token(3)), ..create("empty") };
        let first = safe.call(&empty).expect("created without a value");
        assert_eq!(safe.call(&empty).expect("the same again"), first);
    });
}

#[test]
fn update_changes_metadata_and_value() {
    with_safes(|safe| {
        safe.create("s", "one");
        let update = |request: UpdateSecretRequest| {
            safe.call(&UpdateSecretRequest { secret_id: "s".into(), ..request })
        };
        safe.wait(1000);
        let answer =
            update(UpdateSecretRequest { description: Some("d".into()), ..Default::default() });
        assert_eq!(answer.expect("updated").version_id, None);
        let described = safe.describe("s").expect("described");
        assert_eq!(described.description.as_deref(), Some("d"));
        assert_eq!(described.last_changed_date, described.created_date.plus(1000));
        let value = |value: &str, token: u32| UpdateSecretRequest {
            secret_string: text(value),
            client_request_token: Some(super::token(token)),
            ..Default::default()
        };
        assert_eq!(update(value("two", 2)).expect("updated").version_id, Some(token(2)));
        assert_eq!(safe.get("s").expect("current"), "two");
        assert_eq!(safe.read("s", None, Some("AWSPREVIOUS")).expect("previous"), "one");
        assert_eq!(safe.describe("s").expect("described").description.as_deref(), Some("d"));
        // Unlike a put, an update never takes a token twice.
        for refused in [update(value("two", 2)), update(value("three", 2))] {
            assert_eq!(code(refused), KmsErrorCode::ResourceExists);
        }
        let missing = UpdateSecretRequest { secret_id: "nothing".into(), ..Default::default() };
        assert_eq!(code(safe.call(&missing)), KmsErrorCode::ResourceNotFound);
    });
}

#[test]
fn stages_move_between_versions() {
    with_safes(|safe| {
        let first = safe.create("s", "one").version_id.expect("a version");
        let second = safe.put("s", "two");
        let [first, second] = [first.as_str(), second.as_str()];
        for refused in [
            safe.move_stage("AWSCURRENT", None, Some(first)),
            safe.move_stage("AWSCURRENT", Some(first), Some(first)),
            safe.move_stage("AWSCURRENT", Some(second), None),
            safe.move_stage("mine", None, None),
            safe.move_stage("mine", Some(first), None),
            safe.move_stage("", None, Some(first)),
            safe.move_stage("mine", None, Some("short")),
        ] {
            assert_eq!(code(refused), KmsErrorCode::InvalidParameter);
        }
        let nowhere = safe.move_stage("mine", None, Some(&token(9)));
        assert_eq!(code(nowhere), KmsErrorCode::ResourceNotFound);
        safe.move_stage("AWSCURRENT", Some(second), Some(first)).expect("back");
        assert_eq!(safe.get("s").expect("current"), "one");
        assert_eq!(safe.read("s", None, Some("AWSPREVIOUS")).expect("previous"), "two");
        safe.move_stage("mine", None, Some(second)).expect("a new stage");
        safe.move_stage("mine", Some(second), Some(first)).expect("moved");
        assert_eq!(safe.read("s", None, Some("mine")).expect("mine"), "one");
        safe.move_stage("mine", Some(first), None).expect("taken off");
        let gone = safe.read("s", None, Some("mine"));
        assert_eq!(code(gone), KmsErrorCode::ResourceNotFound);
    });
}

#[test]
fn versions_that_nothing_needs_end() {
    with_safes(|safe| {
        safe.create("s", "v");
        let put = |n: u32| put_with(safe, &token(n), "v", &[]).expect("put");
        for n in 0..120 {
            safe.wait(1);
            put(n);
        }
        assert_eq!(versions(safe, true).len(), 100, "a page");
        safe.move_stage("keep", None, Some(&token(3))).expect("a stage");
        // All are younger than a day: none ends, though there are more than a hundred.
        assert_eq!(safe.read("s", Some(&token(0)), None).expect("still there"), "v");
        safe.wait(Timestamp::DAY - 120);
        put(120);
        assert_eq!(safe.read("s", Some(&token(0)), None).expect("still there"), "v");
        safe.wait(1000);
        put(121);
        // Now the newest hundred are left, 22 to 121, and the one with a stage.
        for n in (0..22).filter(|n| *n != 3) {
            let gone = safe.read("s", Some(&token(n)), None);
            assert_eq!(code(gone), KmsErrorCode::ResourceNotFound, "{n}");
        }
        for n in [3, 22, 23, 121] {
            assert_eq!(safe.read("s", Some(&token(n)), None).expect("kept"), "v", "{n}");
        }
        safe.move_stage("keep", Some(&token(3)), None).expect("taken off");
        let gone = safe.read("s", Some(&token(3)), None);
        assert_eq!(code(gone), KmsErrorCode::ResourceNotFound);
    });
}

#[test]
fn rotation_puts_a_random_or_a_given_value() {
    with_safes(|safe| {
        safe.create("s", "one");
        let rules = GetRandomPasswordRequest { password_length: Some(20), ..Default::default() };
        let rotate = |name: &str, value: Option<&str>| {
            let value = value.map(|value| SecretBytes::from(value.as_bytes()));
            safe.engine.rotate_secret(&safe.owner, name, value.as_ref(), &rules)
        };
        rotate("s", None).expect("rotated");
        let random = safe.get("s").expect("current");
        assert_eq!(random.len(), 20);
        assert_eq!(safe.read("s", None, Some("AWSPREVIOUS")).expect("previous"), "one");
        rotate("s", Some("mine")).expect("rotated");
        assert_eq!(safe.get("s").expect("current"), "mine");
        assert_eq!(safe.read("s", None, Some("AWSPREVIOUS")).expect("previous"), random);
        assert_eq!(code(rotate("nothing", None)), KmsErrorCode::ResourceNotFound);
        let impossible = GetRandomPasswordRequest { password_length: Some(2), ..rules.clone() };
        let refused = safe.engine.rotate_secret(&safe.owner, "s", None, &impossible);
        assert_eq!(code(refused), KmsErrorCode::InvalidParameter);
        assert_eq!(safe.get("s").expect("current"), "mine");
    });
}

#[test]
fn a_value_can_be_put_whether_or_not_the_secret_is_there() {
    with_safes(|safe| {
        let put = |value: &[u8]| {
            let value = SecretBytes::from(value);
            safe.engine.put_secret(&safe.owner, "s", &value, None)
        };
        let get = |version: Option<&str>, stage: Option<&str>| {
            let read = safe.engine.get_secret(&safe.owner, "s", version, stage);
            read.map(|(value, version)| (value.expose().to_vec(), version))
        };
        assert_eq!(code(get(None, None)), KmsErrorCode::ResourceNotFound);
        let first = put(b"text").expect("a new secret");
        let second = put(b"\xff\x00").expect("a new version");
        assert_eq!(get(None, None).expect("current"), (b"\xff\x00".to_vec(), second));
        assert_eq!(get(Some(&first), None).expect("by id"), (b"text".to_vec(), first.clone()));
        assert_eq!(get(None, Some("AWSPREVIOUS")).expect("by stage"), (b"text".to_vec(), first));
        assert_eq!(code(put(b"")), KmsErrorCode::InvalidParameter);
        safe.delete("s").expect("scheduled");
        assert_eq!(code(put(b"x")), KmsErrorCode::InvalidRequest);
    });
}

#[test]
fn access_is_noted_by_the_day() {
    with_safes(|safe| {
        safe.create("s", "v");
        assert_eq!(safe.describe("s").expect("described").last_accessed_date, None);
        safe.get("s").expect("read");
        let midnight = Timestamp::from_millis(START - Timestamp::DAY / 2);
        assert_eq!(safe.describe("s").expect("described").last_accessed_date, Some(midnight));
        assert_eq!(versions(safe, false)[0].last_accessed_date, Some(midnight));
        safe.wait(Timestamp::DAY);
        safe.get("s").expect("read");
        let next = Some(midnight.plus(Timestamp::DAY));
        assert_eq!(safe.describe("s").expect("described").last_accessed_date, next);
    });
}

#[derive(Clone, Debug)]
enum Step {
    Put(u32),
    PutPending(u32),
    Update,
    MoveCurrent(usize),
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// The engine against a model that knows only values: what is current, and what was before.
    #[test]
    fn current_and_previous_are_what_a_model_says(
        steps in prop::collection::vec(
            prop_oneof![
                (0u32..6).prop_map(Step::Put),
                (0u32..6).prop_map(Step::PutPending),
                Just(Step::Update),
                (0usize..8).prop_map(Step::MoveCurrent),
            ],
            1..20,
        ),
    ) {
        let safe = Safe::in_memory();
        safe.call(&create("s")).expect("created");
        let mut known: Vec<String> = Vec::new();
        let (mut current, mut previous): (Option<String>, Option<String>) = (None, None);
        for (n, step) in (1000u32..).zip(steps) {
            let next = match step {
                // The value is the token: made again, a put says the same.
                Step::Put(n) | Step::PutPending(n) => {
                    let id = token(n);
                    let pending = matches!(step, Step::PutPending(_));
                    let stages: &[&str] = if pending { &["AWSPENDING"] } else { &[] };
                    put_with(&safe, &id, &id, stages).expect("put");
                    let new = !known.contains(&id);
                    if new {
                        known.push(id.clone());
                    }
                    (new && (!pending || current.is_none())).then_some(id)
                }
                Step::Update => {
                    let id = token(n);
                    safe.call(&UpdateSecretRequest {
                        secret_id: "s".into(),
                        client_request_token: Some(id.clone()),
                        secret_string: text(&id),
                        ..Default::default()
                    })
                    .expect("updated");
                    known.push(id.clone());
                    Some(id)
                }
                Step::MoveCurrent(at) => match known.get(at) {
                    Some(id) => {
                        safe.move_stage("AWSCURRENT", current.as_deref(), Some(id)).expect("moved");
                        Some(id.clone())
                    }
                    None => None,
                },
            };
            if let Some(next) = next.filter(|next| Some(next) != current.as_ref()) {
                previous = current.replace(next).or(previous);
            }
            prop_assert_eq!(safe.get("s").ok(), current.clone());
            prop_assert_eq!(safe.read("s", None, Some("AWSPREVIOUS")).ok(), previous.clone());
            let stages = safe.describe("s").expect("described").version_ids_to_stages;
            let holders = stages.values().flatten().filter(|label| *label == "AWSCURRENT").count();
            prop_assert_eq!(holders, usize::from(current.is_some()));
        }
    }
}
