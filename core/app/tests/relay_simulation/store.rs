//! The outbox over a network that loses requests and answers.

use crate::world::{Shared, World};
use core::time::Duration;
use souk_app::relay::{
    LaneCursor, LaneLease, LaneRelease, LeaseTerms, Leased, LeasedLane, OutboxRead, OutboxStore,
    Progress, ReadLimits, Recorded,
};
use tokio::sync::oneshot;
use tokio::time::sleep;

/// The connection of one relay.
#[derive(Debug, Clone)]
pub(crate) struct Connection(pub(crate) Shared);

/// Nobody knows whether the statement ran.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut")]
pub(crate) struct Cut;

/// What becomes of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Runs,
    NeverArrives,
    AnswerLost,
}

impl Connection {
    /// Runs `statement` on the server, at one moment, whatever becomes of who waits for it. It may change
    /// what `rights` allow, and nothing else.
    async fn call<T, S>(&self, rights: Vec<LaneLease>, statement: S) -> Result<T, Cut>
    where
        T: Send + 'static,
        S: FnOnce(&mut World, u64) -> T + Send + 'static,
    {
        let world = self.0.clone();
        let (fate, there, back) = draw(&mut world.lock());
        let (answer, answered) = oneshot::channel();
        tokio::spawn(async move {
            sleep(Duration::from_millis(there)).await;
            if fate == Fate::NeverArrives {
                return;
            }
            let result = {
                let mut world = world.lock();
                let now = world.now_ms();
                world.count_statement();
                let before: Vec<_> = rights.iter().map(|one| world.state_of(one.lane)).collect();
                let result = statement(&mut world, now);
                world.check_fencing(&rights, &before);
                if !rights.is_empty() {
                    world.check_cursors();
                }
                result
            };
            sleep(Duration::from_millis(back)).await;
            if fate == Fate::Runs {
                let _nobody_waits_any_more = answer.send(result);
            }
        });
        answered.await.map_err(|_| Cut)
    }
}

fn draw(world: &mut World) -> (Fate, u64, u64) {
    let fate = match world.rng.u8(..2) {
        _ if !world.unlucky(40) => Fate::Runs,
        0 => Fate::NeverArrives,
        _ => Fate::AnswerLost,
    };
    let slow = world.unlucky(30);
    let mut way = || world.rng.u64(if slow { 1..6_000 } else { 1..6 });
    (fate, way(), way())
}

impl OutboxStore for Connection {
    type Error = Cut;

    async fn lease(
        &self,
        terms: &LeaseTerms,
        lanes_held: u8,
        lanes_max: u8,
    ) -> Result<Leased, Cut> {
        let terms = terms.clone();
        self.call(Vec::new(), move |world, now| {
            let leased = world.outbox.lease(&terms, lanes_held, lanes_max, now);
            let taken_over = leased.lanes.iter().filter(|lane| lane.taken_over).count();
            world.tally.takeovers += u64::try_from(taken_over).unwrap();
            world.note(|| format!("{} leases {:?}", terms.holder, leased.lanes));
            leased
        })
        .await
    }

    async fn read(&self, lanes: &[LeasedLane], limits: ReadLimits) -> Result<OutboxRead, Cut> {
        let lanes = lanes.to_vec();
        self.call(Vec::new(), move |world, now| {
            let read = world.outbox.read(&lanes, limits, now);
            let late = |event: &&souk_app::relay::PendingEvent| {
                event.found == souk_app::relay::Found::Late
            };
            let late = read.events.iter().filter(late).count();
            world.tally.late_events += u64::try_from(late).unwrap();
            world.note(|| {
                let events = read.events.iter();
                let events: Vec<_> = events.map(|e| (e.found, e.position, e.waits)).collect();
                format!("read at {} of {lanes:?}: {events:?}", read.seen.0)
            });
            read
        })
        .await
    }

    async fn park_late(
        &self,
        lease: LaneLease,
        cursor: &LaneCursor,
    ) -> Result<Option<LaneCursor>, Cut> {
        let cursor = cursor.clone();
        self.call(vec![lease], move |world, now| {
            let parked = world.outbox.park_late(lease, &cursor, now);
            world.tally.parked_late += u64::from(parked.is_some());
            world.note(|| format!("late events parked under {lease:?}: {parked:?}"));
            parked
        })
        .await
    }

    async fn record(&self, terms: &LeaseTerms, progress: &Progress) -> Result<Recorded, Cut> {
        let (terms, progress) = (terms.clone(), progress.clone());
        let rights = progress.lanes.iter().map(|lane| lane.lease).collect();
        self.call(rights, move |world, now| {
            let recorded = world.outbox.record(&terms, &progress, now);
            let lost = progress.lanes.len() - recorded.lanes.len();
            world.tally.fenced_off += u64::try_from(lost).unwrap();
            world.tally.parked += u64::try_from(progress.parked.len()).unwrap();
            world.tally.quarantined += u64::from(recorded.quarantined);
            world.note(|| format!("{} records {progress:?}: {lost} lost", terms.holder));
            recorded
        })
        .await
    }

    async fn release(&self, holder: &str, lanes: &[LaneRelease], leaving: bool) -> Result<(), Cut> {
        let (holder, lanes) = (holder.to_owned(), lanes.to_vec());
        let rights = lanes.iter().map(|lane| lane.lease).collect();
        self.call(rights, move |world, now| {
            world.outbox.release(&holder, &lanes, leaving, now);
            world.note(|| format!("{holder} releases {lanes:?}"));
        })
        .await
    }
}
