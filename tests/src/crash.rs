//! A process that changes a store until it is killed, and what must be true afterwards.
//!
//! Whatever the process has printed is acknowledged: it must be there when the store is opened
//! again. What it was doing when it died may be there or not, but wholly.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use keyfold::crypto::rng::SystemRng;
use keyfold_kms::engine::Operation;
use keyfold_kms::root::{EngineOptions, FileSealer};
use keyfold_kms::types::{
    CreateAliasRequest, CreateGrantRequest, CreateKeyRequest, DecryptRequest, DescribeKeyRequest,
    DisableKeyRequest, EnableKeyRequest, EncryptRequest, GetSecretValueRequest, KeyState,
    ListGrantsRequest, ListKeyRotationsRequest, RotateKeyOnDemandRequest,
};
use keyfold_kms::{EmbeddedKms, Engine};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::hex;

/// Rotations that one key may have; after them the process takes another key.
const MAX_ROTATIONS: usize = 25;

/// One acknowledged change, a line of the process's output.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Done {
    Key { id: String },
    Alias { name: String, id: String },
    Rotated { id: String, times: usize },
    Blob { id: String, blob: String, plaintext: String },
    Secret { name: String, value: u64 },
    Grant { id: String, grant: String },
    Enabled { id: String, enabled: bool },
}

/// Opens the store in a folder, and makes it where it is not there yet or was left half made. A
/// file `url` in the folder names the PostgreSQL database that it is in instead.
///
/// # Panics
/// Where it cannot be opened: that is what the test is about.
pub fn open(folder: &Path) -> EmbeddedKms {
    let (database, root) = (folder.join("store.db"), folder.join("root.key"));
    let sealer = FileSealer::create(&root, &SystemRng).unwrap_or_else(|_| FileSealer::new(&root));
    #[cfg(feature = "postgres")]
    if let Ok(url) = std::fs::read_to_string(folder.join("url")) {
        return EmbeddedKms::new(crate::rpc::make(&url, &sealer));
    }
    EmbeddedKms::open(&database, &[&sealer]).unwrap_or_else(|error| {
        EmbeddedKms::create(&database, &[("file", &sealer)], EngineOptions::default())
            .unwrap_or_else(|again| panic!("neither opened ({error}) nor made ({again})"))
    })
}

fn call<O: Operation + DeserializeOwned>(engine: &Engine, request: Value) -> O::Response {
    let request: O = serde_json::from_value(request).expect("a request of the known form");
    engine.call(&engine.owner(), &request).unwrap_or_else(|error| panic!("{error}"))
}

/// Changes the store in `folder` at random for ever, and acknowledges each change on `out`.
///
/// # Panics
/// Where the store refuses or `out` is gone.
pub fn work(folder: &Path, seed: u64, out: &mut impl Write) {
    let kms = open(folder);
    let engine = kms.engine();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut keys: Vec<(String, usize)> = Vec::new();
    for turn in 0u64.. {
        let done = if keys.is_empty() || random.u8(..) < 30 {
            let made = call::<CreateKeyRequest>(engine, json!({}));
            keys.push((made.key_metadata.key_id.clone(), 0));
            Done::Key { id: made.key_metadata.key_id }
        } else {
            let chosen = random.usize(..keys.len());
            let (id, rotations) = &mut keys[chosen];
            let id = id.clone();
            match random.u8(..6) {
                0 => {
                    let name = format!("alias/{seed}-{turn}");
                    let request = json!({ "AliasName": name, "TargetKeyId": id });
                    call::<CreateAliasRequest>(engine, request);
                    Done::Alias { name, id }
                }
                1 if *rotations < MAX_ROTATIONS => {
                    call::<RotateKeyOnDemandRequest>(engine, json!({ "KeyId": id }));
                    *rotations += 1;
                    Done::Rotated { id, times: *rotations }
                }
                2 => {
                    let name = format!("secret/{seed}-{}", random.u8(..3));
                    let value = keyfold::SecretBytes::from(turn.to_string().as_bytes());
                    let put = engine.put_secret(&engine.owner(), &name, &value, None);
                    put.unwrap_or_else(|error| panic!("{error}"));
                    Done::Secret { name, value: turn }
                }
                3 => {
                    let request = json!({
                        "KeyId": id, "Operations": ["Decrypt"],
                        "GranteePrincipal": "arn:aws:iam::000000000000:user/a",
                    });
                    let made = call::<CreateGrantRequest>(engine, request);
                    Done::Grant { id, grant: made.grant_id }
                }
                4 => {
                    call::<DisableKeyRequest>(engine, json!({ "KeyId": id }));
                    acknowledge(out, &Done::Enabled { id: id.clone(), enabled: false });
                    call::<EnableKeyRequest>(engine, json!({ "KeyId": id }));
                    Done::Enabled { id, enabled: true }
                }
                _ => {
                    let plaintext = format!("{seed}/{turn}");
                    let encoded = keyfold_kms::types::Blob(plaintext.clone().into_bytes());
                    let request = json!({ "KeyId": id, "Plaintext": encoded });
                    let made = call::<EncryptRequest>(engine, request);
                    let blob = hex::encode(&made.ciphertext_blob.0);
                    Done::Blob { id, blob, plaintext }
                }
            }
        };
        acknowledge(out, &done);
    }
}

