//! The AWS KMS and Secrets Manager protocols, without a network: AWS itself, keyfold's own
//! server, and whatever else speaks them.
//!
//! [`Call`] and [`Exchange`] are machines: they make signed HTTP requests and take answers, with
//! time and credentials handed in. [`AwsKms`] drives them over a [`Transport`].

mod call;
pub(crate) mod endpoint;
mod errors;
mod exchange;
mod sigv4;

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::driver::{Driver, Machine};
use super::endpoint::{Endpoint, check_region};
use super::router::rewrap_across;
use super::sealing::Sealing;
use super::skew::Skew;
use super::{Kms, Request, Response, wire};
use crate::clock::WallClock;
use crate::credentials::{Credentials, CredentialsProvider};
use crate::error::{Error, Result};
use crate::keys::KeyUri;
use crate::maybe_send::BoxFuture;
use crate::transport::{HttpRequest, HttpResponse, Transport};

pub use super::driver::Turn;
pub use super::service_error::ServiceError;
pub use call::Call;
pub use exchange::Exchange;
pub use sigv4::sign;

/// The scheme of keys at AWS.
pub const AWS_SCHEME: &str = "aws";
/// The scheme of keys at keyfold's own server, and in the embedded KMS.
pub const KEYFOLD_SCHEME: &str = "keyfold";

/// The two services of the protocol.
///
/// ```
/// use keyfold::kms::aws::Service;
///
/// assert_eq!(Service::Secrets.name(), "secretsmanager");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Keys.
    Kms,
    /// Secrets.
    Secrets,
}

impl Service {
    /// The name that is signed, and that host names start with.
    pub const fn name(self) -> &'static str {
        match self {
            Service::Kms => "kms",
            Service::Secrets => "secretsmanager",
        }
    }

    /// The service that has an operation: the names of the two are disjoint.
    ///
    /// ```
    /// use keyfold::kms::aws::Service;
    ///
    /// assert_eq!(Service::of_operation("ListSecrets"), Service::Secrets);
    /// assert_eq!(Service::of_operation("ListKeys"), Service::Kms);
    /// ```
    pub fn of_operation(operation: &str) -> Self {
        if operation.as_bytes().windows(6).any(|part| part == b"Secret") {
            Service::Secrets
        } else {
            Service::Kms
        }
    }

    /// What operations are called by on the wire.
    const fn target(self) -> &'static str {
        match self {
            Service::Kms => "TrentService",
            Service::Secrets => "secretsmanager",
        }
    }
}

/// Where the services are, and how their keys are named.
///
/// ```
/// use keyfold::kms::aws::AwsConfig;
///
/// let aws = AwsConfig::aws("eu-west-1")?;
/// assert_eq!((aws.scheme(), aws.region()), ("aws", "eu-west-1"));
/// let own = AwsConfig::keyfold("https://kms.example.com")?;
/// assert_eq!((own.scheme(), own.region()), ("keyfold", "us-east-1"));
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AwsConfig {
    scheme: &'static str,
    region: String,
    kms: Endpoint,
    secrets: Endpoint,
    /// Shared by all calls, so that only one of them is sent twice.
    skew: Skew,
}

impl AwsConfig {
    /// AWS in a region; keys are named `aws:arn:aws:kms:…` or `aws:alias/…`.
    ///
    /// # Errors
    /// `invalid_argument` for a region of another form.
    pub fn aws(region: &str) -> Result<Self> {
        Self::aws_with(region, false, false)
    }

    /// The same with the endpoints for FIPS 140, with those that have IPv6 too, or with both.
    ///
    /// ```
    /// use keyfold::kms::aws::AwsConfig;
    ///
    /// let fips = AwsConfig::aws_with("us-east-1", true, false)?;
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_argument` for a region of another form, or of a partition without such endpoints.
    pub fn aws_with(region: &str, fips: bool, dual_stack: bool) -> Result<Self> {
        let endpoint =
            |service: Service| endpoint::of_service(service.name(), region, fips, dual_stack);
        Ok(AwsConfig {
            scheme: AWS_SCHEME,
            region: region.to_owned(),
            kms: endpoint(Service::Kms)?,
            secrets: endpoint(Service::Secrets)?,
            skew: Skew::default(),
        })
    }

    /// Keyfold's own server: one address for both services; keys are named `keyfold:arn:…` or
    /// `keyfold:alias/…`, as in the embedded KMS. The region that requests are signed for is
    /// `us-east-1`, the server's default.
    ///
    /// # Errors
    /// `invalid_argument` unless the URL is `https://HOST[:PORT]`, or `http` for this machine.
    pub fn keyfold(url: &str) -> Result<Self> {
        let endpoint = Endpoint::parse(url)?;
        Ok(AwsConfig {
            scheme: KEYFOLD_SCHEME,
            region: "us-east-1".to_owned(),
            kms: endpoint.clone(),
            secrets: endpoint,
            skew: Skew::default(),
        })
    }

