//! The actions of KMS.

use serde_json::{Value, json};

use super::crypto::cryptography;
use super::{Answer, Refusal};
use crate::backend::{Failure, KeySpec, KeyUsage, Result};
use crate::clock::SECONDS_OF_DAY;
use crate::encoding::b64;
use crate::keys::{Key, State, World};
use crate::wire::{Parameters, page};

/// Every action and its parameters.
pub(super) const ACTIONS: &[(&str, &[&str])] = &[
    ("ArchiveKey", &["KeyId"]),
    ("AsymmetricRsaDecrypt", &["KeyId", "Ciphertext", "Algorithm"]),
    ("AsymmetricSm2Decrypt", &["KeyId", "Ciphertext"]),
    ("CancelKeyArchive", &["KeyId"]),
    ("CancelKeyDeletion", &["KeyId"]),
    ("CreateKey", &["Alias", "Description", "KeyUsage", "Type", "Tags", "HsmClusterId"]),
    (
        "Decrypt",
        &["CiphertextBlob", "EncryptionContext", "EncryptionPublicKey", "EncryptionAlgorithm"],
    ),
    ("DeleteImportedKeyMaterial", &["KeyId"]),
    ("DescribeKey", &["KeyId"]),
    ("DescribeKeys", &["KeyIds"]),
    ("DisableKey", &["KeyId"]),
    ("DisableKeyRotation", &["KeyId"]),
    ("DisableKeys", &["KeyIds"]),
    ("EnableKey", &["KeyId"]),
    ("EnableKeyRotation", &["KeyId", "RotateDays"]),
    ("EnableKeys", &["KeyIds"]),
    ("Encrypt", &["KeyId", "Plaintext", "EncryptionContext"]),
    (
        "GenerateDataKey",
        &[
            "KeyId",
            "KeySpec",
            "NumberOfBytes",
            "EncryptionContext",
            "EncryptionPublicKey",
            "EncryptionAlgorithm",
            "IsHostedByKms",
        ],
    ),
    ("GenerateRandom", &["NumberOfBytes"]),
    ("GetKeyRotationStatus", &["KeyId"]),
    ("GetParametersForImport", &["KeyId", "WrappingAlgorithm", "WrappingKeySpec"]),
    ("GetPublicKey", &["KeyId"]),
    ("GetRegions", &[]),
    ("GetServiceStatus", &[]),
    ("ImportKeyMaterial", &["EncryptedKeyMaterial", "ImportToken", "KeyId", "ValidTo"]),
    ("ListAlgorithms", &[]),
    (
        "ListKeyDetail",
        &[
            "Offset",
            "Limit",
            "Role",
            "OrderType",
            "KeyState",
            "SearchKeyAlias",
            "Origin",
            "KeyUsage",
        ],
    ),
    ("ListKeys", &["Offset", "Limit", "Role"]),
    (
        "ReEncrypt",
        &[
            "CiphertextBlob",
            "DestinationKeyId",
            "SourceEncryptionContext",
            "DestinationEncryptionContext",
        ],
    ),
    ("RotateKey", &["KeyId"]),
    ("ScheduleKeyDeletion", &["KeyId", "PendingWindowInDays"]),
    ("SignByAsymmetricKey", &["Algorithm", "Message", "KeyId", "MessageType"]),
    ("UpdateAlias", &["Alias", "KeyId"]),
    ("UpdateKeyDescription", &["Description", "KeyId"]),
    ("VerifyByAsymmetricKey", &["KeyId", "SignatureValue", "Message", "Algorithm", "MessageType"]),
];

