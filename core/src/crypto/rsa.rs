//! RSA with moduli of 2048, 3072 and 4096 bits (RFC 8017): signatures with PKCS#1 v1.5 and PSS,
//! encryption with OAEP. Private operations here are blinded; `accelerated.rs` tells of the others.

use pkcs8::der::Decode;
use rsa::pkcs1::{
    DecodeRsaPrivateKey, DecodeRsaPublicKey, EncodeRsaPrivateKey, EncodeRsaPublicKey,
};
use rsa::traits::PublicKeyParts;
use rsa::{Oaep, Pkcs1v15Sign, Pss};
use sha2::{Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::der;
use super::rng::{Rng, SystemRng, seeded};
use crate::error::{Error, Result};
use crate::keys::SecretBytes;
use crate::sign::{KeySpec, PublicKey, SignatureAlgorithm, SigningKey};

/// The hash of RSAES-OAEP, for both the label and MGF1.
///
/// ```
/// use keyfold::{crypto::rsa::OaepHash, sign::KeySpec};
///
/// assert_eq!(OaepHash::Sha256.max_plaintext(KeySpec::Rsa2048), Some(190));
/// assert_eq!(OaepHash::Sha256.max_plaintext(KeySpec::Ed25519), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OaepHash {
    /// SHA-1, for which OAEP does not need collision resistance; only to read what others wrote.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl OaepHash {
    /// The longest plaintext in bytes under a key of `spec`; `None` unless that is RSA.
    pub const fn max_plaintext(self, spec: KeySpec) -> Option<usize> {
        let hash = match self {
            OaepHash::Sha1 => 20,
            OaepHash::Sha256 => 32,
        };
        match modulus_bits(spec) {
            // RFC 8017, section 7.1.1: k - 2 hLen - 2.
            Some(bits) => Some(bits / 8 - 2 * hash - 2),
            None => None,
        }
    }
}

/// Encrypts with RSAES-OAEP under an empty label.
///
#[cfg_attr(feature = "hazmat", doc = "```")]
#[cfg_attr(not(feature = "hazmat"), doc = "```ignore")]
/// use keyfold::SystemRng;
/// use keyfold::crypto::rsa::{OaepHash, oaep_decrypt, oaep_encrypt};
/// use keyfold::sign::{KeySpec, SigningKey};
///
/// let key = SigningKey::generate(KeySpec::Rsa2048, &SystemRng)?;
/// let sealed = oaep_encrypt(key.public_key(), OaepHash::Sha256, b"secret", &SystemRng)?;
/// assert_eq!(oaep_decrypt(&key, OaepHash::Sha256, &sealed, &SystemRng)?.expose(), b"secret");
/// # Ok::<(), keyfold::Error>(())
/// ```
///
/// # Errors
/// `invalid_argument` where the key is not RSA; `limit_exceeded` where the plaintext is longer
/// than [`OaepHash::max_plaintext`]; `internal` where `rng` fails.
pub fn oaep_encrypt(
    key: &PublicKey,
    hash: OaepHash,
    plaintext: &[u8],
    rng: &dyn Rng,
) -> Result<Vec<u8>> {
    let key_inner = key.0.rsa().ok_or_else(not_rsa)?;
    if hash.max_plaintext(key.spec()).is_none_or(|max| plaintext.len() > max) {
        return Err(Error::limit("the plaintext is too long for this RSA key"));
    }
    let mut rng = seeded(rng)?;
    match hash {
        OaepHash::Sha1 => key_inner.0.encrypt(&mut rng, Oaep::<sha1::Sha1>::new(), plaintext),
        OaepHash::Sha256 => key_inner.0.encrypt(&mut rng, Oaep::<Sha256>::new(), plaintext),
    }
    .map_err(|_| Error::invalid("the RSA key cannot encrypt"))
}

/// Decrypts RSAES-OAEP under an empty label; `rng` is for blinding.
///
/// # Errors
/// `authentication_failed`, with no further detail, whatever is wrong with the ciphertext;
/// `invalid_argument` where the key is not RSA; `internal` where `rng` fails.
pub fn oaep_decrypt(
    key: &SigningKey,
    hash: OaepHash,
    ciphertext: &[u8],
    rng: &dyn Rng,
) -> Result<SecretBytes> {
    let key = key.private.rsa().ok_or_else(not_rsa)?;
    let mut rng = seeded(rng)?;
    match hash {
        OaepHash::Sha1 => key.0.decrypt_blinded(&mut rng, Oaep::<sha1::Sha1>::new(), ciphertext),
        OaepHash::Sha256 => key.0.decrypt_blinded(&mut rng, Oaep::<Sha256>::new(), ciphertext),
    }
    .map(SecretBytes::new)
    .map_err(|_| Error::authentication())
}

