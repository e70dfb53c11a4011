//! The operations of KMS.

use serde_json::{Value, json};

use super::{Answer, DOMAIN, REGION, Refusal};
use crate::backend::{
    Backend, EncryptionAlgorithm, Failure, KeySpec, KeyUsage, Result, SigningAlgorithm,
};
use crate::clock::SECONDS_OF_DAY;
use crate::encoding::{b64, hex, public_pem, sha256, unb64, unhex};
use crate::keys::{Key, State, World, oaep};
use crate::wire::{Parameters, page};

/// Method, path after `kms/`, name.
pub(super) const PATHS: &[(&str, &str, &str)] = &[
    ("POST", "create-key", "create-key"),
    ("POST", "describe-key", "describe-key"),
    ("POST", "list-keys", "list-keys"),
    ("POST", "enable-key", "enable-key"),
    ("POST", "disable-key", "disable-key"),
    ("POST", "schedule-key-deletion", "schedule-key-deletion"),
    ("POST", "cancel-key-deletion", "cancel-key-deletion"),
    ("POST", "enable-key-rotation", "enable-key-rotation"),
    ("POST", "disable-key-rotation", "disable-key-rotation"),
    ("POST", "get-key-rotation-status", "get-key-rotation-status"),
    ("POST", "update-key-rotation-interval", "update-key-rotation-interval"),
    ("POST", "rotate-on-demand", "rotate-on-demand"),
    ("POST", "update-key-alias", "update-key-alias"),
    ("POST", "update-key-description", "update-key-description"),
    ("POST", "aliases", "create-alias"),
    ("DELETE", "aliases", "delete-alias"),
    ("GET", "aliases", "list-aliases"),
    ("POST", "alias/associate", "associate-alias"),
    ("POST", "encrypt-data", "encrypt-data"),
    ("POST", "decrypt-data", "decrypt-data"),
    ("POST", "re-encrypt", "re-encrypt"),
    ("POST", "create-datakey", "create-datakey"),
    ("POST", "create-datakey-without-plaintext", "create-datakey-without-plaintext"),
    ("POST", "encrypt-datakey", "encrypt-datakey"),
    ("POST", "decrypt-datakey", "decrypt-datakey"),
    ("POST", "sign", "sign"),
    ("POST", "verify", "verify"),
    ("POST", "get-publickey", "get-publickey"),
    ("POST", "gen-random", "gen-random"),
    ("POST", "get-parameters-for-import", "get-parameters-for-import"),
    ("POST", "import-key-material", "import-key-material"),
    ("POST", "delete-imported-key-material", "delete-imported-key-material"),
    ("GET", "user-instances", "user-instances"),
    ("GET", "user-quotas", "user-quotas"),
];

/// Every parameter that an operation may have beside its key and a `sequence`.
fn parameters(name: &str) -> &'static [&'static str] {
    match name {
        "create-key" => &[
            "key_alias",
            "key_spec",
            "key_usage",
            "key_description",
            "origin",
            "enterprise_project_id",
            "keystore_id",
        ],
        "list-keys" => &["limit", "marker", "key_state", "key_spec", "enterprise_project_id"],
        "schedule-key-deletion" => &["pending_days"],
        "update-key-rotation-interval" => &["rotation_interval"],
        "update-key-alias" => &["key_alias"],
        "update-key-description" => &["key_description"],
        "create-alias" => &["alias"],
        "delete-alias" => &["aliases"],
        "list-aliases" => &["limit", "marker"],
        "associate-alias" => &["alias", "target_key_id"],
        "encrypt-data" => &["plain_text", "encryption_algorithm"],
        "decrypt-data" => &["cipher_text", "encryption_algorithm"],
        "re-encrypt" => &[
            "cipher_text",
            "source_key_id",
            "source_additional_authenticated_data",
            "source_encryption_algorithm",
            "destination_key_id",
            "destination_additional_authenticated_data",
            "destination_encryption_algorithm",
            "datakey_cipher_length",
        ],
        "create-datakey" | "create-datakey-without-plaintext" => &["key_spec", "datakey_length"],
        "encrypt-datakey" => &["plain_text", "datakey_plain_length"],
        "decrypt-datakey" => &["cipher_text", "datakey_cipher_length"],
        "sign" => &["message", "signing_algorithm", "message_type"],
        "verify" => &["message", "signature", "signing_algorithm", "message_type"],
        "gen-random" => &["random_data_length"],
        "get-parameters-for-import" => &["wrapping_algorithm"],
        "import-key-material" => {
            &["import_token", "encrypted_key_material", "encrypted_privatekey", "expiration_time"]
        }
        _ => &[],
    }
}

