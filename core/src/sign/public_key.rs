//! Public keys.

use std::fmt;

use crate::crypto::sig;
use crate::error::{Error, ErrorCode, Result};
use crate::sign::{EncodedPublicKey, KeySpec, SignatureAlgorithm, jwk};

/// The public half of a key pair: what verifies signatures, and what RSA encrypts to.
///
/// Two are equal when they are the same key, however they were encoded.
///
/// ```
/// use keyfold::sign::{KeySpec, PublicKey, SignatureAlgorithm};
///
/// // RFC 8032, section 7.1, test 1.
/// let key = PublicKey::from_spki_pem(
///     "-----BEGIN PUBLIC KEY-----\n\
///      MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
///      -----END PUBLIC KEY-----\n",
/// )?;
/// assert_eq!(key.spec(), KeySpec::Ed25519);
/// assert!(key.verify(SignatureAlgorithm::Ed25519, b"", &[0; 64]).is_err());
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone)]
pub struct PublicKey(pub(crate) sig::PublicKey);

impl PublicKey {
    /// Takes a key from DER SubjectPublicKeyInfo (RFC 5280), as every KMS hands it out.
    ///
    /// # Errors
    /// `limit_exceeded` where the input is longer than
    /// [`MAX_ENCODED_KEY_LEN`](super::MAX_ENCODED_KEY_LEN); `invalid_argument` where it is
    /// malformed, followed by other bytes,
    /// not a valid key, or of a kind that is not in [`KeySpec`].
    pub fn from_spki_der(der: &[u8]) -> Result<Self> {
        sig::PublicKey::from_spki_der(der).map(PublicKey)
    }

    /// Takes a key from PEM (`-----BEGIN PUBLIC KEY-----`).
    ///
    /// # Errors
    /// As [`PublicKey::from_spki_der`].
    pub fn from_spki_pem(pem: &str) -> Result<Self> {
        sig::PublicKey::from_spki_pem(pem).map(PublicKey)
    }

    /// Takes a key from a JSON Web Key (RFC 7517; RFC 8037 for Ed25519, RFC 8812 for secp256k1).
    /// Members that do not define the key, such as `kid` and `use`, are passed over; a JWK that
    /// holds a private key is refused.
    ///
    /// # Errors
    /// As [`PublicKey::from_spki_der`].
    pub fn from_jwk(jwk: &str) -> Result<Self> {
        jwk::parse_public(jwk).map(PublicKey)
    }

    /// The key as DER SubjectPublicKeyInfo; points are uncompressed.
    pub fn to_spki_der(&self) -> Vec<u8> {
        self.0.spki_der().to_vec()
    }

    /// The key for a host that verifies itself.
    pub fn to_encoded(&self) -> EncodedPublicKey {
        EncodedPublicKey::known(self.spec(), self.0.spki_der())
    }

    /// The key as PEM with lines of 64 characters and LF.
    pub fn to_spki_pem(&self) -> String {
        self.0.to_spki_pem()
    }

    /// The key as a JSON Web Key with its required members alone, in lexicographic order and
    /// without spaces: its SHA-256 is the key's thumbprint (RFC 7638).
    pub fn to_jwk(&self) -> String {
        jwk::write_public(&self.0)
    }

    /// What kind of key this is.
    pub fn spec(&self) -> KeySpec {
        self.0.spec()
    }

    /// Verifies the signature of a message. ECDSA signatures are ASN.1 DER; see
    /// [`ecdsa_raw_to_der`](super::ecdsa_raw_to_der) for the other form.
    ///
    /// # Errors
    /// `signature_invalid` where the signature is not one of this message by this key;
    /// `invalid_argument` where a key of this spec does not sign with `algorithm`.
    pub fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<()> {
        self.check(algorithm, sig::Input::Message(message), signature)
    }

    /// Verifies the signature of a message of which only the digest is at hand.
    ///
    /// # Errors
    /// As [`PublicKey::verify`]; and `invalid_argument` where the digest's length is not that of
    /// the algorithm, or the algorithm is pure Ed25519, which has none.
    pub fn verify_digest(
        &self,
        algorithm: SignatureAlgorithm,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<()> {
        algorithm.check_digest(digest)?;
        self.check(algorithm, sig::Input::Digest(digest), signature)
    }

    fn check(
        &self,
        algorithm: SignatureAlgorithm,
        input: sig::Input<'_>,
        signature: &[u8],
    ) -> Result<()> {
        self.spec().check(algorithm)?;
        if self.0.verify(algorithm, input, signature) {
            return Ok(());
        }
        Err(Error::new(ErrorCode::SignatureInvalid, "the signature is not valid"))
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.spki_der() == other.0.spki_der()
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, ", self.spec())?;
        self.0.spki_der().iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}
