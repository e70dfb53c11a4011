//! Administration: keys, their versions and rotation, and the list of secrets.

use super::info::{secret_info, time};
use super::name::{KeyName, is_name};
use super::secrets::{no_such_version, secret_path, staged};
use super::{AzureConfig, answer, bare, bytes, next_page, page_of, refused, send};
use crate::error::{Error, ErrorCode, Result};
use crate::keys::{KeyUri, SecretBytes};
use crate::kms::admin::{
    AdminRequest, AdminResponse, KeyKind, KeyUse, SecretInfo, SecretVersionInfo,
};
use crate::kms::cloud::fault::Category;
use crate::kms::cloud::{Ask, Link, Service, not_understood};
use crate::kms::json::Object;
use crate::kms::wire::Members;
use crate::transport::HttpResponse;

/// How many pages of versions a key may have before something is wrong.
const MAX_PAGES: usize = 100;
/// The most random bytes at once.
const MAX_RANDOM: usize = 128;

impl AzureConfig {
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
                let name = KeyName::of(self, key)?;
                let response = self.look_up(link, name).await?;
                let info = self.key_info(answer(&response)?, name.version.is_some())?;
                Ok(AdminResponse::Key(Box::new(info)))
            }
            AdminRequest::ListKeys { page } => {
                let response = list(link, Service::Keys, "/keys", page.as_deref()).await?;
                let answer = answer(&response)?;
                let keys = answer.array("value")?.into_iter().map(|key| self.listed_key(key));
                let keys = keys.collect::<Result<_>>()?;
                Ok(AdminResponse::Keys { keys, next: next_page(answer)? })
            }
            AdminRequest::EnableKey { key } => self.switch(link, key, true).await,
            AdminRequest::DisableKey { key } => self.switch(link, key, false).await,
            AdminRequest::ScheduleKeyDeletion { key, days } => {
                let name = self.whole_key(key)?;
                let response = self.look_up(link, name).await?;
                let attributes = answer(&response)?.object("attributes")?;
                check_days(attributes.maybe_number("recoverableDays")?, *days)?;
                let response = link.ask(bare(Service::Keys, "DELETE", name.path())).await?;
                let at = time(answer(&response)?, "scheduledPurgeDate")?;
                Ok(AdminResponse::Deletion { at })
            }
            AdminRequest::CancelKeyDeletion { key } => {
                let path = format!("/deletedkeys/{}/recover", self.whole_key(key)?.name);
                done(link, bare(Service::Keys, "POST", path)).await
            }
            AdminRequest::GetRotation { key } => {
                let path = format!("{}/rotationpolicy", self.whole_key(key)?.path());
                let response = link.ask(bare(Service::Keys, "GET", path)).await?;
                let every_days = rotation(answer(&response)?)?;
                Ok(AdminResponse::Rotation { on: every_days.is_some(), every_days, next: None })
            }
            AdminRequest::SetRotation { key, every_days } => {
                self.set_rotation(link, key, *every_days).await
            }
            AdminRequest::RotateKey { key } => {
                let path = format!("{}/rotate", self.whole_key(key)?.path());
                done(link, bare(Service::Keys, "POST", path)).await
            }
            AdminRequest::Random { len } => random(link, *len).await,
            AdminRequest::DescribeSecret { name } => {
                // A secret is described with its value; its versions are not.
                let versions = self.versions(link, name).await?;
                let newest = versions.last().ok_or_else(no_such_version)?;
                let mut info = SecretInfo::new(name);
                info.created = versions.first().and_then(|version| version.created);
                info.raw_state = (!newest.enabled).then(|| "disabled".to_owned());
                Ok(AdminResponse::Secret(Box::new(info)))
            }
            AdminRequest::ListSecrets { page } => {
                let response = list(link, Service::Secrets, "/secrets", page.as_deref()).await?;
                let answer = answer(&response)?;
                let secrets = answer.array("value")?.into_iter();
                let secrets = secrets.map(secret_info).collect::<Result<_>>();
                Ok(AdminResponse::Secrets { secrets: secrets?, next: next_page(answer)? })
            }
            AdminRequest::ListSecretVersions { name, .. } => {
                self.list_secret_versions(link, name).await
            }
            AdminRequest::DeleteSecret { name, days } => {
                let versions = self.versions(link, name).await?;
                let newest = versions.last().ok_or_else(no_such_version)?;
                check_days(newest.recoverable_days, *days)?;
                let ask = bare(Service::Secrets, "DELETE", secret_path(name)?);
                let response = link.ask(ask).await?;
                let at = time(answer(&response)?, "scheduledPurgeDate")?;
                Ok(AdminResponse::Deletion { at })
            }
            AdminRequest::RestoreSecret { name } => {
                let path = format!("/deleted{}/recover", &secret_path(name)?[1..]);
                done(link, bare(Service::Secrets, "POST", path)).await
            }
            // The capabilities have refused them already.
            AdminRequest::SetAlias { .. } | AdminRequest::DeleteAlias { .. } => {
                Err(refused("Azure does not have this"))
            }
        }
    }

    async fn set_rotation(
        &self,
        link: Link<'_>,
        key: &KeyUri,
        every_days: Option<u32>,
    ) -> Result<AdminResponse> {
        let path = format!("{}/rotationpolicy", self.whole_key(key)?.path());
        let actions = match every_days {
            Some(days @ 28..=36_500) => format!(
                r#"[{{"trigger":{{"timeAfterCreate":"P{days}D"}},"action":{{"type":"Rotate"}}}}]"#
            ),
            Some(_) => return Err(refused("a key rotates every 28 to 36500 days")),
            None => "[]".to_owned(),
        };
        let mut members = Members::new(0);
        members.json("lifetimeActions", actions.as_bytes());
        done(link, send(Service::Keys, "PUT", "", path, members)).await
    }

    /// What is done to a key is done to all its versions.
    fn whole_key<'k>(&self, key: &'k KeyUri) -> Result<KeyName<'k>> {
        let name = KeyName::of(self, key)?;
        match name.version {
            None => Ok(name),
            Some(_) => Err(refused("this is done to a key, and to no version of it")),
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
        let name = alias.filter(|name| is_name(name));
        let name = name.ok_or_else(|| {
            refused("a key at Azure needs a name: 1 to 127 letters, digits and hyphens")
        })?;
        let name = KeyName { name, version: None };
        let mut members = self.kind_members(kind, usage)?;
        if let Some(description) = description {
            let mut tags = Members::new(0);
            tags.text("description", description);
            members.json("tags", &tags.finish());
        }
        // What is made under a name that there is becomes a new version of that key.
        match link.try_ask(bare(Service::Keys, "GET", name.path())).await? {
            Ok(response) => {
                answer(&response)?.object("key")?.text("kid")?;
                return Err(Error::new(ErrorCode::VersionConflict, "there is a key of this name"));
            }
            Err(fault) if fault.category == Category::NotFound => {}
            Err(fault) => return Err(fault.into_error(false)),
        }
        let path = format!("{}/create", name.path());
        let response = link.ask(send(Service::Keys, "POST", "create", path, members)).await?;
        Ok(AdminResponse::Key(Box::new(self.key_info(answer(&response)?, false)?)))
    }

    fn kind_members(&self, kind: KeyKind, usage: KeyUse) -> Result<Members> {
        let (kty, size, crv) = match (kind, usage) {
            (KeyKind::Rsa2048, _) => ("RSA", Some(2048), None),
            (KeyKind::Rsa3072, _) => ("RSA", Some(3072), None),
            (KeyKind::Rsa4096, _) => ("RSA", Some(4096), None),
            (KeyKind::EccNistP256, KeyUse::SignVerify) => ("EC", None, Some("P-256")),
            (KeyKind::EccNistP384, KeyUse::SignVerify) => ("EC", None, Some("P-384")),
            (KeyKind::EccNistP521, KeyUse::SignVerify) => ("EC", None, Some("P-521")),
            (KeyKind::EccSecgP256k1, KeyUse::SignVerify) => ("EC", None, Some("P-256K")),
            (KeyKind::Symmetric, KeyUse::EncryptDecrypt) if self.hsm => ("oct", Some(256), None),
            _ => return Err(refused("there are no such keys here")),
        };
        let mut members = Members::new(0);
        members.text("kty", &format!("{kty}{}", if self.hsm { "-HSM" } else { "" }));
        if let Some(size) = size {
            members.number("key_size", size);
        }
        members.maybe_text("crv", crv);
        // A key is for one thing.
        let operations: &[u8] = match usage {
            KeyUse::SignVerify => br#"["sign","verify"]"#,
            _ => br#"["encrypt","decrypt","wrapKey","unwrapKey"]"#,
        };
        members.json("key_ops", operations);
        Ok(members)
    }

    /// There is no switch of a key: every version has its own.
    async fn switch(&self, link: Link<'_>, key: &KeyUri, on: bool) -> Result<AdminResponse> {
        for path in self.versions_to_switch(link, key, on).await? {
            let mut attributes = Members::new(0);
            attributes.json("enabled", if on { b"true" } else { b"false" });
            let mut members = Members::new(0);
            members.json("attributes", &attributes.finish());
            done(link, send(Service::Keys, "PATCH", "", path, members)).await?;
        }
        Ok(AdminResponse::Done)
    }

    async fn versions_to_switch(
        &self,
        link: Link<'_>,
        key: &KeyUri,
        on: bool,
    ) -> Result<Vec<String>> {
        let name = KeyName::of(self, key)?;
        if name.version.is_some() {
            return Ok(vec![name.path()]);
        }
        let path = format!("{}/versions", name.path());
        let (mut found, mut page) = (Vec::new(), None::<String>);
        for _ in 0..MAX_PAGES {
            let response = list(link, Service::Keys, &path, page.as_deref()).await?;
            let answer = answer(&response)?;
            for version in answer.array("value")? {
                let kid = version.text("kid")?;
                let of = KeyName::answered(&kid)?;
                if !name.covers(&of) || of.version.is_none() {
                    return Err(not_understood());
                }
                let enabled = version.object("attributes")?.maybe_flag("enabled")?;
                if enabled.unwrap_or(true) != on {
                    found.push(of.path());
                }
            }
            page = next_page(answer)?;
            if page.is_none() {
                return Ok(found);
            }
        }
        Err(Error::limit("the key has more versions than can be looked after at once"))
    }

    async fn list_secret_versions(&self, link: Link<'_>, name: &str) -> Result<AdminResponse> {
        let found = self.versions(link, name).await?;
        let stages = ["AWSCURRENT", "AWSPREVIOUS"];
        let of_stage = stages.map(|stage| staged(&found, stage).map(|version| &*version.id));
        let info = |version: &super::secrets::Version| {
            let staged = stages.iter().zip(&of_stage);
            let staged = staged.filter(|(_, of)| **of == Some(version.id.as_str()));
            let staged = staged.map(|(stage, _)| (*stage).to_owned());
            let disabled = (!version.enabled).then(|| "disabled".to_owned());
            SecretVersionInfo {
                id: version.id.clone(),
                created: version.created,
                stages: staged.chain(disabled).collect(),
            }
        };
        let versions = found.iter().map(info).collect();
        Ok(AdminResponse::SecretVersions { versions, next: None })
    }
}

