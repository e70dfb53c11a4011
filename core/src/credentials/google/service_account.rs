//! A service account, by the key in its file.

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::{check_kind, member};
use crate::clock::WallClock;
use crate::credentials::{Credentials, CredentialsProvider, jwt, oauth};
use crate::error::{Error, Result};
use crate::keys::SecretBytes;
use crate::kms::google::SCOPE;
use crate::kms::skew::Skew;
use crate::kms::wire::Members;
use crate::maybe_send::BoxFuture;
use crate::sign::{SignatureAlgorithm, SigningKey};
use crate::transport::Transport;

/// How long an assertion is good, and a token that the account signs itself.
const LIFETIME: Duration = Duration::from_hours(1);

/// A service account and its key, as the file that Google gives out has them.
pub struct GoogleServiceAccount {
    email: String,
    key_id: String,
    key: SigningKey,
    token_url: String,
}

impl GoogleServiceAccount {
    /// Reads the text of the file, JSON of the type `service_account`.
    ///
    /// ```
    /// use keyfold::credentials::GoogleServiceAccount;
    ///
    /// let other = br#"{"type":"authorized_user"}"#.as_slice().into();
    /// assert!(GoogleServiceAccount::parse(&other).is_err());
    /// ```
    ///
    /// # Errors
    /// `invalid_argument` where it has another form, or its key is no RSA key in PKCS#8; nothing
    /// of the file is in the error.
    pub fn parse(file: &SecretBytes) -> Result<Self> {
        check_kind(file, "service_account")?;
        let key = SigningKey::from_pkcs8_pem(&member(file, "private_key")?)?;
        if !key.spec().algorithms().contains(&SignatureAlgorithm::RsaPkcs1Sha256) {
            return Err(Error::invalid("the key of a service account is an RSA key"));
        }
        Ok(GoogleServiceAccount {
            email: member(file, "client_email")?.to_string(),
            key_id: member(file, "private_key_id")?.to_string(),
            key,
            token_url: oauth::check_url(&member(file, "token_uri")?)?,
        })
    }

    /// The account's address, which is its name.
    pub fn email(&self) -> &str {
        &self.email
    }

    fn claims(&self, now: Duration, audience: &str) -> Members {
        let mut claims = Members::new(0);
        claims.text("iss", &self.email);
        claims.text("aud", audience);
        claims.number("iat", now.as_secs());
        claims.number("exp", now.saturating_add(LIFETIME).as_secs());
        claims
    }

    fn sign(&self, claims: Members) -> Result<Zeroizing<String>> {
        let algorithm = SignatureAlgorithm::RsaPkcs1Sha256;
        jwt::sign(&self.key, algorithm, &[("kid", &self.key_id)], claims)
    }
}

/// Tokens for a service account, in exchange for what its key has signed.
///
/// ```
/// use std::sync::Arc;
/// use keyfold::credentials::{
///     CachedCredentials, GoogleServiceAccount, GoogleServiceAccountCredentials,
/// };
/// # use keyfold::Transport;
///
/// # fn example<T: Transport, C: keyfold::WallClock + Clone>(
/// #     transport: T, clock: C, file: &keyfold::SecretBytes,
/// # ) -> keyfold::Result<()> {
/// let account = GoogleServiceAccount::parse(file)?;
/// let source = GoogleServiceAccountCredentials::new(transport, clock.clone(), account);
/// let credentials = CachedCredentials::new(source, clock);
/// # Ok(())
/// # }
/// ```
pub struct GoogleServiceAccountCredentials<T, C> {
    transport: T,
    clock: C,
    account: GoogleServiceAccount,
    scope: String,
    skew: Skew,
}

impl<T: Transport, C: WallClock> GoogleServiceAccountCredentials<T, C> {
    /// Asks the token endpoint that the account's file names.
    pub fn new(transport: T, clock: C, account: GoogleServiceAccount) -> Self {
        let (scope, skew) = (SCOPE.to_owned(), Skew::default());
        GoogleServiceAccountCredentials { transport, clock, account, scope, skew }
    }

    /// Tokens for less than the [whole platform](crate::kms::google::SCOPE): scopes, separated by
    /// blanks.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = scope.into();
        self
    }

    async fn fetch(&self) -> Result<Option<Arc<Credentials>>> {
        let make = |at| {
            let mut claims = self.account.claims(at, &self.account.token_url);
            claims.text("scope", &self.scope);
            let assertion = self.account.sign(claims)?;
            Ok(oauth::form(
                &self.account.token_url,
                [
                    ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                    ("assertion", &assertion),
                ],
            ))
        };
        let found = oauth::token_at(&self.transport, &self.clock, &self.skew, make).await?;
        Ok(Some(Arc::new(found)))
    }
}

impl<T: Transport, C: WallClock> CredentialsProvider for GoogleServiceAccountCredentials<T, C> {
    fn credentials(&self) -> BoxFuture<'_, Result<Option<Arc<Credentials>>>> {
        Box::pin(self.fetch())
    }
}

/// Tokens that a service account signs itself, for one service: nobody is asked for them.
///
/// ```
/// use keyfold::credentials::{GoogleSelfSignedCredentials, GoogleServiceAccount};
///
/// # fn example<C: keyfold::WallClock>(clock: C, account: GoogleServiceAccount) {
/// let audience = "https://cloudkms.googleapis.com/";
/// let credentials = GoogleSelfSignedCredentials::new(clock, account, audience);
/// # }
/// ```
pub struct GoogleSelfSignedCredentials<C> {
    clock: C,
    account: GoogleServiceAccount,
    audience: String,
}

impl<C: WallClock> GoogleSelfSignedCredentials<C> {
    /// Signs tokens for a service, which is named by its address with `/` at the end. Cloud KMS
    /// and Secret Manager are two.
    pub fn new(clock: C, account: GoogleServiceAccount, audience: impl Into<String>) -> Self {
        GoogleSelfSignedCredentials { clock, account, audience: audience.into() }
    }

    fn make(&self) -> Result<Option<Arc<Credentials>>> {
        let now = self.clock.unix_time();
        let mut claims = self.account.claims(now, &self.audience);
        claims.text("sub", &self.account.email);
        let token = self.account.sign(claims)?;
        oauth::build(&token, now.saturating_add(LIFETIME)).map(|made| Some(Arc::new(made)))
    }
}

impl<C: WallClock> CredentialsProvider for GoogleSelfSignedCredentials<C> {
    fn credentials(&self) -> BoxFuture<'_, Result<Option<Arc<Credentials>>>> {
        Box::pin(std::future::ready(self.make()))
    }
}
