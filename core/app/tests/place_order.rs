//! What must never happen to an order: a second effect, an oversell, half a transaction.
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
    Answer, AppError, Caller, DatabaseError, Once, OrderCommand, Shards, Tools, cancel_order,
    get_order, place_order,
};
use souk_domain::{IdempotencyKey, OrderError, OrderId, OrderStatus, RequestFingerprint};
use souk_testkit::{TestDatabase, TestTenant, order_request, respond};

fn once(key: &str, body: &str) -> Once {
    let json = serde_json::json!({ "body": body });
    Once {
        key: IdempotencyKey::parse(key).unwrap(),
        operation: "POST /v1/orders",
        fingerprint: RequestFingerprint::new("POST", "/v1/orders", Some(&json)).unwrap(),
    }
}

fn order_id(answer: &Answer) -> OrderId {
    core::str::from_utf8(&answer.response.body)
        .unwrap()
        .parse()
        .unwrap()
}

async fn place(
    tools: &Tools,
    caller: &Caller,
    key: &str,
    lines: &[(&str, u32)],
) -> Result<Answer, AppError> {
    let body = format!("{lines:?}");
    place_order(
        tools,
        caller,
        &once(key, &body),
        order_request(lines),
        respond,
    )
    .await
}

const ROWS_OF_ORDERS: &str = "SELECT (SELECT count(*) FROM souk.orders) \
    + (SELECT count(*) FROM souk.order_lines) + (SELECT count(*) FROM souk.outbox_events) \
    + (SELECT count(*) FROM souk.idempotency_keys) + (SELECT sum(reserved) FROM souk.stock_levels)::bigint";

#[tokio::test]
async fn an_order_is_placed_read_and_replayed() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", 250, 100), ("POT", 5_900, 5)]).await;
    let caller = tenant.caller();
    let first = place(
        &tenant.tools,
        &caller,
        "k",
        &[("TEA", 3), ("POT", 1), ("TEA", 1)],
    )
    .await
    .unwrap();
    assert!(!first.replayed);
    let order = get_order(&tenant.tools, &caller, order_id(&first))
        .await
        .unwrap();
    assert_eq!(order.record().total.amount_minor(), 4 * 250 + 5_900);
    assert_eq!(order.status(), OrderStatus::Placed);
    let again = place(
        &tenant.tools,
        &caller,
        "k",
        &[("TEA", 3), ("POT", 1), ("TEA", 1)],
    )
    .await
    .unwrap();
    assert!(again.replayed);
    assert_eq!(
        (again.response, again.expires_at),
        (first.response, first.expires_at)
    );
    assert_eq!(db.number("SELECT count(*) FROM souk.orders").await, 1);
    assert_eq!(
        db.number("SELECT count(*) FROM souk.outbox_events").await,
        1
    );
    assert_eq!(
        db.number("SELECT available FROM souk.stock_levels WHERE sku = 'TEA'")
            .await,
        96
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_at_once_with_one_key_make_one_order() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", 250, 1_000)]).await;
    let caller = tenant.caller();
    let outcomes =
        join_all((0..200).map(|_| place(&tenant.tools, &caller, "same", &[("TEA", 1)]))).await;
    let mut fresh = 0;
    let mut ids = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok(answer) => {
                fresh += i32::from(!answer.replayed);
                ids.push(order_id(&answer));
            }
            Err(AppError::KeyInFlight { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(fresh, 1);
    ids.dedup();
    assert_eq!(ids.len(), 1, "all answers name the one order");
    assert_eq!(db.number("SELECT count(*) FROM souk.orders").await, 1);
    assert_eq!(
        db.number("SELECT available FROM souk.stock_levels").await,
        999
    );
}

#[tokio::test]
async fn one_key_in_two_tenants_is_two_keys() {
    let db = TestDatabase::create().await;
    let first = TestTenant::create(&db, &[("TEA", 250, 10)]).await;
    let second = TestTenant::create(&db, &[("TEA", 300, 10)]).await;
    let one = place(&first.tools, &first.caller(), "same", &[("TEA", 1)])
        .await
        .unwrap();
    let other = place(&second.tools, &second.caller(), "same", &[("TEA", 1)])
        .await
        .unwrap();
    assert!(!one.replayed && !other.replayed);
    assert_eq!(db.number("SELECT count(*) FROM souk.orders").await, 2);
    // Nor does one see the other's order.
    let foreign = get_order(&second.tools, &second.caller(), order_id(&one)).await;
    assert!(matches!(foreign, Err(AppError::OrderNotFound)));
}

#[tokio::test]
async fn a_key_used_for_another_request_is_refused_with_its_first_use() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", 250, 10)]).await;
    let caller = tenant.caller();
    let first = place(&tenant.tools, &caller, "k", &[("TEA", 1)])
        .await
        .unwrap();
    let Err(AppError::KeyReused(reuse)) = place(&tenant.tools, &caller, "k", &[("TEA", 2)]).await
    else {
        panic!("the key was taken twice");
    };
    assert_eq!(reuse.resource_id, Some(order_id(&first).to_string()));
    assert_eq!(reuse.operation, "POST /v1/orders");
}

#[tokio::test]
async fn a_key_is_free_again_after_it_has_expired() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", 250, 10)]).await;
    let caller = tenant.caller();
    let first = place(&tenant.tools, &caller, "k", &[("TEA", 1)])
        .await
        .unwrap();
    tenant.clock.advance_ms(24 * 3_600_000 - 1);
    assert!(
        place(&tenant.tools, &caller, "k", &[("TEA", 1)])
            .await
            .unwrap()
            .replayed
    );
    tenant.clock.advance_ms(1);
    let later = place(&tenant.tools, &caller, "k", &[("TEA", 1)])
        .await
        .unwrap();
    assert!(!later.replayed);
    assert_ne!(order_id(&later), order_id(&first));
}

