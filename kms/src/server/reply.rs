//! What goes back: answers, refusals, and the wiping of what they were made in.

use std::borrow::Cow;
use std::io;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;
use zeroize::{Zeroize, Zeroizing};

use super::auth::Service;
use crate::error::{KmsError, KmsErrorCode, Result};

/// The content type of AWS JSON 1.1.
pub(crate) const AMZ_JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
/// The id of a request.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
/// The name of an error, once more than in the body.
pub(crate) const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// A request that is refused, by the engine or before it comes so far.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// The name in `__type`.
    pub(crate) name: &'static str,
    pub(crate) message: Cow<'static, str>,
    /// When to come back, in seconds.
    pub(crate) retry_after: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(
        status: StatusCode,
        name: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Refusal { status, name, message: message.into(), retry_after: None }
    }

    /// Asks too often, or at a bad time.
    pub(crate) fn throttled(message: &'static str, retry_after: u64) -> Self {
        let error = KmsError::new(KmsErrorCode::Throttling, message);
        Refusal { retry_after: Some(retry_after.max(1)), ..error.into() }
    }

    /// The response, in the words of a service.
    pub(crate) fn respond(&self, service: Option<Service>) -> Response<Body> {
        // The one member that the two services spell differently.
        let member = if service == Some(Service::Secrets) { "Message" } else { "message" };
        let body = serde_json::json!({ "__type": self.name, member: self.message }).to_string();
        let mut response = respond(self.status, Bytes::from(body));
        let headers = response.headers_mut();
        headers.insert(ERROR_TYPE, HeaderValue::from_static(self.name));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<KmsError> for Refusal {
    fn from(error: KmsError) -> Self {
        let code = error.code();
        let status =
            StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // What fails in here is for the log: it may name paths and hosts.
        let message = match code {
            KmsErrorCode::Internal | KmsErrorCode::InternalService => {
                "the service failed; its log says why".into()
            }
            KmsErrorCode::DependencyTimeout => "the store does not answer in time".into(),
            _ => Cow::Owned(error.message().to_owned()),
        };
        Refusal { status, name: code.as_str(), message, retry_after: None }
    }
}

/// A response of either service.
pub(crate) fn respond(status: StatusCode, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, AMZ_JSON);
    headers.insert(CACHE_CONTROL, NO_STORE);
    response
}

/// An answer in JSON, in memory that is wiped when it has been sent.
pub(crate) fn encode<T: Serialize>(answer: &T) -> Result<Bytes> {
    let mut buffer = WipingBuffer(Vec::with_capacity(512));
    match serde_json::to_writer(&mut buffer, answer) {
        Ok(()) => Ok(Bytes::from_owner(Zeroizing::new(buffer.0))),
        Err(_) => Err(KmsError::internal("an answer has no JSON form")),
    }
}

/// A buffer that leaves nothing behind where it grows.
struct WipingBuffer(Vec<u8>);

impl io::Write for WipingBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut grown = Vec::with_capacity(needed.next_power_of_two());
            grown.extend_from_slice(&self.0);
            std::mem::replace(&mut self.0, grown).zeroize();
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_longer_than_its_buffer_is_whole() {
        let text = "é\"".repeat(5000);
        let bytes = encode(&text).expect("JSON");
        assert_eq!(serde_json::from_slice::<String>(&bytes).expect("JSON"), text);
    }

    #[test]
    fn what_fails_inside_is_not_told() {
        let error = KmsError::internal("cannot open /var/lib/keyfold/store.db");
        let refusal = Refusal::from(error);
        assert_eq!((refusal.status.as_u16(), refusal.name), (500, "KMSInternalException"));
        assert!(!refusal.message.contains("/var"));
    }
}
