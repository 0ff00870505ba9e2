//! What the order process knows when it decides.

use super::CapturePolicy;
use crate::payment::IntentStatus;
use crate::{CancelReason, Money, Order, OrderStatus, PaymentIntentId, PaymentStatus, Timestamp};

/// An order and its payments, as they are at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessFacts {
    /// When the money is taken.
    pub policy: CapturePolicy,
    /// The order.
    pub order: OrderFacts,
    /// All its payments, those that are over as well, oldest first.
    pub payments: Vec<PaymentFacts>,
}

impl ProcessFacts {
    /// The payment that can still come to something. There is at most one.
    pub(super) fn alive(&self) -> Option<&PaymentFacts> {
        let is_alive = |payment: &&PaymentFacts| match payment.status {
            IntentStatus::Canceled => false,
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction
            | IntentStatus::Processing
            | IntentStatus::RequiresCapture
            | IntentStatus::Succeeded
            | IntentStatus::Conflicted
            | IntentStatus::Review => true,
        };
        self.payments.iter().find(is_alive)
    }
}

/// What the process wants to know of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderFacts {
    /// Where it stands.
    pub status: OrderStatus,
    /// Where its payment stands.
    pub payment_status: PaymentStatus,
    /// What is to be paid.
    pub total: Money,
    /// Until when its stock is held without a confirmation.
    pub reservation_expires_at: Option<Timestamp>,
    /// Whether a late payment may bring it back ([`Order::is_reinstatable`]).
    pub is_reinstatable: bool,
    /// Whether any of its units have left the stock.
    pub units_fulfilled: bool,
    /// Why the money of a cancelled order goes back, in a word.
    pub refund_reason: String,
}

impl From<&Order> for OrderFacts {
    fn from(order: &Order) -> Self {
        let record = order.record();
        Self {
            status: record.status,
            payment_status: record.payment_status,
            total: record.total,
            reservation_expires_at: record.reservation_expires_at,
            is_reinstatable: order.is_reinstatable(),
            units_fulfilled: record.lines.iter().any(|line| line.fulfilled_quantity > 0),
            refund_reason: record
                .cancel_reason
                .as_ref()
                .map_or("order_cancelled", CancelReason::as_str)
                .to_owned(),
        }
    }
}

/// What the process wants to know of a payment. All amounts are in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentFacts {
    /// Which.
    pub intent: PaymentIntentId,
    /// Where it stands.
    pub status: IntentStatus,
    /// What is held and can be taken.
    pub capturable: Money,
    /// What was taken, in all.
    pub captured: Money,
    /// What of it went back.
    pub refunded: Money,
    /// What of it is on its way back.
    pub refund_pending: Money,
    /// What of it a dispute has withdrawn.
    pub disputed: Money,
    /// Whether the provider has been asked for something other than a refund and has not answered yet.
    pub operation_pending: bool,
    /// When what is held lapses.
    pub authorization_expires_at: Option<Timestamp>,
    /// What the provider has refused.
    pub failures: OperationFailures,
}

impl PaymentFacts {
    /// What was taken and neither is back nor on its way back.
    pub fn left(&self) -> Money {
        [self.refunded, self.refund_pending, self.disputed]
            .iter()
            .try_fold(self.captured, |left, gone| left.checked_sub(*gone))
            .unwrap_or_else(|_| Money::zero(self.captured.currency()))
    }
}

/// How often the provider has refused each kind of operation on a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OperationFailures {
    /// Captures.
    pub captures: u32,
    /// Voids.
    pub voids: u32,
    /// Refunds.
    pub refunds: u32,
    /// When it refused last, whatever it was.
    pub last_at: Option<Timestamp>,
}
