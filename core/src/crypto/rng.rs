//! Randomness, injected so that tests can repeat a run.

use crate::error::{Error, ErrorCode, Result};
use crate::maybe_send::MaybeSendSync;

/// A source of cryptographically secure random bytes.
pub trait Rng: MaybeSendSync {
    /// Fills `out` completely or fails.
    ///
    /// # Errors
    /// `internal` where the system has no randomness to give.
    fn fill(&self, out: &mut [u8]) -> Result<()>;
}

/// The operating system's generator: safe after `fork`, without a state of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    fn fill(&self, out: &mut [u8]) -> Result<()> {
        getrandom::fill(out).map_err(|_| {
            Error::new(ErrorCode::Internal, "the system's random generator is not available")
        })
    }
}
