//! Identities that sort by time.

use crate::IdGenerator;
use souk_domain::Timestamp;
use std::sync::{Mutex, PoisonError};
use uuid::{ContextV7, Uuid};

/// Nanoseconds in a millisecond.
const NANOS_PER_MS: u32 = 1_000_000;
/// Milliseconds in a second.
const MS_PER_S: u64 = 1_000;

/// UUIDs of version 7 from the operating system's randomness.
///
/// Their milliseconds are those of the instant that they are made for, so that a range of ids is a
/// range of time; those of one millisecond rise in the order in which the process makes them (RFC 9562,
/// section 6.2, method 1).
#[derive(Debug, Clone, Copy, Default)]
pub struct TimeOrderedIds;

/// The millisecond that the process has made its last id for, and what makes those of it rise.
static LAST: Mutex<Option<(u64, ContextV7)>> = Mutex::new(None);

impl IdGenerator for TimeOrderedIds {
    fn uuid_v7(&self, now: Timestamp) -> Uuid {
        let unix_ms = u64::try_from(now.unix_ms()).unwrap_or(0);
        let seconds = unix_ms.checked_div(MS_PER_S).unwrap_or(0);
        let ms = unix_ms.checked_rem(MS_PER_S).unwrap_or(0);
        let nanos = u32::try_from(ms).unwrap_or(0).saturating_mul(NANOS_PER_MS);
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        // A context holds on to the latest instant it has seen. This one is for one instant only: an
        // id that is later than its order would be left out of lists by time.
        let context = match last.take() {
            Some((at, context)) if at == unix_ms => context,
            _ => ContextV7::new(),
        };
        let id = Uuid::new_v7(uuid::Timestamp::from_unix(&context, seconds, nanos));
        *last = Some((unix_ms, context));
        id
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests {
    use super::*;

    fn at(unix_ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(unix_ms).unwrap()
    }

    fn ms_of(id: Uuid) -> u64 {
        let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
        seconds * 1_000 + u64::from(nanos) / 1_000_000
    }

    #[test]
    fn ids_have_the_time_they_are_made_for_also_when_the_clock_goes_back() {
        let ids = TimeOrderedIds;
        for unix_ms in [1_795_248_000_123, 1_795_248_000_124, 1_795_248_000_122, 0] {
            let id = ids.uuid_v7(at(unix_ms));
            assert_eq!(id.get_version_num(), 7);
            assert_eq!(ms_of(id), u64::try_from(unix_ms).unwrap());
        }
    }

    #[test]
    fn ids_of_one_instant_rise_and_never_repeat() {
        let ids = TimeOrderedIds;
        let mut last = ids.uuid_v7(at(7));
        for _ in 0..10_000 {
            let next = ids.uuid_v7(at(7));
            assert!(last < next);
            last = next;
        }
        assert!(last < ids.uuid_v7(at(8)));
    }
}
