//! keyfold's own server, or AWS, over the host's `fetch`.

use std::sync::Arc;

use js_sys::Function;
use keyfold::RetryLimits;
use keyfold::credentials::{CachedCredentials, CredentialsProvider, StaticCredentials};
use keyfold::kms::aws::Service;
use keyfold::kms::remote::{RemoteKms as Core, RemoteOptions, connect};
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use crate::clock::HostClock;
use crate::errors::{Js, milliseconds, to_js};
use crate::foreign::Foreign;
use crate::host::{HostCredentials, HostTransport, read_credentials};
use crate::task::{begin, perform};
use crate::wire::bytes;

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
        perform(self.0.clone(), request)
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
