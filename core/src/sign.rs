//! Signatures: algorithms, local key pairs, public keys and their encodings.
//!
//! A [`SigningKey`] signs here, a KMS key signs in its KMS; both leave the same bytes, and anyone
//! with the [`PublicKey`] verifies them offline, with keyfold or with any other library.
//!
//! ```
//! use keyfold::SystemRng;
//! use keyfold::sign::{KeySpec, PublicKey, SignatureAlgorithm, SigningKey};
//!
//! let key = SigningKey::generate(KeySpec::EccNistP256, &SystemRng)?;
//! let signature = key.sign(SignatureAlgorithm::EcdsaSha256, b"report")?;
//!
//! let published = key.public_key().to_spki_pem();
//! let public = PublicKey::from_spki_pem(&published)?;
//! public.verify(SignatureAlgorithm::EcdsaSha256, b"report", &signature)?;
//! assert!(public.verify(SignatureAlgorithm::EcdsaSha256, b"forged", &signature).is_err());
//! # Ok::<(), keyfold::Error>(())
//! ```

mod algorithm;
mod ecdsa_form;
mod encoded;
mod jwk;
mod message;
mod public_key;
mod signing_key;

pub(crate) use algorithm::named;
pub use algorithm::{KeySpec, SignatureAlgorithm};
pub use ecdsa_form::{ecdsa_der_to_raw, ecdsa_raw_to_der};
pub use encoded::EncodedPublicKey;
pub use message::MessageHasher;
pub use public_key::PublicKey;
pub use signing_key::SigningKey;

/// The longest encoded key that is parsed, in bytes, in every form. The largest one that keyfold
/// writes, an RSA-4096 private key as PEM, has about 3300.
pub const MAX_ENCODED_KEY_LEN: usize = 16 * 1024;
