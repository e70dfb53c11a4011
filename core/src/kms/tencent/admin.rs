//! Administration: keys, their aliases and rotation, and the list of secrets.

use std::time::Duration;

use super::secrets::infos;
use super::{TencentConfig, answer, ask, refused};
use crate::error::Result;
use crate::keys::{KeyUri, SecretBytes};
use crate::kms::admin::{
    AdminRequest, AdminResponse, KeyInfo, KeyKind, KeyState, KeyUse, SecretInfo,
};
use crate::kms::cloud::{Link, Service, name_of, not_understood, uri_of};
use crate::kms::json::Object;
use crate::kms::wire::Members;

/// How many entries a page has.
const PAGE: u64 = 100;

/// The kinds of keys, as the `KeyUsage` that stands for kind and use at once.
const KINDS: [(&str, KeyKind, KeyUse); 6] = [
    ("ENCRYPT_DECRYPT", KeyKind::Symmetric, KeyUse::EncryptDecrypt),
    ("ASYMMETRIC_DECRYPT_RSA_2048", KeyKind::Rsa2048, KeyUse::EncryptDecrypt),
    ("ASYMMETRIC_DECRYPT_SM2", KeyKind::Sm2, KeyUse::EncryptDecrypt),
    ("ASYMMETRIC_SIGN_VERIFY_RSA_2048", KeyKind::Rsa2048, KeyUse::SignVerify),
    ("ASYMMETRIC_SIGN_VERIFY_ECC", KeyKind::EccNistP256, KeyUse::SignVerify),
    ("ASYMMETRIC_SIGN_VERIFY_SM2", KeyKind::Sm2, KeyUse::SignVerify),
];

/// A kind that is made and listed, and signs nothing here: its algorithm's name is not known.
const P384: (&str, KeyKind, KeyUse) =
    ("ASYMMETRIC_SIGN_VERIFY_ECDSA384", KeyKind::EccNistP384, KeyUse::SignVerify);

impl TencentConfig {
    pub(super) async fn administer_all(
        &self,
        link: Link<'_>,
        request: &AdminRequest,
    ) -> Result<AdminResponse> {
        match request {
            AdminRequest::CreateKey { kind, usage, alias, description } => {
                self.create_key(link, *kind, *usage, alias.as_deref(), description.as_deref()).await
            }
            AdminRequest::DescribeKey { key } => {
                let response = self.describe(link, name_of(self, key)?).await?;
                let key = self.key_info(answer(&response)?.object("KeyMetadata")?)?;
                Ok(AdminResponse::Key(Box::new(key)))
            }
            AdminRequest::ListKeys { page } => self.list_keys(link, page.as_deref()).await,
            AdminRequest::EnableKey { key } => self.simple(link, "EnableKey", key).await,
            AdminRequest::DisableKey { key } => self.simple(link, "DisableKey", key).await,
            AdminRequest::ScheduleKeyDeletion { key, days } => {
                self.schedule_deletion(link, key, *days).await
            }
            AdminRequest::CancelKeyDeletion { key } => {
                self.simple(link, "CancelKeyDeletion", key).await
            }
            AdminRequest::GetRotation { key } => {
                let response = self.describe(link, name_of(self, key)?).await?;
                let key = answer(&response)?.object("KeyMetadata")?;
                let on = key.maybe_flag("KeyRotationEnabled")?.unwrap_or(false);
                let days = key.maybe_number("RotateDays")?.filter(|days| on && *days > 0);
                let every_days = days.and_then(|days| u32::try_from(days).ok());
                Ok(AdminResponse::Rotation { on, every_days, next: moment(key, "NextRotateTime")? })
            }
            AdminRequest::SetRotation { key, every_days: None } => {
                self.simple(link, "DisableKeyRotation", key).await
            }
            AdminRequest::SetRotation { key, every_days: Some(days) } => {
                if !(7..=365).contains(days) {
                    return Err(refused("a key rotates every 7 to 365 days"));
                }
                let mut members = self.of_key(key)?;
                members.number("RotateDays", (*days).into());
                done(link, Service::Keys, "EnableKeyRotation", members).await
            }
            AdminRequest::RotateKey { key } => self.simple(link, "RotateKey", key).await,
            AdminRequest::SetAlias { key, alias } => {
                let mut members = self.of_key(key)?;
                members.text("Alias", alias);
                done(link, Service::Keys, "UpdateAlias", members).await
            }
            AdminRequest::Random { len } => {
                if !(1..=1024).contains(len) {
                    return Err(refused("1 to 1024 random bytes are given at once"));
                }
                let mut members = Members::new(0);
                members.number("NumberOfBytes", *len as u64);
                let response = link.ask(ask(Service::Keys, "GenerateRandom", members)).await?;
                let bytes = SecretBytes::new(answer(&response)?.bytes("Plaintext")?);
                if bytes.len() != *len {
                    return Err(not_understood());
                }
                Ok(AdminResponse::Random(bytes))
            }
            AdminRequest::DescribeSecret { name } => {
                let members = of_secret(name);
                let response = link.ask(ask(Service::Secrets, "DescribeSecret", members)).await?;
                Ok(AdminResponse::Secret(Box::new(self.secret_info(answer(&response)?)?)))
            }
            AdminRequest::ListSecrets { page } => self.list_secrets(link, page.as_deref()).await,
            AdminRequest::ListSecretVersions { name, .. } => {
                let versions = infos(self.versions(link, name).await?);
                Ok(AdminResponse::SecretVersions { versions, next: None })
            }
            AdminRequest::DeleteSecret { name, days } => {
                self.delete_secret(link, name, *days).await
            }
            AdminRequest::RestoreSecret { name } => {
                done(link, Service::Secrets, "RestoreSecret", of_secret(name)).await?;
                // It was disabled before it was deleted, and is so still.
                done(link, Service::Secrets, "EnableSecret", of_secret(name)).await
            }
            // The capabilities have refused it already.
            AdminRequest::DeleteAlias { .. } => Err(refused("a key has one alias, always")),
        }
    }

