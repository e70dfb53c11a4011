//! What goes wrong at the service: from its answers to keyfold's codes.

use std::borrow::Cow;
use std::time::Duration;

use crate::error::{Error, ErrorCode};
use crate::kms::json::Object;
use crate::kms::service_error::{ServiceError, retry_after, token};
use crate::transport::HttpResponse;

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

/// Reads an answer whose status is none of success: the body first, then the headers.
pub(super) fn read(response: &HttpResponse) -> ServiceError {
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
    ServiceError { provider: "aws", name, status: response.status, request_id, message }
}

/// Whether the date of the request may be what is wrong.
pub(super) fn may_be_the_clock(error: &ServiceError) -> bool {
    matches!(
        short_name(error),
        "AuthFailure"
            | "InvalidSignature"
            | "RequestExpired"
            | "RequestInTheFuture"
            | "RequestTimeTooSkewed"
            | "SignatureDoesNotMatch"
    )
}

/// Whether other credentials may help.
pub(super) fn may_be_the_credentials(error: &ServiceError) -> bool {
    matches!(
        short_name(error),
        "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidClientTokenId"
            | "InvalidToken"
            | "UnrecognizedClient"
    )
}

/// The name without the word that some of them end in.
fn short_name(error: &ServiceError) -> &str {
    let name = error.name().unwrap_or_default();
    name.strip_suffix("Exception").unwrap_or(name)
}

/// Keyfold's code; `of_secret` where the operation reads or writes a secret's value.
fn code(error: &ServiceError, of_secret: bool) -> ErrorCode {
    let name = short_name(error);
    if name == "InvalidRequest" && of_secret {
        // A secret that waits for deletion is not there, to whoever reads or writes values.
        return ErrorCode::SecretNotFound;
    }
    let stands_for = NAMES.iter().find(|(_, names)| names.split(' ').any(|known| known == name));
    stands_for.map_or_else(|| error.code_of_status(), |(code, _)| *code)
}

/// The error for the caller; `of_secret` as in [`code`].
pub(super) fn into_error(
    error: ServiceError,
    response: &HttpResponse,
    now: Duration,
    of_secret: bool,
) -> Error {
    let code = code(&error, of_secret);
    error.into_error(code, retry_after(response, now))
}

/// The name in `com.amazonaws.kms#NotFoundException:http://…`. What is no name is none: it goes
/// into texts and logs.
fn exception_name(text: &str) -> Option<String> {
    let name = text.split(':').next().unwrap_or_default();
    token(name.rsplit('#').next().unwrap_or_default())
}
