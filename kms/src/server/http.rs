//! From a request to its response: the rules of HTTP, then who calls, then the operation.

use std::any::Any;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn};
use axum::routing::any;
use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version};
use hyper::body::Body as _;
use keyfold::SystemRng;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::App;
use super::auth::{Incoming, Peer, Service};
use super::console::{self, Console};
use super::host::Job;
use super::operations::{self, Entry};
use super::relay::Relay;
use super::reply::{self, REQUEST_ID, Refusal};
use super::{cors, observe};
use crate::clock::{Clock, SystemClock};
use crate::engine::make_id;
use crate::error::{KmsError, KmsErrorCode};

type Result<T, E = Refusal> = std::result::Result<T, E>;

/// The header that names the operation.
const TARGET: &str = "x-amz-target";
/// What memory is set aside for a body before any of it has come, in bytes.
const FIRST_ROOM: usize = 16 * 1024;

/// The one endpoint, with everything around it.
pub(crate) fn router(app: &Arc<App>, console: Option<&Console>) -> Router {
    let routes = super::health::routes().route("/", any(operate));
    around(console.map(console::routes).unwrap_or_default().merge(routes), app)
}

/// Puts around some routes what every response goes through, a panic's too.
fn around(routes: Router<Arc<App>>, app: &Arc<App>) -> Router {
    // The first is the outermost. All are one layer: each layer of a router costs every request
    // a few allocations.
    let layers = ServiceBuilder::new()
        .layer(from_fn(stamp))
        .option_layer(cors::layer(&app.config.cors))
        .layer(CatchPanicLayer::custom(panicked));
    routes.fallback(nowhere).layer(layers).with_state(app.clone())
}

/// What is known of a request when it is done: for its line in the log and its metrics.
#[derive(Clone, Debug, Default)]
struct Outcome {
    operation: Option<&'static str>,
    result: Option<&'static str>,
    principal: Option<String>,
}

