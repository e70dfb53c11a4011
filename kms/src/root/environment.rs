//! A slot whose secret is in an environment variable.

use keyfold::crypto::rng::Rng;
use zeroize::Zeroizing;

use super::{RootKey, RootSealer, SealedRoot, SlotError, open_under, parse_secret, seal_under};
use crate::hierarchy::KEY_LEN;

/// Seals the root key under 32 bytes in an environment variable: 64 hexadecimal digits, or
/// base64. The variable is read each time it is needed, and not kept.
pub struct EnvironmentSealer {
    variable: String,
}

impl EnvironmentSealer {
    /// A sealer over a variable of this name.
    pub fn new(variable: impl Into<String>) -> Self {
        EnvironmentSealer { variable: variable.into() }
    }

    fn secret(&self) -> Result<Zeroizing<[u8; KEY_LEN]>, SlotError> {
        let name = &self.variable;
        let text = std::env::var(name)
            .map(Zeroizing::new)
            .map_err(|_| SlotError::Unavailable(format!("{name} is not set")))?;
        parse_secret(text.as_bytes()).ok_or_else(|| {
            SlotError::Malformed(format!("{name} does not hold 32 bytes in hexadecimal or base64"))
        })
    }
}

impl RootSealer for EnvironmentSealer {
    fn kind(&self) -> &'static str {
        "environment"
    }

    fn seal(&self, root: &RootKey, binding: &[u8], rng: &dyn Rng) -> Result<SealedRoot, SlotError> {
        let sealed = seal_under(&*self.secret()?, root, binding, rng)?;
        Ok(SealedRoot { params: serde_json::json!({ "variable": self.variable }), sealed })
    }

    fn open(&self, sealed: &SealedRoot, binding: &[u8]) -> Result<RootKey, SlotError> {
        open_under(&*self.secret()?, &sealed.sealed, binding)
    }
}
