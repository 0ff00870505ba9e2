//! Commands on one order that come at the same time: one of them wins, and no unit of stock is lost,
//! doubled or sold twice.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

use futures::future::join_all;
use souk_app::{
    Answer, AppError, ExpectedVersion, Once, OrderCommand, RecordedPayment, SweepSettings,
    cancel_order, complete_order, confirm_order, fulfil_order, get_order, order_timeline,
    place_order, record_payment, sweep_reservations,
};
use souk_domain::{
    Fulfilment, IdempotencyKey, OrderError, OrderId, OrderStatus, PaymentChange, Quantity,
    RequestFingerprint,
};
use souk_testkit::{Probe, TestDatabase, TestTenant, order_request, respond};
use std::time::Duration;
use tokio::time::Instant;

const LATE_MS: i64 = 15 * 60 * 1_000;

fn once(key: &str) -> Once {
    Once {
        key: IdempotencyKey::parse(key).unwrap(),
        operation: "test",
        fingerprint: RequestFingerprint::new("POST", key, None).unwrap(),
    }
}

struct Shop {
    db: TestDatabase,
    tenant: TestTenant,
}

impl Shop {
    async fn open(skus: &[(&str, i64, u32)]) -> Self {
        let db = TestDatabase::create().await;
        let tenant = TestTenant::create(&db, skus).await;
        Self { db, tenant }
    }

    /// Spreads the stock of every sku over ten buckets.
    async fn in_buckets(self) -> Self {
        self.db
            .execute(
                "INSERT INTO souk.stock_levels (tenant_id, sku, location, bucket, available) \
                 SELECT tenant_id, sku, location, b, available / 10 FROM souk.stock_levels, \
                     generate_series(1, 9) AS b; \
                 UPDATE souk.stock_levels SET available = available - 9 * (available / 10) \
                 WHERE bucket = 0",
            )
            .await;
        self
    }

    async fn place(&self, key: &str, lines: &[(&str, u32)]) -> OrderId {
        let tenant = &self.tenant;
        let request = order_request(lines);
        let (caller, once) = (tenant.caller(), once(key));
        let placed = place_order(&tenant.tools, &caller, &once, request, respond);
        let placed = placed.await.unwrap();
        let text = core::str::from_utf8(&placed.response.body).unwrap();
        text.parse().unwrap()
    }

    async fn run(&self, what: What, key: &str, id: OrderId) -> Result<Answer, AppError> {
        let (tools, caller) = (&self.tenant.tools, &self.tenant.caller());
        let command = &OrderCommand::on(id, once(key));
        match what {
            What::Confirm => confirm_order(tools, caller, command, respond).await,
            What::Cancel => cancel_order(tools, caller, command, None, respond).await,
            What::Complete => complete_order(tools, caller, command, respond).await,
            What::Fulfil(units) => {
                let units = [(1, Quantity::new(units).unwrap())].into();
                fulfil_order(tools, caller, command, Fulfilment::Units(units), respond).await
            }
            What::FulfilRest => {
                fulfil_order(tools, caller, command, Fulfilment::Rest, respond).await
            }
        }
    }

    /// Sweeps once, and says how many orders were cancelled.
    async fn sweep(&self) -> u64 {
        let sweeper = self.db.by_role("souk_sweeper", 2);
        let settings = SweepSettings {
            batch_size_max: 3,
            concurrency_max: 2,
        };
        let stop_at = Instant::now() + Duration::from_secs(600);
        let report = sweep_reservations(&self.tenant.tools, &sweeper, settings, stop_at).await;
        let report = report.unwrap();
        assert_eq!((report.failed, report.out_of_time), (0, false));
        report.cancelled
    }

    async fn status(&self, id: OrderId) -> OrderStatus {
        let order = get_order(&self.tenant.tools, &self.tenant.caller(), id).await;
        order.unwrap().status()
    }