/// Names every request, and says afterwards what became of it.
async fn stamp(mut request: Request, next: Next) -> Response<Body> {
    let started = Instant::now();
    let _in_flight = observe::InFlight::new();
    // Where the system has no randomness, nothing else works either.
    let id = make_id(&SystemRng).unwrap_or_default();
    request.extensions_mut().insert(id);
    let is_call = request.uri().path() == "/" && request.method() == Method::POST;
    let preflight = request.method() == Method::OPTIONS;
    let peer = request.extensions().get::<Arc<Peer>>().map(|peer| peer.address);
    let span = tracing::debug_span!(
        target: "keyfold::span",
        "request",
        otel.name = tracing::field::Empty,
        request_id = %id,
        operation = tracing::field::Empty,
        result = tracing::field::Empty,
    );
    let mut response = next.run(request).instrument(span.clone()).await;
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(id.as_hyphenated().encode_lower(&mut [0; 36])) {
        headers.insert(REQUEST_ID, id);
    }
    if preflight && response.status() == StatusCode::OK {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    let outcome = response.extensions_mut().remove::<Outcome>().unwrap_or_default();
    let operation = outcome.operation.unwrap_or(if is_call { "unknown" } else { "none" });
    let status = response.status();
    let result = outcome.result.unwrap_or(if status.is_success() { "ok" } else { "refused" });
    let took = started.elapsed();
    observe::request(operation, result, took);
    span.record("otel.name", operation);
    span.record("operation", operation);
    span.record("result", result);
    let duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let (status, peer) = (status.as_u16(), peer.map(tracing::field::display));
    let principal = outcome.principal.as_deref().unwrap_or("-");
    macro_rules! line {
        ($level:expr) => {
            tracing::event!(
                target: "keyfold::request", $level,
                request_id = %id, operation, principal, result, status, peer, duration_us, "request"
            )
        };
    }
    // Whoever watches the server asks often, and says nothing new.
    if is_call {
        line!(tracing::Level::INFO);
    } else {
        line!(tracing::Level::DEBUG);
    }
    response
}

fn panicked(_: Box<dyn Any + Send + 'static>) -> Response<Body> {
    metrics::counter!(observe::PANICS).increment(1);
    // The payload may hold anything: it is not repeated.
    tracing::error!(target: "keyfold::server", "a request panicked");
    refused(&KmsError::internal("a request panicked").into(), None, Outcome::default())
}

async fn nowhere() -> Response<Body> {
    let message = "there is nothing here: operations are called by POST /";
    let refusal = Refusal::new(StatusCode::NOT_FOUND, "UnknownOperationException", message);
    refused(&refusal, None, Outcome::default())
}

fn refused(refusal: &Refusal, service: Option<Service>, mut outcome: Outcome) -> Response<Body> {
    let mut response = refusal.respond(service);
    outcome.result = Some(refusal.name);
    response.extensions_mut().insert(outcome);
    response
}

/// Performs one operation.
async fn operate(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    let mut outcome = Outcome::default();
    let mut service = None;
    let done = async {
        let (head, body) = request.into_parts();
        check_head(&head)?;
        let limit = app.config.limits.body_bytes;
        let length = content_length(&head.headers, &body, limit)?;
        let Ok(_slot) = app.slots.try_acquire() else {
            observe::throttled("concurrency");
            return Err(Refusal::throttled("the service is busy", 1));
        };
        let peer = head.extensions.get::<Arc<Peer>>();
        let peer = peer.ok_or_else(|| KmsError::internal("a request without a connection"))?;
        app.rates.check_address(peer.address)?;
        let deadline = tokio::time::Instant::now() + app.config.limits.request_time();
        // The body may hold a plaintext: it is wiped when the request is done.
        let body = within(deadline, read_body(body, length, limit), || {
            let (status, message) = (StatusCode::REQUEST_TIMEOUT, "the body does not come");
            Refusal::new(status, "RequestTimeoutException", message)
        })
        .await??;
        let (of, entry) = target(&head.headers)?;
        service = Some(of);
        let entry = entry.ok_or_else(unknown_operation)?;
        outcome.operation = Some(entry.name);
        let incoming = Incoming {
            headers: &head.headers,
            authority: authority(&head)?,
            body: &body,
            service: of,
            peer,
            now: SystemClock.now(),
            request_id: head.extensions.get::<Uuid>().copied().unwrap_or_default(),
        };
        within(deadline, call(&app, entry, &incoming, &mut outcome.principal), || {
            KmsError::new(KmsErrorCode::DependencyTimeout, "").into()
        })
        .await?
    }
    .await;
    match done {
        Ok(answer) => {
            let mut response = reply::respond(StatusCode::OK, answer);
            outcome.result = Some("ok");
            response.extensions_mut().insert(outcome);
            response
        }
        Err(mut refusal) => {
            // The one fault of its own that each service names in its own way.
            if service == Some(Service::Secrets) && refusal.name == KmsErrorCode::Internal.as_str()
            {
                refusal.name = KmsErrorCode::InternalService.as_str();
            }
            let mut response = refused(&refusal, service, outcome);
            if refusal.status == StatusCode::METHOD_NOT_ALLOWED {
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            }
            response
        }
    }
}

/// Who calls, whether they call too often, and the operation itself.
async fn call(
    app: &App,
    entry: &'static Entry,
    incoming: &Incoming<'_>,
    principal: &mut Option<String>,
) -> Result<Bytes> {
    let Some(engine) = app.host.engine() else {
        return Err(KmsError::new(KmsErrorCode::KeyUnavailable, "the root key is sealed").into());
    };
    let caller = app.authenticator.authenticate(&engine, incoming).await.inspect_err(|error| {
        observe::auth_failure(error.code().as_str());
    })?;
    *principal = Some(caller.principal().to_owned());
    app.rates.check(caller.principal(), entry.class)?;
    if let Some(relay) = app.relay.get()
        && Relay::claims(incoming.body)
    {
        return relay.clone().perform(engine, caller, entry, incoming.body).await;
    }
    let (host, authenticator) = (&app.host, &app.authenticator);
    let job = Job { host, engine: &engine, authenticator, incoming, caller };
    let answer = (entry.perform)(job, entry).await;
    answer.map_err(|error| {
        if error.code().status() >= 500 {
            let error: &dyn std::error::Error = &error;
            let operation = entry.name;
            tracing::error!(target: "keyfold::server", operation, error, "an operation failed");
        }
        error.into()
    })
}

async fn within<T>(
    deadline: tokio::time::Instant,
    work: impl Future<Output = T>,
    late: impl FnOnce() -> Refusal,
) -> Result<T> {
    tokio::time::timeout_at(deadline, work).await.map_err(|_| late())
}

/// Method, query, encoding and type.
fn check_head(head: &http::request::Parts) -> Result<()> {
    if head.method != Method::POST {
        let message = "operations are called by POST";
        let (status, name) = (StatusCode::METHOD_NOT_ALLOWED, "UnknownOperationException");
        return Err(Refusal::new(status, name, message));
    }
    if head.uri.query().is_some() {
        let message = "a query is not offered: sign in headers";
        return Err(KmsError::new(KmsErrorCode::Validation, message).into());
    }
    if head.headers.contains_key(CONTENT_ENCODING) {
        return Err(unsupported_media("a body comes as it is, without Content-Encoding"));
    }
    let mut types = head.headers.get_all(CONTENT_TYPE).iter();
    let is_json = |value: &HeaderValue| {
        let value = value.to_str().unwrap_or_default();
        let essence = value.split(';').next().unwrap_or_default().trim();
        ["application/x-amz-json-1.1", "application/json"]
            .iter()
            .any(|known| essence.eq_ignore_ascii_case(known))
    };
    match (types.next(), types.next()) {
        (Some(value), None) if is_json(value) => Ok(()),
        _ => Err(unsupported_media("the content type must be application/x-amz-json-1.1")),
    }
}

fn unsupported_media(message: &'static str) -> Refusal {
    Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaTypeException", message)
}

/// The length of the body, which must be said, and be within the limit.
fn content_length(headers: &HeaderMap, body: &Body, limit: usize) -> Result<usize> {
    let malformed = |message: &'static str| KmsError::new(KmsErrorCode::Serialization, message);
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let length = match (lengths.next(), lengths.next()) {
        (Some(length), None) => {
            let length = length.to_str().ok().and_then(|length| length.parse::<u64>().ok());
            length.ok_or_else(|| malformed("Content-Length is not a number"))?
        }
        (None, _) if body.is_end_stream() => 0,
        _ => return Err(malformed("Content-Length is required, once").into()),
    };
    usize::try_from(length).ok().filter(|length| *length <= limit).ok_or_else(too_large)
}

fn too_large() -> Refusal {
    let message = "the body is longer than this service reads";
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLargeException", message)
}

/// Reads a body into memory that is wiped.
async fn read_body(body: Body, length: usize, limit: usize) -> Result<Zeroizing<Vec<u8>>> {
    let mut read = Zeroizing::new(Vec::with_capacity(length.min(FIRST_ROOM)));
    let mut parts = body.into_data_stream();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| {
            KmsError::new(KmsErrorCode::Serialization, "the body ends before its length")
        })?;
        let needed = read.len() + part.len();
        if needed > limit {
            return Err(too_large());
        }
        if needed > read.capacity() {
            // A vector that grows by itself leaves what it held behind.
            let mut grown = Zeroizing::new(Vec::with_capacity(needed.max(length)));
            grown.extend_from_slice(&read);
            read = grown;
        }
        read.extend_from_slice(&part);
    }
    Ok(read)
}

