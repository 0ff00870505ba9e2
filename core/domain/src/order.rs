//! Orders: what was bought, at which price, and where it stands.

mod allocation;
mod cancel_reason;
mod error;
mod filter;
mod lifecycle;
mod payment;
mod reinstate;
mod request;
mod status;
#[cfg(test)]
mod tests;

pub use allocation::Allocation;
pub use cancel_reason::{CANCEL_REASON_BYTES_MAX, CancelReason};
pub use error::OrderError;
pub use filter::OrderFilter;
pub use lifecycle::Fulfilment;
pub use payment::{PaymentChange, PaymentStatus};
pub use request::{
    CUSTOMER_REFERENCE_CHARS_MAX, CustomerReference, ORDER_LINES_MAX, OrderRequest, QUANTITY_MAX,
    Quantity, RequestedLine, SKU_BYTES_MAX, Sku,
};
pub use status::OrderStatus;

use crate::event::{EventData, OrderLineV1, OrderPlacedV1};
use crate::pricing::{Breakdown, CountryCode, PricedLine, Totals};
use crate::{Money, OrderId, Timestamp};
use std::collections::BTreeMap;

/// One line of an order, priced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderLine {
    /// Position in the order, from 1.
    pub line_number: u16,
    /// What.
    pub sku: Sku,
    /// How many.
    pub quantity: Quantity,
    /// How many of them have left the stock.
    pub fulfilled_quantity: u32,
    /// Price of one unit when the order was placed.
    pub unit_price: Money,
    /// `quantity` times `unit_price`.
    pub line_total: Money,
    /// What is taken off this line.
    pub discount: Money,
    /// The tax in, or on top of, what is left of this line.
    pub tax: Money,
    /// Its rate in parts per million.
    pub tax_rate_ppm: u32,
}

impl OrderLine {
    /// Units that have not left the stock.
    pub const fn open_units(&self) -> u32 {
        self.quantity.get().saturating_sub(self.fulfilled_quantity)
    }
}

impl From<PricedLine> for OrderLine {
    fn from(line: PricedLine) -> Self {
        Self {
            line_number: line.line_number,
            sku: line.sku,
            quantity: line.quantity,
            fulfilled_quantity: 0,
            unit_price: line.unit_price,
            line_total: line.line_total,
            discount: line.discount,
            tax: line.tax,
            tax_rate_ppm: line.tax_rate_ppm,
        }
    }
}

/// An order as stored: the parts of [`Order`], unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRecord {
    /// Identity.
    pub id: OrderId,
    /// Where it stands.
    pub status: OrderStatus,
    /// Where its payment stands.
    pub payment_status: PaymentStatus,
    /// Sum of the lines' totals.
    pub subtotal: Money,
    /// Sum of the lines' discounts.
    pub discount: Money,
    /// Shipping.
    pub shipping: Money,
    /// All taxes.
    pub tax: Money,
    /// Whether `tax` is a part of the prices, or is added to them.
    pub tax_included: bool,
    /// What is to be paid.
    pub total: Money,
    /// What of it was taken.
    pub captured: Money,
    /// What of that went back.
    pub refunded: Money,
    /// Where the numbers come from.
    pub breakdown: Breakdown,
    /// Where it is shipped.
    pub shipping_country: Option<CountryCode>,
    /// Until when its stock is held without a confirmation.
    pub reservation_expires_at: Option<Timestamp>,
    /// Which stock it holds. Empty in an order that is just being placed: the database chooses.
    pub allocations: Vec<Allocation>,
    /// The lines, by `line_number`.
    pub lines: Vec<OrderLine>,
    /// The merchant's name for the buyer.
    pub customer_reference: Option<CustomerReference>,
    /// Raised by one with each transition; the first is 1. Also the sequence of the event that the
    /// transition emits.
    pub version: u64,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// When it was confirmed, if it was.
    pub confirmed_at: Option<Timestamp>,
    /// When its last unit was fulfilled, if it was.
    pub fulfilled_at: Option<Timestamp>,
    /// When it was completed, if it was.
    pub completed_at: Option<Timestamp>,
    /// When it was cancelled, if it was.
    pub cancelled_at: Option<Timestamp>,
    /// Why it was cancelled, if that was said.
    pub cancel_reason: Option<CancelReason>,
}

