//! What Azure tells of keys and secrets, in the words of administration.

use std::time::Duration;

use super::AzureConfig;
use super::name::KeyName;
use super::secrets::id_of;
use crate::error::Result;
use crate::keys::KeyUri;
use crate::kms::admin::{KeyInfo, KeyKind, KeyState, KeyUse, SecretInfo};
use crate::kms::cloud::uri_of;
use crate::kms::json::Object;

impl AzureConfig {
    /// The URI of a key, or of a version where `versioned`, that the service has named.
    pub(super) fn uri_of_kid(&self, kid: &str, versioned: bool) -> Result<KeyUri> {
        let name = KeyName::answered(kid)?;
        match name.version.filter(|_| versioned) {
            Some(version) => uri_of(self, &format!("{}/{version}", name.name)),
            None => uri_of(self, name.name),
        }
    }

    /// A key, or one version of it where `versioned`.
    pub(super) fn key_info(&self, bundle: Object<'_>, versioned: bool) -> Result<KeyInfo> {
        let jwk = bundle.object("key")?;
        let kid = jwk.text("kid")?;
        let key = self.uri_of_kid(&kid, versioned)?;
        let mut info = KeyInfo::new(key);
        info.state = Some(state(bundle.object("attributes")?)?);
        info.version = KeyName::answered(&kid)?.version.map(str::to_owned);
        let kty = jwk.text("kty")?.into_owned();
        let crv = jwk.maybe_text("crv")?;
        let modulus = jwk.maybe_text("n")?.map(|n| n.len());
        info.kind = kind(&kty, crv.as_deref(), modulus);
        info.raw_kind = Some(crv.map_or_else(|| kty.clone(), |crv| format!("{kty} {crv}")));
        info.usage = usage(jwk)?;
        of_both(&mut info, bundle)?;
        Ok(info)
    }

    /// An entry of a list, which says less.
    pub(super) fn listed_key(&self, item: Object<'_>) -> Result<KeyInfo> {
        let key = self.uri_of_kid(&item.text("kid")?, false)?;
        let mut info = KeyInfo::new(key);
        info.state = Some(state(item.object("attributes")?)?);
        of_both(&mut info, item)?;
        Ok(info)
    }
}

/// What a key and an entry of a list both say.
fn of_both(info: &mut KeyInfo, item: Object<'_>) -> Result<()> {
    info.created = time(item.object("attributes")?, "created")?;
    info.description = description(item)?;
    Ok(())
}

/// An entry of a list of secrets.
pub(super) fn secret_info(item: Object<'_>) -> Result<SecretInfo> {
    let id = item.text("id")?;
    let mut info = SecretInfo::new(id_of(&id)?.0);
    info.description = description(item)?;
    let attributes = item.object("attributes")?;
    info.created = time(attributes, "created")?;
    let disabled = attributes.maybe_flag("enabled")? == Some(false);
    info.raw_state = disabled.then(|| "disabled".to_owned());
    Ok(info)
}

/// A time in seconds since 1970.
pub(super) fn time(object: Object<'_>, name: &str) -> Result<Option<Duration>> {
    Ok(object.maybe_number(name)?.map(Duration::from_secs))
}

fn state(attributes: Object<'_>) -> Result<KeyState> {
    Ok(match attributes.maybe_flag("enabled")? {
        Some(false) => KeyState::Disabled,
        _ => KeyState::Enabled,
    })
}

/// There is no other place for it than a tag.
fn description(item: Object<'_>) -> Result<Option<String>> {
    let Some(tags) = item.maybe_object("tags")? else { return Ok(None) };
    Ok(tags.maybe_text("description")?.filter(|text| !text.is_empty()).map(Into::into))
}

/// The kind of a key, by the length of its modulus in base64url.
fn kind(kty: &str, crv: Option<&str>, modulus: Option<usize>) -> Option<KeyKind> {
    match (kty.trim_end_matches("-HSM"), crv, modulus) {
        ("oct", ..) => Some(KeyKind::Symmetric),
        ("RSA", _, Some(342)) => Some(KeyKind::Rsa2048),
        ("RSA", _, Some(512)) => Some(KeyKind::Rsa3072),
        ("RSA", _, Some(683)) => Some(KeyKind::Rsa4096),
        ("EC", Some("P-256"), _) => Some(KeyKind::EccNistP256),
        ("EC", Some("P-384"), _) => Some(KeyKind::EccNistP384),
        ("EC", Some("P-521"), _) => Some(KeyKind::EccNistP521),
        ("EC", Some("P-256K" | "SECP256K1"), _) => Some(KeyKind::EccSecgP256k1),
        _ => None,
    }
}

/// A key may be for everything; what encrypts counts first.
fn usage(jwk: Object<'_>) -> Result<Option<KeyUse>> {
    if jwk.maybe_object("key_ops")?.is_none() {
        return Ok(None);
    }
    let mut signs = false;
    for operation in jwk.array("key_ops")? {
        match &*operation.as_text()? {
            "wrapKey" | "unwrapKey" | "encrypt" | "decrypt" => {
                return Ok(Some(KeyUse::EncryptDecrypt));
            }
            "sign" | "verify" => signs = true,
            _ => {}
        }
    }
    Ok(signs.then_some(KeyUse::SignVerify))
}
