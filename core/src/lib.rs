//! Client-side encryption, envelopes and signatures under keys that stay in a KMS.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod context;
#[cfg(feature = "hazmat")]
pub mod crypto;
#[cfg(not(feature = "hazmat"))]
mod crypto;
pub mod error;
pub mod keys;
pub mod kms;
pub mod maybe_send;
pub mod sign;
pub mod transport;

pub use context::{ContextCheck, EncryptionContext};
pub use error::{Error, ErrorCode, Result, Retry};
pub use keys::{DataKey, KeyUri, ProviderParams, SecretBytes, WrappedKey};
