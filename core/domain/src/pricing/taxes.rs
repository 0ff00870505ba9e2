//! What is taxed at which rate, and where the tax is rounded.

use super::divide::{WHOLE_PPM, allocate, proportion};
use super::rules::TaxRounding;
use super::{CountryCode, PricingError, PricingRules, TaxCategory, TaxPart};
use crate::{Currency, Money};
use std::collections::BTreeMap;

/// Something that is taxed: a line, or shipping.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taxable {
    /// What it costs, less its discount; with the tax in it where prices have it.
    pub(super) amount_minor: i64,
    /// Parts per million.
    pub(super) rate_ppm: u32,
}

/// The rate for what is shipped to `country`: zero for a tenant without rates.
///
/// # Errors
/// [`PricingError::CountryMissing`], [`PricingError::NotTaxed`].
pub(super) fn rate_ppm(
    rules: &PricingRules,
    country: Option<CountryCode>,
    category: &TaxCategory,
) -> Result<u32, PricingError> {
    if rules.tax_rates.is_empty() {
        return Ok(0);
    }
    let country = country.ok_or(PricingError::CountryMissing)?;
    rules
        .tax_rate_ppm(country, category)
        .ok_or_else(|| PricingError::NotTaxed {
            country,
            category: category.clone(),
        })
}

/// The tax of each of `items`, in their order.
pub(super) fn levy(rules: &PricingRules, items: &[Taxable]) -> Result<Vec<i64>, PricingError> {
    match rules.tax_rounding {
        TaxRounding::Line => items.iter().map(|item| tax_of(rules, *item)).collect(),
        TaxRounding::Order => levy_by_rate(rules, items),
    }
}

/// Rounds once for each rate, and spreads the rounded tax over what it was levied on.
fn levy_by_rate(rules: &PricingRules, items: &[Taxable]) -> Result<Vec<i64>, PricingError> {
    let mut taxes = vec![0_i64; items.len()];
    let mut by_rate: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        by_rate.entry(item.rate_ppm).or_default().push(index);
    }
    for (rate_ppm, members) in by_rate {
        let amounts: Vec<i64> = members
            .iter()
            .filter_map(|index| items.get(*index))
            .map(|item| item.amount_minor)
            .collect();
        let amount_minor = amounts
            .iter()
            .try_fold(0_i64, |sum, amount| sum.checked_add(*amount))
            .ok_or(PricingError::TotalTooLarge)?;
        let whole = Taxable {
            amount_minor,
            rate_ppm,
        };
        let shares = allocate(tax_of(rules, whole)?, &amounts)?;
        for (index, share) in members.into_iter().zip(shares) {
            if let Some(tax) = taxes.get_mut(index) {
                *tax = share;
            }
        }
    }
    Ok(taxes)
}

fn tax_of(rules: &PricingRules, item: Taxable) -> Result<i64, PricingError> {
    let rate = i64::from(item.rate_ppm);
    let whole = i64::from(WHOLE_PPM);
    let of = if rules.prices_include_tax {
        whole.saturating_add(rate)
    } else {
        whole
    };
    proportion(item.amount_minor, rate, of)
}

/// The taxes by rate, lowest first, for who has rates at all.
pub(super) fn by_rate(
    rules: &PricingRules,
    currency: Currency,
    items: &[Taxable],
    taxes: &[i64],
) -> Result<Vec<TaxPart>, PricingError> {
    let mut sums: BTreeMap<u32, (i64, i64)> = BTreeMap::new();
    if rules.tax_rates.is_empty() {
        return Ok(Vec::new());
    }
    for (item, tax) in items.iter().zip(taxes) {
        let included = if rules.prices_include_tax { *tax } else { 0 };
        let base = item.amount_minor.saturating_sub(included);
        let sum = sums.entry(item.rate_ppm).or_default();
        *sum = (sum.0.checked_add(base))
            .zip(sum.1.checked_add(*tax))
            .ok_or(PricingError::TotalTooLarge)?;
    }
    let part = |(rate_ppm, (base, amount))| TaxPart {
        rate_ppm,
        base: Money::new(base, currency),
        amount: Money::new(amount, currency),
    };
    Ok(sums.into_iter().map(part).collect())
}
