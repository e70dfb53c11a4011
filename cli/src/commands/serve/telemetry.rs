//! Where logs and traces go.

use std::io::{self, IsTerminal};

use keyfold::{Error, ErrorCode};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use super::config::{LogFormat, Settings};
use crate::fault::{self, Result};

/// What the server's spans are called; the log leaves them out.
const SPANS: &str = "keyfold::span";

/// How many lines wait at most for whoever reads standard error; beyond it lines are lost, because
/// a reader that is slow, or gone, must not stop the server.
const WAITING_LINES: usize = 8192;

/// Logs and traces, until it is dropped.
pub(crate) struct Telemetry {
    traces: Option<SdkTracerProvider>,
    /// Writes what is left when it is dropped.
    _log: WorkerGuard,
}

/// Begins to log on standard error, and to send traces where there is somebody to take them.
///
/// # Errors
/// `invalid_argument` for a level or an address that is none.
pub(crate) fn start(settings: &Settings) -> Result<Telemetry> {
    let filter = filter(&settings.log_level)?;
    let provider = settings.traces.as_deref().map(provider).transpose()?;
    let (writer, log) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(WAITING_LINES)
        .thread_name("keyfold-log")
        .finish(io::stderr());
    let lines = fmt::layer().with_writer(writer).with_ansi(io::stderr().is_terminal());
    let lines = match settings.log_format {
        LogFormat::Text => lines.with_filter(filter).boxed(),
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(false);
            lines.with_span_list(false).with_filter(filter).boxed()
        }
    };
    let spans = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("keyfold"))
            .with_filter(Targets::new().with_target(SPANS, LevelFilter::TRACE))
    });
    tracing_subscriber::registry()
        .with(lines)
        .with(spans)
        .try_init()
        .map_err(|_| Error::new(ErrorCode::Internal, "this process logs elsewhere already"))?;
    tell_panics_without_their_words();
    Ok(Telemetry { traces: provider, _log: log })
}

/// Checks what [`start`] would be told.
///
/// # Errors
/// `invalid_argument`.
pub(crate) fn check(settings: &Settings) -> Result<()> {
    filter(&settings.log_level)?;
    settings.traces.as_deref().map_or(Ok(()), check_endpoint)
}

fn filter(level: &str) -> Result<EnvFilter> {
    let filter = EnvFilter::try_new(level);
    let wrong = || fault::invalid("the log level is none: use error, warn, info, debug or trace");
    let directive = format!("{SPANS}=off").parse().map_err(|_| wrong())?;
    Ok(filter.map_err(|_| wrong())?.add_directive(directive))
}

/// Traces tell who did what when: in plain text only to this machine.
fn check_endpoint(endpoint: &str) -> Result<()> {
    let plain = endpoint.strip_prefix("http://").map(|rest| {
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        host == "localhost"
            || host
                .trim_matches(['[', ']'])
                .parse()
                .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    });
    match plain {
        Some(true) => Ok(()),
        None if endpoint.starts_with("https://") => Ok(()),
        _ => Err(fault::invalid(
            "traces go to an https:// address, or to an http:// address of this machine",
        )),
    }
}

fn provider(endpoint: &str) -> Result<SdkTracerProvider> {
    check_endpoint(endpoint)?;
    keyfold_kms::server::install_crypto();
    let exporter = SpanExporter::builder().with_http().with_endpoint(endpoint).build();
    let exporter = exporter
        .map_err(|error| fault::invalid(format!("the address for traces is none: {error}")))?;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name("keyfold").build())
        .build())
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = &self.traces {
            // What cannot be sent now is lost.
            let _ = provider.shutdown();
        }
    }
}

/// A panic says where, but not what: its words may repeat what it was about.
fn tell_panics_without_their_words() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(target: "keyfold::server", place, "a thread panicked");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_leave_this_machine_only_encrypted() {
        for good in [
            "https://traces.example:4318/v1/traces",
            "http://127.0.0.1:4318/v1/traces",
            "http://localhost:4318",
            "http://[::1]:4318/",
        ] {
            check_endpoint(good).expect(good);
        }
        for bad in
            ["http://traces.example/", "http://localhost.example:80/", "ftp://127.0.0.1", "", "x"]
        {
            assert!(check_endpoint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_level_is_checked() {
        filter("debug").expect("a level");
        filter("warn,keyfold::request=info").expect("levels");
        assert!(filter("keyfold=loud").is_err());
    }
}
