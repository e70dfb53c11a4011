//! Transit.

use serde_json::{Map, Value, json};

use super::{Answer, Refusal, Result, State};
use crate::backend::{EncryptionAlgorithm, Failure, KeySpec, KeyUsage, SigningAlgorithm};
use crate::clock::{EXTENDED, format};
use crate::encoding::{b64, b64url, hex, public_pem, unb64, unb64url};
use crate::keys::{self, Key, Version, World};
use crate::spki::{ecdsa_to_der, ecdsa_to_raw};
use crate::wire::Parameters;

/// What a key has here and nowhere else.
#[derive(Clone, Default)]
pub(super) struct Config {
    derived: bool,
    deletion_allowed: bool,
    min_decryption: usize,
    min_encryption: usize,
    /// The oldest version that is still there.
    min_available: usize,
    auto_rotate: i64,
}

/// Performs an operation on a path below the mount.
pub(super) fn perform(
    state: &mut State,
    now: i64,
    method: &str,
    path: &[&str],
    given: &Parameters,
) -> Result<Answer> {
    match (method, path) {
        ("list", ["keys"]) => {
            if state.world.keys.is_empty() {
                return Err(Refusal(404, Vec::new()));
            }
            let names: Vec<_> = state.world.keys.iter().map(|key| &key.id).collect();
            Ok(Answer::Data(json!({ "keys": names })))
        }
        ("read", ["keys", name]) => {
            let key = state.world.key(name).map_err(|_| Refusal(404, Vec::new()))?;
            Ok(Answer::Data(described(state, key)?))
        }
        ("update", ["keys", name]) => {
            let kind = given.optional("type").unwrap_or("aes256-gcm96");
            let derived = given.0["derived"].as_bool().unwrap_or_default();
            if state.world.key(name).is_err() {
                create(state, now, name, kind, derived)?;
            }
            Ok(Answer::Empty)
        }
        ("delete", ["keys", name]) => {
            let allowed = state.transit.get(*name).is_some_and(|config| config.deletion_allowed);
            state
                .world
                .key(name)
                .map_err(|_| Refusal::new(400, "could not delete key; not found".to_owned()))?;
            if !allowed {
                let text =
                    format!("error deleting policy {name}: deletion is not allowed for this key");
                return Err(Refusal::new(400, text));
            }
            state.world.keys.retain(|key| key.id != *name);
            state.transit.remove(*name);
            Ok(Answer::Empty)
        }
        ("delete", ["keys", name, "soft-delete"]) => {
            state.world.enable(name, false)?;
            Ok(Answer::Empty)
        }
        ("update", ["keys", name, what]) => manage(state, now, name, what, given),
        ("read", ["export", "public-key", name, version @ ..]) => {
            let key = state.world.key(name).map_err(|_| Refusal(404, Vec::new()))?;
            let mut found = Map::new();
            for held in &key.versions {
                if version.is_empty() || version[0] == held.id || version[0] == "latest" {
                    let spki = state.world.backend.public_key(&held.engine)?;
                    found.insert(held.id.clone(), json!(public_pem(&spki)));
                }
            }
            Ok(Answer::Data(json!({ "name": name, "type": key.spec, "keys": found })))
        }
        ("update", ["encrypt", name]) => {
            let kind = given.optional("type").unwrap_or("aes256-gcm96");
            if state.world.key(name).is_err() {
                // Whoever may create keys creates one by encrypting.
                create(state, now, name, kind, false)?;
            }
            each(state, given, |state, one| encrypt(state, name, one))
        }
        ("update", ["decrypt", name]) => each(state, given, |state, one| {
            Ok(json!({ "plaintext": b64(decrypt(state, name, one)?) }))
        }),
        ("update", ["rewrap", name]) => each(state, given, |state, one| {
            let mut without = one.0.clone();
            // It knows no associated data: what has some cannot be moved.
            without["associated_data"] = Value::Null;
            let one = Parameters(without);
            let plaintext = decrypt(state, name, &one)?;
            seal(state, name, &plaintext, &one)
        }),
        ("update", ["datakey", form @ ("plaintext" | "wrapped"), name]) => {
            let bits = given.number("bits")?.unwrap_or(256);
            if ![128, 256, 512].contains(&bits) {
                return Err(Refusal::new(400, "invalid bit length"));
            }
            let bytes = usize::try_from(bits / 8).unwrap_or(32);
            let plaintext = state.world.backend.random(bytes)?;
            let mut data = seal(state, name, &plaintext, given)?;
            if *form == "plaintext" {
                data["plaintext"] = json!(b64(plaintext));
            }
            Ok(Answer::Data(data))
        }
        ("update", ["sign" | "verify", name, hash @ ..]) => {
            signature(state, path[0], name, hash.first().copied(), given)
        }
        ("update", ["random", length @ ..]) => {
            let length = match length.last().and_then(|text| text.parse().ok()) {
                Some(length) => length,
                None => given.number("bytes")?.unwrap_or(32),
            };
            if !(1..=1024).contains(&length) {
                return Err(Refusal::new(400, "\"bytes\" is out of range"));
            }
            let bytes = state.world.backend.random(usize::try_from(length).unwrap_or(32))?;
            let text = match given.optional("format").unwrap_or("base64") {
                "base64" => b64(bytes),
                "hex" => hex(bytes),
                _ => return Err(Refusal::new(400, "unsupported encoding format")),
            };
            Ok(Answer::Data(json!({ "random_bytes": text })))
        }
        _ => Err(Failure::UnknownOperation.into()),
    }
}

