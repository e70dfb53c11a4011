//! A role taken with a token of another issuer: STS AssumeRoleWithWebIdentity.

use std::sync::Arc;

use quick_xml::Reader;
use quick_xml::events::Event;
use zeroize::Zeroizing;

use super::{Credentials, CredentialsProvider, header_text, parse};
use crate::error::{Error, ErrorCode, Result};
use crate::keys::SecretBytes;
use crate::kms::aws::endpoint::of_service;
use crate::kms::endpoint::Endpoint;
use crate::kms::moment;
use crate::maybe_send::{BoxFuture, MaybeSendSync};
use crate::transport::{HttpRequest, Transport};

/// A token that the host reads anew each time it is asked: from a file that somebody replaces.
///
/// ```
/// use keyfold::{SecretBytes, credentials::TokenSource};
///
/// struct File(std::path::PathBuf);
///
/// impl TokenSource for File {
///     fn token(&self) -> keyfold::Result<SecretBytes> {
///         Ok(SecretBytes::new(std::fs::read(&self.0)?))
///     }
/// }
/// assert!(File("no/such/file".into()).token().is_err());
/// ```
pub trait TokenSource: MaybeSendSync {
    /// The token as it is now, without the end of its line.
    ///
    /// # Errors
    /// `io` where it cannot be read.
    fn token(&self) -> Result<SecretBytes>;
}

/// Takes a role with a token that another issuer signed, as Kubernetes does for its pods. Put it
/// behind [`CachedCredentials`](super::CachedCredentials).
pub struct WebIdentityCredentials<T> {
    transport: T,
    endpoint: Endpoint,
    role: String,
    session: String,
    token: Box<dyn TokenSource>,
}

impl<T: Transport> WebIdentityCredentials<T> {
    /// Asks the STS of a region for the role with this ARN. `session` names the session in the
    /// service's records: 2 to 64 letters, digits and `+=,.@-_`.
    ///
    /// # Errors
    /// `invalid_argument` for a region, role or session of another form.
    pub fn new(
        transport: T,
        region: &str,
        role: &str,
        session: &str,
        token: Box<dyn TokenSource>,
    ) -> Result<Self> {
        let endpoint = of_service("sts", region, false, false)?;
        let of_session = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@-_".contains(&byte);
        if !(2..=64).contains(&session.len()) || !session.bytes().all(of_session) {
            return Err(Error::invalid("a session name has 2 to 64 letters, digits and +=,.@-_"));
        }
        if role.len() > 2048 || !role.starts_with("arn:") {
            return Err(Error::invalid("a role is named by its ARN"));
        }
        let (role, session) = (role.to_owned(), session.to_owned());
        Ok(WebIdentityCredentials { transport, endpoint, role, session, token })
    }

    /// Asks another STS than that of the region.
    ///
    /// # Errors
    /// As [`AwsConfig::with_endpoint`](crate::kms::aws::AwsConfig::with_endpoint).
    pub fn with_endpoint(mut self, url: &str) -> Result<Self> {
        self.endpoint = Endpoint::parse(url)?;
        Ok(self)
    }

    fn request(&self) -> Result<HttpRequest> {
        let token = header_text(&self.token.token()?, "a web identity token")?;
        let mut body = Vec::with_capacity(256 + 3 * (self.role.len() + token.len()));
        body.extend_from_slice(b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15");
        for (name, value) in [
            ("RoleArn", self.role.as_str()),
            ("RoleSessionName", &self.session),
            ("WebIdentityToken", &token),
        ] {
            body.push(b'&');
            body.extend_from_slice(name.as_bytes());
            body.push(b'=');
            put_encoded(&mut body, value);
        }
        let content_type = "application/x-www-form-urlencoded; charset=utf-8";
        Ok(HttpRequest {
            method: "POST".to_owned(),
            url: self.endpoint.url("/"),
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body,
        })
    }

    async fn fetch(&self) -> Result<Option<Arc<Credentials>>> {
        let response = parse::fetch(&self.transport, self.request()?).await.map_err(|error| {
            match error.code() {
                ErrorCode::KmsDenied => {
                    Error::new(ErrorCode::KmsDenied, "the role is refused to this web identity")
                }
                _ => error,
            }
        })?;
        from_xml(&response.body).map(|found| Some(Arc::new(found)))
    }
}

impl<T: Transport> CredentialsProvider for WebIdentityCredentials<T> {
    fn credentials(&self) -> BoxFuture<'_, Result<Option<Arc<Credentials>>>> {
        Box::pin(self.fetch())
    }
}

/// Percent-encodes a value of a form.
fn put_encoded(out: &mut Vec<u8>, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(byte);
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            out.extend_from_slice(&[b'%', DIGITS[high], DIGITS[low]]);
        }
    }
}

/// The elements that count.
const OURS: [&str; 4] = ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"];

/// The credentials in the answer of STS. Their texts are of characters that XML does not escape.
fn from_xml(body: &[u8]) -> Result<Credentials> {
    let text = std::str::from_utf8(body).map_err(|_| parse::not_understood())?;
    let mut reader = Reader::from_str(text);
    let mut element = String::new();
    let (mut id, mut expires) = (None, None);
    let (mut secret, mut token) = (None, None);
    loop {
        match reader.read_event().map_err(|_| parse::not_understood())? {
            Event::Start(start) => start.local_name().as_ref().clone_into(&mut element),
            Event::End(_) => element.clear(),
            Event::Text(text) => match (element.as_str(), text.trim()) {
                ("AccessKeyId", text) => id = Some(text.to_owned()),
                ("SecretAccessKey", text) => secret = Some(Zeroizing::new(text.to_owned())),
                ("SessionToken", text) => token = Some(Zeroizing::new(text.to_owned())),
                ("Expiration", text) => expires = moment::rfc_3339(text),
                _ => {}
            },
            // It would cut a text in two.
            Event::GeneralRef(_) if OURS.contains(&element.as_str()) => {
                return Err(parse::not_understood());
            }
            Event::Eof => break,
            _ => {}
        }
    }
    match (id, secret, token, expires) {
        (Some(id), Some(secret), Some(token), Some(end)) => {
            parse::build(id, &secret, Some(token), Some(end))
        }
        _ => Err(parse::not_understood()),
    }
}
