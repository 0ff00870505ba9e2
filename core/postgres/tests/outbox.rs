//! The outbox by its statements: leases and fencing, what is held, what is kept, and what a claim costs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::option_option,
    clippy::too_many_lines,
    reason = "tests"
)]

use souk_domain::Timestamp;
use souk_postgres::Database;
use souk_postgres::outbox::{
    Failure, Found, HistoryFilter, HistoryPlace, LaneProgress, LaneRelease, LeaseTerms, LeasedLane,
    ParkedEvent, PendingEvent, Progress, QuarantineFilter, Quarantined, ReadLimits,
    drop_quarantined, history, lease, list_quarantined, read, record, release, release_quarantined,
    status,
};
use souk_postgres::partitions::maintain_outbox as maintain;
use souk_testkit::{TestDatabase, UNPUBLISHED};
use std::time::Duration;

const TENANT: &str = "00000000-0000-7000-8000-000000000001";
const LIMITS: ReadLimits = ReadLimits {
    new_per_lane_max: 100,
    late_per_lane_max: 100,
    held_per_lane_max: 100,
};

fn terms(holder: &str) -> LeaseTerms {
    LeaseTerms {
        holder: holder.to_owned(),
        lease: Duration::from_secs(60),
        tries_max: 3,
    }
}

/// Writes events of aggregates, each with its lane.
async fn write(db: &TestDatabase, events: &[(i16, u32, u32)]) {
    for (lane, aggregate, sequence) in events {
        db.execute(&format!(
            "INSERT INTO souk.outbox_events \
             (event_id, tenant_id, lane, aggregate_id, sequence, event_type, body, created_at) \
             VALUES (gen_random_uuid(), '{TENANT}', {lane}, '{aggregate:032x}', {sequence}, \
                 't{aggregate}', '{sequence}', now())"
        ))
        .await;
    }
}

/// Leases all that is free, as `holder`.
async fn leased(db: &Database, holder: &str) -> Vec<LeasedLane> {
    let leased = lease(db, &terms(holder), 0, 64).await.unwrap();
    leased.lanes
}

async fn expire_leases(db: &TestDatabase) {
    db.execute("UPDATE souk.outbox_lanes SET lease_expires_at = '-infinity'")
        .await;
}

/// What a relay says that has read `lanes` and dealt with all of it, and parks what `park` says.
async fn deal_with_all(
    db: &Database,
    holder: &str,
    lanes: &[LeasedLane],
    queue: impl Fn(&PendingEvent) -> Answer,
) -> Progress {
    let read = read(db, lanes, LIMITS).await.unwrap();
    let mut progress = Progress::default();
    for lane in lanes {
        let of_lane = read.events.iter().filter(|e| e.lane == lane.lease.lane);
        let new = of_lane.filter(|e| e.found == Found::New);
        progress.lanes.push(LaneProgress {
            lease: lane.lease,
            high: new.map(|e| e.position).max().unwrap_or(lane.cursor.high),
            seen: read.seen.clone(),
        });
    }
    for event in &read.events {
        let (lane, position) = (event.lane, event.position);
        let mut park = |failure| {
            progress.parked.push(ParkedEvent {
                lane,
                position,
                failure,
            });
        };
        match (event.found, queue(event)) {
            (Found::Held, Answer::Taken) => progress.taken.push((lane, position)),
            (Found::Held, Answer::Refused) => progress.failed.push((lane, position, refused())),
            (Found::Held, Answer::NotAsked) | (Found::New | Found::Late, Answer::Taken) => {}
            (Found::New | Found::Late, Answer::Refused) => park(Some(refused())),
            (Found::New | Found::Late, Answer::NotAsked) => park(None),
        }
    }
    let recorded = record(db, &terms(holder), &progress).await.unwrap();
    assert_eq!(recorded.lanes.len(), lanes.len(), "{holder} was fenced off");
    progress
}

fn refused() -> Failure {
    Failure {
        reason: "no".to_owned(),
        retry_after: Duration::ZERO,
        counts: true,
    }
}

/// What the queue says to an event.
enum Answer {
    Taken,
    Refused,
    /// It waits for another of its aggregate.
    NotAsked,
}

