//! When a delivery is attempted again.

use crate::{EventId, Timestamp, TimestampError, WebhookEndpointId};
use sha2::{Digest as _, Sha256};
use time::Duration;

/// Seconds between an attempt that failed and the next one. The first attempt is at once.
pub const RETRY_DELAYS_S: [u32; 7] = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000];
/// Attempts of a delivery, the first one included.
pub const ATTEMPTS_MAX: u32 = 8;
/// How much longer than its delay a wait may be, in millionths of it.
pub const JITTER_PPM_MAX: u32 = 100_000;

/// Millionths.
const ONE_PPM: i64 = 1_000_000;
const MS_PER_S: i64 = 1_000;

/// How much longer than its delay a wait is: so that what failed together is not tried again together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jitter {
    ppm: u32,
}

impl Jitter {
    /// None at all.
    pub const NONE: Self = Self { ppm: 0 };

    /// That of the wait after the `failures`th failure of a delivery: the same whenever it is asked for,
    /// spread evenly over deliveries and failures.
    pub fn of(endpoint: WebhookEndpointId, event: EventId, failures: u32) -> Self {
        let mut hash = Sha256::new();
        hash.update(endpoint.as_uuid().as_bytes());
        hash.update(event.as_uuid().as_bytes());
        hash.update(failures.to_be_bytes());
        let digest = hash.finalize();
        let (head, _) = digest.split_at(4);
        let number = u32::from_be_bytes(head.try_into().unwrap_or_default());
        let ppm = number.checked_rem(JITTER_PPM_MAX.saturating_add(1));
        Self {
            ppm: ppm.unwrap_or(0),
        }
    }
}

/// When a delivery is attempted again that has failed `failures` times since it was entered or replayed,
/// the last time at `now`; none when that was the last attempt.
///
/// # Errors
/// When that is beyond the years that can be written.
pub fn retry_at(
    failures: u32,
    jitter: Jitter,
    now: Timestamp,
) -> Result<Option<Timestamp>, TimestampError> {
    let index = failures.checked_sub(1).map_or(usize::MAX, |index| {
        usize::try_from(index).unwrap_or(usize::MAX)
    });
    let Some(seconds) = RETRY_DELAYS_S.get(index) else {
        return Ok(None);
    };
    let delay_ms = i64::from(*seconds).saturating_mul(MS_PER_S);
    let longer_by_ms = delay_ms
        .saturating_mul(i64::from(jitter.ppm))
        .checked_div(ONE_PPM)
        .unwrap_or(0);
    let wait = Duration::milliseconds(delay_ms.saturating_add(longer_by_ms));
    now.plus(wait).map(Some)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn after_ms(failures: u32, jitter: Jitter) -> Option<i64> {
        let at = retry_at(failures, jitter, Timestamp::UNIX_EPOCH).unwrap();
        at.map(|at| at.unix_ms())
    }

    #[test]
    fn the_schedule() {
        let waits: Vec<_> = (1..=9)
            .map(|failures| after_ms(failures, Jitter::NONE))
            .collect();
        let minute = 60_000;
        let hour = 60 * minute;
        let expected = [
            5_000,
            5 * minute,
            30 * minute,
            2 * hour,
            5 * hour,
            10 * hour,
            10 * hour,
        ];
        let mut expected = expected.map(Some).to_vec();
        expected.extend([None, None]);
        assert_eq!(waits, expected);
        assert_eq!(after_ms(0, Jitter::NONE), None);
        assert_eq!(
            usize::try_from(ATTEMPTS_MAX).unwrap(),
            RETRY_DELAYS_S.len() + 1
        );
    }

    proptest! {
        #[test]
        fn jitter_is_repeatable_and_within_its_bounds(
            endpoint: u128, event: u128, failures in 1_u32..=7
        ) {
            let endpoint = WebhookEndpointId::from_uuid(Uuid::from_u128(endpoint));
            let event = EventId::from_uuid(Uuid::from_u128(event));
            let jitter = Jitter::of(endpoint, event, failures);
            prop_assert_eq!(jitter, Jitter::of(endpoint, event, failures));
            let plain = after_ms(failures, Jitter::NONE).unwrap();
            let waited = after_ms(failures, jitter).unwrap();
            prop_assert!(waited >= plain && waited <= plain + plain / 10);
        }

        /// No failure of the clock's making: any number of failures at any time is answered.
        #[test]
        fn total(failures: u32, unix_ms in 0_i64..253_402_300_799_000) {
            let now = Timestamp::from_unix_ms(unix_ms).unwrap();
            if let Ok(Some(at)) = retry_at(failures, Jitter::NONE, now) {
                prop_assert!(at > now && failures < ATTEMPTS_MAX);
            }
        }
    }

    #[test]
    fn jitter_spreads() {
        let endpoint = WebhookEndpointId::from_uuid(Uuid::nil());
        let of = |n| Jitter::of(endpoint, EventId::from_uuid(Uuid::from_u128(n)), 1).ppm;
        let (low, high) = (0..1_000).map(of).fold((0, 0), |(low, high), ppm| {
            if ppm < JITTER_PPM_MAX / 2 {
                (low + 1, high)
            } else {
                (low, high + 1)
            }
        });
        assert!(low > 400 && high > 400, "{low} and {high}");
    }
}
