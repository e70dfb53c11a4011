//! Local key pairs.

use crate::crypto::rng::Rng;
use crate::crypto::sig;
use crate::error::Result;
use crate::keys::SecretBytes;
use crate::sign::{KeySpec, PublicKey, SignatureAlgorithm, jwk};

/// A key pair held in this process. Zeroized on drop, without Clone or Debug.
///
/// RSA keys also decrypt, with `keyfold::crypto::rsa::oaep_decrypt` (feature `hazmat`); a key
/// should only ever do one of the two.
///
/// ```
/// use keyfold::SystemRng;
/// use keyfold::sign::{KeySpec, SignatureAlgorithm, SigningKey};
///
/// let key = SigningKey::generate(KeySpec::Ed25519, &SystemRng)?;
/// let stored = key.to_pkcs8_der()?;
///
/// let key = SigningKey::from_pkcs8_der(stored.expose())?;
/// let signature = key.sign(SignatureAlgorithm::Ed25519, b"report")?;
/// key.public_key().verify(SignatureAlgorithm::Ed25519, b"report", &signature)?;
/// # Ok::<(), keyfold::Error>(())
/// ```
///
/// It cannot be printed, nor copied:
///
/// ```compile_fail,E0277
/// fn print(key: &keyfold::sign::SigningKey) {
///     println!("{key:?}");
/// }
/// ```
pub struct SigningKey {
    pub(crate) private: sig::PrivateKey,
    public: PublicKey,
}

impl SigningKey {
    /// Makes a random key pair. RSA public exponents are 65537.
    ///
    /// # Errors
    /// `internal` where `rng` fails.
    pub fn generate(spec: KeySpec, rng: &dyn Rng) -> Result<Self> {
        sig::PrivateKey::generate(spec, rng).and_then(Self::of)
    }

    /// Takes a key pair from unencrypted DER PKCS#8 (RFC 5958, versions 1 and 2).
    ///
    /// # Errors
    /// `limit_exceeded` where the input is longer than
    /// [`MAX_ENCODED_KEY_LEN`](super::MAX_ENCODED_KEY_LEN); `invalid_argument` where it is
    /// malformed, followed by other bytes,
    /// inconsistent with itself (a public half of another key, RSA numbers that do not belong
    /// together), or of a kind that is not in [`KeySpec`].
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self> {
        sig::PrivateKey::from_pkcs8_der(der).and_then(Self::of)
    }

    /// Takes a key pair from unencrypted PKCS#8 PEM (`-----BEGIN PRIVATE KEY-----`).
    ///
    /// # Errors
    /// As [`SigningKey::from_pkcs8_der`].
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self> {
        sig::PrivateKey::from_pkcs8_pem(pem).and_then(Self::of)
    }

    /// Takes a key pair from a private JSON Web Key (RFC 7517, RFC 7518; RFC 8037 for Ed25519,
    /// RFC 8812 for secp256k1). RSA keys must carry `p`, `q`, `dp`, `dq` and `qi`. Members that
    /// do not define the key, such as `kid` and `use`, are passed over.
    ///
    /// # Errors
    /// As [`SigningKey::from_pkcs8_der`].
    pub fn from_jwk(jwk: &str) -> Result<Self> {
        jwk::parse_private(jwk).and_then(Self::of)
    }

    fn of(private: sig::PrivateKey) -> Result<Self> {
        let public = PublicKey(private.public_key()?);
        Ok(SigningKey { private, public })
    }

    /// The key pair as DER PKCS#8, unencrypted.
    pub fn to_pkcs8_der(&self) -> Result<SecretBytes> {
        Ok(self.private.to_pkcs8_der()?[..].into())
    }

    /// The key pair as PKCS#8 PEM, unencrypted, as ASCII text.
    pub fn to_pkcs8_pem(&self) -> Result<SecretBytes> {
        self.private.to_pkcs8_pem()
    }

    /// The key pair as a private JSON Web Key, unencrypted, as ASCII text.
    pub fn to_jwk(&self) -> Result<SecretBytes> {
        jwk::write_private(&self.private)
    }

    /// What kind of key this is.
    pub fn spec(&self) -> KeySpec {
        self.public.spec()
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message. ECDSA signatures are ASN.1 DER; see
    /// [`ecdsa_der_to_raw`](super::ecdsa_der_to_raw) for the other form.
    ///
    /// ECDSA nonces follow RFC 6979; randomness for PSS salts and RSA blinding is the operating
    /// system's.
    ///
    /// # Errors
    /// `invalid_argument` where a key of this spec does not sign with `algorithm`; `internal`
    /// where the system has no randomness to give.
    pub fn sign(&self, algorithm: SignatureAlgorithm, message: &[u8]) -> Result<Vec<u8>> {
        self.spec().check(algorithm)?;
        self.private.sign(algorithm, sig::Input::Message(message))
    }

    /// Signs a message of which only the digest is at hand: the same signature as
    /// [`SigningKey::sign`] of the message.
    ///
    /// # Errors
    /// As [`SigningKey::sign`]; and `invalid_argument` where the digest's length is not that of
    /// the algorithm, or the algorithm is pure Ed25519, which has none.
    pub fn sign_digest(&self, algorithm: SignatureAlgorithm, digest: &[u8]) -> Result<Vec<u8>> {
        self.spec().check(algorithm)?;
        algorithm.check_digest(digest)?;
        self.private.sign(algorithm, sig::Input::Digest(digest))
    }
}
