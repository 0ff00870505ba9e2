//! Takes events out of the outbox and puts them into the queue, in order, at least once.
//!
//! Order within an aggregate holds because an aggregate's events share a lane, a lane has one
//! leaseholder, no request to the queue carries two events of one aggregate, and an event is sent
//! only after the queue has taken the one before it. A leaseholder that lost its lease without
//! noticing can send an event a second time, but never a later event before an earlier one. Marks
//! that it makes then are refused by its token.

use crate::{EventPublisher, OutgoingEvent};
use core::time::Duration;
use futures::future::join_all;
use souk_domain::{EventId, Subject};
use souk_postgres::outbox::{self, BatchResult, LaneLease, UnpublishedEvent};
use souk_postgres::{Database, DatabaseError};
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;
use uuid::Uuid;

/// Bounds of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelaySettings {
    /// Who holds the leases, for operators.
    pub holder: String,
    /// How long a lease lasts without renewal. Longer than `publish_timeout`, by far.
    pub lease: Duration,
    /// Lanes leased at a time, at most.
    pub lanes_max: u8,
    /// Events read of one lane at a time, at most.
    pub events_per_lane_max: u16,
    /// Events in a request to the queue, at most.
    pub batch_size_max: usize,
    /// Bytes of bodies in a request to the queue, at most.
    pub batch_bytes_max: usize,
    /// Requests to the queue at a time, at most.
    pub batches_in_flight_max: usize,
    /// The publisher's own bound on one request, with its retries.
    pub publish_timeout: Duration,
}

impl Default for RelaySettings {
    fn default() -> Self {
        Self {
            holder: String::new(),
            lease: Duration::from_secs(30),
            lanes_max: 64,
            events_per_lane_max: 100,
            // Limits of SendMessageBatch: 10 entries; the bytes are the older, smaller limit, which
            // every SQS keeps to.
            batch_size_max: 10,
            batch_bytes_max: 262_144,
            batches_in_flight_max: 4,
            publish_timeout: Duration::from_secs(8),
        }
    }
}

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RelayReport {
    /// Events that the queue took.
    pub published: u64,
    /// Attempts that failed; these events stay in the outbox.
    pub failed: u64,
    /// Lanes that another relay took over meanwhile.
    pub lanes_lost: u64,
    /// Whether the run ended for lack of time.
    pub out_of_time: bool,
}

impl RelayReport {
    /// What both did.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            published: self.published.saturating_add(other.published),
            failed: self.failed.saturating_add(other.failed),
            lanes_lost: self.lanes_lost.saturating_add(other.lanes_lost),
            out_of_time: self.out_of_time || other.out_of_time,
        }
    }
}

/// Publishes what waits in lanes that are free, until nothing is left that can be sent or until
/// `stop_at`; then gives the leases back.
///
/// An event that the queue refuses holds back its own aggregate for the rest of the run, and nothing
/// else.
///
/// # Errors
/// A failing database ends the run. Events that were sent but could not be marked are sent again by
/// a later run.
pub async fn relay_outbox<P: EventPublisher>(
    db: &Database,
    publisher: &P,
    settings: &RelaySettings,
    stop_at: Instant,
) -> Result<RelayReport, DatabaseError> {
    let mut run = Run {
        db,
        publisher,
        settings,
        stop_at,
        held: BTreeSet::new(),
        report: RelayReport::default(),
    };
    loop {
        if Instant::now() >= stop_at {
            run.report.out_of_time = true;
            break;
        }
        let leases =
            outbox::lease_lanes(db, &settings.holder, settings.lanes_max, settings.lease).await?;
        if leases.is_empty() {
            break;
        }
        let published_before = run.report.published;
        let mut lanes = Lanes {
            leases,
            renewed_at: Instant::now(),
        };
        let drained = run.drain(&mut lanes).await;
        if !lanes.leases.is_empty()
            && let Err(error) = outbox::release_lanes(db, &lanes.leases).await
        {
            tracing::warn!(%error, "leases could not be given back; they end by themselves");
        }
        drained?;
        if run.report.published == published_before {
            break;
        }
    }
    Ok(run.report)
}

/// The leases of a run, and when they were last known to be valid in full.
struct Lanes {
    leases: Vec<LaneLease>,
    renewed_at: Instant,
}

