//! Asymmetric keys on `graviola`: P-256, P-384 and RSA, on CPUs that have its instructions. It
//! signs and verifies whole messages; digests are left to the portable backend.

use std::sync::Arc;

use graviola::hashing::{Sha256, Sha384};
use graviola::signing::ecdsa::{self, Curve, P256, P384};
use graviola::signing::rsa;
use zeroize::Zeroizing;

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
        KeySpec::EccNistP384 => Box::new(ecdsa::SigningKey::<P384>::from_pkcs8_der(pkcs8).ok()?),
        KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096 => {
            Box::new(rsa::SigningKey::from_pkcs8_der(pkcs8).ok()?)
        }
        _ => return None,
    })
}

/// A new RSA key as PKCS#8, made with the system's randomness.
pub(super) fn generate_rsa(spec: KeySpec) -> Option<Zeroizing<Vec<u8>>> {
    if !super::is_accelerated() {
        return None;
    }
    let size = match spec {
        KeySpec::Rsa2048 => rsa::KeySize::Rsa2048,
        KeySpec::Rsa3072 => rsa::KeySize::Rsa3072,
        KeySpec::Rsa4096 => rsa::KeySize::Rsa4096,
        _ => return None,
    };
    let mut buffer = Zeroizing::new([0; 4096]);
    let key = rsa::SigningKey::generate(size).ok()?;
    key.to_pkcs8_der(&mut *buffer).ok().map(|der| Zeroizing::new(der.to_vec()))
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

impl<C: Curve> FastPrivateKey for ecdsa::SigningKey<C>
where
    C::PrivateKey: Send + Sync,
{
    fn sign(&self, algorithm: A, message: &[u8]) -> Option<Vec<u8>> {
        let mut buffer = [0; MAX_SIGNATURE_LEN];
        match algorithm {
            A::EcdsaSha256 => self.sign::<Sha256>(&[message], &mut buffer),
            A::EcdsaSha384 => self.sign::<Sha384>(&[message], &mut buffer),
            _ => return None,
        }
        .ok()
        .map(<[u8]>::to_vec)
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
