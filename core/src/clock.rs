//! Time, injected: the core reads no clock of its own.

use std::time::Duration;

use crate::maybe_send::{BoxFuture, MaybeSendSync};

/// A monotonic clock and a timer, supplied by the host.
pub trait Clock: MaybeSendSync {
    /// Time since any fixed moment; never goes back.
    fn now(&self) -> Duration;

    /// Completes after `time`.
    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()>;
}