fn create(state: &mut State, now: i64, name: &str, kind: &str, derived: bool) -> Result<()> {
    use KeySpec as S;
    let spec = match kind {
        // Which cipher it is does not show.
        "aes256-gcm96" | "aes128-gcm96" | "chacha20-poly1305" | "xchacha20-poly1305" => {
            S::SymmetricDefault
        }
        "ed25519" => S::EccNistEdwards25519,
        "ecdsa-p256" => S::EccNistP256,
        "ecdsa-p384" => S::EccNistP384,
        "ecdsa-p521" => S::EccNistP521,
        "rsa-2048" => S::Rsa2048,
        "rsa-3072" => S::Rsa3072,
        "rsa-4096" => S::Rsa4096,
        _ => return Err(Refusal::new(400, format!("unknown key type {kind}"))),
    };
    let (name, first) = (name.to_owned(), "1".to_owned());
    let key = match spec {
        S::Rsa2048 | S::Rsa3072 | S::Rsa4096 => {
            state.world.create_dual_key(name.clone(), first, spec, now)
        }
        S::SymmetricDefault => {
            state.world.create_key(name.clone(), first, (spec, KeyUsage::EncryptDecrypt), now)
        }
        _ => state.world.create_key(name.clone(), first, (spec, KeyUsage::SignVerify), now),
    }?;
    kind.clone_into(&mut key.spec);
    let config = Config { derived, min_decryption: 1, min_available: 1, ..Config::default() };
    state.transit.insert(name, config);
    Ok(())
}

fn manage(
    state: &mut State,
    now: i64,
    name: &str,
    what: &str,
    given: &Parameters,
) -> Result<Answer> {
    let latest = state
        .world
        .key(name)
        .map_err(|_| Refusal::new(400, "no existing key named ".to_owned() + name))?
        .versions
        .len();
    let config = state.transit.entry(name.to_owned()).or_default();
    let version = |name: &'static str| -> Result<Option<usize>> {
        match given.number(name)?.map(usize::try_from) {
            None => Ok(None),
            Some(Ok(version)) if version <= latest => Ok(Some(version)),
            _ => Err(Refusal::new(400, format!("cannot set {name} above the latest version"))),
        }
    };
    match what {
        "rotate" => {
            let version = (latest + 1).to_string();
            state.world.add_version(name, version, now)?;
        }
        "config" => {
            let decryption = version("min_decryption_version")?;
            let encryption = version("min_encryption_version")?;
            config.min_decryption = decryption.map_or(config.min_decryption, |set| set.max(1));
            config.min_encryption = encryption.unwrap_or(config.min_encryption);
            if config.min_encryption != 0 && config.min_encryption < config.min_decryption {
                let text = "min_encryption_version is smaller than min_decryption_version";
                return Err(Refusal::new(400, text));
            }
            if let Some(allowed) = given.0["deletion_allowed"].as_bool() {
                config.deletion_allowed = allowed;
            }
            if let Some(period) = given.optional("auto_rotate_period") {
                let hours: Option<i64> =
                    period.strip_suffix('h').and_then(|hours| hours.parse().ok());
                let hours = hours.ok_or_else(|| Refusal::new(400, "the period is not in hours"))?;
                config.auto_rotate = hours * 3600;
            }
        }
        "trim" => {
            let available = version("min_available_version")?
                .or(version("min_version")?)
                .ok_or_else(|| Refusal::new(400, "missing min_available_version"))?;
            if available > config.min_decryption || available > config.min_encryption {
                let text = "minimum available version cannot be higher than minimum decryption \
                            version and minimum encryption version";
                return Err(Refusal::new(400, text));
            }
            config.min_available = available;
        }
        "soft-delete-restore" => state.world.enable(name, true)?,
        _ => return Err(Failure::UnknownOperation.into()),
    }
    Ok(Answer::Empty)
}