#[tokio::test]
async fn a_running_first_request_is_said_to_be_in_flight() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", 250, 10)]).await;
    let caller = tenant.caller();
    // The first request holds its key and waits for a row that somebody else has locked.
    let blocker = db.hold("SELECT 1 FROM souk.stock_levels FOR UPDATE").await;
    let (tools, first_caller) = (tenant.tools.clone(), caller.clone());
    let first = tokio::spawn(async move { place(&tools, &first_caller, "k", &[("TEA", 1)]).await });
    db.until_waiting_for_locks(1).await;
    let (tools, second_caller) = (tenant.tools.clone(), caller.clone());
    let second =
        tokio::spawn(async move { place(&tools, &second_caller, "k", &[("TEA", 1)]).await });
    db.until_waiting_for_locks(2).await;
    // The first one gives up on the row, having changed nothing; the second may then have become
    // the first.
    let first = first.await.unwrap();
    assert!(
        matches!(first, Err(AppError::Database(DatabaseError::Contended(_)))),
        "{first:?}"
    );
    let second = second.await.unwrap();
    assert!(
        matches!(
            second,
            Err(AppError::KeyInFlight { .. } | AppError::Database(DatabaseError::Contended(_)))
        ),
        "{second:?}"
    );
    blocker.rollback().await;
    assert_eq!(db.number(ROWS_OF_ORDERS).await, 0);
    assert!(
        !place(&tenant.tools, &caller, "k", &[("TEA", 1)])
            .await
            .unwrap()
            .replayed
    );
}

