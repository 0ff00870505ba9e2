//! Through pgbouncer in transaction mode: orders are placed, events relayed and applied, by many at once over few
//! connections of the server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use futures::future::join_all;
use souk_app::{
    Answer, AppError, Database, Once, Projection, RelaySettings, Shards, Tools, place_order,
    project_order, relay_outbox,
};
use souk_domain::{Event, IdempotencyKey, RequestFingerprint};
use souk_testkit::{MemoryQueue, Pgbouncer, TestDatabase, TestTenant, order_request, respond};
use std::time::Duration;
use tokio::time::Instant;

/// Fewer than clients, so that they are given each other's.
const SERVER_CONNECTIONS: u8 = 3;
const CLIENTS: usize = 12;
const ORDERS_EACH: usize = 8;
const ORDERS: usize = CLIENTS * ORDERS_EACH;

async fn place(tenant: &TestTenant, db: Database, key: &str) -> Result<Answer, AppError> {
    let tools = Tools {
        db: Shards::single(db),
        ..tenant.tools.clone()
    };
    let once = Once {
        key: IdempotencyKey::parse(key).unwrap(),
        operation: "POST /v1/orders",
        fingerprint: RequestFingerprint::new("POST", key, None).unwrap(),
    };
    let request = order_request(&[("TEA", 1), ("POT", 2)]);
    place_order(&tools, &tenant.caller(), &once, request, respond).await
}

/// A function's process: a pool of its own, one order after the other, each one asked for twice.
async fn client(tenant: &TestTenant, db: Database, name: usize) {
    for n in 0..ORDERS_EACH {
        let key = format!("{name}-{n}");
        let first = place(tenant, db.clone(), &key).await.unwrap();
        let again = place(tenant, db.clone(), &key).await.unwrap();
        assert!(!first.replayed && again.replayed);
        assert_eq!(first.response, again.response);
    }
}

/// A relay's process, until nothing is left.
async fn relay(db: Database, queue: &MemoryQueue, name: usize) {
    let settings = RelaySettings {
        holder: format!("relay-{name}"),
        ..RelaySettings::default()
    };
    let stop_at = Instant::now() + Duration::from_secs(60);
    relay_outbox(&db, queue, &settings, stop_at).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_events_and_effects_come_through_a_transaction_pooler() {
    let db = TestDatabase::create().await;
    let Some(pooler) = Pgbouncer::before(&db, SERVER_CONNECTIONS) else {
        return;
    };
    let tenant = TestTenant::create(&db, &[("TEA", 250, 1_000), ("POT", 5_900, 1_000)]).await;
    let app = || pooler.database("souk_app", 2);
    join_all((0..CLIENTS).map(|name| client(&tenant, app(), name))).await;
    let orders = i64::try_from(ORDERS).unwrap();
    assert_eq!(db.number("SELECT count(*) FROM souk.orders").await, orders);
    let reserved = "SELECT sum(reserved)::bigint FROM souk.stock_levels";
    assert_eq!(db.number(reserved).await, 3 * orders);

    let queue = MemoryQueue::reliable();
    let relays = (0..3).map(|name| relay(pooler.database("souk_relay", 2), &queue, name));
    join_all(relays).await;
    let events: Vec<Event> = queue
        .taken()
        .iter()
        .map(|event| Event::from_json_text(&event.body).unwrap())
        .collect();
    assert_eq!(events.len(), ORDERS);

    // Each comes twice, at once.
    let shards = Shards::single(pooler.database("souk_app", 6));
    let twice = events.iter().chain(&events);
    let applied = join_all(twice.map(|event| project_order(&shards, event))).await;
    let first = applied
        .into_iter()
        .filter(|applied| matches!(applied, Ok(Projection::Applied)));
    assert_eq!(first.count(), ORDERS);
}

/// Who is not told that there is a pooler finds another client's statements under its own names. Were it otherwise,
/// the test above would show nothing.
#[tokio::test]
async fn a_client_that_is_not_told_of_the_pooler_fails() {
    let db = TestDatabase::create().await;
    let Some(pooler) = Pgbouncer::before(&db, 1) else {
        return;
    };
    let tenant = TestTenant::create(&db, &[("TEA", 250, 10), ("POT", 5_900, 10)]).await;
    let url = pooler.url("souk_app");
    let mut outcomes = Vec::new();
    for name in 0..3 {
        let untold = Database::connect_lazily(&url, 1).unwrap();
        outcomes.push(
            place(&tenant, untold, &format!("untold-{name}"))
                .await
                .is_ok(),
        );
    }
    assert!(outcomes.contains(&false), "{outcomes:?}");
    let told = place(&tenant, pooler.database("souk_app", 1), "told").await;
    assert!(told.is_ok(), "{told:?}");
}
