//! What the vendors' signatures of HTTP requests have in common: they descend from one.

use zeroize::Zeroizing;

use super::endpoint::split_scheme;
use crate::crypto::hash::hmac_sha256;
use crate::error::{Error, Result};

/// The host, the path and the query of a URL; the path without its slash where there is none.
pub(super) fn url_parts(url: &str) -> Result<(&str, &str, &str)> {
    let (_, after_scheme) = split_scheme(url).unwrap_or_default();
    let end = after_scheme.find(['/', '?']).unwrap_or(after_scheme.len());
    let (host, rest) = after_scheme.split_at(end);
    if host.is_empty() {
        return Err(Error::invalid("the URL of a request has no host"));
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    Ok((host, path, query))
}

/// The text of a request that is hashed, and the names of the headers in it. It may hold secrets
/// and tokens.
pub(super) struct Canonical {
    pub(super) text: Zeroizing<String>,
    pub(super) signed_headers: String,
}

impl Canonical {
    /// Of headers that are in order.
    pub(super) fn new<V: AsRef<str>>(
        method: &str,
        path: &str,
        query: &str,
        headers: &[(String, V)],
        hashed_body: &str,
    ) -> Self {
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        let signed_headers = names.join(";");
        let mut parts = vec![method, "\n", path, "\n", query, "\n"];
        for (name, value) in headers {
            parts.extend([name.as_str(), ":", value.as_ref(), "\n"]);
        }
        parts.extend(["\n", &signed_headers, "\n", hashed_body]);
        // In one piece: a text that grows leaves copies of itself behind.
        let text = Zeroizing::new(parts.concat());
        Canonical { text, signed_headers }
    }
}

/// The key for signatures of one day and, by the names in `scope`, of one service.
pub(super) fn derived_key(
    prefix: &str,
    secret: &str,
    day: &str,
    scope: &[&str],
) -> Zeroizing<[u8; 32]> {
    let first = Zeroizing::new([prefix, secret].concat());
    let mut derived = Zeroizing::new(hmac_sha256(first.as_bytes(), &[day.as_bytes()]));
    for part in scope {
        derived = Zeroizing::new(hmac_sha256(&*derived, &[part.as_bytes()]));
    }
    derived
}