/// Performs an operation.
pub(super) fn perform(
    world: &mut World,
    now: i64,
    name: &str,
    given: &Parameters,
    older: bool,
) -> Answer {
    let context = context(name, given, older)?;
    let named = given.text("key_id").to_owned();
    let id = if named.is_empty() { String::new() } else { resolve(world, &named)? };
    let id = id.as_str();
    let done = |body: Value| Ok((200, Some(body)));
    let state = |world: &World| -> Result<Value> {
        Ok(json!({ "key_id": id, "key_state": state_of(world.key(id)?) }))
    };
    match name {
        "create-key" => done(create(world, now, given)?),
        "describe-key" => done(json!({ "key_info": details(known(world, id)?) })),
        "list-keys" => done(list(world, given)?),
        "enable-key" | "disable-key" => {
            let enable = name == "enable-key";
            if (known(world, id)?.state == State::Enabled) == enable {
                let message = "The key is in this state already.";
                let code = if enable { "KMS.1201" } else { "KMS.1301" };
                return Err(Refusal::new(code, message));
            }
            world.enable(id, enable)?;
            done(json!({ "key_info": state(world)? }))
        }
        "schedule-key-deletion" => {
            let days = given.required("pending_days")?.parse().ok();
            let days: i64 = days
                .filter(|days| (7..=1096).contains(days))
                .ok_or_else(|| Refusal::new("KMS.1401", "pending_days is \"7\" to \"1096\"."))?;
            if known(world, id)?.state == State::PendingDeletion {
                return Err(Refusal::new("KMS.1402", "The key is pending deletion already."));
            }
            world.schedule_deletion(id, now + days * SECONDS_OF_DAY)?;
            done(state(world)?)
        }
        "cancel-key-deletion" => {
            known(world, id)?;
            world.cancel_deletion(id, false).map_err(|failure| match failure {
                Failure::State(what) => Refusal::new("KMS.1501", what),
                other => other.into(),
            })?;
            done(state(world)?)
        }
        "enable-key-rotation"
        | "disable-key-rotation"
        | "update-key-rotation-interval"
        | "rotate-on-demand" => {
            let key = usable(world, id)?;
            if !key.symmetric() || key.external {
                return Err(Refusal::new("KMS.2901", "The key cannot rotate."));
            }
            let days = match name {
                "rotate-on-demand" => {
                    world.backend.rotate(&key.current().engine)?;
                    let key = world.key_mut(id)?;
                    key.rotated = (key.rotated.0 + 1, now);
                    return done(json!({ "key_id": id }));
                }
                "enable-key-rotation" => Some(key.rotation.unwrap_or(365)),
                "disable-key-rotation" => None,
                _ => Some(given.required_in("rotation_interval", 30..=365)?),
            };
            world.key_mut(id)?.rotation = days;
            done(json!({}))
        }
        "get-key-rotation-status" => {
            let key = known(world, id)?;
            let mut body = json!({
                "key_rotation_enabled": key.rotation.is_some(), "number_of_rotations": key.rotated.0,
            });
            if let Some(days) = key.rotation {
                body["rotation_interval"] = json!(days);
            }
            if key.rotated.0 > 0 {
                body["last_rotation_time"] = json!((key.rotated.1 * 1000).to_string());
            }
            done(body)
        }
        "update-key-alias" => {
            let alias = given.required("key_alias")?.to_owned();
            known(world, id)?;
            world.key_mut(id)?.aliases[0].clone_from(&alias);
            done(json!({ "key_info": { "key_id": id, "key_alias": alias } }))
        }
        "update-key-description" => {
            let text = given.text("key_description").to_owned();
            known(world, id)?;
            world.key_mut(id)?.description.clone_from(&text);
            done(json!({ "key_info": { "key_id": id, "key_description": text } }))
        }
        "create-alias" | "delete-alias" | "list-aliases" | "associate-alias" => {
            aliases(world, now, name, id, given)
        }
        "gen-random" => {
            let bytes = bits(given, "random_data_length")?.ok_or(Failure::Missing("length"))?;
            done(json!({ "random_data": hex(world.backend.random(bytes)?) }))
        }
        "get-parameters-for-import" => {
            known(world, id)?;
            let algorithm = given.required("wrapping_algorithm")?;
            let (public, token) = world.import_parameters(id, algorithm)?;
            done(json!({
                "key_id": id, "import_token": b64(token), "public_key": b64(public),
                "expiration_time": now + SECONDS_OF_DAY,
            }))
        }
        "import-key-material" => {
            known(world, id)?;
            let token = given.bytes("import_token")?;
            world.import(id, &token, &given.bytes("encrypted_key_material")?).map_err(
                |failure| match failure {
                    Failure::Exists(what) | Failure::Invalid(what) => {
                        Refusal::new("KMS.2601", what)
                    }
                    other => other.into(),
                },
            )?;
            done(json!({}))
        }
        "delete-imported-key-material" => {
            known(world, id)?;
            world.delete_material(id)?;
            done(json!({}))
        }
        "user-instances" => done(json!({ "instance_num": world.keys.len() })),
        "user-quotas" => {
            let used = world.keys.len();
            let quota = json!({ "type": "CMK", "used": used, "quota": 100 });
            done(json!({ "quotas": { "resources": [quota] } }))
        }
        "re-encrypt" => done(re_encrypt(world, given)?),
        "encrypt-data" | "decrypt-data" => done(data(world, name, id, given, &context)?),
        "sign" | "verify" | "get-publickey" => done(signatures(world, name, id, given)?),
        _ => done(data_keys(world, name, id, given, &context, older)?),
    }
}

