//! The bodies of the fuzz targets.
//!
//! libFuzzer calls them (`fuzz/fuzz_targets/`), and so does a replay on stable
//! (`tests/fuzz_replay/`). A body takes any bytes; it panics where a promise is broken.
#![allow(clippy::missing_panics_doc)]

mod blob;
mod context;
mod header;
mod opener;
mod provider_reply;
mod sqlite_row;

pub use blob::blob;
pub use context::context;
pub use header::header;
pub use opener::opener;
pub use provider_reply::provider_reply;
pub use sqlite_row::sqlite_row;

/// A target: its name, which is also its corpus folder, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 6] = [
    ("blob", blob),
    ("context", context),
    ("header", header),
    ("opener", opener),
    ("provider_reply", provider_reply),
    ("sqlite_row", sqlite_row),
];
