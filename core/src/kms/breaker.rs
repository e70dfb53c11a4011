//! Spares a KMS that does not answer, and its callers the waiting.
//!
//! The crates for this read a clock of their own (`failsafe`) or leave it to the caller that only
//! one call probes (`reliakit-circuit`); the rule is a counter and a time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Kms, Request, Response};
use crate::clock::Clock;
use crate::error::{Error, ErrorCode, Result, Retry};
use crate::maybe_send::BoxFuture;

/// When a breaker opens, and for how long.
///
/// ```
/// use keyfold::BreakerLimits;
///
/// assert_eq!(BreakerLimits::default().failures, 5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerLimits {
    /// How many calls in a row must fail, at least 1.
    pub failures: u32,
    /// How long no call is made then, before one of them probes.
    pub pause: Duration,
}

impl Default for BreakerLimits {
    /// Five failures, ten seconds.
    fn default() -> Self {
        BreakerLimits { failures: 5, pause: Duration::from_secs(10) }
    }
}

/// A KMS that is left alone for a while after it has failed several times in a row.
///
/// Only `kms_unavailable` and `kms_throttled` count as failures: any other error is an answer.
/// While it is open, every call is answered `kms_unavailable` at once, with the time after which
/// one will be let through; that one decides.
///
/// Put it inside a [`RetryKms`](crate::RetryKms), so that each attempt counts.
///
/// ```
/// # use keyfold::kms::{Request, Response};
/// # use keyfold::maybe_send::BoxFuture;
/// # use keyfold::{Client, Error, ErrorCode, Kms};
/// # use std::{sync::atomic::{AtomicU32, Ordering}, time::Duration};
/// # struct Stopped;
/// # impl keyfold::Clock for Stopped {
/// #     fn now(&self) -> Duration { Duration::ZERO }
/// #     fn sleep(&self, _: Duration) -> BoxFuture<'_, ()> { Box::pin(std::future::ready(())) }
/// # }
/// # struct Down(AtomicU32);
/// # impl Kms for Down {
/// #     fn call<'a>(&'a self, _: &'a Request) -> BoxFuture<'a, keyfold::Result<Response>> {
/// #         self.0.fetch_add(1, Ordering::Relaxed);
/// #         Box::pin(async { Err(Error::new(ErrorCode::KmsUnavailable, "no answer")) })
/// #     }
/// # }
/// use keyfold::{BreakerKms, BreakerLimits};
///
/// let down = Down(AtomicU32::new(0)); // a KMS that does not answer
/// let kf = Client::new(BreakerKms::new(&down, Stopped, BreakerLimits::default()));
/// for _ in 0..100 {
///     let error = pollster::block_on(kf.secrets().get("name")).unwrap_err();
///     assert_eq!(error.code(), ErrorCode::KmsUnavailable);
/// }
/// assert_eq!(down.0.load(Ordering::Relaxed), 5); // it was left alone
/// ```
pub struct BreakerKms<K, C> {
    inner: K,
    clock: C,
    limits: BreakerLimits,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many calls in a row have failed.
    Closed(u32),
    /// No call is made before this time.
    Open(Duration),
    /// One call is under way to see.
    Probing,
}

impl<K: Kms, C: Clock> BreakerKms<K, C> {
    /// Wraps a KMS.
    pub fn new(inner: K, clock: C, limits: BreakerLimits) -> Self {
        BreakerKms { inner, clock, limits, state: Mutex::new(State::Closed(0)) }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // A state is one value: no panic leaves half of it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a call through, or says when to come again.
    fn admit(&self) -> Result<Admitted<'_, K, C>> {
        let mut state = self.state();
        let now = self.clock.now();
        let (probe, wait) = match *state {
            State::Closed(_) => (false, None),
            State::Open(until) if now >= until => (true, None),
            State::Open(until) => (false, Some(until.saturating_sub(now))),
            State::Probing => (false, Some(self.limits.pause)),
        };
        if let Some(wait) = wait {
            let detail = "the KMS has not answered for a while, and is left alone";
            let error = Error::new(ErrorCode::KmsUnavailable, detail);
            return Err(error.with_retry(Retry::Later(Some(wait))));
        }
        if probe {
            *state = State::Probing;
        }
        Ok(Admitted { breaker: self, probe, judged: false })
    }
}

/// A call that was let through. A probe that is dropped without an answer leaves the way to
/// another one.
struct Admitted<'a, K: Kms, C: Clock> {
    breaker: &'a BreakerKms<K, C>,
    probe: bool,
    judged: bool,
}

impl<K: Kms, C: Clock> Admitted<'_, K, C> {
    fn judge(mut self, failed: bool) {
        self.judged = true;
        let limits = self.breaker.limits;
        let reopened = State::Open(self.breaker.clock.now().saturating_add(limits.pause));
        let mut state = self.breaker.state();
        *state = match (*state, failed) {
            (State::Probing, true) if self.probe => reopened,
            (State::Probing, false) if self.probe => State::Closed(0),
            (State::Closed(_), false) => State::Closed(0),
            (State::Closed(before), true) if before.saturating_add(1) >= limits.failures => {
                reopened
            }
            (State::Closed(before), true) => State::Closed(before + 1),
            // Calls from before it opened do not count any more.
            (other, _) => other,
        };
    }
}

