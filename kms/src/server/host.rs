//! The engine inside the server: where it comes from, and on which threads it works.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::auth::{Authenticator, Incoming};
use super::observe;
use super::operations::Weight;
use crate::engine::{Begun, Operation, Stale};
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::{Caller, Engine};

/// Changes that wait for the store at one time; they are serialised there anyway.
const WRITERS: usize = 16;
/// How often an operation is evaluated without the store's lock before it waits in line for it.
const SHORT_WAYS: usize = 2;
/// How often an operation is evaluated at all.
const ATTEMPTS: usize = 8;

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
    /// Performs an operation, on the threads that its weight asks for. Where the store changed
    /// meanwhile, the caller is authenticated and the operation evaluated anew.
    pub(crate) async fn run<O>(self, mut request: O) -> Result<O::Response>
    where
        O: Operation + Weight + Send + Sync + 'static,
        O::Response: Send + 'static,
    {
        let Job { host, engine, authenticator, incoming, mut caller } = self;
        for attempt in 0..ATTEMPTS {
            let lane = match request.lane() {
                // The short way depends on luck: where all change the store at once, wait in line.
                Lane::Inline if attempt >= SHORT_WAYS => Lane::Write,
                Lane::Heavy if attempt >= SHORT_WAYS => Lane::HeavyWrite,
                lane => lane,
            };
            let begun = match lane {
                Lane::Inline => engine.begin(&caller, &request),
                Lane::Heavy => {
                    let work = |engine: &Engine, caller: &Caller, request: &O| {
                        engine.begin(caller, request)
                    };
                    let (kept, begun);
                    (kept, request, begun) =
                        apart(&host.heavy, engine, caller, request, work).await?;
                    caller = kept;
                    begun
                }
                Lane::Write | Lane::HeavyWrite => Begun::NeedsWrite,
            };
            let done = match begun {
                Begun::Queued(pending) => pending.await,
                Begun::NeedsWrite => {
                    let lane = if lane == Lane::HeavyWrite { &host.heavy } else { &host.writers };
                    let work = |engine: &Engine, caller: &Caller, request: &O| {
                        engine.perform(caller, request)
                    };
                    let done;
                    // The caller is authenticated anew, if need be.
                    (_, request, done) = apart(lane, engine, caller, request, work).await?;
                    done
                }
            };
            match done {
                Ok(answer) => return answer,
                Err(Stale) => metrics::counter!(observe::STALE).increment(1),
            }
            caller = authenticator.authenticate(engine, incoming).await?;
        }
        Err(KmsError::new(KmsErrorCode::DependencyTimeout, "the store changes all the time"))
    }
}

/// Works on a thread that may block, and hands back what it worked with.
async fn apart<O, T>(
    lane: &Arc<Semaphore>,
    engine: &Arc<Engine>,
    caller: Caller,
    request: O,
    work: impl FnOnce(&Engine, &Caller, &O) -> T + Send + 'static,
) -> Result<(Caller, O, T)>
where
    O: Send + 'static,
    T: Send + 'static,
{
    let permit = lane.clone().acquire_owned().await;
    let permit = permit.map_err(|_| KmsError::internal("a semaphore was closed"))?;
    let engine = engine.clone();
    let done = spawn_blocking(move || {
        // Held until the work is done, also where nobody waits for it any more.
        let _permit = permit;
        let made = work(&engine, &caller, &request);
        (caller, request, made)
    })
    .await;
    match done {
        Ok(done) => Ok(done),
        Err(error) => match error.try_into_panic() {
            // The layer around all requests counts and answers it.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(KmsError::internal("an operation was cancelled")),
        },
    }
}
