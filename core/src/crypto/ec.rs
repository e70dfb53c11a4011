//! ECDSA on P-256, P-384, P-521 and secp256k1: the portable backend, and the one rule for the
//! two forms of a signature. In here a signature is always `r || s`.

use p256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use p256::elliptic_curve::Generate;
use pkcs8::der::asn1::UintRef;
use pkcs8::der::{Encode, Tag};
use pkcs8::{EncodePrivateKey, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use super::der;
use crate::error::{Error, Result};
use crate::sign::KeySpec;

/// A private key on one of the curves.
pub(super) enum EcPrivateKey {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
    K256(k256::ecdsa::SigningKey),
}

/// A point on one of the curves, never the one at infinity.
#[derive(Clone)]
pub(super) enum EcPublicKey {
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    P521(p521::ecdsa::VerifyingKey),
    K256(k256::ecdsa::VerifyingKey),
}

/// Runs one body for whichever curve the key is on; `$curve` names that curve's crate.
macro_rules! on_curve {
    ($type:ident, $key:expr, |$inner:ident, $curve:ident| $body:expr) => {
        match $key {
            $type::P256($inner) => {
                use p256 as $curve;
                $body
            }
            $type::P384($inner) => {
                use p384 as $curve;
                $body
            }
            $type::P521($inner) => {
                use p521 as $curve;
                $body
            }
            $type::K256($inner) => {
                use k256 as $curve;
                $body
            }
        }
    };
}

/// Makes a key of the curve that a spec names; `$curve` names that curve's crate.
macro_rules! make_on_curve {
    ($type:ident, $spec:expr, |$curve:ident| $body:expr) => {
        match $spec {
            KeySpec::EccNistP256 => $type::P256({
                use p256 as $curve;
                $body
            }),
            KeySpec::EccNistP384 => $type::P384({
                use p384 as $curve;
                $body
            }),
            KeySpec::EccNistP521 => $type::P521({
                use p521 as $curve;
                $body
            }),
            KeySpec::EccSecgP256k1 => $type::K256({
                use k256 as $curve;
                $body
            }),
            _ => return Err(Error::invalid("not an elliptic curve key")),
        }
    };
}

fn malformed<E>(_: E) -> Error {
    Error::invalid("the elliptic curve key is malformed")
}

impl EcPrivateKey {
    pub(super) fn generate(spec: KeySpec, rng: &mut chacha20::ChaCha20Rng) -> Result<Self> {
        Ok(make_on_curve!(EcPrivateKey, spec, |curve| {
            curve::ecdsa::SigningKey::from(curve::SecretKey::generate_from_rng(rng))
        }))
    }

    /// A key from its scalar, big-endian and of the curve's full length.
    pub(super) fn from_scalar(spec: KeySpec, scalar: &[u8]) -> Result<Self> {
        if spec.ecdsa_field_len() != Some(scalar.len()) {
            return Err(malformed(()));
        }
        Ok(make_on_curve!(EcPrivateKey, spec, |curve| {
            curve::ecdsa::SigningKey::from_slice(scalar).map_err(malformed)?
        }))
    }

    /// A key from PKCS#8 whose algorithm is that of `spec`. A public half in it must match.
    pub(super) fn from_pkcs8(spec: KeySpec, info: &PrivateKeyInfoRef<'_>) -> Result<Self> {
        Ok(make_on_curve!(EcPrivateKey, spec, |curve| {
            curve::SecretKey::try_from(info.clone()).map_err(malformed)?.into()
        }))
    }

    pub(super) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>> {
        on_curve!(EcPrivateKey, self, |key, curve| {
            curve::SecretKey::from(key.as_nonzero_scalar()).to_pkcs8_der()
        })
        .map(|document| document.to_bytes())
        .map_err(malformed)
    }

    pub(super) fn to_scalar(&self) -> Zeroizing<Vec<u8>> {
        on_curve!(EcPrivateKey, self, |key, curve| {
            let scalar: Zeroizing<curve::FieldBytes> = Zeroizing::new(key.to_bytes());
            Zeroizing::new(scalar.to_vec())
        })
    }

    pub(super) fn public_key(&self) -> EcPublicKey {
        match self {
            EcPrivateKey::P256(key) => EcPublicKey::P256(*key.verifying_key()),
            EcPrivateKey::P384(key) => EcPublicKey::P384(*key.verifying_key()),
            EcPrivateKey::P521(key) => EcPublicKey::P521(*key.verifying_key()),
            EcPrivateKey::K256(key) => EcPublicKey::K256(*key.verifying_key()),
        }
    }

    /// Signs a digest under a nonce made as RFC 6979 says.
    pub(super) fn sign(&self, digest: &[u8]) -> Result<Vec<u8>> {
        on_curve!(EcPrivateKey, self, |key, curve| {
            let made: Result<curve::ecdsa::Signature, _> = key.sign_prehash(digest);
            made.map(|signature| signature.to_bytes().to_vec())
        })
        .map_err(malformed)
    }
}

impl EcPublicKey {
    /// A key from a SEC 1 point, uncompressed or compressed (RFC 5480, section 2.2).
    pub(super) fn from_point(spec: KeySpec, point: &[u8]) -> Result<Self> {
        // 0 is the point at infinity, 5 a form of RustCrypto's own.
        if !matches!(point.first(), Some(2..=4)) {
            return Err(malformed(()));
        }
        Ok(make_on_curve!(EcPublicKey, spec, |curve| {
            curve::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(malformed)?
        }))
    }

    /// The SEC 1 point, uncompressed.
    pub(super) fn to_point(&self) -> Vec<u8> {
        on_curve!(EcPublicKey, self, |key, curve| {
            let point: curve::Sec1Point = key.to_sec1_point(false);
            point.as_bytes().to_vec()
        })
    }

    pub(super) fn verify(&self, digest: &[u8], raw: &[u8]) -> bool {
        on_curve!(EcPublicKey, self, |key, curve| {
            // RustCrypto's secp256k1 refuses the higher of the two valid `s`, which only Bitcoin
            // asks for; `normalize_s` takes the lower one, which is valid if and only if both are.
            curve::ecdsa::Signature::from_slice(raw)
                .map(|signature| match self {
                    EcPublicKey::K256(_) => signature.normalize_s(),
                    _ => signature,
                })
                .and_then(|signature| key.verify_prehash(digest, &signature))
                .is_ok()
        })
    }
}

/// `SEQUENCE { r INTEGER, s INTEGER }` (RFC 3279, section 2.2.3), strictly DER, to `r || s`.
pub(crate) fn der_to_raw(field_len: usize, der: &[u8]) -> Option<Vec<u8>> {
    let (r, rest) = der::unsigned(der::only(der::SEQUENCE, der)?)?;
    let (s, []) = der::unsigned(rest)? else { return None };
    let mut raw = vec![0; 2 * field_len];
    for (half, number) in raw.chunks_exact_mut(field_len).zip([r, s]) {
        let start = field_len.checked_sub(number.len())?;
        half[start..].copy_from_slice(number);
    }
    Some(raw)
}

/// The inverse of [`der_to_raw`].
pub(crate) fn raw_to_der(field_len: usize, raw: &[u8]) -> Option<Vec<u8>> {
    if raw.len() != 2 * field_len {
        return None;
    }
    let (r, s) = raw.split_at(field_len);
    let mut body = UintRef::new(r).ok()?.to_der().ok()?;
    UintRef::new(s).ok()?.encode_to_vec(&mut body).ok()?;
    pkcs8::der::asn1::AnyRef::new(Tag::Sequence, &body).ok()?.to_der().ok()
}
