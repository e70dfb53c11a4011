//! Time, as an emulator has it: this machine's, moved.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

/// `20231114T221320Z`.
pub(crate) const BASIC: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day]T[hour][minute][second]Z");
/// `2023-11-14T22:13:20Z`.
pub(crate) const EXTENDED: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
/// `2023-11-14`.
pub(crate) const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
/// `2023-11-14 22:13:20`.
pub(crate) const SPACED: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
/// `20231114221320000`, of Ping An's applications.
pub(crate) const COMPACT: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day][hour][minute][second][subsecond digits:3]");
/// `Tue, 14 Nov 2023 22:13:20 GMT`, the header `Date`.
pub(crate) const HTTP: &[BorrowedFormatItem<'_>] = format_description!(
    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
);

/// Seconds of one day.
pub(crate) const SECONDS_OF_DAY: i64 = 86_400;

/// A clock that is some seconds ahead of this machine's.
#[derive(Default)]
pub(crate) struct Clock(AtomicI64);

impl Clock {
    pub(crate) fn set_offset(&self, seconds: i64) {
        self.0.store(seconds, Ordering::Relaxed);
    }

    /// Milliseconds since the epoch.
    pub(crate) fn millis(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        i64::try_from(now).unwrap_or(i64::MAX) + self.0.load(Ordering::Relaxed) * 1000
    }

    /// Seconds since the epoch.
    pub(crate) fn seconds(&self) -> i64 {
        self.millis().div_euclid(1000)
    }
}

/// A moment, in seconds since the epoch, in a form.
pub(crate) fn format(seconds: i64, form: &[BorrowedFormatItem<'_>]) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|moment| moment.format(form).ok())
        .unwrap_or_default()
}

/// The seconds since the epoch of a moment in UTC.
pub(crate) fn parse(text: &str, form: &[BorrowedFormatItem<'_>]) -> Option<i64> {
    let moment = PrimitiveDateTime::parse(text, form).ok()?;
    Some(moment.assume_utc().unix_timestamp())
}
