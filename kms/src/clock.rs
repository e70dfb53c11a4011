//! Time, injected.

use std::fmt;

use keyfold::maybe_send::MaybeSendSync;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since the Unix epoch, UTC. On the wire: seconds, with a fraction.
///
/// ```
/// use keyfold_kms::Timestamp;
///
/// let created = Timestamp::from_millis(1_700_000_000_000);
/// assert_eq!(created.to_string(), "2023-11-14T22:13:20.000Z");
/// assert_eq!(created.plus_days(30), created.plus(30 * Timestamp::DAY));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// One second.
    pub const SECOND: i64 = 1000;
    /// One day.
    pub const DAY: i64 = 24 * 60 * 60 * Self::SECOND;

    /// A point in time, in milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Timestamp(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// This many milliseconds later; stays at the end of time.
    #[must_use]
    pub const fn plus(self, millis: i64) -> Self {
        Timestamp(self.0.saturating_add(millis))
    }

    /// This many days later.
    #[must_use]
    pub fn plus_days(self, days: u32) -> Self {
        self.plus(i64::from(days) * Self::DAY)
    }

    /// Big-endian bytes whose order is the order of time, from the epoch on.
    pub(crate) fn sort_key(self) -> [u8; 8] {
        u64::try_from(self.0).unwrap_or(0).to_be_bytes()
    }
}

/// As RFC 3339 has it, in UTC.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Civil date from days (H. Hinnant, "chrono-compatible low-level date algorithms").
        let (days, millis) = (self.0.div_euclid(Self::DAY), self.0.rem_euclid(Self::DAY));
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
        let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let seconds = millis / 1000;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60,
            millis % 1000
        )
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Exact for every date this century: milliseconds need 42 of the 53 bits.
        #[expect(clippy::cast_precision_loss)]
        serializer.serialize_f64(self.0 as f64 / 1000.0)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        // A float cast saturates; NaN does not come out of JSON.
        #[expect(clippy::cast_possible_truncation)]
        Ok(Timestamp((seconds * 1000.0).round() as i64))
    }
}

/// Tells the time.
///
/// ```
/// use keyfold_kms::types::CreateKeyRequest;
/// use keyfold_kms::{Clock, Engine, EngineOptions, Timestamp};
///
/// struct Noon; // a test's clock
/// impl Clock for Noon {
///     fn now(&self) -> Timestamp {
///         Timestamp::from_millis(12 * 60 * 60 * Timestamp::SECOND)
///     }
/// }
/// let options = EngineOptions { clock: Box::new(Noon), ..EngineOptions::default() };
/// let engine = Engine::in_memory_with(options)?;
/// let key = engine.call(&engine.owner(), &CreateKeyRequest::default())?.key_metadata;
/// assert_eq!(key.creation_date.to_string(), "1970-01-01T12:00:00.000Z");
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
pub trait Clock: MaybeSendSync {
    /// Now.
    fn now(&self) -> Timestamp;
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

/// The system's clock. WebAssembly in a browser has none: the host passes its own.
///
/// ```
/// use keyfold_kms::{Clock, Timestamp, clock::SystemClock};
///
/// assert!(SystemClock.now() > Timestamp::from_millis(1_700_000_000_000)); // 2023
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Timestamp(since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_rfc_3339() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp(951_782_400_123).to_string(), "2000-02-29T00:00:00.123Z");
        assert_eq!(Timestamp(1_795_305_599_999).to_string(), "2026-11-21T23:59:59.999Z");
    }

    #[test]
    fn the_wire_form_keeps_milliseconds() {
        for millis in [0, 1, 999, 1_795_305_599_999, 4_102_444_800_001] {
            let json = serde_json::to_string(&Timestamp(millis)).expect("a number");
            assert_eq!(serde_json::from_str::<Timestamp>(&json).expect("a number").0, millis);
        }
    }
}
