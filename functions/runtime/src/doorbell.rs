//! The doorbell: wakes the outbox relay after a commit. Best effort: a ring that is lost is made up
//! for by the sweep each minute.

use crate::adapters::{AwsBounds, aws_config};
use crate::config::{ConfigError, DOORBELL_QUEUE_URL, Lookup};
use aws_sdk_sqs::Client;
use core::time::Duration;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// A process rings at most once in this time: one immediate ring, then delayed ones.
const QUIET: Duration = Duration::from_secs(1);
/// How long a ring may hold up the answer to the client.
const RING_TIMEOUT: Duration = Duration::from_millis(800);

/// It is best effort: one attempt, within what an answer may be held up.
const BOUNDS: AwsBounds = AwsBounds {
    attempt_timeout: Duration::from_millis(700),
    operation_timeout: Duration::from_millis(700),
    attempts_max: 1,
};

/// Rings by a message in the doorbell queue. What it says does not matter.
#[derive(Debug)]
pub struct Doorbell {
    client: Client,
    queue_url: String,
    schedule: Mutex<Schedule>,
}

/// What a ring that is due does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ring {
    /// Wake the relay now.
    AtOnce,
    /// Wake it when the quiet time is over.
    Delayed,
    /// A delayed ring is under way and will come after this commit.
    Covered,
}

/// When this process rang, so that many commits share a ring and yet each is followed by one.
#[derive(Debug, Default)]
struct Schedule {
    /// The last ring, at once or delayed, takes effect then.
    last_effect: Option<Instant>,
}

impl Schedule {
    fn next(&mut self, now: Instant) -> Ring {
        let (ring, effect) = match self.last_effect {
            Some(effect) if now < effect => return Ring::Covered,
            Some(effect) if now < later(effect, QUIET) => (Ring::Delayed, later(now, QUIET)),
            _ => (Ring::AtOnce, now),
        };
        self.last_effect = Some(effect);
        ring
    }
}

fn later(at: Instant, by: Duration) -> Instant {
    at.checked_add(by).unwrap_or(at)
}

impl Doorbell {
    /// Rings at the queue of the configuration.
    ///
    /// # Errors
    /// Where the queue is not named.
    pub async fn configured(lookup: &Lookup<'_>) -> Result<Self, ConfigError> {
        let queue_url = lookup.required(DOORBELL_QUEUE_URL)?;
        let client = Client::new(&aws_config(BOUNDS).await);
        Ok(Self::new(client, queue_url))
    }

    /// Rings at `queue_url`, a standard queue.
    pub fn new(client: Client, queue_url: String) -> Self {
        Self {
            client,
            queue_url,
            schedule: Mutex::default(),
        }
    }

    /// Makes sure that the relay is woken after this moment. Waits for the queue's answer, since a
    /// function may be frozen once it has answered; never fails.
    pub async fn ring(&self) {
        let ring = self.lock().next(Instant::now());
        let delay_seconds = match ring {
            Ring::Covered => return,
            Ring::AtOnce => 0,
            Ring::Delayed => 1,
        };
        let sending = self
            .client
            .send_message()
            .queue_url(&self.queue_url)
            .delay_seconds(delay_seconds)
            .message_body("{}")
            .send();
        let failure = match tokio::time::timeout(RING_TIMEOUT, sending).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => aws_sdk_sqs::error::DisplayErrorContext(error).to_string(),
            Err(_) => "the queue did not answer in time".to_owned(),
        };
        // Nobody is covered by a ring that was not heard.
        self.lock().last_effect = None;
        tracing::warn!(
            reason = failure,
            "doorbell not rung; the sweep will find the event"
        );
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_ring_is_immediate_and_the_next_ones_share_a_delayed_one() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut schedule = Schedule::default();
        assert_eq!(schedule.next(at(0)), Ring::AtOnce);
        assert_eq!(schedule.next(at(10)), Ring::Delayed);
        assert_eq!(schedule.next(at(900)), Ring::Covered);
        assert_eq!(schedule.next(at(1_009)), Ring::Covered);
        assert_eq!(schedule.next(at(1_010)), Ring::Delayed);
        assert_eq!(schedule.next(at(5_000)), Ring::AtOnce);
    }

    proptest! {
        /// Every commit is followed by a ring within the quiet time, and no two rings that take
        /// effect are closer than it, but for an immediate one right after a delayed one's window.
        #[test]
        fn every_commit_is_followed_by_a_ring(gaps in prop::collection::vec(0_u64..2_500, 1..60)) {
            let start = Instant::now();
            let mut schedule = Schedule::default();
            let mut now = start;
            let mut pending_effect: Option<Instant> = None;
            for gap in gaps {
                now += Duration::from_millis(gap);
                match schedule.next(now) {
                    Ring::AtOnce => pending_effect = Some(now),
                    Ring::Delayed => pending_effect = Some(now + QUIET),
                    Ring::Covered => {}
                }
                let effect = pending_effect.expect("something was rung");
                prop_assert!(effect >= now, "a commit at {now:?} has no ring after it");
                prop_assert!(effect <= now + QUIET);
            }
        }
    }
}