fn not_rsa() -> Error {
    Error::invalid("the key is not an RSA key")
}

fn malformed<E>(_: E) -> Error {
    Error::invalid("the RSA key is malformed")
}

/// Length of the modulus; `None` unless the spec is RSA.
pub(super) const fn modulus_bits(spec: KeySpec) -> Option<usize> {
    match spec {
        KeySpec::Rsa2048 => Some(2048),
        KeySpec::Rsa3072 => Some(3072),
        KeySpec::Rsa4096 => Some(4096),
        _ => None,
    }
}

/// The spec of a PKCS#1 public key, by its encoding alone.
pub(super) fn spec_of_pkcs1(der: &[u8]) -> Result<KeySpec> {
    let modulus = || {
        let (modulus, rest) = der::unsigned(der::only(der::SEQUENCE, der)?)?;
        let (_exponent, rest) = der::unsigned(rest)?;
        rest.is_empty().then_some(modulus)
    };
    spec_of(modulus().ok_or_else(|| malformed(()))?)
}

/// The spec of a modulus, big-endian without leading zeros.
fn spec_of(modulus: &[u8]) -> Result<KeySpec> {
    let high_bit = modulus.first().is_some_and(|byte| byte & 0x80 != 0);
    match modulus.len() {
        256 if high_bit => Ok(KeySpec::Rsa2048),
        384 if high_bit => Ok(KeySpec::Rsa3072),
        512 if high_bit => Ok(KeySpec::Rsa4096),
        _ => Err(Error::invalid("an RSA modulus has 2048, 3072 or 4096 bits")),
    }
}

/// The numbers of a private key, big-endian without leading zeros.
pub(crate) struct RsaNumbers {
    pub(crate) n: Vec<u8>,
    pub(crate) e: Vec<u8>,
    pub(crate) d: Zeroizing<Vec<u8>>,
    pub(crate) p: Zeroizing<Vec<u8>>,
    pub(crate) q: Zeroizing<Vec<u8>>,
    pub(crate) dp: Zeroizing<Vec<u8>>,
    pub(crate) dq: Zeroizing<Vec<u8>>,
    pub(crate) qi: Zeroizing<Vec<u8>>,
}

pub(super) struct RsaPrivateKey(rsa::RsaPrivateKey);

#[derive(Clone)]
pub(super) struct RsaPublicKey(rsa::RsaPublicKey);

impl RsaPrivateKey {
    pub(super) fn generate(bits: usize, rng: &mut chacha20::ChaCha20Rng) -> Result<Self> {
        rsa::RsaPrivateKey::new(rng, bits).map(RsaPrivateKey).map_err(malformed)
    }

    /// A key from DER PKCS#1 (RFC 8017, appendix A.1.2), with two primes.
    pub(super) fn from_pkcs1(der: &[u8]) -> Result<(KeySpec, Self)> {
        let numbers = rsa::pkcs1::RsaPrivateKeyRef::from_der(der).map_err(malformed)?;
        // Sizes first: the library computes with whatever it is given before it checks.
        let spec = spec_of(numbers.modulus.as_bytes())?;
        let key = rsa::RsaPrivateKey::from_pkcs1_der(der).map_err(malformed)?;
        // The library derives the CRT numbers anew and ignores those given. Ours are compared, so
        // that no backend computes with numbers that another has not seen.
        let again = key.to_pkcs1_der().map_err(malformed)?;
        if !super::hash::constant_time_eq(again.as_bytes(), der) {
            return Err(malformed(()));
        }
        Ok((spec, RsaPrivateKey(key)))
    }

    pub(super) fn to_pkcs1(&self) -> Result<Zeroizing<Vec<u8>>> {
        self.0.to_pkcs1_der().map(|der| der.to_bytes()).map_err(malformed)
    }

    pub(super) fn from_numbers(numbers: &RsaNumbers) -> Result<(KeySpec, Self)> {
        Self::from_pkcs1(&numbers.to_pkcs1()?)
    }

    pub(super) fn to_numbers(&self) -> Result<RsaNumbers> {
        let der = self.to_pkcs1()?;
        let numbers = rsa::pkcs1::RsaPrivateKeyRef::from_der(&der).map_err(malformed)?;
        let secret = |number: rsa::pkcs1::UintRef<'_>| Zeroizing::new(number.as_bytes().to_vec());
        Ok(RsaNumbers {
            n: numbers.modulus.as_bytes().to_vec(),
            e: numbers.public_exponent.as_bytes().to_vec(),
            d: secret(numbers.private_exponent),
            p: secret(numbers.prime1),
            q: secret(numbers.prime2),
            dp: secret(numbers.exponent1),
            dq: secret(numbers.exponent2),
            qi: secret(numbers.coefficient),
        })
    }

