//! The secrets manager.

use std::borrow::Cow;

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use super::{AlibabaConfig, ask};
use crate::error::{Error, ErrorCode, Result};
use crate::keys::{KeyUri, SecretBytes};
use crate::kms::Response;
use crate::kms::cloud::fault::Category;
use crate::kms::cloud::{Link, Service, check_secret_name, name_of, not_understood};
use crate::kms::json::Object;

/// The longest name, in bytes.
const MAX_NAME: usize = 192;
const NAME_CHARACTERS: &[u8] = b"/_+=.@-";

impl AlibabaConfig {
    pub(super) async fn put_secret(
        &self,
        link: Link<'_>,
        name: &str,
        value: &SecretBytes,
        key: Option<&KeyUri>,
        token: &str,
    ) -> Result<Response> {
        check_secret_name(name, MAX_NAME, NAME_CHARACTERS)?;
        let key = key.map(|key| name_of(self, key)).transpose()?;
        // Text where it is UTF-8, which other clients can show; else bytes.
        let (kind, text) = match std::str::from_utf8(value.expose()) {
            Ok(text) => ("text", Zeroizing::new(text.to_owned())),
            Err(_) => ("binary", Zeroizing::new(Base64::encode_string(value.expose()))),
        };
        let parameters = [
            ("SecretName", name),
            ("VersionId", token),
            ("SecretDataType", kind),
            ("SecretData", &text),
        ];
        for _ in 0..2 {
            let put = ask(Service::Secrets, "PutSecretValue", &parameters);
            match link.try_ask(put).await? {
                Ok(response) => return version(Object(&response.body)),
                // The answer to this change was lost: the version is there.
                Err(fault) if fault.category == Category::Conflict => {
                    return Ok(Response::SecretVersion { version: token.to_owned() });
                }
                Err(fault) if fault.category == Category::NotFound => {}
                Err(fault) => return Err(fault.into_error(true)),
            }
            let mut create = ask(Service::Secrets, "CreateSecret", &parameters);
            for (name, value) in [("EncryptionKeyId", key), ("DKMSInstanceId", self.instance())] {
                if let Some(value) = value {
                    create = create.with_query(name, value);
                }
            }
            match link.try_ask(create).await? {
                Ok(response) => return version(Object(&response.body)),
                // Somebody else was faster: a new version after all.
                Err(fault) if fault.category == Category::Conflict => {}
                Err(fault) => return Err(fault.into_error(true)),
            }
        }
        Err(Error::new(ErrorCode::VersionConflict, "the secret changes all the time"))
    }

    pub(super) fn instance(&self) -> Option<&str> {
        self.instance.as_deref()
    }

    pub(super) async fn get_secret(
        &self,
        link: Link<'_>,
        name: &str,
        version: Option<&str>,
        stage: Option<&str>,
    ) -> Result<Response> {
        check_secret_name(name, MAX_NAME, NAME_CHARACTERS)?;
        let mut get = ask(Service::Secrets, "GetSecretValue", &[("SecretName", name)]);
        for (name, value) in [("VersionId", version), ("VersionStage", stage.map(stage_name))] {
            if let Some(value) = value {
                get = get.with_query(name, value);
            }
        }
        let response = link.ask(get).await?;
        let answer = Object(&response.body);
        let text = Zeroizing::new(answer.text("SecretData")?.into_owned());
        let value = match answer.maybe_text("SecretDataType")?.as_deref() {
            Some("binary") => Base64::decode_vec(&text).map_err(|_| not_understood())?,
            Some("text") | None => text.as_bytes().to_vec(),
            Some(_) => return Err(not_understood()),
        };
        let version = answer.text("VersionId").map(Cow::into_owned)?;
        Ok(Response::Secret { value: SecretBytes::new(value), version })
    }
}

fn version(answer: Object<'_>) -> Result<Response> {
    Ok(Response::SecretVersion { version: answer.text("VersionId")?.into_owned() })
}

/// The service's name of a stage.
fn stage_name(stage: &str) -> &str {
    match stage {
        "AWSCURRENT" => "ACSCurrent",
        "AWSPREVIOUS" => "ACSPrevious",
        other => other,
    }
}

/// Keyfold's name of a stage.
pub(super) fn stage_of(name: &str) -> &str {
    match name {
        "ACSCurrent" => "AWSCURRENT",
        "ACSPrevious" => "AWSPREVIOUS",
        other => other,
    }
}
