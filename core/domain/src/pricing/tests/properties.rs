//! What holds for any rules and any basket, in every currency exponent.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "wider integers hold the exact result"
)]

use super::{request, sheet};
use crate::pricing::{PriceSheet, PricingError, Totals, price};
use crate::{Money, OrderRequest};
use proptest::prelude::*;
use serde_json::{Value, json};

const CURRENCIES: [&str; 4] = ["JPY", "EUR", "KWD", "CLF"];
const COUNTRIES: [&str; 2] = ["DE", "CH"];
const CATEGORIES: [&str; 3] = ["standard", "reduced", "zero"];
const SKUS: [&str; 4] = ["A", "B", "C", "D"];
const CODES: [&str; 3] = ["ONE", "TWO", "THREE"];

/// A shop and a basket, all of it as JSON or text would bring it.
#[derive(Debug, Clone)]
pub(super) struct Case {
    currency: &'static str,
    pub(super) rules: Value,
    /// The same, each list in another order.
    shuffled: Value,
    skus: Vec<(&'static str, i64, &'static str)>,
    lines: Vec<(&'static str, u32)>,
    codes: Vec<&'static str>,
}

impl Case {
    fn sheet(&self, rules: &Value) -> PriceSheet {
        sheet(self.currency, rules, &self.skus)
    }

    pub(super) fn request(&self, codes: &[&str]) -> OrderRequest {
        request(self.currency, &self.lines, "DE", codes)
    }

    /// The totals with the codes or, where one of them does not apply, without.
    pub(super) fn totals(&self, rules: &Value) -> Totals {
        let sheet = self.sheet(rules);
        match price(&self.request(&self.codes), &sheet) {
            Err(
                PricingError::DiscountCodeNotApplicable { .. }
                | PricingError::UnknownDiscountCode { .. },
            ) => price(&self.request(&[]), &sheet).unwrap(),
            other => other.unwrap(),
        }
    }
}

fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![0_i64..20, 0_i64..10_000, 0_i64..1_000_000_000]
}

fn effect(currency: &'static str) -> impl Strategy<Value = Value> {
    prop_oneof![
        (1_u32..=1_000_000).prop_map(|rate| json!({"type": "percent", "rate_ppm": rate})),
        amount().prop_map(move |minor| json!({
            "type": "amount",
            "amounts": [{"amount_minor": minor + 1, "currency": currency}]
        })),
        (prop::sample::select(&SKUS[..]), 1_u32..5, 1_u32..4).prop_map(
            |(sku, buy, get)| json!({"type": "buy_get", "sku": sku, "buy": buy, "get": get})
        ),
    ]
}

fn discounts(currency: &'static str) -> impl Strategy<Value = Vec<Value>> {
    let one = (
        effect(currency),
        -2_i32..3,
        prop::bool::weighted(0.8),
        amount(),
    );
    prop::collection::vec(one, 0..6).prop_map(move |list| {
        let discount = |(index, (effect, priority, combines, least)): (usize, _)| {
            let effect: Value = effect;
            let mut discount = json!({
                "name": format!("d{index}"), "priority": priority, "combines": combines,
                "effect": effect,
                "minimum_subtotal": [{"amount_minor": i64::max(least, 1), "currency": currency}]
            });
            if let Some(code) = CODES.get(index) {
                discount["code"] = json!(code);
            }
            discount
        };
        list.into_iter().enumerate().map(discount).collect()
    })
}

