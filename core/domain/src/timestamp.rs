//! Instants as Souk stores and shows them.

use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime, UtcOffset};

/// An instant in UTC with microsecond precision: what Postgres `timestamptz` keeps. Anything finer
/// is cut off on the way in, so that a value written and read back compares equal.
///
/// Text form: RFC 3339, section 5.6, with `Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(OffsetDateTime);

/// Why an instant cannot be represented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the instant is outside the years 0 to 9999")]
pub struct TimestampError;

/// Nanoseconds in a microsecond.
const NANOS_PER_MICRO: u32 = 1_000;

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const UNIX_EPOCH: Self = Self(OffsetDateTime::UNIX_EPOCH);

    /// Converts to UTC and cuts off what is finer than a microsecond.
    pub fn new(at: OffsetDateTime) -> Result<Self, TimestampError> {
        let utc = at.checked_to_offset(UtcOffset::UTC).ok_or(TimestampError)?;
        if !(0..=9999).contains(&utc.year()) {
            return Err(TimestampError);
        }
        let excess = utc.nanosecond().checked_rem(NANOS_PER_MICRO).unwrap_or(0);
        let cut = utc.nanosecond().saturating_sub(excess);
        utc.replace_nanosecond(cut)
            .map(Self)
            .map_err(|_| TimestampError)
    }

    /// From milliseconds since the Unix epoch.
    pub fn from_unix_ms(unix_ms: i64) -> Result<Self, TimestampError> {
        let nanos = i128::from(unix_ms)
            .checked_mul(1_000_000)
            .ok_or(TimestampError)?;
        let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| TimestampError)?;
        Self::new(at)
    }

    /// Milliseconds since the Unix epoch, rounded down.
    pub fn unix_ms(&self) -> i64 {
        let nanos = self.0.unix_timestamp_nanos();
        i64::try_from(nanos.div_euclid(1_000_000)).unwrap_or(i64::MAX)
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub fn unix_s(&self) -> i64 {
        self.0.unix_timestamp()
    }

    /// This instant moved by `by`, or an error outside the years that can be written.
    pub fn plus(&self, by: Duration) -> Result<Self, TimestampError> {
        self.0
            .checked_add(by)
            .ok_or(TimestampError)
            .and_then(Self::new)
    }

    /// The instant as the `time` crate's type.
    pub fn as_offset_date_time(&self) -> OffsetDateTime {
        self.0
    }
}

/// A text that is no instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a timestamp of RFC 3339, such as 2026-11-21T08:00:00Z")]
pub struct TimestampTextError;

impl FromStr for Timestamp {
    type Err = TimestampTextError;

    fn from_str(text: &str) -> Result<Self, TimestampTextError> {
        let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| TimestampTextError)?;
        Self::new(at).map_err(|_| TimestampTextError)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.format(&Rfc3339).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let at = OffsetDateTime::parse(&text, &Rfc3339).map_err(de::Error::custom)?;
        Self::new(at).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_form_keeps_every_microsecond(nanos in 0_i128..253_402_300_799_000_000_000) {
            let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap();
            let stamp = Timestamp::new(at).unwrap();
            let json = serde_json::to_string(&stamp).unwrap();
            prop_assert!(json.ends_with("Z\""));
            prop_assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), stamp);
            prop_assert_eq!(stamp.as_offset_date_time().nanosecond() % 1_000, 0);
        }
    }

    #[test]
    fn an_offset_is_converted_to_utc() {
        let parsed: Timestamp = serde_json::from_str("\"2026-11-21T10:00:00+02:00\"").unwrap();
        assert_eq!(parsed.to_string(), "2026-11-21T08:00:00Z");
    }
}
