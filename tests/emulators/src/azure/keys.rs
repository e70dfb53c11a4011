//! Keys: made, imported, listed, changed, deleted, recovered.

use keyfold::sign::SigningKey;
use serde_json::{Map, Value, json};

use super::{Answer, Call, Refusal, State};
use crate::backend::{Failure, KeySpec, KeyUsage};
use crate::encoding::{b64url, unb64url};
use crate::keys::{self, Key, Version};
use crate::spki;

/// How long what was deleted may be recovered, in days.
const RECOVERABLE: i64 = 90;

/// Performs a call on what is below `keys` or `deletedkeys`.
pub(super) fn perform(state: &mut State, call: &Call<'_>, words: &[&str]) -> Answer {
    match (call.method.as_str(), words) {
        ("GET", ["keys"]) => {
            let items: Result<Vec<_>, _> =
                state.world.keys.iter().map(|key| item(state, call, key, None)).collect();
            Ok(call.paged(items?))
        }
        ("POST", ["keys", "restore"]) => restore(state, call),
        ("POST", ["keys", name, "create"]) => create(state, call, name),
        ("PUT", ["keys", name]) => import(state, call, name),
        ("POST", ["keys", name, "rotate"]) => {
            let version = state.world.backend.hex_id();
            state.world.add_version(name, version, call.now)?;
            bundle(state, call, state.world.key(name)?, None)
        }
        ("POST", ["keys", name, "backup"]) => {
            let key = state.world.key(name)?.clone();
            let id = state.world.backend.hex_id();
            let notes = state.notes.get(*name).cloned().unwrap_or_default();
            state.backups.insert(id.clone(), (key, notes));
            Ok(json!({ "value": b64url(id) }))
        }
        ("GET", ["keys", name, "versions"]) => {
            let key = state.world.key(name)?;
            let items: Result<Vec<_>, _> = key
                .versions
                .iter()
                .map(|version| item(state, call, key, Some(&version.id)))
                .collect();
            Ok(call.paged(items?))
        }
        ("GET" | "PUT", ["keys", name, "rotationpolicy"]) => {
            state.world.key(name)?;
            let notes = state.notes.entry((*name).to_owned()).or_default();
            if call.method == "PUT" {
                notes["policy"] = call.body.0.clone();
            }
            let id = format!("{}/keys/{name}/rotationpolicy", call.url);
            let policy = &notes["policy"];
            let actions = match policy["lifetimeActions"].as_array() {
                Some(actions) => json!(actions),
                None => json!([]),
            };
            Ok(json!({ "id": id, "lifetimeActions": actions, "attributes": policy["attributes"] }))
        }
        ("GET", ["keys", name, version @ ..]) => {
            bundle(state, call, state.world.key(name)?, version.first().copied())
        }
        ("PATCH", ["keys", name, version @ ..]) => {
            let version = version.first().copied().unwrap_or_default();
            update(state, call, name, version)
        }
        ("DELETE", ["keys", name]) => {
            let key = state.world.key(name)?.clone();
            state.world.keys.retain(|found| found.id != *name);
            state.deleted_keys.push(key.clone());
            deleted(state, call, &key)
        }
        ("GET", ["deletedkeys"]) => {
            let items: Result<Vec<_>, _> =
                state.deleted_keys.iter().map(|key| deleted_item(state, call, key)).collect();
            Ok(call.paged(items?))
        }
        (method, ["deletedkeys", name, rest @ ..]) => {
            let key = state.deleted_keys.iter().find(|key| key.id == *name);
            let key = key.ok_or(Failure::KeyNotFound)?.clone();
            match (method, rest) {
                ("GET", []) => deleted(state, call, &key),
                ("DELETE", []) => {
                    state.deleted_keys.retain(|found| found.id != *name);
                    state.notes.remove(*name);
                    Ok(Value::Null)
                }
                ("POST", ["recover"]) => {
                    state.deleted_keys.retain(|found| found.id != *name);
                    state.world.keys.push(key.clone());
                    bundle(state, call, &key, None)
                }
                _ => Err(Failure::UnknownOperation.into()),
            }
        }
        _ => Err(Failure::UnknownOperation.into()),
    }
}

fn checked_name(state: &State, name: &str) -> Result<(), Refusal> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if name.len() > 127 || !name.chars().all(fits) {
        return Err(Refusal::parameter("The request URI contains an invalid name."));
    }
    if state.deleted_keys.iter().any(|key| key.id == name) {
        let text = format!("Key {name} is currently in a deleted but recoverable state.");
        return Err(Refusal::new(409, "Conflict", text).inner("ObjectIsDeletedButRecoverable"));
    }
    Ok(())
}

