//! Ed25519 and Ed25519ph (RFC 8032).

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::digest::{FixedOutput, HashMarker, Output, OutputSizeUser, Update, consts::U64};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

fn malformed<E>(_: E) -> Error {
    Error::invalid("the Ed25519 key is malformed")
}

/// A private key: the seed and its public half.
pub(super) struct Ed25519PrivateKey(SigningKey);

/// A point of large order in its only canonical encoding.
#[derive(Clone)]
pub(super) struct Ed25519PublicKey(VerifyingKey);

impl Ed25519PrivateKey {
    pub(super) fn from_seed(seed: &[u8]) -> Result<Self> {
        let seed = seed.try_into().map_err(malformed)?;
        Ok(Ed25519PrivateKey(SigningKey::from_bytes(seed)))
    }

    pub(super) fn to_seed(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.as_bytes().to_vec())
    }

    pub(super) fn public_key(&self) -> Ed25519PublicKey {
        Ed25519PublicKey(self.0.verifying_key())
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).to_vec()
    }

    /// Signs the SHA-512 of a message, with an empty context.
    pub(super) fn sign_digest(&self, digest: &[u8]) -> Result<Vec<u8>> {
        self.0
            .sign_prehashed(Prehashed::new(digest)?, None)
            .map(|signature| signature.to_vec())
            .map_err(malformed)
    }
}

impl Ed25519PublicKey {
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let bytes: &[u8; 32] = bytes.try_into().map_err(malformed)?;
        let key = VerifyingKey::from_bytes(bytes).map_err(malformed)?;
        // A point of small order would accept signatures that nobody made, and a second encoding
        // of one point would be a second name of one key.
        if key.is_weak() || key.to_edwards().compress().as_bytes() != bytes {
            return Err(malformed(()));
        }
        Ok(Ed25519PublicKey(key))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.0.as_bytes().to_vec()
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .and_then(|signature| self.0.verify_strict(message, &signature))
            .is_ok()
    }

    pub(super) fn verify_digest(&self, digest: &[u8], signature: &[u8]) -> bool {
        let Ok(prehashed) = Prehashed::new(digest) else {
            return false;
        };
        Signature::from_slice(signature)
            .and_then(|signature| self.0.verify_prehashed_strict(prehashed, None, &signature))
            .is_ok()
    }
}

/// A digest that is finished already, where the library asks for a hash that is not.
struct Prehashed([u8; 64]);

impl Prehashed {
    fn new(digest: &[u8]) -> Result<Self> {
        digest.try_into().map(Prehashed).map_err(malformed)
    }
}

impl Default for Prehashed {
    fn default() -> Self {
        Prehashed([0; 64])
    }
}

impl HashMarker for Prehashed {}

impl OutputSizeUser for Prehashed {
    type OutputSize = U64;
}

impl Update for Prehashed {
    fn update(&mut self, _: &[u8]) {
        unreachable!("the library only finishes the hash it is given (RFC 8032, section 5.1.6)");
    }
}

impl FixedOutput for Prehashed {
    fn finalize_into(self, out: &mut Output<Self>) {
        out.copy_from_slice(&self.0);
    }
}
