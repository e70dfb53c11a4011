//! Key rings, keys and their versions.

use serde_json::{Value, json};

use super::{Answer, Call, Refusal, bytes, checked, checksum, paged};
use crate::backend::{EncryptionAlgorithm, KeySpec, KeyUsage, SigningAlgorithm};
use crate::clock::{EXTENDED, SECONDS_OF_DAY, format};
use crate::encoding::{b64, public_pem};
use crate::keys::{Key, State, Version, frame, unframe};

const MAGIC: &[u8] = b"\x0a\x24";
/// The longest plaintext, and the longest additional data.
const MAX: usize = 64 * 1024;

pub(super) const OPERATIONS: &[&str] = &[
    "locations/*:generateRandomBytes",
    "locations/keyRings/*:GET",
    "locations/keyRings/importJobs/*:GET",
    "locations/keyRings/importJobs:POST",
    "locations/keyRings/cryptoKeys/cryptoKeyVersions:import",
    "locations/keyRings/cryptoKeys/*:GET",
    "locations/keyRings/cryptoKeys/*:PATCH",
    "locations/keyRings/cryptoKeys/*:decrypt",
    "locations/keyRings/cryptoKeys/*:encrypt",
    "locations/keyRings/cryptoKeys/*:updatePrimaryVersion",
    "locations/keyRings/cryptoKeys/cryptoKeyVersions/*:GET",
    "locations/keyRings/cryptoKeys/cryptoKeyVersions/*:PATCH",
    "locations/keyRings/cryptoKeys/cryptoKeyVersions/*:asymmetricDecrypt",
    "locations/keyRings/cryptoKeys/cryptoKeyVersions/*:asymmetricSign",
    "locations/keyRings/cryptoKeys/cryptoKeyVersions/*:destroy",
    "locations/keyRings/cryptoKeys/cryptoKeyVersions/*:encrypt",
    "locations/keyRings/cryptoKeys/cryptoKeyVersions/*:restore",
    "locations/keyRings/cryptoKeys/cryptoKeyVersions/publicKey:GET",
    "locations/keyRings/cryptoKeys/cryptoKeyVersions:GET",
    "locations/keyRings/cryptoKeys/cryptoKeyVersions:POST",
    "locations/keyRings/cryptoKeys:GET",
    "locations/keyRings/cryptoKeys:POST",
    "locations/keyRings:GET",
    "locations/keyRings:POST",
];

