//! Reads what lies of a variant.

use crate::{AppError, Caller, CatalogRefusal, Tools};
use souk_domain::Sku;
use souk_postgres::inventory::{self, LocationStock};
use souk_postgres::skus;

/// What lies of the variant at each location, in their order; nothing where nobody has counted yet.
///
/// # Errors
/// [`AppError::Catalog`] with `SkuNotFound`; [`AppError::Database`].
pub async fn get_stock(
    tools: &Tools,
    caller: &Caller,
    sku: &Sku,
) -> Result<Vec<LocationStock>, AppError> {
    let mut tx = tools
        .db
        .begin_to_read(caller.tenant, caller.consistency.as_ref())
        .await?;
    let known = skus::load(&mut tx, sku).await?.is_some();
    let stock = inventory::load(&mut tx, sku).await?;
    tx.commit().await?;
    if known {
        return Ok(stock);
    }
    Err(CatalogRefusal::SkuNotFound.into())
}
