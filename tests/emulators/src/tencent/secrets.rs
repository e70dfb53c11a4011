//! The actions of SSM.

use serde_json::{Value, json};

use super::{Answer, Refusal};
use crate::backend::{Failure, Result};
use crate::clock::SECONDS_OF_DAY;
use crate::encoding::{b64, unb64};
use crate::keys::{State, World, seal_to};
use crate::secrets::Secret;
use crate::wire::{Parameters, page};

/// The longest value.
const MAX_VALUE: usize = 32 * 1024;

/// Every action and its parameters.
pub(super) const ACTIONS: &[(&str, &[&str])] = &[
    (
        "CreateSecret",
        &[
            "SecretName",
            "VersionId",
            "Description",
            "KmsKeyId",
            "SecretType",
            "SecretBinary",
            "SecretString",
            "Tags",
        ],
    ),
    ("DeleteSecret", &["SecretName", "RecoveryWindowInDays"]),
    ("DeleteSecretVersion", &["SecretName", "VersionId"]),
    ("DescribeSecret", &["SecretName"]),
    ("DisableSecret", &["SecretName"]),
    ("EnableSecret", &["SecretName"]),
    ("GetRegions", &[]),
    ("GetSecretValue", &["SecretName", "VersionId", "EncryptionPublicKey", "EncryptionAlgorithm"]),
    ("GetServiceStatus", &[]),
    ("ListSecretVersionIds", &["SecretName"]),
    ("ListSecrets", &["Offset", "Limit", "OrderType", "State", "SearchSecretName"]),
    ("PutSecretValue", &["SecretName", "VersionId", "SecretBinary", "SecretString"]),
    ("RestoreSecret", &["SecretName"]),
    ("UpdateDescription", &["SecretName", "Description"]),
    ("UpdateSecret", &["SecretName", "VersionId", "SecretBinary", "SecretString"]),
];

/// Performs an action.
pub(super) fn perform(world: &mut World, now: i64, action: &str, given: &Parameters) -> Answer {
    let known = ACTIONS.iter().find(|(found, _)| *found == action);
    let (_, parameters) = known.ok_or(Failure::UnknownOperation)?;
    if let Some(unknown) = given.unknown(parameters) {
        let message = format!("The parameter {unknown} is unknown.");
        return Err(Refusal::new("UnknownParameter", message));
    }
    match action {
        "GetServiceStatus" => {
            return Ok(json!({ "ServiceEnabled": true, "InvalidType": 0 }));
        }
        "GetRegions" => return Ok(json!({ "Regions": super::REGIONS })),
        "ListSecrets" => return list(world, given),
        _ => {}
    }
    let name = given.required("SecretName")?;
    let just_name = json!({ "SecretName": name });
    let version = given.required("VersionId");
    match action {
        "CreateSecret" => {
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if name.len() > 128 || !name.chars().all(fits) {
                return Err(Failure::Invalid("SecretName").into());
            }
            if world.secret(name).is_ok() {
                let code = "ResourceInUse.SecretExists";
                return Err(Refusal::new(code, "The secret already exists."));
            }
            if let Some(key) = given.optional("KmsKeyId") {
                world.usable(key).map_err(|failure| {
                    let code = "FailedOperation.AccessKmsError";
                    Refusal::new(code, Refusal::from(failure).message)
                })?;
            }
            let mut secret = Secret::new(name, now);
            given.text("Description").clone_into(&mut secret.description);
            secret.kms_key = given.optional("KmsKeyId").map(str::to_owned);
            add(world, &mut secret, version?, given, now)?;
            world.secrets.push(secret);
            let id = given.text("VersionId");
            Ok(json!({ "SecretName": name, "VersionId": id, "TagCode": 0, "TagMsg": "" }))
        }
        "PutSecretValue" => {
            let mut secret = world.secret(name)?.clone();
            secret.usable()?;
            add(world, &mut secret, version?, given, now)?;
            *world.secret_mut(name)? = secret;
            Ok(json!({ "SecretName": name, "VersionId": given.text("VersionId") }))
        }
        "UpdateSecret" => {
            let (id, (value, binary)) = (version?, value(given)?);
            world.secret(name)?.usable()?;
            world.secret(name)?.version(id)?;
            let kept = world.backend.put_value(&value)?;
            let secret = world.secret_mut(name)?;
            for version in secret.versions.iter_mut().filter(|version| version.id == id) {
                (version.value, version.binary) = (kept.clone(), binary);
            }
            Ok(json!({ "SecretName": name, "VersionId": id }))
        }
        "GetSecretValue" => {
            let secret = world.secret(name)?;
            secret.usable()?;
            let version = secret.version(version?)?;
            let value = world.backend.value(&version.value)?;
            let (member, text) = match given.optional("EncryptionPublicKey") {
                Some(public) => {
                    let algorithm = given.optional("EncryptionAlgorithm").unwrap_or("SM2");
                    ("SecretString", b64(seal_to(public.as_bytes(), algorithm, &value)?))
                }
                None if version.binary => ("SecretBinary", b64(value)),
                None => ("SecretString", String::from_utf8_lossy(&value).into_owned()),
            };
            let mut fields = json!({ "SecretName": name, "VersionId": version.id });
            fields[member] = json!(text);
            Ok(fields)
        }
        "DescribeSecret" => Ok(metadata(world.secret(name)?)),
        "ListSecretVersionIds" => {
            let versions: Vec<_> = world
                .secret(name)?
                .versions
                .iter()
                .map(|version| json!({ "VersionId": version.id, "CreateTime": version.created }))
                .collect();
            Ok(json!({ "SecretName": name, "Versions": versions }))
        }
        "EnableSecret" | "DisableSecret" => {
            let secret = world.secret_mut(name)?;
            if secret.state == State::PendingDeletion {
                return Err(Failure::SecretDeleted.into());
            }
            secret.state = if action == "EnableSecret" { State::Enabled } else { State::Disabled };
            Ok(just_name)
        }
        "UpdateDescription" => {
            let secret = world.secret_mut(name)?;
            given.text("Description").clone_into(&mut secret.description);
            Ok(just_name)
        }
        "DeleteSecret" => {
            let days = given.number_in("RecoveryWindowInDays", 0..=30)?.unwrap_or(0);
            let secret = world.secret_mut(name)?;
            if secret.state == State::Enabled {
                let message = "Disable the secret first.";
                return Err(Refusal::new("OperationDenied", message));
            }
            let at = now + days * SECONDS_OF_DAY;
            (secret.state, secret.deletion) = (State::PendingDeletion, Some(at));
            if days == 0 {
                world.secrets.retain(|secret| secret.name != name);
            }
            Ok(json!({ "SecretName": name, "DeleteTime": at }))
        }
        "RestoreSecret" => {
            let secret = world.secret_mut(name)?;
            if secret.state != State::PendingDeletion {
                return Err(Failure::Invalid("The secret is not pending deletion.").into());
            }
            (secret.state, secret.deletion) = (State::Disabled, None);
            Ok(just_name)
        }
        "DeleteSecretVersion" => {
            let (id, secret) = (version?, world.secret_mut(name)?);
            secret.version(id)?;
            if secret.versions.len() == 1 {
                let message = "The only version cannot be deleted.";
                return Err(Refusal::new("OperationDenied", message));
            }
            secret.versions.retain(|version| version.id != id);
            Ok(json!({ "SecretName": name, "VersionId": id }))
        }
        _ => Err(Failure::UnknownOperation.into()),
    }
}

