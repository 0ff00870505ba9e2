//! Sends what was read: wave by wave, some requests at a time, and never two events of an aggregate.

use super::decide::{Fate, Holds, Sent, into_batches, into_waves, judge, to_outgoing};
use super::{RelayReport, RelaySettings};
use crate::{EventPublisher, OutgoingEvent, PublishError};
use core::time::Duration;
use futures::stream::{FuturesUnordered, StreamExt as _};
use souk_postgres::outbox::{Found, PendingEvent};
use std::collections::{BTreeSet, VecDeque};
use tokio::time::Instant;
use uuid::Uuid;

/// What a send may go by: who is held back, and what came of it.
#[derive(Debug)]
pub(super) struct Sending<'a, P> {
    pub(super) publisher: &'a P,
    pub(super) settings: &'a RelaySettings,
    pub(super) stop_at: Instant,
    pub(super) holds: &'a mut Holds,
    pub(super) report: &'a mut RelayReport,
    /// When what is to be sent was read.
    pub(super) read_at: Instant,
    /// Lanes that cannot be gone on with: an event of theirs was not sent, or nobody knows.
    pub(super) stopped: BTreeSet<i16>,
    /// Of those, lanes whose queue could not be reached.
    pub(super) unreached: BTreeSet<i16>,
    pub(super) sent: Vec<Sent>,
    /// Aggregates with an event among `sent` that was not taken.
    pub(super) broken: BTreeSet<Uuid>,
}

/// What is still to be sent of a read.
#[derive(Debug, Default)]
pub(super) struct ToSend {
    batches: VecDeque<Vec<PendingEvent>>,
    waves: VecDeque<Vec<PendingEvent>>,
}

impl ToSend {
    fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.waves.is_empty()
    }

    /// The next request; none while one of its aggregates is `busy`, which has an event under way. Those of a
    /// wave all begin before the first of the next, so whoever is not busy has no earlier event to wait for.
    fn next(
        &mut self,
        busy: &BTreeSet<Uuid>,
        settings: &RelaySettings,
    ) -> Option<Vec<PendingEvent>> {
        if self.batches.is_empty() {
            let wave = self.waves.pop_front()?;
            self.batches =
                into_batches(wave, settings.batch_size_max, settings.batch_bytes_max).into();
        }
        let next = self.batches.front()?;
        if next.iter().any(|event| busy.contains(&event.aggregate_id)) {
            return None;
        }
        self.batches.pop_front()
    }
}

/// Whether a request that begins now and is bounded by `timeout` ends before `leased_until`.
fn may_end_before(leased_until: Instant, timeout: Duration) -> bool {
    let end = Instant::now().checked_add(timeout);
    end.is_some_and(|end| end < leased_until)
}

impl<P: EventPublisher> Sending<'_, P> {
    /// Sorts out what waits for earlier events of its aggregate.
    pub(super) fn prepare(&mut self, events: Vec<PendingEvent>) -> ToSend {
        let mut sendable = Vec::with_capacity(events.len());
        for event in events {
            let waits =
                event.found != Found::Held && (event.waits || self.holds.has(event.aggregate_id));
            if waits {
                self.holds.add(event.aggregate_id);
                self.ended(event, Fate::Waits);
            } else {
                sendable.push(event);
            }
        }
        ToSend {
            batches: VecDeque::new(),
            waves: into_waves(sendable).into(),
        }
    }

    /// Sends on; true when all is sent. No request begins unless it ends, by its own bound, before
    /// `leased_until`: else this returns with nothing under way, for the leases to be renewed.
    pub(super) async fn send(&mut self, to_send: &mut ToSend, leased_until: Instant) -> bool {
        let (publisher, timeout) = (self.publisher, self.settings.request_timeout());
        let mut under_way = FuturesUnordered::new();
        let mut busy: BTreeSet<Uuid> = BTreeSet::new();
        loop {
            while under_way.len() < self.settings.batches_in_flight_max
                && may_end_before(leased_until, timeout)
                && let Some(batch) = to_send.next(&busy, self.settings)
            {
                self.report.out_of_time |= Instant::now() >= self.stop_at;
                let batch = self.still_sendable(batch);
                if !batch.is_empty() {
                    self.report.requests = self.report.requests.saturating_add(1);
                    busy.extend(batch.iter().map(|event| event.aggregate_id));
                    under_way.push(send_batch(publisher, timeout, batch));
                }
            }
            match under_way.next().await {
                Some((batch, answers)) => {
                    for event in &batch {
                        busy.remove(&event.aggregate_id);
                    }
                    self.answered(batch, answers);
                }
                None => return to_send.is_empty(),
            }
        }
    }

    /// Without what must not be sent any more since it was sorted out.
    fn still_sendable(&mut self, batch: Vec<PendingEvent>) -> Vec<PendingEvent> {
        let mut sendable = Vec::with_capacity(batch.len());
        for event in batch {
            if self.report.out_of_time {
                self.stopped.insert(event.lane);
            }
            if self.stopped.contains(&event.lane) {
                self.ended(event, Fate::Unsent);
            } else if self.is_behind_failed(&event) {
                self.ended(event, Fate::Waits);
            } else {
                sendable.push(event);
            }
        }
        sendable
    }

    /// Whether an earlier event of its aggregate was sent in this run and not taken.
    fn is_behind_failed(&self, event: &PendingEvent) -> bool {
        match event.found {
            Found::New | Found::Late => self.holds.has(event.aggregate_id),
            Found::Held => self.broken.contains(&event.aggregate_id),
        }
    }

    fn answered(&mut self, batch: Vec<PendingEvent>, answers: Vec<Result<(), PublishError>>) {
        let fates = judge(&batch, answers, self.settings.event_retry);
        for (event, fate) in batch.into_iter().zip(fates) {
            match &fate {
                Fate::Taken => {
                    let lag = event.age.saturating_add(self.read_at.elapsed());
                    self.report.took(lag);
                }
                Fate::Failed(failure) => {
                    tracing::warn!(
                        event.id = %event.event_id,
                        event.r#type = %event.event_type,
                        event.attempts = event.attempts,
                        reason = %failure.reason,
                        "the queue did not take an event"
                    );
                    self.report.failed = self.report.failed.saturating_add(1);
                    self.holds.add(event.aggregate_id);
                }
                Fate::Waits => {}
                Fate::Unsent => {
                    self.report.unreached = self.report.unreached.saturating_add(1);
                    self.stopped.insert(event.lane);
                    self.unreached.insert(event.lane);
                }
            }
            self.ended(event, fate);
        }
    }

    fn ended(&mut self, event: PendingEvent, fate: Fate) {
        if fate != Fate::Taken {
            self.broken.insert(event.aggregate_id);
        }
        self.sent.push(Sent { event, fate });
    }
}

async fn send_batch<P: EventPublisher>(
    publisher: &P,
    timeout: Duration,
    mut batch: Vec<PendingEvent>,
) -> (Vec<PendingEvent>, Vec<Result<(), PublishError>>) {
    let outgoing: Vec<OutgoingEvent> = batch.iter_mut().map(to_outgoing).collect();
    // No answer is a no: the events are sent again, and consumers apply each once.
    let answers = tokio::time::timeout(timeout, publisher.publish(&outgoing)).await;
    (batch, answers.unwrap_or_default())
}
