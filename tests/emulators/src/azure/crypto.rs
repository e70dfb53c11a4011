//! What keys do.

use serde_json::{Value, json};

use super::{Answer, Call, Refusal, State};
use crate::backend::{EncryptionAlgorithm, Failure, KeySpec, SigningAlgorithm};
use crate::encoding::{b64url, sha256, unb64url};
use crate::keys::{self, Key};
use crate::spki::{ecdsa_to_der, ecdsa_to_raw};

/// Random bytes, of a Managed HSM.
pub(super) fn random(state: &State, call: &Call<'_>) -> Answer {
    let count = call.body.required_in("count", 1..=128)?;
    let bytes = state.world.backend.random(usize::try_from(count).unwrap_or(1))?;
    Ok(json!({ "value": b64url(bytes) }))
}

/// Performs an operation with a version of a key.
pub(super) fn perform(
    state: &mut State,
    call: &Call<'_>,
    name: &str,
    version: &str,
    verb: &str,
) -> Answer {
    let key = state.world.key(name)?;
    let version = if version.is_empty() { key.current() } else { key.version(version)? };
    let operation = match verb {
        "wrapkey" => "wrapKey",
        "unwrapkey" => "unwrapKey",
        "encrypt" | "decrypt" | "sign" | "verify" => verb,
        _ => return Err(Failure::UnknownOperation.into()),
    };
    let allowed = state.notes[name]["key_ops"].as_array().cloned().unwrap_or_default();
    if !allowed.contains(&json!(operation)) {
        let text = format!("Operation {operation} is not permitted on this key.");
        return Err(Refusal::new(403, "Forbidden", text).inner("KeyOperationForbidden"));
    }
    // A disabled key still encrypts, wraps and verifies.
    let private = ["decrypt", "unwrapKey", "sign"].contains(&operation);
    if private && version.state != keys::State::Enabled {
        return Err(Failure::Disabled.into());
    }
    let algorithm = call.body.required("alg")?;
    let value = bytes(call, "value")?;
    let mut answer = json!({ "kid": format!("{}/keys/{name}/{}", call.url, version.id) });
    let (backend, engine) = (&state.world.backend, &version.engine);
    match operation {
        "sign" | "verify" => {
            let (how, length) = signing(key, algorithm)?;
            let digest = if operation == "sign" { value.clone() } else { bytes(call, "digest")? };
            let hash = usize::from(how.1);
            if digest.len() != hash {
                return Err(Refusal::parameter("Invalid length of the digest."));
            }
            if operation == "sign" {
                let made = backend.sign(engine, how.0, &digest, true)?;
                let raw = if length == 0 { Some(made) } else { ecdsa_to_raw(&made, length) };
                answer["value"] = json!(b64url(raw.unwrap_or_default()));
                return Ok(answer);
            }
            if length != 0 && value.len() != 2 * length {
                return Ok(json!({ "value": false }));
            }
            let der = if length == 0 { value } else { ecdsa_to_der(&value) };
            Ok(json!({ "value": backend.verify(engine, how.0, &digest, true, &der)? }))
        }
        _ if key.symmetric() => {
            symmetric(state, call, engine, operation, algorithm, &value, answer)
        }
        _ => {
            let how = match algorithm {
                "RSA-OAEP" => EncryptionAlgorithm::RsaesOaepSha1,
                "RSA-OAEP-256" => EncryptionAlgorithm::RsaesOaepSha256,
                _ => return Err(Refusal::parameter("alg is not supported.")),
            };
            if !key.spec.starts_with("RSA") {
                return Err(Refusal::parameter("The key is not one of RSA."));
            }
            let made = match operation {
                "encrypt" | "wrapKey" => backend.rsa_encrypt(engine, how, &value)?,
                _ => backend.rsa_decrypt(engine, how, &value)?,
            };
            answer["value"] = json!(b64url(made));
            Ok(answer)
        }
    }
}

