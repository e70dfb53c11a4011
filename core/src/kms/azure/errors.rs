//! What goes wrong at Azure: from codes and statuses to categories.

use std::borrow::Cow;
use std::time::Duration;

use crate::credentials::AzureAuthority;
use crate::kms::cloud::Ask;
use crate::kms::cloud::fault::{Category, Fault, category_of};
use crate::kms::json::Object;
use crate::kms::service_error::{ServiceError, retry_after, token};
use crate::transport::HttpResponse;

/// The first row that fits counts.
const NAMES: [(Category, &str); 8] = [
    (Category::NotFound, "KeyNotFound SecretNotFound"),
    (
        Category::InvalidState,
        "KeyDisabled SecretDisabled KeyNotYetValid KeyExpired KeyOperationForbidden",
    ),
    (Category::PendingDeletion, "ObjectIsDeletedButRecoverable ObjectIsBeingDeleted"),
    (Category::Conflict, "Conflict"),
    (
        Category::Denied,
        "Forbidden ForbiddenByPolicy ForbiddenByRbac ForbiddenByFirewall AccessDenied",
    ),
    (Category::Expired, "Unauthorized"),
    (Category::Argument, "BadParameter"),
    (Category::Throttled, "Throttled"),
];

/// The category of an answer of the service's own with a code that nobody here knows.
fn of_status(status: u16) -> Category {
    match status {
        400 => Category::Argument,
        401 => Category::Expired,
        403 => Category::Denied,
        404 => Category::NotFound,
        409 => Category::Conflict,
        429 => Category::Throttled,
        408 | 500..=599 => Category::Unavailable,
        _ => Category::Unknown,
    }
}

/// `resource` is what tokens for the vault are for.
pub(super) fn fault(
    resource: &str,
    ask: &Ask,
    response: &HttpResponse,
    now: Duration,
) -> Option<Fault> {
    if response.status / 100 == 2 {
        return None;
    }
    // Whatever the body is, this is no failure.
    let error = Object(&response.body).maybe_object("error").ok().flatten();
    let text = |object: Option<Object<'_>>, name| {
        object?.maybe_text(name).ok().flatten().map(Cow::into_owned)
    };
    let within = |name| error.and_then(|error| error.maybe_object(name).ok().flatten());
    // The inner one says more, where there is one; both spellings occur.
    let inner = text(within("innererror").or_else(|| within("innerError")), "code");
    let name = inner.or_else(|| text(error, "code")).and_then(|name| token(&name));
    let named = category_of(name.as_deref().unwrap_or_default(), &NAMES);
    let category = match named {
        Category::Argument if matches!(ask.operation, "unwrapkey" | "decrypt") => {
            Category::Ciphertext
        }
        Category::Unknown if name.is_some() => of_status(response.status),
        // What stands before the service asks for a token without a word of its own.
        Category::Unknown if response.status == 401 => Category::Expired,
        category => category,
    };
    let category = match response.header("www-authenticate") {
        // The vault wants a token for something else than it is: it gets none.
        Some(challenge)
            if category == Category::Expired && !AzureAuthority::fits(challenge, resource) =>
        {
            Category::Unauthenticated
        }
        _ => category,
    };
    let request_id = response.header("x-ms-request-id").and_then(token);
    let error = ServiceError {
        provider: super::SCHEME,
        name,
        status: response.status,
        request_id,
        message: text(error, "message"),
    };
    Some(Fault { error, category, pause: retry_after(response, now) })
}