/// Performs an action.
pub(super) fn perform(world: &mut World, now: i64, action: &str, given: &Parameters) -> Answer {
    let known = ACTIONS.iter().find(|(name, _)| *name == action);
    let (_, parameters) = known.ok_or(Failure::UnknownOperation)?;
    if let Some(name) = given.unknown(parameters) {
        return Err(Refusal::new("UnknownParameter", format!("The parameter {name} is unknown.")));
    }
    let ids = match action {
        "EnableKeys" | "DisableKeys" | "DescribeKeys" => given.texts("KeyIds"),
        _ => vec![given.text("KeyId").to_owned()],
    };
    if ids.is_empty() || ids.len() > 100 {
        return Err(Failure::Invalid("KeyIds").into());
    }
    let id = ids[0].as_str();
    let none = json!({});
    match action {
        "CreateKey" => create(world, now, given),
        "DescribeKey" => Ok(json!({ "KeyMetadata": metadata(world.key(required(id)?)?) })),
        "DescribeKeys" => {
            let found: Result<Vec<_>> = ids.iter().map(|id| world.key(id).map(metadata)).collect();
            Ok(json!({ "KeyMetadatas": found? }))
        }
        "ListKeys" | "ListKeyDetail" => list(world, action, given),
        "EnableKey" | "EnableKeys" | "DisableKey" | "DisableKeys" => {
            for id in &ids {
                world.enable(required(id)?, action.starts_with("Enable"))?;
            }
            Ok(none)
        }
        "ArchiveKey" => {
            world.usable(required(id)?)?;
            world.key_mut(id)?.state = State::Archived;
            Ok(none)
        }
        "CancelKeyArchive" => {
            let key = world.key_mut(required(id)?)?;
            if key.state != State::Archived {
                return Err(Failure::State("The key is not archived.").into());
            }
            key.state = State::Enabled;
            Ok(none)
        }
        "ScheduleKeyDeletion" => {
            let days = given.number("PendingWindowInDays")?;
            let days = days.filter(|days| (7..=30).contains(days)).ok_or_else(|| {
                let code = "InvalidParameter.InvalidPendingWindowInDays";
                Refusal::new(code, "PendingWindowInDays is from 7 to 30.")
            })?;
            if world.key(required(id)?)?.state == State::Enabled {
                let code = "ResourceUnavailable.CmkShouldBeDisabled";
                return Err(Refusal::new(code, "The CMK should be disabled first."));
            }
            let at = now + days * SECONDS_OF_DAY;
            world.schedule_deletion(id, at)?;
            Ok(json!({ "KeyId": id, "DeletionDate": at }))
        }
        "CancelKeyDeletion" => {
            if world.key(required(id)?)?.state != State::PendingDeletion {
                let code = "ResourceUnavailable.CmkNotPendingDelete";
                return Err(Refusal::new(code, "The CMK is not pending deletion."));
            }
            world.cancel_deletion(id, false)?;
            Ok(json!({ "KeyId": id }))
        }
        "EnableKeyRotation" | "DisableKeyRotation" | "RotateKey" => {
            let key = world.usable(required(id)?)?;
            if !key.symmetric() {
                let code = "UnsupportedOperation.RotateNotSupported";
                return Err(Refusal::new(code, "The key cannot rotate."));
            }
            if key.external {
                let code = "UnsupportedOperation.ExternalCmkCanNotRotate";
                return Err(Refusal::new(code, "An external CMK cannot rotate."));
            }
            if action == "RotateKey" {
                world.backend.rotate(&key.current().engine)?;
                world.key_mut(id)?.rotated = (1, now);
                return Ok(json!({ "TaskId": world.backend.uuid() }));
            }
            let days = given.number_in("RotateDays", 7..=365)?.unwrap_or(365);
            world.key_mut(id)?.rotation = (action == "EnableKeyRotation").then_some(days);
            Ok(none)
        }
        "GetKeyRotationStatus" => {
            let enabled = world.key(required(id)?)?.rotation.is_some();
            Ok(json!({ "KeyRotationEnabled": enabled }))
        }
        "UpdateAlias" => {
            let alias = checked_alias(world, given)?;
            world.key_mut(required(id)?)?.aliases = vec![alias];
            Ok(none)
        }
        "UpdateKeyDescription" => {
            let text = given.text("Description").to_owned();
            world.key_mut(required(id)?)?.description = text;
            Ok(none)
        }
        "GenerateRandom" => {
            let bytes = given.required_in("NumberOfBytes", 1..=1024)?;
            Ok(json!({ "Plaintext": b64(world.backend.random(length(bytes))?) }))
        }
        "GetParametersForImport" => {
            if given.required("WrappingKeySpec")? != "RSA_2048" {
                return Err(Failure::Invalid("WrappingKeySpec").into());
            }
            let algorithm = given.required("WrappingAlgorithm")?;
            let (public, token) = world.import_parameters(id, algorithm).map_err(external)?;
            Ok(json!({
                "KeyId": id, "ImportToken": b64(token), "PublicKey": b64(public),
                "ParametersValidTo": now + SECONDS_OF_DAY,
            }))
        }
        "ImportKeyMaterial" => {
            let (token, wrapped) =
                (given.bytes("ImportToken")?, given.bytes("EncryptedKeyMaterial")?);
            world.import(id, &token, &wrapped).map_err(|failure| match failure {
                Failure::Exists(what) => {
                    Refusal::new("InvalidParameterValue.MaterialNotMatch", what)
                }
                Failure::Invalid(what) => {
                    Refusal::new("InvalidParameter.DecryptMaterialError", what)
                }
                other => external(other),
            })?;
            Ok(none)
        }
        "DeleteImportedKeyMaterial" => {
            world.delete_material(id).map_err(external)?;
            Ok(none)
        }
        "ListAlgorithms" => Ok(algorithms()),
        "GetServiceStatus" => {
            Ok(json!({ "ServiceEnabled": true, "InvalidType": 0, "UserLevel": 1 }))
        }
        "GetRegions" => Ok(json!({ "Regions": super::REGIONS })),
        _ => cryptography(world, action, id, given),
    }
}

