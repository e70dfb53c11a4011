//! The seam behind which every KMS stands: one method, typed requests and answers.

pub mod admin;
pub mod alibaba;
pub mod aws;
pub mod azure;
pub mod breaker;
pub mod cache;
pub mod cloud;
pub mod deadline;
mod driver;
pub(crate) mod endpoint;
pub mod google;
pub mod huawei;
pub(crate) mod json;
pub(crate) mod moment;
pub(crate) mod percent;
pub mod pingan;
pub mod remote;
pub mod retry;
pub mod router;
pub mod sealing;
mod service_error;
mod signing;
pub(crate) mod skew;
pub mod tencent;
pub mod vault;
pub(crate) mod wire;

use crate::context::EncryptionContext;
use crate::crypto::rng::Rng;
use crate::error::{Error, ErrorCode, Result};
use crate::keys::{DataKey, KeyUri, SecretBytes, WrappedKey};
use crate::maybe_send::{BoxFuture, MaybeSendSync};
use crate::sign::{MessageHasher, PublicKey, SignatureAlgorithm};

pub use service_error::ServiceError;

/// The longest message that a KMS signs itself, in bytes.
const MAX_MESSAGE: u64 = 4096;

/// A key management service: the embedded one, keyfold's server, a cloud's, or the caller's own.
///
/// An implementation talks only to the service it was made for. It never connects to an address
/// that it reads from a [`KeyUri`] or a [`WrappedKey`].
///
/// ```
/// use keyfold::kms::{Kms, Request, Response};
/// use keyfold::maybe_send::BoxFuture;
/// # use keyfold::{Client, SecretBytes};
///
/// /// Lets no secret be stored through it.
/// struct ReadOnly<K>(K);
///
/// impl<K: Kms> Kms for ReadOnly<K> {
///     fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, keyfold::Result<Response>> {
///         match request {
///             Request::PutSecret { .. } => Box::pin(async {
///                 Err(keyfold::Error::new(keyfold::ErrorCode::KmsDenied, "this KMS is read-only"))
///             }),
///             _ => self.0.call(request),
///         }
///     }
/// }
/// # let kf = Client::new(ReadOnly(keyfold_kms::EmbeddedKms::in_memory()?));
/// # let value = SecretBytes::from(b"value".to_vec());
/// let refused = pollster::block_on(kf.secrets().put("name", value, None));
/// assert_eq!(refused.unwrap_err().code(), keyfold::ErrorCode::KmsDenied);
/// # Ok::<(), keyfold::Error>(())
/// ```
pub trait Kms: MaybeSendSync {
    /// Performs one operation.
    ///
    /// # Errors
    /// The `kms_*` codes; `authentication_failed` where a ciphertext, key or context does not
    /// fit; `signature_invalid`; `secret_not_found`; `invalid_argument`; `limit_exceeded`.
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response>>;
}

impl<K: Kms + ?Sized> Kms for std::sync::Arc<K> {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
        (**self).call(request)
    }
}

impl<K: Kms + ?Sized> Kms for Box<K> {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
        (**self).call(request)
    }
}

impl<K: Kms + ?Sized> Kms for &K {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
        (**self).call(request)
    }
}

/// What to sign or verify.
///
/// ```
/// use keyfold::kms::SignInput;
/// use keyfold::sign::{MessageHasher, SignatureAlgorithm};
///
/// // What is longer than 4096 bytes goes as its digest.
/// let mut hasher = MessageHasher::new(SignatureAlgorithm::EcdsaSha256)?;
/// hasher.update(&[0; 10_000]);
/// let input = SignInput::Digest(hasher.finish());
/// assert!(matches!(input, SignInput::Digest(digest) if digest.len() == 32));
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignInput {
    /// The message itself, at most 4096 bytes; the KMS hashes it.
    Message(Vec<u8>),
    /// The message's hash under the algorithm's own hash function.
    Digest(Vec<u8>),
}

