//! What goes wrong at Ping An. There is no list of its errors: their names are read for what they
//! seem to say.

use std::time::Duration;

use super::text;
use crate::kms::cloud::Ask;
use crate::kms::cloud::fault::{Category, Fault};
use crate::kms::json::Object;
use crate::kms::service_error::{ServiceError, retry_after, token};
use crate::transport::HttpResponse;

/// Parts of names; the first row that fits counts.
const PARTS: [(Category, &str); 11] = [
    (Category::NotFound, "NOTFOUND NOT_FOUND NOTEXIST NOT_EXIST"),
    (Category::InvalidState, "DISABLE"),
    (Category::PendingDeletion, "PENDING"),
    (Category::Clock, "TIMESTAMP EXPIRE"),
    (Category::Unauthenticated, "SIGN ACCESSKEY ACCESS_KEY TOKEN"),
    (Category::Denied, "AUTH PERMISSION FORBID"),
    (Category::Limit, "LIMIT QUOTA"),
    (Category::Throttled, "THROTTL FREQ"),
    (Category::Conflict, "EXIST"),
    (Category::Argument, "PARAM INVALID"),
    (Category::Unavailable, "INTERNAL SYSTEM BUSY"),
];

/// The error in an answer, whatever its status: all but one code are errors.
pub(super) fn fault(ask: &Ask, response: &HttpResponse, now: Duration) -> Option<Fault> {
    let body = Object(&response.body);
    // Whatever the body is, this is no failure.
    let code = text(body, "code").ok().flatten();
    let success = code.as_deref().is_some_and(|code| code.eq_ignore_ascii_case("success"));
    if response.status == 200 && (success || code.is_none()) {
        return None;
    }
    let category = match code.as_deref() {
        Some(code) if !success => category(ask, code, response.status),
        _ => Category::Unknown,
    };
    let error = ServiceError {
        provider: super::SCHEME,
        name: code.and_then(|code| token(&code)),
        status: response.status,
        request_id: text(body, "requestId").ok().flatten().and_then(|id| token(&id)),
        message: text(body, "message").ok().flatten(),
    };
    Some(Fault { error, category, pause: retry_after(response, now) })
}

fn category(ask: &Ask, code: &str, status: u16) -> Category {
    let code = code.to_ascii_uppercase();
    let has = |parts: &str| parts.split(' ').any(|part| code.contains(part));
    if ask.operation == "Decrypt" && has("CIPHER DECRYPT") {
        return Category::Ciphertext;
    }
    let row = PARTS.iter().find(|(_, parts)| has(parts));
    match row {
        Some((category, _)) => *category,
        None if status >= 500 => Category::Unavailable,
        None => Category::Broken,
    }
}
