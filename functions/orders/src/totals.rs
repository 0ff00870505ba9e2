//! What something costs, in JSON: the same in orders and in quotes.

use serde::Serialize;
use souk_domain::pricing::{Breakdown, PricedLine, Totals};
use souk_domain::{Money, OrderLine, OrderRecord, Sku};

/// The amounts, without the lines.
#[derive(Serialize)]
pub(crate) struct AmountsJson<'a> {
    subtotal: Money,
    discount: Money,
    shipping: Money,
    tax: Money,
    tax_included: bool,
    total: Money,
    breakdown: &'a Breakdown,
}

impl<'a> From<&'a Totals> for AmountsJson<'a> {
    fn from(totals: &'a Totals) -> Self {
        Self {
            subtotal: totals.subtotal,
            discount: totals.discount,
            shipping: totals.shipping,
            tax: totals.tax,
            tax_included: totals.tax_included,
            total: totals.total,
            breakdown: &totals.breakdown,
        }
    }
}

impl<'a> From<&'a OrderRecord> for AmountsJson<'a> {
    fn from(order: &'a OrderRecord) -> Self {
        Self {
            subtotal: order.subtotal,
            discount: order.discount,
            shipping: order.shipping,
            tax: order.tax,
            tax_included: order.tax_included,
            total: order.total,
            breakdown: &order.breakdown,
        }
    }
}

/// A line with its price.
#[derive(Serialize)]
pub(crate) struct PricedLineJson<'a> {
    line_number: u16,
    sku: &'a Sku,
    quantity: u32,
    unit_price: Money,
    line_total: Money,
    discount: Money,
    tax: Money,
    tax_rate_ppm: u32,
}

impl<'a> From<&'a PricedLine> for PricedLineJson<'a> {
    fn from(line: &'a PricedLine) -> Self {
        Self {
            line_number: line.line_number,
            sku: &line.sku,
            quantity: line.quantity.get(),
            unit_price: line.unit_price,
            line_total: line.line_total,
            discount: line.discount,
            tax: line.tax,
            tax_rate_ppm: line.tax_rate_ppm,
        }
    }
}

impl<'a> From<&'a OrderLine> for PricedLineJson<'a> {
    fn from(line: &'a OrderLine) -> Self {
        Self {
            line_number: line.line_number,
            sku: &line.sku,
            quantity: line.quantity.get(),
            unit_price: line.unit_price,
            line_total: line.line_total,
            discount: line.discount,
            tax: line.tax,
            tax_rate_ppm: line.tax_rate_ppm,
        }
    }
}
