//! The system's clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use keyfold::maybe_send::BoxFuture;
use keyfold::{Clock, WallClock};

use crate::worker::Worker;

/// The system's monotonic clock, its time of day, and a timer that blocks nobody. It comes from
/// [`HttpTransport::clock`](crate::HttpTransport::clock), on whose thread the timer runs.
///
/// ```
/// use keyfold::Clock;
/// use keyfold_transport::{HttpOptions, HttpTransport};
/// use std::time::Duration;
///
/// let clock = HttpTransport::new(&HttpOptions::default())?.clock();
/// let before = clock.now();
/// pollster::block_on(clock.sleep(Duration::from_millis(2)));
/// assert!(clock.now() >= before + Duration::from_millis(2));
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone)]
pub struct SystemClock {
    started: Instant,
    worker: Worker,
}

impl SystemClock {
    pub(crate) fn new(worker: Worker) -> Self {
        SystemClock { started: Instant::now(), worker }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        // The timer is made over there: it belongs to the runtime of that thread.
        let task = self.worker.spawn(async move { tokio::time::sleep(time).await });
        Box::pin(async move {
            // The thread ends after this clock; then nobody waits.
            let _ = task.await;
        })
    }
}

impl WallClock for SystemClock {
    fn unix_time(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}