/// An algorithm: its number in the API, its name, and what the engine makes of it.
type Algorithm = (i64, &'static str, KeySpec, How);

#[derive(Clone, Copy, PartialEq)]
enum How {
    Symmetric,
    Sign(SigningAlgorithm),
    Decrypt(EncryptionAlgorithm),
}

#[rustfmt::skip]
const ALGORITHMS: &[Algorithm] = &[
    (1, "GOOGLE_SYMMETRIC_ENCRYPTION", KeySpec::SymmetricDefault, How::Symmetric),
    (2, "RSA_SIGN_PSS_2048_SHA256", KeySpec::Rsa2048, How::Sign(SigningAlgorithm::RsassaPssSha256)),
    (3, "RSA_SIGN_PSS_3072_SHA256", KeySpec::Rsa3072, How::Sign(SigningAlgorithm::RsassaPssSha256)),
    (4, "RSA_SIGN_PSS_4096_SHA256", KeySpec::Rsa4096, How::Sign(SigningAlgorithm::RsassaPssSha256)),
    (15, "RSA_SIGN_PSS_4096_SHA512", KeySpec::Rsa4096, How::Sign(SigningAlgorithm::RsassaPssSha512)),
    (5, "RSA_SIGN_PKCS1_2048_SHA256", KeySpec::Rsa2048, How::Sign(SigningAlgorithm::RsassaPkcs1V15Sha256)),
    (6, "RSA_SIGN_PKCS1_3072_SHA256", KeySpec::Rsa3072, How::Sign(SigningAlgorithm::RsassaPkcs1V15Sha256)),
    (7, "RSA_SIGN_PKCS1_4096_SHA256", KeySpec::Rsa4096, How::Sign(SigningAlgorithm::RsassaPkcs1V15Sha256)),
    (16, "RSA_SIGN_PKCS1_4096_SHA512", KeySpec::Rsa4096, How::Sign(SigningAlgorithm::RsassaPkcs1V15Sha512)),
    (8, "RSA_DECRYPT_OAEP_2048_SHA256", KeySpec::Rsa2048, How::Decrypt(EncryptionAlgorithm::RsaesOaepSha256)),
    (9, "RSA_DECRYPT_OAEP_3072_SHA256", KeySpec::Rsa3072, How::Decrypt(EncryptionAlgorithm::RsaesOaepSha256)),
    (10, "RSA_DECRYPT_OAEP_4096_SHA256", KeySpec::Rsa4096, How::Decrypt(EncryptionAlgorithm::RsaesOaepSha256)),
    (37, "RSA_DECRYPT_OAEP_2048_SHA1", KeySpec::Rsa2048, How::Decrypt(EncryptionAlgorithm::RsaesOaepSha1)),
    (12, "EC_SIGN_P256_SHA256", KeySpec::EccNistP256, How::Sign(SigningAlgorithm::EcdsaSha256)),
    (13, "EC_SIGN_P384_SHA384", KeySpec::EccNistP384, How::Sign(SigningAlgorithm::EcdsaSha384)),
    (31, "EC_SIGN_SECP256K1_SHA256", KeySpec::EccSecgP256K1, How::Sign(SigningAlgorithm::EcdsaSha256)),
    (40, "EC_SIGN_ED25519", KeySpec::EccNistEdwards25519, How::Sign(SigningAlgorithm::Ed25519Sha512)),
];

const PURPOSES: [(i64, &str); 3] =
    [(1, "ENCRYPT_DECRYPT"), (5, "ASYMMETRIC_SIGN"), (6, "ASYMMETRIC_DECRYPT")];

/// The name of a value of an enumeration, which is given as its name or its number.
fn named<'a>(value: &'a Value, names: impl IntoIterator<Item = (i64, &'a str)>) -> Option<&'a str> {
    names.into_iter().find_map(|(number, name)| {
        (value.as_i64() == Some(number) || value.as_str() == Some(name)).then_some(name)
    })
}

/// Performs a call on what is in a location.
pub(super) fn perform(state: &mut super::State, now: i64, call: &Call, rest: &[&str]) -> Answer {
    let (method, verb, name) = (call.method.as_str(), call.verb.as_str(), call.name());
    match (method, verb, rest) {
        ("POST", "generateRandomBytes", []) => {
            let length = call.body.required_in("lengthBytes", 8..=1024)?;
            if named(&call.body.0["protectionLevel"], [(2, "HSM")]).is_none() {
                return Err(Refusal::invalid("Only protection level HSM is supported."));
            }
            let data = state.world.backend.random(usize::try_from(length).unwrap_or(8))?;
            Ok(json!({ "data": b64(&data), "dataCrc32c": checksum(&data) }))
        }
        ("POST", "", ["keyRings"]) => {
            let id = checked_id(call, "keyRingId")?;
            let name = format!("{name}/{id}");
            if !state.rings.insert(name.clone()) {
                let text = format!("KeyRing {name} already exists.");
                return Err(Refusal::new(409, "ALREADY_EXISTS", text));
            }
            Ok(ring(&name, now))
        }
        ("GET", "", ["keyRings"]) => {
            let rings = state.rings.iter().filter(|ring| ring.starts_with(&name));
            paged(call, "keyRings", rings.map(|ring_name| ring(ring_name, now)).collect())
        }
        ("GET", "", ["keyRings", _]) => {
            known_ring(state, &name)?;
            Ok(ring(&name, now))
        }
        ("POST", "", ["keyRings", _, "cryptoKeys"]) => create(state, now, call),
        ("GET", "", ["keyRings", _, "cryptoKeys"]) => {
            known_ring(state, name.trim_end_matches("/cryptoKeys"))?;
            let keys =
                state.world.keys.iter().filter(|key| key.id.starts_with(&format!("{name}/")));
            paged(call, "cryptoKeys", keys.map(|key| described(state, key)).collect())
        }
        ("POST", "", ["keyRings", _, "importJobs"]) => {
            known_ring(state, name.trim_end_matches("/importJobs"))?;
            let name = format!("{name}/{}", checked_id(call, "importJobId")?);
            let methods = [(5, "RSA_OAEP_3072_SHA256"), (6, "RSA_OAEP_4096_SHA256")];
            let method = named(&call.body.0["importMethod"], methods)
                .ok_or_else(|| Refusal::invalid("The import method is not emulated."))?;
            let spec = if method.contains("3072") { KeySpec::Rsa3072 } else { KeySpec::Rsa4096 };
            let wrapping = state.world.backend.create(spec, KeyUsage::EncryptDecrypt)?;
            state.jobs.insert(name.clone(), (wrapping, method.to_owned()));
            job(state, now, &name)
        }
        ("GET", "", ["keyRings", _, "importJobs", _]) => job(state, now, &name),
        ("POST", "import", ["keyRings", _, "cryptoKeys", _, "cryptoKeyVersions"]) => {
            import(state, now, call, name.trim_end_matches("/cryptoKeyVersions"))
        }
        (_, _, ["keyRings", _, "cryptoKeys", _]) => key_call(state, call, &name),
        (_, _, ["keyRings", _, "cryptoKeys", _, "cryptoKeyVersions"]) => {
            let id = name.trim_end_matches("/cryptoKeyVersions");
            let key = known(state, id)?;
            if method == "GET" {
                let found = key.versions.iter().map(|found| version_of(key, found));
                return paged(call, "cryptoKeyVersions", found.collect());
            }
            let number = (key.versions.len() + 1).to_string();
            state.world.add_version(id, number, now)?;
            let key = known(state, id)?;
            Ok(version_of(key, key.current()))
        }
        (_, _, ["keyRings", _, "cryptoKeys", _, "cryptoKeyVersions", number, last @ ..]) => {
            let id = call.resource[..8].join("/");
            version_call(state, call, &id, number, last.first() == Some(&"publicKey"))
        }
        _ => Err(Refusal::missing(&name)),
    }
}

fn checked_id<'a>(call: &'a Call, name: &'static str) -> Result<&'a str, Refusal> {
    let id = call.query.required(name)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if id.len() > 63 || !id.chars().all(fits) {
        return Err(Refusal::invalid(format!("{name} does not match [a-zA-Z0-9_-]{{1,63}}.")));
    }
    Ok(id)
}

fn ring(name: &str, now: i64) -> Value {
    json!({ "name": name, "createTime": format(now, EXTENDED) })
}

fn known_ring(state: &super::State, name: &str) -> Result<(), Refusal> {
    if state.rings.contains(name) {
        return Ok(());
    }
    Err(Refusal::missing(&format!("KeyRing {name}")))
}

fn known<'a>(state: &'a super::State, name: &str) -> Result<&'a Key, Refusal> {
    state.world.key(name).map_err(|_| Refusal::missing(&format!("CryptoKey {name}")))
}

