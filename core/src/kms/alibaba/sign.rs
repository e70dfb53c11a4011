//! ACS3-HMAC-SHA256, its relatives, and the older way of RPC.

use std::time::Duration;

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::credentials::{AccessKey, Credentials, Kind};
use crate::crypto::hash::{Sha256, Sm3, hmac_sha1, hmac_sha256, hmac_sm3};
use crate::error::{Error, Result};
use crate::kms::signing::{Canonical, derived_key, url_parts};
use crate::kms::wire::hex;
use crate::kms::{moment, percent};
use crate::transport::HttpRequest;

/// The ways to sign a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signing {
    /// `ACS3-HMAC-SHA256`, in headers.
    #[default]
    Acs3Sha256,
    /// `ACS3-HMAC-SM3`, with the hash of GM/T 0004.
    Acs3Sm3,
    /// `ACS4-HMAC-SHA256`, with a key for one day and region.
    Acs4Sha256,
    /// The older way, with HMAC-SHA-1, among the parameters.
    Rpc,
}

impl Signing {
    fn digest(self, bytes: &[u8]) -> String {
        match self {
            Signing::Acs3Sm3 => hex(&Sm3::digest(bytes)),
            _ => hex(&Sha256::digest(bytes)),
        }
    }
}

fn access_key(credentials: &Credentials) -> Result<&AccessKey> {
    match &credentials.kind {
        Kind::AccessKey(key) => Ok(key),
        _ => Err(Error::invalid("a request is signed with an access key")),
    }
}

/// Dates and signs a request in its headers: its host, content type and every `x-acs-` header
/// that it has by now, its query and body. Adds `x-acs-date`, `x-acs-signature-nonce`,
/// `x-acs-content-sha256`, for credentials of a session `x-acs-accesskey-id` and
/// `x-acs-security-token`, and `authorization`.
///
/// The query stands sorted and percent-encoded in the URL. `nonce` is used once. The region counts
/// for [`Signing::Acs4Sha256`] only.
///
/// ```
/// use std::time::Duration;
/// use keyfold::{SecretBytes, credentials::Credentials, transport::HttpRequest};
/// use keyfold::kms::alibaba::{self, Signing};
///
/// let secret = SecretBytes::from(&b"ExampleAccessKeySecret0123456789"[..]);
/// let credentials = Credentials::access_key("LTAI5tEXAMPLEAccessKeyId", &secret, None)?;
/// let mut request = HttpRequest {
///     method: "POST".into(),
///     url: "https://kms.cn-hangzhou.aliyuncs.com/".into(),
///     headers: vec![("x-acs-action".into(), "ListKeys".into())],
///     body: vec![],
/// };
/// let now = Duration::from_secs(1_700_000_000);
/// alibaba::sign(&mut request, &credentials, Signing::Acs3Sha256, "cn-hangzhou", now, "0123")?;
/// assert_eq!(request.headers[1], ("x-acs-date".into(), "2023-11-14T22:13:20Z".into()));
/// # Ok::<(), keyfold::Error>(())
/// ```
///
/// # Errors
/// `invalid_argument` for credentials that are no access key, [`Signing::Rpc`], or a URL without
/// a host.
pub fn sign(
    request: &mut HttpRequest,
    credentials: &Credentials,
    signing: Signing,
    region: &str,
    now: Duration,
    nonce: &str,
) -> Result<()> {
    let key = access_key(credentials)?;
    let hashed_body = signing.digest(&request.body);
    let mut add = |name: &str, value: &str| {
        request.headers.push((name.to_owned(), value.to_owned()));
    };
    add("x-acs-date", &moment::extended(now)?);
    add("x-acs-signature-nonce", nonce);
    add("x-acs-content-sha256", &hashed_body);
    if let Some(token) = &key.session_token {
        add("x-acs-accesskey-id", &key.id);
        add("x-acs-security-token", token);
    }
    let Canonical { text, signed_headers } = canonical(request, &hashed_body)?;
    let hashed = signing.digest(text.as_bytes());
    let name = match signing {
        Signing::Acs3Sha256 => "ACS3-HMAC-SHA256",
        Signing::Acs3Sm3 => "ACS3-HMAC-SM3",
        Signing::Acs4Sha256 => "ACS4-HMAC-SHA256",
        Signing::Rpc => return Err(Error::invalid("this way signs parameters, not headers")),
    };
    let to_sign = format!("{name}\n{hashed}");
    let to_sign = to_sign.as_bytes();
    let (signature, scope) = match signing {
        Signing::Acs4Sha256 => {
            let day = &moment::basic(now)?[..8];
            let scope = format!("/{day}/{region}/Kms/aliyun_v4_request");
            let signing_key = key.signing_key(&scope, |secret| {
                derived_key("aliyun_v4", secret, day, &[region, "Kms", "aliyun_v4_request"])
            });
            (hmac_sha256(&*signing_key, &[to_sign]), scope)
        }
        Signing::Acs3Sm3 => {
            (key.with_secret(|secret| hmac_sm3(secret.as_bytes(), to_sign)), String::new())
        }
        _ => (key.with_secret(|secret| hmac_sha256(secret.as_bytes(), &[to_sign])), String::new()),
    };
    let (id, signature) = (&key.id, hex(&signature));
    let value = format!(
        "{name} Credential={id}{scope},SignedHeaders={signed_headers},Signature={signature}"
    );
    request.headers.push(("authorization".to_owned(), value));
    Ok(())
}

