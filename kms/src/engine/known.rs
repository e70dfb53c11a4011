//! What this process knows of the store: its newest generation, and what changed since when.

/// How often the store has changed, as far as this process knows. It grows with every change
/// that is committed here and with every commit that finds another process's changes; between
/// equal generations nothing has changed that this process could know of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(u64);

/// What an operation can depend on.
pub(super) type Scope = u64;
