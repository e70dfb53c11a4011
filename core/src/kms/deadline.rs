//! Gives up what takes too long.

use std::time::Duration;

use futures_util::future::{Either, select};

use super::{Kms, Request, Response};
use crate::clock::Clock;
use crate::error::{Error, ErrorCode, Result};
use crate::maybe_send::BoxFuture;

/// A KMS whose calls end after a time, answered or not. The clock's `sleep` must not block.
///
/// Around an [`AwsKms`](super::aws::AwsKms) it bounds one attempt, around a
/// [`RetryKms`](crate::RetryKms) all of them. A call that is given up is dropped; the service may
/// perform it all the same.
///
/// ```
/// # use keyfold::kms::{Request, Response};
/// # use keyfold::maybe_send::BoxFuture;
/// # use keyfold::{Client, ErrorCode, Kms};
/// # use std::time::Duration;
/// # struct Clock;
/// # impl keyfold::Clock for Clock {
/// #     fn now(&self) -> Duration { Duration::ZERO }
/// #     fn sleep(&self, _: Duration) -> BoxFuture<'_, ()> { Box::pin(std::future::ready(())) }
/// # }
/// # struct Silent;
/// # impl Kms for Silent {
/// #     fn call<'a>(&'a self, _: &'a Request) -> BoxFuture<'a, keyfold::Result<Response>> {
/// #         Box::pin(std::future::pending())
/// #     }
/// # }
/// use keyfold::DeadlineKms;
///
/// // A KMS that never answers:
/// let kf = Client::new(DeadlineKms::new(Silent, Clock, Duration::from_secs(10)));
/// let late = pollster::block_on(kf.secrets().get("name")).unwrap_err();
/// assert_eq!(late.code(), ErrorCode::KmsUnavailable);
/// ```
pub struct DeadlineKms<K, C> {
    inner: K,
    clock: C,
    limit: Duration,
}

impl<K: Kms, C: Clock> DeadlineKms<K, C> {
    /// Ends each call with `kms_unavailable` after `limit`.
    pub fn new(inner: K, clock: C, limit: Duration) -> Self {
        DeadlineKms { inner, clock, limit }
    }
}

impl<K: Kms, C: Clock> Kms for DeadlineKms<K, C> {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async {
            // The call comes first: an answer that is there counts, however late it is.
            match select(self.inner.call(request), self.clock.sleep(self.limit)).await {
                Either::Left((answer, _)) => answer,
                Either::Right(((), _)) => {
                    Err(Error::new(ErrorCode::KmsUnavailable, "the KMS did not answer in time"))
                }
            }
        })
    }
}