/// The queue refuses the first event of the first aggregate, for which the others wait.
fn refusing_the_first(event: &PendingEvent) -> Answer {
    match (event.event_type.as_str(), event.body.as_str()) {
        ("t1", "1") => Answer::Refused,
        ("t1", _) => Answer::NotAsked,
        _ => Answer::Taken,
    }
}

#[tokio::test]
async fn what_is_recorded_under_an_old_token_changes_nothing() {
    let db = TestDatabase::create().await;
    write(&db, &[(7, 1, 1), (7, 2, 1)]).await;
    let relay = db.relay();
    let old = leased(&relay, "old").await;
    assert_eq!(old.len(), 1, "only lanes with something to do");
    let others = lease(&relay, &terms("other"), 0, 64).await.unwrap();
    assert_eq!(others.lanes, [], "the lane is taken");
    assert_eq!(others.held_by_others, 1);
    expire_leases(&db).await;
    let new = leased(&relay, "new").await;
    assert_eq!(new[0].lease.lane, old[0].lease.lane);
    assert!(new[0].lease.fencing_token > old[0].lease.fencing_token);
    assert!(new[0].taken_over && !old[0].taken_over);

    let seen = read(&relay, &old, LIMITS).await.unwrap();
    assert_eq!(seen.events.len(), 2);
    let position = seen.events[1].position;
    let late = |lane: &LeasedLane| Progress {
        lanes: vec![LaneProgress {
            lease: lane.lease,
            high: position,
            seen: seen.seen.clone(),
        }],
        parked: vec![ParkedEvent {
            lane: 7,
            position,
            failure: Some(refused()),
        }],
        ..Progress::default()
    };
    let recorded = record(&relay, &terms("old"), &late(&old[0])).await.unwrap();
    assert_eq!(recorded.lanes, [], "no lease is left");
    let back = LaneRelease {
        lease: old[0].lease,
        wait: Some(Duration::from_secs(60)),
    };
    release(&relay, "old", &[back], true).await.unwrap();
    let held = "SELECT count(*) FROM souk.outbox_held";
    assert_eq!(db.number(UNPUBLISHED).await, 2);
    assert_eq!(db.number(held).await, 0);
    let untouched = "SELECT count(*) FROM souk.outbox_lanes WHERE lane = 7 AND holder = 'new' \
        AND failures = 0 AND high_position = 0 AND lease_expires_at > now()";
    assert_eq!(db.number(untouched).await, 1);

    let recorded = record(&relay, &terms("new"), &late(&new[0])).await.unwrap();
    assert_eq!(recorded.lanes.len(), 1);
    assert_eq!(db.number(held).await, 1);
    assert_eq!(db.number(UNPUBLISHED).await, 1);
}

