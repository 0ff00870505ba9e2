//! Promise 3: no tenant sees or touches another's rows, even if a query forgets its tenant.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use souk_testkit::{TestDatabase, TestTenant};
use sqlx::{AssertSqlSafe, Row as _};

/// Tables without a tenant, each with its reason. Nothing joins them that a tenant has written.
const WITHOUT_TENANT: [&str; 3] = [
    "outbox_days",   // which positions were drawn when; no tenant's data
    "outbox_lanes",  // leases of relays; no tenant's data
    "outbox_relays", // which relays are alive; no tenant's data
];

async fn tenant_tables(db: &TestDatabase) -> Vec<String> {
    let rows = sqlx::query(
        "SELECT c.relname::text AS name, \
                EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid \
                        AND a.attname = 'tenant_id' AND a.attnotnull) AS has_tenant, \
                c.relrowsecurity AND c.relforcerowsecurity AS forced \
         FROM pg_class c WHERE c.relnamespace = 'souk'::regnamespace AND c.relkind IN ('r', 'p') \
           AND NOT c.relispartition \
         ORDER BY 1",
    )
    .fetch_all(db.pool())
    .await
    .unwrap();
    assert!(rows.len() > 8, "the catalog of tables was not read");
    let mut tables = Vec::new();
    for row in rows {
        let name: String = row.get("name");
        if WITHOUT_TENANT.contains(&name.as_str()) {
            continue;
        }
        assert!(
            row.get::<bool, _>("has_tenant"),
            "{name} has no tenant_id that is NOT NULL"
        );
        assert!(
            row.get::<bool, _>("forced"),
            "{name} does not force row level security"
        );
        tables.push(name);
    }
    tables
}

