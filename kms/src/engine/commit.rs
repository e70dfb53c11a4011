//! How operations become durable: one transaction at a time, each with the records of all
//! operations that wait.

use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::MutexGuard;

use super::authorize::Caller;
use super::queue::{Begun, Outcome, Pending, Stale, Taken};
use super::view::{Basis, Log, View};
use super::work::{Request, Work};
use super::{Call, Engine, Generation, Operation, make_id};
use crate::audit::{self, Change, Draft, Head, Trail};
use crate::clock::Timestamp;
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::hierarchy::damaged;
use crate::store::{self, StoreError};

/// How often an operation that only reads is evaluated without the lock.
const TRIES: usize = 2;

/// Why a transaction did not commit.
enum Failure {
    /// What was to be done in it failed.
    Work,
    /// The store or the audit chain failed.
    Commit(KmsError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::Commit(error.into())
    }
}

/// An operation while it is evaluated.
struct Evaluation<'a> {
    caller: &'a Caller,
    now: Timestamp,
    trail: Trail,
    basis: Basis,
}

/// Why a change was not made.
enum Refusal {
    Stale,
    Kms(KmsError),
}

impl From<KmsError> for Refusal {
    fn from(error: KmsError) -> Self {
        Refusal::Kms(error)
    }
}

impl Engine {
    /// Performs an operation. Its audit record is durable before this returns, whatever the
    /// outcome; that of a change commits together with the change. It blocks.
    ///
    /// ```
    /// # use keyfold_kms::types::{CreateKeyRequest, EncryptRequest};
    /// # use keyfold_kms::Engine;
    /// # let engine = Engine::in_memory()?;
    /// # let owner = engine.owner();
    /// # let key = engine.call(&owner, &CreateKeyRequest::default())?.key_metadata;
    /// let request = EncryptRequest { key_id: key.key_id, ..EncryptRequest::default() };
    /// let refused = engine.call(&owner, &request).err().expect("there is no plaintext");
    /// assert_eq!(refused.code(), keyfold_kms::KmsErrorCode::Validation);
    /// // Failures are recorded too.
    /// assert_eq!(engine.audit_records(0, 10)?[1].result, "ValidationException");
    /// # Ok::<(), keyfold_kms::KmsError>(())
    /// ```
    ///
    /// # Errors
    /// In this order: `ValidationException` for a wrong shape, errors of resolving the key,
    /// `AccessDeniedException`, errors of the key's state, of its usage, of the operation itself,
    /// `DryRunOperationException`. `DependencyTimeoutException` where the caller's credentials
    /// changed meanwhile: authenticate again.
    pub fn call<O: Operation>(&self, caller: &Caller, request: &O) -> Result<O::Response> {
        self.perform(caller, request).unwrap_or_else(|Stale| {
            let why = "the caller's credentials changed meanwhile";
            Err(KmsError::new(KmsErrorCode::DependencyTimeout, why))
        })
    }

    /// As [`Engine::call`], for a host that authenticates by rows of the store: [`Stale`] says
    /// that one of those changed since, and that nothing was done.
    ///
    /// # Errors
    /// [`Stale`] outside, those of [`Engine::call`] inside.
    pub fn perform<O: Operation>(
        &self,
        caller: &Caller,
        request: &O,
    ) -> std::result::Result<Result<O::Response>, Stale> {
        let mut work = Request::new(request);
        let done = self.perform_work(caller, &mut work)?;
        Ok(work.answer(done))
    }

    pub(super) fn perform_work(
        &self,
        caller: &Caller,
        work: &mut dyn Work,
    ) -> std::result::Result<Result<()>, Stale> {
        if work.about().read_only {
            for _ in 0..TRIES {
                let Begun::Queued(pending) = self.begin_work(caller, work) else { break };
                if let Ok(done) = self.finish(pending) {
                    return Ok(done);
                }
            }
        }
        // Under the lock nothing changes while it is evaluated.
        self.change(caller, work)
    }

    /// Evaluates an operation here and now, as far as it changes nothing, on rows in memory where
    /// they are there; the answer comes when a commit has made its audit record durable.
    ///
    /// [`Stale`] says that what it was evaluated on changed meanwhile: authenticate again and
    /// begin again, and after a second time use [`Engine::perform`], which does not depend on
    /// luck.
    pub fn begin<O: Operation>(&self, caller: &Caller, request: &O) -> Begun<O::Response> {
        let mut work = Request::new(request);
        match self.begin_work(caller, &mut work) {
            Begun::Queued(pending) => Begun::Queued(pending.with(|done| work.answer(done))),
            Begun::NeedsWrite => Begun::NeedsWrite,
        }
    }

