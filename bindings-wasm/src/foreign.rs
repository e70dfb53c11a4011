//! What the host does for the core: a KMS written in JavaScript, and whatever else is asked of a
//! function there.

use js_sys::{Array, Function, Promise};
use keyfold::kms::{Kms, Request, Response};
use keyfold::maybe_send::BoxFuture;
use keyfold::{ErrorCode, Result};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::errors::{Js, from_js};
use crate::wire;

/// A function of the host that answers a promise, and a function that ends what it began.
pub(crate) struct Foreign(pub(crate) Function);

/// Tells the host when nobody waits any more.
struct Ending(Option<Function>);

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            // It only aborts a signal.
            let _ = end.call0(&JsValue::UNDEFINED);
        }
    }
}

impl Foreign {
    pub(crate) async fn ask(&self, argument: JsValue) -> Js {
        let begun = self.0.call1(&JsValue::UNDEFINED, &argument)?;
        drop(argument);
        let begun = Array::from(&begun);
        let mut ending = Ending(begun.get(1).dyn_into().ok());
        let answer = JsFuture::from(Promise::resolve(&begun.get(0))).await;
        ending.0 = None;
        answer
    }
}

/// A KMS written in JavaScript.
pub(crate) struct ForeignKms(pub(crate) Foreign);

impl Kms for ForeignKms {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async {
            let answer = self.0.ask(wire::request(request)?).await.map_err(|thrown| {
                from_js(thrown, ErrorCode::KmsUnavailable, "the KMS written in JavaScript failed")
            })?;
            wire::to_response(request, &answer)
        })
    }
}
