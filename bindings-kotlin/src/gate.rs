//! Calls that wait for nobody.
//!
//! What needs no KMS, because its data key is in the cache, is done by the thread that asks, in
//! one poll. What does need one goes on where it began, as the same future, driven by the
//! language's own coroutines: nothing is asked twice, and no miss of the cache counts twice.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use keyfold::Result;
use keyfold::kms::{Kms, Request, Response};
use keyfold::maybe_send::BoxFuture;

/// A future of the core's that owns all it needs.
pub(crate) type Task<T> = BoxFuture<'static, Result<T>>;

thread_local! {
    static ATTEMPT: Cell<bool> = const { Cell::new(false) };
}

/// Polls once; nothing where it has to wait.
pub(crate) fn attempt<F: Future + ?Sized>(future: Pin<&mut F>) -> Option<F::Output> {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            ATTEMPT.set(self.0);
        }
    }
    let _outer = Restore(ATTEMPT.replace(true));
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

/// A KMS that is not called in an attempt.
pub(crate) struct Gate(pub(crate) Arc<dyn Kms>);

impl Kms for Gate {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async {
            // Whoever drives it next polls it whatever it waits for.
            poll_fn(|_| if ATTEMPT.get() { Poll::Pending } else { Poll::Ready(()) }).await;
            self.0.call(request).await
        })
    }
}
