//! The two forms of an ECDSA signature.

use crate::crypto::ec;
use crate::error::{Error, ErrorCode, Result};
use crate::sign::KeySpec;

/// Rewrites an ECDSA signature from ASN.1 DER to `r || s`, both of the curve's field length:
/// 64 bytes for P-256 and secp256k1, 96 for P-384, 132 for P-521 (IEEE P1363).
///
/// ```
/// use keyfold::SystemRng;
/// use keyfold::sign::{KeySpec, SignatureAlgorithm, SigningKey};
/// use keyfold::sign::{ecdsa_der_to_raw, ecdsa_raw_to_der};
///
/// let key = SigningKey::generate(KeySpec::EccNistP384, &SystemRng)?;
/// let der = key.sign(SignatureAlgorithm::EcdsaSha384, b"report")?;
/// let raw = ecdsa_der_to_raw(key.spec(), &der)?;
/// assert_eq!(raw.len(), 96);
/// assert_eq!(ecdsa_raw_to_der(key.spec(), &raw)?, der);
/// # Ok::<(), keyfold::Error>(())
/// ```
///
/// # Errors
/// `signature_invalid` unless `der` is the DER (not BER) encoding of two non-negative integers
/// that fit; `invalid_argument` where `spec` is not an ECDSA one.
pub fn ecdsa_der_to_raw(spec: KeySpec, der: &[u8]) -> Result<Vec<u8>> {
    ec::der_to_raw(field_len(spec)?, der).ok_or_else(malformed)
}

/// Rewrites an ECDSA signature from `r || s` of fixed length to ASN.1 DER.
///
/// # Errors
/// `signature_invalid` unless `raw` has exactly twice the curve's field length;
/// `invalid_argument` where `spec` is not an ECDSA one.
pub fn ecdsa_raw_to_der(spec: KeySpec, raw: &[u8]) -> Result<Vec<u8>> {
    ec::raw_to_der(field_len(spec)?, raw).ok_or_else(malformed)
}

fn field_len(spec: KeySpec) -> Result<usize> {
    spec.ecdsa_field_len()
        .ok_or_else(|| Error::invalid(format!("a key of spec {spec} makes no ECDSA signatures")))
}

fn malformed() -> Error {
    Error::new(ErrorCode::SignatureInvalid, "the ECDSA signature is malformed")
}
