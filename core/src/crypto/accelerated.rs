//! Asymmetric keys on `graviola`, on CPUs that have its instructions: P-256 and RSA, and
//! verification on P-384. Where it was measured to be no faster, it is not used: signing on P-384
//! and making RSA keys. It signs and verifies whole messages; digests are left to the portable
//! backend, because its API takes none.
//!
//! Its RSA is not blinded: it only signs, in constant time by design, and checks each result for
//! faults. Decryption stays with the portable backend, which blinds.

use std::sync::Arc;

use graviola::hashing::{Sha256, Sha384};
use graviola::signing::ecdsa::{self, Curve, P256, P384};
use graviola::signing::rsa;

use super::sig::{FastPrivateKey, FastPublicKey};
use crate::sign::{KeySpec, SignatureAlgorithm as A};

/// Longest signature: RSA-4096.
const MAX_SIGNATURE_LEN: usize = 512;

/// A public key from the bits of its SPKI.
pub(super) fn public_key(spec: KeySpec, bits: &[u8]) -> Option<Arc<dyn FastPublicKey>> {
    if !super::is_accelerated() {
        return None;
    }
    Some(match spec {
        KeySpec::EccNistP256 => {
            Arc::new(ecdsa::VerifyingKey::<P256>::from_x962_uncompressed(bits).ok()?)
        }
        KeySpec::EccNistP384 => {
            Arc::new(ecdsa::VerifyingKey::<P384>::from_x962_uncompressed(bits).ok()?)
        }
        KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096 => {
            Arc::new(rsa::VerifyingKey::from_pkcs1_der(bits).ok()?)
        }
        _ => return None,
    })
}

/// A private key from PKCS#8 that the portable backend has checked and written.
pub(super) fn private_key(spec: KeySpec, pkcs8: &[u8]) -> Option<Box<dyn FastPrivateKey>> {
    if !super::is_accelerated() {
        return None;
    }
    Some(match spec {
        KeySpec::EccNistP256 => Box::new(ecdsa::SigningKey::<P256>::from_pkcs8_der(pkcs8).ok()?),
        KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096 => {
            Box::new(rsa::SigningKey::from_pkcs8_der(pkcs8).ok()?)
        }
        _ => return None,
    })
}

impl<C: Curve> FastPublicKey for ecdsa::VerifyingKey<C>
where
    C::PublicKey: Send + Sync,
{
    fn verify(&self, algorithm: A, message: &[u8], signature: &[u8]) -> Option<bool> {
        match algorithm {
            A::EcdsaSha256 => Some(self.verify::<Sha256>(&[message], signature).is_ok()),
            A::EcdsaSha384 => Some(self.verify::<Sha384>(&[message], signature).is_ok()),
            _ => None,
        }
    }
}

impl FastPrivateKey for ecdsa::SigningKey<P256> {
    fn sign(&self, algorithm: A, message: &[u8]) -> Option<Vec<u8>> {
        if algorithm != A::EcdsaSha256 {
            return None;
        }
        let mut buffer = [0; MAX_SIGNATURE_LEN];
        self.sign::<Sha256>(&[message], &mut buffer).ok().map(<[u8]>::to_vec)
    }
}

impl FastPublicKey for rsa::VerifyingKey {
    fn verify(&self, algorithm: A, message: &[u8], signature: &[u8]) -> Option<bool> {
        let verified = match algorithm {
            A::RsaPkcs1Sha256 => self.verify_pkcs1_sha256(signature, message),
            A::RsaPkcs1Sha384 => self.verify_pkcs1_sha384(signature, message),
            A::RsaPkcs1Sha512 => self.verify_pkcs1_sha512(signature, message),
            A::RsaPssSha256 => self.verify_pss_sha256(signature, message),
            A::RsaPssSha384 => self.verify_pss_sha384(signature, message),
            A::RsaPssSha512 => self.verify_pss_sha512(signature, message),
            _ => return None,
        };
        Some(verified.is_ok())
    }
}

impl FastPrivateKey for rsa::SigningKey {
    fn sign(&self, algorithm: A, message: &[u8]) -> Option<Vec<u8>> {
        let mut buffer = [0; MAX_SIGNATURE_LEN];
        match algorithm {
            A::RsaPkcs1Sha256 => self.sign_pkcs1_sha256(&mut buffer, message),
            A::RsaPkcs1Sha384 => self.sign_pkcs1_sha384(&mut buffer, message),
            A::RsaPkcs1Sha512 => self.sign_pkcs1_sha512(&mut buffer, message),
            A::RsaPssSha256 => self.sign_pss_sha256(&mut buffer, message),
            A::RsaPssSha384 => self.sign_pss_sha384(&mut buffer, message),
            A::RsaPssSha512 => self.sign_pss_sha512(&mut buffer, message),
            _ => return None,
        }
        .ok()
        .map(<[u8]>::to_vec)
    }
}