#[tokio::test]
async fn lanes_are_shared_among_those_who_are_alive() {
    let db = TestDatabase::create().await;
    let one_each: Vec<(i16, u32, u32)> = (0..64_u8)
        .map(|lane| (lane.into(), lane.into(), 1))
        .collect();
    write(&db, &one_each).await;
    let relay = db.relay();
    // Another is just leasing all of them: they are not waited for, but known to be somebody's.
    let leasing = db.hold("SELECT FROM souk.outbox_lanes FOR UPDATE").await;
    let first = lease(&relay, &terms("a"), 0, 64).await.unwrap();
    assert_eq!((first.lanes.len(), first.held_by_others), (0, 64));
    leasing.rollback().await;
    let first = lease(&relay, &terms("a"), 0, 64).await.unwrap();
    assert_eq!((first.lanes.len(), first.fair_share), (64, 64));
    let second = lease(&relay, &terms("b"), 0, 64).await.unwrap();
    assert_eq!((second.lanes.len(), second.fair_share), (0, 32));
    assert_eq!(second.held_by_others, 64);
    // The first learns of it by its next record, and gives back what is too much.
    let unmoved = Progress {
        lanes: first
            .lanes
            .iter()
            .map(|lane| LaneProgress {
                lease: lane.lease,
                high: lane.cursor.high,
                seen: lane.cursor.seen.clone(),
            })
            .collect(),
        ..Progress::default()
    };
    let recorded = record(&relay, &terms("a"), &unmoved).await.unwrap();
    assert_eq!((recorded.lanes.len(), recorded.fair_share), (64, 32));
    let surplus: Vec<LaneRelease> = first.lanes[..32]
        .iter()
        .map(|lane| LaneRelease {
            lease: lane.lease,
            wait: None,
        })
        .collect();
    release(&relay, "a", &surplus, false).await.unwrap();
    let second = lease(&relay, &terms("b"), 0, 64).await.unwrap();
    assert_eq!(second.lanes.len(), 32);
    let third = lease(&relay, &terms("c"), 0, 64).await.unwrap();
    assert_eq!((third.lanes.len(), third.fair_share), (0, 22));
    // One that leaves, and one that is dead, count no longer.
    release(&relay, "b", &[], true).await.unwrap();
    db.execute("UPDATE souk.outbox_relays SET alive_until = now() WHERE holder = 'a'")
        .await;
    let third = lease(&relay, &terms("c"), 0, 64).await.unwrap();
    assert_eq!(third.fair_share, 64);
    // A lane whose queue could not be reached is left alone for as long as was said.
    release(&relay, "a", &surplus, true).await.unwrap();
    expire_leases(&db).await;
    let lanes = lease(&relay, &terms("c"), 0, 64).await.unwrap().lanes;
    assert_eq!(lanes.len(), 64);
    let waiting = LaneRelease {
        lease: lanes[0].lease,
        wait: Some(Duration::from_secs(60)),
    };
    release(&relay, "c", &[waiting], false).await.unwrap();
    assert_eq!(leased(&relay, "d").await, []);
    let stands = status(&relay).await.unwrap();
    let lane = &stands.lanes[usize::try_from(lanes[0].lease.lane).unwrap()];
    assert_eq!((lane.failures, lane.holder.as_deref()), (1, None));
    assert!(lane.waits > Duration::from_secs(30), "{lane:?}");
}

#[tokio::test]
async fn a_refused_event_holds_back_its_aggregate_and_ends_in_quarantine() {
    let db = TestDatabase::create().await;
    write(&db, &[(7, 1, 1), (7, 2, 1), (7, 1, 2), (7, 2, 2)]).await;
    let relay = db.relay();
    let lanes = leased(&relay, "r").await;
    let first = deal_with_all(&relay, "r", &lanes, refusing_the_first).await;
    assert_eq!(first.parked.len(), 2);
    release_all(&relay, "r", &lanes).await;
    // What comes later waits too, and only of this aggregate.
    write(&db, &[(7, 1, 3), (7, 2, 3)]).await;
    for n in 2..=3 {
        let lanes = leased(&relay, "r").await;
        let read = read(&relay, &lanes, LIMITS).await.unwrap();
        let held: Vec<_> = read
            .events
            .iter()
            .filter(|e| e.found == Found::Held)
            .collect();
        assert_eq!(held[0].attempts, n - 1);
        let last = deal_with_all(&relay, "r", &lanes, refusing_the_first).await;
        assert!(last.taken.is_empty());
        release_all(&relay, "r", &lanes).await;
    }
    let none = QuarantineFilter::default();
    let quarantined = list_quarantined(&relay, &none, None, 10).await.unwrap();
    assert_eq!(quarantined.len(), 1);
    let poison = &quarantined[0];
    assert_eq!(
        (poison.sequence, poison.attempts, poison.waiting),
        (1, 3, 2)
    );
    assert_eq!(poison.last_error, "no");
    assert_eq!(db.number(UNPUBLISHED).await, 3);
    let stands = status(&relay).await.unwrap();
    assert_eq!((stands.backlog(), stands.quarantined()), ((2, false), 1));
    // Nobody tries it, nor what waits for it.
    let lanes = leased(&relay, "r").await;
    assert_eq!(read(&relay, &lanes, LIMITS).await.unwrap().events, []);
    release_all(&relay, "r", &lanes).await;
    check_filters(&relay, poison).await;
    // Released, it is tried again; and refused again, it comes back.
    assert!(
        release_quarantined(&relay, poison.lane, poison.position)
            .await
            .unwrap()
    );
    assert!(
        !release_quarantined(&relay, poison.lane, poison.position)
            .await
            .unwrap()
    );
    let lanes = leased(&relay, "r").await;
    let read_again = read(&relay, &lanes, LIMITS).await.unwrap();
    assert_eq!(read_again.events.len(), 3, "all three, in order");
    assert!(read_again.events.is_sorted_by_key(|e| e.position));
    release_all(&relay, "r", &lanes).await;
    db.execute(
        "UPDATE souk.outbox_held SET quarantined_at = now(), next_try_at = NULL WHERE sequence = 1",
    )
    .await;
    // Dropped, it lets the others go on.
    assert!(
        drop_quarantined(&relay, poison.lane, poison.position)
            .await
            .unwrap()
    );
    assert!(
        !drop_quarantined(&relay, poison.lane, poison.position)
            .await
            .unwrap()
    );
    let lanes = leased(&relay, "r").await;
    let progress = deal_with_all(&relay, "r", &lanes, |_| Answer::Taken).await;
    assert_eq!(progress.taken.len(), 2);
    assert_eq!(db.number(UNPUBLISHED).await, 0);
}

