//! KV version 2.

use serde_json::{Map, Value, json};

use super::{Answer, Refusal, Result};
use crate::backend::Failure;
use crate::clock::{EXTENDED, format};
use crate::keys::{State, World};
use crate::secrets::{Secret, SecretVersion};
use crate::wire::{Parameters, Reply};

/// What is asked, beside the path.
pub(super) struct Call<'a> {
    pub(super) now: i64,
    pub(super) method: &'static str,
    /// The word after the mount.
    pub(super) what: &'a str,
    pub(super) version: Option<String>,
}

/// Performs an operation on a secret.
pub(super) fn perform(
    world: &mut World,
    call: &Call<'_>,
    path: &str,
    given: &Parameters,
) -> Result<Answer> {
    let none = || Refusal(404, Vec::new());
    match (call.what, call.method) {
        ("data", "update" | "patch") => write(world, call, path, given),
        ("data", "read") => read(world, call, path),
        ("data", "delete") => {
            let secret = world.secret_mut(path)?;
            let last = secret.versions.last().map(|version| version.id.clone());
            mark(secret, &last.into_iter().collect::<Vec<_>>(), State::Disabled);
            Ok(Answer::Empty)
        }
        ("delete" | "undelete" | "destroy", "update") => {
            let versions: Vec<_> =
                given.0["versions"].as_array().into_iter().flatten().map(plain).collect();
            if versions.is_empty() {
                return Err(Refusal::new(400, "No version number provided"));
            }
            let state = match call.what {
                "delete" => State::Disabled,
                "undelete" => State::Enabled,
                _ => State::Destroyed,
            };
            mark(world.secret_mut(path)?, &versions, state);
            Ok(Answer::Empty)
        }
        ("metadata", "list") => {
            let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
            let mut found: Vec<_> = world
                .secrets
                .iter()
                .filter_map(|secret| secret.name.strip_prefix(&prefix))
                // Folders end with a slash.
                .map(|rest| rest.split_inclusive('/').next().unwrap_or(rest).to_owned())
                .collect();
            found.sort();
            found.dedup();
            if found.is_empty() { Err(none()) } else { Ok(Answer::Data(json!({ "keys": found }))) }
        }
        ("metadata", "read") => {
            let secret = world.secret(path)?;
            let mut versions = Map::new();
            for version in &secret.versions {
                versions.insert(version.id.clone(), metadata(version));
            }
            Ok(Answer::Data(json!({
                "created_time": format(secret.created, EXTENDED),
                "updated_time": format(secret.updated, EXTENDED), "max_versions": 0,
                "oldest_version": 0, "current_version": secret.versions.len(), "versions": versions,
                "cas_required": false, "custom_metadata": null, "delete_version_after": "0s",
            })))
        }
        ("metadata", "delete") => {
            world.secrets.retain(|secret| secret.name != path);
            Ok(Answer::Empty)
        }
        _ => Err(Failure::UnknownOperation.into()),
    }
}

fn plain(number: &Value) -> String {
    number.as_str().map_or_else(|| number.to_string(), str::to_owned)
}

fn write(world: &mut World, call: &Call<'_>, path: &str, given: &Parameters) -> Result<Answer> {
    let new = given.0["data"].as_object();
    let new = new.ok_or_else(|| Refusal::new(400, "no data provided"))?.clone();
    let mut secret = match world.secret(path) {
        Ok(secret) => secret.clone(),
        Err(_) if call.method == "patch" => return Err(Refusal(404, Vec::new())),
        Err(_) => Secret::new(path, call.now),
    };
    let latest = secret.versions.len();
    let expected = given.0["options"]["cas"].as_u64();
    if expected.is_some_and(|expected| usize::try_from(expected) != Ok(latest)) {
        let text = "check-and-set parameter did not match the current version";
        return Err(Refusal::new(400, text));
    }
    let data = if call.method == "patch" {
        let current = secret.versions.last().filter(|version| version.state == State::Enabled);
        let current = current.ok_or_else(|| Refusal(404, Vec::new()))?;
        let mut merged: Map<String, Value> =
            serde_json::from_slice(&world.backend.value(&current.value)?).unwrap_or_default();
        for (name, value) in new {
            if value.is_null() {
                merged.remove(&name);
            } else {
                merged.insert(name, value);
            }
        }
        merged
    } else {
        new
    };
    let (id, text) = ((latest + 1).to_string(), Value::Object(data).to_string());
    secret.add(&world.backend, &id, (text.as_bytes(), false), (&[], "", ""), call.now)?;
    let answer = secret.versions.last().map(metadata).unwrap_or_default();
    world.secrets.retain(|found| found.name != path);
    world.secrets.push(secret);
    Ok(Answer::Data(answer))
}

fn read(world: &World, call: &Call<'_>, path: &str) -> Result<Answer> {
    let secret = world.secret(path)?;
    let version = match call.version.as_deref().unwrap_or("0") {
        "0" | "" => secret.versions.last().ok_or(Failure::SecretNotFound)?,
        id => secret.version(id)?,
    };
    if version.state != State::Enabled {
        // Gone, and it says so.
        let body = json!({ "data": { "data": null, "metadata": metadata(version) } });
        return Ok(Answer::Whole(Reply::json(404, &body)));
    }
    let data: Value =
        serde_json::from_slice(&world.backend.value(&version.value)?).unwrap_or_default();
    Ok(Answer::Data(json!({ "data": data, "metadata": metadata(version) })))
}

fn mark(secret: &mut Secret, versions: &[String], state: State) {
    for version in &mut secret.versions {
        if versions.contains(&version.id) && version.state != State::Destroyed {
            version.state = state;
        }
    }
}

fn metadata(version: &SecretVersion) -> Value {
    let deleted = version.state != State::Enabled;
    json!({
        "created_time": format(version.created, EXTENDED), "custom_metadata": null,
        "deletion_time": if deleted { format(version.created, EXTENDED) } else { String::new() },
        "destroyed": version.state == State::Destroyed,
        "version": version.id.parse::<u64>().unwrap_or(0),
    })
}