/// The additional data of a call: one of two dialects, as it was sent.
fn context(name: &str, given: &Parameters, older: bool) -> std::result::Result<String, Refusal> {
    let member = if older { "encryption_context" } else { "additional_authenticated_data" };
    let bound = ["encrypt-data", "decrypt-data", "encrypt-datakey", "decrypt-datakey"];
    let bound = bound.contains(&name) || name.starts_with("create-datakey");
    let mut allowed = vec!["key_id", "sequence"];
    allowed.extend(parameters(name));
    if bound {
        allowed.push(member);
    }
    if let Some(unknown) = given.unknown(&allowed) {
        return Err(Refusal::new("KMS.0201", format!("{unknown} is not a parameter of {name}.")));
    }
    let wrong = || Refusal::new("KMS.0208", "The encryption context is invalid.");
    match &given.0[member] {
        Value::Null => Ok(String::new()),
        Value::Object(pairs) if older && pairs.values().all(Value::is_string) => {
            // As an object: the order of its members is of no account.
            let text = given.0[member].to_string();
            if text.len() > 8192 { Err(wrong()) } else { Ok(text) }
        }
        Value::String(text) if !older && (1..=128).contains(&text.len()) => Ok(text.clone()),
        _ => Err(wrong()),
    }
}

/// The id of a key that is named by its id or by an alias.
fn resolve(world: &World, named: &str) -> std::result::Result<String, Refusal> {
    if named.starts_with("alias/") {
        let has = |key: &&Key| key.aliases[1..].iter().any(|alias| alias == named);
        let found = world.keys.iter().find(has);
        return Ok(found.ok_or(Failure::KeyNotFound)?.id.clone());
    }
    if named.len() != 36 {
        return Err(Refusal::new("KMS.0203", "The key id is 36 characters long."));
    }
    Ok(named.to_owned())
}

fn known<'a>(world: &'a World, id: &str) -> Result<&'a Key> {
    if id.is_empty() { Err(Failure::Missing("key_id")) } else { world.key(id) }
}

