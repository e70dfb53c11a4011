//! Administration: keys and their rotation, and the list of secrets.

use super::info::{current, gone, secret_info, time, type_of};
use super::name::{KeyName, is_name, is_path};
use super::secrets::no_such_version;
use super::{VaultConfig, bare, data, done, names, post, refused};
use crate::error::{Error, ErrorCode, Result};
use crate::keys::KeyUri;
use crate::kms::admin::{
    AdminRequest, AdminResponse, KeyKind, KeyUse, SecretInfo, SecretVersionInfo,
};
use crate::kms::cloud::fault::Category;
use crate::kms::cloud::{Link, Service, not_understood};
use crate::kms::wire::Members;

const DAY: u64 = 86_400;
/// How many versions of a secret are named, the newest first.
const MAX_VERSIONS: u64 = 100;
/// The longest list of folders that have not been looked into, in bytes.
const MAX_PAGE: usize = 64 * 1024;

impl VaultConfig {
    pub(super) async fn administer_all(
        &self,
        link: Link<'_>,
        request: &AdminRequest,
    ) -> Result<AdminResponse> {
        match request {
            AdminRequest::CreateKey { kind, usage, alias, description } => {
                if description.is_some() {
                    return Err(refused("a key at Vault has no description"));
                }
                self.create_key(link, *kind, *usage, alias.as_deref()).await
            }
            AdminRequest::DescribeKey { key } => {
                self.describe(link, KeyName::whole(self, key)?).await
            }
            AdminRequest::ListKeys { page: Some(_) } => {
                Err(refused("the keys at Vault come on one page"))
            }
            AdminRequest::ListKeys { page: None } => {
                let found = names(link, Service::Keys, self.transit("keys")).await?;
                let keys = found.iter().map(|name| self.listed_key(name)).collect::<Result<_>>()?;
                Ok(AdminResponse::Keys { keys, next: None })
            }
            AdminRequest::EnableKey { key } => {
                let path = self.key_path(key, "/soft-delete-restore")?;
                done(link, bare(Service::Keys, "POST", path)).await
            }
            AdminRequest::DisableKey { key } => {
                let path = self.key_path(key, "/soft-delete")?;
                done(link, bare(Service::Keys, "DELETE", path)).await
            }
            AdminRequest::ScheduleKeyDeletion { key, .. } => self.delete_key(link, key).await,
            AdminRequest::GetRotation { key } => {
                let response = self.look_up(link, KeyName::whole(self, key)?).await?;
                let period = data(&response)?.maybe_number("auto_rotate_period")?;
                let period = period.filter(|seconds| *seconds > 0);
                let every_days = period.and_then(|seconds| u32::try_from(seconds / DAY).ok());
                let (on, every_days) = (period.is_some(), every_days.filter(|days| *days > 0));
                Ok(AdminResponse::Rotation { on, every_days, next: None })
            }
            AdminRequest::SetRotation { key, every_days } => {
                let hours = match every_days {
                    Some(days @ 1..=36_500) => days * 24,
                    Some(_) => return Err(refused("a key rotates every 1 to 36500 days")),
                    None => 0,
                };
                let mut members = Members::new(0);
                members.text("auto_rotate_period", &format!("{hours}h"));
                let path = self.key_path(key, "/config")?;
                done(link, post(Service::Keys, "config", path, members)).await
            }
            AdminRequest::RotateKey { key } => {
                done(link, bare(Service::Keys, "POST", self.key_path(key, "/rotate")?)).await
            }
            AdminRequest::Random { len } => self.random(link, *len).await,
            AdminRequest::DescribeSecret { name } => {
                let ask = bare(Service::Secrets, "GET", self.secret_path("metadata", name)?);
                let response = link.ask(ask).await?;
                let info = secret_info(name, data(&response)?)?;
                Ok(AdminResponse::Secret(Box::new(info)))
            }
            AdminRequest::ListSecrets { page } => self.list_secrets(link, page.as_deref()).await,
            AdminRequest::ListSecretVersions { page: Some(_), .. } => {
                Err(refused("the versions of a secret at Vault come on one page"))
            }
            AdminRequest::ListSecretVersions { name, page: None } => {
                self.list_secret_versions(link, name).await
            }
            AdminRequest::DeleteSecret { days: 1.., .. } => {
                Err(refused("a secret at Vault is gone at once: 0 days"))
            }
            AdminRequest::DeleteSecret { name, .. } => {
                // With all its versions.
                let path = self.secret_path("metadata", name)?;
                done(link, bare(Service::Secrets, "DELETE", path)).await?;
                Ok(AdminResponse::Deletion { at: None })
            }
            AdminRequest::RestoreSecret { name } => self.restore_secret(link, name).await,
            // The capabilities have refused them already.
            AdminRequest::CancelKeyDeletion { .. }
            | AdminRequest::SetAlias { .. }
            | AdminRequest::DeleteAlias { .. } => Err(refused("Vault does not have this")),
        }
    }

    /// The path of something that is done to a key as a whole.
    fn key_path(&self, key: &KeyUri, what: &str) -> Result<String> {
        Ok(self.transit(&format!("keys/{}{what}", KeyName::whole(self, key)?)))
    }

    async fn describe(&self, link: Link<'_>, name: &str) -> Result<AdminResponse> {
        let response = self.look_up(link, name).await?;
        Ok(AdminResponse::Key(Box::new(self.key_info(data(&response)?)?)))
    }

