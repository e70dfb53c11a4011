//! Time: the system's clocks, and the language's timers, so that no thread of ours sleeps.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use keyfold::maybe_send::BoxFuture;
use keyfold::{Clock, WallClock};

/// Waits, as the language does that.
#[uniffi::export(with_foreign)]
#[async_trait::async_trait]
pub trait Timer: Send + Sync {
    /// Returns after so many milliseconds.
    async fn sleep(&self, millis: u64);
}

fn now() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// A clock that only tells the time: a cache does not wait.
pub(crate) struct Ticks;

impl Clock for Ticks {
    fn now(&self) -> Duration {
        now()
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
}

/// The clock of a remote KMS.
#[derive(Clone)]
pub(crate) struct HostClock(pub(crate) Arc<dyn Timer>);

impl Clock for HostClock {
    fn now(&self) -> Duration {
        now()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        // A millisecond late rather than early.
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        Box::pin(async move { self.0.sleep(millis).await })
    }
}

impl WallClock for HostClock {
    fn unix_time(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}
