//! What the conformance tests share: the vectors and the tools beside them.

#[cfg(unix)]
pub mod clients;
pub mod crash;
pub mod fuzz;
pub mod hex;
#[cfg(unix)]
pub mod http;
pub mod kms;
#[cfg(unix)]
pub mod load;
pub mod postgres;
pub mod python;
#[cfg(feature = "postgres")]
pub mod rpc;
#[cfg(unix)]
pub mod server;
pub mod vectors;

use std::path::PathBuf;

/// The root of the project.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}
