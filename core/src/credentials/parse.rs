//! What the endpoints that give out credentials answer.

use std::time::Duration;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::Credentials;
use crate::error::{Error, ErrorCode, Result};
use crate::keys::SecretBytes;
use crate::kms::moment;
use crate::transport::{HttpRequest, HttpResponse, Transport};

/// The longest answer, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// What container and instance endpoints answer.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    code: Option<String>,
    access_key_id: String,
    secret_access_key: Zeroizing<String>,
    token: Option<Zeroizing<String>>,
    expiration: Option<String>,
}

/// The credentials in the JSON of a container or instance endpoint.
pub(super) fn from_json(body: &[u8]) -> Result<Credentials> {
    let answer: Answer = serde_json::from_slice(body).map_err(|_| not_understood())?;
    if answer.code.is_some_and(|code| code != "Success") {
        return Err(Error::new(ErrorCode::KmsDenied, "the machine has no credentials now"));
    }
    let expires = answer.expiration.map(|end| moment::rfc_3339(&end).ok_or_else(not_understood));
    build(answer.access_key_id, &answer.secret_access_key, answer.token, expires.transpose()?)
}

/// The credentials out of their parts.
pub(super) fn build(
    id: String,
    secret: &str,
    token: Option<Zeroizing<String>>,
    expires: Option<Duration>,
) -> Result<Credentials> {
    let secret = SecretBytes::from(secret.as_bytes());
    let token = token.map(|token| SecretBytes::from(token.as_bytes()));
    let made =
        Credentials::access_key(id, &secret, token.as_ref()).map_err(|_| not_understood())?;
    Ok(match expires {
        Some(end) => made.expiring(end),
        None => made,
    })
}

pub(super) fn not_understood() -> Error {
    Error::new(ErrorCode::KmsProtocol, "a source of credentials gave an answer of another form")
}

/// Sends a request and takes the body of an answer with status 200.
pub(super) async fn fetch<T: Transport>(
    transport: &T,
    request: HttpRequest,
) -> Result<HttpResponse> {
    check(transport.send(request).await?)
}

/// An answer with status 200.
pub(super) fn check(response: HttpResponse) -> Result<HttpResponse> {
    if response.body.len() > MAX_ANSWER {
        return Err(not_understood());
    }
    let code = match response.status {
        200 => return Ok(response),
        400..=403 => ErrorCode::KmsDenied,
        429 => ErrorCode::KmsThrottled,
        500..=599 => ErrorCode::KmsUnavailable,
        _ => ErrorCode::KmsProtocol,
    };
    let detail = format!("a source of credentials answered with status {}", response.status);
    Err(Error::new(code, detail))
}

/// A request without a body.
pub(super) fn bare(method: &str, url: String, headers: Vec<(String, String)>) -> HttpRequest {
    HttpRequest { method: method.to_owned(), url, headers, body: Vec::new() }
}
