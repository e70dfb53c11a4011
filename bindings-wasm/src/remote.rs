//! keyfold's own server, or AWS, over the host's `fetch`.

use std::sync::Arc;

use js_sys::{Array, Function, Uint8Array};
use keyfold::credentials::{
    CachedCredentials, Credentials, CredentialsProvider, StaticCredentials,
};
use keyfold::kms::Kms;
use keyfold::kms::aws::Service;
use keyfold::kms::remote::{RemoteKms as Core, RemoteOptions, connect};
use keyfold::maybe_send::BoxFuture;
use keyfold::transport::{HttpRequest, HttpResponse, Transport, TransportError};
use keyfold::{Error, ErrorCode, Result, RetryLimits, SecretBytes};
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use crate::clock::HostClock;
use crate::errors::{Js, from_js, milliseconds, to_js};
use crate::foreign::Foreign;
use crate::task::begin;
use crate::wire::{bytes, response, to_request};

/// A remote KMS.
#[wasm_bindgen]
pub struct RemoteKms(Arc<Core>);

#[wasm_bindgen]
impl RemoteKms {
    /// `credentials` is asked for `[kind, first, second, third, expires]`, once where they are
    /// `fixed`; `send` gets `[method, url, headers, body]` and answers `[status, headers, body]`,
    /// where headers are names and values in turn.
    #[wasm_bindgen(constructor)]
    pub fn new(
        url: &str,
        region: Option<String>,
        timeout: f64,
        retries: u32,
        credentials: Function,
        fixed: JsValue,
        send: Function,
    ) -> Js<RemoteKms> {
        let provider: Arc<dyn CredentialsProvider> = if fixed.is_undefined() {
            Arc::new(CachedCredentials::new(HostCredentials(Foreign(credentials)), HostClock))
        } else {
            let fixed = read_credentials(&fixed).map_err(|error| to_js(&error))?;
            Arc::new(StaticCredentials::new(fixed))
        };
        let timeout = milliseconds(timeout);
        let options = RemoteOptions {
            region,
            retry: RetryLimits { max_retries: retries as usize, ..RetryLimits::default() },
            deadline: timeout,
            ..RemoteOptions::default()
        };
        let transport = Arc::new(HostTransport(Foreign(send)));
        let made = connect(url, provider, transport, &HostClock, &options);
        made.map(|kms| RemoteKms(Arc::new(kms))).map_err(|error| to_js(&error))
    }

    /// Performs a request of `js/kms.ts`.
    pub fn call(&self, request: &JsValue) -> Js {
        let kms = self.0.clone();
        let request = to_request(request).map_err(|error| to_js(&error))?;
        begin(async move {
            let answer = kms.call(&request).await.map_err(|error| to_js(&error))?;
            response(&answer).map_err(|error| to_js(&error))
        })
    }

    /// Performs an operation by its name, JSON in and JSON out.
    pub fn operation(&self, name: String, body: Vec<u8>) -> Js {
        let kms = self.0.clone();
        begin(async move {
            let body = Zeroizing::new(body);
            let service = Service::of_operation(&name);
            let answer = kms.operation(service, &name, body).await;
            answer.map(|answer| bytes(&answer)).map_err(|error| to_js(&error))
        })
    }
}

/// Credentials that a function of the host gets.
struct HostCredentials(Foreign);

impl CredentialsProvider for HostCredentials {
    fn credentials(&self) -> BoxFuture<'_, Result<Option<Arc<Credentials>>>> {
        Box::pin(async {
            let given = self.0.ask(JsValue::UNDEFINED).await.map_err(|thrown| {
                from_js(thrown, ErrorCode::KmsDenied, "the credentials could not be had")
            })?;
            read_credentials(&given).map(|given| Some(Arc::new(given)))
        })
    }
}

fn read_credentials(given: &JsValue) -> Result<Credentials> {
    let given = Array::from(given);
    let text = |place| given.get(place).as_string();
    let secret = |place| text(place).map(|text| SecretBytes::new(text.into_bytes()));
    let missing = || Error::new(ErrorCode::InvalidArgument, "a token or an access key is missing");
    let first = secret(1).ok_or_else(missing)?;
    let credentials = match text(0).as_deref() {
        Some("token") => Credentials::bearer(&first)?,
        _ => {
            let id = text(1).ok_or_else(missing)?;
            let key = secret(2).ok_or_else(missing)?;
            Credentials::access_key(id, &key, secret(3).as_ref())?
        }
    };
    Ok(match given.get(4).as_f64() {
        Some(expires) => credentials.expiring(milliseconds(expires)),
        None => credentials,
    })
}

/// The host's `fetch`.
struct HostTransport(Foreign);

impl Transport for HostTransport {
    fn send(
        &self,
        mut request: HttpRequest,
    ) -> BoxFuture<'_, std::result::Result<HttpResponse, TransportError>> {
        Box::pin(async move {
            let headers = Array::new();
            for (name, value) in &request.headers {
                headers.push(&name.as_str().into());
                headers.push(&value.as_str().into());
            }
            let body = Zeroizing::new(std::mem::take(&mut request.body));
            let argument = Array::of(&[
                request.method.as_str().into(),
                request.url.as_str().into(),
                headers.into(),
                bytes(&body),
            ]);
            let answer = self.0.ask(argument.into()).await.map_err(|thrown| {
                // Whatever went wrong, the host's own words may name the address.
                let error =
                    from_js(thrown, ErrorCode::KmsUnavailable, "the server was not reached");
                TransportError::new(error.code(), error.detail().to_owned()).with_source(error)
            })?;
            read_answer(&Array::from(&answer)).ok_or_else(|| {
                TransportError::new(ErrorCode::KmsProtocol, "fetch answered something else")
            })
        })
    }
}

fn read_answer(answer: &Array) -> Option<HttpResponse> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let status = answer.get(0).as_f64()? as u16;
    let headers: Vec<String> = Array::from(&answer.get(1))
        .iter()
        .filter_map(|text| JsValue::from(text).as_string())
        .collect();
    let headers = headers.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    let body = answer.get(2).dyn_ref().map(Uint8Array::to_vec)?;
    Some(HttpResponse { status, headers, body })
}
