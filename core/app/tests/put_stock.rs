//! Whatever administrators count while orders come and go: no unit is made or lost.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use futures::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use souk_app::{
    AppError, CatalogRefusal, LocationStock, Once, OrderCommand, StoredResponse, cancel_order,
    confirm_order, fulfil_order, place_order, put_stock,
};
use souk_domain::catalog::RequestedStock;
use souk_domain::{Fulfilment, IdempotencyKey, OrderId, RequestFingerprint};
use souk_testkit::{TestDatabase, TestTenant, order_request, respond};
use std::collections::BTreeMap;
use std::sync::Mutex;
use uuid::Uuid;

/// What becomes of an order.
#[derive(Debug, Clone, Copy)]
enum End {
    Held,
    Cancelled,
    Delivered,
}

#[derive(Debug, Clone)]
struct Course {
    /// On hand, buckets; one after the other.
    counts: Vec<(i64, Option<i64>)>,
    /// Units, and what becomes of them; all at once.
    orders: Vec<(u32, End)>,
}

fn courses() -> impl Strategy<Value = Course> {
    let count = (
        0_i64..60,
        proptest::option::weighted(0.7, prop_oneof![1_i64..5, 1_i64..=64]),
    );
    let end = prop_oneof![Just(End::Held), Just(End::Cancelled), Just(End::Delivered)];
    let counts = proptest::collection::vec(count, 1..8);
    let orders = proptest::collection::vec((1_u32..5, end), 1..16);
    (counts, orders).prop_map(|(counts, orders)| Course { counts, orders })
}

fn once() -> Once {
    Once {
        key: IdempotencyKey::parse(&Uuid::now_v7().to_string()).unwrap(),
        operation: "test",
        fingerprint: RequestFingerprint::new("PUT", "/", None).unwrap(),
    }
}

/// Writes one count; what it made of the location, or nothing where it was refused for good reason.
async fn count(tenant: &TestTenant, on_hand: i64, buckets: Option<i64>) -> Option<LocationStock> {
    let setting = RequestedStock { on_hand, buckets }.check().unwrap();
    let seen: Mutex<Option<LocationStock>> = Mutex::new(None);
    let respond = |outcome: Result<&LocationStock, &AppError>| {
        *seen.lock().unwrap() = outcome.ok().cloned();
        StoredResponse {
            status: 200,
            headers: BTreeMap::new(),
            body: Vec::new(),
        }
    };
    let place = ("TEA".parse().unwrap(), "main".parse().unwrap(), setting);
    match put_stock(&tenant.tools, &tenant.caller(), &once(), place, respond).await {
        Ok(_) => seen.into_inner().unwrap(),
        Err(AppError::Catalog(CatalogRefusal::StockBelowReserved(below))) => {
            assert!(u64::try_from(on_hand).unwrap() < below.reserved);
            None
        }
        Err(error) => panic!("{error:?}"),
    }
}

async fn order(tenant: &TestTenant, units: u32, end: End) {
    let (tools, caller) = (&tenant.tools, tenant.caller());
    let request = order_request(&[("TEA", units)]);
    let placed = match place_order(tools, &caller, &once(), request, respond).await {
        Ok(placed) => placed,
        Err(AppError::InsufficientStock { .. }) => return,
        Err(error) => panic!("{error:?}"),
    };
    let id: OrderId = String::from_utf8(placed.response.body)
        .unwrap()
        .parse()
        .unwrap();
    match end {
        End::Held => {}
        End::Cancelled => {
            let command = OrderCommand::on(id, once());
            cancel_order(tools, &caller, &command, None, respond)
                .await
                .unwrap();
        }
        End::Delivered => {
            let command = OrderCommand::on(id, once());
            confirm_order(tools, &caller, &command, respond)
                .await
                .unwrap();
            let command = OrderCommand::on(id, once());
            fulfil_order(tools, &caller, &command, Fulfilment::Rest, respond)
                .await
                .unwrap();
        }
    }
}

async fn run(db: &TestDatabase, course: Course) {
    db.execute("TRUNCATE souk.orders, souk.order_lines, souk.stock_levels CASCADE")
        .await;
    let tenant = TestTenant::create(db, &[("TEA", 250, 20)]).await;
    let counting = async {
        let mut last = count(&tenant, 20, None).await;
        for (on_hand, buckets) in course.counts {
            last = count(&tenant, on_hand, buckets).await.or(last);
        }
        last.unwrap()
    };
    let ordering = join_all(
        course
            .orders
            .iter()
            .map(|(units, end)| order(&tenant, *units, *end)),
    );
    let (last, _) = tokio::join!(counting, ordering);
    let put_in = last.available + last.reserved + last.sold;
    let all = "SELECT sum(available + reserved + sold)::bigint FROM souk.stock_levels";
    assert_eq!(db.number(all).await, i64::try_from(put_in).unwrap());
    let unfaithful = "SELECT count(*) FROM souk.stock_levels s WHERE s.reserved <> \
        (SELECT coalesce(sum((a.value ->> 'units')::bigint), 0) FROM souk.orders o, \
             jsonb_array_elements(o.allocations) a \
         WHERE a.value ->> 'location' = s.location AND (a.value ->> 'bucket')::int = s.bucket)";
    assert_eq!(
        db.number(unfaithful).await,
        0,
        "a bucket holds what no order knows"
    );
    let held = "SELECT (SELECT coalesce(sum((a.value ->> 'units')::bigint), 0)::bigint \
            FROM souk.orders o, jsonb_array_elements(o.allocations) a) \
        - (SELECT sum(reserved)::bigint FROM souk.stock_levels)";
    assert_eq!(
        db.number(held).await,
        0,
        "an order holds what no bucket knows"
    );
    let negative = "SELECT count(*) FROM souk.stock_levels \
        WHERE available < 0 OR reserved < 0 OR sold < 0";
    assert_eq!(db.number(negative).await, 0);
}

#[test]
fn no_unit_is_made_or_lost_whatever_is_counted_while_orders_come_and_go() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let db = runtime.block_on(TestDatabase::create());
    let config = Config {
        cases: 24,
        // Courses of concurrent orders do not shrink to the same failure.
        max_shrink_iters: 0,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&courses(), |course| {
            runtime.block_on(run(&db, course));
            Ok(())
        })
        .unwrap();
}
