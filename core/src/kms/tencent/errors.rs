//! What goes wrong at Tencent: from the names of errors to categories.

use std::borrow::Cow;
use std::time::Duration;

use crate::kms::cloud::fault::{Category, Fault, category_of};
use crate::kms::json::Object;
use crate::kms::service_error::{ServiceError, retry_after, token};
use crate::transport::HttpResponse;

/// The first row that fits counts.
const NAMES: [(Category, &str); 16] = [
    (
        Category::Conflict,
        "InvalidParameterValue.AliasAlreadyExists InvalidParameterValue.DataKeyNameAlreadyExists \
         ResourceInUse.* FailedOperation.CmkUsedByCloudProduct FailedOperation.RotateTaskRunning",
    ),
    (Category::Ciphertext, "InvalidParameterValue.InvalidCiphertext FailedOperation.DecryptError"),
    (
        Category::NotFound,
        "ResourceUnavailable.CmkNotFound ResourceUnavailable.DataKeyNotFound ResourceNotFound.*",
    ),
    (
        Category::PendingDeletion,
        "ResourceUnavailable.KeyPendingDelete ResourceUnavailable.DataKeyPendingDelete \
         ResourceUnavailable.ResourcePendingDeleted",
    ),
    // The token of an import.
    (Category::Argument, "ResourceUnavailable.TokenExpired"),
    (Category::Denied, "ResourceUnavailable.NotPurchased"),
    (Category::InvalidState, "ResourceUnavailable.*"),
    (
        Category::Argument,
        "InvalidParameterValue.* InvalidParameter.* MissingParameter.* UnknownParameter.* \
         InvalidAction.*",
    ),
    (Category::Throttled, "RequestLimitExceeded.*"),
    (Category::Limit, "LimitExceeded.* ResourceInsufficient.*"),
    (
        Category::Unavailable,
        "InternalError.* FailedOperation.EncryptionError FailedOperation.AccessKmsError \
         UnsupportedOperation.ServiceTemporaryUnavailable",
    ),
    (Category::Unsupported, "UnsupportedOperation.*"),
    (
        Category::Denied,
        "AuthFailure.UnauthorizedOperation UnauthorizedOperation.* OperationDenied.*",
    ),
    (Category::Clock, "AuthFailure.SignatureExpire"),
    (Category::Expired, "AuthFailure.TokenFailure AuthFailure.SecretIdNotFound"),
    (Category::Unauthenticated, "AuthFailure.*"),
];

/// The error in an answer. Those of the service come with status 200; any other status is of
/// whatever stands before it.
pub(super) fn fault(response: &HttpResponse, now: Duration) -> Option<Fault> {
    let envelope = Object(&response.body).maybe_object("Response").ok().flatten();
    let error = envelope.and_then(|envelope| envelope.maybe_object("Error").ok().flatten());
    if error.is_none() && response.status == 200 {
        return None;
    }
    // Whatever the body is, this is no failure.
    let text = |object: Option<Object<'_>>, name| {
        object?.maybe_text(name).ok().flatten().map(Cow::into_owned)
    };
    let name = text(error, "Code").and_then(|name| token(&name));
    let category = match name.as_deref().unwrap_or_default() {
        // Not one of its more precise names.
        "FailedOperation" | "FailedOperation.SignError" | "FailedOperation.VerifyError" => {
            Category::Broken
        }
        name => category_of(name, &NAMES),
    };
    let request_id = text(envelope, "RequestId").and_then(|id| token(&id));
    let error = ServiceError {
        provider: super::SCHEME,
        name,
        status: response.status,
        request_id,
        message: text(error, "Message"),
    };
    Some(Fault { error, category, pause: retry_after(response, now) })
}