#[tokio::test]
async fn a_connection_that_was_there_before_the_first_order_reads_no_table_from_end_to_end() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", 250, 100)]).await;
    // Postgres takes tables that it has never looked at for larger than they are.
    db.execute("VACUUM ANALYZE").await;
    let (app, _) = db.app_counted().await;
    let tools = Tools {
        db: Shards::single(app.clone()),
        ..tenant.tools.clone()
    };
    // More often than Postgres plans anew: from then on it keeps its plans.
    for n in 0..20 {
        place(&tools, &tenant.caller(), &format!("k-{n}"), &[("TEA", 1)])
            .await
            .unwrap();
    }
    // Its figures are on record once the connection has ended.
    app.close().await;
    let scans = "SELECT coalesce(sum(seq_scan), 0)::bigint FROM pg_stat_user_tables \
         WHERE schemaname = 'souk' AND idx_scan + seq_scan > 15 \
           AND (relname IN ('orders', 'order_lines') OR relname LIKE 'idempotency_keys_%')";
    let recorded = "SELECT coalesce(sum(idx_scan + seq_scan), 0)::bigint FROM pg_stat_user_tables \
         WHERE schemaname = 'souk' AND relname = 'orders'";
    while db.number(recorded).await < 15 {
        tokio::task::yield_now().await;
    }
    assert_eq!(db.number(scans).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_buyers_of_the_last_ten_units_get_ten() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", 250, 10)]).await;
    let caller = tenant.caller();
    let keys: Vec<String> = (0..50).map(|n| format!("buyer-{n}")).collect();
    let outcomes = join_all(
        keys.iter()
            .map(|key| place(&tenant.tools, &caller, key, &[("TEA", 1)])),
    )
    .await;
    let placed = outcomes.iter().filter(|o| o.is_ok()).count();
    let short = outcomes
        .iter()
        .filter(
            |o| matches!(o, Err(AppError::InsufficientStock { skus }) if skus[0].as_str() == "TEA"),
        )
        .count();
    assert_eq!((placed, short), (10, 40));
    assert_eq!(
        db.number("SELECT available FROM souk.stock_levels").await,
        0
    );
    assert_eq!(
        db.number("SELECT reserved FROM souk.stock_levels").await,
        10
    );
    assert_eq!(db.number("SELECT count(*) FROM souk.orders").await, 10);
    // The refused used their keys up for nothing: the same key orders once stock is back.
    assert_eq!(
        db.number("SELECT count(*) FROM souk.idempotency_keys")
            .await,
        10
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn orders_for_the_same_skus_in_any_line_order_neither_deadlock_nor_oversell() {
    let db = TestDatabase::create().await;
    let skus = ["A", "B", "C", "D", "E"];
    let tenant = TestTenant::create(&db, &skus.map(|sku| (sku, 100, 60))).await;
    let caller = tenant.caller();
    let mut random = fastrand::Rng::with_seed(7);
    let requests: Vec<(String, Vec<(&str, u32)>)> = (0..150)
        .map(|n| {
            let mut lines: Vec<(&str, u32)> = skus
                .iter()
                .chain(&skus)
                .map(|sku| (*sku, random.u32(1..3)))
                .collect();
            random.shuffle(&mut lines);
            lines.truncate(random.usize(1..=lines.len()));
            (format!("k{n}"), lines)
        })
        .collect();
    let outcomes = join_all(
        requests
            .iter()
            .map(|(key, lines)| place(&tenant.tools, &caller, key, lines)),
    )
    .await;
    for outcome in &outcomes {
        assert!(
            matches!(outcome, Ok(_) | Err(AppError::InsufficientStock { .. })),
            "{outcome:?}"
        );
    }
    assert_eq!(
        db.number("SELECT count(*) FROM souk.stock_levels WHERE available + reserved <> 60")
            .await,
        0
    );
    assert_eq!(
        db.number(
            "SELECT count(*) FROM souk.stock_levels s WHERE reserved <> \
             coalesce((SELECT sum(quantity) FROM souk.order_lines l WHERE l.sku = s.sku), 0)"
        )
        .await,
        0,
        "what is reserved is what orders hold"
    );
}

#[tokio::test]
async fn a_short_line_reserves_nothing_of_the_others() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", 250, 10), ("POT", 5_900, 1)]).await;
    let short = place(
        &tenant.tools,
        &tenant.caller(),
        "k",
        &[("TEA", 1), ("POT", 2)],
    )
    .await;
    assert!(
        matches!(&short, Err(AppError::InsufficientStock { skus }) if skus.len() == 1 && skus[0].as_str() == "POT"),
        "{short:?}"
    );
    assert_eq!(db.number(ROWS_OF_ORDERS).await, 0);
    // What is not sold is refused for good: the refusal is the answer of the key.
    for replayed in [false, true] {
        let unknown = place(&tenant.tools, &tenant.caller(), "k", &[("GHOST", 1)])
            .await
            .unwrap();
        assert_eq!((unknown.response.status, unknown.replayed), (422, replayed));
    }
    assert_eq!(
        db.number(ROWS_OF_ORDERS).await,
        1,
        "one key, and nothing else"
    );
}

/// Every step of the transaction, and the commit itself, is the one at which the server ends the
/// connection, as it does when a machine dies. Twice each; then the retry succeeds.
#[tokio::test]
async fn a_transaction_killed_at_any_step_leaves_nothing_behind_and_the_retry_succeeds() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", 250, 1_000)]).await;
    let caller = tenant.caller();
    db.execute(
        "CREATE FUNCTION public.die() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ \
         BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN NEW; END $$",
    )
    .await;
    let steps = [
        ("key claimed", "souk.idempotency_keys", "BEFORE INSERT"),
        ("key written", "souk.idempotency_keys", "AFTER INSERT"),
        ("stock reserved", "souk.stock_levels", "AFTER UPDATE"),
        ("order written", "souk.orders", "AFTER INSERT"),
        ("lines written", "souk.order_lines", "AFTER INSERT"),
        ("event written", "souk.outbox_events", "AFTER INSERT"),
        ("at commit", "souk.outbox_events", "CONSTRAINT"),
    ];
    for (number, (step, table, when)) in steps.into_iter().enumerate() {
        let before = db.number(ROWS_OF_ORDERS).await;
        let trigger = match when {
            "CONSTRAINT" => format!(
                "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED \
                 FOR EACH ROW EXECUTE FUNCTION public.die()"
            ),
            _ => format!(
                "CREATE TRIGGER die {when} ON {table} FOR EACH ROW EXECUTE FUNCTION public.die()"
            ),
        };
        db.execute(&trigger).await;
        let key = format!("step-{number}");
        for _ in 0..2 {
            let killed = place(&tenant.tools, &caller, &key, &[("TEA", 2)]).await;
            assert!(
                matches!(
                    killed,
                    Err(AppError::Database(DatabaseError::Unavailable(_)))
                ),
                "{step}: {killed:?}"
            );
            assert_eq!(
                db.number(ROWS_OF_ORDERS).await,
                before,
                "{step}: something was left behind"
            );
        }
        db.execute(&format!("DROP TRIGGER die ON {table}")).await;
        let retried = place(&tenant.tools, &caller, &key, &[("TEA", 2)])
            .await
            .unwrap();
        assert!(!retried.replayed, "{step}");
        // One order, one line, one event, one key, two units.
        assert_eq!(db.number(ROWS_OF_ORDERS).await, before + 6, "{step}");
    }
}

