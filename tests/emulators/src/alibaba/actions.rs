//! The actions on keys.

use serde_json::{Map, Value, json};

use super::{ACCOUNT, Answer, REGION, Refusal};
use crate::backend::{Failure, KeySpec, KeyUsage, Result, SigningAlgorithm};
use crate::clock::{EXTENDED, SECONDS_OF_DAY, format};
use crate::encoding::{b64, public_pem, unb64};
use crate::keys::{Key, State, Version, World, frame, oaep, seal_to, unframe};
use crate::wire::{Parameters, page};

const MAGIC: &[u8] = b"ALI1";

/// Every action on keys.
pub(super) const ACTIONS: &[&str] = &[
    "AsymmetricDecrypt",
    "AsymmetricEncrypt",
    "AsymmetricSign",
    "AsymmetricVerify",
    "CancelKeyDeletion",
    "CreateAlias",
    "CreateKey",
    "CreateKeyVersion",
    "Decrypt",
    "DeleteAlias",
    "DeleteKeyMaterial",
    "DescribeKey",
    "DescribeKeyVersion",
    "DescribeRegions",
    "DisableKey",
    "EnableKey",
    "Encrypt",
    "ExportDataKey",
    "GenerateAndExportDataKey",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "GetParametersForImport",
    "GetPublicKey",
    "ImportKeyMaterial",
    "ListAliases",
    "ListAliasesByKeyId",
    "ListKeyVersions",
    "ListKeys",
    "ReEncrypt",
    "ScheduleKeyDeletion",
    "UpdateAlias",
    "UpdateKeyDescription",
    "UpdateRotationPolicy",
];

/// Performs an action.
pub(super) fn perform(world: &mut World, now: i64, action: &str, given: &Parameters) -> Answer {
    if !ACTIONS.contains(&action) {
        return Err(Failure::UnknownOperation.into());
    }
    let id = match given.optional("KeyId") {
        Some(named) => resolve(world, named)?,
        None => String::new(),
    };
    let id = id.as_str();
    let none = json!({});
    match action {
        "CreateKey" => create(world, now, given),
        "DescribeKey" => Ok(json!({ "KeyMetadata": metadata(known(world, id)?) })),
        "DescribeRegions" => Ok(json!({ "Regions": { "Region": [{ "RegionId": REGION }] } })),
        "ListKeys" => {
            let entry = |key: &Key| json!({ "KeyId": key.id, "KeyArn": arn(key) });
            paged(given, "Keys", "Key", world.keys.iter().map(entry).collect())
        }
        "EnableKey" | "DisableKey" => {
            known(world, id)?;
            world.enable(id, action == "EnableKey")?;
            Ok(none)
        }
        "ScheduleKeyDeletion" => {
            let days = given.required_in("PendingWindowInDays", 7..=366)?;
            known(world, id)?;
            world.schedule_deletion(id, now + days * SECONDS_OF_DAY)?;
            Ok(none)
        }
        "CancelKeyDeletion" => {
            known(world, id)?;
            world.cancel_deletion(id, true)?;
            Ok(none)
        }
        "UpdateKeyDescription" => {
            known(world, id)?;
            given.text("Description").clone_into(&mut world.key_mut(id)?.description);
            Ok(none)
        }
        "UpdateRotationPolicy" => {
            let key = usable(world, id)?;
            if !key.symmetric() || key.external {
                let message = "The key cannot rotate.";
                return Err(Refusal::new(400, "Rejected.UnsupportedOperation", message));
            }
            let rotation = match given.required("EnableAutomaticRotation")?.to_lowercase().as_str()
            {
                // The kit for Python writes `True`.
                "false" => None,
                "true" => Some(interval(given.required("RotationInterval")?)?),
                _ => return Err(Failure::Invalid("EnableAutomaticRotation").into()),
            };
            world.key_mut(id)?.rotation = rotation;
            Ok(none)
        }
        "CreateKeyVersion" => {
            if usable(world, id)?.external {
                let message = "The material of the key is imported.";
                return Err(Refusal::new(400, "Rejected.UnsupportedOperation", message));
            }
            let version = world.backend.uuid();
            world.add_version(id, version, now)?;
            Ok(json!({ "KeyVersion": version_of(id, world.key(id)?.current()) }))
        }
        "ListKeyVersions" => {
            let key = known(world, id)?;
            let found = key.versions.iter().map(|version| version_of(id, version)).collect();
            paged(given, "KeyVersions", "KeyVersion", found)
        }
        "DescribeKeyVersion" => {
            let version = known(world, id)?.version(given.required("KeyVersionId")?)?;
            Ok(json!({ "KeyVersion": version_of(id, version) }))
        }
        "CreateAlias" | "UpdateAlias" | "DeleteAlias" | "ListAliases" | "ListAliasesByKeyId" => {
            aliases(world, action, id, given)
        }
        "GetParametersForImport" => {
            known(world, id)?;
            if given.required("WrappingKeySpec")? != "RSA_2048" {
                return Err(Failure::Unsupported("Only RSA_2048 is emulated.").into());
            }
            let algorithm = given.required("WrappingAlgorithm")?;
            let (public, token) = world.import_parameters(id, algorithm)?;
            Ok(json!({
                "KeyId": id, "ImportToken": b64(token), "PublicKey": b64(public),
                "TokenExpireTime": format(now + SECONDS_OF_DAY, EXTENDED),
            }))
        }
        "ImportKeyMaterial" => {
            known(world, id)?;
            given.required_in("KeyMaterialExpireUnix", 0..=i64::MAX)?;
            let wrapped = given.bytes("EncryptedKeyMaterial")?;
            world.import(id, &given.bytes("ImportToken")?, &wrapped)?;
            Ok(none)
        }
        "DeleteKeyMaterial" => {
            known(world, id)?;
            world.delete_material(id)?;
            Ok(none)
        }
        "AsymmetricSign" | "AsymmetricVerify" | "AsymmetricEncrypt" | "AsymmetricDecrypt"
        | "GetPublicKey" => asymmetric(world, action, id, given),
        _ => symmetric(world, action, id, given),
    }
}