    /// Every unit is somewhere, and reserved is exactly what orders hold.
    async fn assert_stock_is_conserved(&self, units_in_all: i64) {
        let all = "SELECT sum(available + reserved + sold)::bigint FROM souk.stock_levels";
        assert_eq!(self.db.number(all).await, units_in_all);
        let unheld = "SELECT (SELECT sum(reserved) FROM souk.stock_levels)::bigint - \
             (SELECT coalesce(sum((a ->> 'units')::bigint), 0) \
              FROM souk.orders, jsonb_array_elements(allocations) AS a)::bigint";
        assert_eq!(
            self.db.number(unheld).await,
            0,
            "reserved is what orders hold"
        );
        let unfulfilled = "SELECT (SELECT sum(sold) FROM souk.stock_levels)::bigint - \
             (SELECT coalesce(sum(fulfilled_quantity), 0) FROM souk.order_lines)::bigint";
        assert_eq!(
            self.db.number(unfulfilled).await,
            0,
            "sold is what was fulfilled"
        );
        let unversioned = "SELECT count(*) FROM souk.orders o WHERE version <> \
             (SELECT count(*) FROM souk.outbox_events e WHERE e.aggregate_id = o.order_id) \
             OR version <> 1 + (SELECT count(*) FROM souk.order_transitions t \
                                WHERE t.order_id = o.order_id)";
        assert_eq!(self.db.number(unversioned).await, 0, "one event a version");
    }
}

#[derive(Debug, Clone, Copy)]
enum What {
    Confirm,
    Cancel,
    Complete,
    Fulfil(u32),
    FulfilRest,
}

