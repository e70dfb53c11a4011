//! Time, injected: the core reads no clock of its own.

use std::time::Duration;

use crate::maybe_send::{BoxFuture, MaybeSendSync};

/// A monotonic clock and a timer, supplied by the host. Data-key caches and retries use it.
///
/// ```
/// use keyfold::{Clock, maybe_send::BoxFuture};
/// use std::time::{Duration, Instant};
///
/// struct HostClock(Instant);
///
/// impl Clock for HostClock {
///     fn now(&self) -> Duration {
///         self.0.elapsed()
///     }
///     fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
///         // With an async runtime: its own timer.
///         Box::pin(async move { std::thread::sleep(time) })
///     }
/// }
/// let clock = HostClock(Instant::now());
/// assert!(clock.now() <= clock.now());
/// ```
pub trait Clock: MaybeSendSync {
    /// Time since any fixed moment; never goes back.
    fn now(&self) -> Duration;

    /// Completes after `time`.
    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()>;
}
