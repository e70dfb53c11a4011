//! The relay: requests about keys of clouds, which the server signs and sends on for callers that
//! hold no credentials of the cloud.
//!
//! A key or secret whose name is a URI of a cloud, `SCHEME://PLACE/NAME`, is never one of the
//! store. Who may use it is what the rules of the configuration say, within the limits of the
//! caller's credentials; every request is in the audit chain before its answer leaves. Nothing of
//! a cloud is administered here.

mod answer;
mod config;
mod request;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use keyfold::kms::cloud::{CloudUri, Unsupported};
use keyfold::kms::{Kms, Request, Response};
use keyfold::{Error, ErrorCode, Retry};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::observe;
use super::operations::Entry;
use super::reply::Refusal;
use crate::engine::Relayed;
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::{Caller, Engine};

pub use config::{RelayConfig, RelayRule};
use request::Asked;

/// One cloud.
struct Upstream {
    prefix: String,
    kms: Arc<dyn Kms>,
    slots: Arc<Semaphore>,
}

/// All of them, and who may use them.
pub(super) struct Relay {
    upstreams: Vec<Upstream>,
    rules: Vec<RelayRule>,
    timeout: Duration,
}

/// Why there is no answer.
struct Failure {
    error: KmsError,
    /// When to come back, in seconds.
    pause: Option<u64>,
}

impl From<KmsError> for Failure {
    fn from(error: KmsError) -> Self {
        Failure { error, pause: None }
    }
}

impl Relay {
    /// A relay to what is configured; `connected` has the KMS of each URI.
    ///
    /// # Errors
    /// What is configured and not connected, or the other way.
    pub(super) fn new(
        config: &RelayConfig,
        connected: &[(String, Arc<dyn Kms>)],
    ) -> Result<Option<Self>, String> {
        if let Some((uri, _)) = connected.iter().find(|(uri, _)| !config.upstreams.contains(uri)) {
            return Err(format!("{uri} is none of relay.upstreams"));
        }
        let upstream = |uri: &String| -> Result<Upstream, String> {
            let (_, kms) = connected
                .iter()
                .find(|(connected, _)| connected == uri)
                .ok_or_else(|| format!("relay.upstreams: {uri} is not connected"))?;
            let slots = Arc::new(Semaphore::new(config.concurrent_requests));
            Ok(Upstream { prefix: config::prefix(uri), kms: kms.clone(), slots })
        };
        let upstreams: Vec<_> = config.upstreams.iter().map(upstream).collect::<Result<_, _>>()?;
        let timeout = Duration::from_secs(config.timeout_seconds);
        let rules = config.rules.clone();
        Ok(Some(Relay { upstreams, rules, timeout }).filter(|relay| !relay.upstreams.is_empty()))
    }

    /// Whether a request is about a key or secret of a cloud.
    pub(super) fn claims(body: &[u8]) -> bool {
        request::is_of_cloud(body)
    }