    fn begin_work(&self, caller: &Caller, work: &mut dyn Work) -> Begun<()> {
        let about = work.about();
        if !about.read_only {
            return Begun::NeedsWrite;
        }
        let now = self.clock.now();
        let mut evaluation =
            Evaluation { caller, now, trail: Trail::default(), basis: self.basis_of(caller) };
        let done = self.evaluate(&mut evaluation, work);
        let Evaluation { trail, basis, .. } = evaluation;
        if basis.wants_write {
            return Begun::NeedsWrite;
        }
        let Some(result) = recorded(&done) else { return Begun::Queued(Pending::ready(done)) };
        Begun::Queued(match self.draft(caller, now, about.recorded(), result, &trail) {
            Ok(record) => self.queue.push(record, basis.since, basis.scopes, done),
            Err(error) => Pending::ready(Err(error)),
        })
    }

    /// What everything that a caller does rests on.
    fn basis_of(&self, caller: &Caller) -> Basis {
        let mut basis = Basis::since(self.known.generation());
        for (scope, since, _) in caller.footing() {
            basis.add(*scope, *since);
        }
        basis
    }

    /// Evaluates on what is in memory, and once more on a snapshot where something is not.
    fn evaluate(&self, on: &mut Evaluation<'_>, work: &mut dyn Work) -> Result<()> {
        work.validate()?;
        let prepared = work.prepare(&*self.rng)?;
        let (caller, now) = (on.caller, on.now);
        let mut call = Call {
            engine: self,
            caller,
            now,
            txn: View::memory(self, &mut on.basis),
            trail: &mut on.trail,
            prepared,
            via: None,
        };
        let done = call.perform(work);
        let unused = call.prepared.take();
        if !on.basis.missed || on.basis.wants_write {
            return done;
        }
        on.basis = self.basis_of(caller);
        on.trail = Trail::default();
        let prepared = match unused {
            None => work.prepare(&*self.rng)?,
            unused => unused,
        };
        let Evaluation { trail, basis, .. } = on;
        store::read(&*self.store, |txn| {
            let txn = View::snapshot(self, txn, basis);
            let mut call = Call { engine: self, caller, now, txn, trail, prepared, via: None };
            call.perform(work)
        })
    }

    /// Commits what waits: blocks until there is something, but not longer than `patience`, and
    /// answers how many waiters it told how it ended. A host that uses [`Engine::begin`] calls
    /// it in a loop, on one thread of its own.
    pub fn commit_queued(&self, patience: Duration) -> usize {
        self.queue.wait(patience);
        let turn = self.commits.lock();
        let count = self.commit_waiting();
        MutexGuard::unlock_fair(turn);
        count
    }

    /// How many commits of this process failed: nothing of them was answered or kept. A host
    /// watches it, as none of what it serves goes on without commits.
    pub fn failed_commits(&self) -> u64 {
        self.failed_commits.load(Ordering::Relaxed)
    }

    /// The newest generation of the store that this process knows of.
    pub fn generation(&self) -> Generation {
        self.known.generation()
    }

    /// Waits for an answer: whoever of the waiting threads has the lock commits for all.
    fn finish(&self, mut pending: Pending<()>) -> std::result::Result<Result<()>, Stale> {
        loop {
            if let Some(outcome) = pending.outcome() {
                return pending.take(outcome);
            }
            let turn = self.commits.lock();
            if pending.outcome().is_none() {
                self.commit_waiting();
            }
            MutexGuard::unlock_fair(turn);
        }
    }

    fn change(
        &self,
        caller: &Caller,
        work: &mut dyn Work,
    ) -> std::result::Result<Result<()>, Stale> {
        let (now, mut trail) = (self.clock.now(), Trail::default());
        let about = work.about();
        let done = match self.attempt(caller, work, now, &mut trail) {
            Ok(done) => return Ok(done),
            Err(Refusal::Stale) => return Err(Stale),
            Err(Refusal::Kms(error)) => Err(error),
        };
        if let Some(result) = recorded(&done) {
            let recorded = self
                .draft(caller, now, about.recorded(), result, &trail)
                .and_then(|record| self.transact(|mut txn| txn.record(record)));
            if let Err(error) = recorded {
                return Ok(Err(error));
            }
        }
        Ok(done)
    }

    fn attempt(
        &self,
        caller: &Caller,
        work: &mut dyn Work,
        now: Timestamp,
        trail: &mut Trail,
    ) -> std::result::Result<Result<()>, Refusal> {
        work.validate()?;
        let prepared = work.prepare(&*self.rng)?;
        self.transact(|mut view| {
            if !self.stands(caller, &mut view)? {
                return Err(Refusal::Stale);
            }
            let txn = view.reborrow();
            let mut call = Call { engine: self, caller, now, txn, trail, prepared, via: None };
            let done = call.perform(work);
            // A refusal is recorded where it was met, or a change that undoes its reason could
            // come before its record. What failed for reasons of ours, or after it had changed
            // something, is rolled back instead.
            if let Err(error) = &done
                && (error.code().status() >= 500 || call.txn.has_changed())
            {
                return Err(Refusal::Kms(error.clone()));
            }
            let result = recorded(&done).unwrap_or("ok");
            let record = self.draft(caller, now, work.about().recorded(), result, call.trail)?;
            call.txn.record(record)?;
            Ok(done)
        })
    }

