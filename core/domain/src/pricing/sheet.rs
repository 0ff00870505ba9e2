//! Prices at one moment.

use super::{PricingRules, TaxCategory};
use crate::{Currency, Money, Sku, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A price and when it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceWindow {
    /// Of one unit.
    pub unit_price: Money,
    /// From this instant on.
    pub valid_from: Timestamp,
    /// Until, but not including, this one; for ever if there is none.
    pub valid_until: Option<Timestamp>,
}

impl PriceWindow {
    /// Whether the price holds at `now`.
    pub fn holds_at(&self, now: Timestamp) -> bool {
        self.valid_from <= now && self.valid_until.is_none_or(|until| now < until)
    }
}

/// What one unit of a sku costs, and how it is taxed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkuPrice {
    /// Of one unit.
    pub unit_price: Money,
    /// Which tax rate applies.
    pub tax_category: TaxCategory,
}

/// All that is needed to price a request, at one moment, in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceSheet {
    /// The moment: discounts are valid, or not, at it. The prices are those that hold at it.
    pub at: Timestamp,
    /// The currency of all its prices.
    pub currency: Currency,
    /// What is sold.
    pub skus: BTreeMap<Sku, SkuPrice>,
    /// The tenant's rules.
    pub rules: Arc<PricingRules>,
}
