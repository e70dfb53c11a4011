//! Bytes that do not show themselves.

use std::sync::{Arc, Mutex, PoisonError};

use keyfold::{Result, SecretBytes};
use zeroize::Zeroize;

use crate::error::{Answer, invalid};
use crate::table::{Entry, Number};

/// The value behind a [`Secret`]: nothing once it is wiped.
pub(crate) struct SecretValue(Mutex<Option<SecretBytes>>);

impl SecretValue {
    pub(crate) fn with<T>(&self, read: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let value = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let value = value.as_ref().ok_or_else(|| invalid("the secret is wiped already"));
        value.map(|value| read(value.expose()))
    }

    pub(crate) fn set(&self, value: Option<SecretBytes>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = value;
    }
}

/// The value of a secret, wiped when it ends.
#[derive(uniffi::Object)]
pub struct Secret {
    pub(crate) value: Arc<SecretValue>,
    version: Option<String>,
    number: Number,
}

impl Secret {
    pub(crate) fn of(value: Option<SecretBytes>, version: Option<String>) -> Arc<Self> {
        let value = Arc::new(SecretValue(Mutex::new(value)));
        let number = Number::of(Entry::Secret(value.clone()));
        Arc::new(Secret { value, version, number })
    }

    /// A copy, for the core.
    pub(crate) fn copy(&self) -> Result<SecretBytes> {
        self.value.with(|value| SecretBytes::from(value))
    }
}

#[uniffi::export]
impl Secret {
    /// A copy of these bytes.
    #[uniffi::constructor]
    pub fn new(mut value: Vec<u8>) -> Arc<Self> {
        let copy = SecretBytes::from(value.as_slice());
        value.zeroize();
        Secret::of(Some(copy), None)
    }

    /// One whose value is put in later.
    #[uniffi::constructor]
    pub fn empty() -> Arc<Self> {
        Secret::of(None, None)
    }

    /// The value itself. The copy is the caller's: it is not wiped.
    ///
    /// # Errors
    /// `invalid_argument` once it is wiped.
    pub fn expose(&self) -> Answer<Vec<u8>> {
        Ok(self.value.with(<[u8]>::to_vec)?)
    }

    /// How many bytes it has.
    ///
    /// # Errors
    /// As [`expose`](Secret::expose).
    pub fn size(&self) -> Answer<u64> {
        Ok(self.value.with(|value| value.len() as u64)?)
    }

    /// Whether two are equal, found out in constant time.
    ///
    /// # Errors
    /// As [`expose`](Secret::expose).
    pub fn is_same(&self, other: &Secret) -> Answer<bool> {
        Ok(self.copy()? == other.copy()?)
    }

    /// The id of the version, where it came from a safe.
    pub fn version(&self) -> Option<String> {
        self.version.clone()
    }

    /// Overwrites the value in memory. A second time does nothing.
    pub fn wipe(&self) {
        self.value.set(None);
    }

    /// Its number.
    pub fn handle(&self) -> u64 {
        self.number.get()
    }
}
