//! Clients that change a server's store until it dies, and what must be true afterwards.
//!
//! Whatever was answered is acknowledged: it must be there when the server runs again. What was
//! under way when it died may be there or not, but wholly.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use keyfold_kms::types::Blob;
use serde_json::{Value, json};

use crate::http::{CallError, Client};

/// Rotations that one key may have; after them a client takes another key.
const MAX_ROTATIONS: usize = 25;
const NOBODY: &str = "arn:aws:iam::000000000000:user/nobody";

/// What one client was answered, and so what must last.
#[derive(Default)]
pub struct Acknowledged {
    /// Every request that was answered, changing or not: each has its audit record.
    pub answers: u64,
    keys: BTreeMap<String, Key>,
    aliases: BTreeMap<String, String>,
    secrets: BTreeMap<String, u64>,
    /// Blobs in base64, with the plaintext.
    blobs: Vec<(String, String)>,
}

#[derive(Default)]
struct Key {
    rotations: usize,
    grants: Vec<String>,
    revoked: Vec<String>,
    /// `None` while nobody knows: a change of the state was under way.
    state: Option<&'static str>,
    /// The newest tag.
    tag: Option<u64>,
}

impl Acknowledged {
    /// How many changes there are.
    pub fn changes(&self) -> usize {
        let of_keys: usize =
            self.keys.values().map(|k| 1 + k.rotations + k.grants.len() + k.revoked.len()).sum();
        of_keys + self.aliases.len() + self.secrets.len()
    }

    /// How many ciphertexts there are.
    pub fn blobs(&self) -> usize {
        self.blobs.len()
    }
}

/// Changes the store at random until there is no answer, or a fault of the server, or it is told to
/// stop; answers what was acknowledged, and that fault.
///
/// # Panics
/// Where the server refuses something: all of it is allowed.
pub fn work(
    client: &mut Client,
    name: &str,
    seed: u64,
    stop: &AtomicBool,
) -> (Acknowledged, Option<CallError>) {
    let mut done = Acknowledged::default();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut turn = 0;
    while !stop.load(Ordering::Relaxed) {
        match step(client, name, turn, &mut random, &mut done) {
            Ok(()) => turn += 1,
            Err(CallError::Refused { status: 0..500, name: error, message }) => {
                panic!("client {name}, turn {turn}: {error}: {message}")
            }
            Err(end) => return (done, Some(end)),
        }
    }
    (done, None)
}

fn step(
    client: &mut Client,
    name: &str,
    turn: u64,
    random: &mut fastrand::Rng,
    done: &mut Acknowledged,
) -> Result<(), CallError> {
    let usable: Vec<&String> =
        done.keys.iter().filter(|(_, key)| key.is_usable()).map(|(id, _)| id).collect();
    let Some(id) = random.choice(usable).cloned() else { return make_key(client, done) };
    let Some(key) = done.keys.get_mut(&id) else { return Ok(()) };
    match random.u8(..10) {
        0 => return make_key(client, done),
        1 => {
            let alias = format!("alias/{name}-{turn}");
            let request = json!({ "AliasName": alias, "TargetKeyId": id });
            client.kms("CreateAlias", &request)?;
            done.aliases.insert(alias, id);
        }
        2 if key.rotations < MAX_ROTATIONS => {
            client.kms("RotateKeyOnDemand", &json!({ "KeyId": id }))?;
            key.rotations += 1;
        }
        3 => {
            let request = json!({
                "KeyId": id, "Operations": ["Decrypt"], "GranteePrincipal": NOBODY,
            });
            let made = client.kms("CreateGrant", &request)?;
            key.grants.push(text(&made, "GrantId"));
        }
        4 if !key.grants.is_empty() => {
            // Out of the list first: an answer that is lost leaves it open.
            let grant = key.grants.swap_remove(random.usize(..key.grants.len()));
            client.kms("RevokeGrant", &json!({ "KeyId": id, "GrantId": grant }))?;
            key.revoked.push(grant);
        }
        5 => {
            let secret = format!("secret/{name}-{}", random.u8(..3));
            let known = done.secrets.get(&secret).copied();
            let value = turn.to_string();
            if known.is_some() {
                let request = json!({ "SecretId": secret, "SecretString": value });
                client.secrets("PutSecretValue", &request)?;
            } else {
                let request = json!({ "Name": secret, "SecretString": value });
                client.secrets("CreateSecret", &request)?;
            }
            done.secrets.insert(secret, turn);
        }
        6 => {
            for (operation, state) in [("DisableKey", "Disabled"), ("EnableKey", "Enabled")] {
                key.state = None;
                client.kms(operation, &json!({ "KeyId": id }))?;
                key.state = Some(state);
                done.answers += 1;
            }
            return Ok(());
        }
        7 if random.u8(..) < 32 => {
            key.state = None;
            let request = json!({ "KeyId": id, "PendingWindowInDays": 7 });
            client.kms("ScheduleKeyDeletion", &request)?;
            key.state = Some("PendingDeletion");
        }
        8 => {
            let tags = json!([{ "TagKey": "turn", "TagValue": turn.to_string() }]);
            client.kms("TagResource", &json!({ "KeyId": id, "Tags": tags }))?;
            key.tag = Some(turn);
        }
        _ => {
            let plaintext = Blob(format!("{name}/{turn}").into_bytes());
            let request = json!({ "KeyId": id, "Plaintext": plaintext });
            let made = client.kms("Encrypt", &request)?;
            done.blobs.push((text(&made, "CiphertextBlob"), text(&request, "Plaintext")));
        }
    }
    done.answers += 1;
    Ok(())
}

