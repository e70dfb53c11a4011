//! The password safe: secrets in KV version 2.
//!
//! A secret is a map there; its value is one member of it. A value that is no UTF-8 is kept in
//! Base64, which another member says, and a third one has the token of the change: a change whose
//! answer was lost is found again by it.

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use super::name::{is_path, is_version};
use super::{VaultConfig, bare, data, post, refused};
use crate::error::{Error, ErrorCode, Result};
use crate::keys::{KeyUri, SecretBytes};
use crate::kms::Response;
use crate::kms::cloud::fault::Category;
use crate::kms::cloud::{Link, Service, not_understood};
use crate::kms::json::Object;
use crate::kms::wire::Members;
use crate::transport::HttpResponse;

/// The member with the token of a change.
const TOKEN: &str = "keyfold-token";
/// The member that says how the value is written, and its only value.
const ENCODING: &str = "keyfold-encoding";
const IN_BASE64: &str = "base64";
/// How often a change is tried that others came between.
const MAX_TRIES: usize = 3;

/// What there is of a secret.
struct Found {
    /// 0 where there is none yet.
    version: u64,
    /// Whether the version is that of the change with this token.
    done: bool,
}

impl VaultConfig {
    /// The path of a secret in one of its views: `data`, `metadata`, `undelete`.
    ///
    /// # Errors
    /// `invalid_argument` for a name of another form.
    pub(super) fn secret_path(&self, view: &str, name: &str) -> Result<String> {
        if is_path(name) {
            return Ok(format!("/v1/{}/{view}/{name}", self.kv));
        }
        Err(refused("the name of a secret is a path of 1 to 255 letters, digits and -_. here"))
    }

    pub(super) async fn put_secret(
        &self,
        link: Link<'_>,
        name: &str,
        value: &SecretBytes,
        key: Option<&KeyUri>,
        token: &str,
    ) -> Result<Response> {
        let path = self.secret_path("data", name)?;
        if key.is_some() {
            return Err(refused("secrets at Vault are under the server's own key"));
        }
        for _ in 0..MAX_TRIES {
            let found = self.find(link, &path, token).await?;
            if found.done {
                return Ok(Response::SecretVersion { version: found.version.to_string() });
            }
            let ask = post(Service::Secrets, "put", path.clone(), {
                let mut options = Members::new(0);
                options.number("cas", found.version);
                let mut members = Members::new(value.len() * 2);
                members.json("options", &options.finish());
                members.json("data", &self.members(value, token));
                members
            });
            match link.try_ask(ask).await? {
                Ok(response) => {
                    let version = version_of(data(&response)?)?.to_string();
                    return Ok(Response::SecretVersion { version });
                }
                // Somebody was faster.
                Err(fault) if fault.category == Category::Conflict => {}
                Err(fault) => return Err(fault.into_error(true)),
            }
        }
        let detail = "others change this secret all the time";
        Err(Error::new(ErrorCode::VersionConflict, detail))
    }

    /// The map that a secret is.
    fn members(&self, value: &SecretBytes, token: &str) -> Zeroizing<Vec<u8>> {
        let mut members = Members::new(value.len() * 2);
        match std::str::from_utf8(value.expose()) {
            Ok(text) => members.text(&self.field, text),
            Err(_) => {
                members.bytes(&self.field, value.expose());
                members.text(ENCODING, IN_BASE64);
            }
        }
        members.text(TOKEN, token);
        members.finish()
    }

    async fn find(&self, link: Link<'_>, path: &str, token: &str) -> Result<Found> {
        match link.try_ask(bare(Service::Secrets, "GET", path.to_owned())).await? {
            Ok(response) => {
                let (map, version) = content(&response)?;
                let done = match map {
                    Some(map) => map.maybe_text(TOKEN)?.as_deref() == Some(token),
                    None => false,
                };
                Ok(Found { version, done })
            }
            Err(fault) if fault.category == Category::NotFound => {
                Ok(Found { version: 0, done: false })
            }
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
        let path = self.secret_path("data", name)?;
        if version.is_some_and(|version| !is_version(version)) {
            return Err(refused("the versions of a secret at Vault are numbers"));
        }
        let back = match stage {
            None | Some("AWSCURRENT") => 0,
            Some("AWSPREVIOUS") => 1,
            Some(_) => return Err(no_such_version()),
        };
        let asked = match (version, stage) {
            (version, None) => version.map(str::to_owned),
            (None, Some("AWSCURRENT")) => None,
            (version, Some(_)) => {
                let ask = bare(Service::Secrets, "GET", self.secret_path("metadata", name)?);
                let response = link.ask(ask).await?;
                let current = super::info::current(data(&response)?)?;
                let staged = current.checked_sub(back).filter(|staged| *staged > 0);
                let staged = staged.map(|staged| staged.to_string());
                let fits = staged.filter(|id| version.is_none_or(|version| version == id));
                Some(fits.ok_or_else(no_such_version)?)
            }
        };
        let ask = bare(Service::Secrets, "GET", path);
        let ask = match &asked {
            Some(version) => ask.with_query("version", version),
            None => ask,
        };
        let response = link.ask(ask).await?;
        let (map, version) = content(&response)?;
        let version = version.to_string();
        if asked.is_some_and(|asked| asked != version) {
            return Err(not_understood());
        }
        let map = map.ok_or_else(no_such_version)?;
        let text = map.maybe_text(&self.field)?.ok_or_else(|| {
            let detail = format!("the secret has no member {}", self.field);
            Error::new(ErrorCode::SecretNotFound, detail)
        })?;
        let text = Zeroizing::new(text.into_owned());
        let value = match map.maybe_text(ENCODING)?.as_deref() {
            Some(IN_BASE64) => Base64::decode_vec(&text).map_err(|_| not_understood())?,
            _ => text.as_bytes().to_vec(),
        };
        Ok(Response::Secret { value: SecretBytes::new(value), version })
    }
}

/// The map that a version is, and its number; no map where the version is gone, which is an answer
/// too, though its status is 404.
fn content(response: &HttpResponse) -> Result<(Option<Object<'_>>, u64)> {
    let answer = Object(&response.body).object("data")?;
    let version = version_of(answer.object("metadata")?)?;
    let map = answer.maybe_object("data")?;
    // Looking anything up checks that it is one.
    map.map(|map| map.maybe_object(TOKEN)).transpose()?;
    Ok((map.filter(|_| response.status / 100 == 2), version))
}

fn version_of(metadata: Object<'_>) -> Result<u64> {
    metadata.maybe_number("version")?.filter(|version| *version > 0).ok_or_else(not_understood)
}

pub(super) fn no_such_version() -> Error {
    Error::new(ErrorCode::SecretNotFound, "there is no such version")
}
