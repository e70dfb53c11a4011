//! The operations of KMS.

use serde_json::{Value, json};

use super::crypto::{bits, data, data_keys, re_encrypt, signatures};
use super::{Answer, DOMAIN, REGION, Refusal};
use crate::backend::{Failure, KeySpec, KeyUsage, Result};
use crate::clock::SECONDS_OF_DAY;
use crate::encoding::{b64, hex};
use crate::keys::{Key, State, World};
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
pub(super) fn resolve(world: &World, named: &str) -> std::result::Result<String, Refusal> {
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

pub(super) fn usable<'a>(world: &'a World, id: &str) -> Result<&'a Key> {
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
        (
            None | Some("ENCRYPT_DECRYPT"),
            S::SymmetricDefault | S::Rsa2048 | S::Rsa3072 | S::Rsa4096,
        ) => KeyUsage::EncryptDecrypt,
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