fn bytes(call: &Call<'_>, name: &'static str) -> Result<Vec<u8>, Refusal> {
    let text = call.body.0[name].as_str().ok_or(Failure::Missing(name))?;
    let padded = text.ends_with('=');
    let bytes = unb64url(text).filter(|_| !padded);
    bytes.ok_or_else(|| Refusal::parameter(format!("{name} is not base64url without padding.")))
}

/// An algorithm with the length of its digest, and the length of each number of a signature, 0 where
/// it has none.
fn signing(key: &Key, name: &str) -> Result<((SigningAlgorithm, u8), usize), Refusal> {
    use SigningAlgorithm as A;
    let (kind, how) = match name {
        "RS256" => ("RSA", (A::RsassaPkcs1V15Sha256, 32)),
        "RS384" => ("RSA", (A::RsassaPkcs1V15Sha384, 48)),
        "RS512" => ("RSA", (A::RsassaPkcs1V15Sha512, 64)),
        "PS256" => ("RSA", (A::RsassaPssSha256, 32)),
        "PS384" => ("RSA", (A::RsassaPssSha384, 48)),
        "PS512" => ("RSA", (A::RsassaPssSha512, 64)),
        "ES256" | "ES256K" => ("EC", (A::EcdsaSha256, 32)),
        "ES384" => ("EC", (A::EcdsaSha384, 48)),
        "ES512" => ("EC", (A::EcdsaSha512, 64)),
        _ => return Err(Refusal::parameter("alg is not supported.")),
    };
    let curve = match (name, key.engine_spec) {
        ("ES256", KeySpec::EccNistP256) | ("ES256K", KeySpec::EccSecgP256K1) => 32,
        ("ES384", KeySpec::EccNistP384) => 48,
        ("ES512", KeySpec::EccNistP521) => 66,
        _ if kind == "EC" => return Err(Refusal::parameter("alg does not fit the curve.")),
        _ => 0,
    };
    if !key.spec.starts_with(kind) {
        return Err(Refusal::parameter("alg does not fit the key."));
    }
    Ok((how, curve))
}

/// AES of a Managed HSM. What is encrypted is the engine's: it is longer than the plaintext, and the
/// initialisation vector and the tag are there to be kept and given back.
fn symmetric(
    state: &State,
    call: &Call<'_>,
    engine: &str,
    operation: &str,
    algorithm: &str,
    value: &[u8],
    mut answer: Value,
) -> Answer {
    let backend = &state.world.backend;
    let wrapping = operation.ends_with("rapKey");
    let fits = if wrapping {
        ["A128KW", "A192KW", "A256KW", "CKM_AES_KEY_WRAP", "CKM_AES_KEY_WRAP_PAD"]
            .contains(&algorithm)
    } else {
        ["A128GCM", "A192GCM", "A256GCM"].contains(&algorithm)
    };
    if !fits {
        return Err(Refusal::parameter("alg is not supported."));
    }
    if wrapping {
        let context = algorithm.as_bytes();
        let made = match operation {
            "wrapKey" => backend.encrypt(engine, value, context)?,
            _ => backend.decrypt(engine, value, context)?,
        };
        answer["value"] = json!(b64url(made));
        return Ok(answer);
    }
    let data = match call.body.optional("aad") {
        Some(_) => bytes(call, "aad")?,
        None => Vec::new(),
    };
    if operation == "encrypt" {
        let vector = backend.random(12)?;
        let context = [algorithm.as_bytes(), &vector, &data].concat();
        let made = backend.encrypt(engine, value, &context)?;
        answer["tag"] = json!(b64url(&sha256([&context[..], &made].concat())[..16]));
        answer["value"] = json!(b64url(made));
        answer["iv"] = json!(b64url(vector));
        if !data.is_empty() {
            answer["aad"] = json!(b64url(data));
        }
        return Ok(answer);
    }
    let (vector, tag) = (bytes(call, "iv")?, bytes(call, "tag")?);
    let context = [algorithm.as_bytes(), &vector, &data].concat();
    if sha256([&context[..], value].concat())[..16] != tag[..] {
        return Err(Failure::Ciphertext.into());
    }
    answer["value"] = json!(b64url(backend.decrypt(engine, value, &context)?));
    Ok(answer)
}
