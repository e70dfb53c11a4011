//! Who calls: from the bytes of a request to a [`Caller`].
//!
//! Three ways to prove it: an AWS signature (version 4) under an access key of the store, a
//! bearer token of a configured issuer or of the store's own, a client certificate. An
//! `Authorization` header decides alone; a client certificate counts where there is none.

mod config;
mod keys;
mod mtls;
mod sigv4;
mod tokens;

use std::net::IpAddr;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use uuid::Uuid;

pub use config::{
    AuthConfig, ClaimRule, ConfigError, IssuerConfig, MtlsConfig, SanRule, SigV4Config,
    TokenAlgorithm, TokensConfig,
};

use crate::clock::Timestamp;
use crate::engine::{Caller, Engine};
use crate::error::{KmsError, KmsErrorCode, Result};

/// The other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// Its certificate, DER, where TLS verified one.
    pub certificate: Option<Vec<u8>>,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

/// Which service a request is for, by the prefix of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// `TrentService`
    Kms,
    /// `secretsmanager`
    Secrets,
    /// `keyfold`: what AWS has no operation for.
    Keyfold,
}

impl Service {
    /// Its name in the scope of a signature.
    pub fn name(self) -> &'static str {
        match self {
            Service::Kms => "kms",
            Service::Secrets => "secretsmanager",
            Service::Keyfold => "keyfold",
        }
    }
}

/// A request whose sender is to be known: a POST to `/` without a query.
pub struct Incoming<'a> {
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The `Host` header, or `:authority`, exactly as sent.
    pub authority: &'a str,
    /// The whole body.
    pub body: &'a [u8],
    /// Which service it is for.
    pub service: Service,
    /// Who is connected.
    pub peer: &'a Peer,
    /// Now.
    pub now: Timestamp,
    /// The id of the request.
    pub request_id: Uuid,
}

/// Tells who calls.
///
/// Who is not told goes no further: what is refused here never reaches the engine, and so is not
/// in the audit chain, which strangers could otherwise fill.
///
/// ```
/// use keyfold_kms::server::auth::{AuthConfig, Authenticator, Incoming, Peer, Service};
/// use keyfold_kms::{Clock, Engine, KmsErrorCode, clock::SystemClock};
/// # use keyfold_kms::types::IssueTokenRequest;
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let engine = Engine::in_memory()?;
/// let authenticator = Authenticator::new(AuthConfig::default())?;
/// let peer = Peer { address: [127, 0, 0, 1].into(), certificate: None, tls: false };
/// # let request = IssueTokenRequest {
/// #     subject: "ci".into(), expires_in_seconds: 60, ..Default::default()
/// # };
/// # let issued = engine.call(&engine.owner(), &request)?;
/// let token = issued.token.expose(); // as `keyfold token` prints it
///
/// let mut headers = http::HeaderMap::new();
/// headers.insert("authorization", format!("Bearer {token}").parse()?);
/// let mut incoming = Incoming {
///     headers: &headers,
///     authority: "localhost:8470",
///     body: b"{}",
///     service: Service::Kms,
///     peer: &peer,
///     now: SystemClock.now(),
///     request_id: uuid::Uuid::nil(),
/// };
/// let caller = authenticator.authenticate(&engine, &incoming).await?;
/// assert_eq!(caller.principal(), "arn:aws:iam::000000000000:oidc/local/ci");
///
/// let none = http::HeaderMap::new();
/// incoming.headers = &none;
/// let error = authenticator.authenticate(&engine, &incoming).await.unwrap_err();
/// assert_eq!(error.code(), KmsErrorCode::MissingAuthentication);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Authenticator {
    sigv4: sigv4::Verifier,
    tokens: tokens::Tokens,
    certificates: mtls::Certificates,
}

impl Authenticator {
    /// By a configuration, which is checked; files with keys of issuers are read.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn new(config: AuthConfig) -> Result<Self, ConfigError> {
        let AuthConfig { sigv4, tokens, mtls } = config;
        Ok(Authenticator {
            sigv4: sigv4::Verifier::new(sigv4)?,
            tokens: tokens::Tokens::new(tokens)?,
            certificates: mtls::Certificates::new(mtls)?,
        })
    }

    /// The caller of a request. What it is known by is checked once more where an operation of
    /// the engine commits: where that has changed meanwhile, [`Engine::perform`] and what
    /// [`Engine::begin`] answers say [`crate::engine::Stale`], and the request is to be
    /// authenticated again.
    ///
    /// It needs a runtime of tokio, and waits for issuers of tokens at most five seconds.
    ///
    /// # Errors
    /// `MissingAuthenticationTokenException`, `IncompleteSignatureException`,
    /// `InvalidSignatureException`, `UnrecognizedClientException`, `ExpiredTokenException`; what
    /// the store says.
    pub async fn authenticate(&self, engine: &Engine, incoming: &Incoming<'_>) -> Result<Caller> {
        let mut values = incoming.headers.get_all(AUTHORIZATION).iter();
        let caller = match (values.next(), values.next()) {
            (None, _) => match &incoming.peer.certificate {
                Some(der) => self.certificates.authenticate(engine.realm(), der)?,
                None => return Err(missing()),
            },
            (Some(_), Some(_)) => {
                return Err(incomplete("there is more than one Authorization header"));
            }
            (Some(value), None) => {
                let text = value.to_str().map_err(|_| incomplete("it is not text"))?;
                match text.split_once(' ') {
                    Some((sigv4::ALGORITHM, rest)) => {
                        self.sigv4.authenticate(engine, incoming, rest)?
                    }
                    Some((scheme, token)) if scheme.eq_ignore_ascii_case("Bearer") => {
                        let token = token.trim_matches(' ');
                        self.tokens.authenticate(engine, token, incoming.now).await?
                    }
                    _ => return Err(incomplete("its scheme is not AWS4-HMAC-SHA256 or Bearer")),
                }
            }
        };
        Ok(caller.from_ip(incoming.peer.address).with_request_id(incoming.request_id))
    }
}

fn missing() -> KmsError {
    KmsError::new(
        KmsErrorCode::MissingAuthentication,
        "the request has neither an Authorization header nor a client certificate",
    )
}

fn incomplete(why: &'static str) -> KmsError {
    let message = format!("the Authorization header cannot be checked: {why}");
    KmsError::new(KmsErrorCode::IncompleteSignature, message)
}

/// The one answer to credentials that nobody has, or that no longer count.
fn unrecognized() -> KmsError {
    KmsError::new(
        KmsErrorCode::UnrecognizedClient,
        "The security token included in the request is invalid.",
    )
}
