//! An operation whose type is forgotten: what goes on around operations is compiled once, and not
//! for each of them.

use keyfold::crypto::rng::Rng;

use super::{Call, Operation, Prepared};
use crate::error::{KmsError, Result};

/// What is public of an operation.
#[derive(Clone, Copy)]
pub(super) struct About {
    pub(super) service: &'static str,
    pub(super) name: &'static str,
    pub(super) read_only: bool,
}

impl About {
    /// What its audit record says of it.
    pub(super) fn recorded(self) -> (&'static str, bool) {
        (self.name, self.read_only)
    }
}

/// An [`Operation`] with its request; it keeps its answer.
pub(super) trait Work {
    fn about(&self) -> About;
    fn validate(&self) -> Result<()>;
    fn prepare(&self, rng: &dyn Rng) -> Result<Option<Prepared>>;
    /// The last run counts.
    fn run(&mut self, call: &mut Call<'_>) -> Result<()>;
}

/// The work of one request.
pub(super) struct Request<'a, O: Operation> {
    request: &'a O,
    answer: Option<O::Response>,
}

impl<'a, O: Operation> Request<'a, O> {
    pub(super) fn new(request: &'a O) -> Self {
        Request { request, answer: None }
    }

    /// The answer, once the work is done.
    pub(super) fn answer(&mut self, done: Result<()>) -> Result<O::Response> {
        done?;
        self.answer.take().ok_or_else(|| KmsError::internal("an operation did not answer"))
    }
}

impl<O: Operation> Work for Request<'_, O> {
    fn about(&self) -> About {
        About { service: O::SERVICE, name: O::NAME, read_only: O::READ_ONLY }
    }

    fn validate(&self) -> Result<()> {
        self.request.validate()
    }

    fn prepare(&self, rng: &dyn Rng) -> Result<Option<Prepared>> {
        self.request.prepare(rng)
    }

    fn run(&mut self, call: &mut Call<'_>) -> Result<()> {
        self.answer = Some(self.request.run(call)?);
        Ok(())
    }
}