/// An order. Its fields can be read but only commands change them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order(OrderRecord);

/// What a command did: the order as it is now, the event that says so, and what it means for the
/// stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The order after the command.
    pub order: Order,
    /// What happened, in the past tense.
    pub event: EventData,
    /// What becomes of units that the order held, if the command lets go of any.
    pub settlement: Option<Settlement>,
}

/// What becomes of units that were reserved for an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// They have left the stock.
    Sold(Vec<Allocation>),
    /// They can be sold to somebody else.
    Released(Vec<Allocation>),
}

impl Order {
    /// Places an order at the price `totals`, which [`crate::pricing::price`] has made of this
    /// request, and starts at version 1. Its stock is held until `reservation_expires_at`.
    pub fn place(
        id: OrderId,
        request: OrderRequest,
        totals: Totals,
        reservation_expires_at: Timestamp,
        now: Timestamp,
    ) -> Transition {
        let order = Self(OrderRecord {
            id,
            status: OrderStatus::Placed,
            payment_status: PaymentStatus::Unpaid,
            subtotal: totals.subtotal,
            discount: totals.discount,
            shipping: totals.shipping,
            tax: totals.tax,
            tax_included: totals.tax_included,
            total: totals.total,
            captured: Money::zero(totals.currency),
            refunded: Money::zero(totals.currency),
            breakdown: totals.breakdown,
            shipping_country: request.shipping_country,
            reservation_expires_at: Some(reservation_expires_at),
            allocations: Vec::new(),
            lines: totals.lines.into_iter().map(OrderLine::from).collect(),
            customer_reference: request.customer_reference,
            version: 1,
            placed_at: now,
            confirmed_at: None,
            fulfilled_at: None,
            completed_at: None,
            cancelled_at: None,
            cancel_reason: None,
        });
        let event = EventData::OrderPlacedV1(order.placed_event());
        Transition {
            order,
            event,
            settlement: None,
        }
    }

    /// The event that the placing of this order emitted: made of what never changes afterwards.
    pub fn placed_event(&self) -> OrderPlacedV1 {
        let record = &self.0;
        OrderPlacedV1 {
            order_id: record.id,
            currency: record.total.currency(),
            total: record.total,
            subtotal: Some(record.subtotal),
            discount: Some(record.discount),
            shipping: Some(record.shipping),
            tax: Some(record.tax),
            tax_included: Some(record.tax_included),
            shipping_country: record.shipping_country.map(|c| c.as_str().to_owned()),
            lines: record.lines.iter().map(OrderLineV1::from).collect(),
            customer_reference: record
                .customer_reference
                .as_ref()
                .map(|r| r.as_str().to_owned()),
            placed_at: record.placed_at,
        }
    }

    /// An order read back from the database, which is trusted to hold only what commands made.
    pub const fn from_record(record: OrderRecord) -> Self {
        Self(record)
    }

    /// All fields.
    pub const fn record(&self) -> &OrderRecord {
        &self.0
    }

    /// Identity.
    pub const fn id(&self) -> OrderId {
        self.0.id
    }

    /// Where it stands.
    pub const fn status(&self) -> OrderStatus {
        self.0.status
    }

    /// Version: the number of transitions so far.
    pub const fn version(&self) -> u64 {
        self.0.version
    }

    /// The lines, by line number.
    pub fn lines(&self) -> &[OrderLine] {
        &self.0.lines
    }

    /// Units ordered of each sku, over all lines, in the order of skus.
    pub fn units_by_sku(&self) -> BTreeMap<Sku, u64> {
        let mut units = BTreeMap::new();
        for line in &self.0.lines {
            let sum: &mut u64 = units.entry(line.sku.clone()).or_default();
            *sum = sum.saturating_add(u64::from(line.quantity.get()));
        }
        units
    }

    /// The order after a transition that has changed `record` so: one version on.
    fn advanced(self, change: impl FnOnce(OrderRecord) -> OrderRecord) -> Self {
        let record = change(self.0);
        Self(OrderRecord {
            version: record.version.saturating_add(1),
            ..record
        })
    }
}