impl SignInput {
    /// How long a digest a KMS is given in the place of a message of this length, which it signs
    /// itself up to 4096 bytes: nothing for the message.
    ///
    /// ```
    /// use keyfold::kms::SignInput;
    /// use keyfold::sign::SignatureAlgorithm::{EcdsaSha384, Ed25519};
    ///
    /// assert_eq!(SignInput::digest_len(EcdsaSha384, 4096)?, None);
    /// assert_eq!(SignInput::digest_len(EcdsaSha384, 4097)?, Some(48));
    /// assert!(SignInput::digest_len(Ed25519, 4097).is_err());
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_argument` for pure Ed25519, which has no digest, and a message that needs one.
    pub fn digest_len(algorithm: SignatureAlgorithm, message_len: u64) -> Result<Option<usize>> {
        if (1..=MAX_MESSAGE).contains(&message_len) {
            return Ok(None);
        }
        MessageHasher::new(algorithm).map(|_| algorithm.digest_len())
    }

    /// Verifies a signature of it, which needs no KMS.
    ///
    /// # Errors
    /// Those of [`PublicKey::verify`] and [`PublicKey::verify_digest`].
    pub fn verify(
        &self,
        public: &PublicKey,
        algorithm: SignatureAlgorithm,
        signature: &[u8],
    ) -> Result<()> {
        match self {
            SignInput::Message(message) => public.verify(algorithm, message, signature),
            SignInput::Digest(digest) => public.verify_digest(algorithm, digest, signature),
        }
    }
}

/// An operation of a KMS.
///
/// ```
/// # use keyfold::kms::{Kms, Request, Response};
/// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
/// # pollster::block_on(async {
/// # let kms = EmbeddedKms::in_memory()?;
/// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
/// let key = "keyfold:alias/docs".parse()?;
/// let Response::Key(full_name) = kms.call(&Request::ResolveKey { key }).await? else {
///     unreachable!("each request names the kind of its answer");
/// };
/// assert_eq!(full_name, docs);
/// # Ok::<(), keyfold::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Request {
    /// Make a data key and wrap it. Answer: [`Response::DataKey`].
    GenerateDataKey {
        /// The KMS key, by any of its names.
        key: KeyUri,
        /// The context to bind.
        context: EncryptionContext,
    },
    /// Wrap a data key made elsewhere. Answer: [`Response::Wrapped`].
    Wrap {
        /// The KMS key, by any of its names.
        key: KeyUri,
        /// The data key.
        data_key: SecretBytes,
        /// The context to bind.
        context: EncryptionContext,
    },
    /// Recover a data key. Answer: [`Response::Unwrapped`].
    Unwrap {
        /// What an envelope holds for this KMS.
        wrapped: WrappedKey,
        /// The context it was bound to.
        context: EncryptionContext,
        /// The KMS key it must be of, by any of its names, where the caller demands one.
        key: Option<KeyUri>,
    },
    /// Wrap a data key under another KMS key of the same service, without revealing it.
    /// Answer: [`Response::Wrapped`].
    Rewrap {
        /// What an envelope holds now.
        wrapped: WrappedKey,
        /// The context it is bound to, and stays bound to.
        context: EncryptionContext,
        /// The KMS key it must be of, by any of its names, where the caller demands one.
        key: Option<KeyUri>,
        /// The new KMS key, by any of its names.
        to: KeyUri,
    },
    /// Make a data key and wrap it, and seal it to a public key, so that whoever passes the answer
    /// on does not see it. Answer: [`Response::SealedDataKey`].
    GenerateSealedDataKey {
        /// The KMS key, by any of its names.
        key: KeyUri,
        /// The context to bind.
        context: EncryptionContext,
        /// The public key of an RSA key pair of 2048 bits, SubjectPublicKeyInfo in DER; it is
        /// sealed by RSAES-OAEP with SHA-256 and an empty label.
        recipient: Vec<u8>,
    },
    /// Recover a data key, sealed to a public key. Answer: [`Response::Sealed`].
    UnwrapSealed {
        /// What an envelope holds for this KMS.
        wrapped: WrappedKey,
        /// The context it was bound to.
        context: EncryptionContext,
        /// The KMS key it must be of, by any of its names, where the caller demands one.
        key: Option<KeyUri>,
        /// As in `GenerateSealedDataKey`.
        recipient: Vec<u8>,
    },
    /// Encrypt at most 4096 bytes under the KMS key itself. Answer: [`Response::Ciphertext`].
    Encrypt {
        /// The KMS key, by any of its names.
        key: KeyUri,
        /// The plaintext, 1 to 4096 bytes.
        plaintext: SecretBytes,
        /// The context to bind.
        context: EncryptionContext,
    },
    /// Decrypt what `Encrypt` made. Answer: [`Response::Plaintext`].
    Decrypt {
        /// The KMS key it must be of, where the caller knows.
        key: Option<KeyUri>,
        /// The ciphertext.
        ciphertext: Vec<u8>,
        /// The context it was bound to.
        context: EncryptionContext,
    },
    /// Sign with a KMS key. Answer: [`Response::Signature`], in DER for ECDSA.
    Sign {
        /// The KMS key, by any of its names.
        key: KeyUri,
        /// The algorithm, one that the key's spec allows.
        algorithm: SignatureAlgorithm,
        /// Message or digest.
        input: SignInput,
    },
    /// Verify with a KMS key. Answer: [`Response::Verified`]; a wrong signature is
    /// `signature_invalid`.
    Verify {
        /// The KMS key, by any of its names.
        key: KeyUri,
        /// The algorithm, one that the key's spec allows.
        algorithm: SignatureAlgorithm,
        /// Message or digest.
        input: SignInput,
        /// The signature, in DER for ECDSA.
        signature: Vec<u8>,
    },
    /// The public half of an asymmetric KMS key. Answer: [`Response::PublicKey`].
    GetPublicKey {
        /// The KMS key, by any of its names.
        key: KeyUri,
    },
    /// The full name behind an alias or short name. Answer: [`Response::Key`].
    ResolveKey {
        /// Any of the key's names.
        key: KeyUri,
    },
    /// Store a secret's value, as a new version where the secret exists.
    /// Answer: [`Response::SecretVersion`].
    PutSecret {
        /// The secret's name, 1 to 512 characters of `A-Za-z0-9/_+=.@-`.
        name: String,
        /// The value, 1 to 65536 bytes.
        value: SecretBytes,
        /// The KMS key for a new secret; the service's default where absent.
        key: Option<KeyUri>,
        /// Names this change, 32 to 64 characters: a remote safe that has done it already, and
        /// whose answer was lost, does not do it again. [`Client`](crate::Client) makes a random
        /// one. The embedded KMS needs none.
        token: String,
    },
    /// Read a secret's value. Answer: [`Response::Secret`].
    GetSecret {
        /// The secret's name.
        name: String,
        /// A version's id; the stage decides where absent.
        version: Option<String>,
        /// A stage; `AWSCURRENT` where absent.
        stage: Option<String>,
    },
}

