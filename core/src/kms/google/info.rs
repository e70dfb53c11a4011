//! What Google tells of keys and secrets, in the words of administration.

use std::time::Duration;

use super::GoogleConfig;
use super::name::KeyName;
use crate::error::Result;
use crate::keys::KeyUri;
use crate::kms::admin::{KeyInfo, KeyKind, KeyState, KeyUse, SecretInfo};
use crate::kms::cloud::{not_understood, uri_of};
use crate::kms::json::Object;
use crate::kms::moment;

/// The algorithms that are made: the first of each kind and use; the others are only read.
const KINDS: [(&str, KeyKind, KeyUse); 16] = [
    ("GOOGLE_SYMMETRIC_ENCRYPTION", KeyKind::Symmetric, KeyUse::EncryptDecrypt),
    ("RSA_DECRYPT_OAEP_2048_SHA256", KeyKind::Rsa2048, KeyUse::EncryptDecrypt),
    ("RSA_DECRYPT_OAEP_3072_SHA256", KeyKind::Rsa3072, KeyUse::EncryptDecrypt),
    ("RSA_DECRYPT_OAEP_4096_SHA256", KeyKind::Rsa4096, KeyUse::EncryptDecrypt),
    ("RSA_DECRYPT_OAEP_4096_SHA512", KeyKind::Rsa4096, KeyUse::EncryptDecrypt),
    ("RSA_SIGN_PSS_2048_SHA256", KeyKind::Rsa2048, KeyUse::SignVerify),
    ("RSA_SIGN_PSS_3072_SHA256", KeyKind::Rsa3072, KeyUse::SignVerify),
    ("RSA_SIGN_PSS_4096_SHA256", KeyKind::Rsa4096, KeyUse::SignVerify),
    ("RSA_SIGN_PSS_4096_SHA512", KeyKind::Rsa4096, KeyUse::SignVerify),
    ("RSA_SIGN_PKCS1_2048_SHA256", KeyKind::Rsa2048, KeyUse::SignVerify),
    ("RSA_SIGN_PKCS1_3072_SHA256", KeyKind::Rsa3072, KeyUse::SignVerify),
    ("RSA_SIGN_PKCS1_4096_SHA256", KeyKind::Rsa4096, KeyUse::SignVerify),
    ("EC_SIGN_P256_SHA256", KeyKind::EccNistP256, KeyUse::SignVerify),
    ("EC_SIGN_P384_SHA384", KeyKind::EccNistP384, KeyUse::SignVerify),
    ("EC_SIGN_SECP256K1_SHA256", KeyKind::EccSecgP256k1, KeyUse::SignVerify),
    ("EC_SIGN_ED25519", KeyKind::Ed25519, KeyUse::SignVerify),
];

/// Google's algorithm and purpose for a new key.
pub(super) fn algorithm(kind: KeyKind, usage: KeyUse) -> Option<(&'static str, &'static str)> {
    let (algorithm, ..) = KINDS.iter().find(|known| (known.1, known.2) == (kind, usage))?;
    let purpose = match (kind, usage) {
        (KeyKind::Symmetric, _) => "ENCRYPT_DECRYPT",
        (_, KeyUse::SignVerify) => "ASYMMETRIC_SIGN",
        _ => "ASYMMETRIC_DECRYPT",
    };
    Some((algorithm, purpose))
}

fn state(word: &str) -> KeyState {
    match word {
        "ENABLED" => KeyState::Enabled,
        "DISABLED" => KeyState::Disabled,
        "DESTROY_SCHEDULED" | "DESTROYED" => KeyState::PendingDeletion,
        "PENDING_IMPORT" => KeyState::PendingImport,
        _ => KeyState::Unavailable,
    }
}

impl GoogleConfig {
    /// The URI of what the service has named.
    fn uri_of_name(&self, name: &str) -> Result<KeyUri> {
        KeyName::answered(name)?;
        uri_of(self, name.strip_prefix("projects/").ok_or_else(not_understood)?)
    }

