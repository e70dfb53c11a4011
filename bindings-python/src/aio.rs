//! Tasks under asyncio: polled on the thread of the event loop, and on another one where they
//! would block it. There is no runtime and no thread of ours: `keyfold.aio` has the loop around.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Wake, Waker};
use std::time::Instant;

use pyo3::prelude::*;

use crate::client::{Finish, Task};
use crate::drive::{Place, cancellable, poll};
use crate::errors::{OrRaise, invalid, to_python};

/// From this length on computing leaves the thread of the event loop, in bytes: it takes some
/// 50 microseconds.
pub(crate) const WORTH_THREAD: usize = 256 * 1024;

type BoxFinish = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;
type BoxTask = Pin<Box<dyn Future<Output = keyfold::Result<BoxFinish>> + Send>>;

enum State {
    Waiting(BoxTask),
    /// All waiting is done.
    Ready(BoxFinish),
    Done(PyResult<Py<PyAny>>),
    /// Worked on by a thread, taken, or closed.
    Gone,
}

/// A task that is not done at once.
#[pyclass(frozen, module = "keyfold._keyfold", name = "Operation")]
pub(crate) struct Operation {
    state: Mutex<State>,
    cancelled: Arc<AtomicBool>,
    bytes: usize,
}

/// Begins a task: answers its result where that is there at once, otherwise an operation.
pub(crate) fn begin<F: Finish>(
    py: Python<'_>,
    bytes: usize,
    task: impl Task<F>,
) -> PyResult<Py<PyAny>> {
    let mut task: BoxTask = Box::pin(async {
        let finish: BoxFinish = Box::new(task.await?);
        Ok(finish)
    });
    let state = match quiet(|| poll(Place::Loop, task.as_mut(), Waker::noop())).0 {
        Poll::Ready(Ok(finish)) if bytes < WORTH_THREAD => return finish(py),
        Poll::Ready(Ok(finish)) => State::Ready(finish),
        Poll::Ready(Err(error)) => return Err(to_python(py, &error)),
        Poll::Pending => State::Waiting(task),
    };
    let operation = Operation { state: Mutex::new(state), cancelled: Arc::default(), bytes };
    Ok(Py::new(py, operation)?.into_any())
}

impl Operation {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> State {
        std::mem::replace(&mut *self.lock(), State::Gone)
    }

    /// Puts back what was taken, unless the operation was closed meanwhile.
    fn put(&self, state: State) {
        if self.cancelled.load(Ordering::Acquire) {
            quiet(|| drop(state));
        } else {
            *self.lock() = state;
        }
    }

    fn poll_at(&self, place: Place, task: &mut BoxTask, wake: Py<PyAny>) -> (Option<State>, Wish) {
        let waker = Waker::from(Arc::new(PyWaker(wake)));
        let (polled, wish) =
            cancellable(&self.cancelled, || quiet(|| poll(place, task.as_mut(), &waker)));
        let delay = wish.at.map(|at| at.saturating_duration_since(Instant::now()).as_secs_f64());
        let state = match polled {
            Poll::Ready(Ok(finish)) => Some(State::Ready(finish)),
            Poll::Ready(Err(error)) => {
                Some(State::Done(Err(Python::attach(|py| to_python(py, &error)))))
            }
            Poll::Pending => None,
        };
        (state, Wish { apart: wish.apart, delay })
    }
}

/// What the loop does next.
struct Wish {
    apart: bool,
    delay: Option<f64>,
}

#[pymethods]
impl Operation {
    /// Goes on, on the thread of the event loop. Answers what next: 0 to take the result, 1 to
    /// wait until `wake` is called or so many seconds have passed, 2 to work on another thread.
    fn step(&self, py: Python<'_>, wake: Py<PyAny>) -> PyResult<(u8, Option<f64>)> {
        let mut wish = Wish { apart: false, delay: None };
        let state = match self.take() {
            State::Waiting(mut task) => {
                let (done, asked) = self.poll_at(Place::Loop, &mut task, wake);
                wish = asked;
                done.unwrap_or(State::Waiting(task))
            }
            State::Gone => return Err(invalid("the operation has ended")).or_raise(py),
            state => state,
        };
        let next = match &state {
            State::Waiting(_) if wish.apart => 2,
            State::Ready(_) if self.bytes >= WORTH_THREAD => 2,
            State::Waiting(_) => 1,
            State::Ready(_) | State::Done(_) | State::Gone => 0,
        };
        self.put(state);
        Ok((next, wish.delay))
    }

    /// Goes on, on a thread that may block. Answers whether the result is there, and otherwise
    /// after how many seconds to come back at the latest.
    fn work(&self, py: Python<'_>, wake: Py<PyAny>) -> (bool, Option<f64>) {
        let mut delay = None;
        let state = match self.take() {
            State::Waiting(mut task) => {
                let (done, wish) = py.detach(|| self.poll_at(Place::Aside, &mut task, wake));
                delay = wish.delay;
                done.unwrap_or(State::Waiting(task))
            }
            state => state,
        };
        let state = match state {
            State::Ready(finish) => State::Done(finish(py)),
            state => state,
        };
        let done = !matches!(state, State::Waiting(_));
        self.put(state);
        (done, delay)
    }

    /// The result, once.
    fn take_result(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self.take() {
            State::Done(result) => result,
            State::Ready(finish) => finish(py),
            State::Waiting(_) | State::Gone => {
                Err(invalid("the operation has no result")).or_raise(py)
            }
        }
    }

    /// Ends the operation: what it waits for is given up.
    fn close(&self) {
        self.cancelled.store(true, Ordering::Release);
        let state = self.take();
        quiet(|| drop(state));
    }
}

/// Calls a function of Python's, which tells the event loop.
struct PyWaker(Py<PyAny>);

thread_local! {
    /// How deep in polls and drops this thread is, and who is to be woken after the last.
    static QUIET: Cell<usize> = const { Cell::new(0) };
    static WOKEN: RefCell<Vec<Arc<PyWaker>>> = const { RefCell::new(Vec::new()) };
}

/// Puts off calls into Python until `work` is done. Futures wake others while they hold locks of
/// their own; whoever waits for the interpreter with such a lock in hand, while another holds the
/// interpreter and waits for the lock, waits for ever.
fn quiet<T>(work: impl FnOnce() -> T) -> T {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            QUIET.set(QUIET.get() - 1);
            if QUIET.get() == 0 {
                for waker in WOKEN.take() {
                    waker.call();
                }
            }
        }
    }
    QUIET.set(QUIET.get() + 1);
    let _leave = Leave;
    work()
}

impl PyWaker {
    fn call(&self) {
        // While the interpreter ends nobody waits any more.
        let _ = Python::try_attach(|py| {
            if let Err(error) = self.0.call0(py) {
                error.write_unraisable(py, None);
            }
        });
    }
}

impl Wake for PyWaker {
    fn wake(self: Arc<Self>) {
        if QUIET.get() > 0 {
            WOKEN.with_borrow_mut(|woken| woken.push(self));
        } else {
            self.call();
        }
    }
}
