//! Partitions of idempotency records: there is room ahead, what came before its partition was there is
//! moved into it, and old ones go.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use souk_domain::Timestamp;
use souk_postgres::partitions::{PartitionReport, maintain_idempotency_keys as maintain};
use souk_testkit::TestDatabase;

const DAY_MS: i64 = 24 * 3_600 * 1_000;
/// 2026-11-21T08:00:00Z.
const NOW_MS: i64 = 1_795_248_000_000;

fn day(after: i64) -> Timestamp {
    Timestamp::from_unix_ms(NOW_MS + after * DAY_MS).unwrap()
}

/// Records of the days that lie so many days after the first.
async fn record(db: &TestDatabase, days: &[i64]) {
    for after in days {
        let at = day(*after);
        db.execute(&format!(
            "INSERT INTO souk.idempotency_keys (tenant_id, principal, key, created_on, operation, \
                 fingerprint, created_at, expires_at) \
             VALUES (gen_random_uuid(), 'p', 'k{after}', ('{at}'::timestamptz AT TIME ZONE 'UTC')::date, \
                 'o', decode(repeat('00', 32), 'hex'), '{at}', '{at}')"
        ))
        .await;
    }
}

const ALL: &str = "SELECT count(*) FROM souk.idempotency_keys";
const IN_DEFAULT: &str = "SELECT count(*) FROM souk.idempotency_keys_default";
const PARTITIONS: &str = "SELECT count(*) FROM pg_inherits \
     WHERE inhparent = 'souk.idempotency_keys'::regclass";

#[tokio::test]
async fn there_is_room_ahead_and_what_is_old_goes() {
    let db = TestDatabase::create().await;
    let sweeper = db.by_role("souk_sweeper", 2);
    // Nobody has looked after it for days.
    record(&db, &[-1, 0, 2]).await;
    let in_default = db.number(IN_DEFAULT).await;
    let made = maintain(&sweeper, day(0), 3, 2).await.unwrap();
    assert_eq!(made.dropped, 0);
    assert!(made.made > 0 || in_default < 3);
    assert_eq!(db.number(ALL).await, 3, "nothing is lost on the way");
    assert_eq!(
        db.number(IN_DEFAULT).await,
        1,
        "only yesterday's has no partition of its own"
    );
    let partitions = db.number(PARTITIONS).await;
    // Again changes nothing.
    assert_eq!(
        maintain(&sweeper, day(0), 3, 2).await.unwrap(),
        PartitionReport::default()
    );
    assert_eq!(db.number(PARTITIONS).await, partitions);
    // What comes now goes where it belongs at once.
    record(&db, &[1, 3]).await;
    assert_eq!(db.number(IN_DEFAULT).await, 1);

    // Two whole days are kept besides today's.
    let later = maintain(&sweeper, day(2), 3, 2).await.unwrap();
    assert_eq!(later.dropped, 0);
    assert_eq!(
        db.number(IN_DEFAULT).await,
        0,
        "yesterday's has expired by then"
    );
    let later = maintain(&sweeper, day(3), 3, 2).await.unwrap();
    assert_eq!(
        later,
        PartitionReport {
            made: 1,
            dropped: 1
        }
    );
    assert_eq!(db.number(ALL).await, 3, "of the days 1, 2 and 3");
    let later = maintain(&sweeper, day(30), 3, 2).await.unwrap();
    assert_eq!(db.number(ALL).await, 0);
    assert!(later.dropped >= 3);
}

#[tokio::test]
async fn two_at_once_do_not_get_in_each_others_way() {
    let db = TestDatabase::create().await;
    let sweeper = db.by_role("souk_sweeper", 4);
    record(&db, &[5, 6]).await;
    let runs = tokio::join!(
        maintain(&sweeper, day(5), 7, 2),
        maintain(&sweeper, day(5), 7, 2),
        maintain(&sweeper, day(5), 7, 2),
    );
    let made = [runs.0.unwrap(), runs.1.unwrap(), runs.2.unwrap()];
    assert_eq!(
        made.iter().filter(|report| report.made > 0).count(),
        1,
        "{made:?}"
    );
    assert_eq!(db.number(ALL).await, 2);
    assert_eq!(db.number(IN_DEFAULT).await, 0);
}

#[tokio::test]
async fn neither_app_nor_relay_may_drop_records() {
    let db = TestDatabase::create().await;
    for role in ["souk_app", "souk_relay"] {
        let refused = maintain(&db.by_role(role, 1), day(0), 7, 2).await;
        assert!(refused.is_err(), "{role}");
    }
}