fn is_refused(outcome: &Result<Answer, AppError>) -> bool {
    matches!(
        outcome,
        Err(AppError::Order(
            OrderError::NotConfirmable { .. } | OrderError::NotCancellable { .. }
        ))
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_cancel_confirm_and_two_sweepers_one_wins() {
    let shop = Shop::open(&[("TEA", 250, 1_000)]).await.in_buckets().await;
    let mut ids = Vec::new();
    for n in 0..24 {
        ids.push(
            shop.place(&format!("k{n}"), &[("TEA", 3), ("TEA", 2)])
                .await,
        );
    }
    shop.tenant.clock.advance_ms(LATE_MS);
    let clients = ids.iter().enumerate().map(|(n, id)| {
        let shop = &shop;
        async move {
            let (confirm, cancel) = (format!("confirm{n}"), format!("cancel{n}"));
            let first = shop.run(What::Confirm, &confirm, *id);
            let second = shop.run(What::Cancel, &cancel, *id);
            tokio::join!(first, second)
        }
    });
    let (outcomes, one, other) = tokio::join!(join_all(clients), shop.sweep(), shop.sweep());
    let mut swept = 0;
    for (id, (confirmed, cancelled)) in ids.iter().zip(outcomes) {
        for outcome in [&confirmed, &cancelled] {
            assert!(outcome.is_ok() || is_refused(outcome), "{outcome:?}");
        }
        // A confirmed order can be cancelled afterwards; a cancelled one cannot be confirmed.
        let expected = if cancelled.is_ok() || confirmed.is_err() {
            OrderStatus::Cancelled
        } else {
            OrderStatus::Confirmed
        };
        assert_eq!(shop.status(*id).await, expected);
        swept += u64::from(confirmed.is_err() && cancelled.is_err());
    }
    assert_eq!(one + other, swept, "the sweepers count each order once");
    shop.assert_stock_is_conserved(1_000).await;
    assert_eq!(shop.sweep().await, 0);
}

#[tokio::test]
async fn what_nobody_confirms_is_swept_and_nothing_else() {
    let shop = Shop::open(&[("TEA", 250, 100)]).await;
    let mut late = Vec::new();
    for n in 0..7 {
        late.push(shop.place(&format!("late{n}"), &[("TEA", 2)]).await);
    }
    let confirmed = late.pop().unwrap();
    shop.tenant.clock.advance_ms(LATE_MS - 1);
    assert_eq!(shop.sweep().await, 0);
    shop.run(What::Confirm, "confirm", confirmed).await.unwrap();
    let young = shop.place("young", &[("TEA", 2)]).await;
    shop.tenant.clock.advance_ms(1);
    assert_eq!(shop.sweep().await, 6);
    assert_eq!(shop.status(confirmed).await, OrderStatus::Confirmed);
    assert_eq!(shop.status(young).await, OrderStatus::Placed);
    for id in &late {
        let order = get_order(&shop.tenant.tools, &shop.tenant.caller(), *id)
            .await
            .unwrap();
        assert_eq!(order.status(), OrderStatus::Cancelled);
        let reason = order.record().cancel_reason.clone().unwrap();
        assert_eq!(reason.as_str(), "reservation_expired");
    }
    let available = "SELECT sum(available)::bigint FROM souk.stock_levels";
    assert_eq!(shop.db.number(available).await, 100 - 4);
    shop.assert_stock_is_conserved(100).await;
}

#[tokio::test]
async fn what_is_paid_for_is_not_swept_however_late_it_is_confirmed() {
    let shop = Shop::open(&[("TEA", 250, 100)]).await;
    let (paid, unpaid) = (
        shop.place("paid", &[("TEA", 2)]).await,
        shop.place("unpaid", &[("TEA", 2)]).await,
    );
    let (tools, caller) = (&shop.tenant.tools, shop.tenant.caller());
    let mut tx = tools.db.begin(caller.tenant).await.unwrap();
    let payment = RecordedPayment {
        order: paid,
        change: PaymentChange::Authorize,
        at: tools.clock.now(),
    };
    record_payment(tools, &mut tx, &caller, payment)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    shop.tenant.clock.advance_ms(2 * LATE_MS);
    assert_eq!(shop.sweep().await, 1);
    assert_eq!(shop.status(unpaid).await, OrderStatus::Cancelled);
    assert_eq!(shop.status(paid).await, OrderStatus::Placed);
    shop.run(What::Confirm, "confirm", paid).await.unwrap();
    assert_eq!(shop.status(paid).await, OrderStatus::Confirmed);
    shop.assert_stock_is_conserved(100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_fulfilments_never_exceed_what_was_ordered() {
    let shop = Shop::open(&[("TEA", 250, 100)]).await.in_buckets().await;
    let id = shop.place("k", &[("TEA", 25), ("TEA", 5)]).await;
    shop.run(What::Confirm, "confirm", id).await.unwrap();
    let keys: Vec<String> = (0..20).map(|n| format!("fulfil{n}")).collect();
    let outcomes = join_all(keys.iter().map(|key| shop.run(What::Fulfil(3), key, id))).await;
    let done = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(answer) if answer.response.status < 400))
        .count();
    assert_eq!(done, 8, "eight times three of twenty-five");
    shop.assert_stock_is_conserved(100).await;
    let sold = "SELECT sum(sold)::bigint FROM souk.stock_levels";
    assert_eq!(shop.db.number(sold).await, 24);
    assert_eq!(shop.status(id).await, OrderStatus::Confirmed);
    shop.run(What::FulfilRest, "rest", id).await.unwrap();
    assert_eq!(shop.status(id).await, OrderStatus::Fulfilled);
    assert_eq!(shop.db.number(sold).await, 30);
    shop.run(What::Complete, "complete", id).await.unwrap();
    shop.assert_stock_is_conserved(100).await;
}

#[tokio::test]
async fn a_command_for_another_version_is_refused_for_good() {
    let shop = Shop::open(&[("TEA", 250, 100)]).await;
    let id = shop.place("k", &[("TEA", 2)]).await;
    let (tools, caller) = (&shop.tenant.tools, &shop.tenant.caller());
    let expecting = |key: &str, versions: &[u64]| OrderCommand {
        expected: ExpectedVersion::OneOf(versions.to_vec()),
        ..OrderCommand::on(id, once(key))
    };
    let stale = expecting("stale", &[2, 7]);
    let refused = confirm_order(tools, caller, &stale, respond).await.unwrap();
    assert!(refused.response.status >= 400 && !refused.replayed);
    assert_eq!(shop.status(id).await, OrderStatus::Placed);
    let current = expecting("current", &[7, 1]);
    let done = confirm_order(tools, caller, &current, respond)
        .await
        .unwrap();
    assert!(done.response.status < 400);
    // The order now is in version 2, which the first try expected: it stays refused.
    let again = confirm_order(tools, caller, &stale, respond).await.unwrap();
    assert!(again.replayed && again.response == refused.response);
    assert_eq!(
        shop.db.number("SELECT max(version) FROM souk.orders").await,
        2
    );
}

#[tokio::test]
async fn the_timeline_tells_what_happened_in_order() {
    let shop = Shop::open(&[("TEA", 250, 100)]).await;
    let id = shop.place("k", &[("TEA", 3)]).await;
    let steps = [
        What::Confirm,
        What::Fulfil(1),
        What::Fulfil(1),
        What::FulfilRest,
        What::Complete,
    ];
    for (n, step) in steps.into_iter().enumerate() {
        shop.tenant.clock.advance_ms(1_000);
        shop.run(step, &format!("step{n}"), id).await.unwrap();
    }
    let (tools, caller) = (&shop.tenant.tools, &shop.tenant.caller());
    let mut entries = Vec::new();
    let mut after = 0;
    loop {
        let page = order_timeline(tools, caller, id, after, 2).await.unwrap();
        assert!(page.entries.len() <= 2);
        entries.extend(page.entries);
        match page.next_after {
            Some(sequence) => after = sequence,
            None => break,
        }
    }
    let told: Vec<(u64, &str)> = entries
        .iter()
        .map(|entry| (entry.sequence, entry.event_type.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (1, "order.placed.v1"),
            (2, "order.confirmed.v1"),
            (3, "order.fulfilled.v1"),
            (4, "order.fulfilled.v1"),
            (5, "order.fulfilled.v1"),
            (6, "order.completed.v1"),
        ]
    );
    assert!(entries.is_sorted_by_key(|entry| entry.occurred_at));
    let principal = caller.principal.as_str();
    assert!(
        entries
            .iter()
            .all(|entry| entry.principal.as_deref() == Some(principal))
    );
    let probe = Probe::new(&shop.db.url());
    // What the timeline tells is what was published, the placing included.
    for entry in &entries {
        let published = format!(
            "SELECT count(*) FROM souk.outbox_events WHERE event_id = '{}' AND sequence = {} \
             AND (body::jsonb -> 'data') = '{}'::jsonb",
            entry.event_id.unwrap().as_uuid(),
            entry.sequence,
            entry.data,
        );
        assert_eq!(probe.number(&published).await, 1, "{entry:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn orders_of_64_lines_in_any_order_are_taken_and_cancelled_without_a_deadlock() {
    let codes: Vec<String> = (0..8).map(|n| format!("SKU-{n}")).collect();
    let skus: Vec<(&str, i64, u32)> = codes
        .iter()
        .map(|code| (code.as_str(), 100, 5_000))
        .collect();
    let shop = Shop::open(&skus).await.in_buckets().await;
    let mut random = fastrand::Rng::with_seed(11);
    let orders: Vec<Vec<(&str, u32)>> = (0..40)
        .map(|_| {
            (0..64)
                .map(|_| (codes[random.usize(0..8)].as_str(), random.u32(1..4)))
                .collect()
        })
        .collect();
    let clients = orders.iter().enumerate().map(|(n, lines)| {
        let shop = &shop;
        async move {
            let id = shop.place(&format!("k{n}"), lines).await;
            match n % 3 {
                0 => shop.run(What::Cancel, &format!("c{n}"), id).await.map(drop),
                1 => {
                    shop.run(What::Confirm, &format!("c{n}"), id).await?;
                    shop.run(What::FulfilRest, &format!("f{n}"), id)
                        .await
                        .map(drop)
                }
                _ => Ok(()),
            }
        }
    });
    for outcome in join_all(clients).await {
        outcome.unwrap();
    }
    shop.assert_stock_is_conserved(8 * 5_000).await;
}
