//! Reads a product.

use crate::offer::offers;
use crate::{AppError, Audience, Caller, CatalogRefusal, Offer, Tools};
use souk_domain::catalog::{Product, ProductCode};
use souk_postgres::{products, skus};

/// Variants shown with their product at most.
pub const VARIANTS_SHOWN_MAX: u16 = 100;

/// A product with its variants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductOffer {
    /// The product.
    pub product: Product,
    /// Its first variants, in order of their skus.
    pub variants: Vec<Offer>,
    /// Whether it has more of them than are shown.
    pub more_variants: bool,
}

/// The product, if the caller's tenant has it and `audience` may see it.
///
/// # Errors
/// [`AppError::Catalog`] with `ProductNotFound`; [`AppError::Database`].
pub async fn get_product(
    tools: &Tools,
    caller: &Caller,
    code: &ProductCode,
    audience: Audience,
) -> Result<ProductOffer, AppError> {
    let mut tx = tools
        .db
        .begin_to_read(caller.tenant, caller.consistency.as_ref())
        .await?;
    let product = products::load(&mut tx, code)
        .await?
        .filter(|product| audience.sees(product.status));
    let Some(product) = product else {
        tx.rollback().await?;
        return Err(CatalogRefusal::ProductNotFound.into());
    };
    let limit = VARIANTS_SHOWN_MAX.saturating_add(1);
    let archived_too = audience == Audience::Shop;
    let mut variants = skus::of_product(&mut tx, code, archived_too, limit).await?;
    let more_variants = variants.len() > usize::from(VARIANTS_SHOWN_MAX);
    variants.truncate(usize::from(VARIANTS_SHOWN_MAX));
    let variants = offers(&mut tx, variants, tools.clock.now()).await?;
    tx.commit().await?;
    Ok(ProductOffer {
        product,
        variants,
        more_variants,
    })
}
