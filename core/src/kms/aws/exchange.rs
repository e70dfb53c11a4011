//! One operation on its way: signed, sent, answered, perhaps signed once more.

use std::time::Duration;

use zeroize::Zeroizing;

use super::{AwsConfig, Service, errors, sigv4};
use crate::credentials::{Credentials, Kind};
use crate::error::{Error, Result};
use crate::kms::driver::Turn;
use crate::kms::service_error::ServiceError;
use crate::kms::wire;
use crate::transport::{HttpRequest, HttpResponse};

/// The longest answer, in bytes: a page of a list, with all that its entries may hold.
const MAX_ANSWER: usize = 4 << 20;

/// One operation of a service, JSON in and JSON out, without a socket and without a clock.
///
/// ```
/// use std::time::Duration;
/// use keyfold::credentials::Credentials;
/// use keyfold::kms::aws::{AwsConfig, Exchange, Service, Turn};
/// use keyfold::transport::HttpResponse;
///
/// let config = AwsConfig::keyfold("https://kms.example.com")?;
/// let token = Credentials::bearer(&b"eyJhbGciOiJFUzI1NiJ9.e30.c2ln".to_vec().into())?;
/// let now = Duration::from_secs(1_700_000_000);
///
/// let mut exchange = Exchange::new(&config, Service::Kms, "ListKeys", b"{}".to_vec())?;
/// let request = exchange.request(&token, now)?;
/// assert_eq!(request.url, "https://kms.example.com/");
/// // The host sends it, and hands the answer back.
/// let answer = HttpResponse { status: 200, headers: vec![], body: br#"{"Keys":[]}"#.to_vec() };
/// let Turn::Done(json) = exchange.answer(answer, now)? else { unreachable!() };
/// assert_eq!(*json, br#"{"Keys":[]}"#);
/// # Ok::<(), keyfold::Error>(())
/// ```
pub struct Exchange<'a> {
    config: &'a AwsConfig,
    service: Service,
    target: String,
    body: Zeroizing<Vec<u8>>,
    signed_at: Option<Duration>,
    corrected: bool,
    renewed: bool,
}

/// Why an exchange ended without an answer of its own kind.
pub(super) enum Failure {
    Service(Box<(ServiceError, HttpResponse)>),
    Other(Error),
}

impl<'a> Exchange<'a> {
    /// An operation by its name in the API, such as `CreateKey`, with the members of its request
    /// in a JSON object.
    ///
    /// # Errors
    /// `invalid_argument` where the name is not one word of letters.
    pub fn new(
        config: &'a AwsConfig,
        service: Service,
        operation: &str,
        body: impl Into<Zeroizing<Vec<u8>>>,
    ) -> Result<Self> {
        let letters = operation.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if operation.is_empty() || operation.len() > 128 || !letters {
            return Err(Error::invalid("an operation is named by one word of letters"));
        }
        Ok(Exchange {
            config,
            service,
            target: format!("{}.{operation}", service.target()),
            body: body.into(),
            signed_at: None,
            corrected: false,
            renewed: false,
        })
    }

    /// The request to send now; `now` is the time since 1970.
    ///
    /// # Errors
    /// `invalid_argument` for a time that cannot be written.
    pub fn request(&mut self, credentials: &Credentials, now: Duration) -> Result<HttpRequest> {
        let mut request = HttpRequest {
            method: "POST".to_owned(),
            url: self.config.endpoint(self.service).url("/"),
            headers: vec![
                ("content-type".to_owned(), "application/x-amz-json-1.1".to_owned()),
                ("x-amz-target".to_owned(), self.target.clone()),
            ],
            body: self.body.to_vec(),
        };
        match &credentials.kind {
            Kind::Bearer(token) => {
                let value = format!("Bearer {}", token.as_str());
                request.headers.push(("authorization".to_owned(), value));
                self.signed_at = None;
            }
            Kind::Connection => self.signed_at = None,
            Kind::AccessKey(_) => {
                let at = self.config.skew.corrected(now);
                let (region, service) = (self.config.region(), self.service.name());
                sigv4::sign(&mut request, credentials, region, service, at)?;
                self.signed_at = Some(at);
            }
        }
        Ok(request)
    }

    /// Takes the answer; `now` is the time since 1970.
    ///
    /// # Errors
    /// The `kms_*` codes and whatever the service's error stands for; `kms_protocol` for an
    /// answer that is none of this protocol's.
    pub fn answer(
        &mut self,
        response: HttpResponse,
        now: Duration,
    ) -> Result<Turn<Zeroizing<Vec<u8>>>> {
        self.take(response, now).map_err(|failure| failure.into_error(now, false))
    }

    pub(super) fn take(
        &mut self,
        mut response: HttpResponse,
        now: Duration,
    ) -> Result<Turn<Zeroizing<Vec<u8>>>, Failure> {
        if response.body.len() > MAX_ANSWER {
            return Err(Failure::Other(wire::not_understood()));
        }
        if response.status == 200 {
            let body = Zeroizing::new(std::mem::take(&mut response.body));
            // A page of a proxy or a portal is no answer, whatever its status.
            return match body.trim_ascii() {
                // An operation without an answer answers nothing, or one of these.
                [] | b"null" | [b'{', ..] => Ok(Turn::Done(body)),
                _ => Err(Failure::Other(wire::not_understood())),
            };
        }
        let error = errors::read(&response);
        if errors::may_be_the_clock(&error)
            && !self.corrected
            && self.config.skew.learn(&response, self.signed_at, now)
        {
            self.corrected = true;
            return Ok(Turn::Send);
        }
        if errors::may_be_the_credentials(&error) && !self.renewed {
            self.renewed = true;
            return Ok(Turn::Renew(errors::into_error(error, &response, now, false)));
        }
        Err(Failure::Service(Box::new((error, response))))
    }
}

impl Failure {
    pub(super) fn into_error(self, now: Duration, of_secret: bool) -> Error {
        match self {
            Failure::Service(both) => {
                let (error, response) = *both;
                errors::into_error(error, &response, now, of_secret)
            }
            Failure::Other(error) => error,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Other(error)
    }
}
