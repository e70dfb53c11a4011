//! The password safe, Secret Manager.
//!
//! Its versions are numbered, and the newest is current. There is nothing by which a change whose
//! answer was lost could be found again: sent once more, it makes one more version of the same
//! value.

use super::name::{KeyName, is_version};
use super::{GoogleConfig, answer, bare, checksum, list, post, refused, with};
use crate::error::{Error, ErrorCode, Result};
use crate::keys::{KeyUri, SecretBytes};
use crate::kms::Response;
use crate::kms::cloud::fault::Category;
use crate::kms::cloud::{Link, Service, check_secret_name, not_understood};
use crate::kms::json::Object;
use crate::kms::wire::Members;

/// The longest name, in bytes.
const MAX_NAME: usize = 255;

impl GoogleConfig {
    /// The path of a secret.
    pub(super) fn secret_path(&self, name: &str) -> Result<String> {
        check_secret_name(name, MAX_NAME, b"-_")?;
        Ok(format!("/v1/projects/{}/secrets/{name}", self.project()?))
    }

    pub(super) async fn put_secret(
        &self,
        link: Link<'_>,
        name: &str,
        value: &SecretBytes,
        key: Option<&KeyUri>,
    ) -> Result<Response> {
        let path = format!("{}:addVersion", self.secret_path(name)?);
        let key = key.map(|key| KeyName::of(self, key)).transpose()?;
        let add = || {
            let mut payload = Members::new(value.len());
            checksum::put(&mut payload, "data", value.expose());
            let mut members = Members::new(value.len());
            members.json("payload", &payload.finish());
            post(Service::Secrets, "addVersion", path.clone(), members)
        };
        let response = match link.try_ask(add()).await? {
            Ok(response) => response,
            Err(fault) if fault.category == Category::NotFound => {
                self.create_secret(link, name, key).await?;
                link.ask(add()).await?
            }
            Err(fault) => return Err(fault.into_error(true)),
        };
        let version = version_of(answer(&response)?, name)?;
        Ok(Response::SecretVersion { version })
    }

    async fn create_secret(
        &self,
        link: Link<'_>,
        name: &str,
        key: Option<KeyName<'_>>,
    ) -> Result<()> {
        let mut automatic = Members::new(0);
        if let Some(key) = key {
            let mut encryption = Members::new(0);
            encryption.text("kmsKeyName", &format!("projects/{}", key.key()));
            automatic.json("customerManagedEncryption", &encryption.finish());
        }
        let mut replication = Members::new(0);
        replication.json("automatic", &automatic.finish());
        let mut members = Members::new(0);
        members.json("replication", &replication.finish());
        let path = format!("/v1/projects/{}/secrets", self.project()?);
        let create = post(Service::Secrets, "createSecret", path, members);
        match link.try_ask(with(create, &[("secretId", name)])).await? {
            Ok(response) => answer(&response).map(|_| ()),
            // Somebody was faster.
            Err(fault) if fault.category == Category::Conflict => Ok(()),
            Err(fault) => Err(fault.into_error(true)),
        }
    }

    pub(super) async fn get_secret(
        &self,
        link: Link<'_>,
        name: &str,
        version: Option<&str>,
        stage: Option<&str>,
    ) -> Result<Response> {
        let path = self.secret_path(name)?;
        if version.is_some_and(|version| !is_version(version)) {
            return Err(refused("the versions of a secret at Google are numbers"));
        }
        let asked = match (version, stage) {
            (Some(version), None) => version.to_owned(),
            (None, None | Some("AWSCURRENT")) => "latest".to_owned(),
            (version, stage) => {
                let back = match stage {
                    None | Some("AWSCURRENT") => 0,
                    Some("AWSPREVIOUS") => 1,
                    Some(_) => return Err(no_such_version()),
                };
                let versions = bare(Service::Secrets, "GET", format!("{path}/versions"));
                let response = link.ask(with(versions, &[("pageSize", "2")])).await?;
                // The newest comes first.
                let staged = list(answer(&response)?, "versions")?.into_iter().nth(back);
                let staged = staged.map(|staged| version_of(staged, name)).transpose()?;
                let fits = staged.filter(|id| version.is_none_or(|version| version == id));
                fits.ok_or_else(no_such_version)?
            }
        };
        let path = format!("{path}/versions/{asked}:access");
        let response = link.ask(bare(Service::Secrets, "GET", path)).await?;
        let answer = answer(&response)?;
        let payload = answer.object("payload")?;
        let value = payload.bytes("data")?;
        let value = SecretBytes::new(value);
        checksum::check(payload, "data", value.expose())?;
        let version = version_of(answer, name)?;
        if asked != "latest" && asked != version {
            return Err(not_understood());
        }
        Ok(Response::Secret { value, version })
    }
}

/// The number of a version, out of `projects/P/secrets/NAME/versions/N`.
pub(super) fn version_of(version: Object<'_>, name: &str) -> Result<String> {
    let whole = version.text("name")?;
    let mut parts = whole.rsplit('/');
    let (number, versions, secret) = (parts.next(), parts.next(), parts.next());
    if versions != Some("versions") || secret != Some(name) {
        return Err(not_understood());
    }
    let number = number.filter(|number| is_version(number));
    number.map(str::to_owned).ok_or_else(not_understood)
}

fn no_such_version() -> Error {
    Error::new(ErrorCode::SecretNotFound, "there is no such version")
}
