//! Numbers for objects, for callers that cannot hold one.
//!
//! A number is given once and never again, so one whose object is gone names nothing, and neither
//! does one that was made up.
#![cfg_attr(
    not(feature = "jni"),
    expect(
        dead_code,
        reason = "only JNI finds most of them; yet what UniFFI exports is the same for every build, \
                  as the glue is"
    )
)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use keyfold::Result;

use crate::client::Shared;
use crate::error::invalid;
use crate::secret::SecretValue;
use crate::stream::{Opening, Ranges, Sealing};

/// What can have a number.
#[derive(Clone)]
pub(crate) enum Entry {
    Client(Arc<Shared>),
    Sealing(Arc<Sealing>),
    Opening(Arc<Opening>),
    Ranges(Arc<Ranges>),
    Secret(Arc<SecretValue>),
    PublicKey(Arc<keyfold::sign::PublicKey>),
    SigningKey(Arc<keyfold::sign::SigningKey>),
    #[cfg(feature = "jni")]
    Hasher(Arc<std::sync::Mutex<Option<keyfold::sign::MessageHasher>>>),
}

static NEXT: AtomicU64 = AtomicU64::new(1);
static TABLE: RwLock<Option<HashMap<u64, Entry>>> = RwLock::new(None);

/// A number, for as long as this lives.
pub(crate) struct Number(u64);

impl Number {
    pub(crate) fn of(entry: Entry) -> Self {
        Number(insert(entry))
    }

    pub(crate) fn get(&self) -> u64 {
        self.0
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        remove(self.0);
    }
}

/// Gives a number, until it is removed.
pub(crate) fn insert(entry: Entry) -> u64 {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
    table.get_or_insert_default().insert(number, entry);
    number
}

/// Takes a number back; one that names nothing is none of anybody's business.
pub(crate) fn remove(number: u64) {
    let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
    let removed = table.as_mut().and_then(|table| table.remove(&number));
    // The object may end here, and take other numbers with it.
    drop(table);
    drop(removed);
}

/// How many numbers name something.
#[uniffi::export]
pub fn live_handles() -> u64 {
    let table = TABLE.read().unwrap_or_else(PoisonError::into_inner);
    table.as_ref().map_or(0, |table| table.len() as u64)
}

fn find(number: u64) -> Option<Entry> {
    let table = TABLE.read().unwrap_or_else(PoisonError::into_inner);
    table.as_ref()?.get(&number).cloned()
}

macro_rules! get {
    ($name:ident, $variant:ident, $type:ty, $what:literal) => {
        /// The object of this kind and number.
        pub(crate) fn $name(number: u64) -> Result<Arc<$type>> {
            match find(number) {
                Some(Entry::$variant(found)) => Ok(found),
                _ => Err(invalid(concat!($what, " is closed"))),
            }
        }
    };
}

get!(client, Client, Shared, "the client");
get!(sealing, Sealing, Sealing, "the stream");
get!(opening, Opening, Opening, "the stream");
get!(ranges, Ranges, Ranges, "the reader");
get!(secret, Secret, SecretValue, "the secret");
get!(public_key, PublicKey, keyfold::sign::PublicKey, "the public key");
get!(signing_key, SigningKey, keyfold::sign::SigningKey, "the signing key");
#[cfg(feature = "jni")]
get!(hasher, Hasher, std::sync::Mutex<Option<keyfold::sign::MessageHasher>>, "the hash");
