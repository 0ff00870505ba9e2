//! One event on its way to one endpoint.

use super::{Jitter, retry_at};
use crate::{Timestamp, TimestampError, WordError};
use core::fmt;
use core::str::FromStr;

/// How far a delivery has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeliveryStatus {
    /// It is attempted, or will be.
    Pending,
    /// The endpoint has taken it.
    Delivered,
    /// The endpoint has not taken it in any attempt of its schedule.
    Failed,
    /// Its endpoint was disabled when its turn came. It can be replayed.
    Skipped,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AttemptOutcome {
    /// It has not ended.
    Started,
    /// With a status of 200 to 299.
    Delivered,
    /// With another status, or none at all.
    Failed,
    /// With the status 410: the endpoint wants no more (Standard Webhooks, "Delivery and retries").
    Gone,
    /// Who made it has not come back. It may have been delivered.
    Lost,
}

/// What becomes of a delivery after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// As what.
    pub status: DeliveryStatus,
    /// Failures since it was entered or replayed.
    pub failures: u32,
    /// When it is attempted again; none unless it is pending.
    pub next_attempt_at: Option<Timestamp>,
}

/// What becomes of a delivery that had failed `failures` times after an attempt that ended at `now`. A
/// lost attempt is repeated at once and counts as none: whoever lost it, it was not the endpoint.
///
/// # Errors
/// When the next attempt would be beyond the years that can be written.
pub fn after_attempt(
    failures: u32,
    outcome: AttemptOutcome,
    jitter: Jitter,
    now: Timestamp,
) -> Result<Step, TimestampError> {
    let failed = || {
        let failures = failures.saturating_add(1);
        let next_attempt_at = retry_at(failures, jitter, now)?;
        let status = match next_attempt_at {
            Some(_) => DeliveryStatus::Pending,
            None => DeliveryStatus::Failed,
        };
        Ok(Step {
            status,
            failures,
            next_attempt_at,
        })
    };
    match outcome {
        AttemptOutcome::Delivered => Ok(Step {
            status: DeliveryStatus::Delivered,
            failures,
            next_attempt_at: None,
        }),
        AttemptOutcome::Failed | AttemptOutcome::Gone => failed(),
        AttemptOutcome::Started | AttemptOutcome::Lost => Ok(Step {
            status: DeliveryStatus::Pending,
            failures,
            next_attempt_at: Some(now),
        }),
    }
}

macro_rules! words {
    ($type:ident: $expected:literal { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $type {
            /// The word for it, in JSON and in the database.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl FromStr for $type {
            type Err = WordError;

            fn from_str(word: &str) -> Result<Self, WordError> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(WordError { expected: $expected }),
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(super) use words;

words!(DeliveryStatus: "pending, delivered, failed, skipped" {
    Pending = "pending",
    Delivered = "delivered",
    Failed = "failed",
    Skipped = "skipped",
});
words!(AttemptOutcome: "started, delivered, failed, gone, lost" {
    Started = "started",
    Delivered = "delivered",
    Failed = "failed",
    Gone = "gone",
    Lost = "lost",
});

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests {
    use super::*;
    use crate::webhook::ATTEMPTS_MAX;

    /// Every way through: attempts until the end, at the exact times, with losses in between.
    #[test]
    fn it_ends_after_all_attempts_and_not_before() {
        let mut now = Timestamp::UNIX_EPOCH;
        let mut failures = 0;
        let mut waits_s = Vec::new();
        for attempt in 1..=ATTEMPTS_MAX {
            let lost = after_attempt(failures, AttemptOutcome::Lost, Jitter::NONE, now).unwrap();
            assert_eq!((lost.failures, lost.next_attempt_at), (failures, Some(now)));
            let step = after_attempt(failures, AttemptOutcome::Failed, Jitter::NONE, now).unwrap();
            assert_eq!(step.failures, attempt);
            failures = step.failures;
            let Some(next) = step.next_attempt_at else {
                assert_eq!(
                    (attempt, step.status),
                    (ATTEMPTS_MAX, DeliveryStatus::Failed)
                );
                break;
            };
            assert_eq!(step.status, DeliveryStatus::Pending);
            waits_s.push(next.unix_s() - now.unix_s());
            now = next;
        }
        assert_eq!(waits_s, [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000]);
        let done = after_attempt(3, AttemptOutcome::Delivered, Jitter::NONE, now).unwrap();
        assert_eq!(
            (done.status, done.next_attempt_at),
            (DeliveryStatus::Delivered, None)
        );
    }

    #[test]
    fn words_are_read_back() {
        for word in ["pending", "delivered", "failed", "skipped"] {
            assert_eq!(word.parse::<DeliveryStatus>().unwrap().as_str(), word);
        }
        for word in ["started", "delivered", "failed", "gone", "lost"] {
            assert_eq!(word.parse::<AttemptOutcome>().unwrap().as_str(), word);
        }
        assert!("other".parse::<DeliveryStatus>().is_err());
    }
}
