//! Stock: units that can still be sold, units that orders hold, units that are gone.
//!
//! Units are reserved by `souk.reserve_stock`, which knows the rows to lock and their order.

use crate::orders::to_column;
use crate::{DatabaseError, TenantTx};
use souk_domain::{Allocation, Settlement, Sku};
use sqlx::types::Json;
use std::collections::BTreeMap;

/// Ends reservations: what was sold is gone, what was released can be sold again. The order that held
/// them is locked by this transaction, and forgets them in it.
pub async fn settle(tx: &mut TenantTx, settlement: &Settlement) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let (allocations, sold) = match settlement {
        Settlement::Sold(allocations) => (allocations, true),
        Settlement::Released(allocations) => (allocations, false),
    };
    let allocations =
        serde_json::to_value(allocations).map_err(|e| DatabaseError::corrupt("allocation", e))?;
    sqlx::query!(
        r#"SELECT souk.settle_stock($1, $2, $3) AS "settled: ()""#,
        tenant,
        allocations,
        sold,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Reserves `units` of each sku, for an order that this transaction has locked: all of them, or, where
/// the inner result names the skus of which too few are left, none.
pub async fn reserve(
    tx: &mut TenantTx,
    units: &BTreeMap<Sku, u64>,
) -> Result<Result<Vec<Allocation>, Vec<Sku>>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let skus: Vec<String> = units.keys().map(|sku| sku.as_str().to_owned()).collect();
    let wanted = units
        .values()
        .map(|units| to_column(*units, "a number of units"))
        .collect::<Result<Vec<i64>, _>>()?;
    let row = sqlx::query!(
        r#"SELECT allocations AS "allocations!: Json<Vec<Allocation>>", short AS "short!"
           FROM souk.reserve_stock_or_none($1, $2, $3)"#,
        tenant,
        &skus,
        &wanted,
    )
    .fetch_one(tx.connection())
    .await?;
    if row.short.is_empty() {
        return Ok(Ok(row.allocations.0));
    }
    let short = row.short.iter().map(|sku| sku.parse());
    let short: Result<Vec<Sku>, _> = short.collect();
    Ok(Err(short.map_err(|e| DatabaseError::corrupt("sku", e))?))
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
