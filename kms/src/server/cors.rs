//! Web pages of other origins.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::config::CorsConfig;

/// What the AWS SDKs send from a browser.
const REQUEST_HEADERS: [&str; 9] = [
    "authorization",
    "content-type",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-target",
    "x-amz-user-agent",
    "amz-sdk-invocation-id",
    "amz-sdk-request",
];
/// What a page may read of a response: without the date, an SDK cannot correct its clock.
const RESPONSE_HEADERS: [&str; 4] = ["x-amzn-requestid", "x-amzn-errortype", "date", "retry-after"];

/// The layer for the named origins; none where no origin is named.
pub(crate) fn layer(config: &CorsConfig) -> Option<CorsLayer> {
    if config.origins.is_empty() {
        return None;
    }
    let origins: Vec<HeaderValue> =
        config.origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::POST])
        .allow_headers(REQUEST_HEADERS.map(HeaderName::from_static))
        .expose_headers(RESPONSE_HEADERS.map(HeaderName::from_static))
        .max_age(Duration::from_secs(config.max_age_seconds));
    Some(layer)
}
