//! A KMS in memory whose calls are counted, and a clock that a test moves.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keyfold::kms::{Kms, Request, Response};
use keyfold::maybe_send::BoxFuture;
use keyfold::{Clock, KeyUri, Result};
use keyfold_kms::EmbeddedKms;
use keyfold_kms::types::{CreateAliasRequest, CreateKeyRequest, KeySpec, KeyUsage};

/// The embedded KMS, with every call noted by the name of its request.
pub struct CountingKms {
    pub inner: EmbeddedKms,
    calls: Mutex<Vec<String>>,
    /// How often a call is answered only at the second poll, so that others come in between.
    pub yields: AtomicUsize,
}

impl CountingKms {
    /// A KMS with these symmetric keys, by alias.
    ///
    /// # Panics
    /// Where the KMS refuses; it is a test's own.
    pub fn with_keys(aliases: &[&str]) -> Self {
        let inner = EmbeddedKms::in_memory().expect("a KMS in memory");
        for alias in aliases {
            create_key(&inner, alias, None);
        }
        CountingKms { inner, calls: Mutex::default(), yields: AtomicUsize::new(0) }
    }

    /// The calls since the last time.
    ///
    /// # Panics
    /// Where a test has panicked before.
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().expect("not poisoned"))
    }
}

/// Makes a key under an alias and answers its URI by that alias.
///
/// # Panics
/// Where the KMS refuses; it is a test's own.
pub fn create_key(kms: &EmbeddedKms, alias: &str, sign: Option<KeySpec>) -> KeyUri {
    let owner = kms.engine().owner();
    let request = CreateKeyRequest {
        key_usage: sign.map(|_| KeyUsage::SignVerify),
        key_spec: sign,
        ..CreateKeyRequest::default()
    };
    let made = kms.engine().call(&owner, &request).expect("a key");
    let request = CreateAliasRequest {
        alias_name: alias.to_owned(),
        target_key_id: made.key_metadata.key_id,
    };
    kms.engine().call(&owner, &request).expect("an alias");
    format!("keyfold:{alias}").parse().expect("valid")
}

impl Kms for CountingKms {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
        let name = format!("{request:?}");
        let name = name.split([' ', '{', '(']).next().unwrap_or_default().to_owned();
        self.calls.lock().expect("not poisoned").push(name);
        let mut waits = self.yields.load(Ordering::Relaxed);
        Box::pin(async move {
            std::future::poll_fn(|context| {
                if waits == 0 {
                    return std::task::Poll::Ready(());
                }
                waits -= 1;
                context.waker().wake_by_ref();
                std::task::Poll::Pending
            })
            .await;
            self.inner.call(request).await
        })
    }
}

/// A clock that stands still until it is moved, or slept on.
#[derive(Default)]
pub struct TestClock(Mutex<Duration>);

impl TestClock {
    /// Moves the clock.
    ///
    /// # Panics
    /// Where a test has panicked before.
    pub fn advance(&self, time: Duration) {
        *self.0.lock().expect("not poisoned") += time;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Duration {
        *self.0.lock().expect("not poisoned")
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        self.advance(time);
        Box::pin(std::future::ready(()))
    }
}
