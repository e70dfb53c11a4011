//! What is seen from outside: metrics and logs.
//!
//! Metrics go to whatever recorder of the crate `metrics` the process has; a server installs one
//! for Prometheus where there is none. Logs are events of `tracing`: the target `keyfold::request`
//! has one line for each request, `keyfold::server` what happens to the server. The span `request`
//! (target `keyfold::span`) is for traces. None of them ever holds a context, a ciphertext, a
//! plaintext, a token or a signature.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Gauge, counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// The one list of what is counted: its name here, its name outside, and what it means.
macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $describe:ident $name:ident = $text:literal;)+) => {
        $($(#[doc = $doc])+ pub const $name: &str = $text;)+

        /// Every metric.
        pub const ALL: &[&str] = &[$($name),+];

        fn describe() {
            $(metrics::$describe!($name, concat!($($doc),+).trim());)+
        }
    };
}

metrics! {
    /// Requests, by `operation` and `result` (`ok`, or the name of the error).
    describe_counter REQUESTS = "keyfold_requests_total";
    /// Time from the head of a request to its answer in seconds, by `operation`.
    describe_histogram DURATION = "keyfold_request_duration_seconds";
    /// Requests that are being served.
    describe_gauge IN_FLIGHT = "keyfold_requests_in_flight";
    /// Requests refused for coming too fast, by `class`: one of the rate limits, or `concurrency`.
    describe_counter THROTTLED = "keyfold_throttled_total";
    /// Requests whose sender could not be authenticated, by `reason`: the name of the error.
    describe_counter AUTH_FAILURES = "keyfold_auth_failures_total";
    /// Operations that were evaluated again, because the store had changed before they committed.
    describe_counter STALE = "keyfold_stale_retries_total";
    /// Panics caught while serving a request.
    describe_counter PANICS = "keyfold_panics_total";
    /// 1 while the root key is sealed, else 0.
    describe_gauge SEALED = "keyfold_seal_state";
    /// 1 for the slot that opened the root key, by `kind`.
    describe_gauge ROOT_SLOT = "keyfold_root_slot_used";
    /// Attempts to open the root key that failed.
    describe_counter UNSEAL_FAILURES = "keyfold_unseal_failures_total";
    /// Commits of the audit chain that failed.
    describe_counter AUDIT_FAILURES = "keyfold_audit_failures_total";
    /// What the clock made due, by `kind`: `rotated`, `deleted_key`, `deleted_secret`.
    describe_counter DUE = "keyfold_due_total";
    /// Looks for what is due that failed.
    describe_counter TICK_FAILURES = "keyfold_tick_failures_total";
    /// Readings of the TLS files, by `result`: `ok` or `failed`.
    describe_counter TLS_RELOADS = "keyfold_tls_reloads_total";
    /// Connections, by `result`: `accepted`, `refused` (too many), `failed` (handshake).
    describe_counter CONNECTIONS = "keyfold_connections_total";
}

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
pub(crate) struct InFlight(Gauge);

impl InFlight {
    pub(crate) fn new() -> Self {
        let requests = gauge!(IN_FLIGHT);
        requests.increment(1.0);
        InFlight(requests)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
