//! Administration: keys, their aliases and rotation, and the list of secrets.

use std::time::Duration;

use super::HuaweiConfig;
use super::secrets::stage_of;
use crate::error::{Error, Result};
use crate::keys::{KeyUri, SecretBytes};
use crate::kms::admin::{
    AdminRequest, AdminResponse, KeyInfo, KeyKind, KeyState, KeyUse, SecretInfo, SecretVersionInfo,
};
use crate::kms::cloud::fault::Category;
use crate::kms::cloud::{Ask, Link, Service, name_of, not_understood, uri_of};
use crate::kms::json::Object;
use crate::kms::wire::{Members, unhex};
use crate::transport::HttpResponse;

/// How many entries a page has.
const PAGE: &str = "100";

const KINDS: [(&str, KeyKind); 10] = [
    ("AES_256", KeyKind::Symmetric),
    ("SM4", KeyKind::Sm4),
    ("RSA_2048", KeyKind::Rsa2048),
    ("RSA_3072", KeyKind::Rsa3072),
    ("RSA_4096", KeyKind::Rsa4096),
    ("EC_P256", KeyKind::EccNistP256),
    ("EC_P384", KeyKind::EccNistP384),
    ("SECP256K1", KeyKind::EccSecgP256k1),
    ("SM2", KeyKind::Sm2),
    ("ED25519", KeyKind::Ed25519),
];

impl HuaweiConfig {
    pub(super) async fn administer_all(
        &self,
        link: Link<'_>,
        request: &AdminRequest,
    ) -> Result<AdminResponse> {
        match request {
            AdminRequest::CreateKey { kind, usage, alias, description } => {
                self.create_key(link, *kind, *usage, alias.as_deref(), description.as_deref()).await
            }
            AdminRequest::DescribeKey { key } => self.describe_key(link, name_of(self, key)?).await,
            AdminRequest::ListKeys { page } => self.list_keys(link, page.as_deref()).await,
            AdminRequest::EnableKey { key } => self.simple(link, "enable-key", key).await,
            AdminRequest::DisableKey { key } => self.simple(link, "disable-key", key).await,
            AdminRequest::ScheduleKeyDeletion { key, days } => {
                let mut members = self.of_key(key)?;
                members.text("pending_days", &days.to_string());
                self.done(link, "schedule-key-deletion", members).await?;
                Ok(AdminResponse::Deletion { at: None })
            }
            AdminRequest::CancelKeyDeletion { key } => {
                self.simple(link, "cancel-key-deletion", key).await
            }
            AdminRequest::GetRotation { key } => {
                let ask = self.ask("get-key-rotation-status", self.of_key(key)?);
                let response = link.ask(ask).await?;
                let answer = Object(&response.body);
                let on = answer.maybe_flag("key_rotation_enabled")?.ok_or_else(not_understood)?;
                let days = answer.maybe_number("rotation_interval")?.filter(|days| *days > 0);
                let every_days = days.and_then(|days| u32::try_from(days).ok());
                Ok(AdminResponse::Rotation { on, every_days, next: None })
            }
            AdminRequest::SetRotation { key, every_days: None } => {
                self.simple(link, "disable-key-rotation", key).await
            }
            AdminRequest::SetRotation { key, every_days: Some(days) } => {
                self.rotate_every(link, key, *days).await
            }
            AdminRequest::RotateKey { key } => self.simple(link, "rotate-on-demand", key).await,
            AdminRequest::SetAlias { key, alias } => self.set_alias(link, key, alias).await,
            AdminRequest::DeleteAlias { key, alias } => {
                let mut members = self.of_key(key)?;
                members.texts("aliases", &[alias]);
                let mut ask = self.ask("aliases", members);
                ask.method = "DELETE";
                done(&link.ask(ask).await?)
            }
            AdminRequest::Random { len } => self.random(link, *len).await,
            AdminRequest::DescribeSecret { name } => {
                let path = self.secret_path(name, "")?;
                let ask = Ask::bare(Service::Secrets, "GET", "ShowSecret", path);
                let response = link.ask(ask).await?;
                let secret = Object(&response.body).object("secret")?;
                Ok(AdminResponse::Secret(Box::new(self.secret_info(secret)?)))
            }
            AdminRequest::ListSecrets { page } => self.list_secrets(link, page.as_deref()).await,
            AdminRequest::ListSecretVersions { name, page } => {
                self.list_versions(link, name, page.as_deref()).await
            }
            AdminRequest::DeleteSecret { name, days } => {
                self.delete_secret(link, name, *days).await
            }
            AdminRequest::RestoreSecret { name } => {
                let path = self.secret_path(name, "/scheduled-deleted-tasks/cancel")?;
                let ask = Ask::bare(Service::Secrets, "POST", "RestoreSecret", path);
                done(&link.ask(ask).await?)
            }
        }
    }