    async fn create_key(
        &self,
        link: Link<'_>,
        kind: KeyKind,
        usage: KeyUse,
        alias: Option<&str>,
        description: Option<&str>,
    ) -> Result<AdminResponse> {
        let word = KINDS.iter().chain([&P384]).find(|known| (known.1, known.2) == (kind, usage));
        let (word, ..) = word.ok_or_else(|| refused("Tencent's KMS has no such keys"))?;
        let alias = alias.ok_or_else(|| refused("a key at Tencent needs an alias"))?;
        let mut members = Members::new(0);
        members.text("Alias", alias);
        members.maybe_text("Description", description);
        members.text("KeyUsage", word);
        members.number("Type", 1);
        let response = link.ask(ask(Service::Keys, "CreateKey", members)).await?;
        Ok(AdminResponse::Key(Box::new(self.key_info(answer(&response)?)?)))
    }

    async fn list_keys(&self, link: Link<'_>, page: Option<&str>) -> Result<AdminResponse> {
        let offset = offset(page)?;
        let mut members = Members::new(0);
        members.number("Offset", offset);
        members.number("Limit", PAGE);
        members.number("KeyState", 0);
        // Only symmetric keys are listed otherwise.
        members.text("KeyUsage", "ALL");
        let response = link.ask(ask(Service::Keys, "ListKeyDetail", members)).await?;
        let answer = answer(&response)?;
        let list = answer.array("KeyMetadatas")?;
        let next = next_page(answer, offset, list.len())?;
        let keys = list.into_iter().map(|key| self.key_info(key)).collect::<Result<_>>()?;
        Ok(AdminResponse::Keys { keys, next })
    }

    /// The service wants the key disabled first.
    async fn schedule_deletion(
        &self,
        link: Link<'_>,
        key: &KeyUri,
        days: u32,
    ) -> Result<AdminResponse> {
        let response = self.describe(link, name_of(self, key)?).await?;
        let key_info = self.key_info(answer(&response)?.object("KeyMetadata")?)?;
        if matches!(key_info.state, Some(KeyState::Enabled | KeyState::Archived)) {
            self.simple(link, "DisableKey", key).await?;
        }
        let mut members = self.of_key(key)?;
        members.number("PendingWindowInDays", days.into());
        let response = link.ask(ask(Service::Keys, "ScheduleKeyDeletion", members)).await?;
        Ok(AdminResponse::Deletion { at: moment(answer(&response)?, "DeletionDate")? })
    }

    async fn list_secrets(&self, link: Link<'_>, page: Option<&str>) -> Result<AdminResponse> {
        let offset = offset(page)?;
        let mut members = Members::new(0);
        members.number("Offset", offset);
        members.number("Limit", PAGE);
        let response = link.ask(ask(Service::Secrets, "ListSecrets", members)).await?;
        let answer = answer(&response)?;
        let list = answer.array("SecretMetadatas")?;
        let next = next_page(answer, offset, list.len())?;
        let secrets = list.into_iter().map(|secret| self.secret_info(secret));
        Ok(AdminResponse::Secrets { secrets: secrets.collect::<Result<_>>()?, next })
    }

