//! What the database refuses of payments and of the ledger, whoever writes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use souk_testkit::{TestDatabase, TestTenant};
use sqlx::{AssertSqlSafe, Executor as _};

/// A tenant with one payment of 10.00 that is captured and booked.
struct Shop {
    db: TestDatabase,
    tenant: TestTenant,
}

impl Shop {
    async fn open() -> Self {
        let db = TestDatabase::create().await;
        let tenant = TestTenant::create(&db, &[]).await;
        let id = tenant.id.as_uuid();
        db.execute(&format!(
            "INSERT INTO souk.orders (tenant_id, order_id, status, currency, subtotal_minor, \
                 total_minor, version, placed_at) \
                 VALUES ('{id}', '{id}', 'placed', 'EUR', 1000, 1000, 1, now()); \
             INSERT INTO souk.payment_intents (tenant_id, payment_intent_id, order_id, status, \
                 capture_method, currency, amount_minor, captured_minor, version, created_at, \
                 updated_at) \
                 VALUES ('{id}', '{id}', '{id}', 'succeeded', 'automatic', 'EUR', 1000, 1000, 1, \
                     now(), now()); \
             BEGIN; \
             INSERT INTO souk.ledger_transfers VALUES \
                 ('{id}', '{id}', 'capture', 'EUR', '{id}', now()); \
             INSERT INTO souk.ledger_entries VALUES ('{id}', '{id}', 1, 'cash_at_psp', 1000), \
                 ('{id}', '{id}', 2, 'revenue', -1000); \
             COMMIT;"
        ))
        .await;
        Self { db, tenant }
    }
}

/// Runs `sql` as the functions do, for the shop's tenant, and says which constraint refused it.
async fn refused_by(shop: &Shop, sql: &str) -> String {
    let app = sqlx::PgPool::connect(&shop.db.url_by_role("souk_app"))
        .await
        .unwrap();
    let mut tx = app.begin().await.unwrap();
    sqlx::query("SELECT set_config('souk.tenant_id', $1, true)")
        .bind(shop.tenant.id.as_uuid().to_string())
        .execute(&mut *tx)
        .await
        .unwrap();
    let tenant = format!("'{}'", shop.tenant.id.as_uuid());
    let sql = sql.replace("TENANT", &tenant);
    let done = match tx.execute(AssertSqlSafe(sql)).await {
        Ok(_) => tx.commit().await,
        Err(error) => Err(error),
    };
    let error = done.unwrap_err();
    let error = error.as_database_error().unwrap();
    match error.constraint() {
        Some(name) => name.to_owned(),
        None => error.message().to_owned(),
    }
}

#[tokio::test]
async fn the_ledger_is_balanced_and_never_changed() {
    let shop = Shop::open().await;
    let transfer = "INSERT INTO souk.ledger_transfers VALUES \
        (TENANT, '00000000-0000-0000-0000-000000000001', 'test', 'EUR', NULL, now());";
    let entry = |number: u8, amount: i64| {
        format!(
            "INSERT INTO souk.ledger_entries VALUES \
             (TENANT, '00000000-0000-0000-0000-000000000001', {number}, 'fees', {amount});"
        )
    };
    let unbalanced = format!("{transfer}{}{}", entry(1, 5), entry(2, -4));
    assert_eq!(
        refused_by(&shop, &unbalanced).await,
        "ledger_transfers_balanced"
    );
    assert_eq!(
        refused_by(&shop, transfer).await,
        "ledger_transfers_balanced"
    );
    let later = "INSERT INTO souk.ledger_entries SELECT tenant_id, ledger_transfer_id, 9, 'fees', 1 \
                 FROM souk.ledger_transfers LIMIT 1";
    assert_eq!(refused_by(&shop, later).await, "ledger_transfers_balanced");
    let again = "INSERT INTO souk.ledger_transfers SELECT tenant_id, gen_random_uuid(), source, \
                 currency, payment_intent_id, now() FROM souk.ledger_transfers LIMIT 1";
    assert_eq!(
        refused_by(&shop, again).await,
        "ledger_transfers_source_key"
    );
    for table in ["ledger_transfers", "ledger_entries"] {
        let change = format!("UPDATE souk.{table} SET tenant_id = tenant_id");
        let denied = format!("permission denied for table {table}");
        assert_eq!(refused_by(&shop, &change).await, denied);
        assert_eq!(
            refused_by(&shop, &format!("DELETE FROM souk.{table}")).await,
            denied
        );
        // Not even by one who may write every table.
        for change in [change, format!("DELETE FROM souk.{table}")] {
            let done = shop
                .db
                .pool()
                .execute(AssertSqlSafe(change))
                .await
                .unwrap_err();
            let done = done.as_database_error().unwrap();
            assert_eq!(done.constraint(), Some("ledger_append_only"));
        }
    }
}

#[tokio::test]
async fn no_set_of_refunds_sends_back_more_than_was_captured() {
    let shop = Shop::open().await;
    let more = "UPDATE souk.payment_intents SET refund_reserved_minor = captured_minor + 1";
    assert_eq!(
        refused_by(&shop, more).await,
        "payment_intents_refunds_within_captured"
    );
    let unseen = "INSERT INTO souk.refunds SELECT tenant_id, gen_random_uuid(), payment_intent_id, \
                  order_id, 'pending', 'EUR', 1, 'souk', NULL, NULL, NULL, now(), now() \
                  FROM souk.payment_intents";
    assert_eq!(refused_by(&shop, unseen).await, "refunds_add_up");
    let too_much = "UPDATE souk.payment_intents SET captured_minor = amount_minor + 1";
    assert_eq!(
        refused_by(&shop, too_much).await,
        "payment_intents_captured_range"
    );
}

#[tokio::test]
async fn an_order_has_one_intent_alive_and_a_payment_one_command_under_way() {
    let shop = Shop::open().await;
    let second = "INSERT INTO souk.payment_intents (tenant_id, payment_intent_id, order_id, status, \
                  capture_method, currency, amount_minor, version, created_at, updated_at) \
                  SELECT tenant_id, gen_random_uuid(), order_id, 'processing', 'manual', 'EUR', 1, 1, \
                  now(), now() FROM souk.payment_intents";
    assert_eq!(
        refused_by(&shop, second).await,
        "payment_intents_one_alive_idx"
    );
    let commands = "INSERT INTO souk.provider_operations (tenant_id, operation_id, \
                    payment_intent_id, kind, data, status, created_at, next_try_at) \
                    SELECT tenant_id, gen_random_uuid(), payment_intent_id, 'void', '{}', 'pending', \
                    now(), now() FROM souk.payment_intents, generate_series(1, 2)";
    assert_eq!(
        refused_by(&shop, commands).await,
        "provider_operations_one_pending_idx"
    );
    let card = "INSERT INTO souk.payment_attempts SELECT tenant_id, gen_random_uuid(), \
                payment_intent_id, 9, 'started', '4242424242424242', gen_random_uuid(), NULL, now(), \
                now() FROM souk.payment_intents";
    let refused = refused_by(&shop, card).await;
    assert_eq!(refused, "payment_attempts_payment_method_is_token");
}
