//! What keeps the root key of an embedded KMS sealed: a key store of the platform's.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use keyfold::Rng;
use keyfold_kms::root::{RootKey, RootSealer, SealedRoot, SlotError};
use serde_json::json;
use zeroize::Zeroizing;

use crate::error::Failure;

/// Seals and opens the root key, 32 bytes, by a key that stays in a store of the platform's.
#[uniffi::export(with_foreign)]
pub trait ForeignSealer: Send + Sync {
    /// What kind it is, such as `pkcs12`: a KMS is opened by a sealer of the kind that sealed it.
    fn kind(&self) -> String;

    /// Seals the root key. `binding` must be authenticated, and given again to open it.
    ///
    /// # Errors
    /// Where the key store does not do it.
    fn seal(&self, root: Vec<u8>, binding: Vec<u8>) -> Result<Vec<u8>, Failure>;

    /// Opens what [`seal`](ForeignSealer::seal) made.
    ///
    /// # Errors
    /// `authentication_failed` where it was sealed by another key; anything else where the key store
    /// does not do it.
    fn open(&self, sealed: Vec<u8>, binding: Vec<u8>) -> Result<Vec<u8>, Failure>;
}

/// A sealer of the language's own, for the engine.
pub(crate) struct HostSealer {
    inner: Arc<dyn ForeignSealer>,
    kind: &'static str,
}

impl HostSealer {
    pub(crate) fn new(inner: Arc<dyn ForeignSealer>) -> Self {
        let kind = intern(inner.kind());
        HostSealer { inner, kind }
    }
}

/// The same text for the rest of the process, once for each kind there is.
fn intern(kind: String) -> &'static str {
    static KINDS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut kinds = KINDS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = kinds.get(kind.as_str()) {
        return known;
    }
    let kept: &'static str = kind.leak();
    kinds.insert(kept);
    kept
}

fn failed(failure: Failure) -> SlotError {
    let Failure::Failed { code, detail, .. } = failure;
    match code.as_str() {
        "authentication_failed" => SlotError::Wrong,
        "" => SlotError::Unavailable("the key store failed".into()),
        _ => SlotError::Unavailable(detail),
    }
}

impl RootSealer for HostSealer {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn seal(&self, root: &RootKey, binding: &[u8], _: &dyn Rng) -> Result<SealedRoot, SlotError> {
        let sealed = self.inner.seal(root.expose().to_vec(), binding.to_vec()).map_err(failed)?;
        Ok(SealedRoot { params: json!({}), sealed })
    }

    fn open(&self, sealed: &SealedRoot, binding: &[u8]) -> Result<RootKey, SlotError> {
        let opened = self.inner.open(sealed.sealed.clone(), binding.to_vec()).map_err(failed)?;
        let mut opened = Zeroizing::new(opened);
        RootKey::take(&mut opened)
            .ok_or_else(|| SlotError::Malformed("the key store answered no root key".into()))
    }
}