    /// Whether what a caller was authenticated by is as it was. Where another process has changed
    /// something, be it what it may, the row itself tells: nobody changes it while the lock is
    /// held.
    fn stands(&self, caller: &Caller, view: &mut View<'_>) -> Result<bool> {
        for (scope, since, stamp) in caller.footing() {
            let same = match stamp {
                _ if self.known.holds(*scope, *since) => true,
                Some(stamp) => stamp.holds(view)?,
                None => false,
            };
            if !same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The bytes of an audit record.
    pub(crate) fn draft(
        &self,
        caller: &Caller,
        now: Timestamp,
        about: (&str, bool),
        result: &str,
        trail: &Trail,
    ) -> Result<Vec<u8>> {
        Draft::new(caller, now, make_id(&*self.rng)?, about, result, trail).to_json()
    }

    /// Runs `work` in a transaction that writes; it commits exactly where that is `Ok`, together
    /// with the records that wait.
    pub(crate) fn transact<T, E: From<KmsError>>(
        &self,
        work: impl FnOnce(View<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let turn = self.commits.lock();
        let done = self.commit(self.queue.take(), work);
        MutexGuard::unlock_fair(turn);
        done.map(|(value, _)| value)
    }

    /// Commits one run of waiting records; answers how many waiters were told.
    fn commit_waiting(&self) -> usize {
        let taken = self.queue.take();
        let count = taken.records.len();
        if count == 0 {
            return 0;
        }
        // Its waiters are told what came of it.
        let _ = self.commit(taken, |_| Ok::<_, KmsError>(()));
        count
    }

    /// One transaction: the records that wait and still hold, then `work` and its records. The
    /// caller holds the lock of commits.
    fn commit<T, E: From<KmsError>>(
        &self,
        taken: Taken<'_>,
        work: impl FnOnce(View<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<(T, usize), E> {
        let (mut work, mut done) = (Some(work), None);
        let committed = self.commit_where(taken, &mut |view| {
            done = work.take().map(|work| work(view));
            matches!(done, Some(Ok(_)))
        });
        match (committed, done) {
            (Ok(Some(told)), Some(Ok(value))) => Ok((value, told)),
            (Ok(_), Some(Err(error))) => Err(error),
            (Err(error), _) => Err(error.into()),
            (Ok(_), _) => Err(KmsError::internal("the transaction did not run").into()),
        }
    }

    /// The same for work that says whether it went well: compiled once, not for every operation.
    /// Answers how many waiters were told, or nothing where it did not go well.
    fn commit_where(
        &self,
        taken: Taken<'_>,
        work: &mut dyn FnMut(View<'_>) -> bool,
    ) -> Result<Option<usize>> {
        let mut log = Log::default();
        let committed = store::write(&*self.store, |txn| {
            let head = Head::read(txn, &self.keys)
                .and_then(|head| head.ok_or_else(|| damaged("the head of the audit chain")));
            let head = head.map_err(Failure::Commit)?;
            self.known.meet(head.change);
            let hold = self.known.which_hold(&taken.records);
            if !work(View::write(self, txn, &mut log)) {
                return Err(Failure::Work);
            }
            let change = self.next_change(head.change, &log).map_err(Failure::Commit)?;
            let waiting = taken.records.iter().zip(&hold).filter(|(_, holds)| **holds);
            let waiting = waiting.map(|(waiting, _)| &waiting.record);
            let records = waiting.chain(&log.records).map(Vec::as_slice);
            audit::append(txn, &self.keys, head, records, change).map_err(Failure::Commit)?;
            Ok((hold, change))
        });
        match committed {
            Ok((hold, change)) => {
                if let Some(change) = change {
                    self.known.changed(change, &log.touched);
                }
                log.forgotten.iter().for_each(|key_id| self.cache.lock().forget(*key_id));
                let outcome = |i: usize| if hold[i] { Outcome::Durable } else { Outcome::Stale };
                Ok(Some(taken.settle(outcome)))
            }
            // What waits goes back to the queue.
            Err(Failure::Work) => Ok(None),
            Err(Failure::Commit(error)) => {
                self.failed_commits.fetch_add(1, Ordering::Relaxed);
                taken.settle(|_| Outcome::Failed(error.clone()));
                Err(error)
            }
        }
    }

    fn next_change(&self, last: Change, log: &Log) -> Result<Option<Change>> {
        if log.touched.is_empty() {
            return Ok(None);
        }
        let mut mark = [0; 16];
        self.rng.fill(&mut mark)?;
        Ok(Some(Change { number: last.number + 1, mark }))
    }
}

/// What an audit record says of an answer; nothing where the store did not answer in time: it
/// would only be waited for again.
fn recorded(done: &Result<()>) -> Option<&'static str> {
    match done {
        Ok(()) => Some("ok"),
        Err(error) if error.code() == KmsErrorCode::DependencyTimeout => None,
        Err(error) => Some(error.code().as_str()),
    }
}
