//! Who calls a remote KMS: access keys that sign requests, tokens that bear them, and where they
//! come from.
//!
//! A provider is asked for each request, so that what is short-lived can be replaced in time.
//! [`CachedCredentials`] keeps what others fetch. Nothing here reads a file or the environment:
//! texts are handed in by the host.

mod azure;
mod cached;
mod container;
mod google;
mod instance;
mod jwt;
mod oauth;
mod parse;
mod profile;
mod vault;
mod web_identity;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::error::{Error, ErrorCode, Result};
use crate::keys::SecretBytes;
use crate::maybe_send::{BoxFuture, MaybeSendSync};

pub use azure::{AzureAuthority, AzureClientCredentials, AzureManagedIdentityCredentials};
pub use cached::CachedCredentials;
pub use container::ContainerCredentials;
pub use google::{
    GoogleExternalAccount, GoogleFederatedCredentials, GoogleMetadataCredentials,
    GoogleSelfSignedCredentials, GoogleServiceAccount, GoogleServiceAccountCredentials,
};
pub use instance::InstanceCredentials;
pub use profile::{Profile, WebIdentityRole};
pub use vault::VaultLoginCredentials;
pub use web_identity::{TokenSource, WebIdentityCredentials};

/// The longest access key id, in bytes.
const MAX_ID: usize = 128;
/// The longest secret and the longest token, in bytes: what fits a header anywhere.
const MAX_SECRET: usize = 16 * 1024;

/// What a request is authorised with. Zeroized on drop; Debug shows nothing of it.
///
/// ```
/// use keyfold::{SecretBytes, credentials::Credentials};
///
/// let secret = SecretBytes::from(&b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"[..]);
/// let key = Credentials::access_key("AKIDEXAMPLE", &secret, None)?;
/// assert_eq!(format!("{key:?}"), "Credentials(..)");
/// # Ok::<(), keyfold::Error>(())
/// ```
pub struct Credentials {
    pub(crate) kind: Kind,
    /// A second credential, which Ping An's password safe wants.
    app: Option<(String, SecretBytes)>,
    expires: Option<Duration>,
}

pub(crate) enum Kind {
    AccessKey(AccessKey),
    Bearer(Zeroizing<String>),
    Connection,
}

/// An access key and, where it is short-lived, the token of its session.
pub(crate) struct AccessKey {
    pub(crate) id: String,
    secret: Zeroizing<String>,
    pub(crate) session_token: Option<Zeroizing<String>>,
    /// What the secret derives for a day, a region and a service: they live and die with it.
    derived: Mutex<Vec<Derived>>,
}

/// A signing key and the scope that it is for.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Derived {
    scope: String,
    key: [u8; 32],
}

/// How many scopes are kept: two services, around midnight.
const MAX_DERIVED: usize = 4;

impl AccessKey {
    /// What is made of the secret itself, for services that derive no key of it.
    pub(crate) fn with_secret<T>(&self, make: impl FnOnce(&str) -> T) -> T {
        make(&self.secret)
    }

    /// The signing key of a scope: made by `derive` from the secret, once.
    pub(crate) fn signing_key(
        &self,
        scope: &str,
        derive: impl FnOnce(&str) -> Zeroizing<[u8; 32]>,
    ) -> Zeroizing<[u8; 32]> {
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = derived.iter().find(|known| known.scope == scope) {
            return Zeroizing::new(known.key);
        }
        let key = derive(&self.secret);
        if derived.len() == MAX_DERIVED {
            derived.remove(0);
        }
        derived.push(Derived { scope: scope.to_owned(), key: *key });
        key
    }
}

