//! The engine inside the server: where it comes from, and on which threads it works.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::auth::{Authenticator, Incoming};
use crate::engine::Operation;
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::{Caller, Engine};

/// Changes that wait for the store at one time; they are serialised there anyway.
const WRITERS: usize = 16;

/// On which threads an operation runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Where the connection is served: microseconds, and no store.
    Inline,
    /// On a thread that may be busy for milliseconds.
    Heavy,
    /// On a thread that may wait for the store.
    Write,
    /// On a thread that may be busy, and then wait.
    HeavyWrite,
}

impl Lane {
    pub(crate) const fn of(read_only: bool, heavy: bool) -> Self {
        match (read_only, heavy) {
            (true, false) => Lane::Inline,
            (true, true) => Lane::Heavy,
            (false, false) => Lane::Write,
            (false, true) => Lane::HeavyWrite,
        }
    }
}

/// The engine, once its root is open, and the threads that it may use.
pub(crate) struct Host {
    engine: ArcSwapOption<Engine>,
    heavy: Arc<Semaphore>,
    writers: Arc<Semaphore>,
    stopping: AtomicBool,
}

impl Host {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Host {
            engine: ArcSwapOption::empty(),
            heavy: Arc::new(Semaphore::new(cores)),
            writers: Arc::new(Semaphore::new(WRITERS)),
            stopping: AtomicBool::new(false),
        }
    }

    /// The engine, unless it is sealed.
    pub(crate) fn engine(&self) -> Option<Arc<Engine>> {
        self.engine.load_full()
    }

    pub(crate) fn unseal(&self, engine: Arc<Engine>) {
        self.engine.store(Some(engine));
    }

    /// From now on the server is not ready.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// One authenticated request, on its way to the engine.
pub(crate) struct Job<'a> {
    pub(crate) host: &'a Host,
    pub(crate) engine: &'a Arc<Engine>,
    pub(crate) authenticator: &'a Authenticator,
    pub(crate) incoming: &'a Incoming<'a>,
    pub(crate) caller: Caller,
}

impl Job<'_> {
    /// Performs an operation, on the threads that its weight asks for.
    pub(crate) async fn run<O>(self, request: O) -> Result<O::Response>
    where
        O: Operation + super::operations::Weight + Send + Sync + 'static,
        O::Response: Send + 'static,
    {
        let (engine, caller) = (self.engine.clone(), self.caller);
        let lanes = match request.lane() {
            Lane::Inline | Lane::Write => &self.host.writers,
            Lane::Heavy | Lane::HeavyWrite => &self.host.heavy,
        };
        let permit = lanes.clone().acquire_owned().await.map_err(|_| closed())?;
        spawn_blocking(move || {
            // Held until the work is done, also where nobody waits for it any more.
            let _permit = permit;
            engine.call(&caller, &request)
        })
        .await
        .map_err(|_| KmsError::internal("an operation panicked"))?
    }
}

fn closed() -> KmsError {
    KmsError::new(KmsErrorCode::KeyUnavailable, "the service is shutting down")
}
