//! What keys of KMS do.

use serde_json::{Value, json};

use super::Refusal;
use super::operations::{resolve, usable};
use crate::backend::{Backend, EncryptionAlgorithm, Failure, Result, SigningAlgorithm};
use crate::encoding::{b64, hex, public_pem, sha256, unb64, unhex};
use crate::keys::{Key, World, oaep};
use crate::wire::Parameters;

/// A blob begins and ends as the vendor's samples do.
fn framed(id: &str, sealed: &[u8]) -> Vec<u8> {
    let length = u16::try_from(sealed.len()).unwrap_or(u16::MAX);
    let mut blob = vec![2, 0];
    blob.extend(length.to_le_bytes());
    blob.extend(sealed);
    blob.extend(id.as_bytes());
    blob.extend([0; 4]);
    let tag = sha256(&blob);
    blob.extend(tag);
    blob
}

fn unframed(blob: &[u8]) -> Result<(String, Vec<u8>)> {
    let wrong = Failure::Ciphertext;
    let (body, tag) = blob.split_last_chunk::<32>().ok_or(wrong.clone())?;
    if sha256(body) != *tag || !body.starts_with(&[2, 0]) {
        return Err(wrong);
    }
    let id = body.len().checked_sub(40).ok_or(wrong.clone())?;
    let sealed = body.get(4..id).ok_or(wrong.clone())?;
    let id = String::from_utf8(body[id..id + 36].to_vec()).map_err(|_| wrong)?;
    Ok((id, sealed.to_vec()))
}

fn symmetric<'a>(world: &'a World, id: &str) -> Result<&'a Key> {
    let key = usable(world, id)?;
    if key.symmetric() { Ok(key) } else { Err(Failure::Unsupported("The key is asymmetric.")) }
}

fn asymmetric(given: &Parameters, name: &str) -> Result<Option<EncryptionAlgorithm>> {
    match given.optional(name).unwrap_or("SYMMETRIC_DEFAULT") {
        "SYMMETRIC_DEFAULT" => Ok(None),
        algorithm => oaep(algorithm).map(Some),
    }
}

/// Small data, which is text.
pub(super) fn data(
    world: &World,
    name: &str,
    id: &str,
    given: &Parameters,
    context: &str,
) -> std::result::Result<Value, Refusal> {
    let algorithm = asymmetric(given, "encryption_algorithm")?;
    if name == "encrypt-data" {
        let plaintext = given.required("plain_text")?.as_bytes();
        if plaintext.len() > 4096 {
            return Err(Refusal::new("KMS.1901", "plain_text has 1 to 4096 bytes."));
        }
        let sealed = match algorithm {
            Some(algorithm) => world.backend.rsa_encrypt(
                &usable(world, id)?.current().engine,
                algorithm,
                plaintext,
            )?,
            None => seal(world, id, plaintext, context)?,
        };
        return Ok(json!({ "key_id": id, "cipher_text": b64(sealed) }));
    }
    let text = given.required("cipher_text")?;
    let garbled = || Refusal::new("KMS.0311", "cipher_text is not one of this service.");
    // The vendor says 5648; the engine's blobs are a little longer than the vendor's.
    if !(128..=6144).contains(&text.len()) {
        return Err(garbled());
    }
    let blob = unb64(text).ok_or_else(garbled)?;
    let (id, plaintext) = if let Some(algorithm) = algorithm {
        let engine = &usable(world, id)?.current().engine;
        (id.to_owned(), world.backend.rsa_decrypt(engine, algorithm, &blob)?)
    } else {
        let (named, _) = unframed(&blob).map_err(|_| garbled())?;
        if !id.is_empty() && id != named {
            return Err(Refusal::new("KMS.2203", "The ciphertext is of another key."));
        }
        (named, open(world, &blob, context)?)
    };
    Ok(json!({
        "key_id": id, "plain_text": String::from_utf8_lossy(&plaintext),
        "plain_text_base64": b64(&plaintext),
    }))
}

fn seal(world: &World, id: &str, plaintext: &[u8], context: &str) -> Result<Vec<u8>> {
    let engine = &symmetric(world, id)?.current().engine;
    let sealed = world.backend.encrypt(engine, plaintext, context.as_bytes())?;
    Ok(framed(id, &sealed))
}

fn open(world: &World, blob: &[u8], context: &str) -> Result<Vec<u8>> {
    let (id, sealed) = unframed(blob)?;
    let engine = &symmetric(world, &id)?.current().engine;
    world.backend.decrypt(engine, &sealed, context.as_bytes())
}

pub(super) fn re_encrypt(world: &World, given: &Parameters) -> std::result::Result<Value, Refusal> {
    let source = given.text("source_additional_authenticated_data");
    let destination = given.text("destination_additional_authenticated_data");
    let (text, to) = (given.required("cipher_text")?, given.required("destination_key_id")?);
    // The ciphertext of a data key is hexadecimal.
    let is_data_key = given.optional("datakey_cipher_length").is_some();
    let blob = if is_data_key { unhex(text) } else { unb64(text) }.ok_or(Failure::Ciphertext)?;
    let (from, _) = unframed(&blob)?;
    let to = resolve(world, to)?;
    let moved = seal(world, &to, &open(world, &blob, source)?, destination)?;
    Ok(json!({
        "key_id": to, "source_key_id": from, "source_encryption_algorithm": "SYMMETRIC_DEFAULT",
        "destination_encryption_algorithm": "SYMMETRIC_DEFAULT",
        "cipher_text": if is_data_key { hex(moved) } else { b64(moved) },
    }))
}