fn algorithm(key: &Key) -> How {
    let found = ALGORITHMS.iter().find(|(_, name, ..)| *name == key.spec);
    found.map_or(How::Symmetric, |(.., how)| *how)
}

fn create(state: &mut super::State, now: i64, call: &Call) -> Answer {
    let parent = call.name();
    known_ring(state, parent.trim_end_matches("/cryptoKeys"))?;
    let name = format!("{parent}/{}", checked_id(call, "cryptoKeyId")?);
    if state.world.key(&name).is_ok() {
        let text = format!("CryptoKey {name} already exists.");
        return Err(Refusal::new(409, "ALREADY_EXISTS", text));
    }
    let purpose = named(&call.body.0["purpose"], PURPOSES)
        .ok_or_else(|| Refusal::invalid("The purpose is not emulated."))?;
    let asked = &call.body.0["versionTemplate"]["algorithm"];
    let names = ALGORITHMS.iter().map(|(number, name, ..)| (*number, *name));
    let asked = match named(asked, names) {
        None if purpose == "ENCRYPT_DECRYPT" => "GOOGLE_SYMMETRIC_ENCRYPTION",
        found => found.ok_or_else(|| Refusal::invalid("The algorithm is not emulated."))?,
    };
    let (_, _, spec, how) =
        ALGORITHMS.iter().find(|(_, name, ..)| *name == asked).expect("it was found above");
    let usage = match (purpose, how) {
        ("ENCRYPT_DECRYPT", How::Symmetric) | ("ASYMMETRIC_DECRYPT", How::Decrypt(_)) => {
            KeyUsage::EncryptDecrypt
        }
        ("ASYMMETRIC_SIGN", How::Sign(_)) => KeyUsage::SignVerify,
        _ => return Err(Refusal::invalid("The algorithm does not fit the purpose.")),
    };
    let rotation = rotation(&call.body.0)?;
    let key = state.world.create_key(name.clone(), "1".to_owned(), (*spec, usage), now)?;
    asked.clone_into(&mut key.spec);
    purpose.clone_into(&mut key.usage);
    key.rotation = rotation;
    if *how == How::Symmetric {
        state.primary.insert(name.clone(), "1".to_owned());
    }
    Ok(described(state, known(state, &name)?))
}