impl Request {
    /// The key that it names, of several the one that is there already; `None` where it names
    /// none.
    pub(crate) fn key(&self) -> Option<&KeyUri> {
        match self {
            Request::GenerateDataKey { key, .. }
            | Request::GenerateSealedDataKey { key, .. }
            | Request::Wrap { key, .. }
            | Request::Encrypt { key, .. }
            | Request::Sign { key, .. }
            | Request::Verify { key, .. }
            | Request::GetPublicKey { key }
            | Request::ResolveKey { key } => Some(key),
            Request::Unwrap { wrapped, .. }
            | Request::UnwrapSealed { wrapped, .. }
            | Request::Rewrap { wrapped, .. } => Some(&wrapped.key),
            Request::Decrypt { key, .. } => key.as_ref(),
            // Secrets have one home; the key of a new one is of the same service.
            Request::PutSecret { .. } | Request::GetSecret { .. } => None,
        }
    }
}

/// The answer to a [`Request`].
///
/// ```
/// # use keyfold::EncryptionContext;
/// # use keyfold::kms::{Kms, Request, Response};
/// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
/// # pollster::block_on(async {
/// # let kms = EmbeddedKms::in_memory()?;
/// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
/// let context = EncryptionContext::from([("tenant", "acme")]);
/// let request = Request::GenerateDataKey { key: docs.clone(), context: context.clone() };
/// let Response::DataKey { data_key, wrapped } = kms.call(&request).await? else { unreachable!() };
///
/// let request = Request::Unwrap { wrapped, context, key: Some(docs) };
/// let Response::Unwrapped(again) = kms.call(&request).await? else { unreachable!() };
/// assert_eq!(again.0.expose(), data_key.0.expose());
/// # Ok::<(), keyfold::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Response {
    /// A new data key and its wrapped form.
    DataKey {
        /// The data key itself.
        data_key: DataKeyReply,
        /// What goes into the envelope.
        wrapped: WrappedKey,
    },
    /// A wrapped data key.
    Wrapped(WrappedKey),
    /// A recovered data key.
    Unwrapped(DataKeyReply),
    /// A new data key, sealed to the public key of the request, and its wrapped form.
    SealedDataKey {
        /// The data key, for the holder of the private key.
        sealed: Vec<u8>,
        /// What goes into the envelope.
        wrapped: WrappedKey,
    },
    /// A recovered data key, sealed to the public key of the request.
    Sealed(Vec<u8>),
    /// The ciphertext of small data.
    Ciphertext {
        /// The ciphertext.
        ciphertext: Vec<u8>,
        /// The full name of the KMS key used.
        key: KeyUri,
    },
    /// The plaintext of small data.
    Plaintext {
        /// The plaintext.
        plaintext: SecretBytes,
        /// The full name of the KMS key used.
        key: KeyUri,
    },
    /// A signature, in DER for ECDSA.
    Signature(Vec<u8>),
    /// The signature holds.
    Verified,
    /// A public key.
    PublicKey {
        /// SubjectPublicKeyInfo in DER.
        spki: Vec<u8>,
        /// The full name of the KMS key.
        key: KeyUri,
    },
    /// The full name of a KMS key.
    Key(KeyUri),
    /// The id of the version that was stored.
    SecretVersion {
        /// The version's id.
        version: String,
    },
    /// A secret's value.
    Secret {
        /// The value.
        value: SecretBytes,
        /// The version's id.
        version: String,
    },
}