    pub(super) fn public_key(&self) -> RsaPublicKey {
        RsaPublicKey(self.0.to_public_key())
    }

    pub(super) fn sign(&self, algorithm: SignatureAlgorithm, digest: &[u8]) -> Result<Vec<u8>> {
        use SignatureAlgorithm as A;
        let (key, rng) = (&self.0, &mut seeded(&SystemRng)?);
        match algorithm {
            A::RsaPkcs1Sha256 => key.sign_with_rng(rng, Pkcs1v15Sign::new::<Sha256>(), digest),
            A::RsaPkcs1Sha384 => key.sign_with_rng(rng, Pkcs1v15Sign::new::<Sha384>(), digest),
            A::RsaPkcs1Sha512 => key.sign_with_rng(rng, Pkcs1v15Sign::new::<Sha512>(), digest),
            A::RsaPssSha256 => key.sign_with_rng(rng, Pss::<Sha256>::new(), digest),
            A::RsaPssSha384 => key.sign_with_rng(rng, Pss::<Sha384>::new(), digest),
            A::RsaPssSha512 => key.sign_with_rng(rng, Pss::<Sha512>::new(), digest),
            _ => return Err(not_rsa()),
        }
        .map_err(malformed)
    }
}

impl RsaPublicKey {
    /// A key from DER PKCS#1 (RFC 8017, appendix A.1.1).
    pub(super) fn from_pkcs1(der: &[u8]) -> Result<(KeySpec, Self)> {
        let numbers = rsa::pkcs1::RsaPublicKeyRef::from_der(der).map_err(malformed)?;
        let spec = spec_of(numbers.modulus.as_bytes())?;
        let key = rsa::RsaPublicKey::from_pkcs1_der(der).map_err(malformed)?;
        Ok((spec, RsaPublicKey(key)))
    }

    pub(super) fn from_numbers(n: &[u8], e: &[u8]) -> Result<(KeySpec, Self)> {
        use pkcs8::der::{Encode, asn1::UintRef};
        let der = rsa::pkcs1::RsaPublicKeyRef {
            modulus: UintRef::new(n).map_err(malformed)?,
            public_exponent: UintRef::new(e).map_err(malformed)?,
        }
        .to_der()
        .map_err(malformed)?;
        Self::from_pkcs1(&der)
    }

    pub(super) fn to_pkcs1(&self) -> Result<Vec<u8>> {
        self.0.to_pkcs1_der().map(pkcs8::Document::into_vec).map_err(malformed)
    }

    /// The modulus and the public exponent, big-endian without leading zeros.
    pub(super) fn numbers(&self) -> (Vec<u8>, Vec<u8>) {
        (
            self.0.n().to_be_bytes_trimmed_vartime().to_vec(),
            self.0.e().to_be_bytes_trimmed_vartime().to_vec(),
        )
    }

    pub(super) fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        digest: &[u8],
        signature: &[u8],
    ) -> bool {
        use SignatureAlgorithm as A;
        let key = &self.0;
        match algorithm {
            A::RsaPkcs1Sha256 => key.verify(Pkcs1v15Sign::new::<Sha256>(), digest, signature),
            A::RsaPkcs1Sha384 => key.verify(Pkcs1v15Sign::new::<Sha384>(), digest, signature),
            A::RsaPkcs1Sha512 => key.verify(Pkcs1v15Sign::new::<Sha512>(), digest, signature),
            A::RsaPssSha256 => key.verify(Pss::<Sha256>::new(), digest, signature),
            A::RsaPssSha384 => key.verify(Pss::<Sha384>::new(), digest, signature),
            A::RsaPssSha512 => key.verify(Pss::<Sha512>::new(), digest, signature),
            _ => return false,
        }
        .is_ok()
    }
}

impl RsaNumbers {
    fn to_pkcs1(&self) -> Result<Zeroizing<Vec<u8>>> {
        use pkcs8::der::{SecretDocument, asn1::UintRef};
        let uint = |number| UintRef::new(number).map_err(malformed);
        SecretDocument::encode_msg(&rsa::pkcs1::RsaPrivateKeyRef {
            modulus: uint(&self.n)?,
            public_exponent: uint(&self.e)?,
            private_exponent: uint(&self.d)?,
            prime1: uint(&self.p)?,
            prime2: uint(&self.q)?,
            exponent1: uint(&self.dp)?,
            exponent2: uint(&self.dq)?,
            coefficient: uint(&self.qi)?,
            other_prime_infos: None,
        })
        .map(|der| der.to_bytes())
        .map_err(malformed)
    }
}
