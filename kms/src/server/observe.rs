//! What is seen from outside: metrics and logs.
//!
//! Metrics go to whatever recorder of the crate `metrics` the process has; a server installs one
//! for Prometheus where there is none. Logs are events of `tracing`: the target `keyfold::request`
//! has one line for each request, `keyfold::server` what happens to the server. The span `request`
//! (target `keyfold::span`) is for traces. None of them ever holds a context, a ciphertext, a
//! plaintext, a token or a signature.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Requests, by `operation` and `result` (`ok`, or the name of the error).
pub const REQUESTS: &str = "keyfold_requests_total";
/// Time from the head of a request to its answer in seconds, by `operation`.
pub const DURATION: &str = "keyfold_request_duration_seconds";
/// Requests that are being served.
pub const IN_FLIGHT: &str = "keyfold_requests_in_flight";
/// Requests refused for coming too fast, by `class`: one of the rate limits, or `concurrency`.
pub const THROTTLED: &str = "keyfold_throttled_total";
/// Requests whose sender could not be authenticated, by `reason`: the name of the error.
pub const AUTH_FAILURES: &str = "keyfold_auth_failures_total";
/// Operations that were evaluated again, because the store had changed before they committed.
pub const STALE: &str = "keyfold_stale_retries_total";
/// Panics caught while serving a request.
pub const PANICS: &str = "keyfold_panics_total";
/// 1 while the root key is sealed, else 0.
pub const SEALED: &str = "keyfold_seal_state";
/// 1 for the slot that opened the root key, by `kind`.
pub const ROOT_SLOT: &str = "keyfold_root_slot_used";
/// Attempts to open the root key that failed.
pub const UNSEAL_FAILURES: &str = "keyfold_unseal_failures_total";
/// Commits of the audit chain that failed.
pub const AUDIT_FAILURES: &str = "keyfold_audit_failures_total";
/// What the clock made due, by `kind`: `rotated`, `deleted_key`, `deleted_secret`.
pub const DUE: &str = "keyfold_due_total";
/// Looks for what is due that failed.
pub const TICK_FAILURES: &str = "keyfold_tick_failures_total";
/// Readings of the TLS files, by `result`: `ok` or `failed`.
pub const TLS_RELOADS: &str = "keyfold_tls_reloads_total";
/// Connections, by `result`: `accepted`, `refused` (too many), `failed` (handshake).
pub const CONNECTIONS: &str = "keyfold_connections_total";

/// Bounds of the buckets of [`DURATION`], in seconds.
const BUCKETS: [f64; 14] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

/// The Prometheus recorder of this process: installed by the first call. `None` where the process
/// has another one already.
pub(crate) fn recorder() -> Option<&'static PrometheusHandle> {
    static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    let made = RECORDER.get_or_init(|| {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(DURATION.to_owned()), &BUCKETS)
            .ok()?;
        let handle = builder.install_recorder().ok()?;
        describe();
        Some(handle)
    });
    made.as_ref()
}

fn describe() {
    describe_counter!(REQUESTS, "Requests by operation and result");
    describe_histogram!(DURATION, Unit::Seconds, "Time from the head of a request to its answer");
    describe_gauge!(IN_FLIGHT, "Requests that are being served");
    describe_counter!(THROTTLED, "Requests refused for coming too fast");
    describe_counter!(AUTH_FAILURES, "Requests whose sender could not be authenticated");
    describe_counter!(STALE, "Operations evaluated again because the store had changed");
    describe_counter!(PANICS, "Panics caught while serving a request");
    describe_gauge!(SEALED, "1 while the root key is sealed");
    describe_gauge!(ROOT_SLOT, "1 for the slot that opened the root key");
    describe_counter!(UNSEAL_FAILURES, "Attempts to open the root key that failed");
    describe_counter!(AUDIT_FAILURES, "Commits of the audit chain that failed");
    describe_counter!(DUE, "Rotations and deletions that the clock made due");
    describe_counter!(TICK_FAILURES, "Looks for what is due that failed");
    describe_counter!(TLS_RELOADS, "Readings of the TLS files");
    describe_counter!(CONNECTIONS, "Connections by result");
}

pub(crate) fn request(operation: &'static str, result: &'static str, took: Duration) {
    counter!(REQUESTS, "operation" => operation, "result" => result).increment(1);
    histogram!(DURATION, "operation" => operation).record(took.as_secs_f64());
}

pub(crate) fn throttled(class: &'static str) {
    counter!(THROTTLED, "class" => class).increment(1);
}

pub(crate) fn auth_failure(reason: &'static str) {
    counter!(AUTH_FAILURES, "reason" => reason).increment(1);
}

pub(crate) fn sealed(sealed: bool) {
    gauge!(SEALED).set(if sealed { 1.0 } else { 0.0 });
}

/// Counts a request while it is being served.
pub(crate) struct InFlight(());

impl InFlight {
    pub(crate) fn new() -> Self {
        gauge!(IN_FLIGHT).increment(1.0);
        InFlight(())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        gauge!(IN_FLIGHT).decrement(1.0);
    }
}
