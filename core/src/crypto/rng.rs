//! Randomness, injected so that tests can repeat a run.

use crate::error::{Error, ErrorCode, Result};
use crate::maybe_send::MaybeSendSync;

/// A source of cryptographically secure random bytes (docs/spec/envelope.md, clause 2.3).
///
/// ```
/// use keyfold::{DataKey, Rng};
///
/// struct Broken;
/// impl Rng for Broken {
///     fn fill(&self, _: &mut [u8]) -> keyfold::Result<()> {
///         Err(keyfold::Error::new(keyfold::ErrorCode::Internal, "no randomness"))
///     }
/// }
/// assert!(DataKey::make(&Broken).is_err()); // nothing is made without randomness
/// # Ok::<(), keyfold::Error>(())
/// ```
pub trait Rng: MaybeSendSync {
    /// Fills `out` completely or fails.
    ///
    /// # Errors
    /// `internal` where the system has no randomness to give.
    fn fill(&self, out: &mut [u8]) -> Result<()>;
}

/// The generator that crates of primitives ask for, which never fails: ChaCha20 under a seed of
/// 32 bytes from `rng`. A source that fails does so here, before anything is made.
pub(super) fn seeded(rng: &dyn Rng) -> Result<chacha20::ChaCha20Rng> {
    use chacha20::rand_core::SeedableRng;
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    rng.fill(&mut *seed)?;
    Ok(chacha20::ChaCha20Rng::from_seed(*seed))
}

/// The operating system's generator: safe after `fork`, without a state of its own.
///
/// ```
/// use keyfold::{Rng, SystemRng};
///
/// let mut salt = [0; 24];
/// SystemRng.fill(&mut salt)?;
/// assert_ne!(salt, [0; 24]);
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    fn fill(&self, out: &mut [u8]) -> Result<()> {
        getrandom::fill(out).map_err(|_| {
            Error::new(ErrorCode::Internal, "the system's random generator is not available")
        })
    }
}