impl Credentials {
    /// An access key, with the token of its session where it is short-lived.
    ///
    /// # Errors
    /// `invalid_argument` where a part is empty, too long, or not printable ASCII.
    pub fn access_key(
        id: impl Into<String>,
        secret: &SecretBytes,
        session_token: Option<&SecretBytes>,
    ) -> Result<Self> {
        let id = id.into();
        let printable = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic());
        if !printable || id.len() > MAX_ID || id.contains(['/', ',']) {
            return Err(Error::invalid("an access key id has 1 to 128 printable characters"));
        }
        let secret = header_text(secret, "a secret access key")?;
        let session_token =
            session_token.map(|token| header_text(token, "a session token")).transpose()?;
        let derived = Mutex::default();
        let kind = Kind::AccessKey(AccessKey { id, secret, session_token, derived });
        Ok(Credentials { kind, app: None, expires: None })
    }

    /// A bearer token, for keyfold's own server.
    ///
    /// # Errors
    /// `invalid_argument` where it is empty, too long, or not printable ASCII.
    pub fn bearer(token: &SecretBytes) -> Result<Self> {
        Ok(Credentials {
            kind: Kind::Bearer(header_text(token, "a token")?),
            app: None,
            expires: None,
        })
    }

    /// Nothing in the request: the connection says who calls, by its TLS client certificate.
    pub fn of_connection() -> Self {
        Credentials { kind: Kind::Connection, app: None, expires: None }
    }

    /// Adds the credential of an application, which Ping An's password safe gives out for each
    /// password and wants beside the access key.
    ///
    /// ```
    /// use keyfold::{SecretBytes, credentials::Credentials};
    ///
    /// let secret = SecretBytes::from(&b"PaExampleAccessKeySecret"[..]);
    /// let app_key = SecretBytes::from(&b"LzcI824P243Bt48F"[..]);
    /// let both = Credentials::access_key("PAEXAMPLEACCESSKEYID", &secret, None)?
    ///     .with_app("APP_KMS_koZvZIHO", app_key)?;
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_argument` where the id is empty or not printable ASCII, or the key has not 16
    /// characters.
    pub fn with_app(mut self, id: impl Into<String>, key: SecretBytes) -> Result<Self> {
        let id = id.into();
        let printable = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic());
        if !printable || id.len() > MAX_ID {
            return Err(Error::invalid("the id of an application has 1 to 128 characters"));
        }
        if key.len() != 16 || !key.expose().iter().all(u8::is_ascii_graphic) {
            return Err(Error::invalid("the key of an application has 16 characters"));
        }
        self.app = Some((id, key));
        Ok(self)
    }

    /// The credential of an application.
    pub(crate) fn app(&self) -> Option<(&str, &SecretBytes)> {
        self.app.as_ref().map(|(id, key)| (id.as_str(), key))
    }

    /// Whether requests are signed with them, and so dated.
    pub(crate) fn are_signed_with(&self) -> bool {
        matches!(self.kind, Kind::AccessKey(_))
    }

    /// They end at this time, counted from 1970.
    #[must_use]
    pub fn expiring(mut self, at: Duration) -> Self {
        self.expires = Some(at);
        self
    }

    /// When they end, counted from 1970; `None` where that is not known.
    pub fn expires(&self) -> Option<Duration> {
        self.expires
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// Text that can stand in a header: nothing in it ends a line.
fn header_text(bytes: &SecretBytes, what: &str) -> Result<Zeroizing<String>> {
    let text = std::str::from_utf8(bytes.expose()).unwrap_or_default();
    let printable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if printable && text.len() <= MAX_SECRET {
        return Ok(Zeroizing::new(text.to_owned()));
    }
    Err(Error::invalid(format!("{what} has 1 to {MAX_SECRET} printable characters")))
}

/// Where credentials come from. It is asked for each request.
///
/// ```
/// use std::sync::Arc;
/// use keyfold::credentials::{Credentials, CredentialsProvider};
/// use keyfold::maybe_send::BoxFuture;
///
/// /// A token that the host keeps fresh.
/// struct Session;
///
/// impl CredentialsProvider for Session {
///     fn credentials(&self) -> BoxFuture<'_, keyfold::Result<Option<Arc<Credentials>>>> {
///         Box::pin(async {
///             let token = b"eyJhbGciOiJFUzI1NiJ9.e30.c2ln".to_vec().into();
///             Ok(Some(Arc::new(Credentials::bearer(&token)?)))
///         })
///     }
/// }
/// assert!(pollster::block_on(Session.credentials())?.is_some());
/// # Ok::<(), keyfold::Error>(())
/// ```
pub trait CredentialsProvider: MaybeSendSync {
    /// The credentials for one request; `None` where this source has none, so that another one
    /// may be asked.
    ///
    /// # Errors
    /// Where the source should have some and cannot give them: no other one is asked then, for
    /// that could act as somebody else.
    fn credentials(&self) -> BoxFuture<'_, Result<Option<Arc<Credentials>>>>;

    /// The service says that these have ended: whoever keeps them forgets them.
    fn refused(&self, _credentials: &Arc<Credentials>) {}
}

impl<P: CredentialsProvider + ?Sized> CredentialsProvider for Arc<P> {
    fn credentials(&self) -> BoxFuture<'_, Result<Option<Arc<Credentials>>>> {
        (**self).credentials()
    }

    fn refused(&self, credentials: &Arc<Credentials>) {
        (**self).refused(credentials);
    }
}

impl<P: CredentialsProvider + ?Sized> CredentialsProvider for Box<P> {
    fn credentials(&self) -> BoxFuture<'_, Result<Option<Arc<Credentials>>>> {
        (**self).credentials()
    }

    fn refused(&self, credentials: &Arc<Credentials>) {
        (**self).refused(credentials);
    }
}

/// Credentials that never change.
///
/// ```
/// use keyfold::credentials::{Credentials, StaticCredentials};
///
/// let token = b"eyJhbGciOiJFUzI1NiJ9.e30.c2ln".to_vec().into();
/// let provider = StaticCredentials::new(Credentials::bearer(&token)?);
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone)]
pub struct StaticCredentials(Arc<Credentials>);

