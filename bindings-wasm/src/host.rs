//! What the host gives a remote KMS: credentials, and its `fetch`.

use std::sync::Arc;

use js_sys::{Array, Uint8Array};
use keyfold::credentials::{Credentials, CredentialsProvider};
use keyfold::maybe_send::BoxFuture;
use keyfold::transport::{HttpRequest, HttpResponse, Transport, TransportError};
use keyfold::{Error, ErrorCode, Result, SecretBytes};
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use crate::errors::{from_js, milliseconds};
use crate::foreign::Foreign;
use crate::wire::bytes;

/// Credentials that a function of the host gets.
pub(crate) struct HostCredentials(pub(crate) Foreign);

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

pub(crate) fn read_credentials(given: &JsValue) -> Result<Credentials> {
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
    #[cfg(feature = "cloud")]
    let credentials = match (text(5), secret(6)) {
        (Some(id), Some(key)) => credentials.with_app(id, key)?,
        _ => credentials,
    };
    Ok(match given.get(4).as_f64() {
        Some(expires) => credentials.expiring(milliseconds(expires)),
        None => credentials,
    })
}

/// The host's `fetch`.
pub(crate) struct HostTransport(pub(crate) Foreign);

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
