//! Sets the prices of a variant in one currency.

use crate::once::{Changed, run_once};
use crate::{Answer, AppError, Caller, CatalogRefusal, Once, Tools};
use souk_domain::Sku;
use souk_domain::catalog::PriceSchedule;
use souk_postgres::idempotency::StoredResponse;
use souk_postgres::{TenantTx, prices, skus};

/// Replaces all prices of the variant in the schedule's currency at once. An empty schedule ends its
/// sale in that currency.
///
/// # Errors
/// [`AppError::Catalog`] with `SkuNotFound`; [`AppError::KeyInFlight`], [`AppError::KeyReused`],
/// [`AppError::Database`].
pub async fn put_prices(
    tools: &Tools,
    caller: &Caller,
    once: &Once,
    (sku, schedule): (Sku, PriceSchedule),
    respond: impl Fn(Result<&PriceSchedule, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let act = async |tx: &mut TenantTx, _now| {
        skus::lock_catalog(tx).await?;
        skus::load_for_update(tx, &sku)
            .await?
            .ok_or(CatalogRefusal::SkuNotFound)?;
        prices::replace(tx, &sku, &schedule).await?;
        skus::raise_catalog_revision(tx).await?;
        Ok(Changed {
            resource_id: format!("{sku}/{}", schedule.currency()),
            response: respond(Ok(&schedule)),
        })
    };
    run_once(tools, caller, once, act, |e| respond(Err(e))).await
}