fn usable<'a>(world: &'a World, id: &str) -> Result<&'a Key> {
    let key = known(world, id)?;
    key.usable()?;
    Ok(key)
}

fn create(world: &mut World, now: i64, given: &Parameters) -> std::result::Result<Value, Refusal> {
    use KeySpec as S;
    let alias = given.required("key_alias")?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "/:_-".contains(c);
    if alias.len() > 255 || !alias.chars().all(fits) {
        return Err(Refusal::new("KMS.1101", "The alias is invalid."));
    }
    if world.keys.iter().any(|key| key.aliases[0] == alias) {
        return Err(Failure::Exists("The alias exists already.").into());
    }
    let named = given.optional("key_spec").unwrap_or("AES_256");
    let spec = match named {
        // What is under SM4 there is under AES here: only this service opens it.
        "AES_256" | "SM4" => S::SymmetricDefault,
        "RSA_2048" => S::Rsa2048,
        "RSA_3072" => S::Rsa3072,
        "RSA_4096" => S::Rsa4096,
        "EC_P256" => S::EccNistP256,
        "EC_P384" => S::EccNistP384,
        "SECP256K1" => S::EccSecgP256K1,
        "ED25519" => S::EccNistEdwards25519,
        _ => return Err(Refusal::new("KMS.1114", "The key spec is not supported.")),
    };
    let usage = match (given.optional("key_usage"), spec) {
        (None, S::SymmetricDefault | S::Rsa2048 | S::Rsa3072 | S::Rsa4096)
        | (Some("ENCRYPT_DECRYPT"), S::SymmetricDefault | S::Rsa2048 | S::Rsa3072 | S::Rsa4096) => {
            KeyUsage::EncryptDecrypt
        }
        (None, _) => KeyUsage::SignVerify,
        (Some("SIGN_VERIFY"), spec) if spec != S::SymmetricDefault => KeyUsage::SignVerify,
        _ => return Err(Refusal::new("KMS.1115", "The usage does not fit the key spec.")),
    };
    let external = match given.optional("origin").unwrap_or("kms") {
        "kms" => false,
        "external" if spec == S::SymmetricDefault => true,
        _ => return Err(Failure::Invalid("origin").into()),
    };
    let id = world.backend.uuid();
    let key = world.create_key(id.clone(), "1".to_owned(), (spec, usage), now)?;
    key.aliases = vec![alias.to_owned()];
    given.text("key_description").clone_into(&mut key.description);
    named.clone_into(&mut key.spec);
    usage.as_str().clone_into(&mut key.usage);
    key.external = external;
    if external {
        key.state = State::PendingImport;
    }
    Ok(json!({ "key_info": { "key_id": id, "domain_id": DOMAIN } }))
}

fn state_of(key: &Key) -> &'static str {
    match key.state {
        State::Enabled => "2",
        State::Disabled => "3",
        State::PendingDeletion | State::Destroyed => "4",
        State::PendingImport => "5",
        State::Archived => "7",
    }
}

fn details(key: &Key) -> Value {
    // Documented as seconds, and milliseconds all the same.
    let millis = |seconds: i64| (seconds * 1000).to_string();
    json!({
        "key_id": key.id, "domain_id": DOMAIN, "key_alias": key.aliases[0], "realm": REGION,
        "key_spec": key.spec, "key_usage": key.usage, "key_description": key.description,
        "creation_date": millis(key.created),
        "scheduled_deletion_date": key.deletion.map(millis).unwrap_or_default(),
        "key_state": state_of(key), "default_key_flag": "0", "key_type": "1",
        "expiration_time": "", "origin": if key.external { "external" } else { "kms" },
        "key_rotation_enabled": key.rotation.is_some().to_string(),
        "sys_enterprise_project_id": "0", "keystore_id": "0",
    })
}

