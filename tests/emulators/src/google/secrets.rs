//! Secret Manager.

use serde_json::{Value, json};

use super::{Answer, Call, Refusal, bytes, checked, checksum, paged};
use crate::clock::{EXTENDED, format};
use crate::encoding::b64;
use crate::keys::{State, World};
use crate::secrets::{Secret, SecretVersion};

pub(super) const OPERATIONS: &[&str] = &[
    "secrets/*:DELETE",
    "secrets/*:GET",
    "secrets/*:addVersion",
    "secrets/versions/*:GET",
    "secrets/versions/*:access",
    "secrets/versions/*:destroy",
    "secrets/versions/*:disable",
    "secrets/versions/*:enable",
    "secrets/versions:GET",
    "secrets:GET",
    "secrets:POST",
];

/// The longest value.
const MAX: usize = 64 * 1024;

/// Performs a call on what is below `secrets`.
pub(super) fn perform(world: &mut World, now: i64, call: &Call, rest: &[&str]) -> Answer {
    let (method, verb, name) = (call.method.as_str(), call.verb.as_str(), call.name());
    let id = call.resource.iter().take(4).cloned().collect::<Vec<_>>().join("/");
    let missing = |_| Refusal::new(404, "NOT_FOUND", format!("Secret [{id}] not found."));
    match (method, verb, rest) {
        ("POST", "", []) => {
            let short = call.query.required("secretId")?;
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if short.len() > 255 || !short.chars().all(fits) {
                return Err(Refusal::invalid("The provided Secret ID does not match the format."));
            }
            let name = format!("{name}/{short}");
            if world.secret(&name).is_ok() {
                let text = format!("Secret [{name}] already exists.");
                return Err(Refusal::new(409, "ALREADY_EXISTS", text));
            }
            if !call.body.0["replication"].is_object() {
                return Err(Refusal::invalid("Required field secret.replication not set."));
            }
            let secret = Secret::new(&name, now);
            let body = described(&secret);
            world.secrets.push(secret);
            Ok(body)
        }
        ("GET", "", []) => paged(call, "secrets", world.secrets.iter().map(described).collect()),
        ("GET", "", [_]) => world.secret(&id).map(described).map_err(missing),
        ("DELETE", "", [_]) => {
            world.secret(&id).map_err(missing)?;
            world.secrets.retain(|secret| secret.name != id);
            Ok(json!({}))
        }
        ("POST", "addVersion", [_]) => {
            let mut secret = world.secret(&id).map_err(missing)?.clone();
            let data = bytes(&call.body.0["payload"], "data")?;
            checked(&call.body.0["payload"], "dataCrc32c", &data)?;
            if data.is_empty() || data.len() > MAX {
                return Err(Refusal::invalid("The payload has 1 byte to 64 KiB."));
            }
            let number = (secret.versions.len() + 1).to_string();
            secret.add(&world.backend, &number, (&data, true), (&[], "", ""), now)?;
            let body = secret.versions.last().map(|version| version_of(&id, version));
            *world.secret_mut(&id)? = secret;
            Ok(body.unwrap_or_default())
        }
        ("GET", "", [_, "versions"]) => {
            let secret = world.secret(&id).map_err(missing)?;
            let found = secret.versions.iter().rev().map(|version| version_of(&id, version));
            paged(call, "versions", found.collect())
        }
        (_, _, [_, "versions", number]) => {
            let secret = world.secret(&id).map_err(missing)?;
            let absent =
                || Refusal::new(404, "NOT_FOUND", format!("Secret Version [{name}] not found."));
            let version = match *number {
                // The newest that is not destroyed, whether it is enabled or not.
                "latest" => {
                    let mut versions = secret.versions.iter().rev();
                    versions.find(|version| version.state != State::Destroyed)
                }
                number => secret.versions.iter().find(|version| version.id == number),
            };
            let version = version.ok_or_else(absent)?.clone();
            if verb.is_empty() {
                return Ok(version_of(&id, &version));
            }
            if verb == "access" {
                if version.state != State::Enabled {
                    let text =
                        format!("Secret Version [{name}] is in {} state.", state_of(&version));
                    return Err(Refusal::precondition(text));
                }
                let data = world.backend.value(&version.value)?;
                let payload = json!({ "data": b64(&data), "dataCrc32c": checksum(&data) });
                let name = format!("{id}/versions/{}", version.id);
                return Ok(json!({ "name": name, "payload": payload }));
            }
            if version.state == State::Destroyed {
                let text = format!("Secret Version [{name}] is in DESTROYED state.");
                return Err(Refusal::precondition(text));
            }
            let change = match verb {
                "enable" => State::Enabled,
                "disable" => State::Disabled,
                "destroy" => State::Destroyed,
                _ => return Err(absent()),
            };
            let versions = &mut world.secret_mut(&id)?.versions;
            let held = versions.iter_mut().find(|held| held.id == version.id).ok_or_else(absent)?;
            held.state = change;
            Ok(version_of(&id, held))
        }
        _ => Err(Refusal::missing(&name)),
    }
}

fn described(secret: &Secret) -> Value {
    json!({
        "name": secret.name, "replication": { "automatic": {} },
        "createTime": format(secret.created, EXTENDED),
    })
}

fn state_of(version: &SecretVersion) -> &'static str {
    match version.state {
        State::Enabled => "ENABLED",
        State::Destroyed => "DESTROYED",
        _ => "DISABLED",
    }
}

fn version_of(secret: &str, version: &SecretVersion) -> Value {
    json!({
        "name": format!("{secret}/versions/{}", version.id), "state": state_of(version),
        "createTime": format(version.created, EXTENDED),
    })
}
