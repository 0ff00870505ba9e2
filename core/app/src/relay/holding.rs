//! The lanes that a run holds.

use super::decide::{backoff, entropy_of, unmoved};
use super::{OutboxStore, RelayReport, RelaySettings};
use souk_postgres::outbox::{
    Found, LaneCursor, LaneRelease, LeaseTerms, LeasedLane, OutboxRead, Progress,
};
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;
use uuid::Uuid;

/// What was read of some lanes.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) read: OutboxRead,
    pub(super) lanes: BTreeSet<i16>,
    pub(super) read_at: Instant,
    /// The highest position of new events in each lane.
    highest: BTreeMap<i16, i64>,
}

impl Batch {
    fn new(read: OutboxRead, lanes: BTreeSet<i16>, read_at: Instant) -> Self {
        let mut highest = BTreeMap::new();
        for event in read.events.iter().filter(|e| e.found == Found::New) {
            let of_lane = highest.entry(event.lane).or_insert(event.position);
            *of_lane = event.position.max(*of_lane);
        }
        Self {
            read,
            lanes,
            read_at,
            highest,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.read.events.is_empty() && self.read.overflowing.is_empty()
    }

    /// Forgets what was read of lanes that are not gone on with.
    pub(super) fn keep(&mut self, lanes: &BTreeSet<i16>) {
        self.lanes.retain(|lane| lanes.contains(lane));
        self.read.overflowing.retain(|lane| lanes.contains(lane));
        self.read.events.retain(|event| lanes.contains(&event.lane));
    }

    /// Aggregates with held events in it.
    pub(super) fn held_aggregates(&self) -> BTreeSet<Uuid> {
        let held = self.read.events.iter().filter(|e| e.found == Found::Held);
        held.map(|e| e.aggregate_id).collect()
    }

    /// Where its read has left off: the cursor of `lane` once all of it is dealt with.
    fn cursor_after(&self, lane: &LeasedLane) -> LaneCursor {
        let number = lane.lease.lane;
        if !self.lanes.contains(&number) || self.read.overflowing.contains(&number) {
            return lane.cursor.clone();
        }
        let highest = self.highest.get(&number).copied();
        LaneCursor {
            low: lane.cursor.low,
            high: highest.unwrap_or(lane.cursor.high),
            seen: self.read.seen.clone(),
        }
    }
}

/// The lanes that a run holds, with their cursors as they were recorded last.
#[derive(Debug)]
pub(super) struct Holding<'a, S> {
    store: &'a S,
    settings: &'a RelaySettings,
    terms: LeaseTerms,
    held: BTreeMap<i16, LeasedLane>,
    /// When the leases were known to be valid in full.
    renewed_at: Instant,
    lease_again_at: Instant,
    /// How many lanes a relay may hold.
    fair_share: usize,
}

