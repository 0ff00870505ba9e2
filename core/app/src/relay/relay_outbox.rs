//! Takes events out of the outbox and puts them into the queue, in order, at least once.
//!
//! Order within an aggregate holds because an aggregate's events share a lane, a lane has one
//! leaseholder, no two events of an aggregate are under way at a time, and an event is sent only after the
//! queue has taken the one before it. A leaseholder that lost its lease without noticing can send an event
//! a second time, but never a later event before an earlier one. What it records then is refused by its
//! token.

use super::decide::{Holds, Sent, settle};
use super::holding::{Batch, Holding};
use super::sending::Sending;
use super::{OutboxStore, RelayReport, RelaySettings};
use crate::EventPublisher;
use souk_postgres::outbox::Found;
use std::collections::BTreeSet;
use tokio::time::Instant;
use uuid::Uuid;

/// Publishes what waits in lanes that are free, until nothing is left that can be sent or until
/// `stop_at`; then gives the leases back.
///
/// An event that the queue refuses holds back its own aggregate, and nothing else; it is tried again
/// later. A queue that cannot be reached holds back the lanes that have events for it.
///
/// While a batch is sent, the next is read: with two connections nothing waits for the other.
///
/// # Errors
/// A failing store ends the run. Events that were sent but could not be recorded are sent again by a later
/// run.
pub async fn relay_outbox<S: OutboxStore, P: EventPublisher>(
    store: &S,
    publisher: &P,
    settings: &RelaySettings,
    stop_at: Instant,
) -> Result<RelayReport, S::Error> {
    let mut run = Run {
        publisher,
        settings,
        stop_at,
        holding: Holding::new(store, settings),
        holds: Holds::default(),
        report: RelayReport::default(),
    };
    let ended = Box::pin(run.go()).await;
    run.holding.leave().await;
    ended.map(|()| run.report)
}

struct Run<'a, S, P> {
    publisher: &'a P,
    settings: &'a RelaySettings,
    stop_at: Instant,
    holding: Holding<'a, S>,
    holds: Holds,
    report: RelayReport,
}

/// What came of sending a batch.
struct Outcome {
    sent: Vec<Sent>,
    unreached: BTreeSet<i16>,
}

impl<S: OutboxStore, P: EventPublisher> Run<'_, S, P> {
    async fn go(&mut self) -> Result<(), S::Error> {
        let (mut tries, mut looked_again_at) = (0_u32, 0_u64);
        while !self.is_out_of_time() {
            let held_before = self.holding.len();
            let held_by_others = self.holding.lease(&mut self.report).await?;
            if self.holding.len() > held_before {
                self.drain().await?;
                continue;
            }
            // All that could be leased is drained. An event may have been committed after the last read,
            // and the ring for it may have met a relay that found the lane leased: one more look, by
            // one who holds nothing.
            if self.report.published > looked_again_at {
                looked_again_at = self.report.published;
                self.holding.give_back_all().await?;
                continue;
            }
            // What others hold is theirs, unless they are to share.
            let may_share = held_by_others > 0 && self.holding.len() == 0;
            if !may_share || tries >= self.settings.share_tries_max {
                break;
            }
            tries = tries.saturating_add(1);
            tokio::time::sleep(self.settings.share_wait).await;
        }
        Ok(())
    }

    fn is_out_of_time(&mut self) -> bool {
        self.report.out_of_time |= Instant::now() >= self.stop_at;
        self.report.out_of_time
    }

    /// Publishes what is in the lanes that are held, until a read brings nothing.
    async fn drain(&mut self) -> Result<(), S::Error> {
        let mut batch = self.holding.read_after(None).await?;
        // Aggregates of which held events were sent, but not recorded when `batch` was read.
        let mut unrecorded: BTreeSet<Uuid> = BTreeSet::new();
        loop {
            let is_complete = unrecorded.is_empty();
            batch.read.events.retain(|event| {
                event.found != Found::Held || !unrecorded.contains(&event.aggregate_id)
            });
            // Lanes that were parked or leased meanwhile are yet to be read.
            let is_of_all = batch.lanes.len() == self.holding.len();
            if batch.is_empty() && is_complete && is_of_all {
                return self.settle_all(&batch).await;
            }
            unrecorded = batch.held_aggregates();
            let next = self.holding.read_after(Some(&batch));
            let (outcome, next) = futures::join!(self.publish(&mut batch), next);
            let kept = self.write_down(&batch, &outcome?).await?;
            let mut next = next?;
            next.keep(&kept);
            if self.holding.len() == 0 || self.is_out_of_time() {
                return Ok(());
            }
            if self.holding.should_lease_again() {
                self.holding.lease(&mut self.report).await?;
            }
            batch = next;
        }
    }

    /// Sends a batch, renewing the leases where it takes long.
    async fn publish(&mut self, batch: &mut Batch) -> Result<Outcome, S::Error> {
        let mut sending = Sending {
            publisher: self.publisher,
            settings: self.settings,
            stop_at: self.stop_at,
            holds: &mut self.holds,
            report: &mut self.report,
            read_at: batch.read_at,
            stopped: BTreeSet::new(),
            unreached: BTreeSet::new(),
            sent: Vec::with_capacity(batch.read.events.len()),
            broken: BTreeSet::new(),
        };
        let mut to_send = sending.prepare(core::mem::take(&mut batch.read.events));
        while !sending
            .send(&mut to_send, self.holding.leased_until())
            .await
        {
            let lost = self.holding.renew(sending.report).await?;
            sending.stopped.extend(lost);
            if self.holding.len() == 0 {
                // All of it is others' by now; and there is no lease left that could be renewed.
                break;
            }
        }
        Ok(Outcome {
            sent: sending.sent,
            unreached: sending.unreached,
        })
    }

    /// Records what came of a batch. Returns the lanes of which what is being read meanwhile counts.
    async fn write_down(
        &mut self,
        batch: &Batch,
        outcome: &Outcome,
    ) -> Result<BTreeSet<i16>, S::Error> {
        let settlement = settle(&self.holding.of(batch), &batch.read, &outcome.sent);
        self.holding
            .record(settlement.progress, &mut self.report)
            .await?;
        self.holding
            .give_back(&settlement.stalled, &outcome.unreached)
            .await?;
        let parked = self.holding.park(batch).await?;
        let mut kept = self.holding.numbers();
        kept.retain(|lane| !parked.contains(lane));
        Ok(kept)
    }

    /// Where all is dealt with, says so: the cursors' low positions follow.
    async fn settle_all(&mut self, batch: &Batch) -> Result<(), S::Error> {
        if self.holding.is_unsettled() {
            let settlement = settle(&self.holding.of(batch), &batch.read, &[]);
            self.holding
                .record(settlement.progress, &mut self.report)
                .await?;
        }
        Ok(())
    }
}
