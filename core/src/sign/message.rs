//! Digests of messages that arrive in parts.

use crate::crypto::hash::{Sha256, Sha384, Sha512};
use crate::error::Result;
use crate::sign::SignatureAlgorithm;

/// Hashes a message that is too large to hold, for `sign_digest` and `verify_digest`.
///
/// ```
/// use keyfold::SystemRng;
/// use keyfold::sign::{KeySpec, MessageHasher, SignatureAlgorithm, SigningKey};
///
/// let algorithm = SignatureAlgorithm::Ed25519ph;
/// let mut hasher = MessageHasher::new(algorithm)?;
/// for part in [&b"large "[..], b"file"] {
///     hasher.update(part);
/// }
/// let key = SigningKey::generate(KeySpec::Ed25519, &SystemRng)?;
/// let signature = key.sign_digest(algorithm, &hasher.finish())?;
/// key.public_key().verify(algorithm, b"large file", &signature)?;
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone)]
pub struct MessageHasher(State);

#[derive(Clone)]
enum State {
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl MessageHasher {
    /// Starts the digest that `algorithm` signs.
    ///
    /// # Errors
    /// `invalid_argument` for pure Ed25519, which reads its message twice and cannot stream; use
    /// [`SignatureAlgorithm::Ed25519ph`] for what does not fit in memory.
    pub fn new(algorithm: SignatureAlgorithm) -> Result<Self> {
        Ok(MessageHasher(match algorithm.digest_len() {
            Some(Sha256::LEN) => State::Sha256(Sha256::default()),
            Some(Sha384::LEN) => State::Sha384(Sha384::default()),
            Some(_) => State::Sha512(Sha512::default()),
            None => {
                return Err(crate::Error::invalid(
                    "ED25519_SHA_512 reads its message twice and cannot sign a stream; \
                     ED25519_PH_SHA_512 can",
                ));
            }
        }))
    }

    /// Takes in the next part of the message.
    pub fn update(&mut self, part: &[u8]) {
        match &mut self.0 {
            State::Sha256(hash) => hash.update(part),
            State::Sha384(hash) => hash.update(part),
            State::Sha512(hash) => hash.update(part),
        }
    }

    /// The digest of all parts: 32, 48 or 64 bytes, as the algorithm demands.
    pub fn finish(self) -> Vec<u8> {
        match self.0 {
            State::Sha256(hash) => hash.finish().to_vec(),
            State::Sha384(hash) => hash.finish().to_vec(),
            State::Sha512(hash) => hash.finish().to_vec(),
        }
    }

    /// The digest of one piece.
    pub(crate) fn digest(algorithm: SignatureAlgorithm, message: &[u8]) -> Result<Vec<u8>> {
        let mut hasher = Self::new(algorithm)?;
        hasher.update(message);
        Ok(hasher.finish())
    }
}