/// The id of a key that is named by its id, its ARN or an alias.
pub(super) fn resolve(world: &World, named: &str) -> std::result::Result<String, Refusal> {
    let prefix = format!("acs:kms:{REGION}:{ACCOUNT}:");
    let named = named.strip_prefix(&prefix).unwrap_or(named);
    if named.starts_with("alias/") {
        let found = world.keys.iter().find(|key| key.aliases.iter().any(|alias| alias == named));
        let missing =
            || Refusal::new(404, "Forbidden.AliasNotFound", "The specified Alias is not found.");
        return Ok(found.ok_or_else(missing)?.id.clone());
    }
    let id = named.strip_prefix("key/").unwrap_or(named);
    Ok(world.key(id)?.id.clone())
}

fn known<'a>(world: &'a World, id: &str) -> Result<&'a Key> {
    if id.is_empty() { Err(Failure::Missing("KeyId")) } else { world.key(id) }
}

fn usable<'a>(world: &'a World, id: &str) -> Result<&'a Key> {
    let key = known(world, id)?;
    key.usable()?;
    Ok(key)
}

/// A list with its page, as every list of this service has it.
pub(super) fn paged(given: &Parameters, list: &str, item: &str, items: Vec<Value>) -> Answer {
    let number = given.number_in("PageNumber", 1..=i64::MAX)?.unwrap_or(1);
    let size = given.number_in("PageSize", 1..=100)?.unwrap_or(10);
    let total = items.len();
    let items = page(items, (number - 1).saturating_mul(size), size);
    Ok(json!({
        "PageNumber": number, "PageSize": size, "TotalCount": total, list: { item: items },
    }))
}

/// Days, as `365d`.
fn interval(text: &str) -> Result<i64> {
    let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
    days.filter(|days| (7..=730).contains(days)).ok_or(Failure::Invalid("RotationInterval"))
}

