//! Points in time and ranges of it, as people write them in commands, URLs and pages.

use std::fmt;

use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};
use pipeline::quantity;

/// Microseconds in a second.
pub(crate) const SECOND_US: i64 = 1_000_000;

/// From a time on, up to but without another; microseconds since 1970. A window belongs to the
/// range that holds its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// First microsecond of the range.
    pub from_us: i64,
    /// First microsecond behind the range.
    pub to_us: i64,
}

/// A time that cannot be read, with what would do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {wanted}")]
pub struct TimeError {
    text: String,
    wanted: &'static str,
}

impl TimeRange {
    /// Everything.
    pub const ALL: Self = Self { from_us: i64::MIN, to_us: i64::MAX };

    /// The last `duration_us` before `now_us`.
    pub fn since(duration_us: i64, now_us: i64) -> Self {
        Self { from_us: now_us.saturating_sub(duration_us), to_us: now_us }
    }

    /// Whether nothing can lie in the range.
    pub fn is_empty(&self) -> bool {
        self.from_us >= self.to_us
    }

    /// Whether a window that starts then belongs to the range.
    pub fn holds(&self, time_us: i64) -> bool {
        self.from_us <= time_us && time_us < self.to_us
    }

    /// Whether all times from `first_us` to `last_us` lie in the range.
    pub(crate) fn covers(&self, first_us: i64, last_us: i64) -> bool {
        self.holds(first_us) && self.holds(last_us)
    }

    /// Whether any time from `first_us` to `last_us` may lie in the range.
    pub(crate) fn meets(&self, first_us: i64, last_us: i64) -> bool {
        first_us < self.to_us && last_us >= self.from_us
    }
}

impl fmt::Display for TimeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ALL => f.write_str("all time"),
            Self { from_us, to_us } => {
                write!(f, "{} to {}", Moment(from_us), Moment(to_us))
            }
        }
    }
}

/// A time for people: RFC 3339 in UTC, to the second.
pub(crate) struct Moment(pub i64);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_microsecond(self.0).and_then(|at| {
            at.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Floor))
        }) {
            Ok(at) => at.fmt(f),
            Err(_) if self.0 < 0 => f.write_str("the beginning"),
            Err(_) => f.write_str("the end"),
        }
    }
}

/// Now, in microseconds since 1970.
pub fn now_us() -> i64 {
    Timestamp::now().as_microsecond()
}

/// Reads `now`, `now-2h`, RFC 3339, or Unix seconds with or without a fraction, as microseconds
/// since 1970.
pub fn parse_time(text: &str, now_us: i64) -> Result<i64, TimeError> {
    let wanted = "time: RFC 3339, Unix seconds, `now` or `now-2h`";
    let error = || TimeError { text: text.to_owned(), wanted };
    let text = text.trim();
    if let Some(rest) = text.strip_prefix("now") {
        return match rest.as_bytes().first() {
            None => Ok(now_us),
            Some(b'-') => Ok(now_us.saturating_sub(parse_duration(&rest[1..])?)),
            Some(b'+') => Ok(now_us.saturating_add(parse_duration(&rest[1..])?)),
            Some(_) => Err(error()),
        };
    }
    let numeric = |b: u8| b.is_ascii_digit() || b == b'.' || b == b'-' || b == b'+';
    if text.bytes().all(numeric)
        && let Ok(seconds) = text.parse::<f64>()
    {
        let us = seconds * SECOND_US as f64;
        let whole = SignedDuration::from_micros(us.round() as i64);
        return match Timestamp::from_duration(whole) {
            Ok(at) if us.is_finite() => Ok(at.as_microsecond()),
            _ => Err(error()),
        };
    }
    text.parse::<Timestamp>().map(|at| at.as_microsecond()).map_err(|_| error())
}

/// Reads `15m`, `1h30m`, `7d`, `1.5h` as a config does. Microseconds, never negative.
pub fn parse_duration(text: &str) -> Result<i64, TimeError> {
    let duration = quantity::parse_duration(text.trim()).ok();
    let us = duration.and_then(|duration| i64::try_from(duration.as_micros()).ok());
    let wanted = "duration: `15m`, `1h30m`, `7d`, …";
    us.ok_or_else(|| TimeError { text: text.to_owned(), wanted })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_763_829_000 * SECOND_US;

    #[test]
    fn times_as_people_write_them() {
        for (text, want) in [
            ("now", Some(NOW)),
            (" now ", Some(NOW)),
            ("now-2h", Some(NOW - 7_200 * SECOND_US)),
            ("now-1h30m", Some(NOW - 5_400 * SECOND_US)),
            ("now+1s", Some(NOW + SECOND_US)),
            ("1763829000", Some(NOW)),
            ("1763829000.25", Some(NOW + 250_000)),
            ("-1", Some(-SECOND_US)),
            ("0", Some(0)),
            ("2025-11-22T16:30:00Z", Some(NOW)),
            ("2025-11-22T17:30:00.5+01:00", Some(NOW + 500_000)),
            ("nowish", None),
            ("now-", None),
            ("now-2", None),
            ("", None),
            ("inf", None),
            ("1e9", None),
            ("99999999999999999999", None),
            ("2025-11-22", None),
            ("yesterday", None),
        ] {
            assert_eq!(parse_time(text, NOW).ok(), want, "{text}");
        }
        let error = parse_time("soon", NOW).unwrap_err().to_string();
        assert_eq!(error, "`soon` is no time: RFC 3339, Unix seconds, `now` or `now-2h`");
    }

    #[test]
    fn durations_as_people_write_them() {
        for (text, want) in [
            ("15m", Some(900 * SECOND_US)),
            ("7d", Some(7 * 86_400 * SECOND_US)),
            ("1w", Some(7 * 86_400 * SECOND_US)),
            ("1.5h", Some(5_400 * SECOND_US)),
            ("1h30m", Some(5_400 * SECOND_US)),
            ("250ms", Some(250_000)),
            ("", None),
            ("-1h", None),
            ("1", None),
            ("h", None),
            ("1y", None),
            ("1.2.3s", None),
            ("99999999999999w", None),
        ] {
            assert_eq!(parse_duration(text).ok(), want, "{text}");
        }
    }

    #[test]
    fn ranges_end_before_their_end() {
        let range = TimeRange::since(10, 100);
        assert_eq!((range.holds(90), range.holds(99), range.holds(100)), (true, true, false));
        assert!(range.covers(90, 99) && !range.covers(89, 95) && !range.covers(95, 100));
        assert!(range.meets(0, 90) && range.meets(99, 200) && !range.meets(100, 200));
        assert!(!range.meets(0, 89) && !range.is_empty() && TimeRange::since(0, 1).is_empty());
        assert_eq!(TimeRange::ALL.to_string(), "all time");
        let hour = TimeRange::since(3_600 * SECOND_US, NOW).to_string();
        assert_eq!(hour, "2025-11-22T15:30:00Z to 2025-11-22T16:30:00Z");
    }
}
