//! SDK-HMAC-SHA256, and its relatives.

use std::time::Duration;

use zeroize::Zeroizing;

use crate::credentials::{Credentials, Kind};
use crate::crypto::hash::{Sha256, Sm3, hmac_sha256, hmac_sm3};
use crate::crypto::kdf::hkdf_sha256;
use crate::error::{Error, Result};
use crate::kms::moment;
use crate::kms::signing::{Canonical, url_parts};
use crate::kms::wire::hex;
use crate::transport::HttpRequest;

/// The ways to sign a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Signing {
    /// `SDK-HMAC-SHA256`, which every deployment takes.
    #[default]
    HmacSha256,
    /// `SDK-HMAC-SM3`, with the hash of GM/T 0004.
    HmacSm3,
    /// `V11-HMAC-SHA256`, with a key for one day, region and service.
    V11 {
        /// The region.
        region: String,
        /// The service.
        service: String,
    },
}

impl Signing {
    fn name(&self) -> &'static str {
        match self {
            Signing::HmacSha256 => "SDK-HMAC-SHA256",
            Signing::HmacSm3 => "SDK-HMAC-SM3",
            Signing::V11 { .. } => "V11-HMAC-SHA256",
        }
    }

    fn digest(&self, bytes: &[u8]) -> [u8; 32] {
        match self {
            Signing::HmacSm3 => Sm3::digest(bytes),
            _ => Sha256::digest(bytes),
        }
    }
}

/// Dates and signs a request: every header that it has by now, its host, path, query and body.
/// Adds `x-sdk-date`, `x-security-token` for credentials of a session, and `authorization`.
///
/// The path and the query stand as they are in the URL: what has to be percent-encoded is so.
///
/// ```
/// use std::time::Duration;
/// use keyfold::{SecretBytes, credentials::Credentials, transport::HttpRequest};
/// use keyfold::kms::huawei::{self, Signing};
///
/// let secret = SecretBytes::from(&b"HwExampleSecretKey0123456789abcdefghijkl"[..]);
/// let credentials = Credentials::access_key("HWEXAMPLEACCESSKEY01", &secret, None)?;
/// let mut request = HttpRequest {
///     method: "GET".into(),
///     url: "https://kms.cn-north-4.myhuaweicloud.com/v1.0/p/kms/aliases".into(),
///     headers: vec![],
///     body: vec![],
/// };
/// let now = Duration::from_secs(1_700_000_000);
/// huawei::sign(&mut request, &credentials, &Signing::HmacSha256, now)?;
/// assert_eq!(request.headers[0], ("x-sdk-date".into(), "20231114T221320Z".into()));
/// assert!(request.headers[1].1.starts_with("SDK-HMAC-SHA256 Access=HWEXAMPLEACCESSKEY01, "));
/// # Ok::<(), keyfold::Error>(())
/// ```
///
/// # Errors
/// `invalid_argument` for credentials that are no access key, or a URL without a host.
pub fn sign(
    request: &mut HttpRequest,
    credentials: &Credentials,
    signing: &Signing,
    now: Duration,
) -> Result<()> {
    let Kind::AccessKey(key) = &credentials.kind else {
        return Err(Error::invalid("a request is signed with an access key"));
    };
    let date = moment::basic(now)?;
    request.headers.push(("x-sdk-date".to_owned(), date.clone()));
    if let Some(token) = &key.session_token {
        request.headers.push(("x-security-token".to_owned(), token.to_string()));
    }
    let Canonical { text, signed_headers } = canonical(request, signing)?;
    let hashed = hex(&signing.digest(text.as_bytes()));
    let name = signing.name();
    let (signature, who) = match signing {
        Signing::V11 { region, service } => {
            let scope = format!("{}/{region}/{service}", &date[..8]);
            let to_sign = format!("{name}\n{date}\n{scope}\n{hashed}");
            let signing_key = key.signing_key(&scope, |secret| {
                let mut derived = Zeroizing::new([0; 32]);
                let (salt, info) = (key.id.as_bytes(), [scope.as_bytes()]);
                hkdf_sha256(salt, secret.as_bytes(), &info, &mut *derived);
                derived
            });
            let digits = Zeroizing::new(hex(&*signing_key));
            let signature = hmac_sha256(digits.as_bytes(), &[to_sign.as_bytes()]);
            (signature, format!("Credential={}/{scope}", key.id))
        }
        Signing::HmacSha256 | Signing::HmacSm3 => {
            let to_sign = format!("{name}\n{date}\n{hashed}");
            let signature = key.with_secret(|secret| match signing {
                Signing::HmacSm3 => hmac_sm3(secret.as_bytes(), to_sign.as_bytes()),
                _ => hmac_sha256(secret.as_bytes(), &[to_sign.as_bytes()]),
            });
            (signature, format!("Access={}", key.id))
        }
    };
    let signature = hex(&signature);
    let value = format!("{name} {who}, SignedHeaders={signed_headers}, Signature={signature}");
    request.headers.push(("authorization".to_owned(), value));
    Ok(())
}

fn canonical(request: &HttpRequest, signing: &Signing) -> Result<Canonical> {
    let (host, path, query) = url_parts(&request.url)?;
    // Not so in the URL itself.
    let path = if path.ends_with('/') { path.to_owned() } else { format!("{path}/") };
    let mut pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    pairs.sort_by_key(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut headers: Vec<(String, &str)> = vec![("host".to_owned(), host)];
    for (name, value) in &request.headers {
        let name = name.to_ascii_lowercase();
        if name != "authorization" && name != "user-agent" && !name.contains('_') {
            headers.push((name, value.trim()));
        }
    }
    headers.sort();
    let hashed = hex(&signing.digest(&request.body));
    Ok(Canonical::new(&request.method, &path, &pairs.join("&"), &headers, &hashed))
}
