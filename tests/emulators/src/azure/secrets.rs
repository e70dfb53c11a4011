//! Secrets.

use serde_json::{Map, Value, json};

use super::{Answer, Call, Refusal, State};
use crate::backend::Failure;
use crate::encoding::{b64url, unb64url};
use crate::keys;
use crate::secrets::{Secret, SecretVersion};

/// The longest value.
const MAX: usize = 25 * 1024;

/// Performs a call on what is below `secrets` or `deletedsecrets`.
pub(super) fn perform(state: &mut State, call: &Call<'_>, words: &[&str]) -> Answer {
    match (call.method.as_str(), words) {
        ("GET", ["secrets"]) => {
            let items = state.world.secrets.iter().map(|secret| item(state, call, secret, None));
            Ok(call.paged(items.collect()))
        }
        ("POST", ["secrets", "restore"]) => {
            let id = unb64url(call.body.required("value")?);
            let id = id.and_then(|id| String::from_utf8(id).ok());
            let found = id.and_then(|id| state.secret_backups.get(&id).cloned());
            let (secret, notes) =
                found.ok_or_else(|| Refusal::parameter("The backup is not one."))?;
            if state.world.secret(&secret.name).is_ok() {
                return Err(Failure::Exists("The secret exists.").into());
            }
            state.notes.insert(noted(&secret.name), notes);
            state.world.secrets.push(secret.clone());
            Ok(described(state, call, &secret, last(&secret)?))
        }
        ("POST", ["secrets", name, "backup"]) => {
            let secret = state.world.secret(name)?.clone();
            let id = state.world.backend.hex_id();
            let notes = state.notes.get(&noted(name)).cloned().unwrap_or_default();
            state.secret_backups.insert(id.clone(), (secret, notes));
            Ok(json!({ "value": b64url(id) }))
        }
        ("PUT", ["secrets", name]) => set(state, call, name),
        ("GET", ["secrets", name, "versions"]) => {
            let secret = state.world.secret(name)?;
            let versions = secret.versions.iter();
            let items = versions.map(|version| item(state, call, secret, Some(version)));
            Ok(call.paged(items.collect()))
        }
        ("GET", ["secrets", name, version @ ..]) => {
            let secret = state.world.secret(name)?;
            let version = chosen(secret, version.first().copied())?;
            if version.state != keys::State::Enabled {
                return Err(Failure::SecretDisabled.into());
            }
            let mut body = described(state, call, secret, version);
            let value = state.world.backend.value(&version.value)?;
            body["value"] = json!(String::from_utf8_lossy(&value));
            Ok(body)
        }
        ("PATCH", ["secrets", name, version @ ..]) => {
            let wanted = chosen(state.world.secret(name)?, version.first().copied())?.id.clone();
            if let Some(enabled) = call.body.0["attributes"]["enabled"].as_bool() {
                for version in &mut state.world.secret_mut(name)?.versions {
                    if version.id == wanted {
                        version.state =
                            if enabled { keys::State::Enabled } else { keys::State::Disabled };
                    }
                }
            }
            let notes = state.notes.entry(noted(name)).or_default();
            for member in ["contentType", "tags"] {
                if !call.body.0[member].is_null() {
                    notes[&*wanted][member] = call.body.0[member].clone();
                }
            }
            let secret = state.world.secret(name)?;
            Ok(described(state, call, secret, secret.version(&wanted)?))
        }
        ("DELETE", ["secrets", name]) => {
            let secret = state.world.secret(name)?.clone();
            state.world.secrets.retain(|found| found.name != *name);
            state.deleted_secrets.push(secret.clone());
            Ok(deletion(call, name, described(state, call, &secret, last(&secret)?)))
        }
        ("GET", ["deletedsecrets"]) => {
            let items = state
                .deleted_secrets
                .iter()
                .map(|secret| deletion(call, &secret.name, item(state, call, secret, None)));
            Ok(call.paged(items.collect()))
        }
        (method, ["deletedsecrets", name, rest @ ..]) => {
            let found = state.deleted_secrets.iter().find(|secret| secret.name == *name);
            let secret = found.ok_or(Failure::SecretNotFound)?.clone();
            match (method, rest) {
                ("GET", []) => {
                    Ok(deletion(call, name, described(state, call, &secret, last(&secret)?)))
                }
                ("DELETE", []) => {
                    state.deleted_secrets.retain(|found| found.name != *name);
                    state.notes.remove(&noted(name));
                    Ok(Value::Null)
                }
                ("POST", ["recover"]) => {
                    state.deleted_secrets.retain(|found| found.name != *name);
                    state.world.secrets.push(secret.clone());
                    Ok(described(state, call, &secret, last(&secret)?))
                }
                _ => Err(Failure::UnknownOperation.into()),
            }
        }
        _ => Err(Failure::UnknownOperation.into()),
    }
}

