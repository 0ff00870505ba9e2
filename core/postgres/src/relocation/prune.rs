//! Rows that must go: what the source has removed meanwhile, and what a tenant leaves behind.

use super::copy::Snapshot;
use super::{RelocationError, Site, TenantTable};
use sqlx::AssertSqlSafe;

/// Rows that are removed at a time.
const ROWS_MAX: u16 = 1_000;

/// Removes the rows of `table` from the target that the source does not have. Returns how many.
pub async fn remove_extras(
    source: &mut Snapshot,
    target: Site<'_>,
    table: &TenantTable,
) -> Result<u64, RelocationError> {
    let mut tx = target
        .db
        .begin_to_move(target.tenant, "incoming", target.token)
        .await?;
    sqlx::raw_sql("CREATE TEMPORARY TABLE souk_kept (key text PRIMARY KEY) ON COMMIT DROP")
        .execute(tx.connection())
        .await?;
    let tenant = target.tenant.as_uuid().hyphenated();
    source
        .open(&format!(
            "SELECT {key} FROM {table} t WHERE t.tenant_id = '{tenant}'",
            key = table.key_text(),
            table = table.sql_name(),
        ))
        .await?;
    loop {
        let keys = source.fetch().await?;
        if keys.is_empty() {
            break;
        }
        sqlx::query("INSERT INTO pg_temp.souk_kept SELECT * FROM unnest($1::text[])")
            .persistent(false)
            .bind(&keys)
            .execute(tx.connection())
            .await?;
    }
    let statement = format!(
        "DELETE FROM {table} t WHERE t.tenant_id = '{tenant}' \
         AND NOT EXISTS (SELECT FROM pg_temp.souk_kept k WHERE k.key = {key})",
        table = table.sql_name(),
        key = table.key_text(),
    );
    let removed = sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(tx.connection())
        .await?
        .rows_affected();
    tx.commit().await?;
    Ok(removed)
}

/// Removes all rows of the tenant where its placement is `placement`, some at a time, but for the row
/// that says where it is. Returns how many.
pub async fn purge(
    site: Site<'_>,
    placement: &'static str,
    tables: &[TenantTable],
) -> Result<u64, RelocationError> {
    let mut removed = 0_u64;
    for table in tables.iter().rev().filter(|table| !table.is_tenants()) {
        let statement = format!(
            "DELETE FROM {table} t WHERE t.tenant_id = $1 AND ({key}) IN \
                 (SELECT {key} FROM {table} t WHERE t.tenant_id = $1 LIMIT {ROWS_MAX})",
            table = table.sql_name(),
            key = table.key_columns("t."),
        );
        loop {
            let mut tx = site
                .db
                .begin_to_move(site.tenant, placement, site.token)
                .await?;
            let rows = sqlx::query(AssertSqlSafe(statement.clone()))
                .bind(site.tenant.as_uuid())
                .execute(tx.connection())
                .await?
                .rows_affected();
            tx.commit().await?;
            removed = removed.saturating_add(rows);
            if rows == 0 {
                break;
            }
        }
    }
    Ok(removed)
}