/// A period in seconds, as `7776000s`, in days.
fn rotation(body: &Value) -> Result<Option<i64>, Refusal> {
    let Some(text) = body["rotationPeriod"].as_str() else { return Ok(None) };
    let seconds: Option<i64> = text.strip_suffix('s').and_then(|seconds| seconds.parse().ok());
    match seconds {
        Some(seconds) if seconds >= SECONDS_OF_DAY && !body["nextRotationTime"].is_null() => {
            Ok(Some(seconds / SECONDS_OF_DAY))
        }
        _ => Err(Refusal::invalid("rotationPeriod is a day or more, with a nextRotationTime.")),
    }
}

/// What wraps material that is imported.
fn job(state: &super::State, now: i64, name: &str) -> Answer {
    let missing = || Refusal::missing(&format!("ImportJob {name}"));
    let (wrapping, method) = state.jobs.get(name).ok_or_else(missing)?;
    let pem = public_pem(&state.world.backend.public_key(wrapping)?);
    Ok(json!({
        "name": name, "importMethod": method, "protectionLevel": "SOFTWARE", "state": "ACTIVE",
        "createTime": format(now, EXTENDED), "publicKey": { "pem": pem },
    }))
}

/// Adds a version whose material was given; it does not become the primary one. The engine keeps
/// material of its own.
fn import(state: &mut super::State, now: i64, call: &Call, id: &str) -> Answer {
    let key = known(state, id)?;
    if !key.symmetric() {
        return Err(Refusal::invalid("Only the import of symmetric keys is emulated."));
    }
    let name = call.body.required("importJob")?.to_owned();
    let missing = || Refusal::missing(&format!("ImportJob {name}"));
    let (wrapping, _) = state.jobs.get(&name).ok_or_else(missing)?;
    let given = ["wrappedKey", "rsaAesWrappedKey"];
    let given = given.into_iter().find(|member| !call.body.0[*member].is_null());
    let wrapped = bytes(&call.body.0, given.unwrap_or("wrappedKey"))?;
    let how = EncryptionAlgorithm::RsaesOaepSha256;
    let material = state.world.backend.rsa_decrypt(wrapping, how, &wrapped);
    if !material.is_ok_and(|material| material.len() == 32) {
        return Err(Refusal::invalid("The material is not 32 bytes that are wrapped as agreed."));
    }
    let number = (key.versions.len() + 1).to_string();
    state.world.add_version(id, number, now)?;
    let key = known(state, id)?;
    let mut body = version_of(key, key.current());
    body["importJob"] = json!(name);
    Ok(body)
}

fn state_of(version: &Version) -> &'static str {
    match version.state {
        State::Enabled | State::Archived => "ENABLED",
        State::Disabled => "DISABLED",
        State::PendingDeletion => "DESTROY_SCHEDULED",
        State::PendingImport => "PENDING_IMPORT",
        State::Destroyed => "DESTROYED",
    }
}

fn version_of(key: &Key, version: &Version) -> Value {
    let mut body = json!({
        "name": format!("{}/cryptoKeyVersions/{}", key.id, version.id),
        "state": state_of(version), "protectionLevel": "SOFTWARE", "algorithm": key.spec,
        "createTime": format(version.created, EXTENDED),
        "generateTime": format(version.created, EXTENDED),
    });
    if version.state == State::PendingDeletion {
        body["destroyTime"] = json!(format(version.created + 30 * SECONDS_OF_DAY, EXTENDED));
    }
    body
}

fn described(state: &super::State, key: &Key) -> Value {
    let mut body = json!({
        "name": key.id, "purpose": key.usage, "createTime": format(key.created, EXTENDED),
        "versionTemplate": { "protectionLevel": "SOFTWARE", "algorithm": key.spec },
        "destroyScheduledDuration": format!("{}s", 30 * SECONDS_OF_DAY),
    });
    let primary = state.primary.get(&key.id).and_then(|number| key.version(number).ok());
    if let Some(primary) = primary {
        body["primary"] = version_of(key, primary);
    }
    if let Some(days) = key.rotation {
        body["rotationPeriod"] = json!(format!("{}s", days * SECONDS_OF_DAY));
        let next = key.created + days * SECONDS_OF_DAY;
        body["nextRotationTime"] = json!(format(next, EXTENDED));
    }
    body
}