impl Key {
    fn is_usable(&self) -> bool {
        self.state == Some("Enabled")
    }
}

fn make_key(client: &mut Client, done: &mut Acknowledged) -> Result<(), CallError> {
    let made = client.kms("CreateKey", &json!({}))?;
    let id = text(&made["KeyMetadata"], "KeyId");
    done.keys.insert(id, Key { state: Some("Enabled"), ..Key::default() });
    done.answers += 1;
    Ok(())
}

fn text(answer: &Value, name: &str) -> String {
    answer[name].as_str().unwrap_or_else(|| panic!("no {name} in {answer}")).to_owned()
}

/// Looks for everything that was acknowledged, and makes every key usable; answers how many
/// requests that took. What it has seen it takes for acknowledged from then on.
///
/// # Panics
/// Where anything is missing.
pub fn check(client: &mut Client, done: &mut Acknowledged) -> u64 {
    let mut answers = 0;
    let mut kms = |operation: &str, request: Value| {
        answers += 1;
        client.kms(operation, &request).unwrap_or_else(|error| panic!("{operation}: {error}"))
    };
    for (id, key) in &mut done.keys {
        let found = kms("DescribeKey", json!({ "KeyId": id }));
        let state = text(&found["KeyMetadata"], "KeyState");
        if let Some(known) = key.state {
            assert_eq!(state, known, "the state of {id}");
        }
        let request = json!({ "KeyId": id, "IncludeKeyMaterial": "ROTATIONS_ONLY" });
        let rotations = items(&kms("ListKeyRotations", request), "Rotations").len();
        let known = key.rotations;
        assert!(rotations == known || rotations == known + 1, "{rotations} of {id}, not {known}");
        key.rotations = rotations;
        let mut grants = Vec::new();
        let mut request = json!({ "KeyId": id, "Limit": 100 });
        loop {
            let page = kms("ListGrants", request.clone());
            grants.extend(items(&page, "Grants").iter().map(|grant| text(grant, "GrantId")));
            if page["Truncated"] != true {
                break;
            }
            request["Marker"] = page["NextMarker"].clone();
        }
        for grant in &key.grants {
            assert!(grants.contains(grant), "grant {grant} of {id} is gone");
        }
        for grant in &key.revoked {
            assert!(!grants.contains(grant), "grant {grant} of {id} is back");
        }
        if let Some(turn) = key.tag {
            let tags = kms("ListResourceTags", json!({ "KeyId": id }));
            let found: u64 = text(&tags["Tags"][0], "TagValue").parse().expect("a number");
            assert!(found >= turn, "tag {found} of {id}, after {turn}");
        }
        if state == "Disabled" {
            kms("EnableKey", json!({ "KeyId": id }));
        }
        if state == "PendingDeletion" {
            kms("CancelKeyDeletion", json!({ "KeyId": id }));
            kms("EnableKey", json!({ "KeyId": id }));
        }
        key.state = Some("Enabled");
    }
    for (alias, id) in &done.aliases {
        let found = kms("DescribeKey", json!({ "KeyId": alias }));
        assert_eq!(&text(&found["KeyMetadata"], "KeyId"), id, "{alias}");
    }
    for (blob, plaintext) in &done.blobs {
        let opened = kms("Decrypt", json!({ "CiphertextBlob": blob }));
        assert_eq!(&text(&opened, "Plaintext"), plaintext);
    }
    for (secret, turn) in &done.secrets {
        let request = json!({ "SecretId": secret });
        let found = client.secrets("GetSecretValue", &request);
        let found = found.unwrap_or_else(|error| panic!("{secret}: {error}"));
        let found: u64 = text(&found, "SecretString").parse().expect("a number");
        assert!(found >= *turn, "{secret} is {found}, after {turn}");
        answers += 1;
    }
    answers
}

fn items<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer[name].as_array().map(Vec::as_slice).unwrap_or_default()
}
