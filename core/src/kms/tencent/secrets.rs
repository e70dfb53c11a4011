//! The password safe, SSM.
//!
//! SSM has versions with names of the caller's choice, and no stage that says which is current.
//! The versions that keyfold writes are numbered, `00000003.TOKEN`: the newest is current, and the
//! number tells which that is among those of one second; a change whose answer was lost is found
//! again by its token.

use super::{TencentConfig, answer, ask};
use crate::crypto::hash::Sha256;
use crate::error::{Error, ErrorCode, Result};
use crate::keys::{KeyUri, SecretBytes};
use crate::kms::Response;
use crate::kms::admin::SecretVersionInfo;
use crate::kms::cloud::{Link, Service, check_secret_name, name_of};
use crate::kms::wire::{Members, hex};
use crate::transport::HttpResponse;

/// The longest name, in bytes.
const MAX_NAME: usize = 128;
/// The longest token that stands as it is in the name of a version.
const MAX_TOKEN: usize = 64 - 9;

/// A version, and its place among those of its secret.
pub(super) struct Version {
    pub(super) id: String,
    pub(super) created: u64,
}

impl Version {
    /// The number in the name, where keyfold has given it.
    fn number(&self) -> u32 {
        let number = self.id.split_once('.').map(|(number, _)| number);
        number.filter(|number| number.len() == 8).and_then(|n| n.parse().ok()).unwrap_or(0)
    }
}

impl TencentConfig {
    pub(super) async fn put_secret(
        &self,
        link: Link<'_>,
        name: &str,
        value: &SecretBytes,
        key: Option<&KeyUri>,
        token: &str,
    ) -> Result<Response> {
        check_secret_name(name, MAX_NAME, b"-_")?;
        let key = key.map(|key| name_of(self, key)).transpose()?;
        let token = match token.len() {
            ..=MAX_TOKEN => token.to_owned(),
            _ => hex(&Sha256::digest(token.as_bytes())[..16]),
        };
        let mut versions = match self.versions(link, name).await {
            Ok(versions) => Some(versions),
            Err(error) if error.code() == ErrorCode::SecretNotFound => None,
            Err(error) => return Err(error),
        };
        // Whoever was faster may have made the secret meanwhile.
        for _ in 0..2 {
            let known = versions.as_deref().unwrap_or_default();
            let done = known
                .iter()
                .find(|version| version.id.split_once('.').is_some_and(|(_, of)| of == token));
            if let Some(done) = done {
                return Ok(Response::SecretVersion { version: done.id.clone() });
            }
            let last = known.iter().map(Version::number).max().unwrap_or(0);
            let version = format!("{:08}.{token}", last.saturating_add(1));
            let mut members = Members::new(value.len());
            members.text("SecretName", name);
            members.text("VersionId", &version);
            // Text where it is UTF-8, which other clients can show; else bytes.
            match std::str::from_utf8(value.expose()) {
                Ok(text) => members.text("SecretString", text),
                Err(_) => members.bytes("SecretBinary", value.expose()),
            }
            let action = if versions.is_some() {
                "PutSecretValue"
            } else {
                members.maybe_text("KmsKeyId", key);
                "CreateSecret"
            };
            match link.try_ask(ask(Service::Secrets, action, members)).await? {
                Ok(response) => {
                    let version = answer(&response)?.text("VersionId")?.into_owned();
                    return Ok(Response::SecretVersion { version });
                }
                Err(fault)
                    if versions.is_none()
                        && fault.error.name() == Some("ResourceInUse.SecretExists") =>
                {
                    versions = Some(self.versions(link, name).await?);
                }
                Err(fault) => return Err(fault.into_error(true)),
            }
        }
        Err(Error::new(ErrorCode::VersionConflict, "the secret changes all the time"))
    }

    pub(super) async fn get_secret(
        &self,
        link: Link<'_>,
        name: &str,
        version: Option<&str>,
        stage: Option<&str>,
    ) -> Result<Response> {
        check_secret_name(name, MAX_NAME, b"-_")?;
        let version = match version {
            // A stage beside it must be that of this version.
            Some(version) if stage.is_none() => version.to_owned(),
            _ => {
                let versions = self.versions(link, name).await?;
                let staged = staged(&versions, stage.unwrap_or("AWSCURRENT"));
                let fits = staged.filter(|id| version.is_none_or(|version| version == *id));
                let none = || Error::new(ErrorCode::SecretNotFound, "there is no such version");
                fits.ok_or_else(none)?.to_owned()
            }
        };
        let mut members = Members::new(0);
        members.text("SecretName", name);
        members.text("VersionId", &version);
        let response = link.ask(ask(Service::Secrets, "GetSecretValue", members)).await?;
        let answer = answer(&response)?;
        let text = answer.maybe_text("SecretString")?.filter(|text| !text.is_empty());
        let value = match text {
            Some(text) => text.into_owned().into_bytes(),
            None => answer.bytes("SecretBinary")?,
        };
        let version = answer.text("VersionId")?.into_owned();
        Ok(Response::Secret { value: SecretBytes::new(value), version })
    }

    /// The versions of a secret, the oldest first.
    pub(super) async fn versions(&self, link: Link<'_>, name: &str) -> Result<Vec<Version>> {
        let mut members = Members::new(0);
        members.text("SecretName", name);
        let response = link.ask(ask(Service::Secrets, "ListSecretVersionIds", members)).await?;
        read_versions(&response)
    }
}

fn read_versions(response: &HttpResponse) -> Result<Vec<Version>> {
    let mut versions = Vec::new();
    for version in answer(response)?.array("Versions")? {
        versions.push(Version {
            id: version.text("VersionId")?.into_owned(),
            created: version.maybe_number("CreateTime")?.unwrap_or(0),
        });
    }
    // The number tells apart what was written within a second; what others wrote has none.
    versions.sort_by_cached_key(|version| (version.created, version.number()));
    Ok(versions)
}

/// The version at a stage, out of versions in their order.
fn staged<'v>(versions: &'v [Version], stage: &str) -> Option<&'v str> {
    let back = match stage {
        "AWSCURRENT" => 1,
        "AWSPREVIOUS" => 2,
        _ => return None,
    };
    versions.len().checked_sub(back).map(|at| versions[at].id.as_str())
}

/// What administration shows of them.
pub(super) fn infos(versions: Vec<Version>) -> Vec<SecretVersionInfo> {
    let stages = ["AWSCURRENT", "AWSPREVIOUS"];
    let of_stage = stages.map(|stage| staged(&versions, stage).map(str::to_owned));
    let info = |version: Version| SecretVersionInfo {
        stages: stages
            .iter()
            .zip(&of_stage)
            .filter(|(_, of)| of.as_deref() == Some(version.id.as_str()))
            .map(|(stage, _)| (*stage).to_owned())
            .collect(),
        created: Some(std::time::Duration::from_secs(version.created)),
        id: version.id,
    };
    versions.into_iter().map(info).collect()
}
