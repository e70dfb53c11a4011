//! Requests that bear a token: nothing in them is signed.

use super::Ask;
use crate::credentials::{Credentials, Kind};
use crate::error::{Error, Result};
use crate::kms::endpoint::Endpoint;
use crate::kms::percent;
use crate::transport::HttpRequest;

/// The HTTP request, with JSON in it where there is a body.
///
/// # Errors
/// `invalid_argument` for credentials that are no token.
pub(crate) fn request(
    endpoint: &Endpoint,
    ask: &Ask,
    credentials: &Credentials,
) -> Result<HttpRequest> {
    let Kind::Bearer(token) = &credentials.kind else {
        return Err(Error::invalid("a request to this service bears a token"));
    };
    let mut url = endpoint.url(&ask.path);
    let pairs = ask.query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let query = percent::form(pairs);
    if !query.is_empty() {
        url.push(if ask.path.contains('?') { '&' } else { '?' });
        url.push_str(&query);
    }
    let mut headers = vec![("authorization".to_owned(), format!("Bearer {}", token.as_str()))];
    if !ask.body.is_empty() {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    Ok(HttpRequest { method: ask.method.to_owned(), url, headers, body: ask.body.to_vec() })
}
