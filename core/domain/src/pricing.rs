//! What an order costs: prices, discounts, shipping and taxes, in integers.
//!
//! [`price`] is the one function that says so. A quote and the order that follows it call it with the
//! same arguments and get the same numbers. How it rounds and shares is told in ADR 0006.

mod discounts;
mod divide;
mod names;
mod quote;
mod read_rules;
mod rules;
mod sheet;
mod taxes;
#[cfg(test)]
mod tests;
mod totals;

pub use names::{CountryCode, DiscountCode, DiscountName, TaxCategory};
pub use quote::{
    QUOTE_BYTES_MAX, QUOTE_KEY_BYTES, QUOTE_KEYS_MAX, QUOTE_TTL_S, QuoteError, QuoteKeys,
    QuoteKeysError, open_quote, seal_quote,
};
pub use read_rules::{PricingRulesError, RuleViolation};
pub use rules::{
    DISCOUNT_CURRENCIES_MAX, DISCOUNTS_MAX, PRICING_RULES_BYTES_MAX, PricingRules,
    SHIPPING_RATES_MAX, TAX_RATES_MAX, TaxRounding,
};
pub use sheet::{PriceSheet, PriceWindow, SkuPrice};
pub use totals::{AppliedDiscount, Breakdown, PricedLine, ShippingPart, TaxPart, Totals, price};

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
    /// Taxes or shipping depend on where the order goes.
    #[error("shipping_country is needed: taxes or shipping depend on it")]
    CountryMissing,
    /// There is no shipping rate.
    #[error("there is no shipping to {country} in {currency}")]
    NotShipped {
        /// Where to.
        country: CountryCode,
        /// The order's currency.
        currency: Currency,
    },
    /// There is no tax rate.
    #[error("there is no tax rate in {country} for the category {category}")]
    NotTaxed {
        /// Where to.
        country: CountryCode,
        /// Of what.
        category: TaxCategory,
    },
    /// No discount has this code.
    #[error("the discount code {code} is not known")]
    UnknownDiscountCode {
        /// As it was sent.
        code: DiscountCode,
    },
    /// The discount of this code does not apply to this order.
    #[error("the discount code {code} does not apply: {reason}")]
    DiscountCodeNotApplicable {
        /// As it was sent.
        code: DiscountCode,
        /// Why.
        reason: NotApplicable,
    },
    /// A text is no country code.
    #[error("a country is two letters A-Z, as in ISO 3166-1")]
    InvalidCountry,
    /// A text is no discount code.
    #[error("a discount code is 1 to 64 of the characters A-Z a-z 0-9 . _ -")]
    InvalidDiscountCode,
    /// A text is no discount's name.
    #[error("a discount's name is 1 to 64 of the characters A-Z a-z 0-9 . _ -")]
    InvalidDiscountName,
    /// A text is no tax category.
    #[error("a tax category is 1 to 32 of the characters a-z 0-9 _")]
    InvalidTaxCategory,
}

/// Why a discount does not apply to an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotApplicable {
    /// Its time has not come.
    #[error("it is not valid yet")]
    NotYet,
    /// Its time is over.
    #[error("it is not valid any more")]
    Over,
    /// The subtotal is too small.
    #[error("the subtotal is below its minimum")]
    BelowMinimum,
    /// It has no amount in the order's currency.
    #[error("it does not exist in the order's currency")]
    OtherCurrency,
    /// Too few units of its sku.
    #[error("too few units of its sku are ordered")]
    TooFewUnits,
    /// Nothing is left that it could take off.
    #[error("it would take nothing off")]
    TakesNothing,
    /// One of the two does not combine with others.
    #[error("it cannot be combined with the discount {with}")]
    NotCombinable {
        /// The discount that came first.
        with: DiscountName,
    },
}
