//! The tasks over one KMS.

use std::rc::Rc;
use std::sync::Arc;

use js_sys::Function;
use keyfold::kms::Kms;
use keyfold::kms::cache::DataKeyCache;
use keyfold::stream::{HeaderReader as CoreReader, PREFIX_LEN};
use keyfold::{
    CacheLimits, Error, ErrorCode, Header, KeyUri, Result, SecretBytes,
};
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use crate::clock::HostClock;
use crate::errors::{Js, milliseconds, number, to_js};
use crate::foreign::{Foreign, ForeignKms};
use crate::header::HeaderReader;
use crate::open::Unlocked;
use crate::remote::{RemoteKms, Shared};
use crate::seal::Sealing;
use crate::sign::algorithm;
use crate::spec::{LastSpec, Spec, invalid};
use crate::task::begin;
use crate::wire::{bytes, object};

/// The tasks over one KMS.
#[wasm_bindgen]
pub struct Client {
    core: Shared,
    spec: LastSpec,
}

#[wasm_bindgen]
impl Client {
    /// Over a KMS written in JavaScript. `limits` are those of `js/types.ts` in their order, or
    /// nothing for no cache.
    pub fn foreign(call: Function, limits: Option<Vec<f64>>) -> Client {
        Client::over(Arc::new(ForeignKms(Foreign(call))), limits.as_deref())
    }

    /// Over a remote KMS.
    pub fn remote(kms: &RemoteKms, limits: Option<Vec<f64>>) -> Client {
        Client::over(kms.0.clone(), limits.as_deref())
    }

    /// `[hits, misses]` of the cache.
    #[wasm_bindgen(js_name = cacheStats)]
    pub fn cache_stats(&self) -> Vec<f64> {
        let stats = self.core.cache_stats();
        [stats.hits, stats.misses].into_iter().filter_map(|count| number(count).as_f64()).collect()
    }

    /// Forgets every data key.
    #[wasm_bindgen(js_name = clearCache)]
    pub fn clear_cache(&self) {
        if let Some(cache) = self.core.cache() {
            cache.clear();
        }
    }

    /// Seals a small value here: the envelope.
    #[wasm_bindgen(js_name = sealInside)]
    pub fn seal_inside(&self, spec: &str, plaintext: Vec<u8>) -> Js {
        let (core, spec) = (self.core.clone(), self.spec(spec)?);
        begin(async move {
            let plaintext = Zeroizing::new(plaintext);
            seal_inside(&core, &spec, &plaintext).await.map_err(|error| to_js(&error))
        })
    }

    /// Opens a small envelope, unsigned or not asked for its signature, here: the plaintext.
    #[wasm_bindgen(js_name = openInside)]
    pub fn open_inside(&self, spec: &str, envelope: Vec<u8>) -> Js {
        let (core, spec) = (self.core.clone(), self.spec(spec)?);
        begin(async move {
            open_inside(&core, &spec, &envelope).await.map_err(|error| to_js(&error))
        })
    }

    /// Begins an envelope of one segment that the host seals: header, prefix, then 32 bytes of key
    /// and 12 of nonce.
    #[wasm_bindgen(js_name = sealOne)]
    pub fn seal_one(&self, spec: &str, length: usize) -> Js {
        let (core, spec) = (self.core.clone(), self.spec(spec)?);
        begin(async move {
            seal_one(&core, &spec, length).await.map_err(|error| to_js(&error))
        })
    }

    /// Begins to open an unsigned envelope of `total` bytes with one segment, given its header and
    /// prefix at least: 32 bytes of key, 12 of nonce, and in 4 where the segment begins.
    #[wasm_bindgen(js_name = openOne)]
    pub fn open_one(&self, spec: &str, start: Vec<u8>, total: usize) -> Js {
        let (core, spec) = (self.core.clone(), self.spec(spec)?);
        begin(async move {
            open_one(&core, &spec, &start, total).await.map_err(|error| to_js(&error))
        })
    }

    /// Begins an envelope that the host seals: a [`Sealing`]. `length` is that of the plaintext,
    /// where it is known.
    pub fn seal(&self, spec: &str, length: Option<f64>, signer: Option<String>) -> Js {
        let (core, spec) = (self.core.clone(), self.spec(spec)?);
        begin(async move {
            seal(&core, &spec, length, signer).await.map_err(|error| to_js(&error))
        })
    }

    /// Recovers the data key of an envelope: an [`Unlocked`]. `body` is the length of the body,
    /// where it is known.
    pub fn unlock(
        &self,
        spec: &str,
        header: &HeaderReader,
        body: Option<f64>,
        signers: &JsValue,
    ) -> Js {
        let (core, spec) = (self.core.clone(), self.spec(spec)?);
        let demands = spec.demands(signers).map_err(|error| to_js(&error))?;
        let header = header.header()?;
        begin(async move {
            let unlock = async {
                let unlocked = match body {
                    Some(body) => {
                        let body = crate::errors::whole(body)?;
                        core.unlock_body(&header, body, &spec.keyring, demands).await?
                    }
                    None => core.unlock(&header, &spec.keyring, demands).await?,
                };
                Ok(Unlocked(Some(unlocked)).into())
            };
            unlock.await.map_err(|error: Error| to_js(&error))
        })
    }