fn create(world: &mut World, now: i64, given: &Parameters) -> Answer {
    let alias = checked_alias(world, given)?;
    let usage = given.optional("KeyUsage").unwrap_or("ENCRYPT_DECRYPT");
    let spec = match usage {
        "ENCRYPT_DECRYPT" => (KeySpec::SymmetricDefault, KeyUsage::EncryptDecrypt),
        "ASYMMETRIC_DECRYPT_RSA_2048" => (KeySpec::Rsa2048, KeyUsage::EncryptDecrypt),
        "ASYMMETRIC_SIGN_VERIFY_RSA_2048" => (KeySpec::Rsa2048, KeyUsage::SignVerify),
        "ASYMMETRIC_SIGN_VERIFY_ECC" => (KeySpec::EccNistP256, KeyUsage::SignVerify),
        "ASYMMETRIC_SIGN_VERIFY_ECDSA384" => (KeySpec::EccNistP384, KeyUsage::SignVerify),
        "ASYMMETRIC_DECRYPT_SM2" | "ASYMMETRIC_SIGN_VERIFY_SM2" => {
            let code = "UnsupportedOperation.UnsupportedKeyUsageInCurrentRegion";
            return Err(Refusal::new(code, "The region does not offer this usage."));
        }
        _ => {
            let code = "InvalidParameterValue.InvalidKeyUsage";
            return Err(Refusal::new(code, "The usage is unknown."));
        }
    };
    let external = match given.number("Type")? {
        None | Some(1) => false,
        Some(2) => true,
        Some(_) => {
            return Err(Refusal::new("InvalidParameterValue.InvalidType", "Type is 1 or 2."));
        }
    };
    if given.text("Description").len() > 1024 {
        return Err(Failure::Invalid("Description").into());
    }
    let id = world.backend.uuid();
    let key = world.create_key(id, "1".to_owned(), spec, now)?;
    key.aliases = vec![alias];
    given.text("Description").clone_into(&mut key.description);
    usage.clone_into(&mut key.usage);
    key.external = external;
    if external {
        key.state = State::PendingImport;
    }
    let mut fields = metadata(key);
    fields["TagCode"] = json!(0);
    fields["TagMsg"] = json!("");
    let members = ["KeyId", "Alias", "CreateTime", "Description", "KeyState", "KeyUsage"];
    let all = members.into_iter().chain(["TagCode", "TagMsg"]);
    Ok(all.map(|name| (name.to_owned(), fields[name].clone())).collect())
}

fn checked_alias(world: &World, given: &Parameters) -> std::result::Result<String, Refusal> {
    let alias = given.required("Alias")?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if alias.len() > 60 || !alias.chars().all(fits) || alias.starts_with("kms-") {
        return Err(Refusal::new("InvalidParameterValue.InvalidAlias", "The alias is invalid."));
    }
    if world.keys.iter().any(|key| key.aliases.iter().any(|found| found == alias)) {
        return Err(Failure::Exists("The alias already exists.").into());
    }
    Ok(alias.to_owned())
}

