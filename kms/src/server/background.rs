//! What goes on beside the requests, each on a thread of its own: opening the root key, committing
//! what requests queued, doing what is due.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::observe;
use super::{App, Open, may_heal};
use crate::Engine;

/// How long the committing thread waits for a first record before it looks whether it shall end.
const PATIENCE: Duration = Duration::from_millis(250);
/// Between looks for what is due.
const TICK: Duration = Duration::from_mins(1);
/// Between looks after the metrics and the rate limits.
const UPKEEP: Duration = Duration::from_secs(5);
/// Before the first new attempt to open the root key, and at most before every later one.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// The threads.
pub(crate) struct Background {
    stop: Arc<Stop>,
    threads: Vec<JoinHandle<()>>,
}

/// Tells threads to end, and wakes them.
#[derive(Default)]
struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Waits; answers whether it is time to end.
    fn wait(&self, time: Duration) -> bool {
        let mut stopped = self.stopped.lock();
        if !*stopped {
            self.changed.wait_for(&mut stopped, time);
        }
        *stopped
    }

    fn is_set(&self) -> bool {
        *self.stopped.lock()
    }

    fn set(&self) {
        *self.stopped.lock() = true;
        self.changed.notify_all();
    }
}

impl Background {
    pub(crate) fn start(app: Arc<App>, open: Box<Open>) -> Self {
        let stop = Arc::new(Stop::default());
        let work = {
            let (app, stop) = (app.clone(), stop.clone());
            spawn("keyfold-work", move || {
                if let Some(engine) = unseal(&app, &*open, &stop) {
                    let committing = {
                        let (app, engine, stop) = (app.clone(), engine.clone(), stop.clone());
                        spawn("keyfold-commit", move || commit_for_ever(&app, &engine, &stop))
                    };
                    tick_for_ever(&engine, &stop);
                    committing.map(JoinHandle::join);
                }
            })
        };
        let upkeep = {
            let stop = stop.clone();
            spawn("keyfold-upkeep", move || {
                while !stop.wait(UPKEEP) {
                    if let Some(recorder) = observe::recorder() {
                        recorder.run_upkeep();
                    }
                    app.rates.forget_idle();
                }
            })
        };
        Background { stop, threads: [work, upkeep].into_iter().flatten().collect() }
    }

    /// Ends the threads, after what is queued is committed.
    pub(crate) fn finish(self) {
        self.stop.set();
        for thread in self.threads {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(work);
    if let Err(error) = &spawned {
        tracing::error!(target: "keyfold::server", %error, thread = name, "no thread can be made");
    }
    spawned.ok()
}

/// Opens the root key, however long it takes; `None` where it is time to end.
fn unseal(app: &App, open: &Open, stop: &Stop) -> Option<Arc<Engine>> {
    let (mut wait, longest) = BACK_OFF;
    loop {
        if let Some(engine) = app.host.engine() {
            tell_open(&engine);
            return Some(engine);
        }
        if stop.wait(wait) {
            return None;
        }
        wait = (wait * 2).min(longest);
        match open() {
            Ok(engine) => app.host.unseal(Arc::new(engine)),
            Err(error) => {
                metrics::counter!(observe::UNSEAL_FAILURES).increment(1);
                let reason = error.to_string();
                let heals = may_heal(&error);
                tracing::warn!(target: "keyfold::server", reason, heals, "still sealed");
            }
        }
    }
}

fn tell_open(engine: &Engine) {
    observe::sealed(false);
    let kind = engine.opened_by().map_or("none", |slot| slot.kind.as_str()).to_owned();
    metrics::gauge!(observe::ROOT_SLOT, "kind" => kind.clone()).set(1.0);
    let store_id = engine.store_id();
    tracing::info!(target: "keyfold::server", %store_id, slot = kind, "the root key is open");
}

/// Commits what requests queue: all that wait, in one transaction.
fn commit_for_ever(app: &App, engine: &Engine, stop: &Stop) {
    let mut failed = engine.failed_commits();
    loop {
        let told = engine.commit_queued(PATIENCE);
        let fails = engine.failed_commits();
        if fails > failed {
            metrics::counter!(observe::AUDIT_FAILURES).increment(fails - failed);
            tracing::error!(target: "keyfold::server", count = fails - failed, "commits failed");
            failed = fails;
            app.health.note_audit(true);
        } else if told > 0 {
            app.health.note_audit(false);
        }
        if told == 0 && stop.is_set() {
            return;
        }
    }
}

fn tick_for_ever(engine: &Engine, stop: &Stop) {
    loop {
        match engine.tick() {
            Ok(done) => {
                for (kind, count) in [
                    ("rotated", done.rotated),
                    ("deleted_key", done.deleted),
                    ("deleted_secret", done.deleted_secrets),
                ] {
                    metrics::counter!(observe::DUE, "kind" => kind).increment(count.into());
                }
            }
            Err(error) => {
                metrics::counter!(observe::TICK_FAILURES).increment(1);
                tracing::error!(target: "keyfold::server", %error, "what is due was not done");
            }
        }
        if stop.wait(TICK) {
            return;
        }
    }
}
