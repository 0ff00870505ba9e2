//! Everything that a run of the simulation shares: the seed's random numbers, the outbox, the queue, what
//! the consumers did, and the first broken promise.

use crate::flaws::Flaw;
use crate::outbox::{HeldRow, Lane, Outbox, Row, Snapshot};
use crate::queue::Queue;
use core::time::Duration;
use fastrand::Rng;
use souk_app::relay::LaneLease;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::time::Instant;
use uuid::Uuid;

pub(crate) const LANES: u8 = 3;
pub(crate) const AGGREGATES: usize = 6;
/// Many times what a run needs.
const STATEMENTS_MAX: u32 = 30_000;

/// What a run went through, so that a test can see that it was not idle.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) events: u64,
    pub(crate) deaths: u64,
    pub(crate) stalls: u64,
    pub(crate) takeovers: u64,
    pub(crate) fenced_off: u64,
    pub(crate) late_events: u64,
    pub(crate) parked_late: u64,
    pub(crate) parked: u64,
    pub(crate) quarantined: u64,
    pub(crate) swallowed_doubles: u64,
    pub(crate) taken_doubles: u64,
    pub(crate) requests_lost: u64,
    pub(crate) redelivered: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.deaths += other.deaths;
        self.stalls += other.stalls;
        self.takeovers += other.takeovers;
        self.fenced_off += other.fenced_off;
        self.late_events += other.late_events;
        self.parked_late += other.parked_late;
        self.parked += other.parked;
        self.quarantined += other.quarantined;
        self.swallowed_doubles += other.swallowed_doubles;
        self.taken_doubles += other.taken_doubles;
        self.requests_lost += other.requests_lost;
        self.redelivered += other.redelivered;
    }
}

/// An event as its writer knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) aggregate: Uuid,
    pub(crate) sequence: u64,
}

/// An aggregate, whose row one transaction at a time has locked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Aggregate {
    pub(crate) locked: bool,
    pub(crate) sequence: u64,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) flaw: Option<Flaw>,
    began: Instant,
    /// Nothing goes wrong any more.
    pub(crate) calm: bool,
    pub(crate) outbox: Outbox,
    pub(crate) aggregates: [Aggregate; AGGREGATES],
    /// By event id, what is committed or may become so.
    pub(crate) told: BTreeMap<Uuid, Told>,
    pub(crate) committed: BTreeMap<Uuid, Told>,
    pub(crate) writers_at_work: usize,
    pub(crate) queue: Queue,
    pub(crate) broken: Option<String>,
    pub(crate) tally: Tally,
    /// Statements that relays have made.
    statements: u32,
    pub(crate) log: Option<Vec<String>>,
    /// Of all that happened, to compare two runs.
    pub(crate) fingerprint: u64,
}

/// A lane with what is held of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LaneState {
    lane: Lane,
    held: Vec<(i64, HeldRow)>,
}

/// The world, from the inside.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub(crate) fn new(seed: u64, flaw: Option<Flaw>, told: bool) -> Self {
        Self(Arc::new(Mutex::new(World {
            rng: Rng::with_seed(seed),
            flaw,
            began: Instant::now(),
            calm: false,
            outbox: Outbox::new(LANES, flaw),
            aggregates: [Aggregate::default(); AGGREGATES],
            told: BTreeMap::new(),
            committed: BTreeMap::new(),
            writers_at_work: 0,
            queue: Queue::default(),
            broken: None,
            tally: Tally::default(),
            statements: 0,
            log: told.then(Vec::new),
            fingerprint: 0,
        })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// One of `range` milliseconds, in the simulated time.
    pub(crate) async fn pause(&self, range: core::ops::Range<u64>) {
        let ms = self.lock().rng.u64(range);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

impl World {
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap()
    }

    /// True once in `times`, as long as things go wrong.
    pub(crate) fn unlucky(&mut self, times: u32) -> bool {
        self.rng.u32(..times) == 0 && !self.calm
    }

    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        let now = self.now_ms();
        let word = self.rng.clone().u64(..);
        self.fingerprint = self.fingerprint.rotate_left(5) ^ now.wrapping_mul(31) ^ word;
        if let Some(log) = &mut self.log {
            log.push(format!("{now:>8} ms  {}", what()));
        }
    }

    /// Keeps the first broken promise.
    pub(crate) fn breaks(&mut self, promise: impl FnOnce() -> String) {
        if self.broken.is_none() {
            let promise = promise();
            self.note(|| promise.clone());
            self.broken = Some(promise);
        }
    }

    /// Relays that get nowhere do so a thousand times.
    pub(crate) fn count_statement(&mut self) {
        self.statements += 1;
        if self.statements > STATEMENTS_MAX {
            self.breaks(|| "the relays go round in circles".to_owned());
        }
    }

    /// Looks at every lane's cursor: nothing that it has passed may be neither published nor held.
    pub(crate) fn check_cursors(&mut self) {
        let broken = (0..LANES).find_map(|lane| self.passed_too_far(lane));
        if let Some(broken) = broken {
            self.breaks(|| broken);
        }
    }

    fn passed_too_far(&self, number: u8) -> Option<String> {
        let cursor = &self.outbox.lanes[usize::from(number)].cursor;
        let seen = Snapshot::of(&cursor.seen);
        let of_lane = |(_, row): &(&i64, &Row)| row.lane == i16::from(number);
        for (position, row) in self.outbox.events.range(..=cursor.high).filter(of_lane) {
            let (below, low) = (*position <= cursor.low, cursor.low);
            if !self.outbox.is_committed(row) {
                if below {
                    return Some(format!(
                        "lane {number}: low is {low} while {position} is being written"
                    ));
                }
                continue;
            }
            let passed = below || seen.shows(row.written_in);
            if passed && !self.queue.has(row.event_id) && !self.outbox.held.contains_key(position) {
                return Some(format!(
                    "lane {number}: the cursor passed {position}, which is neither published nor held"
                ));
            }
        }
        None
    }

    /// What of a lane its holder alone may change: with its token, to compare.
    pub(crate) fn state_of(&self, lane: i16) -> LaneState {
        let held = self.outbox.held.iter().filter(|(_, row)| row.lane == lane);
        LaneState {
            lane: self.outbox.lanes[usize::try_from(lane).unwrap()].clone(),
            held: held
                .map(|(position, row)| (*position, row.clone()))
                .collect(),
        }
    }

    /// After a statement of one who had these `rights`: lanes that are another's are as `before`, and no
    /// cursor has gone back.
    pub(crate) fn check_fencing(&mut self, rights: &[LaneLease], before: &[LaneState]) {
        for (right, before) in rights.iter().zip(before) {
            let after = self.state_of(right.lane);
            if before.lane.token != right.fencing_token && after != *before {
                self.breaks(|| {
                    format!(
                        "a relay that was fenced off has changed lane {}",
                        right.lane
                    )
                });
            }
            let (then, now) = (&before.lane.cursor, &after.lane.cursor);
            if now.high < then.high || now.low < then.low {
                self.breaks(|| format!("the cursor of lane {} has gone back", right.lane));
            }
        }
    }

    /// Whether all that was committed has arrived and has had its effect.
    pub(crate) fn is_quiet(&self) -> bool {
        self.writers_at_work == 0
            && self
                .committed
                .keys()
                .all(|id| self.queue.effects_of(*id) > 0)
            && self.outbox.held.is_empty()
    }
}
