//! The actions of KMS.

use serde_json::{Value, json};

use super::{Answer, Refusal};
use crate::backend::{Failure, KeySpec, KeyUsage, Result, SigningAlgorithm};
use crate::clock::SECONDS_OF_DAY;
use crate::encoding::{b64, public_pem};
use crate::keys::{Key, State, World, frame, oaep, seal_to, unframe};
use crate::wire::{Parameters, page};

const MAGIC: &[u8] = b"TCK1";

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

/// What uses key material.
fn cryptography(world: &World, action: &str, id: &str, given: &Parameters) -> Answer {
    match action {
        "Encrypt" => {
            let plaintext = given
                .bytes("Plaintext")
                .ok()
                .filter(|plaintext| (1..=4096).contains(&plaintext.len()))
                .ok_or_else(|| {
                    let code = "InvalidParameterValue.InvalidPlaintext";
                    Refusal::new(code, "The plaintext is 1 to 4096 bytes in base64.")
                })?;
            let blob =
                encrypt(world, required(id)?, &plaintext, context(given, "EncryptionContext")?)?;
            Ok(json!({ "CiphertextBlob": b64(blob), "KeyId": id }))
        }
        "Decrypt" => {
            let context = context(given, "EncryptionContext")?;
            let (id, plaintext) = decrypt(world, given, context)?;
            Ok(json!({ "KeyId": id, "Plaintext": sealed(given, &plaintext)? }))
        }
        "ReEncrypt" => {
            let source = context(given, "SourceEncryptionContext")?;
            let (from, plaintext) = decrypt(world, given, source)?;
            let to = given.optional("DestinationKeyId").unwrap_or(&from);
            let context = context(given, "DestinationEncryptionContext")?;
            let blob = encrypt(world, to, &plaintext, context)?;
            Ok(json!({
                "CiphertextBlob": b64(blob), "KeyId": to, "SourceKeyId": from, "ReEncrypted": true,
            }))
        }
        "GenerateDataKey" => {
            let context = context(given, "EncryptionContext")?;
            if given.number("IsHostedByKms")?.unwrap_or(0) != 0 {
                return Err(Failure::Unsupported("Hosted data keys are not emulated.").into());
            }
            let bytes = match given.number_in("NumberOfBytes", 0..=1024)? {
                Some(bytes) if bytes > 0 => length(bytes),
                _ => match given.required("KeySpec")? {
                    "AES_128" => 16,
                    "AES_256" => 32,
                    _ => return Err(Failure::Invalid("KeySpec").into()),
                },
            };
            let key = symmetric(world, required(id)?)?;
            let version = key.current();
            let (plaintext, blob) =
                world.backend.data_key(&version.engine, bytes, context.as_bytes())?;
            let blob = frame(MAGIC, id, &version.id, &blob);
            let plaintext = sealed(given, &plaintext)?;
            Ok(json!({ "KeyId": id, "Plaintext": plaintext, "CiphertextBlob": b64(blob) }))
        }
        "SignByAsymmetricKey" | "VerifyByAsymmetricKey" => {
            let key = world.usable(required(id)?)?;
            let algorithm = match (given.required("Algorithm")?, key.usage.as_str()) {
                ("ECC_P256_R1", "ASYMMETRIC_SIGN_VERIFY_ECC") => SigningAlgorithm::EcdsaSha256,
                ("ECC_P384_R1", "ASYMMETRIC_SIGN_VERIFY_ECDSA384") => SigningAlgorithm::EcdsaSha384,
                ("RSA_PSS_SHA_256", "ASYMMETRIC_SIGN_VERIFY_RSA_2048") => {
                    SigningAlgorithm::RsassaPssSha256
                }
                ("RSA_PKCS1_SHA_256", "ASYMMETRIC_SIGN_VERIFY_RSA_2048") => {
                    SigningAlgorithm::RsassaPkcs1V15Sha256
                }
                _ => return Err(Failure::Invalid("Algorithm").into()),
            };
            let message = given.bytes("Message")?;
            let digest = match given.optional("MessageType").unwrap_or("RAW") {
                "RAW" if message.len() <= 4096 => false,
                "DIGEST" if message.len() == 32 => true,
                _ => return Err(Failure::Invalid("Message and MessageType").into()),
            };
            let engine = &key.current().engine;
            if action == "SignByAsymmetricKey" {
                let signature = world.backend.sign(engine, algorithm, &message, digest);
                let failed = |_| Refusal::new("FailedOperation.SignError", "Signing failed.");
                return Ok(json!({ "Signature": b64(signature.map_err(failed)?) }));
            }
            let signature = given.bytes("SignatureValue")?;
            let valid = world.backend.verify(engine, algorithm, &message, digest, &signature)?;
            Ok(json!({ "SignatureValid": valid }))
        }
        "GetPublicKey" => {
            let key = world.usable(required(id)?)?;
            let spki = world.backend.public_key(&key.current().engine)?;
            Ok(json!({ "KeyId": id, "PublicKey": b64(&spki), "PublicKeyPem": public_pem(&spki) }))
        }
        "AsymmetricRsaDecrypt" => {
            let key = world.usable(required(id)?)?;
            let algorithm = oaep(given.required("Algorithm")?)?;
            let engine = &key.current().engine;
            let plaintext =
                world.backend.rsa_decrypt(engine, algorithm, &given.bytes("Ciphertext")?)?;
            Ok(json!({ "KeyId": id, "Plaintext": b64(plaintext) }))
        }
        _ => Err(Failure::Unsupported("This action is not emulated.").into()),
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

fn required(id: &str) -> Result<&str> {
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

fn length(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

/// A context: JSON inside a text. It has to come back as the same text.
fn context<'a>(given: &'a Parameters, name: &'static str) -> Result<&'a str> {
    let Some(text) = given.optional(name) else { return Ok("") };
    let is_object = serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object());
    if !is_object || text.chars().count() > 1024 {
        return Err(Failure::Invalid(name));
    }
    Ok(text)
}

fn symmetric<'a>(world: &'a World, id: &str) -> Result<&'a Key> {
    let key = world.usable(id)?;
    if key.symmetric() { Ok(key) } else { Err(Failure::Unsupported("The key is asymmetric.")) }
}

fn encrypt(world: &World, id: &str, plaintext: &[u8], context: &str) -> Result<Vec<u8>> {
    let version = symmetric(world, id)?.current();
    let blob = world.backend.encrypt(&version.engine, plaintext, context.as_bytes())?;
    Ok(frame(MAGIC, id, &version.id, &blob))
}

fn decrypt(
    world: &World,
    given: &Parameters,
    context: &str,
) -> std::result::Result<(String, Vec<u8>), Refusal> {
    let garbled = || {
        let code = "InvalidParameterValue.InvalidCiphertext";
        Refusal::new(code, "The ciphertext is not one of this service.")
    };
    given.required("CiphertextBlob")?;
    let blob = given.bytes("CiphertextBlob").map_err(|_| garbled())?;
    let (id, version, sealed) = unframe(MAGIC, &blob).map_err(|_| garbled())?;
    let key = world.key(&id)?;
    if key.state != State::Archived {
        key.usable()?;
    }
    let engine = &key.version(&version)?.engine;
    Ok((id.clone(), world.backend.decrypt(engine, &sealed, context.as_bytes())?))
}

/// A plaintext in base64, encrypted to the caller's public key where one is given.
fn sealed(given: &Parameters, plaintext: &[u8]) -> Result<String> {
    match given.optional("EncryptionPublicKey") {
        None => Ok(b64(plaintext)),
        Some(public) => {
            let algorithm = given.optional("EncryptionAlgorithm").unwrap_or("SM2");
            seal_to(public.as_bytes(), algorithm, plaintext).map(b64)
        }
    }
}
