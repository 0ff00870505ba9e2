//! From wishes and prices to numbers.

use super::{PriceSheet, PricingError};
use crate::order::OrderRequest;
use crate::{Currency, Money, MoneyError, Quantity, Sku};
use serde::{Deserialize, Serialize};

/// One line, priced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricedLine {
    /// Position in the order, from 1.
    pub line_number: u16,
    /// What.
    pub sku: Sku,
    /// How many.
    pub quantity: Quantity,
    /// Price of one unit.
    pub unit_price: Money,
    /// `quantity` times `unit_price`.
    pub line_total: Money,
    /// What is taken off this line.
    pub discount: Money,
    /// The tax in, or on top of, what is left of this line.
    pub tax: Money,
    /// Its rate in parts per million: 190,000 are 19 %.
    pub tax_rate_ppm: u32,
}

/// Which discounts, taxes and shipping make up the numbers, as stored and shown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Breakdown {}

/// What an order costs, with its parts: `total` = `subtotal` - `discount` + `shipping`, and + `tax`
/// where that is not included in the prices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    /// Of all amounts.
    pub currency: Currency,
    /// By line number.
    pub lines: Vec<PricedLine>,
    /// Sum of the lines' totals.
    pub subtotal: Money,
    /// Sum of the lines' discounts.
    pub discount: Money,
    /// Shipping, before tax where taxes are added.
    pub shipping: Money,
    /// All taxes.
    pub tax: Money,
    /// Whether `tax` is a part of the prices, or is added to them.
    pub tax_included: bool,
    /// What is to be paid.
    pub total: Money,
    /// Where the numbers come from.
    pub breakdown: Breakdown,
}

impl From<MoneyError> for PricingError {
    fn from(error: MoneyError) -> Self {
        match error {
            MoneyError::UnknownCurrency
            | MoneyError::CurrencyMismatch { .. }
            | MoneyError::Overflow => Self::TotalTooLarge,
        }
    }
}

/// Prices `request` from `sheet`.
///
/// # Errors
/// [`PricingError::NotSold`], [`PricingError::TotalTooLarge`].
pub fn price(request: &OrderRequest, sheet: &PriceSheet) -> Result<Totals, PricingError> {
    let currency = request.currency();
    let zero = Money::zero(currency);
    let mut subtotal = zero;
    let mut lines = Vec::with_capacity(request.lines().len());
    for (line_number, wanted) in (1_u16..).zip(request.lines()) {
        let unit_price = sheet
            .skus
            .get(&wanted.sku)
            .map(|found| found.unit_price)
            .filter(|price| price.currency() == currency)
            .ok_or_else(|| PricingError::NotSold {
                sku: wanted.sku.clone(),
                currency,
            })?;
        let line_total = unit_price.checked_mul(wanted.quantity.get())?;
        subtotal = subtotal.checked_add(line_total)?;
        lines.push(PricedLine {
            line_number,
            sku: wanted.sku.clone(),
            quantity: wanted.quantity,
            unit_price,
            line_total,
            discount: zero,
            tax: zero,
            tax_rate_ppm: 0,
        });
    }
    Ok(Totals {
        currency,
        lines,
        subtotal,
        discount: zero,
        shipping: zero,
        tax: zero,
        tax_included: true,
        total: subtotal,
        breakdown: Breakdown::default(),
    })
}
