//! The KMS engine of keyfold: keys that never leave it, grants, a password safe and an audit
//! chain, over one small transactional store.
//!
//! An [`Engine`] is synchronous: no runtime, no thread, no socket. Every operation is a request
//! struct that names its answer ([`engine::Operation`]); the members carry the names of the AWS
//! KMS API, so that the wire is a serde layer over them.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod arn;
pub mod audit;
pub mod blob;
pub mod clock;
pub mod embedded;
pub mod engine;
pub mod error;
#[cfg(feature = "sqlite")]
pub mod folder;
mod hierarchy;
pub mod password;
pub mod policy;
pub mod root;
mod rows;
#[cfg(feature = "server")]
pub mod server;
pub mod store;
pub mod transfer;
pub mod types;

pub use clock::{Clock, Timestamp};
pub use embedded::EmbeddedKms;
pub use engine::{Caller, Engine};
pub use error::{KmsError, KmsErrorCode};
pub use root::{EngineOptions, OpenError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Entry points for fuzzing what reads stored bytes; no part of the interface.
#[doc(hidden)]
pub mod fuzzing {
    /// Decodes any bytes as every kind of row.
    pub fn rows(bytes: &[u8]) {
        crate::rows::decode_as_each(bytes);
    }
}