    /// As `unlock`, for parts of an envelope that is signed, whose signature is not proven.
    #[wasm_bindgen(js_name = unlockUnproven)]
    pub fn unlock_unproven(&self, spec: &str, header: &HeaderReader) -> Js {
        self.unlock(spec, header, None, &JsValue::from_str("any"))
    }

    /// The header with the wrapping keys of `to` as its recipients; with `add`, beside those that
    /// it has.
    pub fn rewrap(&self, from: &str, to: &str, header: &HeaderReader, add: bool) -> Js {
        let (core, from, to) = (self.core.clone(), self.spec(from)?, self.spec(to)?);
        let header = header.header()?;
        begin(async move {
            let rewrap = async {
                let (from, to) = (&from.keyring, &to.keyring);
                let header = if add {
                    core.add_recipients(&header, from, to).await?
                } else {
                    core.rewrap(&header, from, to).await?
                };
                header.to_bytes()
            };
            rewrap.await.map(|header| bytes(&header)).map_err(|error: Error| to_js(&error))
        })
    }

    /// The header without the recipients under these keys.
    #[wasm_bindgen(js_name = removeRecipients)]
    pub fn remove_recipients(&self, header: &HeaderReader, keys: Vec<String>) -> Js {
        let core = self.core.clone();
        let header = header.header()?;
        begin(async move {
            let remove = async {
                let keys = keys.into_iter().map(KeyUri::new).collect::<Result<Vec<_>>>()?;
                core.remove_recipients(&header, &keys).await?.to_bytes()
            };
            remove.await.map(|header| bytes(&header)).map_err(|error: Error| to_js(&error))
        })
    }

    /// A signature by a KMS key, of a digest or of a message.
    pub fn sign(&self, key: String, name: &str, message: Vec<u8>, is_digest: bool) -> Js {
        let core = self.core.clone();
        let algorithm = algorithm(name).map_err(|error| to_js(&error))?;
        begin(async move {
            let sign = async {
                let key = KeyUri::new(key)?;
                if is_digest {
                    core.sign_digest(&key, algorithm, &message).await
                } else {
                    core.sign(&key, algorithm, &message).await
                }
            };
            sign.await.map(|signature| bytes(&signature)).map_err(|error: Error| to_js(&error))
        })
    }

    /// The public half of a KMS key, in DER.
    #[wasm_bindgen(js_name = publicKey)]
    pub fn public_key(&self, key: String) -> Js {
        let core = self.core.clone();
        begin(async move {
            let get = async { core.encoded_public_key(&KeyUri::new(key)?).await };
            get.await.map(|key| bytes(key.as_der())).map_err(|error: Error| to_js(&error))
        })
    }

    /// The full name of a KMS key.
    pub fn resolve(&self, key: String) -> Js {
        let core = self.core.clone();
        begin(async move {
            let get = async { core.resolve(&KeyUri::new(key)?).await };
            get.await.map(|key| key.as_str().into()).map_err(|error: Error| to_js(&error))
        })
    }

    /// Encrypts small data under the KMS key itself.
    #[wasm_bindgen(js_name = encryptSmall)]
    pub fn encrypt_small(&self, spec: &str, plaintext: Vec<u8>, key: String) -> Js {
        let (core, spec) = (self.core.clone(), self.spec(spec)?);
        let plaintext = SecretBytes::new(plaintext);
        begin(async move {
            let encrypt =
                async { core.encrypt_small(&KeyUri::new(key)?, plaintext, &spec.context).await };
            encrypt.await.map(|made| bytes(&made)).map_err(|error: Error| to_js(&error))
        })
    }

    /// Decrypts it.
    #[wasm_bindgen(js_name = decryptSmall)]
    pub fn decrypt_small(&self, spec: &str, ciphertext: Vec<u8>, key: Option<String>) -> Js {
        let (core, spec) = (self.core.clone(), self.spec(spec)?);
        begin(async move {
            let decrypt = async {
                let key = key.map(KeyUri::new).transpose()?;
                core.decrypt_small(key.as_ref(), &ciphertext, &spec.context).await
            };
            decrypt.await.map(|made| bytes(made.expose())).map_err(|error: Error| to_js(&error))
        })
    }

