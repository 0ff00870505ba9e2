//! A payment, as it is stored.

use super::{
    AttemptStatus, CaptureMethod, IntentStatus, NextAction, OperationKind, PaymentMethodToken,
    ProviderFailure, ProviderOperation, ProviderPaymentId, Reason, RefundStatus,
};
use crate::{
    Money, OrderId, PaymentAttemptId, PaymentIntentId, ProviderOperationId, RefundId, Timestamp,
};

/// Attempts of an intent at most.
pub const ATTEMPTS_MAX: u16 = 20;
/// Captures of an intent at most.
pub const CAPTURES_MAX: u16 = 50;
/// Refunds of an intent at most, those that were made at the PSP not counted.
pub const REFUNDS_MAX: u16 = 100;
/// How long an authorization is held before it is let go.
pub const AUTHORIZATION_TTL_DAYS: i64 = 7;

/// The one payment of one order. An order has at most one intent that is not canceled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentIntent {
    /// Identity.
    pub id: PaymentIntentId,
    /// Whose payment.
    pub order: OrderId,
    /// Where it stands.
    pub status: IntentStatus,
    /// When the money is taken.
    pub capture_method: CaptureMethod,
    /// What is to be paid: the order's total.
    pub amount: Money,
    /// What is held and can be captured.
    pub capturable: Money,
    /// What was captured, in all; refunds do not lessen it.
    pub captured: Money,
    /// What of it went back.
    pub refunded: Money,
    /// What of it is on its way back.
    pub refund_reserved: Money,
    /// What of it is, or was for good, taken back by disputes.
    pub disputed: Money,
    /// How many captures were wished.
    pub captures: u16,
    /// The payment method of the next confirmation, if one was left.
    pub payment_method: Option<PaymentMethodToken>,
    /// The payment at the PSP, once there is one. All attempts are at the same.
    pub provider_payment: Option<ProviderPaymentId>,
    /// What the customer has to do, in [`IntentStatus::RequiresAction`].
    pub next_action: Option<NextAction>,
    /// Why the last attempt failed.
    pub failure: Option<ProviderFailure>,
    /// Why it is conflicted or in review.
    pub reason: Option<String>,
    /// Why it was, or is just being, canceled.
    pub cancel_reason: Option<Reason>,
    /// Number of events that were told of it. Also the sequence of the last one.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When its money was first held.
    pub authorized_at: Option<Timestamp>,
    /// Until when it is held.
    pub authorization_expires_at: Option<Timestamp>,
    /// When the order was told that it is paid.
    pub paid_at: Option<Timestamp>,
    /// When it was canceled.
    pub canceled_at: Option<Timestamp>,
    /// When somebody has to look after it, if nothing is heard of it before.
    pub due_at: Option<Timestamp>,
}

/// One try to pay with one payment method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentAttempt {
    /// Identity.
    pub id: PaymentAttemptId,
    /// Its number among those of its intent, from 1.
    pub number: u16,
    /// How it stands.
    pub status: AttemptStatus,
    /// With what.
    pub payment_method: PaymentMethodToken,
    /// What was wanted of the PSP for it.
    pub operation: ProviderOperationId,
    /// Why it failed.
    pub failure: Option<ProviderFailure>,
    /// When it began.
    pub created_at: Timestamp,
    /// When its status last changed.
    pub updated_at: Timestamp,
}

/// Who asked for a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundOrigin {
    /// A client of Souk, or Souk itself.
    Souk,
    /// Somebody at the PSP, past Souk.
    Provider,
}

impl RefundOrigin {
    /// The name in JSON and in Postgres.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Souk => "souk",
            Self::Provider => "provider",
        }
    }
}

/// Money that goes back to a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// Identity.
    pub id: RefundId,
    /// Of which payment.
    pub intent: PaymentIntentId,
    /// Of which order.
    pub order: OrderId,
    /// How it stands.
    pub status: RefundStatus,
    /// How much.
    pub amount: Money,
    /// Who asked for it.
    pub origin: RefundOrigin,
    /// Why, if that was said.
    pub reason: Option<Reason>,
    /// The PSP's id of it, once there is one.
    pub provider_refund: Option<String>,
    /// Why it failed.
    pub failure: Option<ProviderFailure>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its status last changed.
    pub updated_at: Timestamp,
}

/// An intent with all that a decision about it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The intent.
    pub intent: PaymentIntent,
    /// Its last attempt.
    pub attempt: Option<PaymentAttempt>,
    /// What is wanted of the PSP: as loaded, those that are pending; after a transition, also those
    /// that it settled.
    pub operations: Vec<ProviderOperation>,
    /// All refunds, in the order in which they were asked for.
    pub refunds: Vec<Refund>,
}

impl PaymentIntent {
    /// Whether it is its order's intent: an order has one that is not canceled.
    pub fn is_alive(&self) -> bool {
        self.status != IntentStatus::Canceled
    }
}

impl Payment {
    /// What was captured, and is neither back with the customer, nor on the way, nor disputed.
    pub fn refundable(&self) -> Money {
        let intent = &self.intent;
        let gone = [intent.refunded, intent.refund_reserved, intent.disputed];
        let left = gone
            .iter()
            .fold(intent.captured.amount_minor(), |left, gone| {
                left.saturating_sub(gone.amount_minor())
            });
        Money::new(left.max(0), intent.amount.currency())
    }

    /// The operation that is under way, other than a refund: there is at most one.
    pub fn pending_operation(&self) -> Option<&ProviderOperation> {
        self.operations.iter().find(|operation| {
            operation.is_pending()
                && match operation.kind {
                    OperationKind::Authorize { .. }
                    | OperationKind::Capture { .. }
                    | OperationKind::Void => true,
                    OperationKind::Refund { .. } => false,
                }
        })
    }

    /// The operation `id`, if it is still pending.
    pub fn pending(&self, id: ProviderOperationId) -> Option<&ProviderOperation> {
        self.operations
            .iter()
            .find(|operation| operation.id == id && operation.is_pending())
    }

    /// An amount in the payment's currency.
    pub(super) const fn money(&self, amount_minor: i64) -> Money {
        Money::new(amount_minor, self.intent.amount.currency())
    }
}
