//! Administration: keys, their versions and rotation, and the list of secrets.

use std::time::Duration;

use super::info::{self, days, text, time};
use super::name::{KeyName, is_id};
use super::secrets::version_of;
use super::{GoogleConfig, answer, bare, checksum, list, next_page, post, refused, with};
use crate::error::{Error, Result};
use crate::keys::{KeyUri, SecretBytes};
use crate::kms::admin::{AdminRequest, AdminResponse, KeyKind, KeyUse, SecretVersionInfo};
use crate::kms::cloud::fault::Category;
use crate::kms::cloud::{Ask, Link, Service, not_understood};
use crate::kms::moment;
use crate::kms::wire::Members;
use crate::transport::HttpResponse;

/// How many entries a page has.
const PAGE: &str = "100";
/// How many pages of versions a key may have before something is wrong.
const MAX_PAGES: usize = 100;
/// The waiting period of a key that names none, in days.
const DEFAULT_WAIT: u32 = 30;

impl GoogleConfig {
    pub(super) async fn administer_all(
        &self,
        link: Link<'_>,
        request: &AdminRequest,
    ) -> Result<AdminResponse> {
        match request {
            AdminRequest::CreateKey { kind, usage, alias, description } => {
                if description.is_some() {
                    return Err(refused("a key at Google has no description"));
                }
                self.create_key(link, *kind, *usage, alias.as_deref()).await
            }
            AdminRequest::DescribeKey { key } => {
                let name = KeyName::of(self, key)?;
                let response = self.look_up(link, name).await?;
                let found = answer(&response)?;
                let info = match name.version() {
                    Some(_) => self.version_info(found),
                    None => self.key_info(found),
                };
                Ok(AdminResponse::Key(Box::new(info?)))
            }
            AdminRequest::ListKeys { page } => {
                let path = format!("{}/cryptoKeys", self.ring_path()?);
                let response = self.page(link, Service::Keys, path, page.as_deref()).await?;
                let answer = answer(&response)?;
                let keys = list(answer, "cryptoKeys")?.into_iter().map(|key| self.key_info(key));
                let next = next_page(answer)?;
                Ok(AdminResponse::Keys { keys: keys.collect::<Result<_>>()?, next })
            }
            AdminRequest::EnableKey { key } => self.switch(link, key, "DISABLED", "ENABLED").await,
            AdminRequest::DisableKey { key } => self.switch(link, key, "ENABLED", "DISABLED").await,
            AdminRequest::ScheduleKeyDeletion { key, days } => {
                self.schedule_deletion(link, key, *days).await
            }
            AdminRequest::CancelKeyDeletion { key } => {
                for version in self.versions_in(link, key, "DESTROY_SCHEDULED").await? {
                    let path = format!("{version}:restore");
                    done(link, post(Service::Keys, "restore", path, Members::new(0))).await?;
                }
                Ok(AdminResponse::Done)
            }
            AdminRequest::GetRotation { key } => {
                let name = whole_key(KeyName::of(self, key)?)?;
                let response = self.look_up(link, name).await?;
                let key = answer(&response)?;
                let every_days = days(key, "rotationPeriod")?;
                let next = time(key, "nextRotationTime")?;
                Ok(AdminResponse::Rotation { on: every_days.is_some(), every_days, next })
            }
            AdminRequest::SetRotation { key, every_days } => {
                self.set_rotation(link, key, *every_days).await
            }
            AdminRequest::RotateKey { key } => self.rotate(link, key).await,
            AdminRequest::Random { len } => self.random(link, *len).await,
            AdminRequest::DescribeSecret { name } => {
                let ask = bare(Service::Secrets, "GET", self.secret_path(name)?);
                let response = link.ask(ask).await?;
                Ok(AdminResponse::Secret(Box::new(self.secret_info(answer(&response)?)?)))
            }
            AdminRequest::ListSecrets { page } => {
                let path = format!("/v1/projects/{}/secrets", self.project()?);
                let response = self.page(link, Service::Secrets, path, page.as_deref()).await?;
                let answer = answer(&response)?;
                let secrets = list(answer, "secrets")?.into_iter();
                let secrets = secrets.map(|secret| self.secret_info(secret)).collect::<Result<_>>();
                Ok(AdminResponse::Secrets { secrets: secrets?, next: next_page(answer)? })
            }
            AdminRequest::ListSecretVersions { name, page } => {
                self.list_secret_versions(link, name, page.as_deref()).await
            }
            AdminRequest::DeleteSecret { days: 1.., .. } => {
                Err(refused("a secret at Google is gone at once: 0 days"))
            }
            AdminRequest::DeleteSecret { name, .. } => {
                done(link, bare(Service::Secrets, "DELETE", self.secret_path(name)?)).await?;
                Ok(AdminResponse::Deletion { at: None })
            }
            // The capabilities have refused them already.
            AdminRequest::SetAlias { .. }
            | AdminRequest::DeleteAlias { .. }
            | AdminRequest::RestoreSecret { .. } => Err(refused("Google does not have this")),
        }
    }

