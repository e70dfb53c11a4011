//! The key management engine of keyfold.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod password;
pub mod policy;
