//! The actions on secrets.

use serde_json::{Value, json};

use super::actions::{paged, resolve};
use super::{ACCOUNT, Answer, REGION, Refusal};
use crate::backend::{Failure, Result};
use crate::clock::{EXTENDED, SECONDS_OF_DAY, format};
use crate::keys::{State, World};
use crate::secrets::{Secret, SecretVersion};
use crate::wire::Parameters;

/// Every action on secrets.
pub(super) const ACTIONS: &[&str] = &[
    "BatchGetSecretValue",
    "CreateSecret",
    "DeleteSecret",
    "DescribeSecret",
    "GetRandomPassword",
    "GetSecretValue",
    "ListSecretVersionIds",
    "ListSecrets",
    "PutSecretValue",
    "RestoreSecret",
    "UpdateSecret",
    "UpdateSecretVersionStage",
];

const CURRENT: &str = "ACSCurrent";
const PREVIOUS: &str = "ACSPrevious";
/// The longest value.
const MAX_VALUE: usize = 30_720;

/// Performs an action, where it is one on secrets.
pub(super) fn perform(
    world: &mut World,
    now: i64,
    action: &str,
    given: &Parameters,
) -> Option<Answer> {
    ACTIONS.contains(&action).then(|| act(world, now, action, given))
}

fn act(world: &mut World, now: i64, action: &str, given: &Parameters) -> Answer {
    match action {
        "GetRandomPassword" => {
            let length = given.number_in("PasswordLength", 8..=128)?.unwrap_or(32);
            let bytes = world.backend.random(usize::try_from(length).unwrap_or(32))?;
            let letters = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefgh";
            let letter = |byte: u8| char::from(letters[usize::from(byte % 32)]);
            let password: String = bytes.into_iter().map(letter).collect();
            return Ok(json!({ "RandomPassword": password }));
        }
        "ListSecrets" => {
            let entry = |secret: &Secret| {
                let mut body = json!({
                    "SecretName": secret.name, "SecretType": "Generic",
                    "CreateTime": format(secret.created, EXTENDED),
                    "UpdateTime": format(secret.updated, EXTENDED),
                });
                if let Some(at) = secret.deletion {
                    body["PlannedDeleteTime"] = json!(format(at, EXTENDED));
                }
                body
            };
            let found = world.secrets.iter().map(entry).collect();
            return paged(given, "SecretList", "Secret", found);
        }
        "BatchGetSecretValue" => return batch(world, given),
        _ => {}
    }
    let name = given.required("SecretName")?;
    let just_name = json!({ "SecretName": name });
    match action {
        "CreateSecret" => {
            let fits = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c);
            if name.len() > 192 || !name.chars().all(fits) {
                return Err(Failure::Invalid("SecretName").into());
            }
            if world.secret(name).is_ok() {
                return Err(Failure::Exists("The secret exists already.").into());
            }
            let mut secret = Secret::new(name, now);
            given.text("Description").clone_into(&mut secret.description);
            if let Some(key) = given.optional("EncryptionKeyId") {
                let id = resolve(world, key)?;
                world.usable(&id)?;
                secret.kms_key = Some(id);
            }
            put(world, &mut secret, given, now)?;
            world.secrets.push(secret);
            Ok(json!({
                "SecretName": name, "VersionId": given.text("VersionId"), "Arn": arn(name),
                "SecretType": "Generic", "AutomaticRotation": "Disabled",
            }))
        }
        "PutSecretValue" => {
            let mut secret = world.secret(name)?.clone();
            secret.usable()?;
            put(world, &mut secret, given, now)?;
            let id = given.text("VersionId");
            let stages = json!({ "VersionStage": secret.version(id)?.stages });
            *world.secret_mut(name)? = secret;
            Ok(json!({ "SecretName": name, "VersionId": id, "VersionStages": stages }))
        }
        "GetSecretValue" => {
            let secret = world.secret(name)?;
            secret.usable()?;
            value(world, secret, given.optional("VersionId"), given.optional("VersionStage"))
        }
        "DescribeSecret" => {
            let secret = world.secret(name)?;
            let mut body = json!({
                "SecretName": name, "Arn": arn(name), "Description": secret.description,
                "SecretType": "Generic", "AutomaticRotation": "Disabled",
                "CreateTime": format(secret.created, EXTENDED),
                "UpdateTime": format(secret.updated, EXTENDED),
            });
            if let Some(key) = &secret.kms_key {
                body["EncryptionKeyId"] = json!(key);
            }
            if let Some(at) = secret.deletion {
                body["PlannedDeleteTime"] = json!(format(at, EXTENDED));
            }
            Ok(body)
        }
        "UpdateSecret" => {
            let secret = world.secret_mut(name)?;
            secret.usable()?;
            given.text("Description").clone_into(&mut secret.description);
            Ok(just_name)
        }
        "ListSecretVersionIds" => {
            let deprecated = given.text("IncludeDeprecated") == "true";
            let found = world
                .secret(name)?
                .versions
                .iter()
                .filter(|version| deprecated || !version.stages.is_empty())
                .map(|version| {
                    json!({
                        "VersionId": version.id, "CreateTime": format(version.created, EXTENDED),
                        "VersionStages": { "VersionStage": version.stages },
                    })
                })
                .collect();
            let mut body = paged(given, "VersionIds", "VersionId", found)?;
            body["SecretName"] = json!(name);
            Ok(body)
        }
        "DeleteSecret" => {
            let force = given.text("ForceDeleteWithoutRecovery") == "true";
            let days = given.number_in("RecoveryWindowInDays", 7..=30)?.unwrap_or(30);
            let secret = world.secret_mut(name)?;
            secret.usable()?;
            let at = if force { now } else { now + days * SECONDS_OF_DAY };
            (secret.state, secret.deletion) = (State::PendingDeletion, Some(at));
            if force {
                world.secrets.retain(|secret| secret.name != name);
            }
            Ok(json!({ "SecretName": name, "PlannedDeleteTime": format(at, EXTENDED) }))
        }
        "RestoreSecret" => {
            let secret = world.secret_mut(name)?;
            (secret.state, secret.deletion) = (State::Enabled, None);
            Ok(just_name)
        }
        _ => {
            let stage = given.required("VersionStage")?;
            let (to, from) = (given.optional("MoveToVersion"), given.optional("RemoveFromVersion"));
            let secret = world.secret_mut(name)?;
            secret.usable()?;
            if let Some(from) = from {
                if !secret.version(from)?.stages.iter().any(|found| found == stage) {
                    return Err(Failure::Invalid("RemoveFromVersion").into());
                }
            } else if to.is_none() {
                return Err(Failure::Missing("MoveToVersion").into());
            }
            match to {
                Some(to) => secret.move_stage(stage, to, CURRENT, PREVIOUS)?,
                None => {
                    for version in &mut secret.versions {
                        version.stages.retain(|found| found != stage);
                    }
                }
            }
            Ok(just_name)
        }
    }
}

