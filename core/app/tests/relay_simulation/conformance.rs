//! The model of the outbox against the real one: the same random operations on both, on a server where
//! nobody else is, so that transactions' numbers and horizons mean the same to both. What an operation
//! answers, and where lanes, cursors and held events stand afterwards, must be equal.

use crate::outbox::{Outbox, Row, Xid};
use core::fmt::Write as _;
use core::time::Duration;
use fastrand::Rng;
use souk_app::Database;
use souk_app::relay::{
    Failure, Fate, Found, LaneRelease, LeaseTerms, LeasedLane, OutboxRead, OutboxStore, ReadLimits,
    Sent, settle,
};
use souk_testkit::{HeldTransaction, TestDatabase};
use std::collections::BTreeMap;
use uuid::Uuid;

const LANES: u8 = 64;
/// Lanes that have events.
const BUSY_LANES: u128 = 2;
const AGGREGATES: u128 = 8;
const OPERATIONS: usize = 250;
const OPEN_MAX: usize = 3;
const TRIES_MAX: u32 = 3;
/// Longer than the test.
const HOUR: Duration = Duration::from_secs(3_600);
const LIMITS: ReadLimits = ReadLimits {
    new_per_lane_max: 3,
    late_per_lane_max: 2,
    held_per_lane_max: 100,
};

/// A relay as it remembers itself, which may be wrong by now.
#[derive(Debug, Default)]
struct Relay {
    lanes: BTreeMap<i16, LeasedLane>,
    /// As Postgres knows them: snapshots' texts differ from the model's.
    real: BTreeMap<i16, LeasedLane>,
    reads: Option<(OutboxRead, OutboxRead)>,
}

pub(crate) struct Comparison {
    rng: Rng,
    now_ms: u64,
    model: Outbox,
    db: TestDatabase,
    store: Database,
    open: Vec<(Xid, Vec<u128>, HeldTransaction)>,
    relays: [Relay; 2],
    sequences: BTreeMap<u128, u64>,
    log: Vec<String>,
    pub(crate) tally: BTreeMap<&'static str, u32>,
}

fn terms(relay: usize) -> LeaseTerms {
    LeaseTerms {
        holder: format!("relay-{relay}"),
        lease: HOUR,
        tries_max: TRIES_MAX,
    }
}

/// What two reads have in common when they are equal.
fn in_words(read: &OutboxRead) -> Vec<String> {
    let events = read.events.iter();
    let events = events.map(|e| {
        let (found, waits, attempts) = (e.found, e.waits, e.attempts);
        format!(
            "{} {} {found:?} waits: {waits}, {attempts} attempts",
            e.lane, e.position
        )
    });
    let mut words: Vec<String> = events.collect();
    words.sort();
    words.push(format!("overflowing: {:?}", read.overflowing));
    words
}

impl Comparison {
    pub(crate) fn new(db: TestDatabase, seed: u64) -> Self {
        let store = db.by_role("souk_relay", 4);
        Self {
            rng: Rng::with_seed(seed),
            now_ms: 1,
            model: Outbox::new(LANES, None),
            db,
            store,
            open: Vec::new(),
            relays: Default::default(),
            sequences: BTreeMap::new(),
            log: vec![format!("seed {seed}")],
            tally: BTreeMap::new(),
        }
    }

