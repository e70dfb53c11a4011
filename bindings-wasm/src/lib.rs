//! The WebAssembly side of the npm package: it converts, calls the core and converts back. What
//! users see is TypeScript, in `js/`.
//!
//! Every function may answer a `Task` in the place of its answer, where it has to wait;
//! the TypeScript side polls it, so that a trap, which ends this instance, is caught there.
#![cfg(target_arch = "wasm32")]
#![forbid(unsafe_code)]
// The other modules convert less than the first.
#![cfg_attr(not(feature = "client"), allow(dead_code))]
// Everything public is for JavaScript.
#![allow(unreachable_pub, clippy::needless_pass_by_value, clippy::new_without_default)]

#[cfg(any(feature = "client", feature = "cloud"))]
mod clock;
mod errors;
mod task;
mod wire;

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "cloud")]
mod cloud;
#[cfg(feature = "extra")]
mod extra;
#[cfg(any(feature = "client", feature = "cloud"))]
mod foreign;
#[cfg(feature = "client")]
mod header;
#[cfg(any(feature = "client", feature = "cloud"))]
mod host;
#[cfg(feature = "client")]
mod open;
#[cfg(feature = "client")]
mod remote;
#[cfg(feature = "client")]
mod seal;
#[cfg(feature = "client")]
mod sign;
#[cfg(feature = "client")]
mod spec;

/// A third of the code of the allocator that Rust has here. Growing in place is what is left out:
/// what grows much is JavaScript's.
struct Small;

impl rlsf::GlobalTlsfOptions for Small {
    const ENABLE_REALLOCATION: bool = false;
}

#[global_allocator]
static ALLOCATOR: rlsf::GlobalTlsf<Small> = rlsf::GlobalTlsf::new();
