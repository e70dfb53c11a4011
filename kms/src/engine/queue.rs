//! Audit records that wait for a commit, and who waits for them.
//!
//! An operation that changes nothing is evaluated by its caller's thread; its record waits here.
//! Whoever commits next takes all that wait along, in one transaction.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::known::{Generation, Scope};
use crate::error::{KmsError, KmsErrorCode, Result};

/// How many records wait at most; beyond it operations are refused.
const MAX_WAITING: usize = 16_384;
/// How many records one run has at most.
const MAX_RUN: usize = 512;
/// How long the records of one run are together at most, in bytes; a longer one stands alone.
const MAX_RUN_BYTES: usize = 256 * 1024;

/// What an operation was evaluated on changed before its record was durable: nothing was
/// answered, nothing recorded. Authenticate the caller again and begin again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale;

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store changed while the operation waited for its commit")
    }
}

impl std::error::Error for Stale {}

/// What [`crate::Engine::begin`] answers.
pub enum Begun<R> {
    /// The operation was evaluated and waits for its record to be durable.
    Queued(Pending<R>),
    /// The operation changes something: [`crate::Engine::perform`] does it, on a thread that may
    /// block.
    NeedsWrite,
}

/// How the wait for a record ended.
#[derive(Clone)]
pub(super) enum Outcome {
    Durable,
    Stale,
    Failed(KmsError),
}

enum State {
    Waiting(Option<Waker>),
    Settled(Outcome),
}

/// Where a waiter learns how it ended.
pub(super) struct Slot(Mutex<State>);

impl Slot {
    fn new() -> Arc<Self> {
        Arc::new(Slot(Mutex::new(State::Waiting(None))))
    }

    fn settle(&self, outcome: Outcome) {
        let before = std::mem::replace(&mut *self.0.lock(), State::Settled(outcome));
        if let State::Waiting(Some(waker)) = before {
            waker.wake();
        }
    }

    fn outcome(&self) -> Option<Outcome> {
        match &*self.0.lock() {
            State::Settled(outcome) => Some(outcome.clone()),
            State::Waiting(_) => None,
        }
    }
}

/// The answer to an operation, once its audit record is durable. Dropping it is fine: the record
/// is written all the same.
///
/// ```
/// # use keyfold_kms::types::{CreateKeyRequest, DescribeKeyRequest};
/// use keyfold_kms::Engine;
/// use keyfold_kms::engine::Begun;
///
/// let engine = Engine::in_memory()?;
/// let owner = engine.owner();
/// # let key = engine.call(&owner, &CreateKeyRequest::default())?.key_metadata;
/// let request = DescribeKeyRequest { key_id: key.key_id, ..DescribeKeyRequest::default() };
/// let Begun::Queued(pending) = engine.begin(&owner, &request) else { panic!("it only reads") };
/// // A thread of the host's own does this in a loop.
/// engine.commit_queued(std::time::Duration::from_secs(1));
/// let answer = pollster::block_on(pending).expect("nothing has changed meanwhile")?;
/// assert!(answer.key_metadata.enabled);
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
pub struct Pending<R> {
    answer: Option<Result<R>>,
    slot: Arc<Slot>,
}

impl<R> Unpin for Pending<R> {}

impl<R> Pending<R> {
    /// An answer that waits for nothing: its operation leaves no record.
    pub(super) fn ready(answer: Result<R>) -> Self {
        let slot = Slot::new();
        slot.settle(Outcome::Durable);
        Pending { answer: Some(answer), slot }
    }

    /// Another answer in its place.
    pub(super) fn with<T>(self, other: impl FnOnce(Result<R>) -> Result<T>) -> Pending<T> {
        Pending { answer: self.answer.map(other), slot: self.slot }
    }

    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.slot.outcome()
    }

    /// The answer, where the wait ended well.
    pub(super) fn take(&mut self, outcome: Outcome) -> std::result::Result<Result<R>, Stale> {
        match outcome {
            Outcome::Durable => {
                Ok(self.answer.take().expect("a future is not polled after it was ready"))
            }
            Outcome::Stale => Err(Stale),
            Outcome::Failed(error) => Ok(Err(error)),
        }
    }
}

impl<R> Future for Pending<R> {
    type Output = std::result::Result<Result<R>, Stale>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let outcome = match &mut *this.slot.0.lock() {
            State::Settled(outcome) => outcome.clone(),
            State::Waiting(waker) => {
                if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                    *waker = Some(context.waker().clone());
                }
                return Poll::Pending;
            }
        };
        Poll::Ready(this.take(outcome))
    }
}

/// A record that waits.
pub(super) struct Waiting {
    pub(super) record: Vec<u8>,
    /// What the operation was evaluated on, as it was at this generation.
    pub(super) since: Generation,
    pub(super) scopes: Vec<Scope>,
    slot: Arc<Slot>,
}

/// The records that wait, oldest first.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<VecDeque<Waiting>>,
    some: Condvar,
}

impl Queue {
    /// Lets a record wait for the next commit.
    pub(super) fn push(
        &self,
        record: Vec<u8>,
        since: Generation,
        scopes: Vec<Scope>,
        done: Result<()>,
    ) -> Pending<()> {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= MAX_WAITING {
            drop(waiting);
            let why = "too many operations wait for the audit log";
            return Pending::ready(Err(KmsError::new(KmsErrorCode::DependencyTimeout, why)));
        }
        let slot = Slot::new();
        waiting.push_back(Waiting { record, since, scopes, slot: Arc::clone(&slot) });
        drop(waiting);
        self.some.notify_one();
        Pending { answer: Some(done), slot }
    }

    /// Waits until a record waits, but not longer than `patience`. Where there are no threads
    /// nobody could bring one.
    pub(super) fn wait(&self, patience: Duration) {
        if cfg!(not(target_arch = "wasm32")) {
            let mut waiting = self.waiting.lock();
            self.some.wait_while_for(&mut waiting, |waiting| waiting.is_empty(), patience);
        }
    }

    /// Takes what the next run holds.
    pub(super) fn take(&self) -> Taken<'_> {
        let mut waiting = self.waiting.lock();
        let mut bytes = 0;
        let fits = |waiting: &&Waiting| {
            bytes += waiting.record.len();
            bytes <= MAX_RUN_BYTES
        };
        let count = waiting.iter().take(MAX_RUN).take_while(fits).count();
        // One that is too long for any company goes alone.
        let count = count.max(usize::from(!waiting.is_empty()));
        Taken { queue: self, records: waiting.drain(..count).collect() }
    }
}

/// Records on their way into a transaction. What is not settled goes back to the queue, whatever
/// becomes of the transaction: a waiter is never forgotten.
pub(super) struct Taken<'a> {
    queue: &'a Queue,
    pub(super) records: Vec<Waiting>,
}

impl Taken<'_> {
    /// Tells every waiter how it ended.
    pub(super) fn settle(mut self, outcome: impl Fn(usize) -> Outcome) -> usize {
        let records = std::mem::take(&mut self.records);
        for (i, waiting) in records.iter().enumerate() {
            waiting.slot.settle(outcome(i));
        }
        records.len()
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if self.records.is_empty() {
            return;
        }
        let mut waiting = self.queue.waiting.lock();
        for record in self.records.drain(..).rev() {
            waiting.push_front(record);
        }
        drop(waiting);
        self.queue.some.notify_one();
    }
}
