//! The network, in one method.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use zeroize::Zeroize;

use crate::error::{Error, ErrorCode};
use crate::maybe_send::{BoxFuture, MaybeSendSync};

/// An HTTP request that a provider has built and signed. Values are owned, so that a host
/// language can implement [`Transport`]. Headers and body may hold secrets: they are wiped on
/// drop, unless they were taken out with [`std::mem::take`].
///
/// ```
/// use keyfold::transport::HttpRequest;
///
/// let request = HttpRequest {
///     method: "POST".into(),
///     url: "https://kms.example.com/?token=secret".into(),
///     headers: vec![("content-type".into(), "application/json".into())],
///     body: b"{}".to_vec(),
/// };
/// // Neither URL nor headers nor body reach a log.
/// assert!(!format!("{request:?}").contains("secret"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method, in capitals.
    pub method: String,
    /// The whole URL; it may hold a token, so it is never logged.
    pub url: String,
    /// Header names and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// The answer to an [`HttpRequest`]. The body may hold a plaintext or a data key: it is wiped on
/// drop, unless it was taken out with [`std::mem::take`].
///
/// ```
/// use keyfold::transport::HttpResponse;
///
/// let response = HttpResponse { status: 200, headers: vec![], body: b"secret".to_vec() };
/// assert_eq!(format!("{response:?}"), r#"HttpResponse { status: 200, body: 6 bytes, .. }"#);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// Header names and values, in order.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// The first value of a header; names are compared without regard to case.
    ///
    /// ```
    /// use keyfold::transport::HttpResponse;
    ///
    /// let headers = vec![("Retry-After".into(), "2".into())];
    /// let response = HttpResponse { status: 503, headers, body: vec![] };
    /// assert_eq!(response.header("retry-after"), Some("2"));
    /// ```
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(this, _)| this.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// Why no answer came.
///
/// ```
/// use keyfold::{ErrorCode, transport::TransportError};
///
/// fn failed(error: &std::io::Error) -> TransportError {
///     // The kind only: the text of an error may hold the URL.
///     TransportError::new(ErrorCode::KmsUnavailable, error.kind().to_string())
/// }
/// let error = failed(&std::io::ErrorKind::ConnectionRefused.into());
/// assert_eq!(error.detail, "connection refused");
/// ```
#[derive(Clone)]
pub struct TransportError {
    /// `kms_unavailable` (the default), `cancelled` or `io`.
    pub code: ErrorCode,
    /// What happened, without URL, header or body.
    pub detail: String,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl TransportError {
    /// An error with a code and a text.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        TransportError { code, detail: detail.into(), source: None }
    }

    /// Adds what caused it, such as an exception of a host language. It is in no text.
    ///
    /// ```
    /// use keyfold::{Error, ErrorCode, transport::TransportError};
    /// use std::error::Error as _;
    ///
    /// let cause = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    /// let error = TransportError::new(ErrorCode::KmsUnavailable, "no answer").with_source(cause);
    /// let error = Error::from(error);
    /// assert_eq!(error.to_string(), "kms_unavailable: no answer");
    /// assert_eq!(error.source().unwrap().to_string(), "connection reset");
    /// ```
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }
}

/// Equal by code and text.
impl PartialEq for TransportError {
    fn eq(&self, other: &Self) -> bool {
        (self.code, &self.detail) == (other.code, &other.detail)
    }
}

impl Eq for TransportError {}

impl fmt::Debug for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportError")
            .field("code", &self.code)
            .field("detail", &self.detail)
            .finish_non_exhaustive()
    }
}

/// Sends one request and returns its answer. It never follows a redirect and never retries.
///
/// ```
/// use keyfold::maybe_send::BoxFuture;
/// use keyfold::transport::{HttpRequest, HttpResponse, Transport, TransportError};
///
/// /// Answers like a server that is always well.
/// struct Canned;
///
/// impl Transport for Canned {
///     fn send(&self, _: HttpRequest) -> BoxFuture<'_, Result<HttpResponse, TransportError>> {
///         let answer = HttpResponse { status: 200, headers: vec![], body: b"{}".to_vec() };
///         Box::pin(async { Ok(answer) })
///     }
/// }
/// # let request = HttpRequest {
/// #     method: "GET".into(), url: "https://example.com".into(), headers: vec![], body: vec![],
/// # };
/// assert_eq!(pollster::block_on(Canned.send(request)).map(|answer| answer.status), Ok(200));
/// ```
pub trait Transport: MaybeSendSync {
    /// Sends `request`.
    ///
    /// # Errors
    /// [`TransportError`] where no answer came. An answer of any status is no error.
    fn send(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse, TransportError>>;
}

impl<T: Transport + ?Sized> Transport for Arc<T> {
    fn send(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse, TransportError>> {
        (**self).send(request)
    }
}

impl From<TransportError> for Error {
    fn from(error: TransportError) -> Self {
        Error::caused(error.code, error.detail, error.source)
    }
}

impl Drop for HttpRequest {
    fn drop(&mut self) {
        self.url.zeroize();
        self.headers.iter_mut().for_each(|(_, value)| value.zeroize());
        self.body.zeroize();
    }
}

impl Drop for HttpResponse {
    fn drop(&mut self) {
        self.body.zeroize();
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish_non_exhaustive()
    }
}