/// Fills every tenant table with a row of each of two tenants. A new table needs a row here: the test
/// below fails on a table that is empty.
async fn fill(db: &TestDatabase) -> [TestTenant; 2] {
    let tenants = [
        TestTenant::create(db, &[("TEA", 250, 10)]).await,
        TestTenant::create(db, &[("TEA", 250, 10)]).await,
    ];
    for tenant in &tenants {
        let id = tenant.id.as_uuid();
        db.execute(&format!(
            "INSERT INTO souk.orders (tenant_id, order_id, status, currency, subtotal_minor, \
                 total_minor, version, placed_at) \
                 VALUES ('{id}', '{id}', 'placed', 'EUR', 1, 1, 1, now()); \
             INSERT INTO souk.order_lines VALUES ('{id}', '{id}', 1, 'TEA', 1, 1, 1); \
             INSERT INTO souk.order_transitions VALUES \
                 ('{id}', '{id}', 2, '{id}', 't', now(), 'p', '{id}', '{{}}'); \
             INSERT INTO souk.products (tenant_id, product_code, title, updated_at) \
                 VALUES ('{id}', 'P', 'P', now()); \
             INSERT INTO souk.pricing_rules (tenant_id, rules, updated_at) VALUES ('{id}', '{{}}', now()); \
             INSERT INTO souk.idempotency_keys (tenant_id, principal, key, created_on, operation, \
                 fingerprint, created_at, expires_at) VALUES \
                 ('{id}', 'p', 'k', now()::date, 'o', decode(repeat('00', 32), 'hex'), now(), now()); \
             INSERT INTO souk.outbox_events \
                 (event_id, tenant_id, lane, aggregate_id, sequence, event_type, body, created_at) \
                 VALUES (gen_random_uuid(), '{id}', 0, '{id}', 1, 't', '{{}}', now()); \
             INSERT INTO souk.outbox_held (lane, position, tenant_id, aggregate_id, event_id, \
                 sequence, event_type, body, created_at) \
                 SELECT lane, position, tenant_id, aggregate_id, event_id, sequence, event_type, body, \
                     created_at FROM souk.outbox_events WHERE tenant_id = '{id}'; \
             INSERT INTO souk.inbox_messages VALUES ('{id}', 'c', '{id}'); \
             INSERT INTO souk.parked_messages (tenant_id, consumer, event_id, event_type, subject, \
                 sequence, occurred_at, reason, body) VALUES \
                 ('{id}', 'c', '{id}', 't', 's', 1, now(), 'unknown_type', '{{}}'); \
             INSERT INTO souk.order_summaries VALUES \
                 ('{id}', '{id}', 'placed', 'EUR', 1, 1, 1, NULL, now(), NULL, 1, 1); \
             INSERT INTO souk.payment_intents (tenant_id, payment_intent_id, order_id, status, \
                 capture_method, currency, amount_minor, captured_minor, refund_reserved_minor, \
                 version, created_at, updated_at) \
                 VALUES ('{id}', '{id}', '{id}', 'succeeded', 'automatic', 'EUR', 1, 1, 1, 1, now(), now()); \
             INSERT INTO souk.payment_attempts VALUES \
                 ('{id}', '{id}', '{id}', 1, 'captured', 'pm', '{id}', NULL, now(), now()); \
             INSERT INTO souk.provider_operations (tenant_id, operation_id, payment_intent_id, kind, \
                 data, status, created_at, settled_at) \
                 VALUES ('{id}', '{id}', '{id}', 'void', '{{}}', 'failed', now(), now()); \
             INSERT INTO souk.refunds VALUES ('{id}', '{id}', '{id}', '{id}', 'pending', 'EUR', 1, \
                 'souk', NULL, NULL, NULL, now(), now()); \
             INSERT INTO souk.disputes VALUES ('{id}', '{id}', '{id}', '{id}', 'd', 'open', 'EUR', 1, \
                 0, false, 'r', 1, now(), NULL); \
             INSERT INTO souk.provider_events VALUES ('{id}', 'evt', 'k', now()); \
             INSERT INTO souk.ledger_transfers VALUES ('{id}', '{id}', 's', 'EUR', NULL, now()); \
             INSERT INTO souk.ledger_entries VALUES ('{id}', '{id}', 1, 'fees', 1), \
                 ('{id}', '{id}', 2, 'cash_at_psp', -1); \
             INSERT INTO souk.order_processes VALUES ('{id}', '{id}', 'at_once', 'done', '', NULL, 1, \
                 now(), now()); \
             INSERT INTO souk.order_process_steps VALUES ('{id}', '{id}', 1, 'confirm', '{{}}', 'c', \
                 now(), now(), 'done'); \
             INSERT INTO souk.webhook_endpoints (tenant_id, endpoint_id, url, description, \
                 event_types, ordered, status, version, created_at, updated_at) \
                 VALUES ('{id}', '{id}', 'u', '', '{{}}', false, 'enabled', 1, now(), now()); \
             INSERT INTO souk.webhook_secrets VALUES \
                 ('{id}', '{id}', 1, 'k', decode(repeat('00', 60), 'hex'), now(), NULL); \
             INSERT INTO souk.webhook_messages VALUES ('{id}', '{id}', 't', '{id}', 1, now(), '{{}}'); \
             INSERT INTO souk.webhook_deliveries (tenant_id, endpoint_id, event_id, subject_id, \
                 sequence, occurred_at, status, next_attempt_at, created_at) \
                 VALUES ('{id}', '{id}', '{id}', '{id}', 1, now(), 'pending', now(), now()); \
             INSERT INTO souk.webhook_attempts VALUES ('{id}', '{id}', '{id}', 1, now(), 'started');"
        ))
        .await;
    }
    tenants
}

#[tokio::test]
async fn without_a_tenant_the_app_sees_no_row_of_any_tenant_table() {
    let db = TestDatabase::create().await;
    let tenants = fill(&db).await;
    let app = sqlx::PgPool::connect(&db.url_by_role("souk_app"))
        .await
        .unwrap();
    for table in tenant_tables(&db).await {
        let count = |tenant: String| {
            let (app, table) = (app.clone(), table.clone());
            async move {
                let mut tx = app.begin().await.unwrap();
                sqlx::query("SELECT set_config('souk.tenant_id', $1, true)")
                    .bind(tenant)
                    .execute(&mut *tx)
                    .await
                    .unwrap();
                let sql = format!("SELECT count(*) FROM souk.{table}");
                sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql))
                    .fetch_one(&mut *tx)
                    .await
                    .unwrap()
            }
        };
        let sql = format!("SELECT count(*) FROM souk.{table}");
        let all: i64 = sqlx::query_scalar(AssertSqlSafe(sql.clone()))
            .fetch_one(db.pool())
            .await
            .unwrap();
        assert!(
            all >= 2,
            "{table} is empty: `fill` has to write a row for each tenant"
        );
        let unset: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&app)
            .await
            .unwrap();
        assert_eq!(
            unset, 0,
            "{table}: rows are seen though no tenant was ever set"
        );
        assert_eq!(
            count(String::new()).await,
            0,
            "{table}: rows are seen with an empty tenant"
        );
        let first = count(tenants[0].id.as_uuid().to_string()).await;
        let second = count(tenants[1].id.as_uuid().to_string()).await;
        assert!(
            first >= 1 && second >= 1,
            "{table}: a tenant does not see its own rows"
        );
        assert_eq!(
            first + second,
            all,
            "{table}: a tenant sees the other's rows"
        );
    }
}

