//! A slot whose secret is in an environment variable.

use keyfold::crypto::rng::Rng;
use zeroize::Zeroizing;

use super::{RootKey, RootSealer, SealedRoot, SlotError, open_under, parse_secret, seal_under};
use crate::hierarchy::KEY_LEN;

/// Seals the root key under 32 bytes in an environment variable: 64 hexadecimal digits, or
/// base64. The variable is read each time it is needed, and not kept.
///
/// ```
/// use keyfold_kms::{Engine, root::EnvironmentSealer};
///
/// // 32 random bytes, such as `openssl rand -base64 32` prints.
/// let sealer = EnvironmentSealer::new("KEYFOLD_ROOT_KEY");
/// let refused = Engine::in_memory()?.add_root_slot("container", &sealer).unwrap_err();
/// assert!(refused.to_string().contains("KEYFOLD_ROOT_KEY is not set"));
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
pub struct EnvironmentSealer {
    // The one that the slot names, where absent.
    variable: Option<String>,
}

impl EnvironmentSealer {
    /// A sealer over a variable of this name.
    pub fn new(variable: impl Into<String>) -> Self {
        EnvironmentSealer { variable: Some(variable.into()) }
    }

    /// Opens any slot, by the variable that the slot was sealed with. Does not seal.
    pub fn of_slot() -> Self {
        EnvironmentSealer { variable: None }
    }

    fn secret(name: &str) -> Result<Zeroizing<[u8; KEY_LEN]>, SlotError> {
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
        let name = self.variable.as_deref();
        let name = name.ok_or_else(|| SlotError::Malformed("no variable is named".into()))?;
        let sealed = seal_under(&*Self::secret(name)?, root, binding, rng)?;
        Ok(SealedRoot { params: serde_json::json!({ "variable": name }), sealed })
    }

    fn open(&self, sealed: &SealedRoot, binding: &[u8]) -> Result<RootKey, SlotError> {
        let of_slot = || sealed.params["variable"].as_str();
        let name = self.variable.as_deref().or_else(of_slot);
        let name = name.ok_or_else(|| {
            SlotError::Malformed("the parameters of the slot are not valid".into())
        })?;
        open_under(&*Self::secret(name)?, &sealed.sealed, binding)
    }
}