impl<'a, S: OutboxStore> Holding<'a, S> {
    pub(super) fn new(store: &'a S, settings: &'a RelaySettings) -> Self {
        let now = Instant::now();
        Self {
            store,
            settings,
            terms: settings.terms(),
            held: BTreeMap::new(),
            renewed_at: now,
            lease_again_at: now,
            fair_share: usize::MAX,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn numbers(&self) -> BTreeSet<i16> {
        self.held.keys().copied().collect()
    }

    pub(super) fn leased_until(&self) -> Instant {
        let until = self.renewed_at.checked_add(self.settings.lease);
        until.unwrap_or(self.renewed_at)
    }

    pub(super) fn should_lease_again(&self) -> bool {
        Instant::now() >= self.lease_again_at
    }

    /// Leases more lanes, up to the fair share. Returns how many with something to do others hold.
    pub(super) async fn lease(&mut self, report: &mut RelayReport) -> Result<u8, S::Error> {
        let asked_at = Instant::now();
        let again_at = asked_at.checked_add(self.settings.lease_again_after);
        self.lease_again_at = again_at.unwrap_or(asked_at);
        let held = u8::try_from(self.held.len()).unwrap_or(u8::MAX);
        let room = self.settings.lanes_max.saturating_sub(held);
        let leased = self.store.lease(&self.terms, held, room).await?;
        self.fair_share = usize::from(leased.fair_share);
        if self.held.is_empty() {
            self.renewed_at = asked_at;
        }
        for lane in leased.lanes {
            if lane.taken_over {
                let number = lane.lease.lane;
                tracing::warn!(
                    lane.number = number,
                    "a lane was taken over from a dead relay"
                );
                report.lanes_taken_over = report.lanes_taken_over.saturating_add(1);
            }
            self.held.insert(lane.lease.lane, lane);
        }
        Ok(leased.held_by_others)
    }

    /// Reads on from where `before`, which is not recorded yet, leaves off. May be awaited while this
    /// changes.
    pub(super) fn read_after(
        &self,
        before: Option<&Batch>,
    ) -> impl Future<Output = Result<Batch, S::Error>> + Send + use<'a, S> {
        let go_on = |lane: &LeasedLane| LeasedLane {
            cursor: before.map_or_else(|| lane.cursor.clone(), |batch| batch.cursor_after(lane)),
            ..lane.clone()
        };
        let lanes: Vec<LeasedLane> = self.held.values().map(go_on).collect();
        let (store, limits) = (self.store, self.settings.limits(lanes.len()));
        async move {
            let read_at = Instant::now();
            let read = store.read(&lanes, limits).await?;
            let lanes = lanes.iter().map(|lane| lane.lease.lane).collect();
            Ok(Batch::new(read, lanes, read_at))
        }
    }

    /// Those of the lanes that a batch is of, as far as they are still held.
    pub(super) fn of(&self, batch: &Batch) -> Vec<LeasedLane> {
        let held = self.held.values();
        let of_batch = held.filter(|lane| batch.lanes.contains(&lane.lease.lane));
        of_batch.cloned().collect()
    }

    /// Renews the leases. Returns the lanes that somebody else has taken over.
    pub(super) async fn renew(
        &mut self,
        report: &mut RelayReport,
    ) -> Result<BTreeSet<i16>, S::Error> {
        self.record(Progress::default(), report).await
    }

    /// Records `progress`, and renews the leases of all lanes. Returns those that somebody else has taken
    /// over.
    pub(super) async fn record(
        &mut self,
        mut progress: Progress,
        report: &mut RelayReport,
    ) -> Result<BTreeSet<i16>, S::Error> {
        let named: BTreeSet<i16> = progress.lanes.iter().map(|p| p.lease.lane).collect();
        let others = self.held.values();
        let others = others.filter(|lane| !named.contains(&lane.lease.lane));
        progress.lanes.extend(others.map(unmoved));
        if progress.lanes.is_empty() {
            return Ok(BTreeSet::new());
        }
        let asked_at = Instant::now();
        let recorded = self.store.record(&self.terms, &progress).await?;
        self.renewed_at = asked_at;
        self.fair_share = usize::from(recorded.fair_share);
        report.quarantined = report
            .quarantined
            .saturating_add(u64::from(recorded.quarantined));
        let mut lost = BTreeSet::new();
        for moved in progress.lanes {
            let current = recorded.lanes.iter().find(|r| r.lease == moved.lease);
            let Some(current) = current else {
                self.held.remove(&moved.lease.lane);
                lost.insert(moved.lease.lane);
                continue;
            };
            if let Some(lane) = self.held.get_mut(&moved.lease.lane) {
                if moved.high > lane.cursor.high {
                    lane.failures = 0;
                }
                lane.cursor = LaneCursor {
                    low: current.low,
                    high: moved.high,
                    seen: moved.seen,
                };
            }
        }
        if !lost.is_empty() {
            tracing::warn!(
                lanes.lost = lost.len(),
                "another relay has taken lanes over"
            );
            let count = u64::try_from(lost.len()).unwrap_or(u64::MAX);
            report.lanes_lost = report.lanes_lost.saturating_add(count);
        }
        Ok(lost)
    }

    /// Parks the late events of lanes that have too many of them. Returns these lanes.
    pub(super) async fn park(&mut self, batch: &Batch) -> Result<BTreeSet<i16>, S::Error> {
        let mut parked = BTreeSet::new();
        for number in &batch.read.overflowing {
            let Some(lane) = self.held.get_mut(number) else {
                continue;
            };
            parked.insert(*number);
            match self.store.park_late(lane.lease, &lane.cursor).await? {
                Some(cursor) => lane.cursor = cursor,
                None => {
                    self.held.remove(number);
                }
            }
        }
        Ok(parked)
    }

    /// Gives back lanes that cannot be gone on with, those in `unreached` with a time to wait, and what is
    /// more than the fair share.
    pub(super) async fn give_back(
        &mut self,
        stalled: &BTreeSet<i16>,
        unreached: &BTreeSet<i16>,
    ) -> Result<(), S::Error> {
        let stalled = stalled.iter().copied();
        let mut numbers: BTreeSet<i16> = stalled.filter(|n| self.held.contains_key(n)).collect();
        let surplus = self.held.len().saturating_sub(self.fair_share);
        let missing = surplus.saturating_sub(numbers.len());
        let others = self.held.keys().rev().filter(|n| !numbers.contains(n));
        let others: Vec<i16> = others.take(missing).copied().collect();
        numbers.extend(others);
        let mut releases = Vec::with_capacity(numbers.len());
        for number in &numbers {
            if let Some(lane) = self.held.remove(number) {
                let wait = unreached.contains(number).then(|| self.wait_of(&lane));
                releases.push(LaneRelease {
                    lease: lane.lease,
                    wait,
                });
            }
        }
        if !releases.is_empty() {
            self.store
                .release(&self.terms.holder, &releases, false)
                .await?;
        }
        Ok(())
    }

    fn wait_of(&self, lane: &LeasedLane) -> core::time::Duration {
        let failures = lane.failures.saturating_add(1);
        let what = lane.lease.fencing_token.unsigned_abs();
        let what = what.rotate_left(u32::from(lane.lease.lane.unsigned_abs()));
        let retry = self.settings.lane_retry;
        backoff(
            failures,
            retry.first,
            retry.most,
            entropy_of(what, failures),
        )
    }

    /// Whether a record would move a low position: where all is dealt with, and nobody has said so.
    pub(super) fn is_unsettled(&self) -> bool {
        self.held
            .values()
            .any(|lane| lane.cursor.low < lane.cursor.high)
    }

    /// Gives all lanes back, and stays alive.
    pub(super) async fn give_back_all(&mut self) -> Result<(), S::Error> {
        let releases = self.take_all();
        self.store
            .release(&self.terms.holder, &releases, false)
            .await
    }

    /// Gives all lanes back, and is no relay any more.
    pub(super) async fn leave(&mut self) {
        let releases = self.take_all();
        let left = self
            .store
            .release(&self.terms.holder, &releases, true)
            .await;
        if let Err(error) = left {
            tracing::warn!(%error, "leases could not be given back; they end by themselves");
        }
    }

    fn take_all(&mut self) -> Vec<LaneRelease> {
        let held = core::mem::take(&mut self.held).into_values();
        let release = |lane: LeasedLane| LaneRelease {
            lease: lane.lease,
            wait: None,
        };
        held.map(release).collect()
    }
}