    /// The service wants the secret disabled first.
    async fn delete_secret(&self, link: Link<'_>, name: &str, days: u32) -> Result<AdminResponse> {
        if days > 30 {
            return Err(refused("a secret waits 0 to 30 days for its deletion"));
        }
        let disabled =
            link.try_ask(ask(Service::Secrets, "DisableSecret", of_secret(name))).await?;
        if let Err(fault) = disabled {
            // It may be so already.
            if !fault.error.name().is_some_and(|name| name.starts_with("ResourceUnavailable.")) {
                return Err(fault.into_error(true));
            }
        }
        let mut members = of_secret(name);
        members.number("RecoveryWindowInDays", days.into());
        let response = link.ask(ask(Service::Secrets, "DeleteSecret", members)).await?;
        Ok(AdminResponse::Deletion { at: moment(answer(&response)?, "DeleteTime")? })
    }

    fn of_key(&self, key: &KeyUri) -> Result<Members> {
        let mut members = Members::new(0);
        members.text("KeyId", name_of(self, key)?);
        Ok(members)
    }

    async fn simple(
        &self,
        link: Link<'_>,
        action: &'static str,
        key: &KeyUri,
    ) -> Result<AdminResponse> {
        done(link, Service::Keys, action, self.of_key(key)?).await
    }

    fn key_info(&self, key: Object<'_>) -> Result<KeyInfo> {
        let word = key.text("KeyState")?;
        let state = match &*word {
            "Enabled" => KeyState::Enabled,
            "Disabled" => KeyState::Disabled,
            "PendingDelete" => KeyState::PendingDeletion,
            "PendingImport" => KeyState::PendingImport,
            "Archived" => KeyState::Archived,
            _ => KeyState::Unavailable,
        };
        let mut info = KeyInfo::new(uri_of(self, &key.text("KeyId")?)?);
        info.state = Some(state);
        info.raw_state = Some(word.into_owned());
        info.raw_kind = key.maybe_text("KeyUsage")?.map(Into::into);
        let known = KINDS.iter().chain([&P384]);
        let kind = known.into_iter().find(|known| Some(known.0) == info.raw_kind.as_deref());
        info.kind = kind.map(|known| known.1);
        info.usage = kind.map(|known| known.2);
        info.alias = text(key, "Alias")?;
        info.description = text(key, "Description")?;
        info.created = moment(key, "CreateTime")?;
        info.deletion = moment(key, "DeletionDate")?;
        info.rotates = key.maybe_flag("KeyRotationEnabled")?;
        info.origin = text(key, "Origin")?;
        Ok(info)
    }

    fn secret_info(&self, secret: Object<'_>) -> Result<SecretInfo> {
        let mut info = SecretInfo::new(secret.text("SecretName")?);
        info.description = text(secret, "Description")?;
        let key = text(secret, "KmsKeyId")?;
        info.key = key.map(|name| uri_of(self, &name)).transpose()?;
        info.created = moment(secret, "CreateTime")?;
        info.raw_state = text(secret, "Status")?;
        info.deleted = info.raw_state.as_deref() == Some("PendingDelete");
        info.deletion = moment(secret, "DeleteTime")?;
        Ok(info)
    }
}

fn of_secret(name: &str) -> Members {
    let mut members = Members::new(0);
    members.text("SecretName", name);
    members
}

/// An action whose answer says nothing.
async fn done(
    link: Link<'_>,
    service: Service,
    action: &'static str,
    members: Members,
) -> Result<AdminResponse> {
    let response = link.ask(ask(service, action, members)).await?;
    answer(&response).map(|_| AdminResponse::Done)
}

/// Text that is not empty.
fn text(object: Object<'_>, name: &str) -> Result<Option<String>> {
    Ok(object.maybe_text(name)?.filter(|text| !text.is_empty()).map(Into::into))
}

/// A time in seconds since 1970; 0 is none.
fn moment(object: Object<'_>, name: &str) -> Result<Option<Duration>> {
    Ok(object.maybe_number(name)?.filter(|time| *time > 0).map(Duration::from_secs))
}

fn offset(page: Option<&str>) -> Result<u64> {
    page.map_or(Ok(0), |page| page.parse().map_err(|_| refused("a page is what one before named")))
}

/// The page after this one, where the service counts more entries than were seen.
fn next_page(answer: Object<'_>, offset: u64, len: usize) -> Result<Option<String>> {
    let total = answer.maybe_number("TotalCount")?.ok_or_else(not_understood)?;
    let seen = offset.saturating_add(len as u64);
    Ok((len > 0 && seen < total).then(|| seen.to_string()))
}
