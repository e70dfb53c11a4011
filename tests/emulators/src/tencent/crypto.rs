//! What keys of KMS do.

use serde_json::{Value, json};

use super::actions::{length, required};
use super::{Answer, Refusal};
use crate::backend::{Failure, Result, SigningAlgorithm};
use crate::encoding::{b64, public_pem};
use crate::keys::{Key, State, World, frame, oaep, seal_to, unframe};
use crate::wire::Parameters;

const MAGIC: &[u8] = b"TCK1";

/// What uses key material.
pub(super) fn cryptography(world: &World, action: &str, id: &str, given: &Parameters) -> Answer {
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
