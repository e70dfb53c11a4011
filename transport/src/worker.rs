//! The one thread on which the network lives.
//!
//! Always an own one, whether the caller has a runtime or not: a connection belongs to the
//! runtime that opened it, and outlives neither a caller's runtime nor one made for a call. The
//! price is one hop between threads, some ten microseconds, for each request.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};

/// A thread with a runtime; it ends when nobody holds it any more.
#[derive(Clone)]
pub(crate) struct Worker {
    handle: Handle,
    /// Dropping the last one ends the thread.
    _alive: Arc<oneshot::Sender<()>>,
}

impl Worker {
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let handle = runtime.handle().clone();
        let (alive, ended) = oneshot::channel::<()>();
        thread::Builder::new().name("keyfold-http".to_owned()).spawn(move || {
            // Nothing is ever sent: it returns when the sender is dropped.
            let _ = runtime.block_on(ended);
            // Name resolution may still hang; whoever asked for it has gone.
            runtime.shutdown_background();
        })?;
        Ok(Worker { handle, _alive: Arc::new(alive) })
    }

    /// Runs a future there. Dropping the task stops it.
    pub(crate) fn spawn<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        Task(self.handle.spawn(future))
    }
}

/// What runs on the worker.
pub(crate) struct Task<T>(JoinHandle<T>);

impl<T> Future for Task<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
