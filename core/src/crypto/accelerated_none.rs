//! Stands in for `accelerated.rs` where asymmetric keys have the portable backend only.

use std::sync::Arc;

use super::sig::{FastPrivateKey, FastPublicKey};
use crate::sign::KeySpec;

pub(super) fn public_key(_: KeySpec, _: &[u8]) -> Option<Arc<dyn FastPublicKey>> {
    None
}

pub(super) fn private_key(_: KeySpec, _: &[u8]) -> Option<Box<dyn FastPrivateKey>> {
    None
}
