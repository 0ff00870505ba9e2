//! From rows to orders.

use super::timestamp;
use crate::DatabaseError;
use serde::Deserialize;
use souk_domain::pricing::Breakdown;
use souk_domain::{
    Allocation, Currency, Money, Order, OrderId, OrderLine, OrderRecord, Quantity, Timestamp,
};
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

/// An order with its lines in one row, so that both are of one moment.
pub(super) struct OrderRow {
    pub(super) order_id: Uuid,
    pub(super) status: String,
    pub(super) payment_status: String,
    pub(super) currency: String,
    pub(super) subtotal_minor: i64,
    pub(super) discount_minor: i64,
    pub(super) shipping_minor: i64,
    pub(super) tax_minor: i64,
    pub(super) tax_included: bool,
    pub(super) total_minor: i64,
    pub(super) captured_minor: i64,
    pub(super) refunded_minor: i64,
    pub(super) customer_reference: Option<String>,
    pub(super) shipping_country: Option<String>,
    pub(super) breakdown: Json<Breakdown>,
    pub(super) allocations: Json<Vec<Allocation>>,
    pub(super) reservation_expires_at: Option<OffsetDateTime>,
    pub(super) version: i64,
    pub(super) placed_at: OffsetDateTime,
    pub(super) confirmed_at: Option<OffsetDateTime>,
    pub(super) fulfilled_at: Option<OffsetDateTime>,
    pub(super) completed_at: Option<OffsetDateTime>,
    pub(super) cancelled_at: Option<OffsetDateTime>,
    pub(super) cancel_reason: Option<String>,
    pub(super) lines: Json<Vec<LineRow>>,
}

#[derive(Deserialize)]
pub(super) struct LineRow {
    line_number: u16,
    sku: String,
    quantity: u32,
    fulfilled_quantity: u32,
    unit_price_minor: i64,
    line_total_minor: i64,
    discount_minor: i64,
    tax_minor: i64,
    tax_rate_ppm: u32,
}

impl TryFrom<OrderRow> for Order {
    type Error = DatabaseError;

    fn try_from(row: OrderRow) -> Result<Self, DatabaseError> {
        let corrupt = |e| DatabaseError::corrupt("order", e);
        let currency: Currency = row
            .currency
            .parse()
            .map_err(|e| DatabaseError::corrupt("currency", e))?;
        let money = |minor| Money::new(minor, currency);
        let lines = row.lines.0.into_iter().map(|line| line.read(currency));
        let country = row.shipping_country.map(|text| text.parse()).transpose();
        let customer = row.customer_reference.map(|text| text.parse()).transpose();
        let reason = row.cancel_reason.map(|word| word.parse()).transpose();
        Ok(Self::from_record(OrderRecord {
            id: OrderId::from_uuid(row.order_id),
            status: row.status.parse().map_err(corrupt)?,
            payment_status: row.payment_status.parse().map_err(corrupt)?,
            subtotal: money(row.subtotal_minor),
            discount: money(row.discount_minor),
            shipping: money(row.shipping_minor),
            tax: money(row.tax_minor),
            tax_included: row.tax_included,
            total: money(row.total_minor),
            captured: money(row.captured_minor),
            refunded: money(row.refunded_minor),
            breakdown: row.breakdown.0,
            shipping_country: country.map_err(|e| DatabaseError::corrupt("country", e))?,
            reservation_expires_at: moment(row.reservation_expires_at)?,
            allocations: row.allocations.0,
            lines: lines.collect::<Result<_, _>>()?,
            customer_reference: customer.map_err(corrupt)?,
            version: u64::try_from(row.version)
                .map_err(|e| DatabaseError::corrupt("version", e))?,
            placed_at: timestamp(row.placed_at)?,
            confirmed_at: moment(row.confirmed_at)?,
            fulfilled_at: moment(row.fulfilled_at)?,
            completed_at: moment(row.completed_at)?,
            cancelled_at: moment(row.cancelled_at)?,
            cancel_reason: reason.map_err(corrupt)?,
        }))
    }
}

impl LineRow {
    fn read(self, currency: Currency) -> Result<OrderLine, DatabaseError> {
        let corrupt = |e| DatabaseError::corrupt("order line", e);
        Ok(OrderLine {
            line_number: self.line_number,
            sku: self.sku.parse().map_err(corrupt)?,
            quantity: Quantity::new(self.quantity).map_err(corrupt)?,
            fulfilled_quantity: self.fulfilled_quantity,
            unit_price: Money::new(self.unit_price_minor, currency),
            line_total: Money::new(self.line_total_minor, currency),
            discount: Money::new(self.discount_minor, currency),
            tax: Money::new(self.tax_minor, currency),
            tax_rate_ppm: self.tax_rate_ppm,
        })
    }
}

fn moment(at: Option<OffsetDateTime>) -> Result<Option<Timestamp>, DatabaseError> {
    at.map(timestamp).transpose()
}