fn enabled(key: &Key, version: &Version) -> Result<(), Refusal> {
    if version.state == State::Enabled {
        return Ok(());
    }
    let text = format!(
        "{}/cryptoKeyVersions/{} is not enabled, current state is: {}.",
        key.id,
        version.id,
        state_of(version)
    );
    Err(Refusal::precondition(text))
}

fn key_call(state: &mut super::State, call: &Call, id: &str) -> Answer {
    let key = known(state, id)?;
    match (call.method.as_str(), call.verb.as_str()) {
        ("GET", "") => Ok(described(state, key)),
        ("PATCH", "") => {
            let rotation = rotation(&call.body.0)?;
            call.query.required("updateMask")?;
            state.world.key_mut(id)?.rotation = rotation;
            Ok(described(state, known(state, id)?))
        }
        ("POST", "updatePrimaryVersion") => {
            let number = call.body.required("cryptoKeyVersionId")?;
            if !key.symmetric() {
                return Err(Refusal::invalid("Only symmetric keys have a primary version."));
            }
            enabled(key, key.version(number)?)?;
            state.primary.insert(id.to_owned(), number.to_owned());
            Ok(described(state, known(state, id)?))
        }
        ("POST", "encrypt") => {
            let primary = state.primary.get(id).map(String::as_str).unwrap_or_default();
            encrypt(state, key, key.version(primary).map_err(|_| not_for(key))?, call)
        }
        ("POST", "decrypt") => {
            if !key.symmetric() {
                return Err(not_for(key));
            }
            let body = &call.body.0;
            let sealed = bytes(body, "ciphertext")?;
            let data = bytes(body, "additionalAuthenticatedData")?;
            checked(body, "ciphertextCrc32c", &sealed)?;
            checked(body, "additionalAuthenticatedDataCrc32c", &data)?;
            let (found, number, sealed) = unframe(MAGIC, &sealed)?;
            if found != key_tag(id) {
                return Err(crate::backend::Failure::Ciphertext.into());
            }
            let version = key.version(&number)?;
            enabled(key, version)?;
            let plaintext = state.world.backend.decrypt(&version.engine, &sealed, &data)?;
            Ok(json!({
                "plaintext": b64(&plaintext), "plaintextCrc32c": checksum(&plaintext),
                "usedPrimary": state.primary.get(id) == Some(&number),
                "protectionLevel": "SOFTWARE",
            }))
        }
        _ => Err(Refusal::missing(&call.name())),
    }
}

fn not_for(key: &Key) -> Refusal {
    Refusal::invalid(format!("The purpose of {} is {}.", key.id, key.usage))
}

/// What a ciphertext says of its key: names are too long for it.
fn key_tag(id: &str) -> String {
    crate::encoding::hex(&crate::encoding::sha256(id)[..18])
}

fn encrypt(state: &super::State, key: &Key, version: &Version, call: &Call) -> Answer {
    if !key.symmetric() {
        return Err(not_for(key));
    }
    enabled(key, version)?;
    let body = &call.body.0;
    let plaintext = bytes(body, "plaintext")?;
    let data = bytes(body, "additionalAuthenticatedData")?;
    if plaintext.len() > MAX || data.len() > MAX {
        return Err(Refusal::invalid("The plaintext or the additional data exceeds 64 KiB."));
    }
    let verified = checked(body, "plaintextCrc32c", &plaintext)?;
    let verified_data = checked(body, "additionalAuthenticatedDataCrc32c", &data)?;
    let sealed = state.world.backend.encrypt(&version.engine, &plaintext, &data)?;
    let blob = frame(MAGIC, &key_tag(&key.id), &version.id, &sealed);
    Ok(json!({
        "name": format!("{}/cryptoKeyVersions/{}", key.id, version.id),
        "ciphertext": b64(&blob), "ciphertextCrc32c": checksum(&blob),
        "verifiedPlaintextCrc32c": verified,
        "verifiedAdditionalAuthenticatedDataCrc32c": verified_data,
        "protectionLevel": "SOFTWARE",
    }))
}