    fn ring_path(&self) -> Result<String> {
        let key_ring = self.key_ring.as_deref();
        let key_ring = key_ring.ok_or_else(|| refused("no key ring is configured at Google"))?;
        Ok(format!("{}/keyRings/{key_ring}", self.location_path()?))
    }

    async fn page(
        &self,
        link: Link<'_>,
        service: Service,
        path: String,
        page: Option<&str>,
    ) -> Result<HttpResponse> {
        let ask = with(bare(service, "GET", path), &[("pageSize", PAGE)]);
        let ask = match page {
            Some(page) => with(ask, &[("pageToken", page)]),
            None => ask,
        };
        link.ask(ask).await
    }

    async fn create_key(
        &self,
        link: Link<'_>,
        kind: KeyKind,
        usage: KeyUse,
        alias: Option<&str>,
    ) -> Result<AdminResponse> {
        let (algorithm, purpose) =
            info::algorithm(kind, usage).ok_or_else(|| refused("Google's KMS has no such keys"))?;
        let id = alias.filter(|id| is_id(id));
        let id =
            id.ok_or_else(|| refused("a key at Google needs a name: 1 to 63 of A-Za-z0-9-_"))?;
        let ring = self.ring_path()?;
        let create = || {
            let mut template = Members::new(0);
            template.text("protectionLevel", if self.hsm { "HSM" } else { "SOFTWARE" });
            template.text("algorithm", algorithm);
            let mut members = Members::new(0);
            members.text("purpose", purpose);
            members.json("versionTemplate", &template.finish());
            let ask = post(Service::Keys, "createKey", format!("{ring}/cryptoKeys"), members);
            with(ask, &[("cryptoKeyId", id)])
        };
        let response = match link.try_ask(create()).await? {
            Ok(response) => response,
            // A key ring comes first.
            Err(fault) if fault.category == Category::NotFound => {
                self.create_ring(link).await?;
                link.ask(create()).await?
            }
            Err(fault) => return Err(fault.into_error(false)),
        };
        Ok(AdminResponse::Key(Box::new(self.key_info(answer(&response)?)?)))
    }

    async fn create_ring(&self, link: Link<'_>) -> Result<()> {
        let path = format!("{}/keyRings", self.location_path()?);
        let ask = post(Service::Keys, "createKeyRing", path, Members::new(0));
        let id = self.key_ring.as_deref().unwrap_or_default();
        match link.try_ask(with(ask, &[("keyRingId", id)])).await? {
            Ok(response) => answer(&response).map(|_| ()),
            // Somebody was faster.
            Err(fault) if fault.category == Category::Conflict => Ok(()),
            Err(fault) => Err(fault.into_error(false)),
        }
    }

