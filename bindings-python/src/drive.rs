//! Futures of the core, driven without a runtime: by the thread that asks, or by asyncio.
//!
//! Every poll says where it happens. What would block on a thread that holds the interpreter or
//! runs an event loop asks there to be polled elsewhere.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use keyfold::kms::{Kms, Request, Response};
use keyfold::maybe_send::BoxFuture;
use keyfold::{Clock, WallClock};
use pyo3::prelude::*;

use crate::errors::{OrRaise, invalid};

/// Where a future is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// By a thread that holds the interpreter, and has no event loop.
    Attached,
    /// By a thread that has released the interpreter, and has no event loop. It may block.
    Detached,
    /// By the thread of an event loop.
    Loop,
    /// By a thread that works for an event loop, and has released the interpreter. It may block.
    Aside,
}

impl Place {
    fn may_block(self) -> bool {
        matches!(self, Place::Detached | Place::Aside)
    }
}

/// What a future that is not ready waits for, beside its waker.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wish {
    /// To be polled apart.
    pub(crate) apart: bool,
    /// To be polled at this moment, whatever else happens.
    pub(crate) at: Option<Instant>,
}

thread_local! {
    static TURN: Cell<(Place, Wish)> = const {
        Cell::new((Place::Detached, Wish { apart: false, at: None }))
    };
}

/// Polls once; answers also what the future asked for.
pub(crate) fn poll<F: Future + ?Sized>(
    place: Place,
    future: Pin<&mut F>,
    waker: &Waker,
) -> (Poll<F::Output>, Wish) {
    // A KMS written in Python may use another client while it is polled, so turns nest.
    struct Restore((Place, Wish));
    impl Drop for Restore {
        fn drop(&mut self) {
            TURN.set(self.0);
        }
    }
    let _outer = Restore(TURN.replace((place, Wish::default())));
    let polled = future.poll(&mut Context::from_waker(waker));
    (polled, TURN.get().1)
}

/// Completes where the future may block.
pub(crate) async fn apart() {
    poll_fn(|_| match TURN.get() {
        (place, _) if place.may_block() => Poll::Ready(()),
        (place, wish) => {
            TURN.set((place, Wish { apart: true, ..wish }));
            Poll::Pending
        }
    })
    .await;
}

/// Completes on the thread of an event loop.
///
/// # Errors
/// `invalid_argument` where there is none.
pub(crate) async fn on_loop() -> keyfold::Result<()> {
    poll_fn(|context| match TURN.get() {
        (Place::Loop, _) => Poll::Ready(Ok(())),
        (Place::Aside, _) => {
            // Whoever drives this comes back on the loop.
            context.waker().wake_by_ref();
            Poll::Pending
        }
        (Place::Attached | Place::Detached, _) => {
            Poll::Ready(Err(invalid("a coroutine function is called where no event loop runs")))
        }
    })
    .await
}

/// A KMS whose calls block: it is called apart.
pub(crate) struct Blocking<K>(pub(crate) K);

impl<K: Kms> Kms for Blocking<K> {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, keyfold::Result<Response>> {
        Box::pin(async {
            apart().await;
            self.0.call(request).await
        })
    }
}

thread_local! {
    static CANCELLED: RefCell<Option<Arc<AtomicBool>>> = const { RefCell::new(None) };
}

/// Polls with a flag that long work looks at.
pub(crate) fn cancellable<T>(flag: &Arc<AtomicBool>, work: impl FnOnce() -> T) -> T {
    struct Restore(Option<Arc<AtomicBool>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CANCELLED.replace(self.0.take());
        }
    }
    let _outer = Restore(CANCELLED.replace(Some(flag.clone())));
    work()
}

/// Whether what this thread works on was cancelled.
pub(crate) fn cancelled() -> bool {
    CANCELLED.with_borrow(|flag| flag.as_ref().is_some_and(|flag| flag.load(Ordering::Acquire)))
}

/// How often a thread that waits looks for signals: a tenth of a second would be felt.
const SIGNALS: Duration = Duration::from_millis(50);

/// Waits for a future on this thread. The interpreter is released as soon as there is something
/// to wait for; Ctrl-C ends the wait and drops the future.
pub(crate) fn wait<T: Send>(
    py: Python<'_>,
    future: impl Future<Output = keyfold::Result<T>> + Send,
) -> PyResult<T> {
    let mut future = pin!(future);
    // Mostly the data key is in the cache, and nothing waits.
    if let (Poll::Ready(done), _) = poll(Place::Attached, future.as_mut(), Waker::noop()) {
        return done.or_raise(py);
    }
    py.detach(|| park_on(future))?.or_raise(py)
}

/// Raises what a signal that came meanwhile raises: `KeyboardInterrupt`, for Ctrl-C.
pub(crate) fn signals() -> PyResult<()> {
    Python::attach(|py| {
        py.check_signals()?;
        Ok(())
    })
}

/// Waits for a future on a thread that has released the interpreter.
fn park_on<F: Future>(mut future: Pin<&mut F>) -> PyResult<F::Output> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut looked = Instant::now();
    loop {
        let (polled, wish) = poll(Place::Detached, future.as_mut(), &waker);
        if let Poll::Ready(done) = polled {
            return Ok(done);
        }
        let pause = wish.at.map_or(SIGNALS, |at| at.saturating_duration_since(Instant::now()));
        std::thread::park_timeout(pause.min(SIGNALS));
        if looked.elapsed() >= SIGNALS {
            signals()?;
            looked = Instant::now();
        }
    }
}

/// The system's clocks, with a timer that needs no thread: whoever drives the future is told
/// when to come back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DriverClock;

impl Clock for DriverClock {
    fn now(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        let end = Instant::now() + time;
        Box::pin(poll_fn(move |_| {
            if Instant::now() >= end {
                return Poll::Ready(());
            }
            let (place, wish) = TURN.get();
            let at = wish.at.map_or(end, |at| at.min(end));
            TURN.set((place, Wish { at: Some(at), ..wish }));
            Poll::Pending
        }))
    }
}

impl WallClock for DriverClock {
    fn unix_time(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

/// From this length on the interpreter is released for cryptography, in bytes: it takes longer
/// than another thread needs to take and give back the interpreter.
const WORTH_RELEASING: usize = 16 * 1024;

/// Computes over so many bytes, without the interpreter where they are many.
pub(crate) fn compute<T: Send>(py: Python<'_>, bytes: usize, work: impl FnOnce() -> T + Send) -> T {
    if bytes < WORTH_RELEASING { work() } else { py.detach(work) }
}
