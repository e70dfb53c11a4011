//! Opening with the host's AEAD.

use js_sys::Array;
use keyfold::kms::SignInput;
use keyfold::stream::{HostOpened, HostOpener, HostRanges, PREFIX_LEN, Unlocked as Core};
use keyfold::{Error, ErrorCode, Result, SignatureCheck};
use wasm_bindgen::prelude::*;

use crate::errors::{Js, number, to_js, whole};
use crate::seal::{Key, digests, nonces};
use crate::spec::invalid;
use crate::wire::bytes;

/// An envelope whose data key is known.
#[wasm_bindgen]
pub struct Unlocked(Option<Core>);

impl Unlocked {
    pub(crate) fn new(core: Core) -> Self {
        Unlocked(Some(core))
    }

    fn take(&mut self, prefix: &[u8]) -> Result<(Core, [u8; PREFIX_LEN])> {
        let prefix = prefix.first_chunk().copied().ok_or_else(|| {
            Error::new(ErrorCode::Truncated, "the body ends before its first segment")
        })?;
        let core = self.0.take().ok_or_else(|| invalid("the envelope is opened once"))?;
        Ok((core, prefix))
    }
}

#[wasm_bindgen]
impl Unlocked {
    /// How many bytes of the body must be there before it can be opened.
    pub fn needs(&self) -> usize {
        self.0.as_ref().map_or(0, Core::needs)
    }

    /// Opens the whole, whose body starts with `prefix`.
    pub fn opening(&mut self, prefix: &[u8]) -> Js<Opening> {
        let open = self.take(prefix).and_then(|(core, prefix)| core.into_host(&prefix));
        let (key, machine) = open.map_err(|error| to_js(&error))?;
        Ok(Opening { key: Some(Key::new(key)), state: State::Segments(machine), last: 0 })
    }

    /// Opens parts of a body of that length, which starts with `prefix`.
    pub fn ranges(&mut self, prefix: &[u8], body: f64) -> Js<Ranges> {
        let open = self
            .take(prefix)
            .and_then(|(core, prefix)| core.into_host_ranges(&prefix, whole(body)?));
        let (key, machine) = open.map_err(|error| to_js(&error))?;
        Ok(Ranges { key: Some(Key::new(key)), machine })
    }
}

/// A message that the host opens.
#[wasm_bindgen]
pub struct Opening {
    key: Option<Key>,
    state: State,
    last: usize,
}

enum State {
    Segments(HostOpener),
    Last(HostOpened),
    Ended,
}

impl Opening {
    fn machine(&mut self) -> Result<&mut HostOpener> {
        match &mut self.state {
            State::Segments(machine) => Ok(machine),
            _ => Err(invalid("the message has its last segment")),
        }
    }
}

#[wasm_bindgen]
impl Opening {
    /// The key of the message, once.
    pub fn key(&mut self) -> Js<Key> {
        self.key.take().ok_or_else(|| to_js(&invalid("the key was handed out")))
    }

    /// Whether digests of the sealed segments are wanted.
    #[wasm_bindgen(js_name = isSigned)]
    pub fn is_signed(&mut self) -> bool {
        self.machine().is_ok_and(|machine| machine.is_signed())
    }

    /// The nonces of all segments that are full for certain, where so many bytes are at hand.
    #[wasm_bindgen(js_name = handOut)]
    pub fn hand_out(&mut self, available: usize) -> Js<Vec<u8>> {
        let work = self.machine().and_then(|machine| machine.hand_out(available));
        work.map(|work| nonces(&work)).map_err(|error| to_js(&error))
    }

    /// Takes back the digests of sealed segments.
    #[wasm_bindgen(js_name = takeBack)]
    pub fn take_back(&mut self, given: &[u8]) -> Js<()> {
        let taken = digests(given).and_then(|given| self.machine()?.take_back(given));
        taken.map_err(|error| to_js(&error))
    }

    /// The nonce of the last segment, where the body ends after so many bytes.
    #[wasm_bindgen(js_name = handOutLast)]
    pub fn hand_out_last(&mut self, available: usize) -> Js<Vec<u8>> {
        let State::Segments(machine) = std::mem::replace(&mut self.state, State::Ended) else {
            return Err(to_js(&invalid("the message has its last segment")));
        };
        let (work, last) = machine.hand_out_last(available).map_err(|error| to_js(&error))?;
        self.state = State::Last(last);
        self.last = work.plaintext_len;
        Ok(work.nonce.to_vec())
    }

    /// Bytes of plaintext in the last segment, once it is handed out.
    #[wasm_bindgen(js_name = lastLength)]
    pub fn last_length(&self) -> usize {
        self.last
    }

    /// What is to be verified before the last bytes count, where a signature was demanded.
    pub fn finish(&mut self, digest: Option<Vec<u8>>, trailer: &[u8]) -> Js {
        let mut finish = || -> Result<_> {
            let State::Last(last) = std::mem::replace(&mut self.state, State::Ended) else {
                return Err(invalid("the message has no last segment"));
            };
            let digest = digest.as_deref().map(digests).transpose()?.and_then(<[_]>::first);
            last.take_back(digest, trailer)
        };
        let check = finish().map_err(|error| to_js(&error))?;
        Ok(check.as_ref().map_or(JsValue::UNDEFINED, check_parts))
    }
}

/// `[keys, spec, algorithm, message, isDigest, signature, error]`.
fn check_parts(check: &SignatureCheck) -> JsValue {
    let keys = Array::new();
    let mut spec = JsValue::UNDEFINED;
    for key in check.keys() {
        keys.push(&bytes(key.as_der()));
        spec = key.spec().as_str().into();
    }
    let (message, is_digest) = match check.input() {
        SignInput::Message(message) => (message, false),
        SignInput::Digest(digest) => (digest, true),
    };
    let parts = Array::of(&[
        keys.into(),
        spec,
        check.algorithm().as_str().into(),
        bytes(message),
        is_digest.into(),
        bytes(check.signature()),
        to_js(&check.refused()),
    ]);
    parts.into()
}

/// A message of which the host opens parts.
#[wasm_bindgen]
pub struct Ranges {
    key: Option<Key>,
    machine: HostRanges,
}

#[wasm_bindgen]
impl Ranges {
    /// The key of the message, once.
    pub fn key(&mut self) -> Js<Key> {
        self.key.take().ok_or_else(|| to_js(&invalid("the key was handed out")))
    }

    /// Bytes of plaintext.
    #[wasm_bindgen(js_name = plaintextLength)]
    pub fn plaintext_length(&self) -> JsValue {
        number(self.machine.layout().plaintext_len())
    }

    /// `[from, to, skip, length, nonces]`: which bytes of the body to fetch, and what of their
    /// plaintext is meant.
    pub fn plan(&self, start: f64, end: f64) -> Js {
        let plan = || -> Result<JsValue> {
            let plan = self.machine.layout().plan(whole(start)?..whole(end)?)?;
            self.parts(&plan)
        };
        plan().map_err(|error| to_js(&error))
    }

    /// As [`plan`](Ranges::plan), for the last segment, which proves the length.
    pub fn end(&self) -> Js {
        self.parts(&self.machine.layout().end()).map_err(|error| to_js(&error))
    }
}

impl Ranges {
    fn parts(&self, plan: &keyfold::RangePlan) -> Result<JsValue> {
        let nonces = nonces(&self.machine.hand_out(plan)?);
        let parts = Array::of(&[
            number(plan.fetch().start),
            number(plan.fetch().end),
            number(plan.skip()),
            number(plan.len()),
            bytes(&nonces),
        ]);
        Ok(parts.into())
    }
}
