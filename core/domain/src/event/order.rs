//! What is told about orders.

use crate::{Currency, Money, OrderId, OrderLine, PaymentStatus, Sku, Timestamp};
use serde::{Deserialize, Serialize};

/// A line of an order, as told in events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLineV1 {
    /// Position in the order, from 1.
    pub line_number: u16,
    /// What.
    pub sku: Sku,
    /// How many.
    pub quantity: u32,
    /// Price of one unit.
    pub unit_price: Money,
    /// `quantity` times `unit_price`.
    pub line_total: Money,
    /// What is taken off this line.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub discount: Option<Money>,
    /// The tax in, or on top of, what is left of this line.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tax: Option<Money>,
}

impl From<&OrderLine> for OrderLineV1 {
    fn from(line: &OrderLine) -> Self {
        Self {
            line_number: line.line_number,
            sku: line.sku.clone(),
            quantity: line.quantity.get(),
            unit_price: line.unit_price,
            line_total: line.line_total,
            discount: Some(line.discount),
            tax: Some(line.tax),
        }
    }
}

/// `order.placed.v1`: an order was taken and its stock reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderPlacedV1 {
    /// The order.
    pub order_id: OrderId,
    /// Its currency.
    pub currency: Currency,
    /// Its total.
    pub total: Money,
    /// Sum of the lines' totals.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub subtotal: Option<Money>,
    /// Sum of the lines' discounts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub discount: Option<Money>,
    /// Shipping.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub shipping: Option<Money>,
    /// All taxes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tax: Option<Money>,
    /// Whether `tax` is a part of the prices, or is added to them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tax_included: Option<bool>,
    /// Where it is shipped: ISO 3166-1 alpha-2.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub shipping_country: Option<String>,
    /// Its lines, by line number.
    pub lines: Vec<OrderLineV1>,
    /// The merchant's name for the buyer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub customer_reference: Option<String>,
    /// When.
    pub placed_at: Timestamp,
}

/// `order.confirmed.v1`: an order is to be delivered; its reservation does not expire any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderConfirmedV1 {
    /// The order.
    pub order_id: OrderId,
    /// When.
    pub confirmed_at: Timestamp,
}

/// Units of a line that left the stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FulfilledLineV1 {
    /// The line.
    pub line_number: u16,
    /// What.
    pub sku: Sku,
    /// How many now: not how many in all.
    pub quantity: u32,
}

/// `order.fulfilled.v1`: units of an order left the stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderFulfilledV1 {
    /// The order.
    pub order_id: OrderId,
    /// Which units, by line number.
    pub lines: Vec<FulfilledLineV1>,
    /// Whether these were the last: the order is fulfilled.
    pub complete: bool,
    /// When.
    pub fulfilled_at: Timestamp,
}

/// `order.completed.v1`: nothing more is to be done about an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCompletedV1 {
    /// The order.
    pub order_id: OrderId,
    /// When.
    pub completed_at: Timestamp,
}

/// `order.cancelled.v1`: an order was given up and its stock released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCancelledV1 {
    /// The order.
    pub order_id: OrderId,
    /// Why, in a word, if that was said; `reservation_expired` when nobody confirmed it in time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// When.
    pub cancelled_at: Timestamp,
}

/// `order.reinstated.v1`: the payment came after the reservation had run out, and the stock could be
/// reserved again. The order is placed as before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderReinstatedV1 {
    /// The order.
    pub order_id: OrderId,
    /// Until when its stock is held without a confirmation.
    pub reservation_expires_at: Timestamp,
    /// When.
    pub reinstated_at: Timestamp,
}

/// `order.reinstatement_refused.v1`: the payment came after the reservation had run out, and others had
/// bought the stock by then. The order stays cancelled, and the money goes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderReinstatementRefusedV1 {
    /// The order.
    pub order_id: OrderId,
    /// Why it stays cancelled, in a word: `sold_out_before_payment`.
    pub reason: String,
    /// When.
    pub refused_at: Timestamp,
}

/// `order.payment_authorized.v1`, `order.payment_captured.v1`, `order.payment_voided.v1` and
/// `order.payment_refunded.v1`: something happened to an order's payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderPaymentV1 {
    /// The order.
    pub order_id: OrderId,
    /// Where its payment stands now.
    pub payment_status: PaymentStatus,
    /// What was held, taken, released or sent back this time.
    pub amount: Money,
    /// What went back in all.
    pub refunded: Money,
    /// When.
    pub recorded_at: Timestamp,
}
