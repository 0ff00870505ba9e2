//! Enters a tenant with a catalog, for demonstrations and tests.

use souk_domain::{Money, Sku, TenantId, Timestamp};
use souk_postgres::{Database, DatabaseError, admin};

/// A sku to enter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkuSeed {
    /// Its code.
    pub sku: Sku,
    /// Its name for people.
    pub title: String,
    /// The price of one unit.
    pub unit_price: Money,
    /// Units in stock at first.
    pub units: u32,
}

/// Enters the tenant and the skus that are not there yet; what is there stays as it is. For the role
/// that owns the schema.
pub async fn seed_tenant(
    db: &Database,
    tenant: TenantId,
    name: &str,
    skus: &[SkuSeed],
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let mut tx = db.begin_unplaced(tenant).await?;
    admin::create_tenant(&mut tx, name, now).await?;
    for seed in skus {
        admin::create_sku(&mut tx, &seed.sku, &seed.title, seed.unit_price, seed.units).await?;
    }
    tx.commit().await
}
