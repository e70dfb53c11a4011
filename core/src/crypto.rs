//! The only folder that names a crate of primitives.
//!
//! RustCrypto is the portable backend, used on every target. Where feature `accelerated` is on
//! and the CPU has the instructions, AES-GCM runs on `graviola`, and with feature `fast-signatures`
//! asymmetric keys do; which one runs is decided once, at run time, and never changes a result.
// Some of it is for other crates alone, which reach it with feature `hazmat`.
#![cfg_attr(not(feature = "hazmat"), allow(dead_code, unreachable_pub))]

#[cfg(all(feature = "fast-signatures", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod accelerated;
#[cfg(not(all(
    feature = "fast-signatures",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
#[path = "crypto/accelerated_none.rs"]
mod accelerated;
pub mod aead;
mod der;
pub(crate) mod ec;
mod ed25519;
pub mod hash;
pub mod kdf;
pub(crate) mod legacy;
#[cfg(feature = "password")]
pub mod password;
pub mod rng;
pub mod rsa;
pub(crate) mod sig;

/// Whether the accelerated backend is compiled in and this CPU can run it.
///
/// ```
/// // For a report of what is measured; no result depends on it.
/// let may_be = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));
/// assert!(may_be || !keyfold::crypto::is_accelerated());
/// ```
pub fn is_accelerated() -> bool {
    #[cfg(all(feature = "accelerated", any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        static SUPPORTED: std::sync::LazyLock<bool> =
            std::sync::LazyLock::new(graviola::util::is_cpu_supported);
        *SUPPORTED
    }
    #[cfg(not(all(
        feature = "accelerated",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )))]
    {
        false
    }
}