fn list(world: &World, given: &Parameters) -> std::result::Result<Value, Refusal> {
    let (limit, offset) = (given.number("limit")?.unwrap_or(1000), given.number("marker")?);
    let limit = if (1..=1000).contains(&limit) {
        limit
    } else {
        return Err(Failure::Invalid("limit").into());
    };
    let offset = offset.unwrap_or(0);
    let spec = given.optional("key_spec").unwrap_or("AES_256");
    let state = given.text("key_state");
    let wanted = |key: &&Key| {
        (spec == "ALL" || key.spec == spec) && (state.is_empty() || state_of(key) == state)
    };
    let keys: Vec<_> = world.keys.iter().filter(wanted).collect();
    let total = keys.len();
    let keys = page(keys, offset, limit);
    let next = offset + i64::try_from(keys.len()).unwrap_or(0);
    let truncated = next < i64::try_from(total).unwrap_or(0);
    let ids: Vec<_> = keys.iter().map(|key| &key.id).collect();
    let found: Vec<_> = keys.iter().map(|key| details(key)).collect();
    Ok(json!({
        "keys": ids, "key_details": found, "total": total, "truncated": truncated.to_string(),
        "next_marker": if truncated { next.to_string() } else { String::new() },
    }))
}

fn aliases(world: &mut World, now: i64, name: &str, id: &str, given: &Parameters) -> Answer {
    let entity = |key: &str, alias: &str| {
        json!({
            "domain_id": DOMAIN, "key_id": key, "alias": alias,
            "alias_urn": format!("kms:{REGION}:{DOMAIN}:{alias}"),
            "create_time": (now * 1000).to_string(), "update_time": (now * 1000).to_string(),
        })
    };
    let checked = || {
        let alias = given.required("alias")?;
        if !alias.starts_with("alias/") || alias.len() > 255 {
            return Err(Failure::Invalid("alias"));
        }
        Ok(alias)
    };
    match name {
        "create-alias" => {
            let alias = checked()?;
            known(world, id)?;
            if resolve(world, alias).is_ok() {
                return Err(Failure::Exists("The alias exists already.").into());
            }
            world.key_mut(id)?.aliases.push(alias.to_owned());
            Ok((200, Some(entity(id, alias))))
        }
        "associate-alias" => {
            let alias = checked()?;
            let to = given.required("target_key_id")?;
            world.key(to)?;
            let from = resolve(world, alias)?;
            world.key_mut(&from)?.aliases.retain(|found| found != alias);
            world.key_mut(to)?.aliases.push(alias.to_owned());
            Ok((200, Some(entity(to, alias))))
        }
        "delete-alias" => {
            let gone = given.texts("aliases");
            known(world, id)?;
            let mut index = 0;
            world.key_mut(id)?.aliases.retain(|alias| {
                index += 1;
                index == 1 || !gone.contains(alias)
            });
            Ok((204, None))
        }
        _ => {
            let (limit, offset) = (given.number("limit")?, given.number("marker")?);
            let found: Vec<_> = world
                .keys
                .iter()
                .filter(|key| id.is_empty() || key.id == id)
                .flat_map(|key| key.aliases[1..].iter().map(|alias| entity(&key.id, alias)))
                .collect();
            let found = page(found, offset.unwrap_or(0), limit.unwrap_or(50));
            let count = json!({ "current_count": found.len() });
            Ok((200, Some(json!([{ "aliases": found, "page_info": count }]))))
        }
    }
}

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
fn data(
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
    let (id, plaintext) = match algorithm {
        Some(algorithm) => {
            let engine = &usable(world, id)?.current().engine;
            (id.to_owned(), world.backend.rsa_decrypt(engine, algorithm, &blob)?)
        }
        None => {
            let (named, _) = unframed(&blob).map_err(|_| garbled())?;
            if !id.is_empty() && id != named {
                return Err(Refusal::new("KMS.2203", "The ciphertext is of another key."));
            }
            (named, open(world, &blob, context)?)
        }
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

fn re_encrypt(world: &World, given: &Parameters) -> std::result::Result<Value, Refusal> {
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
fn bits(given: &Parameters, name: &'static str) -> Result<Option<usize>> {
    let Some(text) = given.optional(name) else { return Ok(None) };
    let bits: usize = text.parse().map_err(|_| Failure::Invalid(name))?;
    if !(8..=8192).contains(&bits) || bits % 8 != 0 {
        return Err(Failure::Invalid(name));
    }
    Ok(Some(bits / 8))
}

fn data_keys(
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

fn signatures(
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
