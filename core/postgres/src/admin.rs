//! What the owner of the schema does: logins of the other roles, tenants and their catalog.

use crate::{Database, DatabaseError, TenantTx};
use souk_domain::{Money, Sku, Timestamp};
use sqlx::AssertSqlSafe;

/// A role that functions log in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginRole {
    /// `souk_app`
    App,
    /// `souk_relay`
    Relay,
    /// `souk_sweeper`
    Sweeper,
    /// `souk_directory_reader`
    DirectoryReader,
}

impl LoginRole {
    const fn name(self) -> &'static str {
        match self {
            Self::App => "souk_app",
            Self::Relay => "souk_relay",
            Self::Sweeper => "souk_sweeper",
            Self::DirectoryReader => "souk_directory_reader",
        }
    }
}

/// Sets a role's password. Needed where the database does not authenticate by IAM.
pub async fn set_password(
    db: &Database,
    role: LoginRole,
    password: &str,
) -> Result<(), DatabaseError> {
    let mut tx = db.begin_without_tenant().await?;
    // ALTER ROLE takes no parameters: the server quotes the literal.
    let statement = sqlx::query_scalar!(
        r#"SELECT format('ALTER ROLE %I PASSWORD %L', $1::text, $2::text) AS "statement!""#,
        role.name(),
        password,
    )
    .fetch_one(tx.connection())
    .await?;
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(tx.connection())
        .await?;
    tx.commit().await
}

/// Enters the transaction's tenant, unless it is there.
pub async fn create_tenant(
    tx: &mut TenantTx,
    name: &str,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "INSERT INTO souk.tenants (tenant_id, name, created_at) VALUES ($1, $2, $3) \
         ON CONFLICT ON CONSTRAINT tenants_pkey DO NOTHING",
        tenant,
        name,
        now.as_offset_date_time(),
    )
    .execute(tx.connection())
    .await?;
    sqlx::query!(
        "INSERT INTO souk.catalog_revisions (tenant_id, revision) VALUES ($1, 1) \
         ON CONFLICT ON CONSTRAINT catalog_revisions_pkey DO NOTHING",
        tenant,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Enters a sku with a price and `units` of stock, unless they are there.
pub async fn create_sku(
    tx: &mut TenantTx,
    sku: &Sku,
    title: &str,
    unit_price: Money,
    units: u32,
) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "INSERT INTO souk.skus (tenant_id, sku, title) VALUES ($1, $2, $3) \
         ON CONFLICT ON CONSTRAINT skus_pkey DO NOTHING",
        tenant,
        sku.as_str(),
        title,
    )
    .execute(tx.connection())
    .await?;
    sqlx::query!(
        "INSERT INTO souk.prices (tenant_id, sku, currency, unit_price_minor) \
         VALUES ($1, $2, $3, $4) ON CONFLICT ON CONSTRAINT prices_pkey DO NOTHING",
        tenant,
        sku.as_str(),
        unit_price.currency().code(),
        unit_price.amount_minor(),
    )
    .execute(tx.connection())
    .await?;
    sqlx::query!(
        "INSERT INTO souk.stock_levels (tenant_id, sku, available) VALUES ($1, $2, $3) \
         ON CONFLICT ON CONSTRAINT stock_levels_pkey DO NOTHING",
        tenant,
        sku.as_str(),
        i64::from(units),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
