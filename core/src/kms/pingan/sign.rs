//! The signature of requests, and the one of applications.

use std::time::Duration;

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::credentials::{Credentials, Kind};
use crate::crypto::hash::{Sha256, hmac_sha1};
use crate::error::{Error, Result};
use crate::keys::SecretBytes;
use crate::kms::percent;
use crate::kms::wire::hex;
use crate::transport::HttpRequest;

/// Dates and signs a request among its parameters, which stand percent-encoded in its URL: adds
/// `accessKeyId`, `signatureMethod`, `signatureNonce`, `signatureVersion`, `timestamp` and
/// `signature`.
///
/// What is signed is in lower case: the signature does not tell `A` from `a`.
///
/// ```
/// use std::time::Duration;
/// use keyfold::{SecretBytes, credentials::Credentials, kms::pingan, transport::HttpRequest};
///
/// let secret = SecretBytes::from(&b"PaExampleAccessKeySecret"[..]);
/// let credentials = Credentials::access_key("PAEXAMPLEACCESSKEYID", &secret, None)?;
/// let mut request = HttpRequest {
///     method: "GET".into(),
///     url: "https://kms-cn-shanghai.yun.pingan.com/?action=DescribeKey&keyId=k".into(),
///     headers: vec![],
///     body: vec![],
/// };
/// pingan::sign(&mut request, &credentials, Duration::from_secs(1_700_000_000), "7")?;
/// assert!(request.url.contains("&timestamp=1700000000000&signature="));
/// # Ok::<(), keyfold::Error>(())
/// ```
///
/// # Errors
/// `invalid_argument` for credentials that are no access key, or are one of a session, which the
/// service does not have.
pub fn sign(
    request: &mut HttpRequest,
    credentials: &Credentials,
    now: Duration,
    nonce: &str,
) -> Result<()> {
    let key = match &credentials.kind {
        Kind::AccessKey(key) if key.session_token.is_none() => key,
        _ => return Err(Error::invalid("a request is signed with a lasting access key")),
    };
    let (base, query) = request.url.split_once('?').unwrap_or((&request.url, ""));
    let timestamp = now.as_millis().to_string();
    let added = percent::form([
        ("accessKeyId", key.id.as_str()),
        ("signatureMethod", "HMAC-SHA1"),
        ("signatureNonce", nonce),
        ("signatureVersion", "1.0"),
        ("timestamp", &timestamp),
    ]);
    let pairs = query.split('&').chain(added.split('&')).filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(Zeroizing<String>, &str)> =
        pairs.map(|pair| (Zeroizing::new(pair.to_ascii_lowercase()), pair)).collect();
    pairs.sort_by(|(a, _), (b, _)| name(a).cmp(name(b)));
    let len = query.len() + added.len() + 1;
    let (mut canonical, mut sorted) =
        (Zeroizing::new(String::with_capacity(len)), Zeroizing::new(String::with_capacity(len)));
    for (lower, pair) in &pairs {
        if !canonical.is_empty() {
            canonical.push('&');
            sorted.push('&');
        }
        canonical.push_str(lower);
        sorted.push_str(pair);
    }
    let signature = key.with_secret(|secret| hmac_sha1(secret.as_bytes(), canonical.as_bytes()));
    let encoded = percent::encode(&Base64::encode_string(&signature));
    let mut url = String::with_capacity(base.len() + len + encoded.len() + 12);
    for part in [base, "?", &sorted, "&signature=", &encoded] {
        url.push_str(part);
    }
    request.url = url;
    Ok(())
}

/// The name of an encoded pair.
fn name(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(name, _)| name)
}

/// The signature of an application, in capital hexadecimal digits: who has the key of the
/// application asks at this time, `yyyyMMddhhmmssSSS`.
///
/// ```
/// use keyfold::{SecretBytes, kms::pingan};
///
/// let key = SecretBytes::from(&b"LzcI824P243Bt48F"[..]);
/// let signature = pingan::app_signature("APP_KMS_koZvZIHO", &key, "20180914102400000");
/// assert!(signature.starts_with("BB709E71"));
/// ```
pub fn app_signature(app_id: &str, app_key: &SecretBytes, time: &str) -> String {
    let mut hash = Sha256::default();
    for part in [app_id.as_bytes(), b"&", app_key.expose(), b"&", time.as_bytes()] {
        hash.update(part);
    }
    hex(&hash.finish()).to_ascii_uppercase()
}
