//! Operations under keys of other KMSs, which the server passes on: what limits their callers, and
//! what is recorded of them. No key, row or grant of the store is concerned.

use keyfold::EncryptionContext;
use keyfold::crypto::rng::Rng;

use super::narrowing::outside;
use super::work::{About, Work};
use super::{Call, Engine, Prepared, Stale};
use crate::audit::Trail;
use crate::engine::Caller;
use crate::error::{KmsError, KmsErrorCode, Result};

/// An operation that is passed on, as far as the audit record has it.
#[derive(Debug)]
pub(crate) struct Relayed {
    /// `kms` or `secretsmanager`.
    pub(crate) service: &'static str,
    /// Its name on the wire.
    pub(crate) name: &'static str,
    /// Its keys are the full URIs, as the caller names them.
    pub(crate) trail: Trail,
    /// Where the operation takes one.
    pub(crate) context: Option<EncryptionContext>,
    /// Whether the cloud proves that the context is the one that was bound.
    pub(crate) is_bound: bool,
}

impl Relayed {
    /// Which limit of the caller's credentials it is outside of.
    fn outside_of(&self, caller: &Caller) -> Option<&'static str> {
        let narrowing = caller.narrowing()?;
        if !narrowing.reaches_operation(self.service, self.name) {
            return Some("operation");
        }
        if !self.trail.resources.iter().all(|uri| narrowing.reaches_uri(uri)) {
            return Some("key");
        }
        let context = self.context.as_ref();
        // Where the cloud binds none, whoever is limited to a context could claim any.
        let misses = |context: &EncryptionContext| {
            !narrowing.reaches_context(context) || (!self.is_bound && narrowing.has_context())
        };
        context.is_some_and(misses).then_some("context")
    }
}

/// How it ended, for the record.
struct Ended<'a> {
    relayed: &'a Relayed,
    done: Result<()>,
    outside_of: Option<&'static str>,
}

impl Work for Ended<'_> {
    fn about(&self) -> About {
        let Relayed { service, name, .. } = self.relayed;
        About { service, name, read_only: true }
    }

    fn validate(&self) -> Result<()> {
        Ok(())
    }

    fn prepare(&self, _: &dyn Rng) -> Result<Option<Prepared>> {
        Ok(None)
    }

    fn run(&mut self, call: &mut Call<'_>) -> Result<()> {
        call.trail.clone_from(&self.relayed.trail);
        if let Some(context) = &self.relayed.context {
            call.trail.context(&call.engine.keys, context);
        }
        call.trail.narrowing = self.outside_of.map(str::to_owned);
        self.done.clone()
    }
}

impl Engine {
    /// Refuses what the caller's credentials are not for.
    ///
    /// # Errors
    /// `AccessDeniedException`.
    pub(crate) fn check_relayed(caller: &Caller, relayed: &Relayed) -> Result<()> {
        relayed.outside_of(caller).map_or(Ok(()), |limit| Err(outside(caller, limit)))
    }

    /// Records how an operation ended that was passed on; answers the same once that is durable.
    /// It blocks.
    ///
    /// # Errors
    /// Those of `done`; what the store says; `UnrecognizedClientException` where the caller's
    /// credentials changed meanwhile.
    pub(crate) fn record_relayed(
        &self,
        caller: &Caller,
        relayed: &Relayed,
        done: Result<()>,
    ) -> Result<()> {
        let outside_of = relayed.outside_of(caller);
        let mut ended = Ended { relayed, done, outside_of };
        if let Ok(done) = self.perform_work(caller, &mut ended) {
            return done;
        }
        // It was done, so it is recorded; whoever asked proves anew who they are.
        let why = "the credentials changed while the request was passed on";
        ended.done = Err(KmsError::new(KmsErrorCode::UnrecognizedClient, why));
        let caller = caller.clone().resting_on_nothing();
        self.perform_work(&caller, &mut ended).unwrap_or_else(|Stale| ended.done.clone())
    }
}
