//! Client-side encryption, envelopes and signatures under keys that stay in a KMS.
//!
//! # In one minute
//!
//! A [`Client`] talks to one [`Kms`]; a [`Keyring`] names the KMS keys that wrap and unwrap; an
//! [`EncryptionContext`] is public and must be shown again to decrypt.
//!
//! ```
//! use keyfold::{Client, EncryptionContext, Keyring};
//! use keyfold_kms::{EmbeddedKms, types::KeySpec};
//!
//! # pollster::block_on(async {
//! let kms = EmbeddedKms::in_memory()?;
//! let docs = kms.create_key("alias/docs", KeySpec::SymmetricDefault)?;
//! let kf = Client::new(kms);
//! let ring = Keyring::generate_with(docs);
//! let context = EncryptionContext::from([("tenant", "acme")]);
//!
//! let sealed = kf.encrypt(b"hello", &ring, &context).await?;
//! assert_eq!(kf.decrypt(&sealed, &ring, &context).await?, b"hello");
//! # Ok::<(), keyfold::Error>(())
//! # }).unwrap();
//! ```
//!
//! # Where things are
//!
//! | to | see |
//! | --- | --- |
//! | encrypt and decrypt whole values | [`Client::encrypt`], [`Client::decrypt`], and the `_into` forms |
//! | stream | [`Client::sealer`], [`Client::unlock`]; [`Sealer`], [`Opener`]; [`stream::io`] |
//! | read a part | [`Unlocked::into_ranges`], [`stream::io::RangeReader`] |
//! | change who can open | [`Client::rewrap`], [`Client::add_recipients`], [`Client::remove_recipients`] |
//! | sign and verify | [`Client::sign`], [`sign::SigningKey`], [`sign::PublicKey`]; envelopes: [`Signer`], [`SignerPolicy`] |
//! | keep secrets and small data | [`Client::secrets`], [`Client::encrypt_small`] |
//! | reach AWS KMS or keyfold's server | [`kms::aws::AwsKms`], [`credentials`] |
//! | spare calls to the KMS | [`DataKeyCache`] |
//! | live with a network | [`RetryKms`], [`DeadlineKms`], [`BreakerKms`]; [`RouterKms`] |
//! | look into an envelope without a key | [`Header::parse`] |
//! | bring a KMS or a network | [`Kms`], [`Transport`] |
//!
//! Nothing here opens a socket or a file, reads a clock, or starts a thread unless asked to
//! ([`Threads`]). Where the format is concerned, comments name clauses of
//! `docs/spec/envelope.md`; every error code is in `docs/spec/errors.md`.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod client;
pub mod clock;
pub mod context;
pub mod credentials;
#[cfg(feature = "hazmat")]
pub mod crypto;
#[cfg(not(feature = "hazmat"))]
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
pub use clock::{Clock, WallClock};
pub use context::{ContextCheck, EncryptionContext};
pub use crypto::rng::{Rng, SystemRng};
pub use envelope::{
    EnvelopeSignature, Header, PendingSignature, SignatureCheck, SignerHint, SignerPolicy,
};
pub use error::{Error, ErrorCode, Result, Retry};
pub use keyring::Keyring;
pub use keys::{DataKey, KeyUri, ProviderParams, SecretBytes, WrappedKey};
pub use kms::{
    Kms,
    breaker::{BreakerKms, BreakerLimits},
    cache::{CacheLimits, CacheStats, DataKeyCache},
    deadline::DeadlineKms,
    retry::{RetryKms, RetryLimits},
    router::RouterKms,
};
pub use stream::{
    Demands, HeaderReader, Layout, MessageKeyDeriver, Opener, RangeOpener, RangePlan, Sealer,
    Threads, Unlocked,
};
pub use suite::Suite;
pub use transport::Transport;