fn create(world: &mut World, now: i64, given: &Parameters) -> Answer {
    let named = given.optional("KeySpec").unwrap_or("Aliyun_AES_256");
    let spec = match named {
        // What is under SM4 there is under AES here: only this service opens it.
        "Aliyun_AES_256" | "Aliyun_SM4" => KeySpec::SymmetricDefault,
        "RSA_2048" => KeySpec::Rsa2048,
        "RSA_3072" => KeySpec::Rsa3072,
        "EC_P256" => KeySpec::EccNistP256,
        "EC_P256K" => KeySpec::EccSecgP256K1,
        "EC_SM2" => return Err(Failure::Unsupported("SM2 is not emulated.").into()),
        _ => return Err(Failure::Invalid("KeySpec").into()),
    };
    let rsa = matches!(spec, KeySpec::Rsa2048 | KeySpec::Rsa3072);
    let usage = given.optional("KeyUsage").unwrap_or("ENCRYPT/DECRYPT");
    let engine_usage = match (usage, spec) {
        ("ENCRYPT/DECRYPT", spec) if rsa || spec == KeySpec::SymmetricDefault => {
            KeyUsage::EncryptDecrypt
        }
        ("SIGN/VERIFY", spec) if spec != KeySpec::SymmetricDefault => KeyUsage::SignVerify,
        _ => return Err(Failure::Invalid("KeyUsage").into()),
    };
    let external = match given.optional("Origin").unwrap_or("Aliyun_KMS") {
        "Aliyun_KMS" => false,
        "EXTERNAL" if spec == KeySpec::SymmetricDefault => true,
        _ => return Err(Failure::Invalid("Origin").into()),
    };
    if !matches!(given.optional("ProtectionLevel"), None | Some("SOFTWARE" | "HSM")) {
        return Err(Failure::Invalid("ProtectionLevel").into());
    }
    let rotation = match given.text("EnableAutomaticRotation").to_lowercase().as_str() {
        "true" => Some(interval(given.required("RotationInterval")?)?),
        _ => None,
    };
    let id = format!("key-hzz{}", &world.backend.hex_id()[..18]);
    let version = world.backend.uuid();
    let key = world.create_key(id, version, (spec, engine_usage), now)?;
    given.text("Description").clone_into(&mut key.description);
    named.clone_into(&mut key.spec);
    usage.clone_into(&mut key.usage);
    (key.rotation, key.external) = (rotation, external);
    if external {
        key.state = State::PendingImport;
    }
    Ok(json!({ "KeyMetadata": metadata(key) }))
}

fn arn(key: &Key) -> String {
    format!("acs:kms:{REGION}:{ACCOUNT}:key/{}", key.id)
}

fn metadata(key: &Key) -> Value {
    let state = match key.state {
        State::Enabled => "Enabled",
        State::PendingDeletion | State::Destroyed => "PendingDeletion",
        State::PendingImport => "PendingImport",
        State::Disabled | State::Archived => "Disabled",
    };
    let mut body = json!({
        "KeyId": key.id, "Arn": arn(key), "KeyState": state, "KeySpec": key.spec,
        "KeyUsage": key.usage, "Origin": if key.external { "EXTERNAL" } else { "Aliyun_KMS" },
        "PrimaryKeyVersion": key.current().id, "CreationDate": format(key.created, EXTENDED),
        "Creator": ACCOUNT, "Description": key.description, "ProtectionLevel": "SOFTWARE",
        "AutomaticRotation": if key.rotation.is_some() { "Enabled" } else { "Disabled" },
    });
    if let Some(at) = key.deletion {
        body["DeleteDate"] = json!(format(at, EXTENDED));
    }
    if let Some(days) = key.rotation {
        // Given in days and answered in seconds.
        body["RotationInterval"] = json!(format!("{}s", days * SECONDS_OF_DAY));
        let next = key.current().created + days * SECONDS_OF_DAY;
        body["NextRotationDate"] = json!(format(next, EXTENDED));
    }
    body
}

fn version_of(id: &str, version: &Version) -> Value {
    json!({
        "KeyId": id, "KeyVersionId": version.id, "CreationDate": format(version.created, EXTENDED),
    })
}

