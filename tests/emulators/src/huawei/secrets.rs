//! The operations of CSMS.

use serde_json::{Value, json};

use super::{Answer, Refusal};
use crate::backend::{Failure, Result};
use crate::clock::SECONDS_OF_DAY;
use crate::encoding::{b64, unb64};
use crate::keys::{State, World};
use crate::secrets::{Secret, SecretVersion};
use crate::wire::{Parameters, page};

/// Method, path after the project, name.
pub(super) const PATHS: &[(&str, &str, &str)] = &[
    ("POST", "secrets", "create-secret"),
    ("GET", "secrets", "list-secrets"),
    ("GET", "secrets/*", "show-secret"),
    ("PUT", "secrets/*", "update-secret"),
    ("DELETE", "secrets/*", "delete-secret"),
    ("POST", "secrets/*/versions", "create-secret-version"),
    ("GET", "secrets/*/versions", "list-secret-versions"),
    ("GET", "secrets/*/versions/*", "show-secret-version"),
    ("GET", "secrets/*/stages/*", "show-secret-stage"),
    ("PUT", "secrets/*/stages/*", "update-secret-stage"),
    ("DELETE", "secrets/*/stages/*", "delete-secret-stage"),
    ("POST", "secrets/*/scheduled-deleted-tasks/create", "delete-secret-for-schedule"),
    ("POST", "secrets/*/scheduled-deleted-tasks/cancel", "restore-secret"),
    ("POST", "csms/generate-password", "generate-random-password"),
];

const CURRENT: &str = "SYSCURRENT";
const PREVIOUS: &str = "SYSPREVIOUS";
/// The longest value.
const MAX_VALUE: usize = 32 * 1024;

