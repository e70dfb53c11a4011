//! Administration: keys, their aliases and rotation, and the list of secrets.

use std::time::Duration;

use super::secrets::stage_of;
use super::{AlibabaConfig, ask};
use crate::error::{Error, Result};
use crate::keys::KeyUri;
use crate::kms::admin::{
    AdminRequest, AdminResponse, KeyInfo, KeyKind, KeyState, KeyUse, SecretInfo, SecretVersionInfo,
};
use crate::kms::cloud::fault::Category;
use crate::kms::cloud::{Link, Service, name_of, not_understood, uri_of};
use crate::kms::json::Object;
use crate::kms::moment::rfc_3339;

/// How many entries a page has.
const PAGE: u64 = 100;

const KINDS: [(&str, KeyKind); 7] = [
    ("Aliyun_AES_256", KeyKind::Symmetric),
    ("Aliyun_SM4", KeyKind::Sm4),
    ("RSA_2048", KeyKind::Rsa2048),
    ("RSA_3072", KeyKind::Rsa3072),
    ("EC_P256", KeyKind::EccNistP256),
    ("EC_P256K", KeyKind::EccSecgP256k1),
    ("EC_SM2", KeyKind::Sm2),
];

impl AlibabaConfig {
    pub(super) async fn administer_all(
        &self,
        link: Link<'_>,
        request: &AdminRequest,
    ) -> Result<AdminResponse> {
        match request {
            AdminRequest::CreateKey { kind, usage, alias, description } => {
                self.create_key(link, *kind, *usage, alias.as_deref(), description.as_deref()).await
            }
            AdminRequest::DescribeKey { key } => self.describe_key(link, key).await,
            AdminRequest::ListKeys { page } => self.list_keys(link, page.as_deref()).await,
            AdminRequest::EnableKey { key } => self.on_key(link, "EnableKey", key, &[]).await,
            AdminRequest::DisableKey { key } => self.on_key(link, "DisableKey", key, &[]).await,
            AdminRequest::ScheduleKeyDeletion { key, days } => {
                let days = days.to_string();
                let window = [("PendingWindowInDays", days.as_str())];
                self.on_key(link, "ScheduleKeyDeletion", key, &window).await?;
                Ok(AdminResponse::Deletion { at: None })
            }
            AdminRequest::CancelKeyDeletion { key } => {
                self.on_key(link, "CancelKeyDeletion", key, &[]).await
            }
            AdminRequest::GetRotation { key } => self.rotation(link, key).await,
            AdminRequest::SetRotation { key, every_days } => {
                let interval = match every_days {
                    None => None,
                    Some(days @ 7..=730) => Some(format!("{days}d")),
                    Some(_) => return Err(Error::invalid("a key rotates every 7 to 730 days")),
                };
                let mut policy = vec![(
                    "EnableAutomaticRotation",
                    if interval.is_some() { "true" } else { "false" },
                )];
                policy.extend(interval.as_deref().map(|interval| ("RotationInterval", interval)));
                self.on_key(link, "UpdateRotationPolicy", key, &policy).await
            }
            AdminRequest::RotateKey { key } => {
                self.on_key(link, "CreateKeyVersion", key, &[]).await
            }
            AdminRequest::SetAlias { key, alias } => {
                let pair = [("AliasName", alias.as_str())];
                let name = name_of(self, key)?;
                let create = ask(Service::Keys, "CreateAlias", &[("KeyId", name), pair[0]]);
                match link.try_ask(create).await? {
                    Ok(response) => done(Object(&response.body)),
                    // One that another key has had.
                    Err(fault) if fault.category == Category::Conflict => {
                        self.on_key(link, "UpdateAlias", key, &pair).await
                    }
                    Err(fault) => Err(fault.into_error(false)),
                }
            }
            AdminRequest::DeleteAlias { alias, .. } => {
                let ask = ask(Service::Keys, "DeleteAlias", &[("AliasName", alias)]);
                done(Object(&link.ask(ask).await?.body))
            }
            AdminRequest::DescribeSecret { name } => {
                let ask = ask(Service::Secrets, "DescribeSecret", &[("SecretName", name)]);
                let response = link.ask(ask).await?;
                Ok(AdminResponse::Secret(Box::new(self.secret_info(Object(&response.body))?)))
            }
            AdminRequest::ListSecrets { page } => self.list_secrets(link, page.as_deref()).await,
            AdminRequest::ListSecretVersions { name, page } => {
                list_versions(link, name, page.as_deref()).await
            }
            AdminRequest::DeleteSecret { name, days } => delete_secret(link, name, *days).await,
            AdminRequest::RestoreSecret { name } => {
                let ask = ask(Service::Secrets, "RestoreSecret", &[("SecretName", name)]);
                done(Object(&link.ask(ask).await?.body))
            }
            // The capabilities have refused it already.
            AdminRequest::Random { .. } => Err(Error::invalid("there are no random bytes here")),
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
        let word = KINDS.iter().find(|(_, known)| *known == kind);
        let (word, _) = word.ok_or_else(|| Error::invalid("Alibaba's KMS has no such keys"))?;
        let usage = match usage {
            KeyUse::EncryptDecrypt => "ENCRYPT/DECRYPT",
            KeyUse::SignVerify => "SIGN/VERIFY",
        };
        let mut create = ask(Service::Keys, "CreateKey", &[("KeySpec", word), ("KeyUsage", usage)]);
        for (name, value) in [("Description", description), ("DKMSInstanceId", self.instance())] {
            if let Some(value) = value {
                create = create.with_query(name, value);
            }
        }
        let response = link.ask(create).await?;
        let mut info = self.key_info(Object(&response.body).object("KeyMetadata")?)?;
        if let Some(alias) = alias {
            let pair = [("AliasName", alias)];
            self.on_key(link, "CreateAlias", &info.key, &pair).await?;
            info.alias = Some(alias.to_owned());
        }
        Ok(AdminResponse::Key(Box::new(info)))
    }

    async fn describe_key(&self, link: Link<'_>, key: &KeyUri) -> Result<AdminResponse> {
        let response = self.describe(link, name_of(self, key)?).await?;
        let mut info = self.key_info(Object(&response.body).object("KeyMetadata")?)?;
        let name = name_of(self, &info.key)?;
        let aliases = ask(Service::Keys, "ListAliasesByKeyId", &[("KeyId", name)]);
        let response = link.ask(aliases).await?;
        let aliases = Object(&response.body).object("Aliases")?.array("Alias")?;
        if let Some(alias) = aliases.first() {
            info.alias = Some(alias.text("AliasName")?.into_owned());
        }
        Ok(AdminResponse::Key(Box::new(info)))
    }

    async fn list_keys(&self, link: Link<'_>, page: Option<&str>) -> Result<AdminResponse> {
        let number = page_number(page)?;
        let response = link.ask(paged(Service::Keys, "ListKeys", number, &[])).await?;
        let answer = Object(&response.body);
        let next = next_page(answer, number)?;
        let list = answer.object("Keys")?.array("Key")?;
        let keys = list.into_iter().map(|key| Ok(KeyInfo::new(uri_of(self, &key.text("KeyId")?)?)));
        Ok(AdminResponse::Keys { keys: keys.collect::<Result<_>>()?, next })
    }

    async fn rotation(&self, link: Link<'_>, key: &KeyUri) -> Result<AdminResponse> {
        let response = self.describe(link, name_of(self, key)?).await?;
        let key = Object(&response.body).object("KeyMetadata")?;
        let on = key.maybe_text("AutomaticRotation")?.as_deref() == Some("Enabled");
        let interval = key.maybe_text("RotationInterval")?.filter(|_| on);
        let every_days = interval.and_then(|interval| {
            let (number, day) = match interval.strip_suffix('d') {
                Some(days) => (days, 1),
                None => (interval.strip_suffix('s')?, 86_400),
            };
            u32::try_from(number.parse::<u64>().ok()? / day).ok()
        });
        Ok(AdminResponse::Rotation { on, every_days, next: date(key, "NextRotationDate")? })
    }

    async fn list_secrets(&self, link: Link<'_>, page: Option<&str>) -> Result<AdminResponse> {
        let number = page_number(page)?;
        let response = link.ask(paged(Service::Secrets, "ListSecrets", number, &[])).await?;
        let answer = Object(&response.body);
        let next = next_page(answer, number)?;
        let list = answer.object("SecretList")?.array("Secret")?;
        let secrets = list.into_iter().map(|secret| self.secret_info(secret));
        Ok(AdminResponse::Secrets { secrets: secrets.collect::<Result<_>>()?, next })
    }

    /// An action on a key whose answer says nothing.
    async fn on_key(
        &self,
        link: Link<'_>,
        action: &'static str,
        key: &KeyUri,
        others: &[(&str, &str)],
    ) -> Result<AdminResponse> {
        let mut ask = ask(Service::Keys, action, &[("KeyId", name_of(self, key)?)]);
        for (name, value) in others {
            ask = ask.with_query(name, value);
        }
        done(Object(&link.ask(ask).await?.body))
    }

    fn key_info(&self, key: Object<'_>) -> Result<KeyInfo> {
        let word = key.text("KeyState")?;
        let state = match &*word {
            "Enabled" => KeyState::Enabled,
            "Disabled" => KeyState::Disabled,
            "PendingDeletion" => KeyState::PendingDeletion,
            "PendingImport" => KeyState::PendingImport,
            _ => KeyState::Unavailable,
        };
        let mut info = KeyInfo::new(uri_of(self, &key.text("KeyId")?)?);
        info.state = Some(state);
        info.raw_state = Some(word.into_owned());
        info.raw_kind = text(key, "KeySpec")?;
        let kind = KINDS.iter().find(|(word, _)| Some(*word) == info.raw_kind.as_deref());
        info.kind = kind.map(|(_, kind)| *kind);
        info.usage = match text(key, "KeyUsage")?.as_deref() {
            Some("ENCRYPT/DECRYPT") => Some(KeyUse::EncryptDecrypt),
            Some("SIGN/VERIFY") => Some(KeyUse::SignVerify),
            _ => None,
        };
        info.description = text(key, "Description")?;
        info.version = text(key, "PrimaryKeyVersion")?;
        info.created = date(key, "CreationDate")?;
        info.deletion = date(key, "DeleteDate")?;
        info.rotates = text(key, "AutomaticRotation")?.map(|rotates| rotates == "Enabled");
        info.origin = text(key, "Origin")?;
        Ok(info)
    }

    fn secret_info(&self, secret: Object<'_>) -> Result<SecretInfo> {
        let mut info = SecretInfo::new(secret.text("SecretName")?);
        info.description = text(secret, "Description")?;
        let key = text(secret, "EncryptionKeyId")?;
        info.key = key.map(|name| uri_of(self, &name)).transpose()?;
        info.created = date(secret, "CreateTime")?;
        info.deletion = date(secret, "PlannedDeleteTime")?;
        info.deleted = info.deletion.is_some();
        Ok(info)
    }
}

async fn list_versions(link: Link<'_>, name: &str, page: Option<&str>) -> Result<AdminResponse> {
    let number = page_number(page)?;
    let of_name = [("SecretName", name)];
    let ask = paged(Service::Secrets, "ListSecretVersionIds", number, &of_name);
    let response = link.ask(ask).await?;
    let answer = Object(&response.body);
    let next = next_page(answer, number)?;
    let version = |version: Object<'_>| {
        let stages = match version.maybe_object("VersionStages")? {
            Some(stages) => stages.array("VersionStage")?,
            None => Vec::new(),
        };
        let stages = stages.into_iter().map(|stage| Ok(stage_of(&stage.as_text()?).to_owned()));
        Ok(SecretVersionInfo {
            id: version.text("VersionId")?.into_owned(),
            created: date(version, "CreateTime")?,
            stages: stages.collect::<Result<_>>()?,
        })
    };
    let versions = answer.object("VersionIds")?.array("VersionId")?.into_iter().map(version);
    Ok(AdminResponse::SecretVersions { versions: versions.collect::<Result<_>>()?, next })
}

