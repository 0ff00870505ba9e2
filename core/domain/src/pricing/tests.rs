//! Prices, tried by hand and by chance.

mod examples;
mod properties;
mod quotes;
mod rules;

use super::{PriceSheet, PricingRules, SkuPrice};
use crate::{Money, OrderRequest, Quantity, RequestedLine, Timestamp};
use serde_json::Value;
use std::sync::Arc;

/// 2026-11-21T08:00:00Z.
const NOW_MS: i64 = 1_795_248_000_000;

fn rules(document: &Value) -> PricingRules {
    PricingRules::from_json(document).unwrap_or_else(|error| panic!("{error}"))
}

/// A sheet of `skus`: code, price of a unit, tax category.
fn sheet(currency: &str, document: &Value, skus: &[(&str, i64, &str)]) -> PriceSheet {
    let currency = currency.parse().unwrap();
    let sku = |(sku, minor, category): &(&str, i64, &str)| {
        let price = SkuPrice {
            unit_price: Money::new(*minor, currency),
            tax_category: category.parse().unwrap(),
        };
        (sku.parse().unwrap(), price)
    };
    PriceSheet {
        at: Timestamp::from_unix_ms(NOW_MS).unwrap(),
        currency,
        skus: skus.iter().map(sku).collect(),
        rules: Arc::new(rules(document)),
    }
}

fn request(currency: &str, lines: &[(&str, u32)], country: &str, codes: &[&str]) -> OrderRequest {
    let lines = lines
        .iter()
        .map(|(sku, quantity)| RequestedLine {
            sku: sku.parse().unwrap(),
            quantity: Quantity::new(*quantity).unwrap(),
        })
        .collect();
    OrderRequest::new(currency.parse().unwrap(), lines, None)
        .unwrap()
        .shipped_to((!country.is_empty()).then(|| country.parse().unwrap()))
        .with_discount_codes(codes.iter().map(|code| code.parse().unwrap()).collect())
}