#[tokio::test]
async fn cancelling_releases_the_stock_once() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", 250, 10)]).await;
    let caller = tenant.caller();
    let placed = place(&tenant.tools, &caller, "place", &[("TEA", 4)])
        .await
        .unwrap();
    let id = order_id(&placed);
    let cancel = |key: &'static str| {
        let json = serde_json::json!({ "cancel": id.to_string() });
        let once = Once {
            key: IdempotencyKey::parse(key).unwrap(),
            operation: "POST /v1/orders/{id}/cancel",
            fingerprint: RequestFingerprint::new("POST", "/cancel", Some(&json)).unwrap(),
        };
        let (tools, caller) = (tenant.tools.clone(), caller.clone());
        async move { cancel_order(&tools, &caller, &OrderCommand::on(id, once), None, respond).await }
    };
    assert!(!cancel("cancel").await.unwrap().replayed);
    assert!(cancel("cancel").await.unwrap().replayed);
    let again = cancel("cancel-again").await;
    assert!(
        matches!(
            again,
            Err(AppError::Order(OrderError::NotCancellable { .. }))
        ),
        "{again:?}"
    );
    assert_eq!(
        db.number("SELECT available FROM souk.stock_levels").await,
        10
    );
    assert_eq!(db.number("SELECT reserved FROM souk.stock_levels").await, 0);
    assert_eq!(
        db.number("SELECT count(*) FROM souk.outbox_events WHERE aggregate_id IS NOT NULL")
            .await,
        2
    );
    assert_eq!(
        db.number("SELECT max(sequence) FROM souk.outbox_events")
            .await,
        2
    );
}
