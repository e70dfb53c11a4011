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

/// The time of day, supplied by the host. Signed requests carry it, and short-lived credentials
/// end by it.
///
/// It is apart from [`Clock`] on purpose: a cache or a pause must never be measured by a clock
/// that somebody may set, and a signature is refused unless it is dated by one that agrees with
/// the rest of the world.
///
/// ```
/// use keyfold::WallClock;
/// use std::time::{Duration, SystemTime, UNIX_EPOCH};
///
/// struct HostTime;
///
/// impl WallClock for HostTime {
///     fn unix_time(&self) -> Duration {
///         SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
///     }
/// }
/// assert!(HostTime.unix_time() > Duration::from_secs(1_700_000_000));
/// ```
pub trait WallClock: MaybeSendSync {
    /// Time since 1970-01-01T00:00:00Z, without leap seconds.
    fn unix_time(&self) -> Duration;
}

impl<C: WallClock + ?Sized> WallClock for std::sync::Arc<C> {
    fn unix_time(&self) -> Duration {
        (**self).unix_time()
    }
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> Duration {
        (**self).now()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        (**self).sleep(time)
    }
}