impl<K: Kms, C: Clock> Drop for Admitted<'_, K, C> {
    fn drop(&mut self) {
        if self.probe && !self.judged {
            *self.breaker.state() = State::Open(self.breaker.clock.now());
        }
    }
}

impl<K: Kms, C: Clock> Kms for BreakerKms<K, C> {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async {
            let admitted = self.admit()?;
            let answer = self.inner.call(request).await;
            let failed = answer.as_ref().is_err_and(|error| {
                matches!(error.code(), ErrorCode::KmsUnavailable | ErrorCode::KmsThrottled)
            });
            admitted.judge(failed);
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
    use std::task::{Context, Waker};

    use super::*;

    #[derive(Default)]
    struct World {
        seconds: AtomicU64,
        calls: AtomicU32,
        /// What the KMS says: an error's code, or nothing for a good answer.
        says: Mutex<Option<ErrorCode>>,
        silent: std::sync::atomic::AtomicBool,
    }

    struct FakeClock(Arc<World>);

    impl Clock for FakeClock {
        fn now(&self) -> Duration {
            Duration::from_secs(self.0.seconds.load(Ordering::Relaxed))
        }
        fn sleep(&self, _: Duration) -> BoxFuture<'_, ()> {
            Box::pin(std::future::ready(()))
        }
    }

    struct Scripted(Arc<World>);

    impl Kms for Scripted {
        fn call<'a>(&'a self, _: &'a Request) -> BoxFuture<'a, Result<Response>> {
            self.0.calls.fetch_add(1, Ordering::Relaxed);
            if self.0.silent.load(Ordering::Relaxed) {
                return Box::pin(std::future::pending());
            }
            let says = *self.0.says.lock().expect("no panic");
            Box::pin(async move {
                match says {
                    Some(code) => Err(Error::new(code, "as told")),
                    None => Ok(Response::Verified),
                }
            })
        }
    }

    fn request() -> Request {
        Request::GetSecret { name: "n".into(), version: None, stage: None }
    }

    struct Bench {
        world: Arc<World>,
        kms: BreakerKms<Scripted, FakeClock>,
    }

    impl Bench {
        fn new() -> Self {
            let world = Arc::<World>::default();
            let limits = BreakerLimits { failures: 3, pause: Duration::from_secs(10) };
            let kms = BreakerKms::new(Scripted(world.clone()), FakeClock(world.clone()), limits);
            Bench { world, kms }
        }

        /// One call with this answer of the KMS; whether the KMS was asked, and what came of it.
        fn call(&self, says: Option<ErrorCode>) -> (bool, Result<(), Retry>) {
            *self.world.says.lock().expect("no panic") = says;
            let before = self.world.calls.load(Ordering::Relaxed);
            let answer = pollster::block_on(self.kms.call(&request()));
            let asked = self.world.calls.load(Ordering::Relaxed) > before;
            (asked, answer.map(drop).map_err(|error| error.retry()))
        }

        fn at(&self, seconds: u64) {
            self.world.seconds.store(seconds, Ordering::Relaxed);
        }
    }

    const DOWN: Option<ErrorCode> = Some(ErrorCode::KmsUnavailable);
    const LATER: Result<(), Retry> = Err(Retry::Later(None));

    fn wait(seconds: u64) -> Result<(), Retry> {
        Err(Retry::Later(Some(Duration::from_secs(seconds))))
    }

    #[test]
    fn it_opens_after_failures_in_a_row_probes_and_closes() {
        let bench = Bench::new();
        assert_eq!(bench.call(DOWN), (true, LATER));
        assert_eq!(bench.call(DOWN), (true, LATER));
        // An answer, even a refusal, begins the count anew.
        assert_eq!(bench.call(Some(ErrorCode::KmsDenied)), (true, Err(Retry::AfterChange)));
        assert_eq!(bench.call(DOWN), (true, LATER));
        assert_eq!(bench.call(Some(ErrorCode::KmsThrottled)), (true, LATER));
        assert_eq!(bench.call(DOWN), (true, LATER));

        bench.at(4);
        assert_eq!(bench.call(None), (false, wait(6)));
        bench.at(10);
        // The probe fails: it stays open.
        assert_eq!(bench.call(DOWN), (true, LATER));
        bench.at(19);
        assert_eq!(bench.call(None), (false, wait(1)));
        bench.at(20);
        assert_eq!(bench.call(None), (true, Ok(())));
        // Closed: two failures do not open it.
        assert_eq!(bench.call(DOWN), (true, LATER));
        assert_eq!(bench.call(DOWN), (true, LATER));
        assert_eq!(bench.call(None), (true, Ok(())));
    }

    #[test]
    fn one_call_probes_and_a_dropped_probe_is_none() {
        let bench = Bench::new();
        for _ in 0..3 {
            assert!(bench.call(DOWN).0);
        }
        bench.at(10);
        bench.world.silent.store(true, Ordering::Relaxed);
        let request = request();
        let mut probe = bench.kms.call(&request);
        let mut context = Context::from_waker(Waker::noop());
        assert!(probe.as_mut().poll(&mut context).is_pending());
        // While it is under way, no other call is made.
        assert_eq!(bench.call(None), (false, wait(10)));
        drop(probe);
        bench.world.silent.store(false, Ordering::Relaxed);
        assert_eq!(bench.call(None), (true, Ok(())));
    }
}
