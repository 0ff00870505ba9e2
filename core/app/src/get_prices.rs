//! Reads the prices of a variant in one currency.

use crate::{AppError, Audience, Caller, CatalogRefusal, Tools};
use souk_domain::catalog::PriceSchedule;
use souk_domain::{Currency, Sku};
use souk_postgres::{prices, skus};

/// All prices of the variant in `currency`, past and coming ones too: what of it `audience` is shown
/// is the caller's to decide. Empty where it is not sold in it.
///
/// # Errors
/// [`AppError::Catalog`] with `SkuNotFound`; [`AppError::Database`].
pub async fn get_prices(
    tools: &Tools,
    caller: &Caller,
    sku: &Sku,
    currency: Currency,
    audience: Audience,
) -> Result<PriceSchedule, AppError> {
    let mut tx = tools
        .db
        .begin_to_read(caller.tenant, caller.consistency.as_ref())
        .await?;
    let seen = skus::load(&mut tx, sku)
        .await?
        .is_some_and(|variant| audience.sees(variant.status));
    let schedule = prices::load(&mut tx, sku, currency).await?;
    tx.commit().await?;
    if seen {
        return Ok(schedule);
    }
    Err(CatalogRefusal::SkuNotFound.into())
}
