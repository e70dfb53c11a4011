//! Sealing with the host's AEAD.

use keyfold::stream::{HostKey, HostSealed, HostSealer, SegmentCipher, SegmentDigest, SegmentWork};
use keyfold::{Error, KeyUri, Result, Sealer};
use wasm_bindgen::prelude::*;

use crate::client::Shared;
use crate::errors::{Js, to_js, whole};
use crate::spec::invalid;
use crate::task::begin;
use crate::wire::bytes;

/// The key of one message, until the host has it.
#[wasm_bindgen]
pub struct Key(Option<HostKey>);

impl Key {
    pub(crate) fn new(key: HostKey) -> Self {
        Key(Some(key))
    }
}

#[wasm_bindgen]
impl Key {
    /// The number of the suite.
    pub fn suite(&self) -> u16 {
        self.0.as_ref().map_or(0, |key| key.suite().id())
    }

    /// The bare key; the copy here is wiped.
    pub fn take(&mut self) -> Vec<u8> {
        self.0.take().map(|key| key.expose().to_vec()).unwrap_or_default()
    }

    /// The AEAD here, for a host without one.
    pub fn cipher(&mut self) -> Js<Cipher> {
        let key = self.0.take().ok_or_else(|| to_js(&invalid("the key was handed out")))?;
        Ok(Cipher(key.into_cipher()))
    }
}

/// AES-256-GCM or ChaCha20-Poly1305 in WebAssembly.
#[wasm_bindgen]
pub struct Cipher(SegmentCipher);

#[wasm_bindgen]
impl Cipher {
    /// Seals segments of `length` bytes, the last possibly shorter, each under its nonce.
    pub fn seal(&self, nonces: &[u8], plaintext: &[u8], length: usize) -> Js<Vec<u8>> {
        self.each(nonces, plaintext, length, SegmentCipher::seal)
    }

    /// Opens segments of `length` bytes, the last possibly shorter, each under its nonce.
    pub fn open(&self, nonces: &[u8], sealed: &[u8], length: usize) -> Js<Vec<u8>> {
        self.each(nonces, sealed, length, SegmentCipher::open)
    }

    fn each(
        &self,
        nonces: &[u8],
        data: &[u8],
        length: usize,
        run: fn(&SegmentCipher, &[u8; 12], &[u8], &mut Vec<u8>) -> Result<()>,
    ) -> Js<Vec<u8>> {
        let mut out = Vec::with_capacity(data.len() + nonces.len() / 12 * 16);
        let mut rest = data;
        for nonce in nonces.as_chunks::<12>().0 {
            let (piece, after) = rest.split_at(length.min(rest.len()));
            rest = after;
            run(&self.0, nonce, piece, &mut out).map_err(|error| to_js(&error))?;
        }
        Ok(out)
    }
}

/// The nonces of segments, one after another.
pub(crate) fn nonces(work: &[SegmentWork]) -> Vec<u8> {
    work.iter().flat_map(|work| work.nonce).collect()
}

/// The digests of segments, one after another.
pub(crate) fn digests(bytes: &[u8]) -> Result<&[SegmentDigest]> {
    match bytes.as_chunks() {
        (digests, []) => Ok(digests),
        _ => Err(invalid("a digest has 32 bytes")),
    }
}

/// A message that the host seals.
#[wasm_bindgen]
pub struct Sealing {
    client: Shared,
    signer: Option<KeyUri>,
    header: Vec<u8>,
    prefix: Vec<u8>,
    key: Option<HostKey>,
    state: State,
}

enum State {
    Segments(HostSealer),
    Last(HostSealed),
    Ended,
}

impl Sealing {
    pub(crate) fn new(client: Shared, signer: Option<KeyUri>, sealer: Sealer) -> Result<Self> {
        let header = sealer.header().to_vec();
        let (prefix, key, machine) = sealer.into_host()?;
        let (prefix, key) = (prefix.to_vec(), Some(key));
        Ok(Sealing { client, signer, header, prefix, key, state: State::Segments(machine) })
    }

    fn machine(&mut self) -> Result<&mut HostSealer> {
        match &mut self.state {
            State::Segments(machine) => Ok(machine),
            _ => Err(invalid("the message has its last segment")),
        }
    }
}

#[wasm_bindgen]
impl Sealing {
    /// The header.
    pub fn header(&self) -> Vec<u8> {
        self.header.clone()
    }

    /// The first bytes of the body.
    pub fn prefix(&self) -> Vec<u8> {
        self.prefix.clone()
    }

    /// The key of the message, once.
    pub fn key(&mut self) -> Js<Key> {
        let key = self.key.take().ok_or_else(|| to_js(&invalid("the key was handed out")))?;
        Ok(Key::new(key))
    }

    /// Whether digests of the sealed segments are wanted.
    #[wasm_bindgen(js_name = isSigned)]
    pub fn is_signed(&self) -> bool {
        self.signer.is_some()
    }

    /// The nonces of all full segments among the next bytes.
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

    /// The nonce of the last segment.
    #[wasm_bindgen(js_name = handOutLast)]
    pub fn hand_out_last(&mut self, length: usize) -> Js<Vec<u8>> {
        let State::Segments(machine) = std::mem::replace(&mut self.state, State::Ended) else {
            return Err(to_js(&invalid("the message has its last segment")));
        };
        let (work, last) = machine.hand_out_last(length).map_err(|error| to_js(&error))?;
        self.state = State::Last(last);
        Ok(work.nonce.to_vec())
    }

    /// Has the message signed, where it is to be; answers the signature.
    pub fn finish(&mut self, digest: Option<Vec<u8>>) -> Js {
        let mut finish = || -> Result<_> {
            let State::Last(last) = std::mem::replace(&mut self.state, State::Ended) else {
                return Err(invalid("the message has no last segment"));
            };
            let digest = digest.as_deref().map(digests).transpose()?.and_then(<[_]>::first);
            last.take_back(digest)
        };
        let pending = finish().map_err(|error| to_js(&error))?;
        let (Some(pending), Some(signer)) = (pending, self.signer.clone()) else {
            return Ok(JsValue::UNDEFINED);
        };
        let client = self.client.clone();
        begin(async move {
            let signature = client.sign_pending_in_kms(pending, &signer).await;
            signature.map(|signature| bytes(&signature)).map_err(|error| to_js(&error))
        })
    }
}

/// Bytes of a body for so many bytes of plaintext, without a signature.
#[wasm_bindgen(js_name = bodyLength)]
pub fn body_length(plaintext: f64) -> Js {
    whole(plaintext)
        .and_then(Sealer::body_len)
        .map(crate::errors::number)
        .map_err(|error: Error| to_js(&error))
}