    /// Another region to sign for.
    ///
    /// # Errors
    /// `invalid_argument` for a region of another form.
    pub fn with_region(mut self, region: &str) -> Result<Self> {
        check_region(region)?;
        region.clone_into(&mut self.region);
        Ok(self)
    }

    /// Another address for a service: a private endpoint, a test server.
    ///
    /// ```
    /// use keyfold::kms::aws::{AwsConfig, Service};
    ///
    /// let test = AwsConfig::aws("us-east-1")?
    ///     .with_endpoint(Service::Kms, "http://127.0.0.1:4566")?
    ///     .with_endpoint(Service::Secrets, "http://127.0.0.1:4566")?;
    /// // Without TLS, only this machine.
    /// assert!(test.with_endpoint(Service::Kms, "http://kms.example.com").is_err());
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_argument` unless the URL is `https://HOST[:PORT]`, or `http` for this machine.
    pub fn with_endpoint(mut self, service: Service, url: &str) -> Result<Self> {
        let endpoint = Endpoint::parse(url)?;
        match service {
            Service::Kms => self.kms = endpoint,
            Service::Secrets => self.secrets = endpoint,
        }
        Ok(self)
    }

    /// The scheme of key URIs: `aws` or `keyfold`.
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.region
    }

    fn endpoint(&self, service: Service) -> &Endpoint {
        match service {
            Service::Kms => &self.kms,
            Service::Secrets => &self.secrets,
        }
    }

    /// The service's name of a key.
    fn name<'k>(&self, key: &'k KeyUri) -> Result<&'k str> {
        if key.scheme() == self.scheme {
            return Ok(key.rest());
        }
        if self.relays(key) {
            return Ok(key.as_str());
        }
        Err(Error::invalid("the key is of another KMS than the one that is asked"))
    }

    /// Whether a key is of a cloud that keyfold's server may speak to for us; the server knows
    /// which of them it does (docs/kms-protocol.md).
    fn relays(&self, key: &KeyUri) -> bool {
        self.cloud_of(key).is_some()
    }

    /// Scheme and place of such a key.
    fn cloud_of<'k>(&self, key: &'k KeyUri) -> Option<(&'k str, &'k str)> {
        if self.scheme != KEYFOLD_SCHEME || key.scheme() == KEYFOLD_SCHEME {
            return None;
        }
        let (place, _name) = key.rest().strip_prefix("//")?.split_once('/')?;
        Some((key.scheme(), place))
    }
}

/// A remote KMS and password safe over a [`Transport`]: AWS, or keyfold's own server.
///
/// It repeats nothing but what a wrong clock or ended credentials spoilt; put a
/// [`RetryKms`](crate::RetryKms) around it, and a [`BreakerKms`](crate::BreakerKms).
///
/// ```
/// use std::sync::Arc;
/// use keyfold::credentials::{Credentials, StaticCredentials};
/// use keyfold::kms::aws::{AwsConfig, AwsKms};
/// use keyfold::{Client, EncryptionContext, Keyring, WallClock};
/// # use keyfold::maybe_send::BoxFuture;
/// # use keyfold::transport::{HttpRequest, HttpResponse, Transport, TransportError};
/// # struct Http;
/// # impl Transport for Http {
/// #     fn send(&self, _: HttpRequest) -> BoxFuture<'_, Result<HttpResponse, TransportError>> {
/// #         let body = format!(
/// #             r#"{{"KeyId":"arn:aws:kms:eu-west-1:1:key/1","Plaintext":"{}=","CiphertextBlob":"AQID"}}"#,
/// #             "A".repeat(43)
/// #         );
/// #         let answer = HttpResponse { status: 200, headers: vec![], body: body.into_bytes() };
/// #         Box::pin(async { Ok(answer) })
/// #     }
/// # }
/// # struct HostTime;
/// # impl WallClock for HostTime {
/// #     fn unix_time(&self) -> std::time::Duration { std::time::Duration::from_secs(1 << 30) }
/// # }
///
/// let secret = b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_vec().into();
/// let credentials = StaticCredentials::new(Credentials::access_key("AKIDEXAMPLE", &secret, None)?);
/// let config = AwsConfig::aws("eu-west-1")?;
/// let kf = Client::new(AwsKms::new(Http, HostTime, Arc::new(credentials), config));
///
/// # pollster::block_on(async {
/// let ring = Keyring::generate_with("aws:alias/docs".parse()?);
/// let context = EncryptionContext::from([("tenant", "acme")]);
/// let sealed = kf.encrypt(b"hello", &ring, &context).await?;
/// # assert_eq!(kf.decrypt(&sealed, &ring, &context).await?, b"hello");
/// # Ok::<(), keyfold::Error>(())
/// # })?;
/// # Ok::<(), keyfold::Error>(())
/// ```
pub struct AwsKms<T> {
    driver: Driver<T>,
    config: AwsConfig,
    sealing: Option<Sealing>,
}