async fn check_filters(relay: &Database, poison: &Quarantined) {
    let none = QuarantineFilter::default();
    for (filter, found) in [
        (
            QuarantineFilter {
                event_type: Some("t2".to_owned()),
                ..none.clone()
            },
            0,
        ),
        (
            QuarantineFilter {
                event_type: Some("t1".to_owned()),
                ..none.clone()
            },
            1,
        ),
        (
            QuarantineFilter {
                tenant_id: Some(uuid::Uuid::nil()),
                ..none.clone()
            },
            0,
        ),
        (
            QuarantineFilter {
                tenant_id: Some(TENANT.parse().unwrap()),
                ..none.clone()
            },
            1,
        ),
        (
            QuarantineFilter {
                until: Some(Timestamp::UNIX_EPOCH),
                ..none.clone()
            },
            0,
        ),
    ] {
        let listed = list_quarantined(relay, &filter, None, 10).await.unwrap();
        assert_eq!(listed.len(), found, "{filter:?}");
    }
    let after = Some((poison.lane, poison.position));
    assert_eq!(list_quarantined(relay, &none, after, 10).await.unwrap(), []);
}

async fn release_all(db: &Database, holder: &str, lanes: &[LeasedLane]) {
    let releases: Vec<LaneRelease> = lanes
        .iter()
        .map(|lane| LaneRelease {
            lease: lane.lease,
            wait: None,
        })
        .collect();
    release(db, holder, &releases, true).await.unwrap();
}

/// Numbers are given to transactions in one order and come back in another: one with the highest number
/// that the server has given so far may have a low position and be open still, while all that ended has
/// lower ones. A snapshot then ends below it.
#[tokio::test]
async fn a_horizon_waits_also_for_the_youngest_transaction() {
    let db = TestDatabase::create().await;
    let relay = db.relay();
    let (mut older, mut younger) = (
        db.pool().begin().await.unwrap(),
        db.pool().begin().await.unwrap(),
    );
    for tx in [&mut older, &mut younger] {
        sqlx::query("SELECT pg_current_xact_id()")
            .execute(&mut **tx)
            .await
            .unwrap();
    }
    let insert = |aggregate: u32| {
        sqlx::AssertSqlSafe(format!(
            "INSERT INTO souk.outbox_events (event_id, tenant_id, lane, aggregate_id, sequence, \
                 event_type, body, created_at) \
             VALUES (gen_random_uuid(), '{TENANT}', 7, '{aggregate:032x}', 1, 't{aggregate}', '1', now())"
        ))
    };
    sqlx::raw_sql(insert(2))
        .execute(&mut *younger)
        .await
        .unwrap();
    sqlx::raw_sql(insert(3)).execute(&mut *older).await.unwrap();
    older.commit().await.unwrap();
    for _ in 0..3 {
        let lanes = leased(&relay, "r").await;
        deal_with_all(&relay, "r", &lanes, |_| Answer::Taken).await;
        release_all(&relay, "r", &lanes).await;
    }
    let low = "SELECT low_position FROM souk.outbox_lanes WHERE lane = 7";
    assert_eq!(db.number(low).await, 0);
    younger.commit().await.unwrap();
    let lanes = leased(&relay, "r").await;
    let found = read(&relay, &lanes, LIMITS).await.unwrap();
    let types: Vec<_> = found.events.iter().map(|e| e.event_type.as_str()).collect();
    assert_eq!(types, ["t2"]);
    assert_eq!(found.events[0].found, Found::Late);
}

