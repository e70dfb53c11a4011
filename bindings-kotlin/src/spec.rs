//! What a call says beside its data: keys, context, suite, signers. Languages pass it as one
//! record; a client keeps the one of its own.

use std::collections::HashMap;
use std::sync::Arc;

use keyfold::sign::{PublicKey, SigningKey};
use keyfold::{
    ContextCheck, Demands, EncryptionContext, Error, KeyUri, Keyring, Result, SealOptions, Signer,
    SignerPolicy, Suite,
};

use crate::error::invalid;
use crate::table;

/// Which KMS keys wrap data keys, and which may unwrap them: those of `keyfold::Keyring`.
#[derive(Clone, Debug, Default, uniffi::Record)]
pub struct Keys {
    /// Makes data keys and wraps them; nothing for a keyring that only opens.
    pub generate: Option<String>,
    /// Wrap them too: each of them opens the envelope.
    pub also_wrap: Vec<String>,
    /// May open, and never wrap.
    pub also_unwrap: Vec<String>,
    /// The names of the context that the KMS is told; all of them where absent.
    pub bind_only: Option<Vec<String>>,
    /// May open: every key of the KMS with this scheme.
    pub discover: Option<String>,
}

/// Who signs envelopes.
#[derive(Clone, Debug, uniffi::Enum)]
pub enum SignedWith {
    /// A key of the KMS.
    Kms {
        /// Its key URI.
        key: String,
    },
    /// A key of the caller's own.
    Local {
        /// Its number.
        handle: u64,
    },
}

/// Whose signature is accepted, and demanded.
#[derive(Clone, Debug, uniffi::Enum)]
pub enum SignedBy {
    /// That of one of these public keys.
    OneOf {
        /// SubjectPublicKeyInfo in DER.
        keys: Vec<Vec<u8>>,
    },
    /// That of whatever key the envelope names itself.
    Anyone,
}

/// What a call says beside its data.
#[derive(Clone, Debug, Default, uniffi::Record)]
pub struct Spec {
    /// The keys; without them what needs some fails.
    pub keys: Option<Keys>,
    /// The encryption context.
    pub context: HashMap<String, String>,
    /// Whether it is enough, to open, that an envelope has these pairs among others.
    pub context_in_part: bool,
    /// The suite that seals; AES-256-GCM where absent.
    pub suite: Option<u16>,
    /// The suites that are accepted; all of them where absent.
    pub suites: Option<Vec<u16>>,
    /// Who signs; nobody where absent.
    pub signer: Option<SignedWith>,
    /// Whose signature is demanded; none where absent.
    pub signers: Option<SignedBy>,
}

/// A [`Spec`] as the core takes it.
pub(crate) struct Parsed {
    keyring: Option<Keyring>,
    /// The first key that wraps, for what takes one.
    first: Option<KeyUri>,
    pub(crate) context: EncryptionContext,
    pub(crate) demands: Demands,
    suite: Option<Suite>,
    signer: Option<Own>,
}

/// A signer that owns its parts.
enum Own {
    Kms(KeyUri),
    Local(Arc<SigningKey>),
}

impl Parsed {
    pub(crate) fn keyring(&self) -> Result<&Keyring> {
        self.keyring.as_ref().ok_or_else(no_key)
    }

    pub(crate) fn first_key(&self) -> Result<&KeyUri> {
        self.first.as_ref().ok_or_else(no_key)
    }

    pub(crate) fn signer(&self) -> Option<Signer<'_>> {
        self.signer.as_ref().map(|signer| match signer {
            Own::Kms(key) => Signer::Kms(key.clone()),
            Own::Local(key) => Signer::Local(key),
        })
    }

    pub(crate) fn options(&self, plaintext_len: Option<u64>) -> SealOptions<'_> {
        SealOptions { suite: self.suite, signer: self.signer(), plaintext_len }
    }
}

fn no_key() -> Error {
    invalid("name a key: this client has no keys of its own to fall back on")
}

impl TryFrom<Spec> for Parsed {
    type Error = Error;

    fn try_from(spec: Spec) -> Result<Self> {
        let context: EncryptionContext = spec.context.into_iter().collect();
        let check = if spec.context_in_part {
            ContextCheck::Contains(context.clone())
        } else {
            ContextCheck::Exact(context.clone())
        };
        let mut demands = Demands::new(check);
        if let Some(suites) = spec.suites {
            demands.suites = suites.into_iter().map(Suite::from_id).collect::<Result<_>>()?;
        }
        if let Some(signers) = spec.signers {
            demands = demands.signed_by(match signers {
                SignedBy::Anyone => SignerPolicy::Anyone,
                SignedBy::OneOf { keys } => {
                    let keys = keys.iter().map(|key| PublicKey::from_spki_der(key));
                    SignerPolicy::OneOf(keys.collect::<Result<_>>()?)
                }
            });
        }
        let signer = match spec.signer {
            None => None,
            Some(SignedWith::Kms { key }) => Some(Own::Kms(KeyUri::new(key)?)),
            Some(SignedWith::Local { handle }) => Some(Own::Local(table::signing_key(handle)?)),
        };
        let (keyring, first) = spec.keys.map(ring).transpose()?.unzip();
        Ok(Parsed {
            keyring,
            first: first.flatten(),
            context,
            demands,
            suite: spec.suite.map(Suite::from_id).transpose()?,
            signer,
        })
    }
}

/// A keyring, and the first of its keys that wraps.
fn ring(keys: Keys) -> Result<(Keyring, Option<KeyUri>)> {
    let first = keys.generate.map(KeyUri::new).transpose()?;
    let mut ring = match (&first, keys.discover) {
        (Some(key), _) => Keyring::generate_with(key.clone()),
        (None, Some(scheme)) => Keyring::discover(scheme),
        (None, None) => Keyring::unwrap_with([]),
    };
    for key in keys.also_wrap {
        ring = ring.also_wrap_with(KeyUri::new(key)?);
    }
    for key in keys.also_unwrap {
        ring = ring.also_unwrap_with(KeyUri::new(key)?);
    }
    if let Some(names) = keys.bind_only {
        ring = ring.bind_only(names);
    }
    Ok((ring, first))
}
