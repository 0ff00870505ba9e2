//! Takes a product out of the catalog.

use crate::catalog_refusal::check_version;
use crate::once::{Changed, run_once};
use crate::{Answer, AppError, Caller, CatalogRefusal, ExpectedVersion, Once, Tools};
use souk_domain::catalog::{CatalogStatus, Product, ProductCode};
use souk_postgres::idempotency::StoredResponse;
use souk_postgres::{products, skus};

/// Archives the product and its variants: none of them can be ordered any more. What was ordered
/// stays ordered. A product that is archived stays as it is.
///
/// # Errors
/// [`AppError::Catalog`] with `ProductNotFound` or `OtherVersion`; [`AppError::KeyInFlight`],
/// [`AppError::KeyReused`], [`AppError::Database`].
pub async fn archive_product(
    tools: &Tools,
    caller: &Caller,
    once: &Once,
    (code, expected): (ProductCode, ExpectedVersion),
    respond: impl Fn(Result<&Product, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let act = async |tx: &mut souk_postgres::TenantTx, now| {
        skus::lock_catalog(tx).await?;
        let mut product = products::load_for_update(tx, &code)
            .await?
            .ok_or(CatalogRefusal::ProductNotFound)?;
        check_version(&expected, Some(product.version))?;
        if product.status == CatalogStatus::Active {
            product.status = CatalogStatus::Archived;
            product.version = product.version.saturating_add(1);
            product.updated_at = now;
            products::update_status(tx, &product).await?;
            skus::archive_all_of(tx, &code, now).await?;
            skus::raise_catalog_revision(tx).await?;
        }
        Ok(Changed {
            resource_id: code.to_string(),
            response: respond(Ok(&product)),
        })
    };
    run_once(tools, caller, once, act, |e| respond(Err(e))).await
}
