//! Whether the process lives, whether it can serve, what it did.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::App;
use super::auth::Peer;
use super::observe;

/// For how long an answer of the store holds: asking more often does not reach it.
const FRESH: Duration = Duration::from_secs(1);
/// For how long the store may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is known of the store and of the audit chain.
#[derive(Default)]
pub(crate) struct Health {
    store: Mutex<Option<(Instant, bool)>>,
    audit_fails: AtomicBool,
}

impl Health {
    /// Notes how the last commit of the audit chain went.
    pub(crate) fn note_audit(&self, fails: bool) {
        self.audit_fails.store(fails, Ordering::Relaxed);
    }
}

/// The routes that need nobody's name, for the main listener.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_for_this_machine))
}

/// The same for a listener of their own.
pub(crate) fn own_router(app: &Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(async || metrics()))
        .with_state(app.clone())
}

async fn healthz() -> Response<Body> {
    text(StatusCode::OK, "text/plain; charset=utf-8", "ok\n".to_owned())
}

async fn readyz(State(app): State<Arc<App>>) -> Response<Body> {
    let sealed = app.host.engine().is_none();
    let store = !sealed && store_answers(&app).await;
    let audit = !app.health.audit_fails.load(Ordering::Relaxed);
    let stopping = app.host.is_stopping();
    let ready = !sealed && store && audit && !stopping;
    let body = json!({
        "ready": ready,
        "checks": {
            "root": if sealed { "sealed" } else { "ok" },
            "store": if sealed { "unknown" } else if store { "ok" } else { "unreachable" },
            "audit": if audit { "ok" } else { "failing" },
            "process": if stopping { "stopping" } else { "ok" },
        },
    });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    text(status, "application/json", body.to_string())
}

/// Asks the store, at most once a second for all who want to know.
async fn store_answers(app: &Arc<App>) -> bool {
    let mut last = app.health.store.lock().await;
    if let Some((when, answers)) = *last
        && when.elapsed() < FRESH
    {
        return answers;
    }
    let Some(engine) = app.host.engine() else { return false };
    let asked = tokio::task::spawn_blocking(move || engine.root_slots().is_ok());
    let answers = matches!(tokio::time::timeout(PATIENCE, asked).await, Ok(Ok(true)));
    *last = Some((Instant::now(), answers));
    answers
}

async fn metrics_for_this_machine(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    let peer = request.extensions().get::<Arc<Peer>>();
    let near = peer.is_some_and(|peer| peer.address.to_canonical().is_loopback());
    if !near || app.config.metrics.listen.is_some() {
        return text(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", String::new());
    }
    metrics()
}

fn metrics() -> Response<Body> {
    match observe::recorder() {
        Some(recorder) => {
            text(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", recorder.render())
        }
        None => text(
            StatusCode::SERVICE_UNAVAILABLE,
            "text/plain; charset=utf-8",
            "this process records its metrics elsewhere\n".to_owned(),
        ),
    }
}

fn text(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
