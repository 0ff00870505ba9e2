//! Reads a variant.

use crate::offer::offer;
use crate::{AppError, Audience, Caller, CatalogRefusal, Offer, Tools};
use souk_domain::Sku;
use souk_postgres::skus;

/// The variant with its prices and whether it is in stock, if the caller's tenant has it and
/// `audience` may see it.
///
/// # Errors
/// [`AppError::Catalog`] with `SkuNotFound`; [`AppError::Database`].
pub async fn get_sku(
    tools: &Tools,
    caller: &Caller,
    sku: &Sku,
    audience: Audience,
) -> Result<Offer, AppError> {
    let mut tx = tools
        .db
        .begin_to_read(caller.tenant, caller.consistency.as_ref())
        .await?;
    let variant = skus::load(&mut tx, sku)
        .await?
        .filter(|variant| audience.sees(variant.status));
    let Some(variant) = variant else {
        tx.rollback().await?;
        return Err(CatalogRefusal::SkuNotFound.into());
    };
    let offer = offer(&mut tx, variant, tools.clock.now()).await?;
    tx.commit().await?;
    Ok(offer)
}