fn rules(currency: &'static str) -> impl Strategy<Value = (Value, Value)> {
    let rates = prop::collection::vec(prop_oneof![Just(190_000), 0_u32..=1_000_000], 6);
    let head = (
        any::<bool>(),
        any::<bool>(),
        prop::option::weighted(0.8, rates),
    );
    let shipping = prop::option::of((amount(), prop::option::of(amount())));
    (head, shipping, discounts(currency)).prop_perturb(
        move |((included, by_line, rates), shipping, discounts), mut random| {
            let mut tax_rates = Vec::new();
            for (index, rate) in rates.unwrap_or_default().into_iter().enumerate() {
                tax_rates.push(json!({
                    "country": COUNTRIES[index / 3], "category": CATEGORIES[index % 3],
                    "rate_ppm": if index % 3 == 2 { 0 } else { rate }
                }));
            }
            let mut shipping_rates = Vec::new();
            for country in COUNTRIES.iter().filter(|_| shipping.is_some()) {
                let (amount, free_from) = shipping.unwrap_or_default();
                let mut rate = json!({
                    "country": country, "currency": currency, "amount_minor": amount,
                });
                if let Some(free_from) = free_from {
                    rate["free_from_minor"] = json!(free_from);
                }
                shipping_rates.push(rate);
            }
            let document = |tax_rates: &[Value], discounts: &[Value], shipping: &[Value]| {
                json!({
                    "prices_include_tax": included,
                    "tax_rounding": if by_line { "line" } else { "order" },
                    "tax_rates": tax_rates, "discounts": discounts, "shipping_rates": shipping
                })
            };
            let plain = document(&tax_rates, &discounts, &shipping_rates);
            let mut discounts = discounts;
            for list in [&mut tax_rates, &mut discounts, &mut shipping_rates] {
                for index in (1..list.len()).rev() {
                    list.swap(index, random.random_range(0..=index));
                }
            }
            (plain, document(&tax_rates, &discounts, &shipping_rates))
        },
    )
}

pub(super) fn case() -> impl Strategy<Value = Case> {
    prop::sample::select(&CURRENCIES[..]).prop_flat_map(|currency| {
        let prices = prop::collection::vec((amount(), 0_usize..3), SKUS.len());
        let line = (
            prop::sample::select(&SKUS[..]),
            prop_oneof![1_u32..4, 1_u32..1_000],
        );
        let few = prop::collection::vec(line.clone(), 1..5);
        let lines = prop_oneof![4 => few, 1 => prop::collection::vec(line, 60..=64)];
        let codes = prop::sample::subsequence(&CODES[..], 0..=CODES.len());
        (rules(currency), prices, lines, codes).prop_map(
            move |((rules, shuffled), prices, lines, codes)| Case {
                currency,
                rules,
                shuffled,
                skus: SKUS
                    .iter()
                    .zip(prices)
                    .map(|(sku, (minor, category))| (*sku, minor, CATEGORIES[category]))
                    .collect(),
                lines,
                codes,
            },
        )
    })
}

fn sum(parts: impl Iterator<Item = Money>) -> i64 {
    parts.map(|money| money.amount_minor()).sum()
}

