//! The password safe, CSMS.

use super::HuaweiConfig;
use crate::error::{Error, ErrorCode, Result};
use crate::keys::{KeyUri, SecretBytes};
use crate::kms::Response;
use crate::kms::cloud::fault::Category;
use crate::kms::cloud::{Ask, Link, Service, check_secret_name, name_of};
use crate::kms::json::Object;
use crate::kms::wire::Members;
use crate::kms::{percent, wire};
use crate::transport::HttpResponse;

/// The longest name, in bytes.
const MAX_NAME: usize = 64;

impl HuaweiConfig {
    /// The path of a secret, or of something of it.
    ///
    /// # Errors
    /// `invalid_argument` for a name that CSMS does not take.
    pub(super) fn secret_path(&self, name: &str, rest: &str) -> Result<String> {
        check_secret_name(name, MAX_NAME, b"-_")?;
        Ok(format!("/v1/{}/secrets/{name}{rest}", self.project))
    }

    pub(super) async fn put_secret(
        &self,
        link: Link<'_>,
        name: &str,
        value: &SecretBytes,
        key: Option<&KeyUri>,
    ) -> Result<Response> {
        let key = key.map(|key| name_of(self, key)).transpose()?;
        let versions = self.secret_path(name, "/versions")?;
        let stored = |create: bool| {
            let mut members = Members::new(value.len());
            if create {
                members.text("name", name);
                members.maybe_text("kms_key_id", key);
            }
            // Text where it is UTF-8, which other clients can show; else bytes.
            match std::str::from_utf8(value.expose()) {
                Ok(text) => members.text("secret_string", text),
                Err(_) => members.bytes("secret_binary", value.expose()),
            }
            if create {
                let path = format!("/v1/{}/secrets", self.project);
                return Ask::post(Service::Secrets, "CreateSecret", path, members.finish());
            }
            members.texts("version_stages", &["SYSCURRENT"]);
            let (operation, body) = ("CreateSecretVersion", members.finish());
            Ask::post(Service::Secrets, operation, versions.clone(), body)
        };
        for _ in 0..2 {
            match link.try_ask(stored(false)).await? {
                Ok(response) => return version_of(&response),
                Err(fault) if fault.category == Category::NotFound => {}
                Err(fault) => return Err(fault.into_error(true)),
            }
            match link.try_ask(stored(true)).await? {
                // The answer does not name the version.
                Ok(response) => {
                    Object(&response.body).object("secret")?.text("name")?;
                    let version = self.version_at(link, name, "SYSCURRENT").await?;
                    return Ok(Response::SecretVersion { version });
                }
                // Somebody else was faster: a new version after all.
                Err(fault) if fault.category == Category::Conflict => {}
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
        let at_stage = match (version, stage) {
            // The service has a name for it.
            (None, None | Some("AWSCURRENT")) => Some("latest".to_owned()),
            (Some(_), None) => None,
            (_, Some(stage)) => Some(self.version_at(link, name, stage_name(stage)).await?),
        };
        let version = match (version, at_stage) {
            (Some(version), Some(at_stage)) if version != at_stage => {
                return Err(Error::new(ErrorCode::SecretNotFound, "there is no such version"));
            }
            (Some(version), _) => version.to_owned(),
            (None, at_stage) => at_stage.unwrap_or_default(),
        };
        let path = self.secret_path(name, &format!("/versions/{}", &*percent::encode(&version)))?;
        let ask = Ask::bare(Service::Secrets, "GET", "ShowSecretVersion", path);
        let response = link.ask(ask).await?;
        let answer = Object(&response.body).object("version")?;
        let text = answer.maybe_text("secret_string")?.filter(|text| !text.is_empty());
        let value = match text {
            Some(text) => text.into_owned().into_bytes(),
            None => answer.bytes("secret_binary")?,
        };
        let version = answer.object("version_metadata")?.text("id")?.into_owned();
        Ok(Response::Secret { value: SecretBytes::new(value), version })
    }

    /// The id of the version at a stage.
    async fn version_at(&self, link: Link<'_>, name: &str, stage: &str) -> Result<String> {
        let path = self.secret_path(name, &format!("/stages/{}", &*percent::encode(stage)))?;
        let ask = Ask::bare(Service::Secrets, "GET", "ShowSecretStage", path);
        let response = link.ask(ask).await?;
        Ok(Object(&response.body).object("stage")?.text("version_id")?.into_owned())
    }
}

/// The service's name of a stage.
fn stage_name(stage: &str) -> &str {
    match stage {
        "AWSCURRENT" => "SYSCURRENT",
        "AWSPREVIOUS" => "SYSPREVIOUS",
        "AWSPENDING" => "SYSPENDING",
        other => other,
    }
}

/// Keyfold's name of a stage.
pub(super) fn stage_of(name: &str) -> &str {
    match name {
        "SYSCURRENT" => "AWSCURRENT",
        "SYSPREVIOUS" => "AWSPREVIOUS",
        "SYSPENDING" => "AWSPENDING",
        other => other,
    }
}

fn version_of(response: &HttpResponse) -> Result<Response> {
    let metadata = Object(&response.body).object("version_metadata")?;
    let version = metadata.text("id").map_err(|_| wire::not_understood())?.into_owned();
    Ok(Response::SecretVersion { version })
}
