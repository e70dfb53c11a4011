//! What goes wrong at Huawei: from the numbers of errors to categories.

use std::borrow::Cow;
use std::time::Duration;

use crate::kms::cloud::fault::{Category, Fault, category_of};
use crate::kms::cloud::{Ask, Service};
use crate::kms::json::Object;
use crate::kms::service_error::{ServiceError, retry_after, token};
use crate::transport::HttpResponse;

/// The first row that fits counts.
const NAMES: [(Category, &str); 13] = [
    (
        Category::NotFound,
        "KMS.0207 KMS.0316 KMS.3901 CSMS.0005 CSMS.0106 CSMS.0205 CSMS.0206 CSMS.0207 APIGW.0101",
    ),
    (
        Category::InvalidState,
        "KMS.0209 KMS.1201 KMS.1301 KMS.1501 KMS.0310 KMS.0313 KMS.0317 KMS.0320 KMS.0328 \
         KMS.2701 KMS.2901 CSMS.0108 CSMS.0109",
    ),
    (Category::PendingDeletion, "KMS.0210 KMS.1402 CSMS.0103 CSMS.0107"),
    (Category::Ciphertext, "KMS.2201 KMS.2203 KMS.2204 KMS.2103 KMS.0311 CSMS.0401"),
    // What the gateway says of a date, of a token and of a signature alike.
    (Category::Clock, "APIGW.0301 APIGW.0303 APIG.0301 APIG.0303"),
    // What is said of a token of IAM, with the status of a caller who may not: it may have ended.
    (Category::Expired, "KMS.0301 KMS.0302 KMS.0303 KMS.0304 KMS.0305 CSMS.0301"),
    (Category::Unauthenticated, "KMS.0321"),
    (
        Category::Denied,
        "KMS.0306 KMS.0307 KMS.0314 KMS.0322 KMS.0326 KMS.0327 KMS.0330 CSMS.0302 APIGW.0302 \
         APIG.0302",
    ),
    (Category::Limit, "KMS.1105 KMS.2301 KMS.2404 KMS.2405 KMS.0409 CSMS.0202 CSMS.0203 CSMS.0204"),
    (Category::Conflict, "KMS.1104 KMS.0318 CSMS.0101 CSMS.0102 CSMS.0104"),
    (Category::Throttled, "APIGW.0308 APIG.0308"),
    (
        Category::Unavailable,
        "KMS.0100 KMS.0101 KMS.0102 KMS.0103 KMS.0104 KMS.0105 KMS.3805 KMS.5012 CSMS.0001 \
         CSMS.0006 CSMS.0201",
    ),
    (
        Category::Unsupported,
        "KMS.0106 KMS.0211 KMS.0215 KMS.0309 KMS.0312 KMS.0319 KMS.0324 KMS.0325 KMS.0331 \
         KMS.0332 KMS.0334 KMS.0335 KMS.0338 KMS.0339 KMS.0340 KMS.0341 KMS.1114 KMS.1115 \
         KMS.2105 KMS.2106",
    ),
];

/// The error in an answer whose status is none of success.
pub(super) fn fault(ask: &Ask, response: &HttpResponse, now: Duration) -> Option<Fault> {
    if response.status / 100 == 2 {
        return None;
    }
    // Whatever the body is, this is no failure. The gateway and the safe say it without `error`.
    let body = Object(&response.body);
    let error = body.maybe_object("error").ok().flatten().unwrap_or(body);
    let text = |names: [&str; 3]| {
        names.iter().find_map(|name| error.maybe_text(name).ok().flatten().map(Cow::into_owned))
    };
    let name = text(["error_code", "errorCode", "code"]).and_then(|name| token(&name));
    let request_id = response.header("x-request-id").and_then(token);
    let category = match (name.as_deref(), response.status) {
        (None, 401) => Category::Clock,
        (None, _) => Category::Unknown,
        (Some(name), status) => match category_of(name, &NAMES) {
            Category::Unknown => of_status(ask, name, status),
            known => known,
        },
    };
    let message = text(["error_msg", "errorMsg", "message"]);
    let status = response.status;
    let error = ServiceError { provider: super::SCHEME, name, status, request_id, message };
    Some(Fault { error, category, pause: retry_after(response, now) })
}

/// For a number that stands in no row.
fn of_status(ask: &Ask, name: &str, status: u16) -> Category {
    match status {
        400 if name.starts_with("KMS.") || name.starts_with("CSMS.") => Category::Argument,
        404 if ask.service == Service::Secrets || name.starts_with("KMS.") => Category::NotFound,
        _ => Category::Unknown,
    }
}
