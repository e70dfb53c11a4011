//! What is loaded when it is needed: the embedded KMS, and verification of what a host cannot
//! verify.

use keyfold::Result;
use keyfold::sign::{EncodedPublicKey, SignatureAlgorithm, ecdsa_raw_to_der};
use keyfold_kms::clock::{Clock, Timestamp};
use keyfold_kms::{Engine, EngineOptions};
use wasm_bindgen::prelude::*;

use crate::errors::{Js, to_js};
use crate::task::perform;
use crate::wire::bytes;

/// The host's clock: Rust has none here.
struct HostClock;

impl Clock for HostClock {
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970")]
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(js_sys::Date::now() as i64)
    }
}

/// A KMS in memory.
#[wasm_bindgen]
pub struct EmbeddedKms(std::rc::Rc<keyfold_kms::EmbeddedKms>);

#[wasm_bindgen]
impl EmbeddedKms {
    #[wasm_bindgen(constructor)]
    pub fn new() -> Js<EmbeddedKms> {
        let options = EngineOptions { clock: Box::new(HostClock), ..EngineOptions::default() };
        let engine = Engine::in_memory_with(options).map_err(|error| to_js(&error.into()))?;
        Ok(EmbeddedKms(keyfold_kms::EmbeddedKms::new(engine).into()))
    }

    /// Performs a request of `js/kms.ts`.
    pub fn call(&self, request: &JsValue) -> Js {
        perform(self.0.clone(), request)
    }

    /// Performs an operation by its name, JSON in and JSON out.
    pub fn operation(&self, name: &str, body: &[u8]) -> Js {
        let answer = self.0.operation(name, body);
        answer.map(|answer| bytes(&answer)).map_err(|error| to_js(&error))
    }
}

/// Whether a signature holds; it is `r || s` for ECDSA.
#[wasm_bindgen]
pub fn verify(spki: &[u8], name: &str, message: &[u8], is_digest: bool, raw: &[u8]) -> Js<bool> {
    let check = || -> Result<()> {
        let key = EncodedPublicKey::from_spki_der(spki)?;
        let algorithm: SignatureAlgorithm = name.parse()?;
        let der;
        let ecdsa = matches!(
            algorithm,
            SignatureAlgorithm::EcdsaSha256
                | SignatureAlgorithm::EcdsaSha384
                | SignatureAlgorithm::EcdsaSha512
        );
        let signature = if ecdsa {
            der = ecdsa_raw_to_der(key.spec(), raw)?;
            &der
        } else {
            raw
        };
        let key = key.parse()?;
        if is_digest {
            key.verify_digest(algorithm, message, signature)
        } else {
            key.verify(algorithm, message, signature)
        }
    };
    match check() {
        Ok(()) => Ok(true),
        Err(error) if error.code() == keyfold::ErrorCode::SignatureInvalid => Ok(false),
        Err(error) => Err(to_js(&error)),
    }
}
