//! What is told about payments.

use crate::payment::{DisputeStatus, IntentStatus, RefundStatus};
use crate::{DisputeId, Money, OrderId, PaymentIntentId, RefundId, Timestamp};
use serde::{Deserialize, Serialize};

/// The events whose subject is a payment intent: where it stands after what happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentIntentV1 {
    /// The intent.
    pub payment_intent_id: PaymentIntentId,
    /// Whose payment it is.
    pub order_id: OrderId,
    /// Where it stands now.
    pub status: IntentStatus,
    /// What is to be paid.
    pub amount: Money,
    /// What is held and can be captured.
    pub capturable: Money,
    /// What was captured, in all.
    pub captured: Money,
    /// What of it went back, in all.
    pub refunded: Money,
    /// Why, in a word, where there is something to say: a decline, a cancellation, a conflict.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// When.
    pub recorded_at: Timestamp,
}

/// `refund.created.v1`, `refund.succeeded.v1` and `refund.failed.v1`: money that goes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundV1 {
    /// The refund.
    pub refund_id: RefundId,
    /// Of which payment.
    pub payment_intent_id: PaymentIntentId,
    /// Of which order.
    pub order_id: OrderId,
    /// How much.
    pub amount: Money,
    /// Where it stands now.
    pub status: RefundStatus,
    /// Why it was asked for, if that was said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// When.
    pub recorded_at: Timestamp,
}

/// `dispute.opened.v1` and `dispute.closed.v1`: a customer's bank takes a payment back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisputeV1 {
    /// The dispute.
    pub dispute_id: DisputeId,
    /// Which payment.
    pub payment_intent_id: PaymentIntentId,
    /// Of which order.
    pub order_id: OrderId,
    /// How much of it.
    pub amount: Money,
    /// How it stands now.
    pub status: DisputeStatus,
    /// The bank's reason, in a word.
    pub reason: String,
    /// When.
    pub recorded_at: Timestamp,
}