fn described(state: &State, key: &Key) -> Result<Value> {
    let config = state.transit.get(&key.id).cloned().unwrap_or_default();
    let mut versions = Map::new();
    for version in &key.versions[config.min_available.max(1) - 1..] {
        let created = version.created;
        let entry = if key.symmetric() {
            json!(created)
        } else {
            let spki = state.world.backend.public_key(&version.engine)?;
            // Of Ed25519 the bare key, of others PEM.
            let public = match key.engine_spec {
                KeySpec::EccNistEdwards25519 => b64(&spki[spki.len() - 32..]),
                _ => public_pem(&spki),
            };
            json!({
                "creation_time": format(created, EXTENDED), "public_key": public, "name": key.spec,
            })
        };
        versions.insert(version.id.clone(), entry);
    }
    let symmetric = key.symmetric();
    Ok(json!({
        "name": key.id, "type": key.spec, "keys": versions, "latest_version": key.versions.len(),
        "min_available_version": config.min_available - 1, "derived": config.derived,
        "min_decryption_version": config.min_decryption,
        "min_encryption_version": config.min_encryption,
        "deletion_allowed": config.deletion_allowed, "exportable": false,
        "allow_plaintext_backup": false, "auto_rotate_period": config.auto_rotate,
        "supports_encryption": symmetric || key.dual(),
        "supports_decryption": symmetric || key.dual(),
        "supports_derivation": symmetric, "supports_signing": !symmetric,
        "imported_key": false, "soft_deleted": key.state == keys::State::Disabled,
    }))
}

/// Performs something for the request itself, or for each member of its batch.
fn each(
    state: &State,
    given: &Parameters,
    perform: impl Fn(&State, &Parameters) -> Result<Value>,
) -> Result<Answer> {
    let Some(batch) = given.0["batch_input"].as_array() else {
        return perform(state, given).map(Answer::Data);
    };
    let results: Vec<_> = batch
        .iter()
        .map(|one| match perform(state, &Parameters(one.clone())) {
            Ok(done) => done,
            Err(Refusal(_, texts)) => json!({ "error": texts.join("; ") }),
        })
        .collect();
    if results.iter().all(|result| result.get("error").is_some()) && !results.is_empty() {
        let body = json!({ "data": { "batch_results": results } });
        return Ok(Answer::Whole(crate::wire::Reply::json(400, &body)));
    }
    Ok(Answer::Data(json!({ "batch_results": results })))
}

/// What a ciphertext is bound to: the context of the derivation, and associated data.
fn bound(config: &Config, given: &Parameters) -> Result<Vec<u8>> {
    let context = match given.optional("context") {
        Some(text) => {
            unb64(text).ok_or_else(|| Refusal::new(400, "failed to base64-decode context"))?
        }
        None => Vec::new(),
    };
    if config.derived && context.is_empty() {
        let text = "missing 'context' for key derivation; the key was created using a derived \
                    key, which means additional, per-request information must be included in order \
                    to perform operations with the key";
        return Err(Refusal::new(400, text));
    }
    let data = match given.optional("associated_data") {
        Some(text) => unb64(text)
            .ok_or_else(|| Refusal::new(400, "failed to base64-decode associated_data"))?,
        None => Vec::new(),
    };
    // A context counts for derived keys only.
    let mut bound = if config.derived { encoded(&context) } else { Vec::new() };
    if !data.is_empty() {
        bound.push(b'/');
        bound.extend(encoded(&data));
    }
    Ok(bound)
}

