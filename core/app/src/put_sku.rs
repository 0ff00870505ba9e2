//! Makes or changes a variant.

use crate::catalog_refusal::check_version;
use crate::offer::offer;
use crate::once::{Changed, run_once};
use crate::{Answer, AppError, Caller, CatalogRefusal, ExpectedVersion, Offer, Once, Tools};
use souk_domain::Sku;
use souk_domain::catalog::{CatalogStatus, ProductCode, Variant, VariantContent};
use souk_postgres::idempotency::StoredResponse;
use souk_postgres::{TenantTx, products, skus};

/// Writes the variant as it is to be; one that was archived is offered again. `respond` gets it with
/// its prices and stock, in version 1 where it is new.
///
/// # Errors
/// [`AppError::Catalog`] with `UnknownProduct`, `ArchivedProduct` or `OtherVersion`;
/// [`AppError::KeyInFlight`], [`AppError::KeyReused`], [`AppError::Database`].
pub async fn put_sku(
    tools: &Tools,
    caller: &Caller,
    once: &Once,
    (sku, expected, content): (Sku, ExpectedVersion, VariantContent),
    respond: impl Fn(Result<&Offer, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let act = async |tx: &mut TenantTx, now| {
        skus::lock_catalog(tx).await?;
        check_product(tx, content.product.as_ref()).await?;
        let before = skus::load_for_update(tx, &sku).await?;
        check_version(&expected, before.map(|variant| variant.version))?;
        let version = skus::put(tx, &sku, &content, now).await?;
        let variant = Variant {
            sku,
            content,
            status: CatalogStatus::Active,
            version,
            updated_at: now,
        };
        let offer = offer(tx, variant, now).await?;
        skus::raise_catalog_revision(tx).await?;
        Ok(Changed {
            resource_id: offer.variant.sku.to_string(),
            response: respond(Ok(&offer)),
        })
    };
    run_once(tools, caller, once, act, |e| respond(Err(e))).await
}

/// Locks the product, so that it is not archived meanwhile.
async fn check_product(tx: &mut TenantTx, code: Option<&ProductCode>) -> Result<(), AppError> {
    let Some(code) = code else { return Ok(()) };
    match products::load_for_update(tx, code).await? {
        None => Err(CatalogRefusal::UnknownProduct(code.clone()).into()),
        Some(product) if product.status == CatalogStatus::Archived => {
            Err(CatalogRefusal::ArchivedProduct(code.clone()).into())
        }
        Some(_) => Ok(()),
    }
}
