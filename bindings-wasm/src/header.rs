//! The header of an envelope, read from the parts that a source gives.

use js_sys::Array;
use keyfold::stream::{HeaderReader as Core, Layout};
use keyfold::{Header, Result, SignerHint};
use wasm_bindgen::prelude::*;

use crate::errors::{Js, number, to_js, whole};
use crate::wire::{bytes, context};

/// Reads a header.
#[wasm_bindgen]
#[derive(Default)]
pub struct HeaderReader {
    reader: Core,
    header: Option<Header>,
}

#[wasm_bindgen]
impl HeaderReader {
    #[wasm_bindgen(constructor)]
    pub fn new() -> HeaderReader {
        HeaderReader::default()
    }

    /// Takes the next bytes; answers how many of them belong to the header once it is whole, and
    /// -1 before.
    pub fn push(&mut self, part: &[u8]) -> Js<f64> {
        match self.reader.push(part).map_err(|error| to_js(&error))? {
            Some((header, used)) => {
                self.header = Some(header);
                // A header has at most 64 KiB.
                Ok(u32::try_from(used).unwrap_or(u32::MAX).into())
            }
            None => Ok(-1.0),
        }
    }

    /// At least how many bytes are missing.
    pub fn missing(&self) -> usize {
        self.reader.missing()
    }

    /// Bytes of signature at the end of the envelope.
    #[wasm_bindgen(js_name = trailerLength)]
    pub fn trailer_length(&self) -> usize {
        self.header.as_ref().map_or(0, Header::trailer_len)
    }

    /// `EnvelopeInfo` as a list, for a whole of `total` bytes where that is known.
    pub fn info(&self, total: Option<f64>) -> Js {
        let Some(header) = &self.header else { return Ok(JsValue::UNDEFINED) };
        info(header, total).map_err(|error| to_js(&error))
    }
}

fn info(header: &Header, total: Option<f64>) -> Result<JsValue> {
    let recipients = Array::new();
    for recipient in header.recipients() {
        let one =
            Array::of(&[recipient.key.as_str().into(), number(recipient.ciphertext.len() as u64)]);
        for name in recipient.params.keys() {
            one.push(&name.as_str().into());
        }
        recipients.push(&one);
    }
    let signature = header.signature().map_or(JsValue::UNDEFINED, |signature| {
        let signer = match signature.hint() {
            SignerHint::Spki(der) => bytes(der),
            SignerHint::Key(key) => key.as_str().into(),
        };
        Array::of(&[
            signature.algorithm().as_str().into(),
            signature.key_spec().as_str().into(),
            number(signature.len() as u64),
            signer,
        ])
        .into()
    });
    let header_len = header.as_bytes().len() as u64;
    let (mut body_len, mut plaintext_len) = (JsValue::UNDEFINED, JsValue::UNDEFINED);
    if let Some(total) = total {
        let body = whole(total)?.saturating_sub(header_len);
        body_len = number(body);
        if let Ok(layout) = Layout::new(body, header.trailer_len()) {
            plaintext_len = number(layout.plaintext_len());
        }
    }
    Ok(Array::of(&[
        u32::from(keyfold::envelope::VERSION).into(),
        u32::from(header.suite().id()).into(),
        header.suite().cipher().into(),
        context(header.context()),
        recipients.into(),
        signature,
        number(header_len),
        number(header.stable_part().len() as u64),
        body_len,
        plaintext_len,
    ])
    .into())
}

/// The most bytes that an envelope of so many bytes of plaintext has.
#[wasm_bindgen(js_name = maxEncryptedLength)]
pub fn max_encrypted_length(plaintext: f64) -> Js {
    type Client = keyfold::Client<std::sync::Arc<dyn keyfold::kms::Kms>>;
    whole(plaintext).and_then(Client::max_encrypted_len).map(number).map_err(|error| to_js(&error))
}