fn create(state: &mut State, call: &Call<'_>, name: &str) -> Answer {
    use KeySpec as S;
    checked_name(state, name)?;
    let (kind, body) = (call.body.required("kty")?.to_owned(), &call.body);
    let size = body.number("key_size")?;
    let (spec, allowed) = match kind.as_str() {
        "RSA" | "RSA-HSM" => (
            match size.unwrap_or(2048) {
                2048 => S::Rsa2048,
                3072 => S::Rsa3072,
                4096 => S::Rsa4096,
                _ => return Err(Refusal::parameter("key_size is 2048, 3072 or 4096.")),
            },
            &["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"][..],
        ),
        "EC" | "EC-HSM" => (
            match body.optional("crv").unwrap_or("P-256") {
                "P-256" => S::EccNistP256,
                "P-384" => S::EccNistP384,
                "P-521" => S::EccNistP521,
                "P-256K" => S::EccSecgP256K1,
                _ => return Err(Refusal::parameter("crv is not supported.")),
            },
            &["sign", "verify"][..],
        ),
        "oct" | "oct-HSM" => {
            if ![128, 192, 256].contains(&size.unwrap_or(256)) {
                return Err(Refusal::parameter("key_size is 128, 192 or 256."));
            }
            (S::SymmetricDefault, &["encrypt", "decrypt", "wrapKey", "unwrapKey"][..])
        }
        _ => return Err(Refusal::parameter("kty is not supported.")),
    };
    let version = state.world.backend.hex_id();
    let id = name.to_owned();
    match state.world.key(name) {
        // A key of this name gets another version.
        Ok(key) if key.spec == kind && key.engine_spec == spec => {
            state.world.add_version(name, version, call.now)?;
        }
        Ok(_) => return Err(Refusal::parameter("A key of this name has another type here.")),
        Err(_) => {
            let key = match spec {
                S::SymmetricDefault => {
                    let usage = KeyUsage::EncryptDecrypt;
                    state.world.create_key(id, version, (spec, usage), call.now)?
                }
                S::Rsa2048 | S::Rsa3072 | S::Rsa4096 => {
                    state.world.create_dual_key(id, version, spec, call.now)?
                }
                _ => state.world.create_key(id, version, (spec, KeyUsage::SignVerify), call.now)?,
            };
            key.spec.clone_from(&kind);
        }
    }
    let operations = match body.texts("key_ops") {
        none if none.is_empty() => allowed.iter().map(|name| (*name).to_owned()).collect(),
        given => given,
    };
    note(state, call, name, &operations);
    switch(state, call, name, None)?;
    bundle(state, call, state.world.key(name)?, None)
}

/// Keeps what may be done with a key, its tags and attributes.
fn note(state: &mut State, call: &Call<'_>, name: &str, operations: &[String]) {
    let policy = state.notes.get(name).map(|notes| notes["policy"].clone()).unwrap_or_default();
    let notes = json!({
        "key_ops": operations, "tags": call.body.0["tags"], "attributes": call.body.0["attributes"],
        "policy": policy,
    });
    state.notes.insert(name.to_owned(), notes);
}

/// Enables or disables a version, where that is asked for.
fn switch(
    state: &mut State,
    call: &Call<'_>,
    name: &str,
    version: Option<&str>,
) -> Result<(), Refusal> {
    let Some(enabled) = call.body.0["attributes"]["enabled"].as_bool() else { return Ok(()) };
    let key = state.world.key_mut(name)?;
    let last = key.current().id.clone();
    let wanted = version.filter(|version| !version.is_empty()).unwrap_or(&last);
    let held = key.versions.iter_mut().find(|held| held.id == wanted);
    let held = held.ok_or(Failure::KeyNotFound)?;
    // The engine's key stays enabled: a disabled one still encrypts and verifies here.
    held.state = if enabled { keys::State::Enabled } else { keys::State::Disabled };
    Ok(())
}

fn import(state: &mut State, call: &Call<'_>, name: &str) -> Answer {
    checked_name(state, name)?;
    let mut given = call.body.0["key"].as_object().cloned().unwrap_or_default();
    let kind = given.get("kty").and_then(Value::as_str).unwrap_or_default().to_owned();
    given.remove("key_ops");
    given.remove("kid");
    if given.get("crv").and_then(Value::as_str) == Some("P-256K") {
        given.insert("crv".to_owned(), json!("secp256k1"));
    }
    given.insert("kty".to_owned(), json!(kind.trim_end_matches("-HSM")));
    let key = SigningKey::from_jwk(&Value::Object(given).to_string())
        .map_err(|_| Refusal::parameter("The key is not a private key of RSA or EC."))?;
    let spec: KeySpec = match key.spec().as_str() {
        "RSA_2048" => KeySpec::Rsa2048,
        "RSA_3072" => KeySpec::Rsa3072,
        "RSA_4096" => KeySpec::Rsa4096,
        "ECC_NIST_P256" => KeySpec::EccNistP256,
        "ECC_NIST_P384" => KeySpec::EccNistP384,
        "ECC_NIST_P521" => KeySpec::EccNistP521,
        "ECC_SECG_P256K1" => KeySpec::EccSecgP256K1,
        _ => return Err(Refusal::parameter("The key is not supported.")),
    };
    let version = state.world.backend.hex_id();
    let engine = state.world.backend.keep_dual(&key)?;
    state.world.keys.retain(|found| found.id != name);
    let made = state.world.add_key(
        name.to_owned(),
        version,
        (spec, KeyUsage::SignVerify),
        engine,
        call.now,
    );
    made.spec = kind;
    let rsa = made.spec.starts_with("RSA");
    let operations: Vec<_> = if rsa {
        vec!["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"]
    } else {
        vec!["sign", "verify"]
    };
    let operations: Vec<_> = operations.into_iter().map(str::to_owned).collect();
    note(state, call, name, &operations);
    bundle(state, call, state.world.key(name)?, None)
}