fn list(world: &World, action: &str, given: &Parameters) -> Answer {
    let (offset, limit) = (given.number_in("Offset", 0..=i64::MAX)?, given.number("Limit")?);
    let limit = limit.unwrap_or(10);
    if !(0..=200).contains(&limit) {
        return Err(Failure::Invalid("Limit").into());
    }
    let detail = action == "ListKeyDetail";
    let states = ["", "Enabled", "Disabled", "PendingDelete", "PendingImport", "Archived"];
    let state = usize::try_from(given.number_in("KeyState", 0..=5)?.unwrap_or(0)).unwrap_or(0);
    let usage = given.optional("KeyUsage").unwrap_or("ENCRYPT_DECRYPT");
    let search = given.text("SearchKeyAlias");
    let origin = given.text("Origin");
    let wanted = |key: &&Key| {
        let found = metadata(key);
        (state == 0 || found["KeyState"] == states[state])
            && (usage == "ALL" || key.usage == usage)
            && (origin.is_empty() || origin == "ALL" || found["Origin"] == origin)
            && (search.is_empty() || key.id.contains(search) || key.aliases[0].contains(search))
    };
    let mut keys: Vec<_> = world.keys.iter().filter(|key| !detail || wanted(key)).collect();
    let total = keys.len();
    // The newest first, or the oldest.
    if given.number("OrderType")?.unwrap_or(0) == 0 {
        keys.reverse();
    }
    let keys = page(keys, offset.unwrap_or(0), limit);
    if detail {
        let found: Vec<_> = keys.into_iter().map(metadata).collect();
        return Ok(json!({ "TotalCount": total, "KeyMetadatas": found }));
    }
    let found: Vec<_> = keys.into_iter().map(|key| json!({ "KeyId": key.id })).collect();
    Ok(json!({ "TotalCount": total, "Keys": found }))
}

fn metadata(key: &Key) -> Value {
    let state = match key.state {
        State::Enabled => "Enabled",
        State::Disabled => "Disabled",
        State::PendingDeletion | State::Destroyed => "PendingDelete",
        State::PendingImport => "PendingImport",
        State::Archived => "Archived",
    };
    let next = key.rotation.map_or(0, |days| key.created + days * SECONDS_OF_DAY);
    json!({
        "KeyId": key.id, "Alias": key.aliases[0], "CreateTime": key.created,
        "Description": key.description, "KeyState": state, "KeyUsage": key.usage, "Type": 2,
        "CreatorUin": 100_000_000_001_u64, "KeyRotationEnabled": key.rotation.is_some(),
        "Owner": "user", "NextRotateTime": next, "DeletionDate": key.deletion.unwrap_or(0),
        "Origin": if key.external { "EXTERNAL" } else { "TENCENT_KMS" }, "ValidTo": 0,
        "ResourceId": format!("creatorUin/100000000001/{}", key.id), "HsmClusterId": "",
        "RotateDays": key.rotation.unwrap_or(0), "LastRotateTime": key.rotated.1,
    })
}

fn algorithms() -> Value {
    let list = |pairs: &[(&str, &str)]| -> Vec<Value> {
        pairs.iter().map(|(usage, name)| json!({ "KeyUsage": usage, "Algorithm": name })).collect()
    };
    json!({
        "SymmetricAlgorithms": list(&[("ENCRYPT_DECRYPT", "AES_256")]),
        "AsymmetricAlgorithms": list(&[("ASYMMETRIC_DECRYPT_RSA_2048", "RSA_2048")]),
        "AsymmetricSignVerifyAlgorithms": list(&[
            ("ASYMMETRIC_SIGN_VERIFY_ECC", "ECC_P256_R1"),
            ("ASYMMETRIC_SIGN_VERIFY_ECDSA384", "ECC_P384_R1"),
            ("ASYMMETRIC_SIGN_VERIFY_RSA_2048", "RSA_PSS_SHA_256"),
            ("ASYMMETRIC_SIGN_VERIFY_RSA_2048", "RSA_PKCS1_SHA_256"),
        ]),
    })
}

pub(super) fn required(id: &str) -> Result<&str> {
    if id.is_empty() { Err(Failure::Missing("KeyId")) } else { Ok(id) }
}

fn external(failure: Failure) -> Refusal {
    match failure {
        Failure::Unsupported("the key is not external") => {
            Refusal::new("UnsupportedOperation.NotExternalCmk", "The CMK is not external.")
        }
        other => other.into(),
    }
}

pub(super) fn length(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}