#[tokio::test]
async fn history_is_what_was_published_and_nothing_else() {
    let db = TestDatabase::create().await;
    write(&db, &[(7, 1, 1), (7, 2, 1), (9, 3, 1), (7, 2, 2)]).await;
    // What came with a tenant from another database.
    write(&db, &[(-1, 4, 1)]).await;
    let relay = db.relay();
    let everything = HistoryFilter::default();
    let of = async |filter: &HistoryFilter, after, limit| {
        history(&relay, filter, after, limit).await.unwrap()
    };
    assert_eq!(of(&everything, HistoryPlace::START, 10).await.len(), 1);
    // Until all transactions of the server have ended that may still write below the cursor.
    loop {
        let lanes = leased(&relay, "r").await;
        if lanes.is_empty() {
            break;
        }
        deal_with_all(&relay, "r", &lanes, refusing_the_first).await;
        release_all(&relay, "r", &lanes).await;
        db.execute("UPDATE souk.outbox_held SET next_try_at = 'infinity'")
            .await;
    }
    write(&db, &[(7, 2, 3)]).await;
    let all = of(&everything, HistoryPlace::START, 10).await;
    let told: Vec<_> = all
        .iter()
        .map(|e| (e.event_type.as_str(), e.sequence))
        .collect();
    assert_eq!(told, [("t4", 1), ("t2", 1), ("t2", 2), ("t3", 1)]);
    // Page by page.
    let mut after = HistoryPlace::START;
    let mut paged = Vec::new();
    loop {
        let page = of(&everything, after, 1).await;
        let Some(last) = page.last() else { break };
        after = last.place;
        paged.extend(page);
    }
    assert_eq!(paged, all);
    let now = all[0].created_at;
    let later = Timestamp::new(now + Duration::from_secs(3_600)).unwrap();
    for (filter, found) in [
        (
            HistoryFilter {
                event_type: Some("t2".to_owned()),
                ..everything.clone()
            },
            2,
        ),
        (
            HistoryFilter {
                tenant_id: Some(uuid::Uuid::nil()),
                ..everything.clone()
            },
            0,
        ),
        (
            HistoryFilter {
                tenant_id: Some(TENANT.parse().unwrap()),
                ..everything.clone()
            },
            4,
        ),
        (
            HistoryFilter {
                since: Some(later),
                ..everything.clone()
            },
            0,
        ),
        (
            HistoryFilter {
                until: Some(later),
                ..everything.clone()
            },
            4,
        ),
    ] {
        assert_eq!(
            of(&filter, HistoryPlace::START, 10).await.len(),
            found,
            "{filter:?}"
        );
    }
}

const DAY_MS: i64 = 24 * 3_600 * 1_000;
const PARTITIONS: &str = "SELECT count(*) FROM pg_inherits \
    WHERE inhparent = 'souk.outbox_events'::regclass";

