//! Client-side encryption, envelopes and signatures under keys that stay in a KMS.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod client;
pub mod clock;
pub mod context;
#[cfg(feature = "hazmat")]
pub mod crypto;
#[cfg(not(feature = "hazmat"))]
#[allow(dead_code, unreachable_pub, reason = "it is public under `hazmat`")]
mod crypto;
pub mod envelope;
pub mod error;
pub mod keyring;
pub mod keys;
pub mod kms;
pub mod maybe_send;
pub mod sign;
pub mod stream;
pub mod suite;
pub mod transport;

pub use client::{Client, SealOptions, Sealed, Signer};
pub use clock::Clock;
pub use context::{ContextCheck, EncryptionContext};
pub use crypto::rng::{Rng, SystemRng};
pub use envelope::{EnvelopeSignature, Header, PendingSignature, SignerHint, SignerPolicy};
pub use error::{Error, ErrorCode, Result, Retry};
pub use keyring::Keyring;
pub use keys::{DataKey, KeyUri, ProviderParams, SecretBytes, WrappedKey};
pub use kms::{
    Kms,
    cache::{CacheLimits, CacheStats, DataKeyCache},
    retry::{RetryKms, RetryLimits},
};
pub use stream::{
    Demands, HeaderReader, Layout, MessageKeyDeriver, Opener, RangeOpener, RangePlan, Sealer,
    Threads, Unlocked,
};
pub use suite::Suite;
pub use transport::Transport;
