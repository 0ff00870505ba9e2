//! Why a change of the catalog or of the stock is refused.

use crate::ExpectedVersion;
use souk_domain::catalog::{BelowReserved, ProductCode};

/// What an administrator asks for and cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogRefusal {
    /// The tenant has no such product, or none that this caller may see.
    #[error("there is no product with this code")]
    ProductNotFound,
    /// The tenant has no such sku, or none that this caller may see.
    #[error("there is no sku with this code")]
    SkuNotFound,
    /// A variant is to belong to a product that is not there.
    #[error("there is no product {0}: put it first")]
    UnknownProduct(ProductCode),
    /// A variant is to belong to a product that is not offered any more.
    #[error("the product {0} is archived: put it again first")]
    ArchivedProduct(ProductCode),
    /// The product or sku is not in the version that the command is meant for.
    #[error("it is in another version than the one that If-Match names")]
    OtherVersion {
        /// The version it is in; none where it does not exist.
        current: Option<u64>,
    },
    /// Fewer units than orders hold.
    #[error(transparent)]
    StockBelowReserved(#[from] BelowReserved),
}

impl CatalogRefusal {
    /// Whether a repetition gets the same answer; see [`crate::AppError::is_final`].
    pub(crate) const fn is_final(&self) -> bool {
        match self {
            Self::ProductNotFound
            | Self::SkuNotFound
            | Self::UnknownProduct(_)
            | Self::ArchivedProduct(_)
            | Self::OtherVersion { .. } => true,
            // Depends on what orders hold at the moment.
            Self::StockBelowReserved(_) => false,
        }
    }
}

/// Nothing, or why a command that is meant for `expected` is refused at version `current`.
pub(crate) fn check_version(
    expected: &ExpectedVersion,
    current: Option<u64>,
) -> Result<(), CatalogRefusal> {
    if expected.fits(current) {
        return Ok(());
    }
    Err(CatalogRefusal::OtherVersion { current })
}