    async fn create_key(
        &self,
        link: Link<'_>,
        kind: KeyKind,
        usage: KeyUse,
        alias: Option<&str>,
    ) -> Result<AdminResponse> {
        let kind = type_of(kind, usage).ok_or_else(|| refused("Vault has no such keys"))?;
        let name = alias.filter(|name| is_name(name));
        let name = name.ok_or_else(|| {
            refused("a key at Vault needs a name: letters, digits and _, within it also - and .")
        })?;
        let path = self.transit(&format!("keys/{name}"));
        // Who makes a key that there is gets that one.
        match link.try_ask(bare(Service::Keys, "GET", path.clone())).await? {
            Ok(response) => {
                data(&response)?.text("name")?;
                return Err(Error::new(ErrorCode::VersionConflict, "there is a key of this name"));
            }
            Err(fault) if fault.category == Category::NotFound => {}
            Err(fault) => return Err(fault.into_error(false)),
        }
        let mut members = Members::new(0);
        members.text("type", kind);
        // Older servers answer nothing.
        done(link, post(Service::Keys, "create", path, members)).await?;
        self.describe(link, name).await
    }

    /// A key is gone at once, where it may be deleted at all: that is said first, and taken back
    /// where the deletion fails.
    async fn delete_key(&self, link: Link<'_>, key: &KeyUri) -> Result<AdminResponse> {
        let name = KeyName::whole(self, key)?;
        self.look_up(link, name).await?;
        let allow = |allowed: &[u8]| {
            let mut members = Members::new(0);
            members.json("deletion_allowed", allowed);
            post(Service::Keys, "config", self.transit(&format!("keys/{name}/config")), members)
        };
        done(link, allow(b"true")).await?;
        let path = self.transit(&format!("keys/{name}"));
        if let Err(error) = done(link, bare(Service::Keys, "DELETE", path)).await {
            // What counts is why it was not deleted.
            let _ = done(link, allow(b"false")).await;
            return Err(error);
        }
        self.forget(name);
        Ok(AdminResponse::Deletion { at: None })
    }

    async fn random(&self, link: Link<'_>, len: usize) -> Result<AdminResponse> {
        if !(1..=1024).contains(&len) {
            return Err(refused("1 to 1024 random bytes are given at once"));
        }
        let mut members = Members::new(0);
        members.text("format", "base64");
        let path = self.transit(&format!("random/{len}"));
        let response = link.ask(post(Service::Keys, "random", path, members)).await?;
        let random = crate::keys::SecretBytes::new(data(&response)?.bytes("random_bytes")?);
        if random.len() == len { Ok(AdminResponse::Random(random)) } else { Err(not_understood()) }
    }

    /// One folder of secrets after the other. A page is named by the folders that are left.
    async fn list_secrets(&self, link: Link<'_>, page: Option<&str>) -> Result<AdminResponse> {
        let mut left: Vec<String> = match page {
            None => Vec::new(),
            Some(page) => page.split(',').map(str::to_owned).collect(),
        };
        let folder = left.pop().unwrap_or_default();
        let of_folder = |folder: &str| folder.strip_suffix('/').is_some_and(is_path);
        if page.is_some() && !left.iter().chain([&folder]).all(|folder| of_folder(folder)) {
            return Err(refused("a page is what one before named"));
        }
        let path = format!("/v1/{}/metadata/{folder}", self.kv);
        let mut secrets = Vec::new();
        for name in names(link, Service::Secrets, path).await? {
            let whole = format!("{folder}{name}");
            // What has another name than keyfold takes can be neither asked for nor looked into.
            if of_folder(&whole) {
                left.push(whole);
            } else if is_path(&whole) {
                secrets.push(SecretInfo::new(whole));
            }
        }
        let next = left.join(",");
        if next.len() > MAX_PAGE {
            return Err(Error::limit("there are more folders than can be looked into"));
        }
        Ok(AdminResponse::Secrets { secrets, next: Some(next).filter(|next| !next.is_empty()) })
    }

    async fn list_secret_versions(&self, link: Link<'_>, name: &str) -> Result<AdminResponse> {
        let ask = bare(Service::Secrets, "GET", self.secret_path("metadata", name)?);
        let response = link.ask(ask).await?;
        let metadata = data(&response)?;
        let (current, known) = (current(metadata)?, metadata.object("versions")?);
        let mut versions = Vec::new();
        for number in (1..=current).rev().take(MAX_VERSIONS.try_into().unwrap_or(100)) {
            let id = number.to_string();
            let Some(version) = known.maybe_object(&id)? else { continue };
            let stage = match current - number {
                0 => Some("AWSCURRENT"),
                1 => Some("AWSPREVIOUS"),
                _ => None,
            };
            let stages = stage.into_iter().chain(gone(version)?).map(str::to_owned).collect();
            versions.push(SecretVersionInfo {
                id,
                created: time(version, "created_time")?,
                stages,
            });
        }
        Ok(AdminResponse::SecretVersions { versions, next: None })
    }

    /// The present version, which was deleted and not destroyed, is there again.
    async fn restore_secret(&self, link: Link<'_>, name: &str) -> Result<AdminResponse> {
        let ask = bare(Service::Secrets, "GET", self.secret_path("metadata", name)?);
        let response = link.ask(ask).await?;
        let current = current(data(&response)?)?;
        if current == 0 {
            return Err(no_such_version());
        }
        let mut members = Members::new(0);
        members.json("versions", format!("[{current}]").as_bytes());
        let path = self.secret_path("undelete", name)?;
        done(link, post(Service::Secrets, "undelete", path, members)).await
    }
}