fn acknowledge(out: &mut impl Write, done: &Done) {
    let mut line = serde_json::to_string(done).expect("it is plain data");
    line.push('\n');
    // One write, so that a line is whole or was not acknowledged.
    out.write_all(line.as_bytes()).expect("somebody listens");
}

/// Opens the store and looks for everything that was acknowledged; answers how many records the
/// audit chain has.
///
/// # Panics
/// Where anything is missing or the chain is not whole.
pub fn check(folder: &Path, acknowledged: &[Done]) -> u64 {
    let kms = open(folder);
    let engine = kms.engine();
    let mut enabled = BTreeMap::new();
    let mut secrets = BTreeMap::new();
    let mut rotations = BTreeMap::new();
    for done in acknowledged {
        match done {
            Done::Key { id } => {
                enabled.insert(id, true);
            }
            Done::Enabled { id, enabled: now } => {
                enabled.insert(id, *now);
            }
            Done::Rotated { id, times } => {
                rotations.insert(id, *times);
            }
            Done::Secret { name, value } => {
                secrets.insert(name, *value);
            }
            Done::Alias { name, id } => {
                let found = call::<DescribeKeyRequest>(engine, json!({ "KeyId": name }));
                assert_eq!(&found.key_metadata.key_id, id, "{name}");
            }
            Done::Grant { id, grant } => {
                let request = json!({ "KeyId": id, "GrantId": grant });
                let found = call::<ListGrantsRequest>(engine, request);
                assert_eq!(found.grants.len(), 1, "grant {grant} of {id}");
            }
            Done::Blob { .. } => {}
        }
    }
    for (id, acknowledged) in enabled {
        let found = call::<DescribeKeyRequest>(engine, json!({ "KeyId": id })).key_metadata;
        // The change after the last acknowledged one may have come through.
        let known = [KeyState::Enabled, KeyState::Disabled].contains(&found.key_state);
        assert!(known, "{id} is {:?}, last known enabled: {acknowledged}", found.key_state);
        call::<EnableKeyRequest>(engine, json!({ "KeyId": id }));
    }
    for (id, times) in rotations {
        let found = call::<ListKeyRotationsRequest>(engine, json!({ "KeyId": id })).rotations.len();
        assert!(found == times || found == times + 1, "{found} rotations of {id}, not {times}");
    }
    for (name, value) in secrets {
        let found = call::<GetSecretValueRequest>(engine, json!({ "SecretId": name }));
        let text = found.secret_string.expect("it was put as text");
        let found: u64 = text.expose().parse().expect("it is a number");
        assert!(found >= value, "{name} is {found}, after {value}");
    }
    for done in acknowledged {
        if let Done::Blob { id, blob, plaintext } = done {
            let blob = keyfold_kms::types::Blob(hex::decode(blob));
            let opened = call::<DecryptRequest>(engine, json!({ "CiphertextBlob": blob }));
            assert_eq!(opened.plaintext.expose(), plaintext.as_bytes(), "under {id}");
        }
    }
    let report = engine.verify_audit().expect("the chain can be read");
    assert!(report.is_sound(), "{:?}", report.problems);
    report.records
}
