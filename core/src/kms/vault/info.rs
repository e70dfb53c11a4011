//! What Vault tells of keys and secrets, in the words of administration.

use std::time::Duration;

use super::VaultConfig;
use super::keys::latest;
use super::name::is_name;
use crate::error::Result;
use crate::kms::admin::{KeyInfo, KeyKind, KeyState, KeyUse, SecretInfo};
use crate::kms::cloud::{not_understood, uri_of};
use crate::kms::json::Object;
use crate::kms::moment;

/// The types of keys: the first of each kind and use is made, the others are only read.
const KINDS: [(&str, KeyKind, KeyUse); 11] = [
    ("aes256-gcm96", KeyKind::Symmetric, KeyUse::EncryptDecrypt),
    ("aes128-gcm96", KeyKind::Symmetric, KeyUse::EncryptDecrypt),
    ("chacha20-poly1305", KeyKind::Symmetric, KeyUse::EncryptDecrypt),
    ("xchacha20-poly1305", KeyKind::Symmetric, KeyUse::EncryptDecrypt),
    ("rsa-2048", KeyKind::Rsa2048, KeyUse::SignVerify),
    ("rsa-3072", KeyKind::Rsa3072, KeyUse::SignVerify),
    ("rsa-4096", KeyKind::Rsa4096, KeyUse::SignVerify),
    ("ecdsa-p256", KeyKind::EccNistP256, KeyUse::SignVerify),
    ("ecdsa-p384", KeyKind::EccNistP384, KeyUse::SignVerify),
    ("ecdsa-p521", KeyKind::EccNistP521, KeyUse::SignVerify),
    ("ed25519", KeyKind::Ed25519, KeyUse::SignVerify),
];

/// Vault's type for a new key.
pub(super) fn type_of(kind: KeyKind, usage: KeyUse) -> Option<&'static str> {
    KINDS.iter().find(|known| (known.1, known.2) == (kind, usage)).map(|known| known.0)
}

impl VaultConfig {
    /// A key.
    pub(super) fn key_info(&self, key: Object<'_>) -> Result<KeyInfo> {
        let mut info = self.listed_key(&key.text("name")?)?;
        // Only OpenBao knows of it.
        let deleted = key.maybe_flag("soft_deleted")? == Some(true);
        info.state = Some(if deleted { KeyState::Disabled } else { KeyState::Enabled });
        info.raw_state = deleted.then(|| "soft deleted".to_owned());
        let named = key.text("type")?;
        let known = KINDS.iter().find(|known| known.0 == named);
        info.kind = known.map(|known| known.1);
        info.usage = known.map(|known| known.2);
        info.version = Some(latest(key)?.to_string());
        info.created = match (key.maybe_object("keys")?, info.usage) {
            (Some(versions), Some(KeyUse::EncryptDecrypt)) => {
                versions.maybe_number("1")?.map(Duration::from_secs)
            }
            (Some(versions), Some(_)) => match versions.maybe_object("1")? {
                Some(first) => time(first, "creation_time")?,
                None => None,
            },
            _ => None,
        };
        info.raw_kind = Some(named.into_owned());
        info.rotates = key.maybe_number("auto_rotate_period")?.map(|seconds| seconds > 0);
        info.origin = (key.maybe_flag("imported_key")? == Some(true)).then(|| "imported".into());
        Ok(info)
    }

    /// An entry of a list, which is a name.
    pub(super) fn listed_key(&self, name: &str) -> Result<KeyInfo> {
        if !is_name(name) {
            return Err(not_understood());
        }
        uri_of(self, name).map(KeyInfo::new)
    }
}

/// A secret, from its metadata.
pub(super) fn secret_info(name: &str, metadata: Object<'_>) -> Result<SecretInfo> {
    let mut info = SecretInfo::new(name);
    info.created = time(metadata, "created_time")?;
    let current = current(metadata)?.to_string();
    if let Some(version) = metadata.object("versions")?.maybe_object(&current)? {
        info.raw_state = gone(version)?.map(str::to_owned);
        info.deleted = info.raw_state.is_some();
    }
    Ok(info)
}

/// The number of the present version of a secret.
pub(super) fn current(metadata: Object<'_>) -> Result<u64> {
    metadata.maybe_number("current_version")?.ok_or_else(not_understood)
}

/// Vault's word for what happened to a version that is gone.
pub(super) fn gone(version: Object<'_>) -> Result<Option<&'static str>> {
    if version.maybe_flag("destroyed")? == Some(true) {
        return Ok(Some("destroyed"));
    }
    Ok(time(version, "deletion_time")?.map(|_| "deleted"))
}

/// A time.
pub(super) fn time(object: Object<'_>, name: &str) -> Result<Option<Duration>> {
    let text = object.maybe_text(name)?.filter(|text| !text.is_empty());
    text.map(|text| moment::rfc_3339(&text).ok_or_else(not_understood)).transpose()
}