fn update(state: &mut State, call: &Call<'_>, name: &str, version: &str) -> Answer {
    switch(state, call, name, Some(version))?;
    let notes = state.notes.entry(name.to_owned()).or_default();
    for member in ["key_ops", "tags"] {
        if !call.body.0[member].is_null() {
            notes[member] = call.body.0[member].clone();
        }
    }
    bundle(state, call, state.world.key(name)?, Some(version))
}

fn restore(state: &mut State, call: &Call<'_>) -> Answer {
    let id = unb64url(call.body.required("value")?).and_then(|id| String::from_utf8(id).ok());
    let found = id.and_then(|id| state.backups.get(&id).cloned());
    let (key, notes) = found.ok_or_else(|| Refusal::parameter("The backup is not one."))?;
    checked_name(state, &key.id)?;
    if state.world.key(&key.id).is_ok() {
        return Err(Failure::Exists("The key exists.").into());
    }
    state.notes.insert(key.id.clone(), notes);
    state.world.keys.push(key.clone());
    bundle(state, call, &key, None)
}

fn chosen<'a>(key: &'a Key, version: Option<&str>) -> Result<&'a Version, Refusal> {
    match version.unwrap_or_default() {
        "" => Ok(key.current()),
        version => Ok(key.version(version)?),
    }
}

fn attributes(state: &State, key: &Key, version: &Version) -> Value {
    let mut attributes: Map<String, Value> =
        state.notes[&key.id]["attributes"].as_object().cloned().unwrap_or_default();
    attributes.insert("enabled".to_owned(), json!(version.state == keys::State::Enabled));
    attributes.insert("created".to_owned(), json!(version.created));
    attributes.insert("updated".to_owned(), json!(version.created));
    attributes.insert("recoveryLevel".to_owned(), json!("Recoverable+Purgeable"));
    attributes.insert("recoverableDays".to_owned(), json!(RECOVERABLE));
    Value::Object(attributes)
}

fn bundle(state: &State, call: &Call<'_>, key: &Key, version: Option<&str>) -> Answer {
    let version = chosen(key, version)?;
    let notes = &state.notes[&key.id];
    let mut jwk = if key.symmetric() {
        json!({})
    } else {
        let spki = state.world.backend.public_key(&version.engine)?;
        spki::jwk(&spki).ok_or_else(|| Failure::Internal("an odd key".to_owned()))?
    };
    jwk["kid"] = json!(format!("{}/keys/{}/{}", call.url, key.id, version.id));
    jwk["kty"] = json!(key.spec);
    jwk["key_ops"] = notes["key_ops"].clone();
    let attributes = attributes(state, key, version);
    Ok(json!({ "key": jwk, "attributes": attributes, "tags": notes["tags"] }))
}

fn item(state: &State, call: &Call<'_>, key: &Key, version: Option<&str>) -> Answer {
    let id = version.map(|version| format!("/{version}")).unwrap_or_default();
    let attributes = attributes(state, key, chosen(key, version)?);
    let tags = &state.notes[&key.id]["tags"];
    let kid = format!("{}/keys/{}{id}", call.url, key.id);
    Ok(json!({ "kid": kid, "attributes": attributes, "tags": tags }))
}

fn deletion(call: &Call<'_>, name: &str, mut body: Value) -> Value {
    body["recoveryId"] = json!(format!("{}/deletedkeys/{name}", call.url));
    body["deletedDate"] = json!(call.now);
    body["scheduledPurgeDate"] = json!(call.now + RECOVERABLE * crate::clock::SECONDS_OF_DAY);
    body
}

fn deleted(state: &State, call: &Call<'_>, key: &Key) -> Answer {
    Ok(deletion(call, &key.id, bundle(state, call, key, None)?))
}

fn deleted_item(state: &State, call: &Call<'_>, key: &Key) -> Answer {
    Ok(deletion(call, &key.id, item(state, call, key, None)?))
}
