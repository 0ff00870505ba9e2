//! The outbox's tables as the SQL treats them: events that transactions write, lanes with cursors and
//! leases, held events, and the relays that are alive. Pure: `now_ms` is an argument, and a method is one
//! statement. `conformance.rs` holds it against Postgres.

use crate::flaws::Flaw;
use core::time::Duration;
use souk_app::relay::{
    Found, LaneCursor, LaneLease, LaneProgress, LaneRelease, LeaseTerms, Leased, LeasedLane,
    OutboxRead, PendingEvent, Progress, ReadLimits, Recorded, RecordedLane, Seen,
};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// A transaction's number, as `xid8`.
pub(crate) type Xid = u64;

/// An event, whose transaction may not have ended.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) lane: i16,
    pub(crate) event_id: Uuid,
    pub(crate) aggregate: Uuid,
    pub(crate) written_in: Xid,
    pub(crate) written_at_ms: u64,
}

/// What the cursor passed without its being published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldRow {
    pub(crate) lane: i16,
    pub(crate) aggregate: Uuid,
    pub(crate) attempts: u32,
    /// Only the first held event of an aggregate has one.
    pub(crate) next_try_ms: Option<u64>,
    pub(crate) quarantined: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lane {
    pub(crate) holder: String,
    pub(crate) token: i64,
    pub(crate) lease_expires_ms: u64,
    pub(crate) cursor: LaneCursor,
    /// A position, and the transaction number from which on none can write below it.
    mark: Option<(i64, Xid)>,
    next_try_ms: u64,
    failures: u32,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    flaw: Option<Flaw>,
    pub(crate) lanes: Vec<Lane>,
    pub(crate) events: BTreeMap<i64, Row>,
    pub(crate) held: BTreeMap<i64, HeldRow>,
    relays: BTreeMap<String, u64>,
    open: BTreeSet<Xid>,
    next_xid: Xid,
    next_position: i64,
}

/// A snapshot's text: the oldest transaction that is under way, the next one, and those under way.
fn snapshot_text(open: &BTreeSet<Xid>, next_xid: Xid) -> Seen {
    let oldest = open.first().copied().unwrap_or(next_xid);
    let list: Vec<String> = open.iter().map(Xid::to_string).collect();
    Seen(format!("{oldest}:{next_xid}:{}", list.join(",")))
}

/// A snapshot, read from its text: which transactions had ended when it was taken.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// `pg_snapshot_xmin`.
    oldest: Xid,
    next: Xid,
    open: Vec<Xid>,
}

impl Snapshot {
    /// That of a lane that nobody has read is empty.
    pub(crate) fn of(seen: &Seen) -> Self {
        let mut parts = seen.0.split(':');
        let mut number = || parts.next().and_then(|text| text.parse().ok()).unwrap_or(0);
        let (oldest, next) = (number(), number());
        let open = parts.next().unwrap_or_default().split(',');
        Self {
            oldest,
            next,
            open: open.filter_map(|one| one.parse().ok()).collect(),
        }
    }

