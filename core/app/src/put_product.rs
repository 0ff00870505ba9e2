//! Makes or changes a product.

use crate::catalog_refusal::check_version;
use crate::once::{Changed, run_once};
use crate::{Answer, AppError, Caller, ExpectedVersion, Once, Tools};
use souk_domain::catalog::{CatalogStatus, Product, ProductCode, ProductContent};
use souk_postgres::idempotency::StoredResponse;
use souk_postgres::products;

/// Writes the product as it is to be; one that was archived is offered again, its variants are not.
/// `respond` gets the product, in version 1 where it is new.
///
/// # Errors
/// [`AppError::Catalog`] with `OtherVersion`; [`AppError::KeyInFlight`], [`AppError::KeyReused`],
/// [`AppError::Database`].
pub async fn put_product(
    tools: &Tools,
    caller: &Caller,
    once: &Once,
    (code, expected, content): (ProductCode, ExpectedVersion, ProductContent),
    respond: impl Fn(Result<&Product, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let act = async |tx: &mut souk_postgres::TenantTx, now| {
        let before = products::load_for_update(tx, &code).await?;
        check_version(&expected, before.map(|product| product.version))?;
        let version = products::put(tx, &code, &content, now).await?;
        let product = Product {
            code,
            content,
            status: CatalogStatus::Active,
            version,
            updated_at: now,
        };
        Ok(Changed {
            resource_id: product.code.to_string(),
            response: respond(Ok(&product)),
        })
    };
    run_once(tools, caller, once, act, |e| respond(Err(e))).await
}