/// Where the notes of a secret are, by the ids of its versions: its name may be a key's too.
fn noted(name: &str) -> String {
    format!("secret/{name}")
}

fn set(state: &mut State, call: &Call<'_>, name: &str) -> Answer {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if name.len() > 127 || !name.chars().all(fits) {
        return Err(Refusal::parameter("The request URI contains an invalid name."));
    }
    if state.deleted_secrets.iter().any(|secret| secret.name == name) {
        let text = format!("Secret {name} is currently in a deleted but recoverable state.");
        return Err(Refusal::new(409, "Conflict", text).inner("ObjectIsDeletedButRecoverable"));
    }
    let value = call.body.0["value"].as_str().ok_or(Failure::Missing("value"))?;
    if value.len() > MAX || value.is_empty() {
        return Err(Refusal::parameter("The value has 1 byte to 25 KiB."));
    }
    if state.world.secret(name).is_err() {
        state.world.secrets.push(Secret::new(name, call.now));
    }
    let mut secret = state.world.secret(name)?.clone();
    let id = state.world.backend.hex_id();
    let value = (value.as_bytes(), false);
    let version = id.clone();
    secret.add(&state.world.backend, &id, value, (&[], "", ""), call.now)?;
    *state.world.secret_mut(name)? = secret.clone();
    let body = &call.body.0;
    let notes = json!({
        "contentType": body["contentType"], "tags": body["tags"], "attributes": body["attributes"],
    });
    state.notes.entry(noted(name)).or_default()[version] = notes;
    let mut answer = described(state, call, &secret, last(&secret)?);
    answer["value"] = body["value"].clone();
    Ok(answer)
}

fn last(secret: &Secret) -> Result<&SecretVersion, Failure> {
    secret.versions.last().ok_or(Failure::SecretNotFound)
}

fn chosen<'a>(secret: &'a Secret, version: Option<&str>) -> Result<&'a SecretVersion, Failure> {
    match version.unwrap_or_default() {
        "" => last(secret),
        version => secret.version(version),
    }
}

fn attributes(state: &State, secret: &Secret, version: &SecretVersion) -> Value {
    let notes = state.notes.get(&noted(&secret.name));
    let given = notes.and_then(|notes| notes[&*version.id]["attributes"].as_object().cloned());
    let mut attributes: Map<String, Value> = given.unwrap_or_default();
    attributes.insert("enabled".to_owned(), json!(version.state == keys::State::Enabled));
    attributes.insert("created".to_owned(), json!(version.created));
    attributes.insert("updated".to_owned(), json!(version.created));
    attributes.insert("recoveryLevel".to_owned(), json!("Recoverable+Purgeable"));
    attributes.insert("recoverableDays".to_owned(), json!(90));
    Value::Object(attributes)
}

fn described(state: &State, call: &Call<'_>, secret: &Secret, version: &SecretVersion) -> Value {
    item(state, call, secret, Some(version))
}

fn item(state: &State, call: &Call<'_>, secret: &Secret, version: Option<&SecretVersion>) -> Value {
    let id = version.map(|version| format!("/{}", version.id)).unwrap_or_default();
    let shown = version.or(secret.versions.last());
    let mut body = json!({ "id": format!("{}/secrets/{}{id}", call.url, secret.name) });
    if let Some(shown) = shown {
        body["attributes"] = attributes(state, secret, shown);
    }
    let notes = state.notes.get(&noted(&secret.name)).zip(shown);
    let notes = notes.map(|(notes, shown)| &notes[&*shown.id]);
    for member in ["contentType", "tags"] {
        if let Some(found) = notes.map(|notes| &notes[member]).filter(|found| !found.is_null()) {
            body[member] = found.clone();
        }
    }
    body
}

fn deletion(call: &Call<'_>, name: &str, mut body: Value) -> Value {
    body["recoveryId"] = json!(format!("{}/deletedsecrets/{name}", call.url));
    body["deletedDate"] = json!(call.now);
    body["scheduledPurgeDate"] = json!(call.now + 90 * crate::clock::SECONDS_OF_DAY);
    body
}
