//! An application, by its secret, its certificate or the token of another issuer.

use std::sync::Arc;
use std::time::Duration;

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use zeroize::Zeroizing;

use super::AzureAuthority;
use crate::clock::WallClock;
use crate::credentials::web_identity::TokenSource;
use crate::credentials::{Credentials, CredentialsProvider, header_text, jwt, oauth};
use crate::crypto::hash::Sha256;
use crate::crypto::rng::Rng;
use crate::error::{Error, Result};
use crate::keys::SecretBytes;
use crate::kms::make_token;
use crate::kms::skew::Skew;
use crate::kms::wire::Members;
use crate::maybe_send::BoxFuture;
use crate::sign::{SignatureAlgorithm, SigningKey};
use crate::transport::Transport;

/// How long an assertion is good.
const LIFETIME: Duration = Duration::from_mins(10);
const PSS: SignatureAlgorithm = SignatureAlgorithm::RsaPssSha256;

/// Tokens for an application of a tenant.
///
/// ```
/// use keyfold::credentials::{AzureAuthority, AzureClientCredentials, CachedCredentials};
/// # use keyfold::{SecretBytes, Transport, WallClock};
///
/// # fn example<T: Transport, C: WallClock + Clone>(
/// #     transport: T, clock: C, secret: SecretBytes,
/// # ) -> keyfold::Result<()> {
/// let authority = AzureAuthority::new("contoso.onmicrosoft.com", "https://vault.azure.net")?;
/// let id = "11111111-2222-3333-4444-555555555555";
/// let source =
///     AzureClientCredentials::with_secret(transport, clock.clone(), authority, id, secret)?;
/// let credentials = CachedCredentials::new(source, clock);
/// # Ok(())
/// # }
/// ```
pub struct AzureClientCredentials<T, C> {
    transport: T,
    clock: C,
    authority: AzureAuthority,
    client: String,
    proof: Proof,
    skew: Skew,
}

/// By what an application shows that it is itself.
enum Proof {
    Secret(SecretBytes),
    Certificate { key: Box<SigningKey>, thumbprint: String, rng: Box<dyn Rng> },
    Token(Box<dyn TokenSource>),
}

impl<T: Transport, C: WallClock> AzureClientCredentials<T, C> {
    /// By a secret of the application with this id.
    ///
    /// # Errors
    /// `invalid_argument` for an id or secret of another form.
    pub fn with_secret(
        transport: T,
        clock: C,
        authority: AzureAuthority,
        client: &str,
        secret: SecretBytes,
    ) -> Result<Self> {
        header_text(&secret, "a client secret")?;
        Self::new(transport, clock, authority, client, Proof::Secret(secret))
    }

    /// By a certificate of the application: its PEM, together with that of its RSA key in PKCS#8.
    /// `rng` gives each assertion a name of its own.
    ///
    /// # Errors
    /// `invalid_argument` where the PEM has no certificate or no such key; nothing of it is in the
    /// error.
    pub fn with_certificate(
        transport: T,
        clock: C,
        authority: AzureAuthority,
        client: &str,
        pem: &SecretBytes,
        rng: impl Rng + 'static,
    ) -> Result<Self> {
        let pem = std::str::from_utf8(pem.expose()).unwrap_or_default();
        let none = || Error::invalid("a certificate comes in PEM, with its key in PKCS#8");
        let key = SigningKey::from_pkcs8_pem(block(pem, "PRIVATE KEY").ok_or_else(none)?)?;
        if !key.spec().algorithms().contains(&PSS) {
            return Err(Error::invalid("the key of the certificate is not an RSA key"));
        }
        let certificate = block(pem, "CERTIFICATE").ok_or_else(none)?;
        let inside = certificate.lines().filter(|line| !line.starts_with("-----"));
        let digits: String = inside.map(str::trim).collect();
        let der = Base64::decode_vec(&digits).map_err(|_| none())?;
        let thumbprint = Base64UrlUnpadded::encode_string(&Sha256::digest(&der));
        let proof = Proof::Certificate { key: Box::new(key), thumbprint, rng: Box::new(rng) };
        Self::new(transport, clock, authority, client, proof)
    }

    /// By a token of another issuer that the application trusts, as Kubernetes gives its pods one:
    /// workload identity.
    ///
    /// # Errors
    /// `invalid_argument` for an id of another form.
    pub fn with_token(
        transport: T,
        clock: C,
        authority: AzureAuthority,
        client: &str,
        token: Box<dyn TokenSource>,
    ) -> Result<Self> {
        Self::new(transport, clock, authority, client, Proof::Token(token))
    }

    fn new(
        transport: T,
        clock: C,
        authority: AzureAuthority,
        client: &str,
        proof: Proof,
    ) -> Result<Self> {
        check_client(client)?;
        let client = client.to_owned();
        let skew = Skew::default();
        Ok(AzureClientCredentials { transport, clock, authority, client, proof, skew })
    }

    async fn fetch(&self) -> Result<Option<Arc<Credentials>>> {
        let make = |at| {
            let (name, proof) = match &self.proof {
                Proof::Secret(secret) => ("client_secret", header_text(secret, "a client secret")?),
                Proof::Token(source) => {
                    ("client_assertion", header_text(&source.token()?, "a federated token")?)
                }
                Proof::Certificate { key, thumbprint, rng } => {
                    ("client_assertion", self.assertion(key, thumbprint, &**rng, at)?)
                }
            };
            let scope = self.authority.scope();
            let mut pairs = vec![
                ("grant_type", "client_credentials"),
                ("client_id", &self.client),
                ("scope", &scope),
            ];
            if name == "client_assertion" {
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                pairs.push(("client_assertion_type", kind));
            }
            pairs.push((name, &proof));
            Ok(oauth::form(&self.authority.token_url(), pairs))
        };
        let found = match &self.proof {
            // It is dated.
            Proof::Certificate { .. } => {
                oauth::token_at(&self.transport, &self.clock, &self.skew, make).await
            }
            _ => {
                let now = self.clock.unix_time();
                oauth::token(&self.transport, make(now)?, now).await
            }
        }?;
        Ok(Some(Arc::new(found)))
    }

    /// What the certificate's key has signed.
    fn assertion(
        &self,
        key: &SigningKey,
        thumbprint: &str,
        rng: &dyn Rng,
        now: Duration,
    ) -> Result<Zeroizing<String>> {
        let mut claims = Members::new(0);
        claims.text("aud", &self.authority.token_url());
        claims.text("iss", &self.client);
        claims.text("sub", &self.client);
        claims.text("jti", &make_token(rng)?);
        claims.number("nbf", now.as_secs());
        claims.number("iat", now.as_secs());
        claims.number("exp", now.saturating_add(LIFETIME).as_secs());
        jwt::sign(key, PSS, &[("x5t#S256", thumbprint)], claims)
    }
}

impl<T: Transport, C: WallClock> CredentialsProvider for AzureClientCredentials<T, C> {
    fn credentials(&self) -> BoxFuture<'_, Result<Option<Arc<Credentials>>>> {
        Box::pin(self.fetch())
    }
}

/// # Errors
/// `invalid_argument` for what is no id of an application or identity.
pub(super) fn check_client(client: &str) -> Result<()> {
    let of_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if (1..=64).contains(&client.len()) && client.bytes().all(of_id) {
        return Ok(());
    }
    Err(Error::invalid("an application or identity is named by its client id"))
}

/// The first block of a kind in PEM.
fn block<'a>(pem: &'a str, label: &str) -> Option<&'a str> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let start = pem.find(&begin)?;
    let len = pem[start..].find(&end)? + end.len();
    Some(&pem[start..start + len])
}
