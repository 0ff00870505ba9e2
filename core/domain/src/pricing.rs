//! What an order costs: prices, discounts, shipping and taxes, in integers.
//!
//! [`price`] is the one function that says so. A quote and the order that follows it call it with the
//! same arguments and get the same numbers.

mod rules;
mod sheet;
mod totals;

pub use rules::{CountryCode, DiscountCode, PricingRules, TaxCategory};
pub use sheet::{PriceSheet, PriceWindow, SkuPrice};
pub use totals::{Breakdown, PricedLine, Totals, price};

use crate::{Currency, Sku};

/// Why a request cannot be priced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PricingError {
    /// The catalog has no price for this sku in the order's currency at this time.
    #[error("{sku} is not sold in {currency}")]
    NotSold {
        /// The SKU asked for.
        sku: Sku,
        /// The order's currency.
        currency: Currency,
    },
    /// A line's or the order's total does not fit.
    #[error("the order's total is too large")]
    TotalTooLarge,
    /// A text is no country code.
    #[error("a country is two letters A-Z, as in ISO 3166-1")]
    InvalidCountry,
    /// A text is no discount code.
    #[error("a discount code is 1 to 64 of the characters A-Z a-z 0-9 . _ -")]
    InvalidDiscountCode,
    /// A text is no tax category.
    #[error("a tax category is 1 to 32 of the characters a-z 0-9 _")]
    InvalidTaxCategory,
}
