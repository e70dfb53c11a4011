//! Clocks that do not agree.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use super::moment;
use crate::transport::HttpResponse;

/// How far the service's time must be from ours before a refusal is put down to it, in seconds.
const MIN_SKEW: i64 = 60;

/// By how many seconds the service's clock is ahead of ours, as far as it was seen. Clones share
/// it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Skew(Arc<AtomicI32>);

impl Skew {
    /// Our time as the service sees it.
    pub(crate) fn corrected(&self, now: Duration) -> Duration {
        let skew = self.0.load(Ordering::Relaxed);
        let seconds = Duration::from_secs(skew.unsigned_abs().into());
        if skew < 0 { now.saturating_sub(seconds) } else { now.saturating_add(seconds) }
    }

    /// Sets our idea of the service's time right, where its answer to a request of `signed_at`
    /// shows another; tells whether it does.
    pub(crate) fn learn(
        &self,
        response: &HttpResponse,
        signed_at: Option<Duration>,
        now: Duration,
    ) -> bool {
        let date = response.header("date").and_then(moment::http_date);
        let (Some(theirs), Some(ours)) = (date, signed_at) else { return false };
        if difference(theirs, ours).abs() < MIN_SKEW {
            return false;
        }
        // 68 years either way: a clock that is further off is not one.
        self.0.store(i32::try_from(difference(theirs, now)).unwrap_or(0), Ordering::Relaxed);
        true
    }
}

/// `a - b` in seconds.
fn difference(a: Duration, b: Duration) -> i64 {
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    seconds(a).saturating_sub(seconds(b))
}
