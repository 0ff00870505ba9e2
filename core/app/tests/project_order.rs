//! A consumer applies each event once, and only in sequence.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use futures::future::join_all;
use souk_app::{Projection, ProjectionError, project_order};
use souk_domain::{
    Event, EventData, EventId, Money, OrderCancelledV1, OrderId, OrderLineV1, OrderPlacedV1,
    OrderReinstatedV1, Timestamp,
};
use souk_testkit::{TestDatabase, TestTenant};

fn events(tenant: &TestTenant) -> [Event; 2] {
    let now: Timestamp = tenant.tools.clock.now();
    let id = || tenant.tools.ids.uuid_v7(now);
    let order_id = OrderId::from_uuid(id());
    let euro = "EUR".parse().unwrap();
    let line = OrderLineV1 {
        line_number: 1,
        sku: "TEA".parse().unwrap(),
        quantity: 2,
        unit_price: Money::new(250, euro),
        line_total: Money::new(500, euro),
        discount: None,
        tax: None,
    };
    let event = |sequence, data| Event {
        id: EventId::from_uuid(id()),
        tenant_id: tenant.id,
        subject: order_id.into(),
        sequence,
        time: now,
        correlation_id: tenant.caller().request_id,
        causation_id: None,
        traceparent: None,
        data,
    };
    [
        event(
            1,
            EventData::OrderPlacedV1(OrderPlacedV1 {
                order_id,
                currency: euro,
                total: Money::new(500, euro),
                subtotal: None,
                discount: None,
                shipping: None,
                tax: None,
                tax_included: None,
                shipping_country: None,
                lines: vec![line],
                customer_reference: None,
                placed_at: now,
            }),
        ),
        event(
            2,
            EventData::OrderCancelledV1(OrderCancelledV1 {
                order_id,
                reason: None,
                cancelled_at: now,
            }),
        ),
    ]
}

const APPLIED: &str = "SELECT coalesce(sum(events_applied), 0)::bigint FROM souk.order_summaries";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_delivered_often_and_at_once_is_applied_once() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[]).await;
    let [placed, cancelled] = events(&tenant);
    for event in [&placed, &cancelled] {
        let outcomes = join_all((0..20).map(|_| project_order(&tenant.tools.db, event))).await;
        let applied = outcomes
            .iter()
            .filter(|o| matches!(o, Ok(Projection::Applied)))
            .count();
        let doubles = outcomes
            .iter()
            .filter(|o| matches!(o, Ok(Projection::Duplicate)))
            .count();
        assert_eq!((applied, doubles), (1, 19));
    }
    assert_eq!(db.number(APPLIED).await, 2);
    assert_eq!(
        db.number("SELECT count(*) FROM souk.order_summaries WHERE status = 'cancelled' AND total_minor = 500").await,
        1
    );
}

#[tokio::test]
async fn an_event_out_of_sequence_is_refused_and_can_come_again() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[]).await;
    let [placed, cancelled] = events(&tenant);
    let early = project_order(&tenant.tools.db, &cancelled).await;
    assert!(
        matches!(early, Err(ProjectionError::OutOfSequence { sequence: 2 })),
        "{early:?}"
    );
    assert_eq!(
        db.number("SELECT count(*) FROM souk.inbox_messages").await,
        0
    );
    assert_eq!(
        project_order(&tenant.tools.db, &placed).await.unwrap(),
        Projection::Applied
    );
    assert_eq!(
        project_order(&tenant.tools.db, &cancelled).await.unwrap(),
        Projection::Applied
    );
    assert_eq!(db.number(APPLIED).await, 2);
}

#[tokio::test]
async fn an_order_that_is_placed_again_is_no_longer_cancelled() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[]).await;
    let [placed, cancelled] = events(&tenant);
    let again = Event {
        id: EventId::from_uuid(uuid::Uuid::now_v7()),
        sequence: 3,
        data: EventData::OrderReinstatedV1(OrderReinstatedV1 {
            order_id: placed.subject.order().unwrap(),
            reservation_expires_at: placed.time,
            reinstated_at: placed.time,
        }),
        ..cancelled.clone()
    };
    for event in [&placed, &cancelled, &again] {
        let projected = project_order(&tenant.tools.db, event).await;
        assert_eq!(projected.unwrap(), Projection::Applied);
    }
    let placed = "SELECT count(*) FROM souk.order_summaries \
         WHERE status = 'placed' AND cancelled_at IS NULL AND events_applied = 3";
    assert_eq!(db.number(placed).await, 1);
}
