//! Promise 2, where it is hardest for a cursor: events that are committed after later ones were published.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

use souk_app::{Database, RelayReport, RelaySettings, relay_outbox};
use souk_domain::{Event, EventData, EventId, OrderCancelledV1, OrderId, Subject, lane_of};
use souk_testkit::{MemoryQueue, TestDatabase, TestTenant, UNPUBLISHED};
use std::fmt::Write as _;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// Inserts, as the app would write them, the events `sequences` of an order.
fn insert(tenant: &TestTenant, order: u128, sequences: core::ops::RangeInclusive<u64>) -> String {
    let id = OrderId::from_uuid(Uuid::from_u128(order));
    let mut statements = String::new();
    for sequence in sequences {
        let now = tenant.tools.clock.now();
        let event = Event {
            id: EventId::from_uuid(tenant.tools.ids.uuid_v7(now)),
            tenant_id: tenant.id,
            subject: Subject::from(id),
            sequence,
            time: now,
            correlation_id: tenant.caller().request_id,
            causation_id: None,
            traceparent: None,
            data: EventData::OrderCancelledV1(OrderCancelledV1 {
                order_id: id,
                reason: None,
                cancelled_at: now,
            }),
        };
        write!(
            statements,
            "INSERT INTO souk.outbox_events \
             (event_id, tenant_id, lane, aggregate_id, sequence, event_type, body, created_at) \
             VALUES ('{}', '{}', {}, '{}', {sequence}, 'order.cancelled.v1', '{}', now()); ",
            event.id.as_uuid(),
            tenant.id.as_uuid(),
            lane_of(id.as_uuid()),
            id.as_uuid(),
            event.to_json_text().unwrap()
        )
        .unwrap();
    }
    statements
}

/// Orders of one lane, so that they have one cursor.
fn orders_of_a_lane() -> impl Iterator<Item = u128> {
    (1_u128..).filter(|n| lane_of(Uuid::from_u128(*n)) == 7)
}

async fn relay(db: &Database, queue: &MemoryQueue) -> RelayReport {
    let settings = RelaySettings {
        holder: "test".to_owned(),
        ..RelaySettings::default()
    };
    let stop_at = Instant::now() + Duration::from_secs(60);
    relay_outbox(db, queue, &settings, stop_at).await.unwrap()
}

fn assert_in_order(queue: &MemoryQueue, orders: usize) {
    let deliveries = queue.first_deliveries();
    assert_eq!(deliveries.len(), orders, "an aggregate is missing");
    for (group, sequences) in deliveries {
        let expected: Vec<u64> = (1_u64..).take(sequences.len()).collect();
        assert_eq!(sequences, expected, "{group}");
    }
}

const LOW: &str = "SELECT low_position FROM souk.outbox_lanes WHERE lane = 7";
const HIGH: &str = "SELECT high_position FROM souk.outbox_lanes WHERE lane = 7";

/// Transactions of other databases of the same server count as well: those of other tests, which end.
async fn until_settled(db: &TestDatabase, relay_db: &Database, queue: &MemoryQueue) {
    while db.number(LOW).await < db.number(HIGH).await {
        assert_eq!(relay(relay_db, queue).await.published, 0);
    }
}

#[tokio::test]
async fn what_is_committed_after_later_events_were_published_is_never_skipped() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", 250, 10)]).await;
    let relay_db = db.relay();
    let queue = MemoryQueue::reliable();
    let mut orders = orders_of_a_lane();
    let mut next = || orders.next().unwrap();
    // Two transactions stay open: one is the oldest, the other began while others went on.
    let early = db.hold(&insert(&tenant, next(), 1..=3)).await;
    db.execute(&insert(&tenant, next(), 1..=2)).await;
    let middle = db.hold(&insert(&tenant, next(), 1..=2)).await;
    db.execute(&insert(&tenant, next(), 1..=1)).await;
    assert_eq!(relay(&relay_db, &queue).await.published, 3);
    let low = db.number(LOW).await;
    assert!(low < db.number(HIGH).await, "the horizon is held back");
    // Nothing stalls, however long they take.
    for _ in 0..5 {
        let order = next();
        db.execute(&insert(&tenant, order, 1..=1)).await;
        db.execute(&insert(&tenant, order, 2..=2)).await;
        assert_eq!(relay(&relay_db, &queue).await.published, 2);
    }
    assert_eq!(db.number(LOW).await, low, "nor does the horizon pass them");
    middle.commit().await;
    assert_eq!(relay(&relay_db, &queue).await.published, 2);
    assert_eq!(relay(&relay_db, &queue).await.published, 0, "but once");
    db.execute(&insert(&tenant, next(), 1..=1)).await;
    early.commit().await;
    assert_eq!(relay(&relay_db, &queue).await.published, 4);
    assert_in_order(&queue, 10);
    assert_eq!(queue.taken().len(), 19, "nothing is sent twice");
    assert_eq!(db.number(UNPUBLISHED).await, 0);
    until_settled(&db, &relay_db, &queue).await;
}

