//! What must hold in the tables, however the processes came to their ends.

use crate::clients::Outcome;
use souk_testkit::{Probe, TestDatabase, TestTenant};
use std::collections::BTreeMap;
use std::fmt::Write as _;

pub(crate) const SKUS: usize = 20;
/// Most skus have enough for everybody; of these there is not.
const SCARCE: usize = 3;
const UNITS: u32 = 5_000;
const UNITS_SCARCE: u32 = 37;

pub(crate) fn sku_name(number: usize) -> String {
    format!("SKU-{number:02}")
}

/// A tenant with few skus: a third of them in one row, the others in 8 and in 32 buckets, of which
/// some lie at another location.
pub(crate) async fn open_shop(db: &TestDatabase) -> TestTenant {
    let names: Vec<String> = (0..SKUS).map(sku_name).collect();
    let units = |number| if number < SCARCE { UNITS_SCARCE } else { UNITS };
    let skus: Vec<(&str, i64, u32)> = names
        .iter()
        .enumerate()
        .map(|(number, name)| (name.as_str(), 250, units(number)))
        .collect();
    let tenant = TestTenant::create(db, &skus).await;
    db.execute(
        "CREATE TEMPORARY TABLE split AS \
         SELECT tenant_id, sku, sum(available)::bigint AS units, \
             (ARRAY[1, 8, 32])[1 + right(sku, 2)::integer % 3] AS buckets \
         FROM souk.stock_levels GROUP BY tenant_id, sku; \
         DELETE FROM souk.stock_levels; \
         INSERT INTO souk.stock_levels (tenant_id, sku, location, bucket, available) \
         SELECT tenant_id, sku, CASE WHEN b % 5 = 4 THEN 'west' ELSE 'main' END, b, \
             units / buckets + CASE WHEN b < units % buckets THEN 1 ELSE 0 END \
         FROM split CROSS JOIN LATERAL generate_series(0, buckets - 1) b; \
         DROP TABLE split",
    )
    .await;
    tenant
}

/// Waits until no session of the function's role is in the middle of something: a killed process's
/// last call may still be under way in the server.
pub(crate) async fn until_quiet(db: &TestDatabase) {
    let sessions = "SELECT count(*) FROM pg_stat_activity \
                    WHERE datname = current_database() AND pid <> pg_backend_pid() \
                      AND state <> 'idle'";
    while db.number(sessions).await > 0 {
        tokio::task::yield_now().await;
    }
}

/// Available, reserved and sold units, together, of each sku.
pub(crate) async fn units_by_sku(db: &TestDatabase) -> BTreeMap<String, i64> {
    let probe = Probe::new(&db.url());
    let mut units = BTreeMap::new();
    for name in (0..SKUS).map(sku_name) {
        let sum = format!(
            "SELECT sum(available + reserved + sold)::bigint FROM souk.stock_levels \
             WHERE sku = '{name}'"
        );
        units.insert(name, probe.number(&sum).await);
    }
    units
}