fn add(
    world: &World,
    secret: &mut Secret,
    id: &str,
    given: &Parameters,
    now: i64,
) -> std::result::Result<(), Refusal> {
    if id.len() > 64 {
        return Err(Failure::Invalid("VersionId").into());
    }
    let (value, binary) = value(given)?;
    secret.add(&world.backend, id, (&value, binary), (&[], "", ""), now).map_err(|failure| {
        match failure {
            Failure::Exists(what) => Refusal::new("ResourceInUse.VersionIdExists", what),
            other => other.into(),
        }
    })
}

/// The value that is given, as text or as bytes.
fn value(given: &Parameters) -> Result<(Vec<u8>, bool)> {
    let wrong = Failure::Invalid("exactly one of SecretString and SecretBinary");
    let (value, binary) = match (given.optional("SecretString"), given.optional("SecretBinary")) {
        (Some(text), None) => (text.as_bytes().to_vec(), false),
        (None, Some(text)) => (unb64(text).ok_or(wrong)?, true),
        _ => return Err(wrong),
    };
    if value.len() > MAX_VALUE {
        return Err(Failure::Invalid("the value is longer than 32 KiB"));
    }
    Ok((value, binary))
}

fn list(world: &World, given: &Parameters) -> Answer {
    let (offset, limit) = (given.number_in("Offset", 0..=i64::MAX)?, given.number("Limit")?);
    let search = given.text("SearchSecretName");
    let states = ["", "Enabled", "Disabled", "PendingDelete"];
    let state = usize::try_from(given.number_in("State", 0..=3)?.unwrap_or(0)).unwrap_or(0);
    let found: Vec<_> = world
        .secrets
        .iter()
        .filter(|secret| secret.name.contains(search))
        .map(metadata)
        .filter(|secret| state == 0 || secret["Status"] == states[state])
        .collect();
    let total = found.len();
    let found = page(found, offset.unwrap_or(0), limit.unwrap_or(20));
    Ok(json!({ "TotalCount": total, "SecretMetadatas": found }))
}

fn metadata(secret: &Secret) -> Value {
    let status = match secret.state {
        State::Enabled => "Enabled",
        State::PendingDeletion => "PendingDelete",
        _ => "Disabled",
    };
    json!({
        "SecretName": secret.name, "Description": secret.description,
        "KmsKeyId": secret.kms_key.as_deref().unwrap_or("DEFAULT"), "CreateUin": 100_000_000_001_u64,
        "Status": status, "DeleteTime": secret.deletion.unwrap_or(0),
        "CreateTime": secret.created, "SecretType": 0,
    })
}
