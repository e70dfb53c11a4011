//! The bodies of the fuzz targets.
//!
//! libFuzzer calls them (`fuzz/fuzz_targets/`), and so does a replay on stable
//! (`tests/fuzz_replay/`). A body takes any bytes; it panics where a promise is broken.
#![allow(clippy::missing_panics_doc)]

mod context;

pub use context::context;

/// A target: its name, which is also its corpus folder, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 1] = [("context", context)];
