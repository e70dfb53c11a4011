//! The errors that services answer with.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use super::moment;
use crate::error::{Error, ErrorCode, Retry};
use crate::transport::HttpResponse;

/// The longest pause that an answer may ask for.
const MAX_PAUSE: Duration = Duration::from_hours(1);

/// The service answered with an error. It is the `source` of the [`Error`] that comes of it.
///
/// Display shows the name and the request id, which are safe to log.
///
/// ```
/// use std::error::Error as _;
/// use keyfold::kms::ServiceError;
///
/// /// What to tell the people of the service.
/// fn request_id(error: &keyfold::Error) -> Option<&str> {
///     error.source()?.downcast_ref::<ServiceError>()?.request_id()
/// }
/// let own = keyfold::Error::new(keyfold::ErrorCode::Io, "not of a service");
/// assert_eq!(request_id(&own), None);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceError {
    pub(crate) provider: &'static str,
    pub(crate) name: Option<String>,
    pub(crate) status: u16,
    pub(crate) request_id: Option<String>,
    pub(crate) message: Option<String>,
}

impl ServiceError {
    /// Whose protocol it is: `aws` (keyfold's own server speaks it too), `tencent`, `huawei`, and
    /// so on.
    pub fn provider(&self) -> &'static str {
        self.provider
    }

    /// The name of the error, as the service gives it; `None` where the answer names none.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The id under which the service has recorded the request.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The service's own words. They may repeat parts of the request: show them to whoever made
    /// it, with control characters escaped, and put them into no log.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Where no name says more.
    pub(crate) fn code_of_status(&self) -> ErrorCode {
        match self.status {
            401 | 403 => ErrorCode::KmsDenied,
            413 => ErrorCode::LimitExceeded,
            429 => ErrorCode::KmsThrottled,
            500..=599 => ErrorCode::KmsUnavailable,
            // Redirects are not followed: an endpoint that has moved is to be configured anew.
            _ => ErrorCode::KmsProtocol,
        }
    }

    /// The error for the caller. What was decided with a key has one opaque text.
    pub(crate) fn into_error(self, code: ErrorCode, pause: Option<Duration>) -> Error {
        if code == ErrorCode::AuthenticationFailed {
            return Error::authentication();
        }
        let error = Error::new(code, self.to_string());
        let error = match code.default_retry() {
            Retry::Later(_) => error.with_retry(Retry::Later(pause)),
            _ => error,
        };
        error.with_source(self)
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "the KMS answered {name}"),
            None => write!(f, "the KMS answered status {} and no error of its own", self.status),
        }?;
        match &self.request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceError({self})")
    }
}

impl StdError for ServiceError {}

/// A short word of letters, digits and hyphens.
pub(crate) fn token(text: &str) -> Option<String> {
    let text = text.trim_ascii();
    let of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let fits = (1..=80).contains(&text.len()) && text.bytes().all(of_token);
    fits.then(|| text.to_owned())
}

/// The pause that an answer asks for: seconds, or a date.
pub(crate) fn retry_after(response: &HttpResponse, now: Duration) -> Option<Duration> {
    let text = response.header("retry-after")?.trim_ascii();
    let pause = match text.parse::<u32>() {
        Ok(seconds) => Duration::from_secs(seconds.into()),
        Err(_) => moment::http_date(text)?.saturating_sub(now),
    };
    Some(pause.min(MAX_PAUSE))
}
