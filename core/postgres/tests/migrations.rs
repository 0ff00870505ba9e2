//! Migrations bring what earlier versions have written into the new form, as a role that row level
//! security binds: in a deployment the owner is not a superuser.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use souk_postgres::MIGRATOR;
use souk_testkit::TestDatabase;
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use uuid::Uuid;

/// An order, its cancelled sibling, and a key, as the first version of the schema has them.
const FIRST_VERSION: &str = "
    INSERT INTO souk.tenants VALUES ('00000000-0000-7000-8000-000000000001', 'T', now());
    INSERT INTO souk.skus VALUES ('00000000-0000-7000-8000-000000000001', 'TEA', 'Tea');
    INSERT INTO souk.prices VALUES ('00000000-0000-7000-8000-000000000001', 'TEA', 'EUR', 250);
    INSERT INTO souk.stock_levels VALUES ('00000000-0000-7000-8000-000000000001', 'TEA', 7, 3);
    INSERT INTO souk.orders VALUES ('00000000-0000-7000-8000-000000000001',
        '00000000-0000-7000-8000-00000000000a', 'placed', 'EUR', 750, NULL, 1, now(), NULL);
    INSERT INTO souk.orders VALUES ('00000000-0000-7000-8000-000000000001',
        '00000000-0000-7000-8000-00000000000b', 'cancelled', 'EUR', 250, NULL, 2, now(), now());
    INSERT INTO souk.order_lines VALUES ('00000000-0000-7000-8000-000000000001',
        '00000000-0000-7000-8000-00000000000a', 1, 'TEA', 1, 250, 250);
    INSERT INTO souk.order_lines VALUES ('00000000-0000-7000-8000-000000000001',
        '00000000-0000-7000-8000-00000000000a', 2, 'TEA', 2, 250, 500);
    INSERT INTO souk.order_lines VALUES ('00000000-0000-7000-8000-000000000001',
        '00000000-0000-7000-8000-00000000000b', 1, 'TEA', 1, 250, 250);
    INSERT INTO souk.idempotency_keys VALUES ('00000000-0000-7000-8000-000000000001', 'p', 'k', 'o',
        decode(repeat('00', 32), 'hex'), 'ord_1', 201, '{}', 'x', now(), now() + interval '1 day');
    INSERT INTO souk.outbox_events (event_id, tenant_id, lane, aggregate_id, sequence, event_type, body,
        created_at, published_at)
    SELECT gen_random_uuid(), '00000000-0000-7000-8000-000000000001', e.lane, e.aggregate_id::uuid,
        e.sequence, 't', '{}', now(), CASE WHEN e.published THEN now() END
    FROM (VALUES (3, '00000000-0000-7000-8000-00000000000a', 1, true),
        (5, '00000000-0000-7000-8000-00000000000b', 1, false),
        (3, '00000000-0000-7000-8000-00000000000a', 2, false),
        (5, '00000000-0000-7000-8000-00000000000c', 1, true),
        (5, '00000000-0000-7000-8000-00000000000b', 2, false))
        AS e (lane, aggregate_id, sequence, published);";

#[tokio::test]
async fn an_owner_that_is_no_superuser_migrates_what_is_there() {
    let db = TestDatabase::create().await;
    let name = format!("souk_test_{}", Uuid::now_v7().simple());
    let owner = format!("souk_test_owner_{}", Uuid::now_v7().simple());
    db.execute(&format!("CREATE ROLE {owner} CREATEROLE LOGIN"))
        .await;
    db.execute(&format!("CREATE DATABASE {name} OWNER {owner}"))
        .await;
    let options = db.server().clone().database(&name);
    let mut superuser = PgConnection::connect_with(&options).await.unwrap();
    let as_owner = options.options([("role", owner.as_str())]);
    let mut connection = PgConnection::connect_with(&as_owner).await.unwrap();

    let first = MIGRATOR.iter().take(1).cloned().collect::<Vec<_>>();
    Migrator::with_migrations(first)
        .run(&mut connection)
        .await
        .unwrap();
    sqlx::raw_sql(FIRST_VERSION)
        .execute(&mut superuser)
        .await
        .unwrap();
    MIGRATOR.run(&mut connection).await.unwrap();

    for (what, sql) in [
        (
            "orders keep their totals",
            "SELECT count(*) = 2 AND bool_and(subtotal_minor = total_minor) FROM souk.orders",
        ),
        (
            "what an order holds is known by bucket",
            "SELECT allocations = '[{\"sku\": \"TEA\", \"units\": 3, \"bucket\": 0, \"location\": \"main\"}]' \
             FROM souk.orders WHERE status = 'placed'",
        ),
        (
            "a cancelled order holds nothing",
            "SELECT allocations = '[]' FROM souk.orders WHERE status = 'cancelled'",
        ),
        (
            "events that were not published are still to be, in order, and no others",
            "SELECT count(*) = 5 AND array_agg(sequence::text ORDER BY position) \
                 FILTER (WHERE souk.is_unsent(lane, position, written_in)) = '{1,2,2}' \
             FROM souk.outbox_events",
        ),
        (
            "stock lies in the one bucket",
            "SELECT (available, reserved, sold, location, bucket) = (7, 3, 0, 'main', 0) \
             FROM souk.stock_levels",
        ),
        (
            "keys still answer",
            "SELECT finished_at IS NOT NULL AND response_status = 201 FROM souk.idempotency_keys",
        ),
        (
            "tenants have a catalog revision and are served",
            "SELECT r.revision = 1 AND t.placement = 'active' \
             FROM souk.tenants t JOIN souk.catalog_revisions r USING (tenant_id)",
        ),
        (
            "row level security is forced everywhere again",
            "SELECT bool_and(c.relrowsecurity AND c.relforcerowsecurity) FROM pg_class c \
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' \
             WHERE c.relnamespace = 'souk'::regnamespace AND c.relkind IN ('r', 'p') \
               AND NOT c.relispartition",
        ),
    ] {
        let holds: Option<bool> = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
            .fetch_one(&mut superuser)
            .await
            .unwrap();
        assert_eq!(holds, Some(true), "{what}");
    }
    connection.close().await.unwrap();
    superuser.close().await.unwrap();
    db.execute(&format!("DROP DATABASE {name}")).await;
    db.execute(&format!("DROP ROLE {owner}")).await;
}

#[tokio::test]
async fn the_functions_roles_log_in_with_plans_by_index() {
    let db = TestDatabase::create().await;
    let name = format!("souk_test_{}", Uuid::now_v7().simple());
    // Empty: a database that is copied does not get the settings of its roles.
    db.execute(&format!("CREATE DATABASE {name}")).await;
    let options = db.server().clone().database(&name);
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    MIGRATOR.run(&mut connection).await.unwrap();
    let roles: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole \
         JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = current_database() \
           AND 'enable_seqscan=off' = ANY (s.setconfig) \
           AND r.rolname IN ('souk_app', 'souk_relay', 'souk_sweeper')",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(roles, 3);
    connection.close().await.unwrap();
    db.execute(&format!("DROP DATABASE {name}")).await;
}
