//! Bounds of a relay's run.

use super::RetryTerms;
use core::time::Duration;
use souk_postgres::outbox::{LeaseTerms, ReadLimits};

/// Events of a lane that are read at a time, at least: with fewer, a lane's turn costs more than it moves.
const EVENTS_PER_LANE_MIN: u16 = 16;

/// Bounds of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelaySettings {
    /// Who holds the leases. No two relays that run at the same time have the same.
    pub holder: String,
    /// How long a lease lasts without renewal. Longer than `publish_timeout`, by far.
    pub lease: Duration,
    /// Lanes leased at a time, at most.
    pub lanes_max: u8,
    /// Events read at a time of all lanes together, about: twice as many are in memory.
    pub events_per_read_max: u16,
    /// Events in a request to the queue, at most.
    pub batch_size_max: usize,
    /// Bytes in a request to the queue, at most.
    pub batch_bytes_max: usize,
    /// Requests to the queue at a time, at most.
    pub batches_in_flight_max: usize,
    /// The publisher's own bound on one request, with its retries.
    pub publish_timeout: Duration,
    /// How often the queue may refuse an event before it is put into quarantine.
    pub tries_max: u32,
    /// When an event that the queue has not taken is tried again.
    pub event_retry: RetryTerms,
    /// When a lane whose queue could not be reached is tried again.
    pub lane_retry: RetryTerms,
    /// How long between two tries to get more lanes.
    pub lease_again_after: Duration,
    /// How often a relay without lanes asks for those that others hold and have too many of.
    pub share_tries_max: u32,
    /// How long it waits between.
    pub share_wait: Duration,
}

impl Default for RelaySettings {
    fn default() -> Self {
        Self {
            holder: String::new(),
            lease: Duration::from_secs(30),
            lanes_max: 64,
            events_per_read_max: 2_048,
            // Limits of SendMessageBatch: 10 entries, 1 MiB in all.
            batch_size_max: 10,
            batch_bytes_max: 1_048_576,
            batches_in_flight_max: 8,
            publish_timeout: Duration::from_secs(8),
            // The waits add up to about an hour.
            tries_max: 12,
            event_retry: RetryTerms {
                first: Duration::from_secs(2),
                most: Duration::from_secs(600),
            },
            lane_retry: RetryTerms {
                first: Duration::from_secs(1),
                most: Duration::from_secs(60),
            },
            lease_again_after: Duration::from_millis(500),
            share_tries_max: 20,
            share_wait: Duration::from_millis(50),
        }
    }
}

impl RelaySettings {
    pub(super) fn terms(&self) -> LeaseTerms {
        LeaseTerms {
            holder: self.holder.clone(),
            lease: self.lease,
            tries_max: self.tries_max,
        }
    }

    /// How long a request to the queue may take: never so long that a renewed lease could end meanwhile.
    pub(super) fn request_timeout(&self) -> Duration {
        let half = self.lease.checked_div(2).unwrap_or_default();
        self.publish_timeout.min(half)
    }

    pub(super) fn limits(&self, lanes: usize) -> ReadLimits {
        let lanes = u16::try_from(lanes.max(1)).unwrap_or(u16::MAX);
        let each = self.events_per_read_max.checked_div(lanes).unwrap_or(0);
        let each = each.max(EVENTS_PER_LANE_MIN);
        ReadLimits {
            new_per_lane_max: each,
            late_per_lane_max: each,
            held_per_lane_max: each,
        }
    }
}
