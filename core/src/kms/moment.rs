//! Moments, as cloud services write them.

use std::time::Duration;

use time::format_description::well_known::Rfc3339;
use time::{Date, Month, OffsetDateTime};

use crate::error::{Error, Result};

/// The form `20231114T221320Z` that SigV4 signs; its first eight characters are the day.
///
/// # Errors
/// `invalid_argument` for a time after the year 9999.
pub(crate) fn basic(unix_time: Duration) -> Result<String> {
    let seconds = i64::try_from(unix_time.as_secs()).unwrap_or(i64::MAX);
    let at = OffsetDateTime::from_unix_timestamp(seconds)
        .map_err(|_| Error::invalid("the clock shows no time that can be written"))?;
    Ok(format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    ))
}

/// The form `2023-11-14T22:13:20Z`; its first ten characters are the day.
///
/// # Errors
/// `invalid_argument` for a time after the year 9999.
pub(crate) fn extended(unix_time: Duration) -> Result<String> {
    let basic = basic(unix_time)?;
    let part = |range: std::ops::Range<usize>| &basic[range];
    let (year, month, day) = (part(0..4), part(4..6), part(6..8));
    Ok(format!("{year}-{month}-{day}T{}:{}:{}Z", part(9..11), part(11..13), part(13..15)))
}

/// The time in a `Date` or `Retry-After` header, in the one form that servers write: `Tue, 14 Nov
/// 2023 22:13:20 GMT` (RFC 9110, section 5.6.7).
pub(crate) fn http_date(text: &str) -> Option<Duration> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_weekday, text) = text.split_once(',')?;
    let mut words = text.strip_prefix(' ')?.split([' ', ':']);
    let day = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = u8::try_from(MONTHS.iter().position(|name| *name == month)? + 1).ok()?;
    let year: u16 = words.next()?.parse().ok()?;
    let mut next = || words.next()?.parse().ok();
    let (hour, minute, second) = (next()?, next()?, next()?);
    if words.next() != Some("GMT") || words.next().is_some() {
        return None;
    }
    let date = Date::from_calendar_date(year.into(), Month::try_from(month).ok()?, day).ok()?;
    since_1970(date.with_hms(hour, minute, second).ok()?.assume_utc())
}

/// The time in the form `2023-11-14T22:13:20Z`.
pub(crate) fn rfc_3339(text: &str) -> Option<Duration> {
    since_1970(OffsetDateTime::parse(text, &Rfc3339).ok()?)
}

fn since_1970(at: OffsetDateTime) -> Option<Duration> {
    u64::try_from(at.unix_timestamp()).ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Duration = Duration::from_secs(1_700_000_000);

    #[test]
    fn moments_are_written_and_read() {
        assert_eq!(basic(AT).as_deref(), Ok("20231114T221320Z"));
        assert_eq!(extended(AT).as_deref(), Ok("2023-11-14T22:13:20Z"));
        assert_eq!(basic(Duration::ZERO).as_deref(), Ok("19700101T000000Z"));
        assert_eq!(basic(Duration::from_secs(951_827_696)).as_deref(), Ok("20000229T123456Z"));
        assert!(basic(Duration::MAX).is_err());
        assert_eq!(http_date("Tue, 14 Nov 2023 22:13:20 GMT"), Some(AT));
        for text in
            ["2023-11-14T22:13:20Z", "2023-11-14T22:13:20.999Z", "2023-11-14T23:13:20+01:00"]
        {
            assert_eq!(rfc_3339(text), Some(AT), "{text}");
        }
        let wrong =
            ["14 Nov 2023 22:13:20 GMT", "Tue, 14 ovD 2023 22:13:20 GMT", "Tue, 14 Nov 2023"];
        assert_eq!(wrong.map(http_date), [None; 3]);
        for text in ["", "now", "Tue, 14 Nov 1923 22:13:20 GMT", "Tue, 32 Nov 2023 22:13:20 GMT"] {
            assert_eq!((http_date(text), rfc_3339(text)), (None, None), "{text}");
        }
    }
}