fn aliases(world: &mut World, action: &str, id: &str, given: &Parameters) -> Answer {
    if action.starts_with("List") {
        if action == "ListAliasesByKeyId" {
            known(world, id)?;
        }
        let entry = |key: &Key, alias: &String| {
            let arn = format!("acs:kms:{REGION}:{ACCOUNT}:{alias}");
            json!({ "KeyId": key.id, "AliasName": alias, "AliasArn": arn })
        };
        let found = world
            .keys
            .iter()
            .filter(|key| action == "ListAliases" || key.id == id)
            .flat_map(|key| key.aliases.iter().map(|alias| entry(key, alias)))
            .collect();
        return paged(given, "Aliases", "Alias", found);
    }
    let name = given.required("AliasName")?;
    if !name.starts_with("alias/") || name.len() > 255 || name.len() < 7 {
        return Err(Failure::Invalid("AliasName").into());
    }
    let holder = resolve(world, name);
    if action == "CreateAlias" {
        known(world, id)?;
        if holder.is_ok() {
            return Err(Failure::Exists("The alias exists already.").into());
        }
    } else {
        world.key_mut(&holder?)?.aliases.retain(|alias| alias != name);
    }
    if action != "DeleteAlias" {
        world.key_mut(id)?.aliases.push(name.to_owned());
    }
    Ok(json!({}))
}

/// A context: an object of texts, in any order.
fn context(given: &Parameters, name: &'static str) -> Result<Vec<u8>> {
    let Some(text) = given.optional(name) else { return Ok(Vec::new()) };
    let pairs: Map<String, Value> =
        serde_json::from_str(text).map_err(|_| Failure::Invalid(name))?;
    if !pairs.values().all(Value::is_string) || text.len() > 8192 {
        return Err(Failure::Invalid(name));
    }
    // The map is sorted; one of nothing binds nothing.
    Ok(if pairs.is_empty() { Vec::new() } else { Value::Object(pairs).to_string().into_bytes() })
}

fn encrypting<'a>(world: &'a World, id: &str) -> Result<&'a Key> {
    let key = usable(world, id)?;
    if key.symmetric() { Ok(key) } else { Err(Failure::Unsupported("The key is asymmetric.")) }
}

/// Which key and version a ciphertext is of, and what is in it.
fn open(world: &World, given: &Parameters, context: &[u8]) -> Result<(String, String, Vec<u8>)> {
    let blob = unb64(given.required("CiphertextBlob")?).ok_or(Failure::Ciphertext)?;
    let (id, version, sealed) = unframe(MAGIC, &blob)?;
    let engine = &encrypting(world, &id)?.version(&version)?.engine;
    let plaintext = world.backend.decrypt(engine, &sealed, context)?;
    Ok((id, version, plaintext))
}

fn sealed(world: &World, id: &str, plaintext: &[u8], context: &[u8]) -> Result<Value> {
    let version = encrypting(world, id)?.current();
    let sealed = world.backend.encrypt(&version.engine, plaintext, context)?;
    let blob = frame(MAGIC, id, &version.id, &sealed);
    Ok(json!({ "CiphertextBlob": b64(blob), "KeyId": id, "KeyVersionId": version.id }))
}