impl<T: Transport> AwsKms<T> {
    /// A KMS behind `transport`; `credentials` are asked for each request.
    pub fn new(
        transport: T,
        clock: impl WallClock + 'static,
        credentials: Arc<dyn CredentialsProvider>,
        config: AwsConfig,
    ) -> Self {
        AwsKms { driver: Driver::new(transport, clock, credentials), config, sealing: None }
    }

    /// Lets clouds behind keyfold's server seal data keys to a key pair of this client, so that
    /// the server does not see them. Where the cloud cannot, its keys make and open no data keys
    /// through this KMS; keys of the server itself are as without it.
    #[must_use]
    pub fn with_sealing(mut self, sealing: Sealing) -> Self {
        self.sealing = Some(sealing);
        self
    }

    /// Where it is.
    pub fn config(&self) -> &AwsConfig {
        &self.config
    }

    /// Performs any operation of a service, by its name in the API: JSON in, JSON out. For what
    /// the seam has no request for: managing keys, grants and secrets. An operation without an
    /// answer may answer nothing at all.
    ///
    /// # Errors
    /// As [`Exchange::answer`], and what transport and credentials say.
    pub async fn operation(
        &self,
        service: Service,
        operation: &str,
        body: impl Into<Zeroizing<Vec<u8>>>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let exchange = Exchange::new(&self.config, service, operation, body)?;
        let mut driven = Driven { machine: exchange, answer: None };
        self.driver.drive(&mut driven).await?;
        driven.answer.ok_or_else(wire::not_understood)
    }
}

impl<T: Transport> AwsKms<T> {
    async fn ask(&self, request: &Request) -> Result<Response> {
        let mut driven = Driven { machine: Call::new(&self.config, request)?, answer: None };
        self.driver.drive(&mut driven).await?;
        driven.answer.ok_or_else(wire::not_understood)
    }
}

impl<T: Transport> Kms for AwsKms<T> {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async move {
            if let Request::Rewrap { wrapped, context, key, to } = request
                && self.config.cloud_of(&wrapped.key) != self.config.cloud_of(to)
            {
                return rewrap_across((self, self), wrapped, context, key.as_ref(), to).await;
            }
            match &self.sealing {
                Some(sealing) if seals(&self.config, request) => sealing.call(self, request).await,
                _ => self.ask(request).await,
            }
        })
    }
}

/// Whether it is about a data key that the server is not to see.
fn seals(config: &AwsConfig, request: &Request) -> bool {
    match request {
        Request::GenerateDataKey { key, .. } | Request::Wrap { key, .. } => config.relays(key),
        Request::Unwrap { wrapped, .. } => config.relays(&wrapped.key),
        _ => false,
    }
}

/// A machine, and the answer that it has come to.
struct Driven<M, A> {
    machine: M,
    answer: Option<A>,
}

impl<M, A> Driven<M, A> {
    fn keep(&mut self, turn: Turn<A>) -> Turn<()> {
        match turn {
            Turn::Send => Turn::Send,
            Turn::Renew(error) => Turn::Renew(error),
            Turn::Done(answer) => {
                self.answer = Some(answer);
                Turn::Done(())
            }
        }
    }
}

impl Machine for Driven<Exchange<'_>, Zeroizing<Vec<u8>>> {
    fn request(&mut self, credentials: &Credentials, now: Duration) -> Result<HttpRequest> {
        self.machine.request(credentials, now)
    }

    fn answer(&mut self, response: HttpResponse, now: Duration) -> Result<Turn<()>> {
        let turn = self.machine.answer(response, now)?;
        Ok(self.keep(turn))
    }
}

impl Machine for Driven<Call<'_>, Response> {
    fn request(&mut self, credentials: &Credentials, now: Duration) -> Result<HttpRequest> {
        self.machine.request(credentials, now)
    }

    fn answer(&mut self, response: HttpResponse, now: Duration) -> Result<Turn<()>> {
        let turn = self.machine.answer(response, now)?;
        Ok(self.keep(turn))
    }
}
