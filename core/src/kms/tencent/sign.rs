//! TC3-HMAC-SHA256.

use std::time::Duration;

use crate::credentials::{Credentials, Kind};
use crate::crypto::hash::{Sha256, hmac_sha256};
use crate::error::{Error, Result};
use crate::kms::moment;
use crate::kms::signing::{Canonical, derived_key, url_parts};
use crate::kms::wire::hex;
use crate::transport::HttpRequest;

const ALGORITHM: &str = "TC3-HMAC-SHA256";

/// Dates and signs a request: its content type, host, query and body. Adds `x-tc-timestamp`,
/// `x-tc-token` for credentials of a session, and `authorization`.
///
/// A request with the header `x-tc-content-sha256: UNSIGNED-PAYLOAD` is signed without its body,
/// which the services allow and keyfold's own requests never do.
///
/// ```
/// use std::time::Duration;
/// use keyfold::{SecretBytes, credentials::Credentials, kms::tencent, transport::HttpRequest};
///
/// let secret = SecretBytes::from(&b"EXAMPLEsecretKEYexampleSECRET001"[..]);
/// let credentials = Credentials::access_key("AKIDEXAMPLE", &secret, None)?;
/// let mut request = HttpRequest {
///     method: "POST".into(),
///     url: "https://kms.tencentcloudapi.com/".into(),
///     headers: vec![("content-type".into(), "application/json".into())],
///     body: b"{}".to_vec(),
/// };
/// tencent::sign(&mut request, &credentials, "kms", Duration::from_secs(1_700_000_000))?;
/// assert_eq!(request.headers[1], ("x-tc-timestamp".into(), "1700000000".into()));
/// assert!(request.headers[2].1.starts_with("TC3-HMAC-SHA256 Credential=AKIDEXAMPLE/2023-11-14/"));
/// # Ok::<(), keyfold::Error>(())
/// ```
///
/// # Errors
/// `invalid_argument` for credentials that are no access key, or a URL without a host.
pub fn sign(
    request: &mut HttpRequest,
    credentials: &Credentials,
    service: &str,
    now: Duration,
) -> Result<()> {
    let Kind::AccessKey(key) = &credentials.kind else {
        return Err(Error::invalid("a request is signed with an access key"));
    };
    let timestamp = now.as_secs().to_string();
    let date = moment::extended(now)?;
    let day = &date[..10];
    request.headers.push(("x-tc-timestamp".to_owned(), timestamp.clone()));
    if let Some(token) = &key.session_token {
        request.headers.push(("x-tc-token".to_owned(), token.to_string()));
    }
    let header = |name: &str| {
        let found = request.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    };
    let (host, _, query) = url_parts(&request.url)?;
    let content_type = header("content-type")
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Error::invalid("a request is signed with its content type"))?;
    let payload = match header("x-tc-content-sha256") {
        Some(unsigned @ "UNSIGNED-PAYLOAD") => Sha256::digest(unsigned.as_bytes()),
        _ => Sha256::digest(&request.body),
    };
    let headers = [("content-type".to_owned(), content_type), ("host".to_owned(), host)];
    let Canonical { text, signed_headers } =
        Canonical::new(&request.method, "/", query, &headers, &hex(&payload));
    let scope = format!("{day}/{service}/tc3_request");
    let to_sign =
        format!("{ALGORITHM}\n{timestamp}\n{scope}\n{}", hex(&Sha256::digest(text.as_bytes())));
    let signing_key = key
        .signing_key(&scope, |secret| derived_key("TC3", secret, day, &[service, "tc3_request"]));
    let signature = hex(&hmac_sha256(&*signing_key, &[to_sign.as_bytes()]));
    let value = format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders={signed_headers}, Signature={signature}",
        key.id
    );
    request.headers.push(("authorization".to_owned(), value));
    Ok(())
}
