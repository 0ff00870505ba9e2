//! What a tenant has decided about discounts, taxes and shipping.

use super::{CountryCode, DiscountCode, DiscountName, TaxCategory};
use crate::{Currency, Money, Sku, Timestamp};
use serde::Serialize;

/// Bytes of the document at most, as compact JSON.
pub const PRICING_RULES_BYTES_MAX: usize = 64 * 1024;
/// Tax rates at most.
pub const TAX_RATES_MAX: usize = 1_024;
/// Discounts at most.
pub const DISCOUNTS_MAX: usize = 128;
/// Shipping rates at most.
pub const SHIPPING_RATES_MAX: usize = 512;
/// Currencies that one discount has amounts or minima in, at most.
pub const DISCOUNT_CURRENCIES_MAX: usize = 32;

/// The rules of a tenant: one document. It can be had from JSON only, which checks all of it (see
/// [`PricingRules::from_json`]); its lists are in an order of their own, so that the order in which
/// they were sent changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PricingRules {
    /// Whether prices, and what shipping costs, have the tax in them.
    pub(super) prices_include_tax: bool,
    /// Where taxes are rounded.
    pub(super) tax_rounding: TaxRounding,
    /// By country and category. Empty: nothing is taxed.
    pub(super) tax_rates: Vec<TaxRate>,
    /// The ones that come first are applied first.
    pub(super) discounts: Vec<Discount>,
    /// By country and currency. Empty: shipping costs nothing, to anywhere.
    pub(super) shipping_rates: Vec<ShippingRate>,
}

impl Default for PricingRules {
    /// The rules of a tenant that has set none: prices are what is paid.
    fn default() -> Self {
        Self {
            prices_include_tax: true,
            tax_rounding: TaxRounding::Line,
            tax_rates: Vec::new(),
            discounts: Vec::new(),
            shipping_rates: Vec::new(),
        }
    }
}

/// Where taxes are rounded, half-even, to minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TaxRounding {
    /// The tax of each line, and that of shipping.
    Line,
    /// The tax of each rate, over the whole order.
    Order,
}

/// How goods of a category are taxed where they are shipped to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct TaxRate {
    pub(super) country: CountryCode,
    pub(super) category: TaxCategory,
    /// Parts per million: 190,000 are 19 %.
    pub(super) rate_ppm: u32,
}

/// What shipping costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ShippingRate {
    pub(super) country: CountryCode,
    pub(super) currency: Currency,
    pub(super) amount_minor: i64,
    /// From this subtotal on it costs nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) free_from_minor: Option<i64>,
    pub(super) tax_category: TaxCategory,
}

/// A reduction of what goods cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Discount {
    pub(super) name: DiscountName,
    /// Only for who names it; without one, for everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<DiscountCode>,
    /// Higher ones are applied first; among equals, the name decides.
    pub(super) priority: i32,
    /// Whether it goes together with others.
    pub(super) combines: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) valid_from: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) valid_until: Option<Timestamp>,
    /// The least subtotal, by currency. Where there are any, an order in another currency does not
    /// get the discount.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) minimum_subtotal: Vec<Money>,
    pub(super) effect: Effect,
}

/// What a discount takes off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Effect {
    /// A part of what the goods cost after the discounts before it.
    Percent {
        /// Parts per million.
        rate_ppm: u32,
    },
    /// A sum, at most what the goods cost after the discounts before it.
    Amount {
        /// By currency; none in others.
        amounts: Vec<Money>,
    },
    /// Of each `buy` + `get` whole units of a sku, `get` are free.
    BuyGet {
        /// Of what.
        sku: Sku,
        /// Units paid.
        buy: u32,
        /// Units free.
        get: u32,
    },
}

impl PricingRules {
    /// The rate, in parts per million; none where the document has no such line.
    pub(super) fn tax_rate_ppm(&self, country: CountryCode, category: &TaxCategory) -> Option<u32> {
        let at = self
            .tax_rates
            .binary_search_by(|rate| (rate.country, &rate.category).cmp(&(country, category)));
        at.ok()
            .and_then(|index| self.tax_rates.get(index))
            .map(|rate| rate.rate_ppm)
    }

    pub(super) fn shipping_rate(
        &self,
        country: CountryCode,
        currency: Currency,
    ) -> Option<&ShippingRate> {
        self.shipping_rates
            .iter()
            .find(|rate| rate.country == country && rate.currency == currency)
    }
}
