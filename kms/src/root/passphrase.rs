//! A slot whose secret is a passphrase.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyfold::SecretBytes;
use keyfold::crypto::password::argon2id;
use keyfold::crypto::rng::Rng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{RootKey, RootSealer, SealedRoot, SlotError, open_under, seal_under};
use crate::hierarchy::KEY_LEN;

/// Seals the root key under a passphrase, through Argon2id (RFC 9106): 3 passes over 64 MiB in 4
/// lanes, which takes about a quarter of a second. The parameters are kept in the slot.
///
/// ```
/// use keyfold::SecretBytes;
/// use keyfold_kms::{Engine, OpenError, root::PassphraseSealer};
///
/// let passphrase = SecretBytes::from(&b"correct horse battery staple"[..]);
/// let engine = Engine::in_memory()?;
/// engine.add_root_slot("in the safe", &PassphraseSealer::new(passphrase))?;
/// assert_eq!(engine.root_slots()?[0].kind, "passphrase");
/// # Ok::<(), OpenError>(())
/// ```
pub struct PassphraseSealer {
    passphrase: SecretBytes,
}

#[derive(Serialize, Deserialize)]
struct Params {
    /// Memory in KiB.
    m: u32,
    /// Passes.
    t: u32,
    /// Lanes.
    p: u32,
    /// 16 bytes in base64.
    salt: String,
}

const SALT_LEN: usize = 16;
/// The longest salt in base64 that is read, in characters.
const MAX_SALT: usize = 88;

impl PassphraseSealer {
    /// A sealer with this passphrase, 1 to 4096 bytes.
    pub fn new(passphrase: SecretBytes) -> Self {
        PassphraseSealer { passphrase }
    }

    fn secret(&self, params: &Params) -> Result<Zeroizing<[u8; KEY_LEN]>, SlotError> {
        let malformed = || SlotError::Malformed("the parameters of the slot are not valid".into());
        if self.passphrase.is_empty() {
            return Err(SlotError::Malformed("the passphrase is empty".into()));
        }
        if params.salt.len() > MAX_SALT {
            return Err(malformed());
        }
        let salt = STANDARD.decode(&params.salt).map_err(|_| malformed())?;
        let mut secret = Zeroizing::new([0; KEY_LEN]);
        let Params { m, t, p, .. } = *params;
        argon2id(self.passphrase.expose(), &salt, m, t, p, secret.as_mut_slice())
            .map_err(|error| SlotError::Unavailable(error.detail().to_owned()))?;
        Ok(secret)
    }
}

impl RootSealer for PassphraseSealer {
    fn kind(&self) -> &'static str {
        "passphrase"
    }

    fn seal(&self, root: &RootKey, binding: &[u8], rng: &dyn Rng) -> Result<SealedRoot, SlotError> {
        let mut salt = [0; SALT_LEN];
        rng.fill(&mut salt).map_err(|error| SlotError::Unavailable(error.to_string()))?;
        let params = Params { m: 64 * 1024, t: 3, p: 4, salt: STANDARD.encode(salt) };
        let sealed = seal_under(&*self.secret(&params)?, root, binding, rng)?;
        let params = serde_json::to_value(params)
            .map_err(|_| SlotError::Malformed("the parameters cannot be written".into()))?;
        Ok(SealedRoot { params, sealed })
    }

    fn open(&self, sealed: &SealedRoot, binding: &[u8]) -> Result<RootKey, SlotError> {
        let params = Params::deserialize(&sealed.params)
            .map_err(|_| SlotError::Malformed("the parameters of the slot are not valid".into()))?;
        open_under(&*self.secret(&params)?, &sealed.sealed, binding)
    }
}