/// A length in bits, as bytes.
pub(super) fn bits(given: &Parameters, name: &'static str) -> Result<Option<usize>> {
    let Some(text) = given.optional(name) else { return Ok(None) };
    let bits: usize = text.parse().map_err(|_| Failure::Invalid(name))?;
    if !(8..=8192).contains(&bits) || !bits.is_multiple_of(8) {
        return Err(Failure::Invalid(name));
    }
    Ok(Some(bits / 8))
}

pub(super) fn data_keys(
    world: &World,
    name: &str,
    id: &str,
    given: &Parameters,
    context: &str,
    older: bool,
) -> std::result::Result<Value, Refusal> {
    let backend: &Backend = &world.backend;
    match name {
        "create-datakey" | "create-datakey-without-plaintext" => {
            let bytes = match (bits(given, "datakey_length")?, given.optional("key_spec")) {
                (Some(bytes), _) => bytes,
                (None, None | Some("AES_256")) => 32,
                (None, Some("AES_128" | "SM4")) => 16,
                _ => return Err(Failure::Invalid("key_spec").into()),
            };
            if older && bytes != 64 {
                return Err(Refusal::new("KMS.2001", "datakey_length is 512."));
            }
            let engine = &symmetric(world, id)?.current().engine;
            let (plaintext, sealed) = backend.data_key(engine, bytes, context.as_bytes())?;
            let mut body = json!({ "key_id": id, "cipher_text": hex(framed(id, &sealed)) });
            if name == "create-datakey" {
                body["plain_text"] = json!(hex(plaintext).to_uppercase());
            }
            Ok(body)
        }
        "encrypt-datakey" => {
            let both =
                unhex(given.required("plain_text")?).ok_or(Failure::Invalid("plain_text"))?;
            let length = given.required("datakey_plain_length")?.parse::<usize>().ok();
            let length = length.filter(|length| (1..=1024).contains(length));
            let length = length.ok_or_else(|| Refusal::new("KMS.2102", "a length in bytes"))?;
            if older && length != 64 {
                return Err(Refusal::new("KMS.2102", "datakey_plain_length is 64."));
            }
            let (data_key, digest) = both
                .split_at_checked(length)
                .filter(|(_, digest)| digest.len() == 32)
                .ok_or_else(|| Refusal::new("KMS.2101", "plain_text is the key and its digest."))?;
            if sha256(data_key) != digest {
                return Err(Refusal::new("KMS.2104", "The digest is not of the data key."));
            }
            let sealed = seal(world, id, data_key, context)?;
            let length = length.to_string();
            Ok(json!({ "key_id": id, "cipher_text": hex(sealed), "datakey_length": length }))
        }
        _ => {
            let blob = unhex(given.required("cipher_text")?).ok_or(Failure::Ciphertext)?;
            let length = given.required("datakey_cipher_length")?;
            symmetric(world, id)?;
            if unframed(&blob)?.0 != id {
                return Err(Refusal::new("KMS.2203", "The ciphertext is of another key."));
            }
            let data_key = open(world, &blob, context)?;
            if length != data_key.len().to_string() {
                return Err(Refusal::new("KMS.2202", "The data key has another length."));
            }
            Ok(json!({
                "data_key": hex(&data_key).to_uppercase(), "datakey_length": length,
                "datakey_dgst": hex(sha256(&data_key)).to_uppercase(),
            }))
        }
    }
}

pub(super) fn signatures(
    world: &World,
    name: &str,
    id: &str,
    given: &Parameters,
) -> std::result::Result<Value, Refusal> {
    use SigningAlgorithm as A;
    let key = usable(world, id)?;
    let engine = &key.current().engine;
    if name == "get-publickey" {
        let spki = world.backend.public_key(engine)?;
        return Ok(json!({ "key_id": id, "public_key": public_pem(&spki) }));
    }
    let algorithm: A = match given.required("signing_algorithm")? {
        "SM2DSA_SM3" => return Err(Failure::Unsupported("SM2 is not emulated.").into()),
        name => name.parse().map_err(|_| Failure::Invalid("signing_algorithm"))?,
    };
    let hash = match algorithm {
        A::RsassaPkcs1V15Sha384 | A::RsassaPssSha384 | A::EcdsaSha384 => 48,
        A::RsassaPkcs1V15Sha512 | A::RsassaPssSha512 | A::EcdsaSha512 => 64,
        _ => 32,
    };
    let message = given.bytes("message")?;
    let digest = match given.optional("message_type").unwrap_or("DIGEST") {
        "DIGEST" if algorithm == A::Ed25519Sha512 => {
            return Err(Failure::Unsupported("Ed25519 signs messages.").into());
        }
        "DIGEST" if message.len() == hash => true,
        "DIGEST" => return Err(Refusal::new("KMS.0329", "The digest has another length.")),
        "RAW" if message.len() < 4096 => false,
        _ => return Err(Failure::Invalid("message_type").into()),
    };
    if name == "sign" {
        let signature = world.backend.sign(engine, algorithm, &message, digest)?;
        return Ok(json!({ "key_id": id, "signature": b64(signature) }));
    }
    let signature = given.bytes("signature")?;
    let valid = world.backend.verify(engine, algorithm, &message, digest, &signature)?;
    Ok(json!({ "key_id": id, "signature_valid": valid.to_string() }))
}
