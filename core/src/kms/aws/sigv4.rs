//! AWS Signature Version 4.
//!
//! Only keyed hashing, which is [`crypto`](crate::crypto)'s, and the text that is signed.

use std::time::Duration;

use crate::credentials::{Credentials, Kind};
use crate::crypto::hash::{Sha256, hmac_sha256};
use crate::error::{Error, Result};
use crate::kms::moment;
use crate::kms::signing::{Canonical, derived_key, url_parts};
use crate::kms::wire::hex;
use crate::transport::HttpRequest;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Dates and signs a request: every header that it has by now, its host and its body. Adds
/// `x-amz-date`, `x-amz-security-token` for credentials of a session, and `authorization`.
///
/// The path and the query stand as they are in the URL: what has to be percent-encoded is so.
///
/// ```
/// use std::time::Duration;
/// use keyfold::{SecretBytes, credentials::Credentials, kms::aws, transport::HttpRequest};
///
/// let secret = SecretBytes::from(&b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"[..]);
/// let credentials = Credentials::access_key("AKIDEXAMPLE", &secret, None)?;
/// let mut request = HttpRequest {
///     method: "POST".into(),
///     url: "https://kms.us-east-1.amazonaws.com/".into(),
///     headers: vec![("x-amz-target".into(), "TrentService.ListKeys".into())],
///     body: b"{}".to_vec(),
/// };
/// let now = Duration::from_secs(1_700_000_000);
/// aws::sign(&mut request, &credentials, "us-east-1", "kms", now)?;
/// assert_eq!(request.headers[1], ("x-amz-date".into(), "20231114T221320Z".into()));
/// assert!(request.headers[2].1.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20231114/"));
/// # Ok::<(), keyfold::Error>(())
/// ```
///
/// # Errors
/// `invalid_argument` for credentials that are no access key, or a URL without a host.
pub fn sign(
    request: &mut HttpRequest,
    credentials: &Credentials,
    region: &str,
    service: &str,
    now: Duration,
) -> Result<()> {
    let Kind::AccessKey(key) = &credentials.kind else {
        return Err(Error::invalid("a request is signed with an access key"));
    };
    let date = moment::basic(now)?;
    let day = &date[..8];
    request.headers.push(("x-amz-date".to_owned(), date.clone()));
    if let Some(token) = &key.session_token {
        request.headers.push(("x-amz-security-token".to_owned(), token.to_string()));
    }
    let canonical = canonical(request)?;
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let to_sign = format!(
        "{ALGORITHM}\n{date}\n{scope}\n{}",
        hex(&Sha256::digest(canonical.text.as_bytes()))
    );
    let signing_key = key.signing_key(&scope, |secret| {
        derived_key("AWS4", secret, day, &[region, service, "aws4_request"])
    });
    let signature = hmac_sha256(&*signing_key, &[to_sign.as_bytes()]);
    let value = format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders={}, Signature={}",
        key.id,
        canonical.signed_headers,
        hex(&signature)
    );
    request.headers.push(("authorization".to_owned(), value));
    Ok(())
}

fn canonical(request: &HttpRequest) -> Result<Canonical> {
    let (host, path, query) = url_parts(&request.url)?;
    let path = if path.is_empty() { "/" } else { path };
    // Both lists are in order while they grow: they are short.
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let pair = pair.split_once('=').unwrap_or((pair, ""));
        pairs.insert(pairs.partition_point(|known| *known < pair), pair);
    }
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();

    let mut headers: Vec<(String, String)> = vec![("host".to_owned(), collapsed(host))];
    for (name, value) in &request.headers {
        let (name, value) = (name.to_ascii_lowercase(), collapsed(value));
        if matches!(name.as_str(), "authorization" | "user-agent" | "host") {
            continue;
        }
        match headers.binary_search_by(|(known, _)| known.cmp(&name)) {
            // The values of a header that stands twice keep their order.
            Ok(place) => {
                headers[place].1.push(',');
                headers[place].1.push_str(&value);
            }
            Err(place) => headers.insert(place, (name, value)),
        }
    }
    let hashed = hex(&Sha256::digest(&request.body));
    Ok(Canonical::new(&request.method, path, &pairs.join("&"), &headers, &hashed))
}

/// Without blanks at the ends, and with one where there are several.
fn collapsed(value: &str) -> String {
    value.split([' ', '\t']).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canonical_form_is_sorted_trimmed_and_joined() {
        let request = HttpRequest {
            method: "GET".to_owned(),
            url: "https://example.com:8443?b=2&a=1&a=0&c".to_owned(),
            headers: [
                ("X-Two", "  b   b "),
                ("User-Agent", "not signed"),
                ("x-one", "1"),
                ("x-two", "c"),
                ("Authorization", "not signed"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
            body: Vec::new(),
        };
        let canonical = canonical(&request).expect("a canonical form");
        assert_eq!(
            *canonical.text,
            "GET\n/\na=0&a=1&b=2&c=\nhost:example.com:8443\nx-one:1\nx-two:b b,c\n\n\
             host;x-one;x-two\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(canonical.signed_headers, "host;x-one;x-two");
    }
}