async fn list(
    link: Link<'_>,
    service: Service,
    path: &str,
    page: Option<&str>,
) -> Result<HttpResponse> {
    link.ask(bare(service, "GET", page_of(path, page)?)).await
}

/// How long what was deleted is kept was chosen with the vault: no other period is taken for it.
fn check_days(kept: Option<u64>, asked: u32) -> Result<()> {
    match kept {
        Some(kept) if kept != u64::from(asked) => {
            let detail = format!("this vault keeps what was deleted for {kept} days");
            Err(Error::invalid(detail))
        }
        _ => Ok(()),
    }
}

/// The days in a policy that lets a key rotate after so many.
fn rotation(policy: Object<'_>) -> Result<Option<u32>> {
    if policy.maybe_object("lifetimeActions")?.is_none() {
        return Ok(None);
    }
    for action in policy.array("lifetimeActions")? {
        let kind = action.object("action")?.text("type")?;
        let after = action.object("trigger")?.maybe_text("timeAfterCreate")?;
        if let (true, Some(after)) = (kind.eq_ignore_ascii_case("rotate"), after) {
            return days(&after).map(Some).ok_or_else(not_understood);
        }
    }
    Ok(None)
}

/// A span in the form `P90D`, `P3M` or `P1Y`, in days.
fn days(span: &str) -> Option<u32> {
    let span = span.strip_prefix('P')?;
    let unit = span.chars().next_back()?;
    let number: u32 = span.strip_suffix(unit)?.parse().ok()?;
    number.checked_mul(match unit {
        'D' => 1,
        'M' => 30,
        'Y' => 365,
        _ => return None,
    })
}

/// A request whose answer says nothing that is needed.
async fn done(link: Link<'_>, ask: Ask) -> Result<AdminResponse> {
    let response = link.ask(ask).await?;
    answer(&response).map(|_| AdminResponse::Done)
}

async fn random(link: Link<'_>, len: usize) -> Result<AdminResponse> {
    if !(1..=MAX_RANDOM).contains(&len) {
        return Err(refused("1 to 128 random bytes are given at once"));
    }
    let mut members = Members::new(0);
    members.number("count", len as u64);
    let ask = send(Service::Keys, "POST", "rng", "/rng".to_owned(), members);
    let response = link.ask(ask).await?;
    let random = SecretBytes::new(bytes(answer(&response)?, "value")?);
    if random.len() != len {
        return Err(not_understood());
    }
    Ok(AdminResponse::Random(random))
}