impl Lanes {
    fn holds(&self, lane: i16) -> bool {
        self.leases.iter().any(|lease| lease.lane == lane)
    }
}

struct Run<'a, P> {
    db: &'a Database,
    publisher: &'a P,
    settings: &'a RelaySettings,
    stop_at: Instant,
    /// Aggregates with an event that the queue refused in this run.
    held: BTreeSet<Uuid>,
    report: RelayReport,
}

impl<P: EventPublisher> Run<'_, P> {
    async fn drain(&mut self, lanes: &mut Lanes) -> Result<(), DatabaseError> {
        while !lanes.leases.is_empty() {
            let held: Vec<Uuid> = self.held.iter().copied().collect();
            let per_lane = self.settings.events_per_lane_max;
            let events = outbox::read_lanes(self.db, &lanes.leases, &held, per_lane).await?;
            if events.is_empty() {
                break;
            }
            for wave in into_waves(events) {
                for group in self.groups_of(wave) {
                    if Instant::now() >= self.stop_at {
                        self.report.out_of_time = true;
                        return Ok(());
                    }
                    self.publish_group(lanes, group).await?;
                }
            }
        }
        Ok(())
    }

    /// Batches of a wave, in groups that are sent at one time.
    fn groups_of(&self, wave: Vec<UnpublishedEvent>) -> Vec<Vec<Vec<UnpublishedEvent>>> {
        let batches = into_batches(
            wave,
            self.settings.batch_size_max,
            self.settings.batch_bytes_max,
        );
        let mut groups: Vec<Vec<Vec<UnpublishedEvent>>> = Vec::new();
        for batch in batches {
            match groups.last_mut() {
                Some(group) if group.len() < self.settings.batches_in_flight_max => {
                    group.push(batch);
                }
                _ => groups.push(vec![batch]),
            }
        }
        groups
    }

    async fn publish_group(
        &mut self,
        lanes: &mut Lanes,
        group: Vec<Vec<UnpublishedEvent>>,
    ) -> Result<(), DatabaseError> {
        // No request may be under way when its lease ends.
        if lanes
            .renewed_at
            .elapsed()
            .saturating_add(self.settings.publish_timeout)
            >= self.settings.lease
        {
            self.record(lanes, &BatchResult::default()).await?;
        }
        let sendable: Vec<Vec<UnpublishedEvent>> = group
            .into_iter()
            .map(|batch| {
                let ours = |e: &UnpublishedEvent| {
                    lanes.holds(e.lane) && !self.held.contains(&e.aggregate_id)
                };
                batch.into_iter().filter(ours).collect::<Vec<_>>()
            })
            .filter(|batch| !batch.is_empty())
            .collect();
        if sendable.is_empty() {
            return Ok(());
        }
        let outcomes = join_all(sendable.iter().map(|batch| self.send(batch))).await;
        let mut result = BatchResult::default();
        for (event, outcome) in sendable
            .into_iter()
            .flatten()
            .zip(outcomes.into_iter().flatten())
        {
            match outcome {
                Ok(()) => result.published.push(event.position),
                Err(reason) => {
                    self.held.insert(event.aggregate_id);
                    result.failed.push((event.position, reason));
                }
            }
        }
        self.record(lanes, &result).await?;
        self.report.published = self
            .report
            .published
            .saturating_add(len_u64(result.published.len()));
        self.report.failed = self
            .report
            .failed
            .saturating_add(len_u64(result.failed.len()));
        Ok(())
    }

    async fn send(&self, batch: &[UnpublishedEvent]) -> Vec<Result<(), String>> {
        let outgoing: Vec<OutgoingEvent> = batch.iter().map(to_outgoing).collect();
        let sent = tokio::time::timeout(
            self.settings.publish_timeout,
            self.publisher.publish(&outgoing),
        );
        let mut outcomes: Vec<Result<(), String>> = match sent.await {
            Ok(outcomes) => outcomes
                .into_iter()
                .map(|o| o.map_err(|e| e.to_string()))
                .collect(),
            Err(_) => Vec::new(),
        };
        // No answer is a no: the event is sent again, and consumers apply it once.
        outcomes.resize(
            batch.len(),
            Err("the queue did not answer in time".to_owned()),
        );
        outcomes
    }

    async fn record(
        &mut self,
        lanes: &mut Lanes,
        result: &BatchResult,
    ) -> Result<(), DatabaseError> {
        let asked_at = Instant::now();
        let current = outbox::record(self.db, &lanes.leases, self.settings.lease, result).await?;
        let lost = lanes.leases.len().saturating_sub(current.len());
        if lost > 0 {
            tracing::warn!(lanes.lost = lost, "another relay has taken lanes over");
            self.report.lanes_lost = self.report.lanes_lost.saturating_add(len_u64(lost));
        }
        *lanes = Lanes {
            leases: current,
            renewed_at: asked_at,
        };
        Ok(())
    }
}