    async fn describe_key(&self, link: Link<'_>, name: &str) -> Result<AdminResponse> {
        let response = self.describe(link, name).await?;
        let key = self.key_info(Object(&response.body).object("key_info")?)?;
        Ok(AdminResponse::Key(Box::new(key)))
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
        let (word, _) = word.ok_or_else(|| Error::invalid("Huawei's KMS has no such keys"))?;
        let alias = alias.ok_or_else(|| Error::invalid("a key at Huawei needs an alias"))?;
        let mut members = Members::new(0);
        members.text("key_alias", alias);
        members.text("key_spec", word);
        members.text("key_usage", usage.as_str());
        members.maybe_text("key_description", description);
        let response = link.ask(self.ask("create-key", members)).await?;
        // The answer says no more than the id.
        let id = Object(&response.body).object("key_info")?.text("key_id")?.into_owned();
        self.describe_key(link, &id).await
    }

    async fn list_keys(&self, link: Link<'_>, page: Option<&str>) -> Result<AdminResponse> {
        let mut members = Members::new(0);
        members.text("limit", PAGE);
        members.maybe_text("marker", page);
        // Only symmetric keys are listed otherwise.
        members.text("key_spec", "ALL");
        let response = link.ask(self.ask("list-keys", members)).await?;
        let answer = Object(&response.body);
        let more = answer.maybe_flag("truncated")?.ok_or_else(not_understood)?;
        let marker = answer.maybe_scalar("next_marker")?.filter(|marker| !marker.is_empty());
        let keys = answer.array("key_details")?.into_iter().map(|key| self.key_info(key));
        let keys: Vec<KeyInfo> = keys.collect::<Result<_>>()?;
        Ok(AdminResponse::Keys { keys, next: marker.filter(|_| more).map(Into::into) })
    }

    /// The service has two operations for it.
    async fn rotate_every(&self, link: Link<'_>, key: &KeyUri, days: u32) -> Result<AdminResponse> {
        if !(30..=365).contains(&days) {
            return Err(Error::invalid("a key rotates every 30 to 365 days"));
        }
        let ask = self.ask("enable-key-rotation", self.of_key(key)?);
        match link.try_ask(ask).await? {
            Ok(response) => drop(done(&response)?),
            // It rotates already.
            Err(fault) if fault.category == Category::InvalidState => {}
            Err(fault) => return Err(fault.into_error(false)),
        }
        let mut members = self.of_key(key)?;
        members.number("rotation_interval", days.into());
        self.done(link, "update-key-rotation-interval", members).await
    }

    /// A new alias, or one that another key has had.
    async fn set_alias(&self, link: Link<'_>, key: &KeyUri, alias: &str) -> Result<AdminResponse> {
        let name = name_of(self, key)?;
        let mut members = Members::new(0);
        members.text("key_id", name);
        members.text("alias", alias);
        match link.try_ask(self.ask("aliases", members)).await? {
            Ok(response) => done(&response),
            Err(fault) if fault.category == Category::Conflict => {
                let mut members = Members::new(0);
                members.text("alias", alias);
                members.text("target_key_id", name);
                self.done(link, "alias/associate", members).await
            }
            Err(fault) => Err(fault.into_error(false)),
        }
    }

    async fn random(&self, link: Link<'_>, len: usize) -> Result<AdminResponse> {
        if !(1..=1024).contains(&len) {
            return Err(Error::invalid("1 to 1024 random bytes are given at once"));
        }
        let mut members = Members::new(0);
        members.text("random_data_length", &(len * 8).to_string());
        let response = link.ask(self.ask("gen-random", members)).await?;
        let bytes = unhex(&Object(&response.body).text("random_data")?)?;
        if bytes.len() != len {
            return Err(not_understood());
        }
        Ok(AdminResponse::Random(SecretBytes::new(bytes)))
    }

    async fn list_secrets(&self, link: Link<'_>, page: Option<&str>) -> Result<AdminResponse> {
        let path = format!("/v1/{}/secrets", self.project);
        let response = link.ask(paged("ListSecrets", path, page)).await?;
        let answer = Object(&response.body);
        let next = next_marker(answer)?;
        let secrets = answer.array("secrets")?.into_iter().map(|secret| self.secret_info(secret));
        Ok(AdminResponse::Secrets { secrets: secrets.collect::<Result<_>>()?, next })
    }

