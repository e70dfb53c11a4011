//! What hosts verify and hash, by the core's rules.

use js_sys::Array;
use keyfold::sign::{EncodedPublicKey, SignatureAlgorithm};
use keyfold::{Error, ErrorCode, Result};
use wasm_bindgen::prelude::*;

use crate::errors::{Js, to_js};
use crate::wire::bytes;

pub(crate) fn algorithm(name: &str) -> Result<SignatureAlgorithm> {
    name.parse()
}

/// `[spec, algorithms...]` of a public key, the default algorithm first.
#[wasm_bindgen(js_name = keyInfo)]
pub fn key_info(spki: &[u8]) -> Js {
    let key = EncodedPublicKey::from_spki_der(spki).map_err(|error| to_js(&error))?;
    let spec = key.spec();
    let default = spec.default_algorithm();
    let others = spec.algorithms().iter().filter(|other| **other != default);
    let parts: Array = Array::of(&[spec.as_str().into(), default.as_str().into()]);
    for other in others {
        parts.push(&other.as_str().into());
    }
    Ok(parts.into())
}

/// The signature in the form that hosts verify.
#[wasm_bindgen(js_name = rawSignature)]
pub fn raw_signature(spki: &[u8], name: &str, signature: &[u8]) -> Js {
    let raw = || -> Result<JsValue> {
        let key = EncodedPublicKey::from_spki_der(spki)?;
        key.raw_signature(algorithm(name)?, signature).map(|raw| bytes(&raw))
    };
    raw().map_err(|error| to_js(&error))
}

/// The error of a signature that does not hold.
#[wasm_bindgen(js_name = signatureInvalid)]
pub fn signature_invalid() -> JsValue {
    to_js(&Error::new(ErrorCode::SignatureInvalid, "the signature is not valid"))
}

/// The error of whatever was decided with a key.
#[wasm_bindgen(js_name = authenticationFailed)]
pub fn authentication_failed() -> JsValue {
    to_js(&Error::new(ErrorCode::AuthenticationFailed, "the data or its key is not authentic"))
}