fn to_outgoing(event: &UnpublishedEvent) -> OutgoingEvent {
    let subject = Subject::of_json_text(&event.body);
    OutgoingEvent {
        event_id: EventId::from_uuid(event.event_id),
        // A newer version's subject may be of a kind that is unknown here: its order counts as well.
        group: subject.map_or_else(
            || event.aggregate_id.simple().to_string(),
            |subject| subject.to_string(),
        ),
        event_type: event.event_type.clone(),
        body: event.body.clone(),
    }
}

fn len_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// Sorts events, given in order, into waves: the n-th wave has each aggregate's n-th event. Within a
/// wave all may be sent at once; a wave waits for the one before it.
fn into_waves(events: Vec<UnpublishedEvent>) -> Vec<Vec<UnpublishedEvent>> {
    let mut seen: BTreeMap<Uuid, usize> = BTreeMap::new();
    let mut waves: Vec<Vec<UnpublishedEvent>> = Vec::new();
    for event in events {
        let turn = seen.entry(event.aggregate_id).or_default();
        match waves.get_mut(*turn) {
            Some(wave) => wave.push(event),
            None => waves.push(vec![event]),
        }
        *turn = turn.saturating_add(1);
    }
    waves
}

/// Cuts a wave into batches that fit the queue's limits. An event that alone exceeds `bytes_max`
/// gets a batch of its own, for the queue to refuse it by name.
fn into_batches(
    wave: Vec<UnpublishedEvent>,
    size_max: usize,
    bytes_max: usize,
) -> Vec<Vec<UnpublishedEvent>> {
    let mut batches: Vec<Vec<UnpublishedEvent>> = Vec::new();
    let mut bytes = 0_usize;
    for event in wave {
        let total = bytes.saturating_add(event.body.len());
        match batches.last_mut() {
            Some(batch) if batch.len() < size_max && total <= bytes_max => {
                bytes = total;
                batch.push(event);
            }
            _ => {
                bytes = event.body.len();
                batches.push(vec![event]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(position: i64, aggregate: u128, bytes: usize) -> UnpublishedEvent {
        UnpublishedEvent {
            position,
            lane: 0,
            event_id: Uuid::from_u128(u128::try_from(position).unwrap()),
            aggregate_id: Uuid::from_u128(aggregate),
            event_type: "order.placed.v1".to_owned(),
            body: "x".repeat(bytes),
            attempts: 0,
        }
    }

    fn positions(batches: &[Vec<UnpublishedEvent>]) -> Vec<Vec<i64>> {
        batches
            .iter()
            .map(|b| b.iter().map(|e| e.position).collect())
            .collect()
    }

    #[test]
    fn a_wave_has_each_aggregate_once_and_keeps_its_order() {
        let events = [(1, 7), (2, 8), (3, 7), (4, 7), (5, 9), (6, 8)]
            .map(|(position, aggregate)| event(position, aggregate, 1));
        let waves = into_waves(events.to_vec());
        assert_eq!(positions(&waves), [vec![1, 2, 5], vec![3, 6], vec![4]]);
    }

    #[test]
    fn batches_fit_by_count_and_by_bytes() {
        let by_count = (1..=25).map(|n| event(n, 1, 1)).collect();
        let sizes: Vec<usize> = into_batches(by_count, 10, 1_000)
            .iter()
            .map(Vec::len)
            .collect();
        assert_eq!(sizes, [10, 10, 5]);
        let by_bytes = vec![
            event(1, 1, 60),
            event(2, 2, 40),
            event(3, 3, 1),
            event(4, 4, 200),
        ];
        assert_eq!(
            positions(&into_batches(by_bytes, 10, 100)),
            [vec![1, 2], vec![3], vec![4]]
        );
    }
}
