//! What goes wrong at Vault: from statuses and texts to categories. There are no codes.

use std::time::Duration;

use crate::kms::cloud::fault::{Category, Fault};
use crate::kms::cloud::{Ask, Service};
use crate::kms::json::Object;
use crate::kms::service_error::{ServiceError, retry_after};
use crate::transport::HttpResponse;

/// How many of the texts of an error are looked at.
const MAX_TEXTS: usize = 16;

/// What a text says under a status; the first row that fits counts.
const TEXTS: [(u16, Category, &[&str]); 13] = [
    // An internal error, though it is the caller's: another context, or another key.
    (500, Category::Ciphertext, &["message authentication failed"]),
    (400, Category::Ciphertext, &["message authentication failed"]),
    (403, Category::Expired, &["invalid token", "bad token", "token expired"]),
    (400, Category::Expired, &["missing client token"]),
    (
        400,
        Category::NotFound,
        &[
            "encryption key not found",
            "signing key not found",
            "could not delete key; not found",
            "no existing key named",
            "key not found",
        ],
    ),
    (400, Category::InvalidState, &["too old", "disallowed by policy", "soft deleted"]),
    (400, Category::InvalidState, &["soft-deleted", "deletion is not allowed"]),
    (400, Category::Conflict, &["check-and-set parameter"]),
    (400, Category::Unsupported, &["not supported for key type", "does not support"]),
    (500, Category::InvalidState, &["soft deleted", "soft-deleted", "deletion is not allowed"]),
    (500, Category::NotFound, &["could not delete key; not found"]),
    // Neither is there.
    (404, Category::NotFound, &["no handler for route"]),
    (404, Category::Unsupported, &["unsupported path", "unsupported operation"]),
];

/// The category of an answer of the server's own whose texts say nothing more.
fn of_status(status: u16) -> Category {
    match status {
        400 => Category::Argument,
        401 => Category::Expired,
        403 => Category::Denied,
        404 => Category::NotFound,
        405 => Category::Unsupported,
        413 => Category::Limit,
        429 => Category::Throttled,
        // 412 and 472 to 473: a standby that cannot answer this, or not yet.
        412 | 472 | 473 | 500..=599 => Category::Unavailable,
        _ => Category::Unknown,
    }
}

pub(super) fn fault(ask: &Ask, response: &HttpResponse, now: Duration) -> Option<Fault> {
    let status = response.status;
    let body = Object(&response.body);
    if status / 100 == 2 {
        return None;
    }
    // A version of a secret that is gone says so itself: that is not an error.
    let has_data = || body.maybe_object("data").is_ok_and(|data| data.is_some());
    if status == 404 && ask.service == Service::Secrets && has_data() {
        return None;
    }
    // Whatever the body is, this is no failure.
    let texts = body.maybe_object("errors").ok().flatten().and_then(|_| body.array("errors").ok());
    let message = texts.map(|texts| {
        let texts = texts.iter().take(MAX_TEXTS).filter_map(|text| text.as_text().ok());
        texts.collect::<Vec<_>>().join("; ")
    });
    let said = |parts: &[&str]| {
        message.as_deref().is_some_and(|message| parts.iter().any(|part| message.contains(part)))
    };
    let opens = matches!(ask.operation, "decrypt" | "rewrap");
    let row = TEXTS.iter().find(|(of, _, parts)| *of == status && said(parts));
    let category = match row {
        Some((_, category, _)) => *category,
        None if status == 400 && opens && said(&["ciphertext"]) => Category::Ciphertext,
        None if message.is_some() => of_status(status),
        // Not the server's own answer.
        None => Category::Unknown,
    };
    let error =
        ServiceError { provider: super::SCHEME, name: None, status, request_id: None, message };
    Some(Fault { error, category, pause: retry_after(response, now) })
}

/// Whether it is the answer to a list that has nothing in it: not found, without a word.
pub(super) fn is_empty(fault: &Fault) -> bool {
    fault.category == Category::NotFound && fault.error.message.as_deref() == Some("")
}
