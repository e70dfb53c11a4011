//! What goes wrong at Google: from the words of statuses to categories.

use std::borrow::Cow;
use std::time::Duration;

use crate::kms::cloud::Ask;
use crate::kms::cloud::fault::{Category, Fault, category_of};
use crate::kms::json::Object;
use crate::kms::service_error::{ServiceError, retry_after, token};
use crate::transport::HttpResponse;

/// The first row that fits counts.
const NAMES: [(Category, &str); 10] = [
    (Category::NotFound, "NOT_FOUND"),
    (Category::InvalidState, "FAILED_PRECONDITION"),
    (Category::Argument, "INVALID_ARGUMENT OUT_OF_RANGE"),
    (Category::Denied, "PERMISSION_DENIED"),
    // A token that has ended, or was taken back: another one may be had.
    (Category::Expired, "UNAUTHENTICATED"),
    (Category::Throttled, "RESOURCE_EXHAUSTED"),
    (Category::Conflict, "ALREADY_EXISTS ABORTED"),
    (Category::Unsupported, "UNIMPLEMENTED"),
    (Category::Unavailable, "UNAVAILABLE INTERNAL DEADLINE_EXCEEDED UNKNOWN CANCELLED"),
    (Category::Broken, "DATA_LOSS"),
];

pub(super) fn fault(ask: &Ask, response: &HttpResponse, now: Duration) -> Option<Fault> {
    if response.status / 100 == 2 {
        return None;
    }
    // Whatever the body is, this is no failure.
    let error = Object(&response.body).maybe_object("error").ok().flatten();
    let text = |name| error?.maybe_text(name).ok().flatten().map(Cow::into_owned);
    let name = text("status").and_then(|name| token(&name));
    let message = text("message");
    let said = |part: &str| message.as_deref().is_some_and(|message| message.contains(part));
    let category = match category_of(name.as_deref().unwrap_or_default(), &NAMES) {
        // There is one status for several causes; only the text tells.
        Category::Argument if ask.operation == "decrypt" && said("Decryption failed") => {
            Category::Ciphertext
        }
        // It was damaged on the way.
        Category::Argument if said("crc32c") || said("checksum") => Category::Unavailable,
        Category::InvalidState if said("DESTROY") => Category::PendingDeletion,
        Category::InvalidState if said("API has not been used") => Category::Denied,
        category => category,
    };
    let request_id = response.header("x-request-id").and_then(token);
    let error = ServiceError {
        provider: super::SCHEME,
        name,
        status: response.status,
        request_id,
        message,
    };
    Some(Fault { error, category, pause: retry_after(response, now) })
}