#[tokio::test]
async fn the_app_cannot_write_for_another_tenant_nor_lift_its_bounds() {
    let db = TestDatabase::create().await;
    let tenants = fill(&db).await;
    let app = sqlx::PgPool::connect(&db.url_by_role("souk_app"))
        .await
        .unwrap();
    let (own, other) = (tenants[0].id.as_uuid(), tenants[1].id.as_uuid());
    let attempt = |sql: String| {
        let app = app.clone();
        async move {
            let mut tx = app.begin().await.unwrap();
            sqlx::query("SELECT set_config('souk.tenant_id', $1, true)")
                .bind(own.to_string())
                .execute(&mut *tx)
                .await
                .unwrap();
            sqlx::query(AssertSqlSafe(sql))
                .execute(&mut *tx)
                .await
                .map(|done| done.rows_affected())
        }
    };
    let inserted = attempt(format!(
        "INSERT INTO souk.inbox_messages (tenant_id, consumer, event_id) VALUES ('{other}', 'c', gen_random_uuid())"
    ))
    .await;
    assert!(
        inserted
            .unwrap_err()
            .to_string()
            .contains("row-level security")
    );
    let moved = attempt(format!(
        "UPDATE souk.orders SET tenant_id = '{other}' WHERE tenant_id = '{own}'"
    ))
    .await;
    assert!(moved.is_err());
    let updated = attempt(format!(
        "UPDATE souk.orders SET status = status WHERE tenant_id = '{other}'"
    ))
    .await;
    assert_eq!(updated.unwrap(), 0);
    for lift in [
        "SET row_security = off; SELECT * FROM souk.orders".to_owned(),
        "ALTER TABLE souk.orders DISABLE ROW LEVEL SECURITY".to_owned(),
        "DROP POLICY tenant_isolation ON souk.orders".to_owned(),
        "SELECT * FROM souk.outbox_lanes".to_owned(),
        "DELETE FROM souk.orders".to_owned(),
    ] {
        assert!(
            sqlx::raw_sql(AssertSqlSafe(lift.clone()))
                .execute(&app)
                .await
                .is_err(),
            "{lift}"
        );
    }
    let bypass = db
        .number(
            "SELECT count(*) FROM pg_roles WHERE rolname IN ('souk_app', 'souk_relay') \
             AND (rolbypassrls OR rolsuper OR rolcreaterole)",
        )
        .await;
    assert_eq!(bypass, 0);
}

#[tokio::test]
async fn the_relay_sees_the_outbox_of_all_and_nothing_else() {
    let db = TestDatabase::create().await;
    fill(&db).await;
    let relay = sqlx::PgPool::connect(&db.url_by_role("souk_relay"))
        .await
        .unwrap();
    for table in tenant_tables(&db).await {
        let sql = format!("SELECT count(*) FROM souk.{table}");
        let seen = sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql))
            .fetch_one(&relay)
            .await;
        if ["outbox_events", "outbox_held"].contains(&table.as_str()) {
            assert_eq!(seen.unwrap(), 2);
        } else {
            assert!(seen.is_err(), "the relay may read {table}");
        }
    }
    let altered = sqlx::query("UPDATE souk.outbox_events SET body = '{}'")
        .execute(&relay)
        .await;
    assert!(altered.is_err(), "the relay may change what happened");
    let altered = sqlx::query("UPDATE souk.outbox_held SET body = '{}'")
        .execute(&relay)
        .await;
    assert!(altered.is_err(), "the relay may change what is held");
}