/// The service and the operation that a request names.
fn target(headers: &HeaderMap) -> Result<(Service, Option<&'static Entry>)> {
    let mut targets = headers.get_all(TARGET).iter();
    let (Some(target), None) = (targets.next(), targets.next()) else {
        return Err(unknown_operation());
    };
    let (prefix, name) =
        target.to_str().ok().and_then(|t| t.split_once('.')).ok_or_else(unknown_operation)?;
    let service = match prefix {
        "TrentService" => Service::Kms,
        "secretsmanager" => Service::Secrets,
        "keyfold" => Service::Keyfold,
        _ => return Err(unknown_operation()),
    };
    Ok((service, operations::find(service, name)))
}

fn unknown_operation() -> Refusal {
    let message = "X-Amz-Target names no operation of this service";
    KmsError::new(KmsErrorCode::UnknownOperation, message).into()
}

/// The host that the client speaks to, in its own words: `:authority` in HTTP/2, else `Host`.
fn authority(head: &http::request::Parts) -> Result<&str> {
    if head.version == Version::HTTP_2
        && let Some(authority) = head.uri.authority()
    {
        return Ok(authority.as_str());
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    };
    host.ok_or_else(|| {
        KmsError::new(KmsErrorCode::Validation, "there must be one Host header, in ASCII").into()
    })
}

#[cfg(test)]
mod tests;