fn canonical(request: &HttpRequest, hashed_body: &str) -> Result<Canonical> {
    let (host, path, query) = url_parts(&request.url)?;
    let path = if path.is_empty() { "/" } else { path };
    let mut headers: Vec<(String, &str)> = vec![("host".to_owned(), host)];
    for (name, value) in &request.headers {
        let name = name.to_ascii_lowercase();
        if name == "content-type" || name.starts_with("x-acs-") {
            headers.push((name, value.trim()));
        }
    }
    headers.sort();
    Ok(Canonical::new(&request.method, path, query, &headers, hashed_body))
}

/// The signature of parameters, in Base64: those of the URL and those of the body alike.
///
/// # Errors
/// `invalid_argument` for credentials that are no access key.
pub fn rpc_signature(
    method: &str,
    parameters: &[(&str, &str)],
    credentials: &Credentials,
) -> Result<String> {
    let mut sorted = parameters.to_vec();
    sorted.sort_unstable();
    let canonical = percent::form(sorted);
    let mut to_sign = Zeroizing::new(String::with_capacity(canonical.len() * 3 + 16));
    to_sign.push_str(method);
    to_sign.push_str("&%2F&");
    percent::encode_into(&mut to_sign, &canonical);
    let signature = access_key(credentials)?.with_secret(|secret| {
        let mut key = Zeroizing::new(Vec::with_capacity(secret.len() + 1));
        key.extend_from_slice(secret.as_bytes());
        key.push(b'&');
        hmac_sha1(&key, to_sign.as_bytes())
    });
    Ok(Base64::encode_string(&signature))
}

/// Dates and signs a request among its parameters: adds the fixed ones and those of every request
/// to the query, and `Signature` at its end. Query and body stand percent-encoded.
///
/// # Errors
/// `invalid_argument` for credentials that are no access key, or parameters that are not
/// percent-encoded.
pub fn sign_rpc(
    request: &mut HttpRequest,
    fixed: &[(&str, &str)],
    credentials: &Credentials,
    now: Duration,
    nonce: &str,
) -> Result<()> {
    let key = access_key(credentials)?;
    let (base, query) = request.url.split_once('?').unwrap_or((&request.url, ""));
    let body = std::str::from_utf8(&request.body).unwrap_or_default();
    let mut in_query = decoded(query)?;
    let mut add = |name: &str, value: &str| {
        in_query.push((Zeroizing::new(name.to_owned()), Zeroizing::new(value.to_owned())));
    };
    for (name, value) in fixed {
        add(name, value);
    }
    add("AccessKeyId", &key.id);
    add("SignatureMethod", "HMAC-SHA1");
    add("SignatureNonce", nonce);
    add("SignatureVersion", "1.0");
    add("Timestamp", &moment::extended(now)?);
    if let Some(token) = &key.session_token {
        add("SecurityToken", token);
    }
    in_query
        .sort_unstable_by(|(a, b), (c, d)| (a.as_str(), b.as_str()).cmp(&(c.as_str(), d.as_str())));
    let in_body = decoded(body)?;
    let all: Vec<(&str, &str)> =
        in_query.iter().chain(&in_body).map(|(name, value)| (&***name, &***value)).collect();
    let signature = rpc_signature(&request.method, &all, credentials)?;
    let query = percent::form(in_query.iter().map(|(name, value)| (&***name, &***value)));
    let encoded = percent::encode(&signature);
    let mut url = String::with_capacity(base.len() + query.len() + encoded.len() + 12);
    for part in [base, "?", &query, "&Signature=", &encoded] {
        url.push_str(part);
    }
    request.url = url;
    Ok(())
}

type Pair = (Zeroizing<String>, Zeroizing<String>);

/// The pairs of a percent-encoded form.
fn decoded(form: &str) -> Result<Vec<Pair>> {
    let part = |text: &str| -> Result<Zeroizing<String>> {
        let wrong = || Error::invalid("a parameter is not percent-encoded");
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
        let mut rest = text.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            if *first != b'%' {
                bytes.push(*first);
                continue;
            }
            let (digits, after) = rest.split_at_checked(2).ok_or_else(wrong)?;
            let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
            bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
            rest = after;
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| wrong())?;
        Ok(Zeroizing::new(text.to_owned()))
    };
    let pairs = form.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((part(name)?, part(value)?))
        })
        .collect()
}