    /// Stores a secret: the version's id.
    #[wasm_bindgen(js_name = putSecret)]
    pub fn put_secret(&self, name: String, value: Vec<u8>, key: Option<String>) -> Js {
        let core = self.core.clone();
        let value = SecretBytes::new(value);
        begin(async move {
            let put = async {
                let key = key.map(KeyUri::new).transpose()?;
                core.secrets().put(&name, value, key.as_ref()).await
            };
            put.await.map(JsValue::from).map_err(|error: Error| to_js(&error))
        })
    }

    /// Reads a secret: its value and the version's id.
    #[wasm_bindgen(js_name = getSecret)]
    pub fn get_secret(&self, name: String, version: Option<String>, stage: Option<String>) -> Js {
        let core = self.core.clone();
        begin(async move {
            let secrets = core.secrets();
            let found = secrets.get_version(&name, version.as_deref(), stage.as_deref()).await;
            let value = found.map_err(|error| to_js(&error))?;
            Ok(object(&[("value", bytes(value.expose()))]))
        })
    }
}

impl Client {
    fn over(kms: Arc<dyn Kms>, limits: Option<&[f64]>) -> Client {
        let mut core = keyfold::Client::new(kms);
        if let Some(&[max_age, messages, bytes, entries]) = limits {
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
        Client { core: Rc::new(core), spec: LastSpec::default() }
    }

    fn spec(&self, text: &str) -> Js<Rc<Spec>> {
        self.spec.read(text).map_err(|error| to_js(&error))
    }
}

async fn seal(
    core: &Shared,
    spec: &Spec,
    length: Option<f64>,
    signer: Option<String>,
) -> Result<JsValue> {
    let length = length.map(crate::errors::whole).transpose()?;
    let signer = signer.map(KeyUri::new).transpose()?;
    let signature = match &signer {
        Some(key) => Some(core.kms_signature(key).await?),
        None => None,
    };
    let (ring, context) = (&spec.keyring, &spec.context);
    let sealer =
        core.sealer_signed(ring, context, spec.suite, length, signature.as_ref()).await?;
    Ok(Sealing::new(core.clone(), signer, sealer)?.into())
}

async fn seal_inside(core: &Shared, spec: &Spec, plaintext: &[u8]) -> Result<JsValue> {
    let (ring, context, length) = (&spec.keyring, &spec.context, Some(plaintext.len() as u64));
    let sealer = core.sealer_signed(ring, context, spec.suite, length, None).await?;
    let mut envelope = vec![0; sealer.envelope_len(plaintext.len())?];
    sealer.seal_envelope_into(plaintext, &mut envelope)?;
    Ok(bytes(&envelope))
}

async fn seal_one(core: &Shared, spec: &Spec, length: usize) -> Result<JsValue> {
    let (ring, context) = (&spec.keyring, &spec.context);
    let known = Some(length as u64);
    let sealer = core.sealer_signed(ring, context, spec.suite, known, None).await?;
    let mut parts = Zeroizing::new(Vec::with_capacity(sealer.header().len() + PREFIX_LEN + 44));
    parts.extend_from_slice(sealer.header());
    let (prefix, key, machine) = sealer.into_host()?;
    let (work, _unsigned) = machine.hand_out_last(length)?;
    parts.extend_from_slice(&prefix);
    parts.extend_from_slice(key.expose());
    parts.extend_from_slice(&work.nonce);
    Ok(bytes(&parts))
}

async fn open_one(core: &Shared, spec: &Spec, start: &[u8], total: usize) -> Result<JsValue> {
    let (header, header_len) = Header::parse(start)?;
    let demands = spec.demands(&JsValue::UNDEFINED)?;
    let body = total.checked_sub(header_len).ok_or_else(|| invalid("lengths do not fit"))?;
    let unlocked = core.unlock_body(&header, body as u64, &spec.keyring, demands).await?;
    let prefix = start.get(header_len..).and_then(<[_]>::first_chunk).ok_or_else(truncated)?;
    let (key, machine) = unlocked.into_host(prefix)?;
    let (work, _unsigned) = machine.hand_out_last(body.saturating_sub(PREFIX_LEN))?;
    let mut parts = Zeroizing::new(Vec::with_capacity(48));
    parts.extend_from_slice(key.expose());
    parts.extend_from_slice(&work.nonce);
    // A header has at most 64 KiB.
    let begin = u32::try_from(header_len + PREFIX_LEN).unwrap_or(u32::MAX);
    parts.extend_from_slice(&begin.to_be_bytes());
    Ok(bytes(&parts))
}

async fn open_inside(core: &Shared, spec: &Spec, envelope: &[u8]) -> Result<JsValue> {
    let (header, header_len) = match CoreReader::new().push(envelope)? {
        Some(header) => header,
        None => Header::parse(envelope)?,
    };
    let body = envelope.get(header_len..).unwrap_or_default();
    let demands = spec.demands(&JsValue::UNDEFINED)?;
    let unlocked =
        core.unlock_body(&header, body.len() as u64, &spec.keyring, demands).await?;
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