async fn delete_secret(link: Link<'_>, name: &str, days: u32) -> Result<AdminResponse> {
    let days = days.to_string();
    let how = match days.as_str() {
        "0" => ("ForceDeleteWithoutRecovery", "true"),
        days => ("RecoveryWindowInDays", days),
    };
    let ask = ask(Service::Secrets, "DeleteSecret", &[("SecretName", name), how]);
    let response = link.ask(ask).await?;
    Ok(AdminResponse::Deletion { at: date(Object(&response.body), "PlannedDeleteTime")? })
}

/// A request for a page.
fn paged(
    service: Service,
    action: &'static str,
    number: u64,
    others: &[(&str, &str)],
) -> crate::kms::cloud::Ask {
    let (number, size) = (number.to_string(), PAGE.to_string());
    let pages = [("PageNumber", number.as_str()), ("PageSize", size.as_str())];
    ask(service, action, &[others, &pages].concat())
}

fn page_number(page: Option<&str>) -> Result<u64> {
    let wrong = |_| Error::invalid("a page is what one before named");
    page.map_or(Ok(1), |page| page.parse().map_err(wrong))
}

/// The page after this one, where the service counts more entries than were seen.
fn next_page(answer: Object<'_>, number: u64) -> Result<Option<String>> {
    let total = answer.maybe_number("TotalCount")?.ok_or_else(not_understood)?;
    let more = number.saturating_mul(PAGE) < total;
    Ok(more.then(|| number.saturating_add(1).to_string()))
}

/// An answer that says nothing but its id.
fn done(answer: Object<'_>) -> Result<AdminResponse> {
    answer.maybe_text("RequestId").map(|_| AdminResponse::Done)
}

/// Text that is not empty.
fn text(object: Object<'_>, name: &str) -> Result<Option<String>> {
    Ok(object.maybe_text(name)?.filter(|text| !text.is_empty()).map(Into::into))
}

/// A date.
fn date(object: Object<'_>, name: &str) -> Result<Option<Duration>> {
    text(object, name)?.map(|text| rfc_3339(&text).ok_or_else(not_understood)).transpose()
}
