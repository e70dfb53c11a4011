//! Reading the password safe, which wants the credential of an application beside the access key,
//! and encrypts what it answers under that.

use std::time::Duration;

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use super::{PingAnConfig, app_signature, needed, text};
use crate::credentials::Credentials;
use crate::crypto::hash::{Sha256, constant_time_eq};
use crate::crypto::legacy::aes128_ecb_open;
use crate::error::{Error, ErrorCode, Result};
use crate::kms::Response;
use crate::kms::cloud::{Link, Service, check_secret_name, not_understood};
use crate::kms::json::Object;
use crate::kms::moment;
use crate::kms::wire::unhex;

/// The longest name of an account, in bytes.
const MAX_NAME: usize = 128;

impl PingAnConfig {
    /// What says which application asks.
    pub(super) fn app_parameters(
        &self,
        credentials: &Credentials,
        at: Duration,
    ) -> Result<Vec<(String, Zeroizing<String>)>> {
        let (id, key) = credentials.app().ok_or_else(no_app)?;
        let local = at.saturating_add(self.utc_offset);
        let basic = moment::basic(local)?;
        let time = format!("{}{}{:03}", &basic[..8], &basic[9..15], local.subsec_millis());
        let signature = app_signature(id, key, &time);
        let pairs = [("appId", id), ("requestTime", &time), ("sign", &signature)];
        Ok(pairs.map(|(n, v)| (n.to_owned(), Zeroizing::new(v.to_owned()))).to_vec())
    }

    pub(super) async fn get_secret(
        &self,
        link: Link<'_>,
        name: &str,
        version: Option<&str>,
        stage: Option<&str>,
    ) -> Result<Response> {
        check_secret_name(name, MAX_NAME, b"/_+=.@-")?;
        if version.is_some_and(|version| version != CURRENT)
            || !matches!(stage, None | Some(CURRENT))
        {
            return Err(Error::new(ErrorCode::SecretNotFound, "a password here has one version"));
        }
        let ask = self.ask(Service::Secrets, "GetKeychainPassword", &[("keychainAccount", name)]);
        let response = link.ask(ask).await?;
        let credentials = link.credentials().await?;
        let (id, key) = credentials.app().ok_or_else(no_app)?;
        let answer = Object(&response.body);
        if let Some(signature) = text(answer, "sign")?.filter(|_| self.check_replies) {
            let time = text(answer, "responseTime")?.unwrap_or_default();
            let expected = app_signature(id, key, &time);
            let hash = |text: &str| Sha256::digest(text.to_ascii_uppercase().as_bytes());
            if !constant_time_eq(&hash(&expected), &hash(&signature)) {
                return Err(not_understood());
            }
        }
        let sealed = needed(answer, "keychainPassword")?;
        // Which of the two it is, the documentation does not say.
        let digits = sealed.len() % 32 == 0 && sealed.bytes().all(|b| b.is_ascii_hexdigit());
        let sealed = if digits {
            unhex(&sealed)?
        } else {
            Base64::decode_vec(&sealed).map_err(|_| not_understood())?
        };
        let value = aes128_ecb_open(key.expose(), sealed).ok_or_else(Error::authentication)?;
        Ok(Response::Secret { value, version: CURRENT.to_owned() })
    }
}

/// The one version there is.
const CURRENT: &str = "AWSCURRENT";

fn no_app() -> Error {
    Error::new(
        ErrorCode::KmsDenied,
        "the password safe wants the credential of an application beside the access key",
    )
}
