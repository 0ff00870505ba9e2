//! What a run of a relay did.

use core::time::Duration;
use std::collections::BTreeMap;

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RelayReport {
    /// Events that the queue took.
    pub published: u64,
    /// Events that it did not want, or failed to take while it took others: they are held, each with its
    /// aggregate, and tried again.
    pub failed: u64,
    /// Of those, events that were put into quarantine.
    pub quarantined: u64,
    /// Events that were sent to a queue which could not be reached, and wait with their lane.
    pub unreached: u64,
    /// Requests to the queue.
    pub requests: u64,
    /// Lanes that another relay took over meanwhile.
    pub lanes_lost: u64,
    /// Lanes that were taken over from a relay that had not given them back.
    pub lanes_taken_over: u64,
    /// Whether the run ended for lack of time.
    pub out_of_time: bool,
    /// How long after they happened events were taken, in milliseconds: how many, by the least value of
    /// their bucket.
    pub lag_ms: BTreeMap<u64, u64>,
}

impl RelayReport {
    /// What both did.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        for (bucket, count) in other.lag_ms {
            let sum = self.lag_ms.entry(bucket).or_default();
            *sum = sum.saturating_add(count);
        }
        Self {
            published: self.published.saturating_add(other.published),
            failed: self.failed.saturating_add(other.failed),
            quarantined: self.quarantined.saturating_add(other.quarantined),
            unreached: self.unreached.saturating_add(other.unreached),
            requests: self.requests.saturating_add(other.requests),
            lanes_lost: self.lanes_lost.saturating_add(other.lanes_lost),
            lanes_taken_over: self.lanes_taken_over.saturating_add(other.lanes_taken_over),
            out_of_time: self.out_of_time || other.out_of_time,
            lag_ms: self.lag_ms,
        }
    }

    pub(super) fn took(&mut self, lag: Duration) {
        self.published = self.published.saturating_add(1);
        let ms = u64::try_from(lag.as_millis()).unwrap_or(u64::MAX);
        let count = self.lag_ms.entry(bucket(ms)).or_default();
        *count = count.saturating_add(1);
    }
}

/// The six leading bits of a value: a bucket is at most a 32nd of its values wide.
fn bucket(value: u64) -> u64 {
    let length = u64::BITS.saturating_sub(value.leading_zeros());
    value & u64::MAX.checked_shl(length.saturating_sub(6)).unwrap_or(0)
}
