//! What goes wrong at the service: from its answers to keyfold's codes.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use super::json::Object;
use super::moment;
use crate::error::{Error, ErrorCode, Retry};
use crate::transport::HttpResponse;

/// The longest pause that an answer may ask for.
const MAX_PAUSE: Duration = Duration::from_hours(1);

/// What the names of exceptions stand for, without the word that some of them end in.
const NAMES: [(ErrorCode, &str); 10] = [
    (
        ErrorCode::KmsDenied,
        "AccessDenied AuthFailure ExpiredToken IncompleteSignature InvalidAccessKeyId \
         InvalidClientTokenId InvalidSignature InvalidToken MissingAuthenticationToken \
         NotAuthorized OptInRequired RequestExpired RequestInTheFuture RequestTimeTooSkewed \
         SignatureDoesNotMatch UnrecognizedClient",
    ),
    (
        ErrorCode::KmsKeyUnavailable,
        "CustomKeyStoreNotFound DecryptionFailure Disabled EncryptionFailure InvalidArn \
         InvalidKeyUsage KMSInvalidState NotFound UnsupportedOperation XksKeyNotFound",
    ),
    (ErrorCode::AuthenticationFailed, "IncorrectKey InvalidCiphertext"),
    (ErrorCode::SignatureInvalid, "KMSInvalidSignature KMSInvalidMac"),
    (ErrorCode::SecretNotFound, "ResourceNotFound"),
    (
        ErrorCode::VersionConflict,
        "AlreadyExists Conflict PreconditionNotMet ResourceExists XksKeyAlreadyInUse",
    ),
    // A quota, which no pause refills.
    (ErrorCode::LimitExceeded, "LimitExceeded RequestEntityTooLarge"),
    (
        ErrorCode::KmsThrottled,
        "RequestLimitExceeded RequestThrottled Throttled Throttling ThrottlingError \
         TooManyRequests",
    ),
    (
        ErrorCode::KmsUnavailable,
        "DependencyTimeout InternalFailure InternalServiceError InternalServerError \
         KMSInternal KeyUnavailable RequestTimeout ServiceUnavailable",
    ),
    (
        ErrorCode::InvalidArgument,
        "DryRunOperation ExpiredImportToken IncorrectKeyMaterial InvalidAliasName \
         InvalidGrantId InvalidGrantToken InvalidImportToken InvalidMarker InvalidNextToken \
         InvalidParameter InvalidRequest MalformedPolicyDocument Serialization Tag \
         UnknownOperation Validation ValidationError",
    ),
];

/// The service answered with an error. It is the `source` of the [`Error`] that comes of it.
///
/// Display shows the name and the request id, which are safe to log.
///
/// ```
/// use std::error::Error as _;
/// use keyfold::kms::aws::ServiceError;
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
    name: Option<String>,
    status: u16,
    request_id: Option<String>,
    message: Option<String>,
}

impl ServiceError {
    /// Reads an answer whose status is none of success: the body first, then the headers.
    pub(super) fn read(response: &HttpResponse) -> Self {
        // Whatever the body is, this is no failure.
        let member = |name| Object(&response.body).maybe_text(name).ok().flatten();
        let named = |name| member(name).and_then(|text| exception_name(&text));
        let name = named("__type")
            .or_else(|| named("code"))
            .or_else(|| response.header("x-amzn-errortype").and_then(exception_name));
        let request_id = response
            .header("x-amzn-requestid")
            .or_else(|| response.header("x-amz-request-id"))
            .and_then(token);
        let message = member("message").or_else(|| member("Message")).map(Cow::into_owned);
        ServiceError { name, status: response.status, request_id, message }
    }

    /// The exception's name, as the service gives it; `None` where the answer names none.
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

    /// Whether the date of the request may be what is wrong.
    pub(super) fn may_be_the_clock(&self) -> bool {
        matches!(
            self.short_name(),
            "AuthFailure"
                | "InvalidSignature"
                | "RequestExpired"
                | "RequestInTheFuture"
                | "RequestTimeTooSkewed"
                | "SignatureDoesNotMatch"
        )
    }

    /// Whether other credentials may help.
    pub(super) fn may_be_the_credentials(&self) -> bool {
        matches!(
            self.short_name(),
            "ExpiredToken"
                | "ExpiredTokenException"
                | "InvalidClientTokenId"
                | "InvalidToken"
                | "UnrecognizedClient"
        )
    }

    /// The name without the word that some of them end in.
    fn short_name(&self) -> &str {
        let name = self.name.as_deref().unwrap_or_default();
        name.strip_suffix("Exception").unwrap_or(name)
    }

    /// Keyfold's code; `of_secret` where the operation reads or writes a secret's value.
    pub(super) fn code(&self, of_secret: bool) -> ErrorCode {
        let name = self.short_name();
        if name == "InvalidRequest" && of_secret {
            // A secret that waits for deletion is not there, to whoever reads or writes values.
            return ErrorCode::SecretNotFound;
        }
        let stands_for =
            NAMES.iter().find(|(_, names)| names.split(' ').any(|known| known == name));
        stands_for.map_or_else(|| self.code_of_status(), |(code, _)| *code)
    }

    /// Where no name says more.
    fn code_of_status(&self) -> ErrorCode {
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
    pub(super) fn into_error(
        self,
        response: &HttpResponse,
        now: Duration,
        of_secret: bool,
    ) -> Error {
        let code = self.code(of_secret);
        if code == ErrorCode::AuthenticationFailed {
            return Error::authentication();
        }
        let error = Error::new(code, self.to_string());
        let error = match code.default_retry() {
            Retry::Later(_) => error.with_retry(Retry::Later(retry_after(response, now))),
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

/// The name in `com.amazonaws.kms#NotFoundException:http://…`. What is no name is none: it goes
/// into texts and logs.
fn exception_name(text: &str) -> Option<String> {
    let name = text.split(':').next().unwrap_or_default();
    token(name.rsplit('#').next().unwrap_or_default())
}

/// A short word of letters, digits and hyphens.
fn token(text: &str) -> Option<String> {
    let text = text.trim_ascii();
    let of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let fits = (1..=80).contains(&text.len()) && text.bytes().all(of_token);
    fits.then(|| text.to_owned())
}

/// The pause that an answer asks for: seconds, or a date.
fn retry_after(response: &HttpResponse, now: Duration) -> Option<Duration> {
    let text = response.header("retry-after")?.trim_ascii();
    let pause = match text.parse::<u32>() {
        Ok(seconds) => Duration::from_secs(seconds.into()),
        Err(_) => moment::http_date(text)?.saturating_sub(now),
    };
    Some(pause.min(MAX_PAUSE))
}
