//! Stock: units that can still be sold, units that orders hold, units that are gone.
//!
//! Units are reserved by `souk.place_order`, which knows the rows to lock and their order.

use crate::{DatabaseError, TenantTx};
use souk_domain::{OrderId, Sku};

/// Ends the reservations of an order whose row this transaction has locked: its units can be sold
/// again.
pub async fn release_all(tx: &mut TenantTx, id: OrderId) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        r#"SELECT souk.settle_stock($1, o.allocations, false) AS "settled: ()"
           FROM souk.orders o WHERE o.tenant_id = $1 AND o.order_id = $2"#,
        tenant,
        id.as_uuid(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Units of one sku, over all locations and buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockLevel {
    /// Can be sold.
    pub available: i64,
    /// Held by orders.
    pub reserved: i64,
    /// Delivered.
    pub sold: i64,
}

/// The stock of `sku`, if the sku has any on record.
pub async fn load(tx: &mut TenantTx, sku: &Sku) -> Result<Option<StockLevel>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let level = sqlx::query_as!(
        StockLevel,
        r#"SELECT sum(available)::bigint AS "available!", sum(reserved)::bigint AS "reserved!",
               sum(sold)::bigint AS "sold!"
           FROM souk.stock_levels WHERE tenant_id = $1 AND sku = $2 HAVING count(*) > 0"#,
        tenant,
        sku.as_str(),
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(level)
}