impl StaticCredentials {
    /// Gives these for every request.
    pub fn new(credentials: Credentials) -> Self {
        StaticCredentials(Arc::new(credentials))
    }
}

impl CredentialsProvider for StaticCredentials {
    fn credentials(&self) -> BoxFuture<'_, Result<Option<Arc<Credentials>>>> {
        Box::pin(std::future::ready(Ok(Some(self.0.clone()))))
    }
}

/// Asks one source after another; the first that has credentials gives them.
///
/// ```
/// # use keyfold::credentials::{Credentials, CredentialsChain, StaticCredentials};
/// # let token = b"token".to_vec().into();
/// # let own = StaticCredentials::new(Credentials::bearer(&token)?);
/// # let shared = own.clone();
/// let chain = CredentialsChain::new([Box::new(own) as _, Box::new(shared) as _]);
/// # Ok::<(), keyfold::Error>(())
/// ```
pub struct CredentialsChain(Vec<Box<dyn CredentialsProvider>>);

impl CredentialsChain {
    /// Asks in this order.
    pub fn new(sources: impl IntoIterator<Item = Box<dyn CredentialsProvider>>) -> Self {
        CredentialsChain(sources.into_iter().collect())
    }
}

impl CredentialsProvider for CredentialsChain {
    fn credentials(&self) -> BoxFuture<'_, Result<Option<Arc<Credentials>>>> {
        Box::pin(async {
            for source in &self.0 {
                if let Some(found) = source.credentials().await? {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        })
    }

    fn refused(&self, credentials: &Arc<Credentials>) {
        self.0.iter().for_each(|source| source.refused(credentials));
    }
}

/// No source has credentials.
pub(crate) fn none_found() -> Error {
    Error::new(ErrorCode::KmsDenied, "there are no credentials for this KMS")
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fails;

    impl CredentialsProvider for Fails {
        fn credentials(&self) -> BoxFuture<'_, Result<Option<Arc<Credentials>>>> {
            Box::pin(async { Err(Error::new(ErrorCode::KmsDenied, "the role is not yours")) })
        }
    }

    fn token(text: &str) -> StaticCredentials {
        StaticCredentials::new(
            Credentials::bearer(&SecretBytes::from(text.as_bytes())).expect("a token"),
        )
    }

    #[test]
    fn a_chain_stops_at_the_first_answer_good_or_bad() {
        let ask = |sources: Vec<Box<dyn CredentialsProvider>>| {
            pollster::block_on(CredentialsChain::new(sources).credentials())
        };
        let none = || Box::new(CredentialsChain::new([])) as Box<dyn CredentialsProvider>;
        let first = token("first");
        let found = ask(vec![none(), Box::new(first.clone()), Box::new(token("second"))]);
        assert!(found.expect("credentials").is_some_and(|found| Arc::ptr_eq(&found, &first.0)));
        assert!(ask(vec![none(), none()]).expect("no failure").is_none());
        // A source that should have some is not passed over: the next is somebody else.
        let refused = ask(vec![Box::new(Fails), Box::new(token("second"))]);
        assert_eq!(refused.expect_err("a failure").code(), ErrorCode::KmsDenied);
    }

    #[test]
    fn nothing_that_ends_a_header_is_taken() {
        let secret = |text: &str| SecretBytes::from(text.as_bytes());
        for text in ["", "a b", "a\r\nx-amz-target: y", "caf\u{e9}"] {
            assert!(Credentials::bearer(&secret(text)).is_err(), "{text:?}");
            assert!(Credentials::access_key("AKID", &secret(text), None).is_err(), "{text:?}");
            let (good, session) = (secret("s"), secret(text));
            let refused = Credentials::access_key("AKID", &good, Some(&session));
            assert!(refused.is_err(), "{text:?}");
        }
        for id in ["", "A/B", "A,B", "A B", &"A".repeat(129)] {
            assert!(Credentials::access_key(id, &secret("s"), None).is_err(), "{id:?}");
        }
    }

    #[test]
    fn signing_keys_are_derived_once_for_each_scope() {
        let secret = SecretBytes::from(&b"secret"[..]);
        let Ok(Credentials { kind: Kind::AccessKey(key), .. }) =
            Credentials::access_key("AKID", &secret, None)
        else {
            panic!("an access key")
        };
        let mut made = 0;
        for scope in ["a", "b", "a", "c", "d", "e", "e", "a"] {
            let derived = key.signing_key(scope, |secret| {
                assert_eq!(secret, "secret");
                made += 1;
                Zeroizing::new([scope.as_bytes()[0]; 32])
            });
            assert_eq!(derived[0], scope.as_bytes()[0]);
        }
        // `a` was put out by `e`, and made again.
        assert_eq!(made, 6);
    }
}