fn symmetric(world: &World, action: &str, id: &str, given: &Parameters) -> Answer {
    match action {
        "Encrypt" => {
            let plaintext = given.bytes("Plaintext")?;
            if plaintext.len() > 6144 {
                return Err(Failure::Invalid("Plaintext").into());
            }
            known(world, id)?;
            Ok(sealed(world, id, &plaintext, &context(given, "EncryptionContext")?)?)
        }
        "Decrypt" => {
            let (id, version, plaintext) =
                open(world, given, &context(given, "EncryptionContext")?)?;
            Ok(json!({ "KeyId": id, "KeyVersionId": version, "Plaintext": b64(plaintext) }))
        }
        "ReEncrypt" => {
            let source = context(given, "SourceEncryptionContext")?;
            let plaintext = match given.optional("SourceEncryptionAlgorithm") {
                None => open(world, given, &source)?.2,
                Some(algorithm) => {
                    let from = resolve(world, given.required("SourceKeyId")?)?;
                    let key = usable(world, &from)?;
                    let version = key.version(given.required("SourceKeyVersionId")?)?;
                    let blob = given.bytes("CiphertextBlob")?;
                    world.backend.rsa_decrypt(&version.engine, oaep(algorithm)?, &blob)?
                }
            };
            let to = resolve(world, given.required("DestinationKeyId")?)?;
            let context = context(given, "DestinationEncryptionContext")?;
            Ok(sealed(world, &to, &plaintext, &context)?)
        }
        "ExportDataKey" => {
            let context = context(given, "EncryptionContext")?;
            let (id, version, plaintext) = open(world, given, &context)?;
            let exported = export(given, &plaintext)?;
            Ok(json!({ "KeyId": id, "KeyVersionId": version, "ExportedDataKey": exported }))
        }
        _ => {
            let bytes =
                match (given.number_in("NumberOfBytes", 1..=1024)?, given.optional("KeySpec")) {
                    (Some(bytes), _) => usize::try_from(bytes).unwrap_or(0),
                    (None, None | Some("AES_256")) => 32,
                    (None, Some("AES_128")) => 16,
                    _ => return Err(Failure::Invalid("KeySpec").into()),
                };
            let context = context(given, "EncryptionContext")?;
            let version = encrypting(world, id)?.current();
            let (plaintext, sealed) = world.backend.data_key(&version.engine, bytes, &context)?;
            let blob = frame(MAGIC, id, &version.id, &sealed);
            let mut body = json!({
                "CiphertextBlob": b64(blob), "KeyId": id, "KeyVersionId": version.id,
            });
            if action == "GenerateDataKey" {
                body["Plaintext"] = json!(b64(plaintext));
            } else if action == "GenerateAndExportDataKey" {
                body["ExportedDataKey"] = json!(export(given, &plaintext)?);
            }
            Ok(body)
        }
    }
}

/// A data key, for the holder of a private key.
fn export(given: &Parameters, data_key: &[u8]) -> Result<String> {
    if given.required("WrappingKeySpec")? != "RSA_2048" {
        return Err(Failure::Unsupported("Only RSA_2048 is emulated."));
    }
    let public = given.bytes("PublicKeyBlob")?;
    seal_to(&public, given.required("WrappingAlgorithm")?, data_key).map(b64)
}

fn asymmetric(world: &World, action: &str, id: &str, given: &Parameters) -> Answer {
    let key = usable(world, id)?;
    // Always with its version.
    let version = key.version(given.required("KeyVersionId")?)?;
    let (backend, engine) = (&world.backend, &version.engine);
    let mut body = json!({ "KeyId": id, "KeyVersionId": version.id });
    match action {
        "GetPublicKey" => body["PublicKey"] = json!(public_pem(&backend.public_key(engine)?)),
        "AsymmetricEncrypt" => {
            let algorithm = oaep(given.required("Algorithm")?)?;
            let sealed = backend.rsa_encrypt(engine, algorithm, &given.bytes("Plaintext")?)?;
            body["CiphertextBlob"] = json!(b64(sealed));
        }
        "AsymmetricDecrypt" => {
            let algorithm = oaep(given.required("Algorithm")?)?;
            let opened = backend.rsa_decrypt(engine, algorithm, &given.bytes("CiphertextBlob")?)?;
            body["Plaintext"] = json!(b64(opened));
        }
        _ => {
            let algorithm = match (given.required("Algorithm")?, key.engine_spec) {
                ("RSA_PSS_SHA_256", KeySpec::Rsa2048 | KeySpec::Rsa3072) => {
                    SigningAlgorithm::RsassaPssSha256
                }
                ("RSA_PKCS1_SHA_256", KeySpec::Rsa2048 | KeySpec::Rsa3072) => {
                    SigningAlgorithm::RsassaPkcs1V15Sha256
                }
                ("ECDSA_SHA_256", KeySpec::EccNistP256 | KeySpec::EccSecgP256K1) => {
                    SigningAlgorithm::EcdsaSha256
                }
                _ => return Err(Failure::Invalid("Algorithm").into()),
            };
            let digest = given.bytes("Digest")?;
            if digest.len() != 32 {
                return Err(Failure::Invalid("Digest").into());
            }
            body["Value"] = if action == "AsymmetricSign" {
                json!(b64(backend.sign(engine, algorithm, &digest, true)?))
            } else {
                let signature = given.bytes("Value")?;
                json!(backend.verify(engine, algorithm, &digest, true, &signature)?)
            };
        }
    }
    Ok(body)
}
