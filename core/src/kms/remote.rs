//! A remote KMS, ready to use: the provider for AWS and keyfold's own server with all that belongs
//! around it, over a network and a timer of the host's.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::aws::{AwsConfig, AwsKms, Service};
use super::breaker::{BreakerKms, BreakerLimits};
use super::deadline::DeadlineKms;
use super::endpoint::split_scheme;
use super::retry::{RetryKms, RetryLimits};
use super::sealing::Sealing;
use super::{Kms, Request, Response};
use crate::clock::{Clock, WallClock};
use crate::credentials::CredentialsProvider;
use crate::error::{Error, ErrorCode, Result};
use crate::maybe_send::BoxFuture;
use crate::transport::Transport;

/// How a remote KMS is called.
///
/// ```
/// use keyfold::kms::remote::RemoteOptions;
///
/// let options = RemoteOptions { region: Some("eu-west-1".into()), ..RemoteOptions::default() };
/// assert_eq!(options.deadline.as_secs(), 60);
/// ```
#[derive(Clone, Debug)]
pub struct RemoteOptions {
    /// The region that requests are signed for, where it is another than that of the address.
    pub region: Option<String>,
    /// At AWS: the endpoints for FIPS 140.
    pub fips: bool,
    /// At AWS: the endpoints that have IPv6 too.
    pub dual_stack: bool,
    /// How failed calls are repeated.
    pub retry: RetryLimits,
    /// When a KMS that does not answer is left alone.
    pub breaker: BreakerLimits,
    /// For one call with all its repetitions.
    pub deadline: Duration,
    /// At keyfold's server: lets the clouds behind it seal data keys to a key pair of this client,
    /// so that the server does not see them. Where a cloud cannot, its keys make and open none.
    pub sealing: Option<Sealing>,
}

impl Default for RemoteOptions {
    /// Three repetitions, a breaker after five failures, 60 seconds in all.
    fn default() -> Self {
        RemoteOptions {
            region: None,
            fips: false,
            dual_stack: false,
            retry: RetryLimits::default(),
            breaker: BreakerLimits::default(),
            deadline: Duration::from_mins(1),
            sealing: None,
        }
    }
}

/// Through `dyn` parts, for a host may bring its own network and its own timer: beside an
/// exchange with a server they cost nothing.
type Http = Arc<AwsKms<Arc<dyn Transport>>>;
type Timer = Arc<dyn Clock>;
/// A KMS with a breaker, repetitions and a deadline around it, from the inside out.
pub(crate) type Guarded<K> = DeadlineKms<RetryKms<BreakerKms<K, Timer>, Timer>, Timer>;

/// Puts around a KMS what belongs around one at the other end of a network.
pub(crate) fn guard<K: Kms>(kms: K, clock: Timer, options: &RemoteOptions) -> Guarded<K> {
    let breaker = BreakerKms::new(kms, clock.clone(), options.breaker);
    let retry = RetryKms::new(breaker, clock.clone(), options.retry);
    DeadlineKms::new(retry, clock, options.deadline)
}

/// A KMS at the other end of a network: repeated where that helps, left alone where it does not
/// answer, and given up in time.
pub struct RemoteKms {
    http: Http,
    guarded: Guarded<Http>,
}

impl RemoteKms {
    /// Where it is.
    pub fn config(&self) -> &AwsConfig {
        self.http.config()
    }

    /// Performs any operation of a service once, JSON in and JSON out: see
    /// [`AwsKms::operation`]. It is not repeated, for nobody knows here what repeating it does.
    ///
    /// # Errors
    /// Those of [`AwsKms::operation`].
    pub async fn operation(
        &self,
        service: Service,
        operation: &str,
        body: impl Into<Zeroizing<Vec<u8>>>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        self.http.operation(service, operation, body).await
    }

    /// As [`operation`](RemoteKms::operation), with a request and an answer of any form that JSON
    /// has.
    ///
    /// # Errors
    /// Those of [`operation`](RemoteKms::operation); `kms_protocol` for an answer of another form.
    pub async fn ask<A: DeserializeOwned>(
        &self,
        service: Service,
        operation: &str,
        request: &impl Serialize,
    ) -> Result<A> {
        // Room for the largest request, so that no copy of a secret is left behind by growth.
        let mut body = Zeroizing::new(Vec::with_capacity(512 * 1024));
        serde_json::to_writer(&mut *body, request)
            .map_err(|_| Error::new(ErrorCode::Internal, "a request has no JSON form"))?;
        let answer = self.operation(service, operation, body).await?;
        // An operation without an answer answers nothing, or an empty object.
        serde_json::from_slice(&answer).or_else(|_| serde_json::from_str("null")).map_err(|_| {
            let detail = format!("the KMS answered {operation} with something else");
            Error::new(ErrorCode::KmsProtocol, detail)
        })
    }
}