#[tokio::test]
async fn there_is_room_ahead_and_what_nobody_has_to_read_any_more_goes() {
    let db = TestDatabase::create().await;
    let sweeper = db.by_role("souk_sweeper", 2);
    let relay = db.relay();
    let now_ms: i64 = db
        .number("SELECT (extract(epoch FROM now()) * 1000)::bigint")
        .await;
    let day = |after: i64| Timestamp::from_unix_ms(now_ms + after * DAY_MS).unwrap();
    let before = db.number(PARTITIONS).await;
    assert_eq!(maintain(&sweeper, day(0), 7, 2).await.unwrap().made, 0);
    assert_eq!(maintain(&sweeper, day(1), 7, 2).await.unwrap().made, 1);
    assert_eq!(db.number(PARTITIONS).await, before + 1);
    // One in the partition of its day, one that came when nobody had made it.
    write(&db, &[(7, 1, 1), (7, 2, 1)]).await;
    db.execute(
        "ALTER TABLE souk.outbox_events ALTER COLUMN written_on \
             SET DEFAULT ((now() AT TIME ZONE 'UTC')::date + 20)",
    )
    .await;
    write(&db, &[(7, 1, 2), (7, 2, 2)]).await;
    let in_default = "SELECT count(*) FROM souk.outbox_events_default";
    assert_eq!(db.number(in_default).await, 2);
    assert_eq!(maintain(&sweeper, day(19), 7, 30).await.unwrap().made, 8);
    assert_eq!(db.number(in_default).await, 0, "it lies where it belongs");
    assert_eq!(
        db.number(UNPUBLISHED).await,
        4,
        "nothing is lost on the way"
    );
    // However old: nobody has published them.
    let report = maintain(&sweeper, day(40), 1, 2).await.unwrap();
    assert!(report.dropped > 0, "the empty ones");
    assert_eq!(db.number(UNPUBLISHED).await, 4);
    // Published, or held: then the day can go. What is held has all that is needed of it.
    loop {
        let lanes = leased(&relay, "r").await;
        if lanes.is_empty() {
            break;
        }
        deal_with_all(&relay, "r", &lanes, refusing_the_first).await;
        release_all(&relay, "r", &lanes).await;
        db.execute("UPDATE souk.outbox_held SET next_try_at = 'infinity' WHERE sequence = 1")
            .await;
    }
    assert_eq!(db.number(UNPUBLISHED).await, 2);
    let report = maintain(&sweeper, day(40), 1, 2).await.unwrap();
    assert_eq!(report.dropped, 2);
    assert_eq!(
        db.number("SELECT count(*) FROM souk.outbox_events").await,
        0
    );
    db.execute("UPDATE souk.outbox_held SET next_try_at = now() WHERE sequence = 1")
        .await;
    let lanes = leased(&relay, "r").await;
    let progress = deal_with_all(&relay, "r", &lanes, |_| Answer::Taken).await;
    assert_eq!(progress.taken.len(), 2);
}

/// A database whose events have a day that the test sets.
async fn with_a_calendar() -> TestDatabase {
    let db = TestDatabase::create().await;
    db.execute(
        "CREATE TABLE souk.test_calendar (today date NOT NULL); \
         INSERT INTO souk.test_calendar VALUES (current_date); \
         CREATE FUNCTION souk.test_today() RETURNS date LANGUAGE sql SECURITY DEFINER \
             AS 'SELECT today FROM souk.test_calendar'; \
         ALTER TABLE souk.outbox_events ALTER COLUMN written_on SET DEFAULT souk.test_today()",
    )
    .await;
    db
}

/// `days` later, as the sweeper notes it.
async fn days_pass(db: &TestDatabase, days: u32) {
    db.execute(&format!(
        "UPDATE souk.test_calendar SET today = today + {days}; \
         INSERT INTO souk.outbox_days SELECT today, (SELECT last_value FROM souk.outbox_positions) \
         FROM souk.test_calendar"
    ))
    .await;
}

#[tokio::test]
async fn what_is_committed_days_later_is_found_in_its_old_partition() {
    let db = with_a_calendar().await;
    let relay = db.relay();
    write(&db, &[(7, 1, 1)]).await;
    // Drawn today, and not committed.
    let held = db
        .hold(&format!(
            "INSERT INTO souk.outbox_events \
             (event_id, tenant_id, lane, aggregate_id, sequence, event_type, body, created_at) \
             VALUES (gen_random_uuid(), '{TENANT}', 7, '{:032x}', 1, 't2', '1', now())",
            2
        ))
        .await;
    for day in 1..=3_u32 {
        days_pass(&db, 1).await;
        write(&db, &[(7, 2 + day, 1)]).await;
        let lanes = leased(&relay, "r").await;
        deal_with_all(&relay, "r", &lanes, |_| Answer::Taken).await;
        expire_leases(&db).await;
    }
    days_pass(&db, 3).await;
    held.commit().await;
    let lanes = leased(&relay, "r").await;
    let found = read(&relay, &lanes, LIMITS).await.unwrap().events;
    let types: Vec<_> = found.iter().map(|e| (e.found, &*e.event_type)).collect();
    assert_eq!(types, [(Found::Late, "t2")]);
}

