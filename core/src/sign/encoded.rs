//! Public keys that a host verifies with, by its own means.

use crate::crypto::sig;
use crate::error::Result;
use crate::sign::{KeySpec, PublicKey, SignatureAlgorithm, ecdsa_der_to_raw};

/// A public key as DER SubjectPublicKeyInfo, of which only the kind is known here: for a host that
/// verifies signatures itself, such as a browser's WebCrypto. Whether its numbers are a key is
/// found out by whoever uses it.
///
/// ```
/// use keyfold::sign::{EncodedPublicKey, KeySpec, SignatureAlgorithm, SigningKey};
/// use keyfold::{ErrorCode, SystemRng};
///
/// let key = SigningKey::generate(KeySpec::EccNistP256, &SystemRng)?;
/// let encoded = EncodedPublicKey::from_spki_der(&key.public_key().to_spki_der())?;
/// assert_eq!(encoded.spec(), KeySpec::EccNistP256);
/// assert_eq!(encoded.parse()?, *key.public_key());
///
/// let algorithm = SignatureAlgorithm::EcdsaSha256;
/// let signature = key.sign(algorithm, b"report")?;
/// // What WebCrypto verifies: `r || s`.
/// assert_eq!(encoded.raw_signature(algorithm, &signature)?.len(), 64);
/// let refused = encoded.raw_signature(SignatureAlgorithm::EcdsaSha384, &signature);
/// assert_eq!(refused.unwrap_err().code(), ErrorCode::InvalidArgument);
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedPublicKey {
    spec: KeySpec,
    der: Vec<u8>,
}

impl EncodedPublicKey {
    /// Takes DER SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// As [`PublicKey::from_spki_der`], but for what only arithmetic finds out.
    pub fn from_spki_der(der: &[u8]) -> Result<Self> {
        Ok(EncodedPublicKey { spec: sig::spec_of_spki(der)?, der: der.to_vec() })
    }

    pub(super) fn known(spec: KeySpec, der: &[u8]) -> Self {
        EncodedPublicKey { spec, der: der.to_vec() }
    }

    /// What kind of key this says to be.
    pub fn spec(&self) -> KeySpec {
        self.spec
    }

    /// The encoded key.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// The key, to be used here.
    ///
    /// # Errors
    /// As [`PublicKey::from_spki_der`].
    pub fn parse(&self) -> Result<PublicKey> {
        PublicKey::from_spki_der(&self.der)
    }

    /// A signature by this key in the form that hosts verify: `r || s` for ECDSA.
    ///
    /// # Errors
    /// `invalid_argument` where a key of this spec does not sign with `algorithm`;
    /// `signature_invalid` for what is no DER of an ECDSA signature.
    pub fn raw_signature(
        &self,
        algorithm: SignatureAlgorithm,
        signature: &[u8],
    ) -> Result<Vec<u8>> {
        self.spec.check(algorithm)?;
        match self.spec.ecdsa_field_len() {
            Some(_) => ecdsa_der_to_raw(self.spec, signature),
            None => Ok(signature.to_vec()),
        }
    }
}
