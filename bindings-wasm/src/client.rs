//! The tasks that need a data key, over one KMS. Whatever is one call to the KMS and nothing else
//! is in `js/keyfold.ts`.

use std::rc::Rc;
use std::sync::Arc;

use js_sys::{Array, Function};
use keyfold::kms::Kms;
use keyfold::kms::cache::DataKeyCache;
use keyfold::stream::PREFIX_LEN;
use keyfold::{CacheLimits, Error, ErrorCode, Header, KeyUri, Result, Sealer, Suite};
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use crate::clock::HostClock;
use crate::errors::{Js, milliseconds, number, to_js, whole};
use crate::foreign::{Foreign, ForeignKms};
use crate::open::Unlocked;
use crate::seal::Sealing;
use crate::spec::{Spec, Specs, invalid};
use crate::task::begin;
use crate::wire::bytes;

/// The core's client.
pub(crate) type Shared = Rc<keyfold::Client<Arc<dyn Kms>>>;

/// Everything is done here: for a small value.
const INSIDE: u8 = 0;
/// The host seals or opens the one segment that there is.
const ONE: u8 = 1;

/// The tasks over one KMS.
#[wasm_bindgen]
pub struct Client {
    core: Shared,
    specs: Specs,
}

#[wasm_bindgen]
impl Client {
    /// Over a KMS of JavaScript. `limits` are those of `js/types.ts` in their order, or nothing
    /// for no cache.
    #[wasm_bindgen(constructor)]
    pub fn new(call: Function, limits: Option<Vec<f64>>) -> Client {
        let kms: Arc<dyn Kms> = Arc::new(ForeignKms(Foreign(call)));
        let mut core = keyfold::Client::new(kms);
        if let Some(&[max_age, messages, bytes, entries]) = limits.as_deref() {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a cast saturates, and what is no number is 0"
            )]
            let limits = CacheLimits {
                max_age: milliseconds(max_age),
                max_messages: messages as u64,
                max_bytes: bytes as u64,
                max_entries: entries as usize,
            };
            core = core.with_cache(DataKeyCache::new(limits, Arc::new(HostClock)));
        }
        Client { core: Rc::new(core), specs: Specs::default() }
    }

    /// `[hits, misses]` of the cache.
    #[wasm_bindgen(js_name = cacheStats)]
    pub fn cache_stats(&self) -> Array {
        let stats = self.core.cache_stats();
        Array::of(&[number(stats.hits), number(stats.misses)])
    }

    /// Forgets every data key.
    #[wasm_bindgen(js_name = clearCache)]
    pub fn clear_cache(&self) {
        if let Some(cache) = self.core.cache() {
            cache.clear();
        }
    }

    /// Reads the words of [`Spec::read`]; answers the number that the other methods take.
    pub fn spec(&self, words: &Array) -> Js<usize> {
        let spec = Spec::read(words).map_err(|error| to_js(&error))?;
        Ok(self.specs.keep(spec))
    }

    /// Ends such a number.
    pub fn forget(&self, spec: usize) {
        self.specs.forget(spec);
    }

    /// Begins an envelope. `how` is
    /// - 0: seals `plaintext` here and answers the envelope;
    /// - 1: for `length` bytes that are one segment: header, prefix, 32 bytes of key and 12 of
    ///   nonce;
    /// - 2: answers a [`Sealing`]; `length` may be absent.
    pub fn seal(
        &self,
        spec: usize,
        how: u8,
        plaintext: Vec<u8>,
        length: Option<f64>,
        signer: Option<String>,
    ) -> Js {
        let core = self.core.clone();
        let spec = self.specs.get(spec);
        let plaintext = Zeroizing::new(plaintext);
        begin(async move {
            let seal = async {
                let spec = spec?;
                let length = length.map(whole).transpose()?;
                let signer = signer.map(KeyUri::new).transpose()?;
                let signature = match &signer {
                    Some(key) => Some(core.kms_signature(key).await?),
                    None => None,
                };
                let (ring, context, suite) = (&spec.keyring, &spec.context, spec.suite);
                let sealer = core.sealer_signed(ring, context, suite, length, signature.as_ref());
                let sealer = sealer.await?;
                match how {
                    INSIDE => seal_inside(sealer, &plaintext),
                    ONE => seal_one(sealer, length),
                    _ => Ok(Sealing::new(core.clone(), signer, sealer)?.into()),
                }
            };
            seal.await.map_err(|error: Error| to_js(&error))
        })
    }

    /// Recovers the data key of an envelope of `total` bytes, where that is known. `start` begins with
    /// its header, and is nothing else for 2. `how` is
    /// - 0: opens the whole envelope, which is in `start`, here: the plaintext;
    /// - 1: for one segment: 32 bytes of key, 12 of nonce, and in 4 where the segment begins; or a
    ///   list with the plaintext, where the suite is not AES;
    /// - 2: answers an [`Unlocked`].
    ///
    /// A demanded signature is verified with 2 only.
    pub fn open(
        &self,
        spec: usize,
        how: u8,
        start: Vec<u8>,
        total: Option<f64>,
        signers: &JsValue,
    ) -> Js {
        let core = self.core.clone();
        let spec = self.specs.get(spec);
        let signers = signers.clone();
        begin(async move {
            let open = async {
                let spec = spec?;
                let (header, header_len) = match how {
                    INSIDE | ONE => Header::parse(&start)?,
                    _ => (Header::parse_detached(&start)?, start.len()),
                };
                let demands = spec.demands(&signers)?;
                let (unlocked, body) = match total {
                    Some(total) => {
                        let body = whole(total)?.saturating_sub(header_len as u64);
                        let ring = &spec.keyring;
                        (core.unlock_body(&header, body, ring, demands).await?, body)
                    }
                    None => (core.unlock(&header, &spec.keyring, demands).await?, 0),
                };
                let rest = start.get(header_len..).unwrap_or_default();
                match how {
                    INSIDE => open_inside(unlocked, rest),
                    ONE if header.suite() == Suite::Aes256Gcm => {
                        open_one(unlocked, header_len, rest, body)
                    }
                    ONE => Ok(Array::of(&[open_inside(unlocked, rest)?]).into()),
                    _ => Ok(Unlocked::new(unlocked).into()),
                }
            };
            open.await.map_err(|error: Error| to_js(&error))
        })
    }

    /// The header with other recipients: `how` is 0 for those of `to` alone, 1 for those too, 2
    /// for all but those.
    pub fn recipients(&self, how: u8, from: usize, to: usize, header: Vec<u8>) -> Js {
        let core = self.core.clone();
        let (from, to) = (self.specs.get(from), self.specs.get(to));
        begin(async move {
            let change = async {
                let (from, to) = (&from?.keyring, &to?.keyring);
                let (header, _) = Header::parse(&header)?;
                match how {
                    0 => core.rewrap(&header, from, to).await,
                    1 => core.add_recipients(&header, from, to).await,
                    _ => core.remove_recipients(&header, &to.keys()).await,
                }
            };
            let changed = change.await.map_err(|error: Error| to_js(&error))?;
            Ok(bytes(changed.as_bytes()))
        })
    }
}