fn encoded(bytes: &[u8]) -> Vec<u8> {
    b64(bytes).into_bytes()
}

fn encrypting<'a>(world: &'a World, name: &str) -> Result<&'a Key> {
    let key = world.usable(name)?;
    if key.symmetric() || key.dual() {
        return Ok(key);
    }
    Err(Refusal::new(400, format!("key type {} does not support encryption", key.spec)))
}

/// The version to encrypt or sign with.
fn chosen<'a>(key: &'a Key, config: &Config, given: &Parameters) -> Result<&'a Version> {
    match given.number("key_version")?.unwrap_or(0) {
        0 => Ok(key.current()),
        version => {
            let index = usize::try_from(version).unwrap_or(0);
            if index < config.min_encryption || index == 0 {
                let text = "requested version for encryption is less than the minimum encryption \
                            key version";
                return Err(Refusal::new(400, text));
            }
            let missing = || {
                Refusal::new(
                    400,
                    "requested version for encryption is higher than the latest key \
                                   version",
                )
            };
            key.versions.get(index - 1).ok_or_else(missing)
        }
    }
}

fn encrypt(state: &State, name: &str, given: &Parameters) -> Result<Value> {
    let text = given.0["plaintext"]
        .as_str()
        .ok_or_else(|| Refusal::new(400, "missing plaintext to encrypt"))?;
    let plaintext =
        unb64(text).ok_or_else(|| Refusal::new(400, "failed to base64-decode plaintext"))?;
    seal(state, name, &plaintext, given)
}

fn seal(state: &State, name: &str, plaintext: &[u8], given: &Parameters) -> Result<Value> {
    let key = encrypting(&state.world, name)?;
    let config = &state.transit[name];
    let version = chosen(key, config, given)?;
    let (backend, engine) = (&state.world.backend, &version.engine);
    let sealed = if key.dual() {
        backend.rsa_encrypt(engine, EncryptionAlgorithm::RsaesOaepSha256, plaintext)?
    } else {
        backend.encrypt(engine, plaintext, &bound(config, given)?)?
    };
    let number: usize = version.id.parse().unwrap_or(1);
    Ok(json!({ "ciphertext": format!("vault:v{number}:{}", b64(sealed)), "key_version": number }))
}

/// The version and the bytes of what is written `vault:v1:…`.
fn parsed<'a>(
    key: &'a Key,
    config: &Config,
    text: &str,
    decode: fn(&str) -> Option<Vec<u8>>,
) -> Result<(&'a Version, Vec<u8>)> {
    let invalid = |why: &str| Refusal::new(400, format!("invalid ciphertext: {why}"));
    let rest = text.strip_prefix("vault:v").ok_or_else(|| invalid("no prefix"))?;
    let (version, encoded) =
        rest.split_once(':').ok_or_else(|| invalid("wrong number of fields"))?;
    let version: usize =
        version.parse().map_err(|_| invalid("version number could not be decoded"))?;
    if version > key.versions.len() {
        return Err(invalid("version is too new"));
    }
    if version < config.min_decryption.max(1) {
        let text = "ciphertext or signature version is disallowed by policy (too old)";
        return Err(Refusal::new(400, text));
    }
    let bytes = decode(encoded).ok_or_else(|| invalid("could not decode base64"))?;
    Ok((&key.versions[version - 1], bytes))
}

fn decrypt(state: &State, name: &str, given: &Parameters) -> Result<Vec<u8>> {
    let text = given
        .optional("ciphertext")
        .ok_or_else(|| Refusal::new(400, "missing ciphertext to decrypt"))?;
    let key = encrypting(&state.world, name)?;
    let config = &state.transit[name];
    let (version, sealed) = parsed(key, config, text, unb64)?;
    let (backend, engine) = (&state.world.backend, &version.engine);
    if key.dual() {
        return Ok(backend.rsa_decrypt(engine, EncryptionAlgorithm::RsaesOaepSha256, &sealed)?);
    }
    Ok(backend.decrypt(engine, &sealed, &bound(config, given)?)?)
}

