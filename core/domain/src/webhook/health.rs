//! When an endpoint is given up.

use super::{AttemptOutcome, DisabledBy};
use crate::Timestamp;
use time::Duration;

/// An endpoint that has failed for so long, without one success, is disabled.
pub const DISABLED_AFTER: Duration = Duration::days(5);

/// How an endpoint has fared of late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    /// The first failure after the last success; none where the last attempt succeeded.
    pub failing_since: Option<Timestamp>,
}

impl Health {
    /// How it fares after an attempt that ended at `now`, and by what it is to be disabled, if it is.
    #[must_use]
    pub fn after(self, outcome: AttemptOutcome, now: Timestamp) -> (Self, Option<DisabledBy>) {
        let gone = match outcome {
            AttemptOutcome::Delivered => return (Self::default(), None),
            // Nobody knows what became of it.
            AttemptOutcome::Started | AttemptOutcome::Lost => return (self, None),
            AttemptOutcome::Failed => false,
            AttemptOutcome::Gone => true,
        };
        let failing_since = self.failing_since.unwrap_or(now);
        let health = Self {
            failing_since: Some(failing_since),
        };
        // A limit that cannot be written is never reached.
        let limit = failing_since.plus(DISABLED_AFTER);
        let by = if gone {
            Some(DisabledBy::Gone)
        } else if limit.is_ok_and(|limit| now >= limit) {
            Some(DisabledBy::Failing)
        } else {
            None
        };
        (health, by)
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

    fn at(unix_ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(unix_ms).unwrap()
    }

    #[test]
    fn five_days_to_the_millisecond() {
        let (health, by) = Health::default().after(AttemptOutcome::Failed, at(7));
        assert_eq!((health.failing_since, by), (Some(at(7)), None));
        let (same, by) = health.after(AttemptOutcome::Failed, at(7 + 5 * DAY_MS - 1));
        assert_eq!((same, by), (health, None));
        let (_, by) = health.after(AttemptOutcome::Failed, at(7 + 5 * DAY_MS));
        assert_eq!(by, Some(DisabledBy::Failing));
    }

    #[test]
    fn one_success_starts_anew() {
        let (failing, _) = Health::default().after(AttemptOutcome::Failed, at(0));
        let (well, by) = failing.after(AttemptOutcome::Delivered, at(4 * DAY_MS));
        assert_eq!((well, by), (Health::default(), None));
        let (_, by) = well.after(AttemptOutcome::Failed, at(6 * DAY_MS));
        assert_eq!(by, None);
    }

    #[test]
    fn an_endpoint_that_says_that_it_is_gone_is_believed() {
        let (_, by) = Health::default().after(AttemptOutcome::Gone, at(0));
        assert_eq!(by, Some(DisabledBy::Gone));
    }

    proptest! {
        /// Whatever happens: nothing is disabled that has had a success in the five days before.
        #[test]
        fn never_without_five_days_of_failure(
            steps in prop::collection::vec((0_i64..3 * DAY_MS, any::<bool>()), 1..40)
        ) {
            let mut health = Health::default();
            let mut now = 0;
            let mut first_failure: Option<i64> = None;
            for (pause, succeeds) in steps {
                now += pause;
                let outcome = if succeeds { AttemptOutcome::Delivered } else { AttemptOutcome::Failed };
                first_failure = if succeeds { None } else { first_failure.or(Some(now)) };
                let by;
                (health, by) = health.after(outcome, at(now));
                let expected = first_failure.is_some_and(|first| now - first >= 5 * DAY_MS);
                prop_assert_eq!(by.is_some(), expected);
                prop_assert_eq!(health.failing_since, first_failure.map(at));
            }
        }
    }
}