fn arn(name: &str) -> String {
    format!("acs:kms:{REGION}:{ACCOUNT}:secret/{name}")
}

fn put(
    world: &World,
    secret: &mut Secret,
    given: &Parameters,
    now: i64,
) -> std::result::Result<(), Refusal> {
    let id = given.required("VersionId")?;
    let value = given.required("SecretData")?;
    if id.len() > 64 {
        return Err(Failure::Invalid("VersionId").into());
    }
    if value.len() > MAX_VALUE {
        return Err(Failure::Invalid("SecretData").into());
    }
    let binary = match given.optional("SecretDataType").unwrap_or("text") {
        "text" => false,
        "binary" => true,
        _ => return Err(Failure::Invalid("SecretDataType").into()),
    };
    let stages: Vec<String> = match given.optional("VersionStages") {
        None => vec![CURRENT.to_owned()],
        Some(text) => serde_json::from_str(text).map_err(|_| Failure::Invalid("VersionStages"))?,
    };
    let stages = (stages.as_slice(), CURRENT, PREVIOUS);
    let value = (value.as_bytes(), binary);
    let added: Result<()> = secret.add(&world.backend, id, value, stages, now);
    added.map_err(Refusal::from)
}

fn value(world: &World, secret: &Secret, id: Option<&str>, stage: Option<&str>) -> Answer {
    let version: &SecretVersion = match (id, stage) {
        (Some(id), None) => secret.version(id)?,
        (None, stage) => secret.staged(stage.unwrap_or(CURRENT))?,
        (Some(id), Some(stage)) => {
            let version = secret.version(id)?;
            if !version.stages.iter().any(|found| found == stage) {
                return Err(Failure::SecretNotFound.into());
            }
            version
        }
    };
    let data = world.backend.value(&version.value)?;
    let stages: &[String] = &version.stages;
    Ok(json!({
        "SecretName": secret.name, "VersionId": version.id,
        "SecretData": String::from_utf8_lossy(&data),
        "SecretDataType": if version.binary { "binary" } else { "text" },
        "VersionStages": { "VersionStage": stages }, "SecretType": "Generic",
        "CreateTime": format(version.created, EXTENDED), "AutomaticRotation": "Disabled",
    }))
}

fn batch(world: &World, given: &Parameters) -> Answer {
    let asked: Vec<Value> = serde_json::from_str(given.required("SecretsList")?)
        .map_err(|_| Failure::Invalid("SecretsList"))?;
    let (mut values, mut errors) = (Vec::new(), Vec::new());
    for one in asked {
        let one = Parameters(one);
        let name = one.text("SecretName");
        let found = world.secret(name).map_err(Refusal::from).and_then(|secret| {
            secret.usable()?;
            value(world, secret, one.optional("VersionId"), one.optional("VersionStage"))
        });
        match found {
            Ok(found) => values.push(found),
            Err(refusal) => errors.push(json!({
                "SecretName": name, "Code": refusal.code, "Message": refusal.message,
                "HttpStatus": refusal.status,
            })),
        }
    }
    Ok(json!({ "SecretValues": values, "Errors": errors }))
}
