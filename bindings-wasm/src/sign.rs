//! What hosts verify and hash, by the core's rules.

use js_sys::Array;
use keyfold::kms::SignInput;
use keyfold::sign::EncodedPublicKey;
use keyfold::{Error, ErrorCode, Result};
use wasm_bindgen::prelude::*;

use crate::errors::{Js, to_js, whole};
use crate::wire::bytes;

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
        key.raw_signature(name.parse()?, signature).map(|raw| bytes(&raw))
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

/// How long a digest a KMS is given in the place of a message of this length; 0 for the message.
#[wasm_bindgen(js_name = digestLength)]
pub fn digest_length(algorithm: &str, message: f64) -> Js<usize> {
    let length = || SignInput::digest_len(algorithm.parse()?, whole(message)?);
    length().map(Option::unwrap_or_default).map_err(|error| to_js(&error))
}
