//! Two shards, a directory and a replica behind one edge.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod support;

use reqwest::Method;
use serde_json::{Value, json};
use souk_domain::{OrderId, TenantId};
use souk_e2e::variable;
use souk_testkit::{Probe, TestDatabase, TestReplica};
use std::time::Duration;
use support::{Stack, eventually, eventually_within, new_key, send};

/// The sweeper's period, and time for what it does.
const SWEEP_TIMEOUT: Duration = Duration::from_secs(150);

/// A shard's database, by a superuser, whom row level security does not bind. `owner` is the variable
/// with the owner's URL.
fn probe(owner: &str) -> Probe {
    let server = variable("SOUK_TEST_POSTGRES_URL");
    let (server, _) = server.rsplit_once('/').unwrap();
    let database = variable(owner);
    let (_, database) = database.rsplit_once('/').unwrap();
    Probe::new(&format!("{server}/{database}"))
}

fn shard_a() -> Probe {
    probe("SOUK_TEST_DATABASE_URL")
}

fn shard_b() -> Probe {
    probe("SOUK_TEST_SHARD_B_DATABASE_URL")
}

fn uuid_of(order: &Value) -> uuid::Uuid {
    let id: OrderId = order["id"].as_str().unwrap().parse().unwrap();
    id.as_uuid()
}

fn count_of(table: &str, order: &Value) -> String {
    let id = uuid_of(order);
    format!("SELECT count(*) FROM souk.{table} WHERE order_id = '{id}'")
}

#[tokio::test]
async fn each_tenant_is_on_its_shard_and_the_relay_publishes_from_both() {
    let (first, second) = (Stack::from_environment(), Stack::of_second_tenant());
    let (status, _, on_a) = send(first.order(&new_key(), 1)).await;
    assert_eq!(status, 201, "{on_a}");
    let (status, headers, on_b) = send(second.order(&new_key(), 1)).await;
    assert_eq!(status, 201, "{on_b}");
    let token = headers["souk-consistency"].to_str().unwrap();
    assert!(token.starts_with("b:"), "{token}");

    for (order, home, other) in [(&on_a, shard_a(), shard_b()), (&on_b, shard_b(), shard_a())] {
        assert_eq!(home.number(&count_of("orders", order)).await, 1);
        assert_eq!(other.number(&count_of("orders", order)).await, 0);
        eventually("the order in the read model of its shard", async || {
            home.number(&count_of("order_summaries", order)).await == 1
        })
        .await;
    }

    // The one's order does not exist for the other.
    let path = format!("/v1/orders/{}", on_b["id"].as_str().unwrap());
    let (status, _, answer) = send(first.authorized(Method::GET, &path)).await;
    assert_eq!((status, &answer["code"]), (404, &json!("order_not_found")));
}

#[tokio::test]
async fn who_has_written_reads_it_through_the_edge_while_the_replica_stands_still() {
    let stack = Stack::from_environment();
    // Nothing of this database is needed but that no other test stops the replica meanwhile.
    let own = TestDatabase::create().await;
    let mut replica = TestReplica::of(&own).await;
    replica.pause().await;
    let (status, headers, order) = send(stack.order(&new_key(), 1)).await;
    assert_eq!(status, 201, "{order}");
    let path = format!("/v1/orders/{}", order["id"].as_str().unwrap());
    let token = headers["souk-consistency"].clone();
    let without = || stack.authorized(Method::GET, &path);

    let (status, _, answer) = send(without()).await;
    let of_replica = (status, answer["code"].clone());
    let with_token = send(without().header("souk-consistency", token)).await;
    replica.resume().await;
    assert_eq!(of_replica, (404, json!("order_not_found")));
    assert_eq!((with_token.0, &with_token.2), (200, &order));

    replica.until_caught_up().await;
    let (status, _, read) = send(without()).await;
    assert_eq!((status, &read), (200, &order));

    let malformed = without().header("souk-consistency", "yesterday, please");
    let (status, _, answer) = send(malformed).await;
    let expected = (400, &json!("consistency_token_invalid"));
    assert_eq!((status, &answer["code"]), expected);
}

#[tokio::test]
async fn the_catalog_is_public_and_answers_what_is_known_with_304() {
    let stack = Stack::from_environment();
    let path = "/v1/skus/TEA-GREEN-100G";
    let (status, headers, sku) = send(stack.anonymous(Method::GET, path)).await;
    assert_eq!(status, 200, "{sku}");
    let etag = headers["etag"].clone();
    assert!(headers.contains_key("cache-control"));
    let again = stack
        .anonymous(Method::GET, path)
        .header("if-none-match", etag);
    let (status, _, body) = send(again).await;
    assert_eq!((status, body), (304, json!("")));
}

#[tokio::test]
async fn the_sweeper_gives_back_what_nobody_has_confirmed() {
    for (stack, shard) in [
        (Stack::from_environment(), shard_a()),
        (Stack::of_second_tenant(), shard_b()),
    ] {
        let (status, _, order) = send(stack.order(&new_key(), 3)).await;
        assert_eq!(status, 201, "{order}");
        let id = uuid_of(&order);
        let tenant: TenantId = stack.tenant_id.parse().unwrap();
        let aged = format!(
            "WITH aged AS (UPDATE souk.orders SET reservation_expires_at = now() - interval '1 s' \
             WHERE tenant_id = '{}' AND order_id = '{id}' AND status = 'placed' RETURNING 1) \
             SELECT count(*) FROM aged",
            tenant.as_uuid()
        );
        assert_eq!(shard.number(&aged).await, 1);
        let cancelled = format!(
            "SELECT count(*) FROM souk.orders WHERE order_id = '{id}' AND status = 'cancelled'"
        );
        eventually_within(SWEEP_TIMEOUT, "the end of the reservation", async || {
            shard.number(&cancelled).await == 1
        })
        .await;
    }
}