    async fn list_versions(
        &self,
        link: Link<'_>,
        name: &str,
        page: Option<&str>,
    ) -> Result<AdminResponse> {
        let path = self.secret_path(name, "/versions")?;
        let response = link.ask(paged("ListSecretVersions", path, page)).await?;
        let answer = Object(&response.body);
        let next = next_marker(answer)?;
        let version = |version: Object<'_>| {
            let stages = version.array("version_stages")?.into_iter();
            let stages = stages.map(|stage| Ok(stage_of(&stage.as_text()?).to_owned()));
            Ok(SecretVersionInfo {
                id: version.text("id")?.into_owned(),
                created: moment(version, "create_time")?,
                stages: stages.collect::<Result<_>>()?,
            })
        };
        let versions = answer.array("version_metadatas")?.into_iter().map(version);
        Ok(AdminResponse::SecretVersions { versions: versions.collect::<Result<_>>()?, next })
    }

    async fn delete_secret(&self, link: Link<'_>, name: &str, days: u32) -> Result<AdminResponse> {
        if days == 0 {
            let path = self.secret_path(name, "")?;
            let ask = Ask::bare(Service::Secrets, "DELETE", "DeleteSecret", path);
            done(&link.ask(ask).await?)?;
            return Ok(AdminResponse::Deletion { at: None });
        }
        if !(7..=30).contains(&days) {
            return Err(Error::invalid("a secret is deleted at once, or after 7 to 30 days"));
        }
        let mut members = Members::new(0);
        members.number("recovery_window_in_days", days.into());
        let path = self.secret_path(name, "/scheduled-deleted-tasks/create")?;
        let (operation, body) = ("DeleteSecretForSchedule", members.finish());
        let ask = Ask::post(Service::Secrets, operation, path, body);
        let response = link.ask(ask).await?;
        let secret = Object(&response.body).object("secret")?;
        Ok(AdminResponse::Deletion { at: moment(secret, "scheduled_delete_time")? })
    }

    fn of_key(&self, key: &KeyUri) -> Result<Members> {
        let mut members = Members::new(0);
        members.text("key_id", name_of(self, key)?);
        Ok(members)
    }

    async fn simple(
        &self,
        link: Link<'_>,
        operation: &'static str,
        key: &KeyUri,
    ) -> Result<AdminResponse> {
        self.done(link, operation, self.of_key(key)?).await
    }

    async fn done(
        &self,
        link: Link<'_>,
        operation: &'static str,
        members: Members,
    ) -> Result<AdminResponse> {
        done(&link.ask(self.ask(operation, members)).await?)
    }

    fn key_info(&self, key: Object<'_>) -> Result<KeyInfo> {
        let word = key.maybe_scalar("key_state")?.ok_or_else(not_understood)?;
        let state = match &*word {
            "2" => KeyState::Enabled,
            "3" => KeyState::Disabled,
            "4" => KeyState::PendingDeletion,
            "5" => KeyState::PendingImport,
            _ => KeyState::Unavailable,
        };
        let mut info = KeyInfo::new(uri_of(self, &key.text("key_id")?)?);
        info.state = Some(state);
        info.raw_state = Some(word.into_owned());
        info.raw_kind = text(key, "key_spec")?;
        let kind = KINDS.iter().find(|(word, _)| Some(*word) == info.raw_kind.as_deref());
        info.kind = kind.map(|(_, kind)| *kind);
        info.usage = text(key, "key_usage")?.and_then(|usage| usage.parse().ok());
        info.alias = text(key, "key_alias")?;
        info.description = text(key, "key_description")?;
        info.created = moment(key, "creation_date")?;
        info.deletion = moment(key, "scheduled_deletion_date")?;
        info.rotates = key.maybe_flag("key_rotation_enabled").ok().flatten();
        info.origin = text(key, "origin")?;
        Ok(info)
    }

    fn secret_info(&self, secret: Object<'_>) -> Result<SecretInfo> {
        let mut info = SecretInfo::new(secret.text("name")?);
        info.description = text(secret, "description")?;
        let key = text(secret, "kms_key_id")?;
        info.key = key.map(|name| uri_of(self, &name)).transpose()?;
        info.created = moment(secret, "create_time")?;
        info.raw_state = text(secret, "state")?;
        info.deletion = moment(secret, "scheduled_delete_time")?;
        info.deleted = info.raw_state.as_deref() == Some("PENDING_DELETE");
        Ok(info)
    }
}

/// A request for a page.
fn paged(operation: &'static str, path: String, page: Option<&str>) -> Ask {
    let ask = Ask::bare(Service::Secrets, "GET", operation, path).with_query("limit", "50");
    match page {
        Some(page) => ask.with_query("marker", page),
        None => ask,
    }
}

/// The page after this one.
fn next_marker(answer: Object<'_>) -> Result<Option<String>> {
    let Some(info) = answer.maybe_object("page_info")? else { return Ok(None) };
    text(info, "next_marker")
}

/// An answer that says nothing: none at all, or an object.
fn done(response: &HttpResponse) -> Result<AdminResponse> {
    if !response.body.trim_ascii().is_empty() {
        Object(&response.body).maybe_object("")?;
    }
    Ok(AdminResponse::Done)
}

/// Text that is not empty.
fn text(object: Object<'_>, name: &str) -> Result<Option<String>> {
    Ok(object.maybe_text(name)?.filter(|text| !text.is_empty()).map(Into::into))
}

/// A time since 1970, in milliseconds where it can be no number of seconds; 0 is none.
fn moment(object: Object<'_>, name: &str) -> Result<Option<Duration>> {
    Ok(object.maybe_number(name)?.filter(|time| *time > 0).map(|time| match time {
        100_000_000_000.. => Duration::from_millis(time),
        _ => Duration::from_secs(time),
    }))
}
