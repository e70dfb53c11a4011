//! What goes wrong at Alibaba: from the names of errors to categories.

use std::borrow::Cow;
use std::time::Duration;

use crate::kms::cloud::Ask;
use crate::kms::cloud::fault::{Category, Fault, category_of};
use crate::kms::json::Object;
use crate::kms::service_error::{ServiceError, retry_after, token};
use crate::transport::HttpResponse;

/// The first row that fits counts.
const NAMES: [(Category, &str); 13] = [
    (
        Category::NotFound,
        "Forbidden.KeyNotFound Forbidden.AliasNotFound Forbidden.ResourceNotFound \
         Forbidden.KeyVersionNotFound ResourceNotFound.*",
    ),
    (Category::PendingDeletion, "Rejected.PendingDeletion"),
    (Category::Throttled, "Rejected.Throttling Throttling.*"),
    (Category::Limit, "Rejected.LimitExceeded LimitExceeded.*"),
    (Category::Unsupported, "UnsupportedOperation.* Rejected.UnsupportedOperation"),
    (
        Category::Conflict,
        "Rejected.ResourceExist Rejected.AlreadyExists AlreadyExists.* Conflict.*",
    ),
    (Category::InvalidState, "Rejected.*"),
    (
        Category::Clock,
        "IllegalTimestamp.* RequestTimeTooSkewed.* InvalidTimeStamp.* InvalidTimestamp.*",
    ),
    (Category::Expired, "InvalidSecurityToken.* SecurityTokenExpired.*"),
    (
        Category::Unauthenticated,
        "SignatureDoesNotMatch.* SignatureNotMatch.* IncompleteSignature.* InvalidAccessKeyId.*",
    ),
    (Category::Denied, "Forbidden.* NoPermission.* Forbidden"),
    (
        // The number that is used once was used: the next request has another.
        Category::Unavailable,
        "SignatureNonceUsed.* InternalFailure.* InternalError.* ServiceUnavailableTemporary.* \
         ServiceUnavailable.*",
    ),
    (Category::Argument, "InvalidParameter.* MissingParameter.* InvalidParam.*"),
];

/// The error in an answer whose status is none of success.
pub(super) fn fault(ask: &Ask, response: &HttpResponse, now: Duration) -> Option<Fault> {
    if response.status == 200 {
        return None;
    }
    // Whatever the body is, this is no failure.
    let body = Object(&response.body);
    let text = |name| body.maybe_text(name).ok().flatten().map(Cow::into_owned);
    let name = text("Code").and_then(|name| token(&name));
    let request_id = text("RequestId").and_then(|id| token(&id));
    let message = text("Message");
    let category = match (name.as_deref(), message.as_deref()) {
        (None, _) => Category::Unknown,
        (Some(name), message) => match category_of(name, &NAMES) {
            Category::Argument if of_ciphertext(ask, message) => Category::Ciphertext,
            Category::Unknown if name.ends_with("NotFound") => Category::NotFound,
            Category::Unknown if name.ends_with("AlreadyExists") => Category::Conflict,
            known => known,
        },
    };
    let seconds = response.header("x-acs-retry-after").and_then(|text| text.trim().parse().ok());
    let pause = seconds.map(|seconds: u32| Duration::from_secs(seconds.min(3600).into()));
    let status = response.status;
    let error = ServiceError { provider: super::SCHEME, name, status, request_id, message };
    Some(Fault { error, category, pause: pause.or_else(|| retry_after(response, now)) })
}

/// Whether a parameter is refused that was decided on with a key. The service has no name of its
/// own for that.
fn of_ciphertext(ask: &Ask, message: Option<&str>) -> bool {
    let message = message.unwrap_or_default().to_ascii_lowercase();
    matches!(ask.operation, "Decrypt" | "ReEncrypt" | "ExportDataKey")
        && ["ciphertext", "context"].iter().any(|word| message.contains(word))
}