/// What breaks a rule, counted; each must be 0.
const BROKEN: [(&str, &str); 7] = [
    (
        "a bucket's reserved units are those that open orders hold in it",
        "WITH held AS ( \
             SELECT a.sku, a.location, a.bucket, sum(a.units) AS units \
             FROM souk.orders o CROSS JOIN LATERAL jsonb_to_recordset(o.allocations) \
                 AS a (sku text, location text, bucket smallint, units bigint) \
             GROUP BY a.sku, a.location, a.bucket) \
         SELECT count(*) FROM souk.stock_levels s FULL JOIN held h USING (sku, location, bucket) \
         WHERE coalesce(s.reserved, 0) <> coalesce(h.units, 0)",
    ),
    (
        "an open order holds what it has not been given yet, another one nothing",
        "WITH held AS ( \
             SELECT o.order_id, a.sku, sum(a.units) AS units \
             FROM souk.orders o CROSS JOIN LATERAL jsonb_to_recordset(o.allocations) \
                 AS a (sku text, units bigint) \
             GROUP BY o.order_id, a.sku), \
         owed AS ( \
             SELECT order_id, sku, sum(quantity - fulfilled_quantity) AS units \
             FROM souk.order_lines JOIN souk.orders USING (tenant_id, order_id) \
             WHERE status IN ('placed', 'confirmed') GROUP BY order_id, sku) \
         SELECT count(*) FROM held FULL JOIN owed USING (order_id, sku) \
         WHERE coalesce(held.units, 0) <> coalesce(owed.units, 0)",
    ),
    (
        "what was sold is what was fulfilled",
        "WITH fulfilled AS ( \
             SELECT sku, sum(fulfilled_quantity) AS units FROM souk.order_lines GROUP BY sku), \
         sold AS (SELECT sku, sum(sold) AS units FROM souk.stock_levels GROUP BY sku) \
         SELECT count(*) FROM sold FULL JOIN fulfilled USING (sku) \
         WHERE coalesce(sold.units, 0) <> coalesce(fulfilled.units, 0)",
    ),
    (
        "an order's events are numbered from 1 to its version, without gaps",
        "SELECT count(*) FROM souk.orders o WHERE o.version <> ALL ( \
             SELECT count(*) FROM souk.outbox_events e WHERE e.aggregate_id = o.order_id) \
           OR EXISTS (SELECT FROM generate_series(1, o.version) n WHERE NOT EXISTS ( \
             SELECT FROM souk.outbox_events e \
             WHERE e.aggregate_id = o.order_id AND e.sequence = n))",
    ),
    (
        "no event tells of an order that is not there",
        "SELECT count(*) FROM souk.outbox_events e WHERE NOT EXISTS ( \
             SELECT FROM souk.orders o WHERE o.order_id = e.aggregate_id)",
    ),
    (
        "each order was placed under one key, and each key has placed one order",
        "SELECT count(*) FROM (SELECT resource_id FROM souk.idempotency_keys \
             WHERE response_status = 201) k \
         FULL JOIN (SELECT 'ord_' || replace(order_id::text, '-', '') AS resource_id \
             FROM souk.orders) o USING (resource_id) \
         WHERE k.resource_id IS NULL OR o.resource_id IS NULL \
            OR (SELECT count(*) FROM souk.idempotency_keys d \
                WHERE d.response_status = 201 AND d.resource_id = k.resource_id) <> 1",
    ),
    (
        "no client has two orders",
        "SELECT count(*) FROM (SELECT FROM souk.orders \
             GROUP BY customer_reference HAVING count(*) > 1) doubled",
    ),
];

pub(crate) async fn assert_consistent(db: &TestDatabase) {
    for (rule, broken) in BROKEN {
        assert_eq!(db.number(broken).await, 0, "{rule}");
    }
}

/// Every order that a client was told of is there, under its key, and stands where the client left
/// it.
pub(crate) async fn assert_has(db: &TestDatabase, outcomes: &[Outcome]) {
    let mut told = String::new();
    let mut count = 0;
    for outcome in outcomes {
        if let Some(id) = &outcome.order {
            let comma = if told.is_empty() { "" } else { ", " };
            let (key, status) = (&outcome.key, outcome.status);
            write!(told, "{comma}('{key}', '{id}', '{status}')").unwrap();
            count += 1;
        }
    }
    assert!(count > 0, "some orders were placed");
    let found = format!(
        "SELECT count(*) FROM (VALUES {told}) AS t (key, id, status) \
         JOIN souk.orders o ON 'ord_' || replace(o.order_id::text, '-', '') = t.id \
             AND o.status = t.status \
         JOIN souk.idempotency_keys k ON k.key = t.key AND k.resource_id = t.id"
    );
    assert_eq!(Probe::new(&db.url()).number(&found).await, count);
}
