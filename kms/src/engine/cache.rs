//! Unwrapped key material, kept for a short while.

#[derive(Default)]
pub(super) struct Cache {}
