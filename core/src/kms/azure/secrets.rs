//! The password safe: the secrets of a vault.
//!
//! A value is text there. One that is no UTF-8 is kept in Base64, which its content type says. A
//! version that keyfold writes has the token of its change in a tag: a change whose answer was
//! lost is found again by it.

use std::time::Duration;

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use super::name::{is_name, is_version};
use super::{AzureConfig, CAPABILITIES, answer, bare, next_page, page_of, refused, send};
use crate::error::{Error, ErrorCode, Result};
use crate::keys::{KeyUri, SecretBytes};
use crate::kms::Response;
use crate::kms::cloud::fault::Category;
use crate::kms::cloud::{Link, Service, not_understood};
use crate::kms::endpoint::split_scheme;
use crate::kms::json::Object;
use crate::kms::wire::Members;

/// What a value in Base64 is marked by.
const IN_BASE64: &str = "application/x-keyfold-base64";
/// The tag with the token of a change.
const TOKEN: &str = "keyfold-token";
/// How many pages of versions a secret may have before something is wrong.
const MAX_PAGES: usize = 100;

/// A version in a list.
pub(super) struct Version {
    pub(super) id: String,
    pub(super) created: Option<Duration>,
    pub(super) enabled: bool,
    pub(super) recoverable_days: Option<u64>,
}

impl AzureConfig {
    pub(super) async fn put_secret(
        &self,
        link: Link<'_>,
        name: &str,
        value: &SecretBytes,
        key: Option<&KeyUri>,
        token: &str,
    ) -> Result<Response> {
        let path = secret_path(name)?;
        if key.is_some() {
            return Err(refused("secrets at Azure are under the vault's own key"));
        }
        let encoded;
        let (text, kind) = if let Ok(text) = std::str::from_utf8(value.expose()) {
            (text, None)
        } else {
            encoded = Zeroizing::new(Base64::encode_string(value.expose()));
            (encoded.as_str(), Some(IN_BASE64))
        };
        if text.len() > CAPABILITIES.max_secret {
            return Err(Error::limit("the value is longer than this service takes"));
        }
        match link.try_ask(bare(Service::Secrets, "GET", path.clone())).await? {
            Ok(response) => {
                let current = answer(&response)?;
                let tags = current.maybe_object("tags")?;
                let done = tags.map(|tags| tags.maybe_text(TOKEN)).transpose()?.flatten();
                if done.as_deref() == Some(token) {
                    return Ok(Response::SecretVersion { version: version_of(current, name)? });
                }
            }
            // A new one, or one whose present version cannot be read.
            Err(fault) if matches!(fault.category, Category::NotFound | Category::InvalidState) => {
            }
            Err(fault) => return Err(fault.into_error(true)),
        }
        let mut tags = Members::new(0);
        tags.text(TOKEN, token);
        let mut members = Members::new(text.len());
        members.text("value", text);
        members.maybe_text("contentType", kind);
        members.json("tags", &tags.finish());
        let response = link.ask(send(Service::Secrets, "PUT", "", path, members)).await?;
        let version = version_of(answer(&response)?, name)?;
        Ok(Response::SecretVersion { version })
    }

    pub(super) async fn get_secret(
        &self,
        link: Link<'_>,
        name: &str,
        version: Option<&str>,
        stage: Option<&str>,
    ) -> Result<Response> {
        let path = secret_path(name)?;
        if version.is_some_and(|version| !is_version(version)) {
            return Err(refused("a version of a secret at Azure has letters and digits"));
        }
        let asked = match (version, stage) {
            (version, None) => version.map(str::to_owned),
            (None, Some("AWSCURRENT")) => None,
            (version, Some(stage)) => {
                let versions = self.versions(link, name).await?;
                let staged = staged(&versions, stage).map(|version| version.id.clone());
                let fits = staged.filter(|id| version.is_none_or(|version| version == id));
                Some(fits.ok_or_else(no_such_version)?)
            }
        };
        let path = asked.as_ref().map_or_else(|| path.clone(), |asked| format!("{path}/{asked}"));
        let response = link.ask(bare(Service::Secrets, "GET", path)).await?;
        let answer = answer(&response)?;
        let text = Zeroizing::new(answer.text("value")?.into_owned());
        let value = match answer.maybe_text("contentType")?.as_deref() {
            Some(IN_BASE64) => Base64::decode_vec(&text).map_err(|_| not_understood())?,
            _ => text.as_bytes().to_vec(),
        };
        let value = SecretBytes::new(value);
        let version = version_of(answer, name)?;
        if asked.is_some_and(|asked| asked != version) {
            return Err(not_understood());
        }
        Ok(Response::Secret { value, version })
    }

    /// The versions of a secret, the oldest first.
    pub(super) async fn versions(&self, link: Link<'_>, name: &str) -> Result<Vec<Version>> {
        let path = format!("{}/versions", secret_path(name)?);
        let (mut found, mut page) = (Vec::new(), None::<String>);
        for _ in 0..MAX_PAGES {
            let ask = bare(Service::Secrets, "GET", page_of(&path, page.as_deref())?);
            let response = link.ask(ask).await?;
            let answer = answer(&response)?;
            for version in answer.array("value")? {
                let attributes = version.object("attributes")?;
                found.push(Version {
                    id: version_of(version, name)?,
                    created: attributes.maybe_number("created")?.map(Duration::from_secs),
                    enabled: attributes.maybe_flag("enabled")?.unwrap_or(true),
                    recoverable_days: attributes.maybe_number("recoverableDays")?,
                });
            }
            page = next_page(answer)?;
            if page.is_none() {
                found.sort_by_key(|version| version.created);
                return Ok(found);
            }
        }
        Err(Error::limit("the secret has more versions than can be looked through at once"))
    }
}

/// The path of a secret.
///
/// # Errors
/// `invalid_argument` for a name that the service does not take.
pub(super) fn secret_path(name: &str) -> Result<String> {
    if is_name(name) {
        return Ok(format!("/secrets/{name}"));
    }
    Err(refused("the name of a secret has 1 to 127 letters, digits and hyphens here"))
}

/// The version at a stage, out of versions in their order.
pub(super) fn staged<'v>(versions: &'v [Version], stage: &str) -> Option<&'v Version> {
    let back = match stage {
        "AWSCURRENT" => 1,
        "AWSPREVIOUS" => 2,
        _ => return None,
    };
    versions.len().checked_sub(back).map(|at| &versions[at])
}

/// The name in the `id` of an answer, `https://VAULT/secrets/NAME[/VERSION]`, and its version.
pub(super) fn id_of(id: &str) -> Result<(&str, Option<&str>)> {
    let path = split_scheme(id).and_then(|(_, rest)| rest.split_once("/secrets/"));
    let (_, name) = path.ok_or_else(not_understood)?;
    let (name, version) = match name.split_once('/') {
        Some((name, version)) => (name, Some(version)),
        None => (name, None),
    };
    let fits = is_name(name) && version.is_none_or(is_version);
    if fits { Ok((name, version)) } else { Err(not_understood()) }
}

fn version_of(answer: Object<'_>, name: &str) -> Result<String> {
    let id = answer.text("id")?;
    match id_of(&id)? {
        (of, Some(version)) if of.eq_ignore_ascii_case(name) => Ok(version.to_owned()),
        _ => Err(not_understood()),
    }
}

pub(super) fn no_such_version() -> Error {
    Error::new(ErrorCode::SecretNotFound, "there is no such version")
}
