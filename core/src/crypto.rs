//! The only folder that names a crate of primitives.
//!
//! RustCrypto is the portable backend, used on every target. Where feature `accelerated` is on
//! and the CPU has the instructions, the same functions run on `graviola`; which one runs is
//! decided once, at run time, and never changes a result.

pub mod aead;
pub mod hash;
pub mod kdf;
pub mod rng;

/// Whether the accelerated backend is compiled in and this CPU can run it.
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
