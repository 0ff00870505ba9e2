//! Which discounts an order gets, and which line gets which part of them.

use super::divide::{WHOLE_PPM, allocate, proportion};
use super::rules::{Discount, Effect, PricingRules};
use super::{AppliedDiscount, NotApplicable, PriceSheet, PricedLine, PricingError};
use crate::order::OrderRequest;
use crate::{Currency, Money, Timestamp};

/// What decides whether a discount applies.
struct Circumstances {
    now: Timestamp,
    currency: Currency,
    subtotal_minor: i64,
}

/// Takes the discounts off `lines`, in the order of the rules: each one off what those before it have
/// left. A discount that does not combine is applied alone, and keeps out those that come after it.
///
/// # Errors
/// [`PricingError::UnknownDiscountCode`] and [`PricingError::DiscountCodeNotApplicable`]: a buyer who
/// names a code gets its discount, or is told why not.
pub(super) fn take_off(
    request: &OrderRequest,
    sheet: &PriceSheet,
    subtotal: Money,
    lines: &mut [PricedLine],
) -> Result<Vec<AppliedDiscount>, PricingError> {
    refuse_unknown_codes(request, &sheet.rules)?;
    let circumstances = Circumstances {
        now: sheet.at,
        currency: sheet.currency,
        subtotal_minor: subtotal.amount_minor(),
    };
    let mut applied: Vec<AppliedDiscount> = Vec::new();
    let mut alone: Option<&Discount> = None;
    for discount in &sheet.rules.discounts {
        let wanted = match &discount.code {
            Some(code) => request.discount_codes().contains(code),
            None => true,
        };
        if !wanted {
            continue;
        }
        let parts = if let Some(other) = keeps_out(discount, alone, &applied) {
            Err(other)
        } else {
            parts(discount, &circumstances, lines)?
        };
        match (parts, &discount.code) {
            (Ok(parts), _) => {
                let amount = spread(&parts, lines)?;
                applied.push(AppliedDiscount {
                    name: discount.name.clone(),
                    code: discount.code.clone(),
                    amount: Money::new(amount, sheet.currency),
                });
                alone = alone.or((!discount.combines).then_some(discount));
            }
            (Err(reason), Some(code)) => {
                return Err(PricingError::DiscountCodeNotApplicable {
                    code: code.clone(),
                    reason,
                });
            }
            (Err(_), None) => {}
        }
    }
    Ok(applied)
}

fn refuse_unknown_codes(request: &OrderRequest, rules: &PricingRules) -> Result<(), PricingError> {
    let known = |code| {
        rules
            .discounts
            .iter()
            .any(|d| d.code.as_ref() == Some(code))
    };
    match request.discount_codes().iter().find(|code| !known(*code)) {
        Some(code) => Err(PricingError::UnknownDiscountCode { code: code.clone() }),
        None => Ok(()),
    }
}

/// The discount, applied already, that this one cannot be combined with.
fn keeps_out(
    discount: &Discount,
    alone: Option<&Discount>,
    applied: &[AppliedDiscount],
) -> Option<NotApplicable> {
    let other = match alone {
        Some(alone) => Some(&alone.name),
        None if discount.combines => None,
        None => applied.first().map(|first| &first.name),
    };
    other.map(|name| NotApplicable::NotCombinable { with: name.clone() })
}

/// What the discount takes off each line.
fn parts(
    discount: &Discount,
    circumstances: &Circumstances,
    lines: &[PricedLine],
) -> Result<Result<Vec<i64>, NotApplicable>, PricingError> {
    if let Some(reason) = out_of_reach(discount, circumstances) {
        return Ok(Err(reason));
    }
    let left: Vec<i64> = lines.iter().map(left_of).collect();
    let parts = match &discount.effect {
        Effect::Percent { rate_ppm } => {
            let amount = proportion(sum(&left)?, (*rate_ppm).into(), WHOLE_PPM.into())?;
            allocate(amount, &left)?
        }
        Effect::Amount { amounts } => {
            let Some(amount) = in_currency(amounts, circumstances.currency) else {
                return Ok(Err(NotApplicable::OtherCurrency));
            };
            allocate(amount.min(sum(&left)?), &left)?
        }
        Effect::BuyGet { sku, buy, get } => {
            let of_sku = |line: &&PricedLine| line.sku == *sku;
            let units: i64 = lines
                .iter()
                .filter(of_sku)
                .map(|line| i64::from(line.quantity.get()))
                .sum();
            let set = i64::from(*buy).saturating_add(i64::from(*get));
            let sets = units.checked_div(set).unwrap_or(0);
            let free = sets.saturating_mul((*get).into());
            if free == 0 {
                return Ok(Err(NotApplicable::TooFewUnits));
            }
            let weights: Vec<i64> = lines
                .iter()
                .map(|line| if line.sku == *sku { left_of(line) } else { 0 })
                .collect();
            // The free units' part of what the sku's units cost now.
            allocate(proportion(sum(&weights)?, free, units)?, &weights)?
        }
    };
    if parts.iter().all(|part| *part == 0) {
        return Ok(Err(NotApplicable::TakesNothing));
    }
    Ok(Ok(parts))
}

fn out_of_reach(discount: &Discount, circumstances: &Circumstances) -> Option<NotApplicable> {
    let now = circumstances.now;
    if discount.valid_from.is_some_and(|from| now < from) {
        return Some(NotApplicable::NotYet);
    }
    if discount.valid_until.is_some_and(|until| until <= now) {
        return Some(NotApplicable::Over);
    }
    if discount.minimum_subtotal.is_empty() {
        return None;
    }
    match in_currency(&discount.minimum_subtotal, circumstances.currency) {
        None => Some(NotApplicable::OtherCurrency),
        Some(least) if circumstances.subtotal_minor < least => Some(NotApplicable::BelowMinimum),
        Some(_) => None,
    }
}

/// Takes the parts off the lines, and returns their sum.
fn spread(parts: &[i64], lines: &mut [PricedLine]) -> Result<i64, PricingError> {
    for (line, part) in lines.iter_mut().zip(parts) {
        let part = Money::new(*part, line.discount.currency());
        line.discount = line.discount.checked_add(part)?;
    }
    sum(parts)
}

fn left_of(line: &PricedLine) -> i64 {
    let taken = line.discount.amount_minor();
    line.line_total.amount_minor().saturating_sub(taken)
}

fn in_currency(amounts: &[Money], currency: Currency) -> Option<i64> {
    amounts
        .iter()
        .find(|money| money.currency() == currency)
        .map(Money::amount_minor)
}

fn sum(amounts: &[i64]) -> Result<i64, PricingError> {
    amounts
        .iter()
        .try_fold(0_i64, |sum, amount| sum.checked_add(*amount))
        .ok_or(PricingError::TotalTooLarge)
}
