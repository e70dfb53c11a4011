//! Repeats calls that may succeed later.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use super::{Kms, Request, Response};
use crate::clock::Clock;
use crate::error::{Result, Retry};
use crate::maybe_send::BoxFuture;

/// How often, and for how long, a call is repeated.
///
/// ```
/// use keyfold::RetryLimits;
/// use std::time::Duration;
///
/// // For a request that a person waits for.
/// let limits = RetryLimits { deadline: Duration::from_secs(2), ..RetryLimits::default() };
/// assert_eq!(limits.max_retries, 3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryLimits {
    /// How many times at most after the first.
    pub max_retries: usize,
    /// The first pause, which doubles each time, with jitter added.
    pub first_pause: Duration,
    /// The longest pause.
    pub max_pause: Duration,
    /// No pause is begun that would end later than this after the call.
    pub deadline: Duration,
}

impl Default for RetryLimits {
    /// Three retries, pauses from 100 ms to 5 s, 20 s in all.
    fn default() -> Self {
        RetryLimits {
            max_retries: 3,
            first_pause: Duration::from_millis(100),
            max_pause: Duration::from_secs(5),
            deadline: Duration::from_secs(20),
        }
    }
}

/// A KMS whose calls are repeated where their error says that this may help, and never else.
///
/// ```
/// # use keyfold::kms::{Request, Response};
/// # use keyfold::maybe_send::BoxFuture;
/// # use keyfold::{Client, Error, ErrorCode, Kms, RetryKms, RetryLimits};
/// # use std::{sync::atomic::{AtomicU32, Ordering}, time::Duration};
/// # struct Stopped;
/// # impl keyfold::Clock for Stopped {
/// #     fn now(&self) -> Duration { Duration::ZERO }
/// #     fn sleep(&self, _: Duration) -> BoxFuture<'_, ()> { Box::pin(std::future::ready(())) }
/// # }
/// # struct Busy(AtomicU32);
/// # impl Kms for Busy {
/// #     fn call<'a>(&'a self, _: &'a Request) -> BoxFuture<'a, keyfold::Result<Response>> {
/// #         self.0.fetch_add(1, Ordering::Relaxed);
/// #         Box::pin(async { Err(Error::new(ErrorCode::KmsThrottled, "slow down")) })
/// #     }
/// # }
/// let busy = Busy(AtomicU32::new(0)); // a KMS that is always throttled
/// let kf = Client::new(RetryKms::new(&busy, Stopped, RetryLimits::default()));
/// let refused = pollster::block_on(kf.secrets().get("name")).unwrap_err();
/// assert_eq!(refused.code(), ErrorCode::KmsThrottled);
/// assert_eq!(busy.0.load(Ordering::Relaxed), 4); // the call and three retries
/// ```
pub struct RetryKms<K, C> {
    inner: K,
    clock: C,
    limits: RetryLimits,
}

impl<K: Kms, C: Clock> RetryKms<K, C> {
    /// Wraps a KMS. Its errors are those of the last call.
    pub fn new(inner: K, clock: C, limits: RetryLimits) -> Self {
        RetryKms { inner, clock, limits }
    }

    async fn call_repeatedly(&self, request: &Request) -> Result<Response> {
        let started = self.clock.now();
        let mut pauses = ExponentialBuilder::new()
            .with_min_delay(self.limits.first_pause)
            .with_max_delay(self.limits.max_pause)
            .with_max_times(self.limits.max_retries)
            .with_jitter()
            .build();
        loop {
            let error = match self.inner.call(request).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let Retry::Later(at_least) = error.retry() else { return Err(error) };
            let Some(pause) = pauses.next() else { return Err(error) };
            let pause = pause.max(at_least.unwrap_or_default());
            let elapsed = self.clock.now().saturating_sub(started);
            if elapsed.saturating_add(pause) > self.limits.deadline {
                return Err(error);
            }
            self.clock.sleep(pause).await;
        }
    }
}

impl<K: Kms, C: Clock> Kms for RetryKms<K, C> {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
        Box::pin(self.call_repeatedly(request))
    }
}
