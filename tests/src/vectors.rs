//! The test vectors of envelope v1, as `tests/vectors/README.md` describes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyfold::crypto::hash::Sha256;
use keyfold::sign::PublicKey;
use keyfold::{DataKey, Demands, MessageKeyDeriver, SignerPolicy, Suite};
use serde::Deserialize;

use crate::hex::Hex;

/// One vector, valid or hostile.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    pub name: String,
    pub suite: u16,
    pub data_key: Hex,
    pub context: BTreeMap<String, String>,
    pub header: Hex,
    pub body: Hex,
    #[serde(default)]
    pub trailer: Hex,
    pub plaintext: Option<Hex>,
    pub plaintext_len: Option<u64>,
    pub plaintext_seed: Option<Hex>,
    pub plaintext_sha256: Option<Hex>,
    pub clause: Option<String>,
    pub expect: Option<String>,
    pub expected_context: Option<BTreeMap<String, String>>,
    pub signers: Option<Vec<Hex>>,
    #[serde(default)]
    pub any_signer: bool,
    #[serde(default)]
    pub require_signature: bool,
    pub accepted_suites: Option<Vec<u16>>,
    #[serde(default)]
    pub detached: bool,
}

impl Vector {
    /// The vectors of `tests/vectors/<name>.json`.
    ///
    /// # Panics
    /// Where the file is not there or not of this form.
    pub fn load(name: &str) -> Vec<Vector> {
        let path = crate::root().join(format!("tests/vectors/{name}.json"));
        let text =
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_slice(&text).expect("vectors of the known form")
    }

    /// The plaintext, from its bytes or its rule.
    ///
    /// # Panics
    /// Where the vector gives neither, or its hash is another.
    pub fn plaintext(&self) -> Vec<u8> {
        if let Some(plaintext) = &self.plaintext {
            return plaintext.0.clone();
        }
        let (Some(len), Some(seed)) = (self.plaintext_len, &self.plaintext_seed) else {
            panic!("{}: no plaintext", self.name)
        };
        let len = usize::try_from(len).expect("fits in memory");
        let mut made = Vec::with_capacity(len + 32);
        for counter in 0u64.. {
            if made.len() >= len {
                break;
            }
            made.extend(Sha256::digest(&[seed.0.as_slice(), &counter.to_be_bytes()].concat()));
        }
        made.truncate(len);
        let hash = Hex(Sha256::digest(&made).to_vec());
        assert_eq!(self.plaintext_sha256.as_ref(), Some(&hash), "{}", self.name);
        made
    }

    /// Header and body file, or all in one where the vector is attached.
    pub fn input(&self) -> (Option<Vec<u8>>, Vec<u8>) {
        let body = [self.body.0.as_slice(), &self.trailer.0].concat();
        if self.detached {
            (Some(self.header.0.clone()), body)
        } else {
            (None, [self.header.0.as_slice(), &body].concat())
        }
    }

    /// What the opener demands.
    ///
    /// # Errors
    /// `signature_invalid` for a signer that is not a key: keyfold's opener takes keys, so such
    /// bytes cannot even be named as a signer.
    pub fn demands(&self) -> keyfold::Result<Demands> {
        let context = self.expected_context.as_ref().unwrap_or(&self.context).clone();
        let mut demands = Demands::new(context.into_iter().collect::<keyfold::EncryptionContext>());
        if self.any_signer {
            demands.signers = Some(SignerPolicy::Anyone);
        } else if let Some(signers) = &self.signers {
            let keys = signers.iter().map(|spki| PublicKey::from_spki_der(&spki.0));
            let keys = keys.collect::<keyfold::Result<_>>().map_err(|error| {
                keyfold::Error::new(keyfold::ErrorCode::SignatureInvalid, "not a signer")
                    .with_source(error)
            })?;
            demands.signers = Some(SignerPolicy::OneOf(keys));
        }
        if let Some(suites) = &self.accepted_suites {
            let known = |id: &u16| Suite::from_id(*id).ok();
            demands.suites = suites.iter().filter_map(known).collect();
        }
        Ok(demands)
    }

    /// The data key that unwrapping would yield.
    ///
    /// # Errors
    /// Where it has another length than data keys have.
    pub fn key(&self) -> keyfold::Result<Arc<MessageKeyDeriver>> {
        let key = DataKey::take(&mut self.data_key.0.clone())?;
        Ok(Arc::new(MessageKeyDeriver::new(&key)))
    }
}