impl Kms for RemoteKms {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
        self.guarded.call(request)
    }
}

/// Reaches a KMS by its URI, over a network and a clock of the host's own:
///
/// - `keyfold://HOST[:PORT]`: keyfold's own server, over TLS;
/// - `keyfold+http://127.0.0.1:PORT`: the same without TLS, on this machine only;
/// - `aws://REGION`: AWS KMS and Secrets Manager in that region.
///
/// Nothing is sent yet.
///
/// ```
/// use std::sync::Arc;
/// use keyfold::ErrorCode::KmsUnavailable;
/// use keyfold::credentials::{Credentials, StaticCredentials};
/// use keyfold::maybe_send::BoxFuture;
/// use keyfold::transport::{HttpRequest, HttpResponse, TransportError};
/// use keyfold::kms::remote::{RemoteOptions, connect};
/// use keyfold::{Client, RetryLimits, Transport};
/// # use keyfold::{Clock, WallClock};
///
/// struct Offline;
///
/// impl Transport for Offline {
///     fn send(&self, _: HttpRequest) -> BoxFuture<'_, Result<HttpResponse, TransportError>> {
///         Box::pin(async { Err(TransportError::new(KmsUnavailable, "there is no network")) })
///     }
/// }
/// # #[derive(Clone)]
/// # struct Timer;
/// # impl Clock for Timer {
/// #     fn now(&self) -> std::time::Duration { std::time::Duration::ZERO }
/// #     fn sleep(&self, _: std::time::Duration) -> BoxFuture<'_, ()> {
/// #         Box::pin(std::future::pending())
/// #     }
/// # }
/// # impl WallClock for Timer {
/// #     fn unix_time(&self) -> std::time::Duration { std::time::Duration::ZERO }
/// # }
/// # let clock = Timer;
/// let token = Credentials::bearer(&b"eyJhbGciOiJFUzI1NiJ9.e30.c2ln".to_vec().into())?;
/// let credentials = Arc::new(StaticCredentials::new(token));
/// let retry = RetryLimits { max_retries: 0, ..RetryLimits::default() };
/// let options = RemoteOptions { retry, ..RemoteOptions::default() };
/// let offline = Arc::new(Offline);
/// let kms = connect("keyfold://kms.example.com", credentials, offline, &clock, &options)?;
/// let refused = pollster::block_on(Client::new(kms).secrets().get("db/password"));
/// assert_eq!(refused.unwrap_err().code(), KmsUnavailable);
/// # Ok::<(), keyfold::Error>(())
/// ```
///
/// # Errors
/// `invalid_argument` for a URI or region of another form.
pub fn connect<C>(
    uri: &str,
    credentials: Arc<dyn CredentialsProvider>,
    transport: Arc<dyn Transport>,
    clock: &C,
    options: &RemoteOptions,
) -> Result<RemoteKms>
where
    C: Clock + WallClock + Clone + 'static,
{
    let config = config(uri, options)?;
    let mut http = AwsKms::new(transport, clock.clone(), credentials, config);
    if let Some(sealing) = &options.sealing {
        http = http.with_sealing(sealing.clone());
    }
    let http = Arc::new(http);
    let guarded = guard(http.clone(), Arc::new(clock.clone()), options);
    Ok(RemoteKms { http, guarded })
}

fn config(uri: &str, options: &RemoteOptions) -> Result<AwsConfig> {
    let config = match split_scheme(uri) {
        Some(("keyfold", host)) => AwsConfig::keyfold(&format!("https://{host}"))?,
        Some(("keyfold+http", host)) => AwsConfig::keyfold(&format!("http://{host}"))?,
        Some(("aws", region)) => AwsConfig::aws_with(region, options.fips, options.dual_stack)?,
        _ => {
            let detail = "a KMS has the form keyfold://HOST[:PORT], keyfold+http://127.0.0.1:PORT or \
                 aws://REGION";
            return Err(Error::new(ErrorCode::InvalidArgument, detail));
        }
    };
    match &options.region {
        Some(region) => config.with_region(region),
        None => Ok(config),
    }
}
