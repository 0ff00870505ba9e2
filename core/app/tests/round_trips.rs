//! How often placing an order waits for the database: round trips are its cost.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use souk_app::{Answer, Once, OrderCommand, Shards, Tools, cancel_order, place_order};
use souk_domain::{IdempotencyKey, OrderId, RequestFingerprint};
use souk_testkit::{RoundTrips, TestDatabase, TestTenant, order_request, respond};
use std::sync::Arc;

fn once(key: &str) -> Once {
    Once {
        key: IdempotencyKey::parse(key).unwrap(),
        operation: "test",
        fingerprint: RequestFingerprint::new("POST", key, None).unwrap(),
    }
}

struct Counted {
    tenant: TestTenant,
    tools: Tools,
    round_trips: RoundTrips,
}

impl Counted {
    async fn shop(db: &TestDatabase, skus: &[(&str, i64, u32)]) -> Self {
        let tenant = TestTenant::create(db, skus).await;
        let (database, round_trips) = db.app_counted().await;
        let tools = Tools {
            db: Shards::single(database),
            prices: Arc::default(),
            ..tenant.tools.clone()
        };
        Self {
            tenant,
            tools,
            round_trips,
        }
    }

    /// Places an order, and says how many round trips that took.
    async fn place(&self, key: &str, lines: &[(&str, u32)]) -> (Answer, u64) {
        let before = self.round_trips.count();
        let answer = place_order(
            &self.tools,
            &self.tenant.caller(),
            &once(key),
            order_request(lines),
            respond,
        )
        .await
        .unwrap();
        (answer, self.round_trips.count() - before)
    }
}

#[tokio::test]
async fn an_order_takes_two_round_trips_and_one_when_its_prices_are_known() {
    let db = TestDatabase::create().await;
    let shop = Counted::shop(&db, &[("TEA", 250, 100), ("POT", 5_900, 100)]).await;
    // Connects, and prepares both statements.
    shop.place("first", &[("TEA", 1)]).await;

    let (placed, cold) = shop.place("cold", &[("POT", 1), ("TEA", 2)]).await;
    assert_eq!((placed.response.status, cold), (201, 2));
    let (placed, warm) = shop.place("warm", &[("TEA", 2), ("POT", 1)]).await;
    assert_eq!((placed.response.status, warm), (201, 1));
    let (replayed, again) = shop.place("warm", &[("TEA", 2), ("POT", 1)]).await;
    assert_eq!((replayed.replayed, again), (true, 1));
    assert_eq!(replayed.response, placed.response);
    assert_eq!(db.number("SELECT count(*) FROM souk.orders").await, 3);
}

#[tokio::test]
async fn sixty_four_lines_take_no_more_than_one() {
    let db = TestDatabase::create().await;
    let skus: Vec<String> = (0..64).map(|n| format!("SKU-{n:02}")).collect();
    let stock: Vec<(&str, i64, u32)> = skus.iter().map(|sku| (sku.as_str(), 100, 10)).collect();
    let shop = Counted::shop(&db, &stock).await;
    let lines: Vec<(&str, u32)> = skus.iter().rev().map(|sku| (sku.as_str(), 1)).collect();
    shop.place("first", &lines).await;
    let (placed, warm) = shop.place("warm", &lines).await;
    assert_eq!((placed.response.status, warm), (201, 1));
}

#[tokio::test]
async fn a_changed_price_costs_two_round_trips_more_and_is_never_missed() {
    let db = TestDatabase::create().await;
    let shop = Counted::shop(&db, &[("TEA", 250, 100)]).await;
    shop.place("first", &[("TEA", 1)]).await;
    db.execute(
        "UPDATE souk.prices SET unit_price_minor = 300; \
         UPDATE souk.catalog_revisions SET revision = revision + 1",
    )
    .await;
    // The call that is refused, the prices, the call that is not.
    let (placed, repriced) = shop.place("later", &[("TEA", 1)]).await;
    assert_eq!((placed.response.status, repriced), (201, 3));
    assert_eq!(
        db.number("SELECT max(total_minor) FROM souk.orders").await,
        300
    );
    let (_, warm) = shop.place("warm", &[("TEA", 1)]).await;
    assert_eq!(warm, 1);
}

/// The other commands do not count every trip, but none of them may grow unnoticed.
#[tokio::test]
async fn cancelling_takes_nine() {
    let db = TestDatabase::create().await;
    let shop = Counted::shop(&db, &[("TEA", 250, 100)]).await;
    let mut trips = Vec::new();
    for key in ["warm-up", "counted"] {
        let (placed, _) = shop.place(key, &[("TEA", 1)]).await;
        let id: OrderId = core::str::from_utf8(&placed.response.body)
            .unwrap()
            .parse()
            .unwrap();
        let before = shop.round_trips.count();
        let cancel = OrderCommand::on(id, once(&format!("cancel-{key}")));
        cancel_order(&shop.tools, &shop.tenant.caller(), &cancel, None, respond)
            .await
            .unwrap();
        trips.push(shop.round_trips.count() - before);
    }
    assert_eq!(trips.last(), Some(&9));
}