/// Whether `rounded` is `numerator` / `denominator` rounded half-even: said without dividing.
fn is_half_even(rounded: i64, numerator: i128, denominator: i128) -> bool {
    let twice_error = 2 * (i128::from(rounded) * denominator - numerator).abs();
    twice_error < denominator || (twice_error == denominator && rounded % 2 == 0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_parts_sum_to_the_total(case in case()) {
        let totals = case.totals(&case.rules);
        let added = if totals.tax_included { 0 } else { totals.tax.amount_minor() };
        prop_assert_eq!(
            totals.total.amount_minor(),
            totals.subtotal.amount_minor() - totals.discount.amount_minor()
                + totals.shipping.amount_minor() + added
        );
        prop_assert_eq!(
            totals.subtotal.amount_minor(), sum(totals.lines.iter().map(|l| l.line_total))
        );
        let shipping_tax = sum(totals.breakdown.shipping.iter().map(|part| part.tax));
        let line_taxes = sum(totals.lines.iter().map(|line| line.tax));
        prop_assert_eq!(totals.tax.amount_minor(), line_taxes + shipping_tax);
        prop_assert_eq!(
            totals.tax.amount_minor(), sum(totals.breakdown.taxes.iter().map(|part| part.amount))
        );
        let discounts = totals.breakdown.discounts.iter().map(|d| d.amount);
        prop_assert_eq!(totals.discount.amount_minor(), sum(discounts));
        prop_assert_eq!(
            totals.discount.amount_minor(), sum(totals.lines.iter().map(|line| line.discount))
        );
    }

    #[test]
    fn nothing_is_negative_and_no_line_is_given_away_twice(case in case()) {
        let totals = case.totals(&case.rules);
        let all = [totals.subtotal, totals.discount, totals.shipping, totals.tax, totals.total];
        prop_assert!(all.iter().all(|money| money.amount_minor() >= 0));
        for line in &totals.lines {
            let left = line.line_total.amount_minor() - line.discount.amount_minor();
            prop_assert!((0..=left).contains(&line.tax.amount_minor()), "{line:?}");
            prop_assert!(line.discount.amount_minor() >= 0);
        }
        prop_assert!(totals.breakdown.discounts.iter().all(|d| d.amount.amount_minor() > 0));
    }

    /// The rates of lines, over each line or over each rate, against exact fractions.
    #[test]
    fn taxes_are_rounded_half_even(case in case()) {
        let totals = case.totals(&case.rules);
        let mut taxed: Vec<(u32, i64, i64)> = totals
            .lines
            .iter()
            .map(|line| {
                let left = line.line_total.amount_minor() - line.discount.amount_minor();
                (line.tax_rate_ppm, left, line.tax.amount_minor())
            })
            .collect();
        taxed.extend(totals.breakdown.shipping.iter().map(|part| {
            (part.tax_rate_ppm, part.amount.amount_minor(), part.tax.amount_minor())
        }));
        if case.rules["tax_rounding"] == "order" {
            let mut by_rate = std::collections::BTreeMap::<u32, (i64, i64)>::new();
            for (rate, left, tax) in taxed {
                let sum = by_rate.entry(rate).or_default();
                *sum = (sum.0 + left, sum.1 + tax);
            }
            taxed = by_rate.into_iter().map(|(rate, (left, tax))| (rate, left, tax)).collect();
        }
        for (rate, left, tax) in taxed {
            let whole = if totals.tax_included { 1_000_000 + i128::from(rate) } else { 1_000_000 };
            let exact = i128::from(left) * i128::from(rate);
            prop_assert!(is_half_even(tax, exact, whole), "{tax} of {left} at {rate}");
        }
    }

    #[test]
    fn the_order_of_rules_and_codes_changes_nothing(case in case()) {
        let totals = case.totals(&case.rules);
        prop_assert_eq!(&case.totals(&case.rules), &totals);
        prop_assert_eq!(&case.totals(&case.shuffled), &totals);
        let reversed: Vec<&str> = case.codes.iter().rev().copied().collect();
        let sheet = case.sheet(&case.shuffled);
        prop_assert_eq!(
            price(&case.request(&reversed), &sheet),
            price(&case.request(&case.codes), &case.sheet(&case.rules))
        );
    }

    /// Where one discount is all there is, the percentage of the subtotal is exact.
    #[test]
    fn a_percentage_is_rounded_half_even(
        minor in 0_i64..1_000_000_000, quantity in 1_u32..1_000, rate in 1_u32..=1_000_000,
    ) {
        let rules = json!({"discounts": [
            {"name": "d", "effect": {"type": "percent", "rate_ppm": rate}}
        ]});
        let sheet = sheet("KWD", &rules, &[("A", minor, "standard")]);
        let totals = price(&request("KWD", &[("A", quantity), ("A", 1)], "", &[]), &sheet).unwrap();
        let exact = i128::from(totals.subtotal.amount_minor()) * i128::from(rate);
        prop_assert!(is_half_even(totals.discount.amount_minor(), exact, 1_000_000));
    }
}