    /// The paths of the versions of a key in a state; of the one version, where one is named.
    async fn versions_in(&self, link: Link<'_>, key: &KeyUri, state: &str) -> Result<Vec<String>> {
        let name = KeyName::of(self, key)?;
        if name.version().is_some() {
            return Ok(vec![name.path()]);
        }
        let path = format!("{}/cryptoKeyVersions", name.path());
        let (mut found, mut page) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let response = self.page(link, Service::Keys, path.clone(), page.as_deref()).await?;
            let answer = answer(&response)?;
            for version in list(answer, "cryptoKeyVersions")? {
                let whole = version.text("name")?;
                let version_name = KeyName::answered(&whole)?;
                let (true, Some(number)) = (name.covers(&version_name), version_name.version())
                else {
                    return Err(not_understood());
                };
                if version.text("state")? == state {
                    found.push(format!("{path}/{number}"));
                }
            }
            page = next_page(answer)?;
            if page.is_none() {
                return Ok(found);
            }
        }
        Err(Error::limit("the key has more versions than can be looked after at once"))
    }

    /// There is no switch of a key: every version has its own.
    async fn switch(
        &self,
        link: Link<'_>,
        key: &KeyUri,
        from: &str,
        to: &str,
    ) -> Result<AdminResponse> {
        for version in self.versions_in(link, key, from).await? {
            let mut members = Members::new(0);
            members.text("state", to);
            let ask = Ask { method: "PATCH", ..post(Service::Keys, "", version, members) };
            done(link, with(ask, &[("updateMask", "state")])).await?;
        }
        Ok(AdminResponse::Done)
    }

    /// How long a key waits was said when it was made: no other period is taken for it.
    async fn schedule_deletion(
        &self,
        link: Link<'_>,
        key: &KeyUri,
        asked: u32,
    ) -> Result<AdminResponse> {
        let name = KeyName::of(self, key)?;
        let response = link.ask(bare(Service::Keys, "GET", name.key_path())).await?;
        let wait = days(answer(&response)?, "destroyScheduledDuration")?.unwrap_or(DEFAULT_WAIT);
        if wait != asked {
            let detail = format!("the versions of this key wait {wait} days for their end");
            return Err(Error::invalid(detail));
        }
        let mut versions = Vec::new();
        for state in ["ENABLED", "DISABLED"] {
            versions.extend(self.versions_in(link, key, state).await?);
            if name.version().is_some() {
                break;
            }
        }
        let mut at: Option<Duration> = None;
        for version in versions {
            let path = format!("{version}:destroy");
            let ask = post(Service::Keys, "destroy", path, Members::new(0));
            let response = link.ask(ask).await?;
            at = at.max(time(answer(&response)?, "destroyTime")?);
        }
        Ok(AdminResponse::Deletion { at })
    }

    async fn set_rotation(
        &self,
        link: Link<'_>,
        key: &KeyUri,
        every_days: Option<u32>,
    ) -> Result<AdminResponse> {
        let name = whole_key(KeyName::of(self, key)?)?;
        let mut members = Members::new(0);
        if let Some(days) = every_days {
            if !(1..=36_500).contains(&days) {
                return Err(refused("a key rotates every 1 to 36500 days"));
            }
            let period = Duration::from_secs(u64::from(days) * 86_400);
            members.text("rotationPeriod", &format!("{}s", period.as_secs()));
            members.text("nextRotationTime", &rfc_3339(link.now().saturating_add(period))?);
        }
        let ask = Ask { method: "PATCH", ..post(Service::Keys, "", name.path(), members) };
        done(link, with(ask, &[("updateMask", "rotationPeriod,nextRotationTime")])).await?;
        Ok(AdminResponse::Done)
    }

    /// A new version, and that encrypts from now on. One that signs is asked for by its number.
    async fn rotate(&self, link: Link<'_>, key: &KeyUri) -> Result<AdminResponse> {
        let name = whole_key(KeyName::of(self, key)?)?;
        let path = format!("{}/cryptoKeyVersions", name.path());
        let response = link.ask(post(Service::Keys, "", path, Members::new(0))).await?;
        let version = answer(&response)?;
        let whole = version.text("name")?;
        let made = KeyName::answered(&whole)?;
        let (true, Some(number)) = (name.covers(&made), made.version()) else {
            return Err(not_understood());
        };
        if version.text("algorithm")? == "GOOGLE_SYMMETRIC_ENCRYPTION" {
            let mut members = Members::new(0);
            members.text("cryptoKeyVersionId", number);
            let path = format!("{}:updatePrimaryVersion", name.path());
            done(link, post(Service::Keys, "updatePrimaryVersion", path, members)).await?;
        }
        Ok(AdminResponse::Done)
    }

    async fn random(&self, link: Link<'_>, len: usize) -> Result<AdminResponse> {
        if !(8..=1024).contains(&len) {
            return Err(refused("8 to 1024 random bytes are given at once"));
        }
        let mut members = Members::new(0);
        members.number("lengthBytes", len as u64);
        members.text("protectionLevel", "HSM");
        let path = format!("{}:generateRandomBytes", self.location_path()?);
        let response = link.ask(post(Service::Keys, "generateRandomBytes", path, members)).await?;
        let bytes = SecretBytes::new(checksum::bytes(answer(&response)?, "data")?);
        if bytes.len() == len { Ok(AdminResponse::Random(bytes)) } else { Err(not_understood()) }
    }

    async fn list_secret_versions(
        &self,
        link: Link<'_>,
        name: &str,
        page: Option<&str>,
    ) -> Result<AdminResponse> {
        let path = format!("{}/versions", self.secret_path(name)?);
        let response = self.page(link, Service::Secrets, path, page).await?;
        let answer = answer(&response)?;
        // The newest comes first, on the first page.
        let mut stages = ["AWSCURRENT", "AWSPREVIOUS"].iter().filter(|_| page.is_none());
        let mut versions = Vec::new();
        for version in list(answer, "versions")? {
            let stage = stages.next().map(|stage| (*stage).to_owned());
            let disabled = text(version, "state")?.filter(|state| state != "ENABLED");
            versions.push(SecretVersionInfo {
                id: version_of(version, name)?,
                created: time(version, "createTime")?,
                stages: stage.into_iter().chain(disabled).collect(),
            });
        }
        Ok(AdminResponse::SecretVersions { versions, next: next_page(answer)? })
    }
}

/// # Errors
/// `invalid_argument` for a version, which does not rotate.
fn whole_key(name: KeyName<'_>) -> Result<KeyName<'_>> {
    match name.version() {
        None => Ok(name),
        Some(_) => Err(refused("a key rotates, and no version of it")),
    }
}

/// A request whose answer says nothing that is needed.
async fn done(link: Link<'_>, ask: Ask) -> Result<()> {
    let response = link.ask(ask).await?;
    answer(&response).map(|_| ())
}

/// The form `2023-11-14T22:13:20Z`.
fn rfc_3339(time: Duration) -> Result<String> {
    let basic = moment::basic(time)?;
    let part = |range| basic.get(range).unwrap_or_default();
    let (date, clock) =
        ([part(0..4), part(4..6), part(6..8)], [part(9..11), part(11..13), part(13..15)]);
    Ok(format!("{}T{}Z", date.join("-"), clock.join(":")))
}