    /// Decides, asks the cloud, records, answers: in this order, and to the end, also where nobody
    /// waits for the answer any more.
    pub(super) async fn perform(
        self: Arc<Self>,
        engine: Arc<Engine>,
        caller: Caller,
        entry: &'static Entry,
        body: &[u8],
    ) -> Result<Bytes, Refusal> {
        let asked = request::read(entry, body)?;
        let work = tokio::spawn(async move {
            let Asked { relayed, needs, request, form } = asked;
            let done = match self.admit(&caller, &relayed, &needs) {
                Ok(upstream) => match request {
                    Ok(request) => upstream.ask(request, self.timeout).await,
                    Err(error) => Err(error.into()),
                },
                Err(error) => Err(error.into()),
            };
            let done = done.and_then(|response| form.answer(response).map_err(Failure::from));
            record(engine, caller, relayed, done).await
        });
        match work.await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                // The layer around all requests counts and answers it.
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(KmsError::internal("a relayed operation was cancelled").into()),
            },
        }
    }

    /// The cloud, where rules and credentials let the caller ask it. To everybody else all keys
    /// look alike, those of no cloud too.
    fn admit(
        &self,
        caller: &Caller,
        relayed: &Relayed,
        needs: &[(String, &'static str)],
    ) -> Result<&Upstream> {
        Engine::check_relayed(caller, relayed)?;
        let denied = |action: &str| {
            let principal = caller.principal();
            let why = format!(
                "User: {principal} is not authorized to perform: {action} because no rule of the \
                 relay allows it"
            );
            KmsError::new(KmsErrorCode::AccessDenied, why)
        };
        let mut found: Option<&Upstream> = None;
        for (key, action) in needs {
            let allows = |rule: &RelayRule| rule.allows(key, caller.principal(), action);
            if CloudUri::parse(key).is_err() || !self.rules.iter().any(allows) {
                return Err(denied(action));
            }
            let of = |upstream: &&Upstream| key.starts_with(&upstream.prefix);
            let upstream = self.upstreams.iter().find(of).ok_or_else(|| denied(action))?;
            if found.is_some_and(|other| other.prefix != upstream.prefix) {
                let why = "the keys are of two clouds: decrypt under one, encrypt under the other";
                return Err(KmsError::unsupported(why));
            }
            found = Some(upstream);
        }
        found.ok_or_else(|| KmsError::internal("a relayed operation without a key"))
    }
}

impl Upstream {
    async fn ask(&self, mut request: Request, timeout: Duration) -> Result<Response, Failure> {
        if let Request::GetSecret { name, .. } = &mut request {
            name.drain(..self.prefix.len());
        }
        // Beyond it requests would wait in the places of those that need no cloud.
        let Ok(_slot) = self.slots.try_acquire() else {
            observe::throttled("upstream");
            let error = KmsError::new(KmsErrorCode::Throttling, "the cloud's KMS is busy");
            return Err(Failure { error, pause: Some(1) });
        };
        match tokio::time::timeout(timeout, self.kms.call(&request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(translate(error)),
            Err(_) => Err(unavailable("it does not answer in time").into()),
        }
    }
}

/// Makes the record durable; what it says is the answer.
async fn record(
    engine: Arc<Engine>,
    caller: Caller,
    relayed: Relayed,
    done: Result<Bytes, Failure>,
) -> Result<Bytes, Refusal> {
    let (bytes, outcome, pause) = match done {
        Ok(bytes) => (bytes, Ok(()), None),
        Err(Failure { error, pause }) => (Bytes::new(), Err(error), pause),
    };
    let recorded = spawn_blocking(move || engine.record_relayed(&caller, &relayed, outcome)).await;
    match recorded {
        Ok(Ok(())) => Ok(bytes),
        Ok(Err(error)) => {
            if error.code().status() >= 500 {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(target: "keyfold::server", error, "a cloud's KMS failed");
            }
            Err(Refusal { retry_after: pause, ..error.into() })
        }
        Err(_) => Err(KmsError::internal("a record was not written").into()),
    }
}

/// A cloud's error in the words of this protocol, so that clients do with it what they would do
/// with the cloud's own. The core's details name the cloud's error and request id, no value.
fn translate(error: Error) -> Failure {
    let detail = error.detail().to_owned();
    let is_unsupported =
        std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<Unsupported>);
    let pause = match error.retry() {
        Retry::Later(pause) => pause.map(|pause| pause.as_secs().max(1)),
        _ => None,
    };
    let code = match error.code() {
        ErrorCode::InvalidArgument if is_unsupported => KmsErrorCode::UnsupportedOperation,
        ErrorCode::InvalidArgument => KmsErrorCode::Validation,
        ErrorCode::LimitExceeded => KmsErrorCode::LimitExceeded,
        ErrorCode::AuthenticationFailed => return KmsError::invalid_ciphertext().into(),
        ErrorCode::SignatureInvalid => KmsErrorCode::InvalidSignature,
        ErrorCode::KmsDenied => {
            // Whoever runs the server is to know; the caller can do nothing about it.
            let error: &dyn std::error::Error = &error;
            tracing::warn!(target: "keyfold::server", error, "a cloud's KMS refuses this server");
            KmsErrorCode::AccessDenied
        }
        ErrorCode::KmsKeyUnavailable => KmsErrorCode::InvalidState,
        ErrorCode::KmsThrottled => KmsErrorCode::Throttling,
        ErrorCode::SecretNotFound => KmsErrorCode::ResourceNotFound,
        ErrorCode::VersionConflict => KmsErrorCode::Conflict,
        ErrorCode::KmsUnavailable => {
            return Failure { error: unavailable(&detail).with_source(error), pause };
        }
        // The cloud's answer is not understood, or something failed here.
        _ => KmsErrorCode::Internal,
    };
    Failure { error: KmsError::new(code, detail).with_source(error), pause }
}

/// Clients send it again.
fn unavailable(why: &str) -> KmsError {
    KmsError::new(KmsErrorCode::KeyUnavailable, format!("the cloud's KMS: {why}"))
}