fn signature(
    state: &State,
    what: &str,
    name: &str,
    hash: Option<&str>,
    given: &Parameters,
) -> Result<Answer> {
    let missing = || Refusal::new(400, "signing key not found");
    let key = state.world.key(name).map_err(|_| missing())?;
    key.usable()?;
    if key.symmetric() {
        return Err(Refusal::new(400, format!("key type {} does not support signing", key.spec)));
    }
    let config = &state.transit[name];
    let hash = hash.or(given.optional("hash_algorithm")).unwrap_or("sha2-256");
    let algorithm = algorithm(key.engine_spec, hash, given)?;
    let prehashed = given.0["prehashed"].as_bool().unwrap_or_default();
    let input = given
        .optional("input")
        .and_then(unb64)
        .ok_or_else(|| Refusal::new(400, "unable to decode input as base64"))?;
    // What the curve has, each of two numbers.
    let bytes = match key.engine_spec {
        KeySpec::EccNistP256 => 32,
        KeySpec::EccNistP384 => 48,
        KeySpec::EccNistP521 => 66,
        _ => 0,
    };
    let jws = match given.optional("marshaling_algorithm").unwrap_or("asn1") {
        "asn1" => false,
        "jws" => true,
        _ => return Err(Refusal::new(400, "invalid marshaling_algorithm")),
    };
    let (backend, internal) = (&state.world.backend, || Refusal::new(500, "an odd signature"));
    if what == "sign" {
        let version = chosen(key, config, given)?;
        let made = backend.sign(&version.engine, algorithm, &input, prehashed)?;
        let text = match (jws, bytes) {
            (false, _) => b64(made),
            (true, 0) => b64url(made),
            (true, bytes) => b64url(ecdsa_to_raw(&made, bytes).ok_or_else(internal)?),
        };
        let number: usize = version.id.parse().unwrap_or(1);
        let data = json!({ "signature": format!("vault:v{number}:{text}"), "key_version": number });
        return Ok(Answer::Data(data));
    }
    let text = given
        .optional("signature")
        .ok_or_else(|| Refusal::new(400, "missing signature to verify"))?;
    let decode = if jws { unb64url } else { unb64 };
    let (version, mut signature) = parsed(key, config, text, decode)?;
    if jws && bytes > 0 {
        signature = ecdsa_to_der(&signature);
    }
    let valid = backend.verify(&version.engine, algorithm, &input, prehashed, &signature)?;
    Ok(Answer::Data(json!({ "valid": valid })))
}

fn algorithm(spec: KeySpec, hash: &str, given: &Parameters) -> Result<SigningAlgorithm> {
    use SigningAlgorithm as A;
    let unsupported = || Refusal::new(400, format!("{hash} is not emulated for this key"));
    if spec == KeySpec::EccNistEdwards25519 {
        return Ok(A::Ed25519Sha512);
    }
    if !matches!(spec, KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096) {
        // The engine has one hash for each curve.
        return match (spec, hash) {
            (KeySpec::EccNistP256, "sha2-256") => Ok(A::EcdsaSha256),
            (KeySpec::EccNistP384, "sha2-384") => Ok(A::EcdsaSha384),
            (KeySpec::EccNistP521, "sha2-512") => Ok(A::EcdsaSha512),
            _ => Err(unsupported()),
        };
    }
    match given.optional("signature_algorithm").unwrap_or("pss") {
        "pss" => {
            // Else the salt is as long as it can be, and nobody else's verification holds.
            if given.optional("salt_length").unwrap_or("auto") != "hash" {
                return Err(Refusal::new(400, "only the salt_length hash is emulated"));
            }
            match hash {
                "sha2-256" => Ok(A::RsassaPssSha256),
                "sha2-384" => Ok(A::RsassaPssSha384),
                "sha2-512" => Ok(A::RsassaPssSha512),
                _ => Err(unsupported()),
            }
        }
        "pkcs1v15" => match hash {
            "sha2-256" => Ok(A::RsassaPkcs1V15Sha256),
            "sha2-384" => Ok(A::RsassaPkcs1V15Sha384),
            "sha2-512" => Ok(A::RsassaPkcs1V15Sha512),
            _ => Err(unsupported()),
        },
        _ => Err(Refusal::new(400, "unsupported signature_algorithm")),
    }
}
