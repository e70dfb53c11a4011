//! What a language brings along: a KMS, a network, credentials.

use std::sync::Arc;

use keyfold::credentials::{Credentials, CredentialsProvider};
use keyfold::kms::{Kms, Request, Response};
use keyfold::maybe_send::BoxFuture;
use keyfold::transport::{self, Transport, TransportError};
use keyfold::{Error, ErrorCode, Result};

use crate::caller::ForeignCredentials;
use crate::error::Failure;
use crate::wire::{KmsRequest, KmsResponse};

/// A KMS of the language's own.
#[uniffi::export(with_foreign)]
#[async_trait::async_trait]
pub trait ForeignKms: Send + Sync {
    /// Performs a request.
    ///
    /// # Errors
    /// With a code of keyfold's, or without one: then it is `kms_unavailable`.
    async fn call(&self, request: KmsRequest) -> Result<KmsResponse, Failure>;
}

/// A KMS of the language's own, for the core.
pub(crate) struct HostKms(pub(crate) Arc<dyn ForeignKms>);

impl Kms for HostKms {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async move {
            let answer = self.0.call(KmsRequest::of(request)?).await.map_err(|failed| {
                failed.into_error(ErrorCode::KmsUnavailable, "the caller's own KMS failed")
            })?;
            answer.into_response()
        })
    }
}

/// A name and its value.
#[derive(Clone, uniffi::Record)]
pub struct HttpHeader {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// A request to send. Its headers and its body hold secrets.
#[derive(uniffi::Record)]
pub struct HttpRequest {
    /// Such as `POST`.
    pub method: String,
    /// Where to.
    pub url: String,
    /// The headers, in their order.
    pub headers: Vec<HttpHeader>,
    /// The body.
    pub body: Vec<u8>,
}

/// What came back. Its body may hold secrets.
#[derive(uniffi::Record)]
pub struct HttpResponse {
    /// The status, such as 200.
    pub status: u16,
    /// The headers.
    pub headers: Vec<HttpHeader>,
    /// The body.
    pub body: Vec<u8>,
}

/// A network of the language's own. It follows no redirect and repeats nothing.
#[uniffi::export(with_foreign)]
#[async_trait::async_trait]
pub trait ForeignTransport: Send + Sync {
    /// Sends a request and gets the answer, whatever its status.
    ///
    /// # Errors
    /// Where no answer came: without a code it is `kms_unavailable`.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Failure>;
}

/// A network of the language's own, for the core.
pub(crate) struct HostTransport(pub(crate) Arc<dyn ForeignTransport>);

fn pairs(headers: Vec<HttpHeader>) -> Vec<(String, String)> {
    headers.into_iter().map(|header| (header.name, header.value)).collect()
}

impl Transport for HostTransport {
    fn send(
        &self,
        mut request: transport::HttpRequest,
    ) -> BoxFuture<'_, Result<transport::HttpResponse, TransportError>> {
        Box::pin(async move {
            let headers = std::mem::take(&mut request.headers).into_iter();
            let given = HttpRequest {
                method: std::mem::take(&mut request.method),
                url: std::mem::take(&mut request.url),
                headers: headers.map(|(name, value)| HttpHeader { name, value }).collect(),
                body: std::mem::take(&mut request.body),
            };
            let answer = self.0.send(given).await.map_err(|failed| {
                let error = failed.into_error(ErrorCode::KmsUnavailable, "the network failed");
                TransportError::new(error.code(), error.detail().to_owned()).with_source(error)
            })?;
            Ok(transport::HttpResponse {
                status: answer.status,
                headers: pairs(answer.headers),
                body: answer.body,
            })
        })
    }
}

/// Credentials of the language's own, for the core.
pub(crate) struct HostCredentials(pub(crate) Arc<dyn ForeignCredentials>);

impl CredentialsProvider for HostCredentials {
    fn credentials(&self) -> BoxFuture<'_, Result<Option<Arc<Credentials>>>> {
        Box::pin(async {
            let given = self.0.credentials().await.map_err(|failed| {
                failed.into_error(ErrorCode::KmsDenied, "the credentials could not be had")
            })?;
            Ok(Some(Arc::new(given.read()?)))
        })
    }
}

/// What a language answered and may not.
pub(crate) fn protocol(detail: &'static str) -> Error {
    Error::new(ErrorCode::KmsProtocol, detail)
}
