//! Takes a variant out of the catalog.

use crate::catalog_refusal::check_version;
use crate::offer::offer;
use crate::once::{Changed, run_once};
use crate::{Answer, AppError, Caller, CatalogRefusal, ExpectedVersion, Offer, Once, Tools};
use souk_domain::Sku;
use souk_domain::catalog::CatalogStatus;
use souk_postgres::idempotency::StoredResponse;
use souk_postgres::{TenantTx, skus};

/// Archives the variant: it cannot be ordered any more. What was ordered stays ordered, and its stock
/// stays where it is. A variant that is archived stays as it is.
///
/// # Errors
/// [`AppError::Catalog`] with `SkuNotFound` or `OtherVersion`; [`AppError::KeyInFlight`],
/// [`AppError::KeyReused`], [`AppError::Database`].
pub async fn archive_sku(
    tools: &Tools,
    caller: &Caller,
    once: &Once,
    (sku, expected): (Sku, ExpectedVersion),
    respond: impl Fn(Result<&Offer, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let act = async |tx: &mut TenantTx, now| {
        skus::lock_catalog(tx).await?;
        let mut variant = skus::load_for_update(tx, &sku)
            .await?
            .ok_or(CatalogRefusal::SkuNotFound)?;
        check_version(&expected, Some(variant.version))?;
        if variant.status == CatalogStatus::Active {
            variant.status = CatalogStatus::Archived;
            variant.version = variant.version.saturating_add(1);
            variant.updated_at = now;
            skus::update_status(tx, &variant).await?;
            skus::raise_catalog_revision(tx).await?;
        }
        let offer = offer(tx, variant, now).await?;
        Ok(Changed {
            resource_id: sku.to_string(),
            response: respond(Ok(&offer)),
        })
    };
    run_once(tools, caller, once, act, |e| respond(Err(e))).await
}
