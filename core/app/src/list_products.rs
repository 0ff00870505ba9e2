//! Lists products.

use crate::{AppError, Audience, Caller, Tools};
use souk_domain::catalog::{Product, ProductCode};
use souk_postgres::products;

/// Products on a page at most.
pub const PRODUCTS_PER_PAGE_MAX: u8 = 100;

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductPage {
    /// The products, in order of their codes.
    pub products: Vec<Product>,
    /// After which code the next page begins; none after the last.
    pub next: Option<ProductCode>,
}

/// The products of the caller's tenant that `audience` may see, from after `after` on: at most
/// `limit`, which is 1 to [`PRODUCTS_PER_PAGE_MAX`]. Who follows `next` to the end sees every product
/// that was there at the beginning and still is.
///
/// # Errors
/// [`AppError::Database`].
pub async fn list_products(
    tools: &Tools,
    caller: &Caller,
    after: Option<&ProductCode>,
    audience: Audience,
    limit: u8,
) -> Result<ProductPage, AppError> {
    let limit = limit.clamp(1, PRODUCTS_PER_PAGE_MAX);
    let archived_too = audience == Audience::Shop;
    let mut tx = tools
        .db
        .begin_to_read(caller.tenant, caller.consistency.as_ref())
        .await?;
    // One more than is shown tells whether there is a next page.
    let with_next = u16::from(limit).saturating_add(1);
    let mut products = products::list(&mut tx, after, archived_too, with_next).await?;
    tx.commit().await?;
    let more = products.len() > usize::from(limit);
    products.truncate(usize::from(limit));
    let next = products
        .last()
        .filter(|_| more)
        .map(|last| last.code.clone());
    Ok(ProductPage { products, next })
}