/// Counted, not timed: index entries that Postgres has read.
#[tokio::test]
async fn days_that_are_over_are_not_looked_into() {
    let db = with_a_calendar().await;
    let relay = db.relay();
    for day in 0..4_u32 {
        write(&db, &[(7, day, 1)]).await;
        // Until nothing is waited for.
        loop {
            let lanes = leased(&relay, "r").await;
            if lanes.is_empty() {
                break;
            }
            deal_with_all(&relay, "r", &lanes, |_| Answer::Taken).await;
            release_all(&relay, "r", &lanes).await;
        }
        days_pass(&db, 1).await;
    }
    // A lane without events is looked for in all days since its last one.
    db.execute(
        "UPDATE souk.outbox_lanes SET (low_position, high_position) = \
             (SELECT last_value, last_value FROM souk.outbox_positions) WHERE lane <> 7",
    )
    .await;
    write(&db, &[(7, 9, 1)]).await;
    // What a connection has done is counted when it ends, at the latest.
    relay.close().await;
    until_nobody_is_connected(&db).await;
    let scans = "SELECT sum(idx_scan)::bigint FROM pg_stat_user_indexes \
        WHERE schemaname = 'souk' AND relname IN (\
            SELECT 'outbox_events_' || to_char(current_date + n, 'YYYYMMDD') \
            FROM generate_series(0, 2) AS n) AND indexrelname LIKE '%lane%'";
    let before = db.number(scans).await;
    let reader = db.relay();
    let lanes = leased(&reader, "r").await;
    let found = read(&reader, &lanes, LIMITS).await.unwrap().events;
    assert_eq!(found.len(), 1);
    reader.close().await;
    until_nobody_is_connected(&db).await;
    assert_eq!(db.number(scans).await, before);
}

/// Counted, not timed: rows and index entries that Postgres has read.
#[tokio::test]
async fn neither_history_nor_backlog_makes_a_claim_read_more() {
    let db = TestDatabase::create().await;
    // Planned while the tables are empty, and kept.
    let relay = db.relay();
    claim(&relay).await;
    let history = "INSERT INTO souk.outbox_events \
        (event_id, tenant_id, lane, aggregate_id, sequence, event_type, body, created_at) \
        SELECT gen_random_uuid(), gen_random_uuid(), n % 64, gen_random_uuid(), 1, 't', '{}', now() \
        FROM generate_series(1, 40000) AS n";
    let published = "UPDATE souk.outbox_lanes SET low_position = (SELECT max(position) FROM souk.outbox_events), \
             high_position = (SELECT max(position) FROM souk.outbox_events)";
    for sql in [history, published, history] {
        // What this reads is counted at once, and not some time during what is to be counted.
        let counted = format!("{sql}; SELECT pg_stat_force_next_flush()");
        db.execute(&counted).await;
    }
    for database in [relay, db.relay()] {
        let before = rows_read(&db).await;
        assert_eq!(claim(&database).await, 64 * 10);
        database.close().await;
        until_nobody_is_connected(&db).await;
        let read = rows_read(&db).await - before;
        // Per lane: whether there is something to do, then ten events.
        assert!(
            (640..4_000).contains(&read),
            "{read} rows and entries were read"
        );
        expire_leases(&db).await;
    }
}

/// A claim of all lanes: leases them and reads ten events of each. Returns how many it has read.
async fn claim(db: &Database) -> usize {
    let lanes = leased(db, "r").await;
    let limits = ReadLimits {
        new_per_lane_max: 10,
        ..LIMITS
    };
    read(db, &lanes, limits).await.unwrap().events.len()
}

async fn until_nobody_is_connected(db: &TestDatabase) {
    let connected = "SELECT count(*) FROM pg_stat_activity \
        WHERE datname = current_database() AND application_name = 'souk'";
    while db.number(connected).await > 0 {
        tokio::task::yield_now().await;
    }
}

async fn rows_read(db: &TestDatabase) -> i64 {
    db.number(
        "SELECT (sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) \
             + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE schemaname = 'souk' \
                AND relname LIKE 'outbox_events%'))::bigint \
         FROM pg_stat_user_tables WHERE schemaname = 'souk' AND relname LIKE 'outbox_events%'",
    )
    .await
}