    /// `pg_visible_in_snapshot`.
    pub(crate) fn shows(&self, xid: Xid) -> bool {
        xid < self.oldest || (xid < self.next && !self.open.contains(&xid))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}

impl Outbox {
    pub(crate) fn new(lanes: u8, flaw: Option<Flaw>) -> Self {
        Self {
            flaw,
            lanes: vec![Lane::default(); usize::from(lanes)],
            next_xid: 1_000,
            next_position: 1,
            ..Self::default()
        }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    // What writers do.

    /// Begins a transaction and gives it its number.
    pub(crate) fn begin(&mut self) -> Xid {
        let xid = self.next_xid;
        self.next_xid += 1;
        self.open.insert(xid);
        xid
    }

    /// Draws a position and writes an event there.
    pub(crate) fn append(&mut self, event: Row) -> i64 {
        let position = self.next_position;
        self.next_position += 1;
        self.events.insert(position, event);
        position
    }

    pub(crate) fn commit(&mut self, xid: Xid) {
        self.open.remove(&xid);
    }

    pub(crate) fn roll_back(&mut self, xid: Xid) {
        self.open.remove(&xid);
        self.events.retain(|_, row| row.written_in != xid);
    }

    pub(crate) fn is_committed(&self, row: &Row) -> bool {
        !self.open.contains(&row.written_in)
    }

    fn committed(&self, lane: i16, above: i64) -> impl Iterator<Item = (i64, &Row)> {
        self.events
            .range(above + 1..)
            .filter(move |(_, row)| row.lane == lane && self.is_committed(row))
            .map(|(position, row)| (*position, row))
    }

    // What relays do.

    fn lane(&mut self, lane: i16) -> &mut Lane {
        &mut self.lanes[usize::try_from(lane).unwrap()]
    }

    fn new_events(&self, lane: i16, cursor: &LaneCursor) -> Vec<i64> {
        self.committed(lane, cursor.high)
            .map(|(at, _)| at)
            .collect()
    }

    fn late_events(&self, lane: i16, cursor: &LaneCursor) -> Vec<i64> {
        if self.has(Flaw::CursorIgnoresLateCommits) {
            return Vec::new();
        }
        let seen = Snapshot::of(&cursor.seen);
        self.committed(lane, cursor.low)
            .take_while(|(at, _)| *at <= cursor.high)
            .filter(|(_, row)| !seen.shows(row.written_in))
            .map(|(at, _)| at)
            .collect()
    }

    /// Held events that may be sent: of each aggregate whose first one is due.
    fn due_events(&self, lane: i16, limit: usize, now_ms: u64) -> Vec<i64> {
        let of_lane = self.held.iter().filter(|(_, row)| row.lane == lane);
        let due = |row: &HeldRow| row.next_try_ms.filter(|at| *at <= now_ms);
        let mut heads: Vec<(u64, i64, Uuid)> = of_lane
            .clone()
            .filter_map(|(position, row)| Some((due(row)?, *position, row.aggregate)))
            .collect();
        heads.sort_unstable();
        let mut events: Vec<i64> = Vec::new();
        for (_, head, aggregate) in heads.into_iter().take(limit) {
            let behind = of_lane
                .clone()
                .filter(|(at, row)| **at >= head && row.aggregate == aggregate);
            events.extend(behind.map(|(position, _)| *position).take(limit));
        }
        events.truncate(limit);
        events.sort_unstable();
        events
    }

    fn has_due_events(&self, lane: i16, now_ms: u64) -> bool {
        let due = |row: &HeldRow| row.next_try_ms.is_some_and(|at| at <= now_ms);
        self.held.values().any(|row| row.lane == lane && due(row))
    }

    fn has_new_events(&self, lane: i16) -> bool {
        let cursor = &self.lanes[usize::try_from(lane).unwrap()].cursor;
        self.committed(lane, cursor.high).next().is_some()
    }

    fn has_work(&self, lane: i16, now_ms: u64) -> bool {
        let cursor = &self.lanes[usize::try_from(lane).unwrap()].cursor;
        cursor.low < cursor.high || self.has_new_events(lane) || self.has_due_events(lane, now_ms)
    }

    fn lane_numbers(&self) -> core::ops::Range<i16> {
        0..i16::try_from(self.lanes.len()).unwrap()
    }

    fn fair_share(&self, now_ms: u64) -> u8 {
        let alive = self.relays.values().filter(|until| **until > now_ms);
        let share = self.lanes.len().div_ceil(alive.count().max(1));
        u8::try_from(share).unwrap()
    }

    pub(crate) fn lease(
        &mut self,
        terms: &LeaseTerms,
        lanes_held: u8,
        lanes_max: u8,
        now_ms: u64,
    ) -> Leased {
        let until = now_ms + millis(terms.lease);
        self.relays.insert(terms.holder.clone(), until);
        let fair_share = self.fair_share(now_ms);
        let wanted = lanes_max.min(fair_share.saturating_sub(lanes_held));
        let mut free: Vec<(u64, i16)> = self
            .lane_numbers()
            .map(|lane| {
                (
                    self.lanes[usize::try_from(lane).unwrap()].lease_expires_ms,
                    lane,
                )
            })
            .filter(|(expires_ms, _)| *expires_ms <= now_ms)
            .filter(|(_, lane)| self.lanes[usize::try_from(*lane).unwrap()].next_try_ms <= now_ms)
            .filter(|(_, lane)| self.has_work(*lane, now_ms))
            .collect();
        free.sort_unstable();
        free.truncate(usize::from(wanted));
        let lanes = free
            .into_iter()
            .map(|(_, lane)| self.take(lane, terms, until));
        let lanes: Vec<LeasedLane> = lanes.collect();
        let held_by_others = if lanes.is_empty() {
            self.busy_for_others(&terms.holder, now_ms)
        } else {
            0
        };
        Leased {
            lanes,
            fair_share,
            held_by_others,
        }
    }

    fn busy_for_others(&self, holder: &str, now_ms: u64) -> u8 {
        let busy = self.lane_numbers().filter(|lane| {
            let state = &self.lanes[usize::try_from(*lane).unwrap()];
            state.lease_expires_ms > now_ms && state.holder != holder && self.has_new_events(*lane)
        });
        u8::try_from(busy.count()).unwrap()
    }

    fn take(&mut self, lane: i16, terms: &LeaseTerms, until: u64) -> LeasedLane {
        let state = self.lane(lane);
        let taken_over = !state.holder.is_empty();
        state.holder.clone_from(&terms.holder);
        state.token += 1;
        state.lease_expires_ms = until;
        LeasedLane {
            lease: LaneLease {
                lane,
                fencing_token: state.token,
            },
            cursor: state.cursor.clone(),
            failures: state.failures,
            taken_over,
        }
    }

    pub(crate) fn read(&self, lanes: &[LeasedLane], limits: ReadLimits, now_ms: u64) -> OutboxRead {
        let mut read = OutboxRead {
            seen: snapshot_text(&self.open, self.next_xid),
            ..OutboxRead::default()
        };
        for held in lanes {
            let lane = held.lease.lane;
            let overdue = self.late_events(lane, &held.cursor);
            if overdue.len() > usize::from(limits.late_per_lane_max) {
                read.overflowing.push(lane);
                continue;
            }
            let mut new = self.new_events(lane, &held.cursor);
            new.truncate(usize::from(limits.new_per_lane_max));
            let due = self.due_events(lane, usize::from(limits.held_per_lane_max), now_ms);
            let found = [
                (Found::Held, due),
                (Found::Late, overdue),
                (Found::New, new),
            ];
            for (found, positions) in found {
                let events = positions
                    .into_iter()
                    .map(|at| self.pending(at, found, now_ms));
                read.events.extend(events);
            }
        }
        read
    }

    fn pending(&self, position: i64, found: Found, now_ms: u64) -> PendingEvent {
        let row = &self.events[&position];
        let is_behind = |held: &HeldRow| held.aggregate == row.aggregate;
        PendingEvent {
            position,
            lane: row.lane,
            tenant_id: Uuid::nil(),
            event_id: row.event_id,
            aggregate_id: row.aggregate,
            event_type: "order.placed.v1".to_owned(),
            body: String::new(),
            found,
            waits: found != Found::Held
                && !self.has(Flaw::HeldAggregateOvertaken)
                && self.held.values().any(is_behind),
            attempts: match found {
                Found::Held => self.held[&position].attempts,
                Found::Late | Found::New => 0,
            },
            age: Duration::from_millis(now_ms.saturating_sub(row.written_at_ms)),
        }
    }

    fn is_current(&self, lease: LaneLease) -> bool {
        let state = &self.lanes[usize::try_from(lease.lane).unwrap()];
        state.token == lease.fencing_token || self.has(Flaw::NoFencing)
    }

    pub(crate) fn park_late(
        &mut self,
        lease: LaneLease,
        cursor: &LaneCursor,
        now_ms: u64,
    ) -> Option<LaneCursor> {
        if !self.is_current(lease) {
            return None;
        }
        for position in self.late_events(lease.lane, cursor) {
            self.hold(position, 0, None);
        }
        self.wake_firsts(lease.lane, now_ms);
        let seen = snapshot_text(&self.open, self.next_xid);
        self.lane(lease.lane).cursor.seen = seen.clone();
        Some(LaneCursor {
            low: self.lane(lease.lane).cursor.low,
            high: cursor.high,
            seen,
        })
    }

    fn hold(&mut self, position: i64, attempts: u32, next_try_ms: Option<u64>) {
        let row = &self.events[&position];
        let held = HeldRow {
            lane: row.lane,
            aggregate: row.aggregate,
            attempts,
            next_try_ms,
            quarantined: false,
        };
        self.held.entry(position).or_insert(held);
    }

    /// Lets the first held event of each aggregate be tried.
    fn wake_firsts(&mut self, lane: i16, now_ms: u64) {
        let mut seen = BTreeSet::new();
        for held in self.held.values_mut().filter(|held| held.lane == lane) {
            if seen.insert(held.aggregate) && !held.quarantined && held.next_try_ms.is_none() {
                held.next_try_ms = Some(now_ms);
            }
        }
    }

    pub(crate) fn record(
        &mut self,
        terms: &LeaseTerms,
        progress: &Progress,
        now_ms: u64,
    ) -> Recorded {
        let until = now_ms + millis(terms.lease);
        self.relays.insert(terms.holder.clone(), until);
        let mut recorded = Recorded {
            fair_share: self.fair_share(now_ms),
            ..Recorded::default()
        };
        for lane in &progress.lanes {
            if self.is_current(lane.lease) {
                let low = self.move_cursor(lane, until);
                let lease = lane.lease;
                recorded.lanes.push(RecordedLane { lease, low });
            }
        }
        let counts = |lane: i16| recorded.lanes.iter().any(|one| one.lease.lane == lane);
        for (lane, position) in &progress.taken {
            if counts(*lane) {
                self.held.remove(position);
            }
        }
        for (lane, position, failure) in &progress.failed {
            if counts(*lane)
                && let Some(held) = self.held.get_mut(position)
                && !held.quarantined
            {
                held.attempts += u32::from(failure.counts);
                held.next_try_ms = Some(now_ms + millis(failure.retry_after));
            }
        }
        for parked in progress.parked.iter().filter(|one| counts(one.lane)) {
            let failure = parked.failure.as_ref();
            let attempts = failure.map_or(0, |failure| u32::from(failure.counts));
            let next_try = failure.map(|failure| now_ms + millis(failure.retry_after));
            self.hold(parked.position, attempts, next_try);
        }
        recorded.quarantined = self.put_into_quarantine(terms.tries_max);
        for lane in &recorded.lanes {
            self.wake_firsts(lane.lease.lane, now_ms);
        }
        recorded
    }

    fn put_into_quarantine(&mut self, tries_max: u32) -> u32 {
        let mut count = 0;
        for held in self.held.values_mut() {
            if !held.quarantined && held.attempts >= tries_max {
                held.quarantined = true;
                held.next_try_ms = None;
                count += 1;
            }
        }
        count
    }

    fn move_cursor(&mut self, progress: &LaneProgress, until: u64) -> i64 {
        let next_xid = self.next_xid;
        let horizon = if self.has(Flaw::LowLooksAtNow) {
            self.open.first().copied().unwrap_or(next_xid)
        } else if self.has(Flaw::LowIgnoresHorizon) {
            Xid::MAX
        } else {
            Snapshot::of(&progress.seen).oldest
        };
        let state = self.lane(progress.lease.lane);
        state.lease_expires_ms = until;
        if progress.high > state.cursor.high {
            state.failures = 0;
        }
        state.cursor.high = progress.high;
        state.cursor.seen = progress.seen.clone();
        if let Some((position, xid)) = state.mark
            && horizon >= xid
        {
            state.cursor.low = position;
            state.mark = None;
        }
        if state.mark.is_none() && state.cursor.low < progress.high {
            state.mark = Some((progress.high, next_xid));
        }
        state.cursor.low
    }

    pub(crate) fn release(
        &mut self,
        holder: &str,
        lanes: &[LaneRelease],
        leaving: bool,
        now_ms: u64,
    ) {
        for release in lanes
            .iter()
            .filter(|one| self.is_current(one.lease))
            .collect::<Vec<_>>()
        {
            let state = self.lane(release.lease.lane);
            state.holder.clear();
            state.lease_expires_ms = now_ms;
            state.next_try_ms = now_ms + release.wait.map_or(0, millis);
            state.failures += u32::from(release.wait.is_some());
        }
        if leaving {
            self.relays.remove(holder);
        }
    }

    /// Time passes for all that waits.
    pub(crate) fn end_waits(&mut self, now_ms: u64) {
        for held in self.held.values_mut() {
            held.next_try_ms = held.next_try_ms.map(|_| now_ms);
        }
        for lane in &mut self.lanes {
            lane.next_try_ms = 0;
        }
    }

    // What operators do.

    /// `souk outbox quarantine release`, of everything.
    pub(crate) fn release_quarantine(&mut self, now_ms: u64) {
        for held in self.held.values_mut().filter(|held| held.quarantined) {
            held.quarantined = false;
            held.attempts = 0;
            held.next_try_ms = Some(now_ms);
        }
    }
}
