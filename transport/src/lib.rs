//! The native HTTP client behind keyfold's `Transport` trait.
#![forbid(unsafe_code)]
#![deny(missing_docs)]
