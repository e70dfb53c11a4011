//! Answers that whoever passes them on cannot read: a cloud behind keyfold's server encrypts data
//! keys to a public key of the client.
//!
//! The server that relays is then trusted to pass the public key on, and sees no data key. It does
//! not prove that it passed on this one: see docs/threat-model.md.

use std::fmt;
use std::sync::Arc;

use async_lock::OnceCell;
use zeroize::Zeroizing;

use super::{DataKeyReply, Kms, Request, Response, unexpected_response};
use crate::crypto::rng::SystemRng;
use crate::crypto::rsa::{OaepHash, oaep_decrypt};
use crate::error::{Error, Result};
use crate::keys::{DataKey, SecretBytes};
use crate::maybe_send::{BoxFuture, MaybeSendSync};
use crate::sign::{KeySpec, SigningKey};

/// A key pair of this client alone, for the answers that are sealed to it: RSA with 2048 bits,
/// made for one process and never stored. [`Sealing::ephemeral`] has one; a host with better
/// means, such as a browser's WebCrypto, brings its own.
///
/// ```
/// use keyfold::kms::sealing::{ReplyOpener, Sealing};
/// use keyfold::maybe_send::BoxFuture;
/// use keyfold::{Error, ErrorCode, Result, SecretBytes};
///
/// /// A key pair of the host's: here one without a private half.
/// struct HostKey(Vec<u8>);
///
/// impl ReplyOpener for HostKey {
///     fn public_key(&self) -> BoxFuture<'_, Result<Vec<u8>>> {
///         Box::pin(async { Ok(self.0.clone()) })
///     }
///     fn open<'a>(&'a self, _sealed: &'a [u8]) -> BoxFuture<'a, Result<SecretBytes>> {
///         Box::pin(async { Err(Error::new(ErrorCode::AuthenticationFailed, "there is no key")) })
///     }
/// }
/// let sealing = Sealing::by(HostKey(vec![0x30]));
/// ```
pub trait ReplyOpener: MaybeSendSync {
    /// The public key, as SubjectPublicKeyInfo in DER; always the same.
    ///
    /// # Errors
    /// What the host says.
    fn public_key(&self) -> BoxFuture<'_, Result<Vec<u8>>>;

    /// Opens what was sealed to it by RSAES-OAEP with SHA-256, for the label and for MGF1, and an
    /// empty label.
    ///
    /// # Errors
    /// `authentication_failed`, whatever is wrong with `sealed`.
    fn open<'a>(&'a self, sealed: &'a [u8]) -> BoxFuture<'a, Result<SecretBytes>>;
}

/// By which key pair answers are sealed, for
/// [`RemoteOptions::sealing`](super::remote::RemoteOptions::sealing).
///
/// ```
/// use keyfold::kms::remote::RemoteOptions;
/// use keyfold::kms::sealing::Sealing;
///
/// let sealing = Some(Sealing::ephemeral());
/// let options = RemoteOptions { sealing, ..RemoteOptions::default() };
/// ```
#[derive(Clone)]
pub struct Sealing(Arc<dyn ReplyOpener>);

impl Sealing {
    /// A key pair that is made when it is first needed, which takes a moment, and ends with the
    /// last that holds it.
    pub fn ephemeral() -> Self {
        Sealing::by(EphemeralKey(OnceCell::new()))
    }

    /// A key pair of the host's.
    pub fn by(opener: impl ReplyOpener + 'static) -> Self {
        Sealing(Arc::new(opener))
    }

    /// Performs a request about a data key, which `kms` has the service seal.
    ///
    /// # Errors
    /// Those of `kms`; `invalid_argument` for what would show the data key to whoever passes the
    /// request on; `kms_protocol` and `authentication_failed` for an answer that does not open.
    pub(crate) async fn call(&self, kms: &dyn Kms, request: &Request) -> Result<Response> {
        let recipient = match request {
            // Before a key pair is made for nothing.
            Request::Wrap { .. } => {
                let detail = "whoever passes a data key on to be wrapped sees it: with sealing, only \
                              the key that makes data keys is behind a relay";
                return Err(Error::invalid(detail));
            }
            _ => self.0.public_key().await?,
        };
        match request {
            Request::GenerateDataKey { key, context } => {
                let (key, context) = (key.clone(), context.clone());
                let request = Request::GenerateSealedDataKey { key, context, recipient };
                match kms.call(&request).await? {
                    Response::SealedDataKey { sealed, wrapped } => {
                        Ok(Response::DataKey { data_key: self.open(&sealed).await?, wrapped })
                    }
                    _ => Err(unexpected_response()),
                }
            }
            Request::Unwrap { wrapped, context, key } => {
                let (wrapped, context, key) = (wrapped.clone(), context.clone(), key.clone());
                let request = Request::UnwrapSealed { wrapped, context, key, recipient };
                match kms.call(&request).await? {
                    Response::Sealed(sealed) => Ok(Response::Unwrapped(self.open(&sealed).await?)),
                    _ => Err(unexpected_response()),
                }
            }
            _ => Err(unexpected_response()),
        }
    }

    async fn open(&self, sealed: &[u8]) -> Result<DataKeyReply> {
        let opened = self.0.open(sealed).await?;
        let mut bytes = Zeroizing::new(opened.expose().to_vec());
        DataKey::take(&mut bytes).map(DataKeyReply).map_err(|_| Error::authentication())
    }
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealing(..)")
    }
}

/// The core's own.
struct EphemeralKey(OnceCell<SigningKey>);

impl EphemeralKey {
    async fn key(&self) -> Result<&SigningKey> {
        let make = || async { SigningKey::generate(KeySpec::Rsa2048, &SystemRng) };
        self.0.get_or_try_init(make).await
    }
}

impl ReplyOpener for EphemeralKey {
    fn public_key(&self) -> BoxFuture<'_, Result<Vec<u8>>> {
        Box::pin(async { Ok(self.key().await?.public_key().to_spki_der()) })
    }

    fn open<'a>(&'a self, sealed: &'a [u8]) -> BoxFuture<'a, Result<SecretBytes>> {
        Box::pin(async { oaep_decrypt(self.key().await?, OaepHash::Sha256, sealed, &SystemRng) })
    }
}
