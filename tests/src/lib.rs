//! What the conformance tests share: the vectors and the tools beside them.

pub mod crash;
pub mod fuzz;
pub mod hex;
pub mod kms;
pub mod postgres;
pub mod python;
pub mod vectors;

use std::path::PathBuf;

/// The root of the project.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}
