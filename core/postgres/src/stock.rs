//! Stock: units that can still be sold, and units that orders hold.

use crate::{DatabaseError, TenantTx};
use souk_domain::Sku;
use std::collections::BTreeMap;

/// Moves units from available to reserved, all skus or none.
///
/// Returns the skus that have too few units (or none on record); when that is not empty, nothing may
/// be committed, since the others were moved. One statement: rows are locked in the order of skus,
/// so that two orders never deadlock, and each is changed only where enough is left at that moment.
pub async fn reserve(
    tx: &mut TenantTx,
    units: &BTreeMap<Sku, u64>,
) -> Result<Vec<Sku>, DatabaseError> {
    let (skus, quantities) = columns(units)?;
    let tenant = tx.tenant().as_uuid();
    let reserved = sqlx::query_scalar!(
        "WITH wanted AS ( \
             SELECT * FROM unnest($2::text[], $3::bigint[]) AS w (sku, units) \
         ), locked AS MATERIALIZED ( \
             SELECT s.sku, w.units FROM souk.stock_levels s JOIN wanted w USING (sku) \
             WHERE s.tenant_id = $1 ORDER BY s.sku FOR UPDATE OF s \
         ) \
         UPDATE souk.stock_levels s \
         SET available = s.available - l.units, reserved = s.reserved + l.units \
         FROM locked l \
         WHERE s.tenant_id = $1 AND s.sku = l.sku AND s.available >= l.units \
         RETURNING s.sku",
        tenant,
        &skus,
        &quantities,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(units
        .keys()
        .filter(|sku| !reserved.iter().any(|got| got == sku.as_str()))
        .cloned()
        .collect())
}

/// Moves units back from reserved to available.
pub async fn release(tx: &mut TenantTx, units: &BTreeMap<Sku, u64>) -> Result<(), DatabaseError> {
    let (skus, quantities) = columns(units)?;
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "WITH wanted AS ( \
             SELECT * FROM unnest($2::text[], $3::bigint[]) AS w (sku, units) \
         ), locked AS MATERIALIZED ( \
             SELECT s.sku, w.units FROM souk.stock_levels s JOIN wanted w USING (sku) \
             WHERE s.tenant_id = $1 ORDER BY s.sku FOR UPDATE OF s \
         ) \
         UPDATE souk.stock_levels s \
         SET available = s.available + l.units, reserved = s.reserved - l.units \
         FROM locked l WHERE s.tenant_id = $1 AND s.sku = l.sku",
        tenant,
        &skus,
        &quantities,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Units of one sku.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockLevel {
    /// Can be sold.
    pub available: i64,
    /// Held by orders.
    pub reserved: i64,
}

/// The stock of `sku`, if the sku has any on record.
pub async fn load(tx: &mut TenantTx, sku: &Sku) -> Result<Option<StockLevel>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let level = sqlx::query_as!(
        StockLevel,
        "SELECT available, reserved FROM souk.stock_levels WHERE tenant_id = $1 AND sku = $2",
        tenant,
        sku.as_str(),
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(level)
}

fn columns(units: &BTreeMap<Sku, u64>) -> Result<(Vec<String>, Vec<i64>), DatabaseError> {
    let skus = units.keys().map(|sku| sku.as_str().to_owned()).collect();
    let quantities = units
        .values()
        .map(|n| i64::try_from(*n).map_err(|_| DatabaseError::OutOfRange { what: "a quantity" }))
        .collect::<Result<_, _>>()?;
    Ok((skus, quantities))
}