    pub(crate) async fn run(mut self) -> BTreeMap<&'static str, u32> {
        for _ in 0..OPERATIONS {
            self.now_ms += 1;
            let relay = self.rng.usize(..self.relays.len());
            match self.rng.u8(..80) {
                0..=19 => self.append().await,
                20..=27 => self.end_one().await,
                28..=39 => self.lease(relay).await,
                // One after the other, mostly: else little would come of it.
                40..=63 => {
                    self.read(relay).await;
                    if self.rng.u8(..5) != 0 {
                        self.record(relay).await;
                    }
                }
                64..=69 => self.record(relay).await,
                70 | 71 => self.release(relay).await,
                72 | 73 => self.let_leases_end().await,
                74..=77 => self.let_waits_end().await,
                _ => self.release_quarantine().await,
            }
            self.compare().await;
        }
        for (_, _, transaction) in self.open {
            transaction.rollback().await;
        }
        self.tally
    }

    fn count(&mut self, what: &'static str, times: usize) {
        *self.tally.entry(what).or_default() += u32::try_from(times).unwrap();
    }

    fn assert_same<T: PartialEq + core::fmt::Debug>(&self, what: &str, model: &T, real: &T) {
        let log = self.log.join("\n");
        assert_eq!(
            model, real,
            "{what}: the model (left) is not Postgres (right) after\n{log}"
        );
    }

    async fn append(&mut self) {
        let locked: Vec<u128> = self
            .open
            .iter()
            .flat_map(|(_, mine, _)| mine.clone())
            .collect();
        let aggregate = self.rng.u128(..AGGREGATES);
        let place = self.rng.usize(..=OPEN_MAX.min(self.open.len()));
        let foreign = |open: &(Xid, Vec<u128>, _)| !open.1.contains(&aggregate);
        if locked.contains(&aggregate) && self.open.get(place).is_none_or(foreign) {
            return;
        }
        let event = Uuid::from_u128(self.rng.u128(..));
        let lane = i16::try_from(aggregate % BUSY_LANES).unwrap();
        let id = Uuid::from_u128(aggregate + 1);
        let sequence = self.sequences.entry(aggregate).or_default();
        *sequence += 1;
        let insert = format!(
            "INSERT INTO souk.outbox_events (event_id, tenant_id, lane, aggregate_id, sequence, \
                 event_type, body, created_at) \
             VALUES ('{event}', '{}', {lane}, '{id}', {sequence}, 'order.placed.v1', '', now())",
            Uuid::nil(),
        );
        let xid = if let Some((xid, mine, transaction)) = self.open.get_mut(place) {
            mine.push(aggregate);
            transaction.execute(&insert).await;
            *xid
        } else if self.open.len() < OPEN_MAX {
            let xid = self.model.begin();
            let transaction = self.db.hold(&insert).await;
            self.open.push((xid, vec![aggregate], transaction));
            xid
        } else {
            return;
        };
        let position = self.model.append(Row {
            lane,
            event_id: event,
            aggregate: id,
            written_in: xid,
            written_at_ms: self.now_ms,
        });
        self.log.push(format!(
            "{xid} writes {aggregate} at {position} of lane {lane}"
        ));
    }

    async fn end_one(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let place = self.rng.usize(..self.open.len());
        let (xid, _, transaction) = self.open.remove(place);
        let commits = self.rng.u8(..5) != 0;
        self.log.push(format!("{xid} ends, commits: {commits}"));
        if commits {
            transaction.commit().await;
            self.model.commit(xid);
        } else {
            transaction.rollback().await;
            self.model.roll_back(xid);
        }
    }

    async fn lease(&mut self, relay: usize) {
        let held = u8::try_from(self.relays[relay].lanes.len()).unwrap();
        let max = self.rng.u8(1..5);
        self.log.push(format!(
            "relay {relay} leases, {held} held, {max} more at most"
        ));
        let model = self.model.lease(&terms(relay), held, max, self.now_ms);
        let real = self.store.lease(&terms(relay), held, max).await.unwrap();
        let words = |lanes: &[LeasedLane]| {
            let lanes = lanes.iter().map(|l| {
                let (cursor, failures) = (&l.cursor, l.failures);
                let at = (cursor.low, cursor.high);
                format!("{:?} {at:?} {failures} {}", l.lease, l.taken_over)
            });
            let mut lanes: Vec<String> = lanes.collect();
            lanes.sort();
            lanes
        };
        self.assert_same("lanes", &words(&model.lanes), &words(&real.lanes));
        self.assert_same("fair share", &model.fair_share, &real.fair_share);
        self.assert_same(
            "held by others",
            &model.held_by_others,
            &real.held_by_others,
        );
        self.count("leased", model.lanes.len());
        let state = &mut self.relays[relay];
        let by_lane = |lanes: Vec<LeasedLane>| lanes.into_iter().map(|l| (l.lease.lane, l));
        state.lanes.extend(by_lane(model.lanes));
        state.real.extend(by_lane(real.lanes));
    }

    async fn read(&mut self, relay: usize) {
        let state = &self.relays[relay];
        if state.lanes.is_empty() {
            return;
        }
        let (lanes, real): (Vec<_>, Vec<_>) = (
            state.lanes.values().cloned().collect(),
            state.real.values().cloned().collect(),
        );
        self.log
            .push(format!("relay {relay} reads {:?}", state.lanes.keys()));
        let model = self.model.read(&lanes, LIMITS, self.now_ms);
        let real = self.store.read(&real, LIMITS).await.unwrap();
        self.log.push(format!("    {:?}", in_words(&model)));
        self.assert_same("read", &in_words(&model), &in_words(&real));
        for (what, found) in [
            ("new", Found::New),
            ("late", Found::Late),
            ("held", Found::Held),
        ] {
            let count = model.events.iter().filter(|e| e.found == found).count();
            self.count(what, count);
        }
        self.count("overflowing", model.overflowing.len());
        for lane in model.overflowing.clone() {
            self.park_late(relay, lane).await;
        }
        self.relays[relay].reads = Some((model, real));
    }

    async fn park_late(&mut self, relay: usize, lane: i16) {
        let state = &self.relays[relay];
        let (mine, real) = (state.lanes[&lane].clone(), state.real[&lane].clone());
        self.log
            .push(format!("relay {relay} parks what is late in lane {lane}"));
        let model = self.model.park_late(mine.lease, &mine.cursor, self.now_ms);
        let real = self
            .store
            .park_late(real.lease, &real.cursor)
            .await
            .unwrap();
        let at = |cursor: &souk_app::relay::LaneCursor| (cursor.low, cursor.high);
        self.assert_same("cursor", &model.as_ref().map(at), &real.as_ref().map(at));
        let state = &mut self.relays[relay];
        if let (Some(model), Some(real)) = (model, real) {
            state.lanes.get_mut(&lane).unwrap().cursor = model;
            state.real.get_mut(&lane).unwrap().cursor = real;
        }
    }

    /// Fates as a queue could give them: what is behind one that was not taken waits for it.
    fn draw_fates(&mut self, read: &OutboxRead) -> Vec<Sent> {
        let mut broken = BTreeMap::new();
        let mut sent = Vec::new();
        for event in &read.events {
            let behind: Option<Fate> = broken.get(&event.aggregate_id).cloned();
            let fate = match (behind, self.rng.u8(..12)) {
                (Some(Fate::Unsent), _) => Fate::Unsent,
                (Some(_), _) => Fate::Waits,
                (None, _) if event.waits => Fate::Waits,
                (None, 0) => Fate::Unsent,
                (None, 1..=3) => Fate::Failed(Failure {
                    reason: "refused".to_owned(),
                    retry_after: if self.rng.bool() {
                        HOUR
                    } else {
                        Duration::ZERO
                    },
                    counts: self.rng.bool(),
                }),
                (None, _) => Fate::Taken,
            };
            if fate != Fate::Taken {
                broken.insert(event.aggregate_id, fate.clone());
            }
            let event = event.clone();
            sent.push(Sent { event, fate });
        }
        sent
    }

    /// Records what became of the last read: also where the lanes are another's by now.
    async fn record(&mut self, relay: usize) {
        let Some((read, its_read)) = self.relays[relay].reads.take() else {
            return;
        };
        let sent = self.draw_fates(&read);
        let state = &self.relays[relay];
        let lanes: Vec<_> = state.lanes.values().cloned().collect();
        let its_lanes: Vec<_> = state.real.values().cloned().collect();
        let progress = settle(&lanes, &read, &sent).progress;
        let its_progress = settle(&its_lanes, &its_read, &sent).progress;
        self.log.push(format!("relay {relay} records {progress:?}"));
        let model = self.model.record(&terms(relay), &progress, self.now_ms);
        let its = self
            .store
            .record(&terms(relay), &its_progress)
            .await
            .unwrap();
        let sorted = |recorded: &souk_app::relay::Recorded| {
            let mut lanes = recorded.lanes.clone();
            lanes.sort_by_key(|lane| lane.lease.lane);
            lanes
        };
        self.assert_same("recorded", &sorted(&model), &sorted(&its));
        self.assert_same("quarantined", &model.quarantined, &its.quarantined);
        self.assert_same("fair share", &model.fair_share, &its.fair_share);
        self.count("recorded", model.lanes.len());
        self.count("fenced off", progress.lanes.len() - model.lanes.len());
        self.count("quarantined", usize::try_from(model.quarantined).unwrap());
        let state = &mut self.relays[relay];
        for (held, progress) in [
            (&mut state.lanes, &progress),
            (&mut state.real, &its_progress),
        ] {
            held.retain(|_, lane| {
                let current = model.lanes.iter().find(|one| one.lease == lane.lease);
                let moved = progress.lanes.iter().find(|one| one.lease == lane.lease);
                let (Some(current), Some(moved)) = (current, moved) else {
                    return false;
                };
                lane.cursor.low = current.low;
                lane.cursor.high = moved.high;
                lane.cursor.seen = moved.seen.clone();
                true
            });
        }
    }

    async fn release(&mut self, relay: usize) {
        let state = core::mem::take(&mut self.relays[relay]);
        let leaving = self.rng.bool();
        let mut releases = Vec::new();
        for lane in state.lanes.values() {
            let wait = self.rng.bool().then_some(HOUR);
            let lease = lane.lease;
            releases.push(LaneRelease { lease, wait });
        }
        self.log.push(format!(
            "relay {relay} releases {releases:?}, leaving: {leaving}"
        ));
        let holder = terms(relay).holder;
        self.model.release(&holder, &releases, leaving, self.now_ms);
        self.store
            .release(&holder, &releases, leaving)
            .await
            .unwrap();
        // All at one moment, so that both take them in one order.
        for release in releases {
            let number = release.lease.lane;
            let lane = &mut self.model.lanes[usize::try_from(number).unwrap()];
            if lane.holder.is_empty() {
                lane.lease_expires_ms = self.now_ms;
            }
        }
        let lanes: Vec<String> = state.lanes.keys().map(i16::to_string).collect();
        let sql = format!(
            "UPDATE souk.outbox_lanes SET lease_expires_at = now() \
             WHERE holder = '' AND lane = ANY ('{{{}}}')",
            lanes.join(",")
        );
        self.db.execute(&sql).await;
    }

    /// Time passes for some leases.
    async fn let_leases_end(&mut self) {
        let odd = self.rng.i16(0..2);
        self.log.push(format!(
            "leases of lanes end whose number has the rest {odd}"
        ));
        for (number, lane) in self.model.lanes.iter_mut().enumerate() {
            if number % 2 == usize::try_from(odd).unwrap() && lane.lease_expires_ms > self.now_ms {
                lane.lease_expires_ms = self.now_ms;
            }
        }
        let sql = format!(
            "UPDATE souk.outbox_lanes SET lease_expires_at = now() \
             WHERE lane % 2 = {odd} AND lease_expires_at > clock_timestamp()"
        );
        self.db.execute(&sql).await;
    }

    /// Time passes for all that waits.
    async fn let_waits_end(&mut self) {
        self.log.push("all waits end".to_owned());
        self.model.end_waits(self.now_ms);
        self.db
            .execute(
                "UPDATE souk.outbox_held SET next_try_at = clock_timestamp() \
                 WHERE next_try_at IS NOT NULL; \
                 UPDATE souk.outbox_lanes SET next_try_at = '-infinity'",
            )
            .await;
    }

    async fn release_quarantine(&mut self) {
        self.log.push("the quarantine is released".to_owned());
        let held = self.model.held.iter().filter(|(_, row)| row.quarantined);
        let held: Vec<(i16, i64)> = held.map(|(at, row)| (row.lane, *at)).collect();
        for (lane, position) in held {
            let released = souk_postgres::outbox::release_quarantined(&self.store, lane, position);
            assert!(released.await.unwrap());
        }
        self.model.release_quarantine(self.now_ms);
    }

    /// Everything that the tables say.
    async fn compare(&mut self) {
        let mut lanes = Vec::new();
        for (number, lane) in self.model.lanes.iter().enumerate() {
            let (low, high) = (lane.cursor.low, lane.cursor.high);
            let leased = lane.lease_expires_ms > self.now_ms;
            let (holder, token) = (&lane.holder, lane.token);
            lanes.push(format!("{number} {holder} {token} {leased} {low} {high}"));
        }
        let real = "SELECT concat_ws(' ', lane, holder, fencing_token, \
                        lease_expires_at > clock_timestamp(), low_position, high_position) \
                    FROM souk.outbox_lanes ORDER BY lane";
        let real = self.db.texts(real).await.into_iter();
        let real: Vec<String> = real
            .map(|line| line.replace(" t ", " true ").replace(" f ", " false "))
            .collect();
        self.assert_same("lanes", &lanes, &real);
        let mut held = Vec::new();
        for (position, row) in &self.model.held {
            let mut words = format!("{position} {} {}", row.lane, row.attempts);
            let due = row.next_try_ms.map(|at| at <= self.now_ms);
            write!(words, " {due:?} {}", row.quarantined).unwrap();
            held.push(words);
        }
        let real = "SELECT concat_ws(' ', position, lane, attempts, \
                        CASE WHEN next_try_at IS NULL THEN 'None' \
                             WHEN next_try_at <= clock_timestamp() THEN 'Some(true)' \
                             ELSE 'Some(false)' END, \
                        CASE WHEN quarantined_at IS NULL THEN 'false' ELSE 'true' END) \
                    FROM souk.outbox_held ORDER BY position";
        let real = self.db.texts(real).await;
        self.assert_same("held events", &held, &real);
    }
}