#[tokio::test]
async fn what_is_rolled_back_holds_nothing_up() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", 250, 10)]).await;
    let relay_db = db.relay();
    let queue = MemoryQueue::reliable();
    let mut orders = orders_of_a_lane();
    let given_up = db
        .hold(&insert(&tenant, orders.next().unwrap(), 1..=3))
        .await;
    db.execute(&insert(&tenant, orders.next().unwrap(), 1..=2))
        .await;
    assert_eq!(relay(&relay_db, &queue).await.published, 2);
    given_up.rollback().await;
    until_settled(&db, &relay_db, &queue).await;
    assert_in_order(&queue, 1);
}

/// More than a read takes: none of it may be cut off, since the cursor has passed it already.
#[tokio::test]
async fn very_many_late_events_are_parked_and_lose_neither_place_nor_order() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", 250, 10)]).await;
    let relay_db = db.relay();
    let queue = MemoryQueue::reliable();
    let mut orders = orders_of_a_lane();
    let statements: String = (0..40)
        .map(|_| insert(&tenant, orders.next().unwrap(), 1..=100))
        .collect();
    let bulk = db.hold(&statements).await;
    let other = orders.next().unwrap();
    db.execute(&insert(&tenant, other, 1..=1)).await;
    assert_eq!(relay(&relay_db, &queue).await.published, 1);
    bulk.commit().await;
    // What comes after a bulk event in its order waits for it, wherever that lies.
    let first = orders_of_a_lane().next().unwrap();
    db.execute(&insert(&tenant, first, 101..=102)).await;
    db.execute(&insert(&tenant, other, 2..=2)).await;
    let report = relay(&relay_db, &queue).await;
    assert_eq!(report.published, 4_003);
    assert_in_order(&queue, 41);
    assert_eq!(queue.taken().len(), 4_004, "nothing is sent twice");
    assert_eq!(db.number("SELECT count(*) FROM souk.outbox_held").await, 0);
    assert_eq!(db.number(UNPUBLISHED).await, 0);
}

/// Numbers of transactions mean nothing in another cluster. After a restore from a dump they may be lower
/// there than those in the rows, or higher.
#[tokio::test]
async fn after_a_restore_into_a_younger_or_older_cluster_nothing_is_lost() {
    for (older, newer) in [("4000000000000", "4000000000100"), ("3", "5")] {
        let db = TestDatabase::create().await;
        let tenant = TestTenant::create(&db, &[("TEA", 250, 10)]).await;
        let relay_db = db.relay();
        let queue = MemoryQueue::reliable();
        let mut orders = orders_of_a_lane();
        let (published, late, backlog) = (
            orders.next().unwrap(),
            orders.next().unwrap(),
            orders.next().unwrap(),
        );
        // A dump of this state: one event is published, one is below the cursor and committed after the
        // last look, and some are above it.
        db.execute(&insert(&tenant, published, 1..=1)).await;
        db.execute(&insert(&tenant, late, 1..=2)).await;
        db.execute(&insert(&tenant, backlog, 1..=2)).await;
        db.execute(&format!(
            "UPDATE souk.outbox_events SET written_in = '{older}'; \
             UPDATE souk.outbox_events SET written_in = '{newer}' \
                 WHERE aggregate_id <> '{published}'; \
             UPDATE souk.outbox_lanes SET high_position = (SELECT max(position) - 2 \
                     FROM souk.outbox_events), \
                 seen = '{newer}:{newer}:', mark_position = 1, mark_xid = '{newer}', \
                 marked_at = now() WHERE lane = 7",
            published = Uuid::from_u128(published),
        ))
        .await;
        relay(&relay_db, &queue).await;
        db.execute(&insert(&tenant, orders.next().unwrap(), 1..=1))
            .await;
        db.execute(&insert(&tenant, backlog, 3..=3)).await;
        relay(&relay_db, &queue).await;
        let deliveries = queue.first_deliveries();
        assert_eq!(deliveries.len(), 3, "{older}");
        assert_in_order(&queue, 3);
        assert_eq!(db.number(UNPUBLISHED).await, 0);
        until_settled(&db, &relay_db, &queue).await;
        assert_eq!(relay(&relay_db, &queue).await.published, 0);
    }
}