fn seal_inside(sealer: Sealer, plaintext: &[u8]) -> Result<JsValue> {
    let mut envelope = vec![0; sealer.envelope_len(plaintext.len())?];
    sealer.seal_envelope_into(plaintext, &mut envelope)?;
    Ok(bytes(&envelope))
}

fn seal_one(sealer: Sealer, length: Option<u64>) -> Result<JsValue> {
    let length = length.and_then(|length| usize::try_from(length).ok());
    let length = length.ok_or_else(|| invalid("the length is missing"))?;
    let mut parts = Zeroizing::new(Vec::with_capacity(sealer.header().len() + PREFIX_LEN + 44));
    parts.extend_from_slice(sealer.header());
    let (prefix, key, machine) = sealer.into_host()?;
    let (work, _unsigned) = machine.hand_out_last(length)?;
    parts.extend_from_slice(&prefix);
    parts.extend_from_slice(key.expose());
    parts.extend_from_slice(&work.nonce);
    Ok(bytes(&parts))
}

fn open_one(
    unlocked: keyfold::stream::Unlocked,
    header_len: usize,
    rest: &[u8],
    body: u64,
) -> Result<JsValue> {
    let prefix = rest.first_chunk().ok_or_else(truncated)?;
    let (key, machine) = unlocked.into_host(prefix)?;
    let sealed = usize::try_from(body).unwrap_or_default().saturating_sub(PREFIX_LEN);
    let (work, _unsigned) = machine.hand_out_last(sealed)?;
    let mut parts = Zeroizing::new(Vec::with_capacity(48));
    parts.extend_from_slice(key.expose());
    parts.extend_from_slice(&work.nonce);
    // A header has at most 64 KiB.
    let begin = u32::try_from(header_len + PREFIX_LEN).unwrap_or(u32::MAX);
    parts.extend_from_slice(&begin.to_be_bytes());
    Ok(bytes(&parts))
}

fn open_inside(unlocked: keyfold::stream::Unlocked, body: &[u8]) -> Result<JsValue> {
    let (prefix, mut rest) = body.split_first_chunk().ok_or_else(truncated)?;
    let (key, mut machine) = unlocked.into_host(prefix)?;
    let cipher = key.into_cipher();
    let mut plaintext = Zeroizing::new(Vec::with_capacity(rest.len()));
    for work in machine.hand_out(rest.len())? {
        let (sealed, after) = rest.split_at(work.plaintext_len + 16);
        cipher.open(&work.nonce, sealed, &mut plaintext)?;
        rest = after;
    }
    let (work, _unsigned) = machine.hand_out_last(rest.len())?;
    cipher.open(&work.nonce, rest, &mut plaintext)?;
    Ok(bytes(&plaintext))
}

fn truncated() -> Error {
    Error::new(ErrorCode::Truncated, "the body ends before its first segment")
}
