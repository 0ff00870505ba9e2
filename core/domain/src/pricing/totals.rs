//! From wishes and prices to numbers.

use super::taxes::{self, Taxable};
use super::{
    CountryCode, DiscountCode, DiscountName, PriceSheet, PricingError, SkuPrice, discounts,
};
use crate::order::{OrderRequest, RequestedLine};
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
#[serde(default)]
pub struct Breakdown {
    /// In the order in which they were applied. They sum to the order's discount.
    pub discounts: Vec<AppliedDiscount>,
    /// By rate, the lowest first. They sum to the order's tax.
    pub taxes: Vec<TaxPart>,
    /// None where the tenant has no shipping rates.
    pub shipping: Option<ShippingPart>,
}

/// A discount that an order got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedDiscount {
    /// The merchant's name for it.
    pub name: DiscountName,
    /// The code that it was got with, if it needed one.
    #[serde(default)]
    pub code: Option<DiscountCode>,
    /// What it took off.
    pub amount: Money,
}

/// The tax of one rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxPart {
    /// Parts per million.
    pub rate_ppm: u32,
    /// What is taxed, without the tax.
    pub base: Money,
    /// The tax.
    pub amount: Money,
}

/// What shipping cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShippingPart {
    /// To where.
    pub country: CountryCode,
    /// As in the totals.
    pub amount: Money,
    /// The tax in, or on top of, it.
    pub tax: Money,
    /// Parts per million.
    pub tax_rate_ppm: u32,
}

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

/// Prices `request` from `sheet`: lines, then discounts, shipping, and the taxes on what is left.
/// Says the same for the same arguments, always.
///
/// # Errors
/// Every [`PricingError`] but those of malformed texts.
pub fn price(request: &OrderRequest, sheet: &PriceSheet) -> Result<Totals, PricingError> {
    let currency = request.currency();
    let rules = &sheet.rules;
    let mut lines = Vec::with_capacity(request.lines().len());
    let mut taxables = Vec::with_capacity(request.lines().len().saturating_add(1));
    for (line_number, wanted) in (1_u16..).zip(request.lines()) {
        let sold = find(sheet, wanted, currency)?;
        let mut line = gross(line_number, wanted, sold.unit_price)?;
        line.tax_rate_ppm = taxes::rate_ppm(rules, request.shipping_country(), &sold.tax_category)?;
        lines.push(line);
    }
    let subtotal = sum(currency, lines.iter().map(|line| line.line_total))?;
    let applied = discounts::take_off(request, sheet, subtotal, &mut lines)?;
    for line in &lines {
        taxables.push(Taxable {
            amount_minor: line.line_total.checked_sub(line.discount)?.amount_minor(),
            rate_ppm: line.tax_rate_ppm,
        });
    }
    let mut shipping = ship(request, sheet, subtotal)?;
    taxables.extend(shipping.map(|part| Taxable {
        amount_minor: part.amount.amount_minor(),
        rate_ppm: part.tax_rate_ppm,
    }));
    let levied = taxes::levy(rules, &taxables)?;
    let taxed = lines.iter_mut().map(|line| &mut line.tax);
    let taxed = taxed.chain(shipping.iter_mut().map(|part| &mut part.tax));
    for (tax, amount) in taxed.zip(&levied) {
        *tax = Money::new(*amount, currency);
    }
    let breakdown = Breakdown {
        taxes: taxes::by_rate(rules, currency, &taxables, &levied)?,
        discounts: applied,
        shipping,
    };
    totals(lines, currency, rules.prices_include_tax, breakdown)
}

fn find<'s>(
    sheet: &'s PriceSheet,
    wanted: &RequestedLine,
    currency: Currency,
) -> Result<&'s SkuPrice, PricingError> {
    let found = sheet.skus.get(&wanted.sku);
    let right = |price: &&SkuPrice| {
        price.unit_price.currency() == currency && price.unit_price.amount_minor() >= 0
    };
    found.filter(right).ok_or_else(|| PricingError::NotSold {
        sku: wanted.sku.clone(),
        currency,
    })
}

/// A line before discounts and taxes.
pub(super) fn gross(
    line_number: u16,
    wanted: &RequestedLine,
    unit_price: Money,
) -> Result<PricedLine, PricingError> {
    let zero = Money::zero(unit_price.currency());
    Ok(PricedLine {
        line_number,
        sku: wanted.sku.clone(),
        quantity: wanted.quantity,
        unit_price,
        line_total: unit_price.checked_mul(wanted.quantity.get())?,
        discount: zero,
        tax: zero,
        tax_rate_ppm: 0,
    })
}

/// What shipping costs, not taxed yet.
fn ship(
    request: &OrderRequest,
    sheet: &PriceSheet,
    subtotal: Money,
) -> Result<Option<ShippingPart>, PricingError> {
    let (rules, currency) = (&sheet.rules, request.currency());
    if rules.shipping_rates.is_empty() {
        return Ok(None);
    }
    let country = request
        .shipping_country()
        .ok_or(PricingError::CountryMissing)?;
    let rate = rules
        .shipping_rate(country, currency)
        .ok_or(PricingError::NotShipped { country, currency })?;
    let free = rate
        .free_from_minor
        .is_some_and(|from| subtotal.amount_minor() >= from);
    let amount_minor = if free { 0 } else { rate.amount_minor };
    Ok(Some(ShippingPart {
        country,
        amount: Money::new(amount_minor, currency),
        tax: Money::zero(currency),
        tax_rate_ppm: taxes::rate_ppm(rules, Some(country), &rate.tax_category)?,
    }))
}

/// Sums the parts.
pub(super) fn totals(
    lines: Vec<PricedLine>,
    currency: Currency,
    tax_included: bool,
    breakdown: Breakdown,
) -> Result<Totals, PricingError> {
    let zero = Money::zero(currency);
    let subtotal = sum(currency, lines.iter().map(|line| line.line_total))?;
    let discount = sum(currency, lines.iter().map(|line| line.discount))?;
    let shipping = breakdown.shipping.map_or(zero, |part| part.amount);
    let tax = sum(currency, breakdown.taxes.iter().map(|part| part.amount))?;
    let added = if tax_included { zero } else { tax };
    let total = subtotal
        .checked_sub(discount)?
        .checked_add(shipping)?
        .checked_add(added)?;
    Ok(Totals {
        currency,
        lines,
        subtotal,
        discount,
        shipping,
        tax,
        tax_included,
        total,
        breakdown,
    })
}

fn sum(currency: Currency, parts: impl Iterator<Item = Money>) -> Result<Money, PricingError> {
    let mut sum = Money::zero(currency);
    for part in parts {
        sum = sum.checked_add(part)?;
    }
    Ok(sum)
}