fn version_call(
    state: &mut super::State,
    call: &Call,
    id: &str,
    number: &str,
    public: bool,
) -> Answer {
    let key = known(state, id)?;
    let version =
        key.version(number).map_err(|_| Refusal::missing(&format!("CryptoKeyVersion {number}")))?;
    let change = match (call.method.as_str(), call.verb.as_str()) {
        ("GET", "") if public => {
            if key.symmetric() {
                return Err(not_for(key));
            }
            enabled(key, version)?;
            let pem = public_pem(&state.world.backend.public_key(&version.engine)?);
            return Ok(json!({
                "name": format!("{id}/cryptoKeyVersions/{number}"), "pem": pem,
                "pemCrc32c": checksum(pem.as_bytes()), "algorithm": key.spec,
                "protectionLevel": "SOFTWARE",
            }));
        }
        ("GET", "") => return Ok(version_of(key, version)),
        ("POST", "encrypt") => return encrypt(state, key, version, call),
        ("POST", "asymmetricSign" | "asymmetricDecrypt") => {
            return asymmetric(state, key, version, call);
        }
        ("PATCH", "") => {
            let states = [(1, "ENABLED"), (2, "DISABLED")];
            let wanted = named(&call.body.0["state"], states);
            let wanted = wanted.ok_or_else(|| Refusal::invalid("state is not settable so."))?;
            if !matches!(version.state, State::Enabled | State::Disabled) {
                let text = format!("current state is: {}.", state_of(version));
                return Err(Refusal::precondition(text));
            }
            state.world.backend.enable(&version.engine, wanted == "ENABLED")?;
            if wanted == "ENABLED" { State::Enabled } else { State::Disabled }
        }
        ("POST", "destroy") => {
            if !matches!(version.state, State::Enabled | State::Disabled) {
                let text = format!("current state is: {}.", state_of(version));
                return Err(Refusal::precondition(text));
            }
            state.world.backend.schedule_deletion(&version.engine)?;
            State::PendingDeletion
        }
        ("POST", "restore") => {
            if version.state != State::PendingDeletion {
                let text = format!("current state is: {}.", state_of(version));
                return Err(Refusal::precondition(text));
            }
            state.world.backend.cancel_deletion(&version.engine)?;
            State::Disabled
        }
        _ => return Err(Refusal::missing(&call.name())),
    };
    let held = state.world.key_mut(id)?.versions.iter_mut().find(|held| held.id == number);
    if let Some(held) = held {
        held.state = change;
    }
    let key = known(state, id)?;
    Ok(version_of(key, key.version(number)?))
}

fn asymmetric(state: &super::State, key: &Key, version: &Version, call: &Call) -> Answer {
    enabled(key, version)?;
    let (body, backend, engine) = (&call.body.0, &state.world.backend, &version.engine);
    let name = format!("{}/cryptoKeyVersions/{}", key.id, version.id);
    match (call.verb.as_str(), algorithm(key)) {
        ("asymmetricDecrypt", How::Decrypt(how)) => {
            let sealed = bytes(body, "ciphertext")?;
            let verified = checked(body, "ciphertextCrc32c", &sealed)?;
            let plaintext = backend.rsa_decrypt(engine, how, &sealed)?;
            Ok(json!({
                "plaintext": b64(&plaintext), "plaintextCrc32c": checksum(&plaintext),
                "verifiedCiphertextCrc32c": verified, "protectionLevel": "SOFTWARE",
            }))
        }
        ("asymmetricSign", How::Sign(how)) => {
            let length = match how {
                SigningAlgorithm::EcdsaSha384 => ("sha384", 48),
                SigningAlgorithm::RsassaPssSha512 | SigningAlgorithm::RsassaPkcs1V15Sha512 => {
                    ("sha512", 64)
                }
                _ => ("sha256", 32),
            };
            let digest = body["digest"].is_object();
            if digest == (how == SigningAlgorithm::Ed25519Sha512) {
                return Err(Refusal::invalid("The algorithm signs the other of digest and data."));
            }
            let mut answer = json!({ "name": name, "protectionLevel": "SOFTWARE" });
            let message = if digest {
                let given = bytes(&body["digest"], length.0)?;
                if given.len() != length.1 {
                    return Err(Refusal::invalid(format!("The digest is not {}.", length.0)));
                }
                answer["verifiedDigestCrc32c"] = json!(checked(body, "digestCrc32c", &given)?);
                given
            } else {
                let given = bytes(body, "data")?;
                answer["verifiedDataCrc32c"] = json!(checked(body, "dataCrc32c", &given)?);
                given
            };
            let signature = backend.sign(engine, how, &message, digest)?;
            answer["signature"] = json!(b64(&signature));
            answer["signatureCrc32c"] = checksum(&signature);
            Ok(answer)
        }
        _ => Err(not_for(key)),
    }
}