/// Performs an operation.
pub(super) fn perform(
    world: &mut World,
    now: i64,
    operation: &str,
    parts: &[String],
    given: &Parameters,
) -> Answer {
    let name = parts.first().map(String::as_str).unwrap_or_default();
    let done = |body: Value| Ok((200, Some(body)));
    match operation {
        "create-secret" => {
            let name = given.required("name").map_err(missing)?;
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if name.len() > 64 || !name.chars().all(fits) {
                return Err(Refusal::new("CSMS.0402", "The name is invalid."));
            }
            if world.secret(name).is_ok() {
                return Err(Refusal::new("CSMS.0101", "The secret exists already."));
            }
            let mut secret = Secret::new(name, now);
            given.text("description").clone_into(&mut secret.description);
            secret.kms_key = given.optional("kms_key_id").map(str::to_owned);
            if let Some(key) = &secret.kms_key {
                world.usable(key)?;
            }
            add(world, &mut secret, given, now)?;
            let body = json!({ "secret": metadata(&secret) });
            world.secrets.push(secret);
            done(body)
        }
        "list-secrets" => {
            let limit = given.number_in("limit", 1..=200)?.unwrap_or(50);
            // A marker is the id of the last secret of the page before.
            let after = given.text("marker");
            let ids: Vec<_> = world.secrets.iter().map(secret_id).collect();
            let start = match after {
                "" => 0,
                after => ids.iter().position(|id| id == after).map_or(ids.len(), |at| at + 1),
            };
            let found =
                page(world.secrets.iter().collect(), i64::try_from(start).unwrap_or(0), limit);
            let mut info = json!({ "current_count": found.len() });
            if start + found.len() < ids.len() {
                info["next_marker"] = json!(ids[start + found.len() - 1]);
            }
            let found: Vec<_> = found.into_iter().map(metadata).collect();
            done(json!({ "secrets": found, "page_info": info }))
        }
        "generate-random-password" => {
            let length = given.number_in("length", 8..=128)?.unwrap_or(32);
            let bytes = world.backend.random(usize::try_from(length).unwrap_or(32))?;
            let letter =
                |byte: u8| char::from(b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefgh"[usize::from(byte % 32)]);
            let password: String = bytes.into_iter().map(letter).collect();
            done(json!({ "password": password }))
        }
        "show-secret" => done(json!({ "secret": metadata(world.secret(name)?) })),
        "update-secret" => {
            let secret = world.secret_mut(name)?;
            secret.usable()?;
            if let Some(text) = given.optional("description") {
                text.clone_into(&mut secret.description);
            }
            if let Some(key) = given.optional("kms_key_id") {
                secret.kms_key = Some(key.to_owned());
            }
            secret.updated = now;
            done(json!({ "secret": metadata(secret) }))
        }
        "delete-secret" => {
            world.secret(name)?;
            world.secrets.retain(|secret| secret.name != name);
            Ok((204, None))
        }
        "delete-secret-for-schedule" => {
            let days = given.required_in("recovery_window_in_days", 7..=30)?;
            let secret = world.secret_mut(name)?;
            secret.usable()?;
            secret.state = State::PendingDeletion;
            secret.deletion = Some(now + days * SECONDS_OF_DAY);
            done(json!({ "secret": metadata(secret) }))
        }
        "restore-secret" => {
            let secret = world.secret_mut(name)?;
            if secret.state != State::PendingDeletion {
                return Err(Refusal::new("CSMS.0109", "The secret is not pending deletion."));
            }
            (secret.state, secret.deletion) = (State::Enabled, None);
            done(json!({ "secret": metadata(secret) }))
        }
        "create-secret-version" => {
            let mut secret = world.secret(name)?.clone();
            secret.usable()?;
            add(world, &mut secret, given, now)?;
            let version = secret.versions.last().map(|version| version_of(&secret, version));
            *world.secret_mut(name)? = secret;
            done(json!({ "version_metadata": version }))
        }
        "list-secret-versions" => {
            let secret = world.secret(name)?;
            let found: Vec<_> =
                secret.versions.iter().map(|version| version_of(secret, version)).collect();
            let info = json!({ "current_count": found.len() });
            done(json!({ "version_metadatas": found, "page_info": info }))
        }
        "show-secret-version" => {
            let secret = world.secret(name)?;
            secret.usable()?;
            let id = parts[1].as_str();
            let found = if id == "latest" { secret.staged(CURRENT) } else { secret.version(id) };
            let version = found.map_err(|_| {
                Refusal::new("CSMS.0206", "The version does not exist.").status(404)
            })?;
            let value = world.backend.value(&version.value)?;
            let mut body = json!({ "version_metadata": version_of(secret, version) });
            if version.binary {
                body["secret_binary"] = json!(b64(value));
            } else {
                body["secret_string"] = json!(String::from_utf8_lossy(&value));
            }
            done(json!({ "version": body }))
        }
        _ => stages(world, now, operation, name, &parts[1], given),
    }
}

fn stages(
    world: &mut World,
    now: i64,
    operation: &str,
    name: &str,
    stage: &str,
    given: &Parameters,
) -> Answer {
    let secret = world.secret_mut(name)?;
    secret.usable()?;
    let gone = |_| Refusal::new("CSMS.0207", "The stage does not exist.").status(404);
    if operation == "update-secret-stage" {
        let to = given.required("version_id").map_err(missing)?;
        secret
            .move_stage(stage, to, CURRENT, PREVIOUS)
            .map_err(|_| Refusal::new("CSMS.0206", "The version does not exist.").status(404))?;
        secret.updated = now;
    }
    let id = secret.staged(stage).map_err(gone)?.id.clone();
    if operation == "delete-secret-stage" {
        if stage.starts_with("SYS") {
            return Err(Refusal::new("CSMS.0402", "The stage is the system's."));
        }
        for version in &mut secret.versions {
            version.stages.retain(|found| found != stage);
        }
        return Ok((204, None));
    }
    let body = json!({
        "name": stage, "update_time": secret.updated * 1000, "secret_name": name, "version_id": id,
    });
    Ok((200, Some(json!({ "stage": body }))))
}

fn missing(failure: Failure) -> Refusal {
    match failure {
        Failure::Missing(name) => Refusal::new("CSMS.0402", format!("{name} is missing.")),
        other => other.into(),
    }
}

fn add(
    world: &World,
    secret: &mut Secret,
    given: &Parameters,
    now: i64,
) -> std::result::Result<(), Refusal> {
    let wrong = || Refusal::new("CSMS.0402", "Exactly one of secret_string and secret_binary.");
    let (value, binary) = match (given.optional("secret_string"), given.optional("secret_binary")) {
        (Some(text), None) => (text.as_bytes().to_vec(), false),
        (None, Some(text)) => (unb64(text).ok_or_else(wrong)?, true),
        _ => return Err(wrong()),
    };
    if value.len() > MAX_VALUE {
        return Err(Refusal::new("CSMS.0402", "The value is longer than 32 KiB."));
    }
    let mut stages = given.texts("version_stages");
    if stages.is_empty() {
        stages.push(CURRENT.to_owned());
    }
    let id = format!("v{}", secret.versions.len() + 1);
    let stages = (stages.as_slice(), CURRENT, PREVIOUS);
    let added: Result<()> = secret.add(&world.backend, &id, (&value, binary), stages, now);
    added.map_err(Refusal::from)
}

fn secret_id(secret: &Secret) -> String {
    // Any id that stays will do.
    format!("{:0>36}", secret.name)
}

fn metadata(secret: &Secret) -> Value {
    let state = match secret.state {
        State::Enabled => "ENABLED",
        State::PendingDeletion => "PENDING_DELETE",
        _ => "DISABLED",
    };
    let mut body = json!({
        "id": secret_id(secret), "name": secret.name, "state": state,
        "kms_key_id": secret.kms_key.as_deref().unwrap_or("csms/default"),
        "description": secret.description, "create_time": secret.created * 1000,
        "update_time": secret.updated * 1000, "secret_type": "COMMON", "auto_rotation": false,
        "enterprise_project_id": "0",
    });
    if let Some(at) = secret.deletion {
        body["scheduled_delete_time"] = json!(at * 1000);
    }
    body
}

fn version_of(secret: &Secret, version: &SecretVersion) -> Value {
    json!({
        "id": version.id, "create_time": version.created * 1000,
        "kms_key_id": secret.kms_key.as_deref().unwrap_or("csms/default"),
        "secret_name": secret.name, "version_stages": version.stages,
    })
}