/// A data key inside a [`Response`]; its Debug output says nothing of it.
///
/// ```
/// use keyfold::{DataKey, SystemRng, kms::DataKeyReply};
///
/// let reply = DataKeyReply(DataKey::make(&SystemRng)?);
/// assert_eq!(format!("{reply:?}"), "DataKey(..)");
/// # Ok::<(), keyfold::Error>(())
/// ```
pub struct DataKeyReply(pub DataKey);

impl std::fmt::Debug for DataKeyReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey(..)")
    }
}

/// A random name for one change, for [`Request::PutSecret`]: a UUID.
///
/// ```
/// let token = keyfold::kms::make_token(&keyfold::SystemRng)?;
/// assert_eq!((token.len(), token.matches('-').count()), (36, 4));
/// # Ok::<(), keyfold::Error>(())
/// ```
///
/// # Errors
/// `internal` where `rng` fails.
pub fn make_token(rng: &dyn Rng) -> Result<String> {
    let mut bytes = [0; 16];
    rng.fill(&mut bytes)?;
    // Version 4, variant 1 (RFC 9562).
    let bits = u128::from_be_bytes(bytes) & !(0xf000 << 64) & !(0xc000 << 48);
    let digits = format!("{:032x}", bits | 0x4000 << 64 | 0x8000 << 48);
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    Ok(parts.join("-"))
}

/// A KMS answered a request with an answer of another kind.
pub(crate) fn unexpected_response() -> Error {
    Error::new(ErrorCode::KmsProtocol, "the KMS answered another kind of request")
}