    /// A key. Only its versions have states: that of the primary version counts, and a key that
    /// has none, for it signs, is enabled.
    pub(super) fn key_info(&self, key: Object<'_>) -> Result<KeyInfo> {
        let primary = key.maybe_object("primary")?;
        let raw_state = primary.map(|primary| text(primary, "state")).transpose()?.flatten();
        let of_key = match &raw_state {
            Some(word) => state(word),
            None if text(key, "purpose")?.as_deref() == Some("ENCRYPT_DECRYPT") => {
                KeyState::Unavailable
            }
            None => KeyState::Enabled,
        };
        let mut info = KeyInfo::new(self.uri_of_name(&key.text("name")?)?);
        info.state = Some(of_key);
        info.raw_state = raw_state;
        let template = key.maybe_object("versionTemplate")?;
        let named = template.map(|template| text(template, "algorithm")).transpose()?.flatten();
        of_algorithm(&mut info, named);
        if let Some(primary) = primary {
            let name = primary.text("name")?;
            info.version = KeyName::answered(&name)?.version().map(str::to_owned);
            info.deletion = time(primary, "destroyTime")?;
        }
        info.created = time(key, "createTime")?;
        info.rotates = Some(text(key, "rotationPeriod")?.is_some());
        Ok(info)
    }

    /// One version of a key.
    pub(super) fn version_info(&self, version: Object<'_>) -> Result<KeyInfo> {
        let name = version.text("name")?;
        let word = version.text("state")?;
        let mut info = KeyInfo::new(self.uri_of_name(&name)?);
        info.state = Some(state(&word));
        info.raw_state = Some(word.into_owned());
        of_algorithm(&mut info, text(version, "algorithm")?);
        info.version = KeyName::answered(&name)?.version().map(str::to_owned);
        info.created = time(version, "createTime")?;
        info.deletion = time(version, "destroyTime")?;
        Ok(info)
    }

    pub(super) fn secret_info(&self, secret: Object<'_>) -> Result<SecretInfo> {
        let whole = secret.text("name")?;
        let name = whole.rsplit_once("/secrets/").map(|(_, name)| name);
        let mut info = SecretInfo::new(name.ok_or_else(not_understood)?);
        let mut inner = Some(secret);
        for name in ["replication", "automatic", "customerManagedEncryption"] {
            inner = inner.map(|object| object.maybe_object(name)).transpose()?.flatten();
        }
        let key = inner.map(|object| text(object, "kmsKeyName")).transpose()?.flatten();
        info.key = key.map(|name| self.uri_of_name(&name)).transpose()?;
        info.created = time(secret, "createTime")?;
        info.deletion = time(secret, "expireTime")?;
        Ok(info)
    }
}

fn of_algorithm(info: &mut KeyInfo, algorithm: Option<String>) {
    let known = KINDS.iter().find(|known| Some(known.0) == algorithm.as_deref());
    info.kind = known.map(|known| known.1);
    info.usage = known.map(|known| known.2);
    info.raw_kind = algorithm;
}

/// Text that is not empty.
pub(super) fn text(object: Object<'_>, name: &str) -> Result<Option<String>> {
    Ok(object.maybe_text(name)?.filter(|text| !text.is_empty()).map(Into::into))
}

/// A time.
pub(super) fn time(object: Object<'_>, name: &str) -> Result<Option<Duration>> {
    let text = object.maybe_text(name)?;
    text.map(|text| moment::rfc_3339(&text).ok_or_else(not_understood)).transpose()
}

/// A span in the form `7776000s`, as whole days.
pub(super) fn days(object: Object<'_>, name: &str) -> Result<Option<u32>> {
    let Some(text) = object.maybe_text(name)? else { return Ok(None) };
    let seconds = text.strip_suffix('s').and_then(|text| text.split('.').next());
    let seconds: u64 = seconds.and_then(|text| text.parse().ok()).ok_or_else(not_understood)?;
    u32::try_from(seconds / 86_400).map(Some).map_err(|_| not_understood())
}
