//! Why a command on a payment is refused.

use super::{
    ATTEMPTS_MAX, CAPTURES_MAX, IntentStatus, PAYMENT_METHOD_BYTES_MAX, REASON_BYTES_MAX,
    REFUNDS_MAX, RETURN_URL_BYTES_MAX,
};
use crate::{Money, OrderStatus, PaymentStatus};

/// Why a command on a payment, or a part of one, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaymentError {
    /// Not a token of a payment method.
    #[error(
        "a payment method is 1 to {PAYMENT_METHOD_BYTES_MAX} of the characters A-Z a-z 0-9 _ -"
    )]
    InvalidPaymentMethod,
    /// Not an address to come back to.
    #[error("a return URL is an https URL of at most {RETURN_URL_BYTES_MAX} bytes")]
    InvalidReturnUrl,
    /// Not a reason.
    #[error("a reason is 1 to {REASON_BYTES_MAX} of the characters a-z 0-9 _")]
    InvalidReason,
    /// A text is no cursor of this list.
    #[error("the cursor belongs to a list with other filters, or to none")]
    InvalidCursor,
    /// The order's state does not allow that it is paid.
    #[error("an order that is {order} and {payment} cannot be paid")]
    OrderNotPayable {
        /// Where the order stands.
        order: OrderStatus,
        /// Where its payment stands.
        payment: PaymentStatus,
    },
    /// The order costs nothing.
    #[error("there is nothing to pay")]
    NothingToPay,
    /// The order has a payment intent that is not canceled.
    #[error("the order has a payment intent already")]
    IntentExists,
    /// A confirmation needs a payment method, and there is none.
    #[error("a payment method is needed")]
    PaymentMethodMissing,
    /// The intent's state does not allow a confirmation.
    #[error("a payment intent that is {status} cannot be confirmed")]
    NotConfirmable {
        /// Where it stands.
        status: IntentStatus,
    },
    /// The intent's state does not allow a capture.
    #[error("a payment intent that is {status} cannot be captured")]
    NotCapturable {
        /// Where it stands.
        status: IntentStatus,
    },
    /// The intent's state does not allow that it is canceled.
    #[error("a payment intent that is {status} cannot be canceled")]
    NotCancelable {
        /// Where it stands.
        status: IntentStatus,
    },
    /// A part of it is captured: the rest is let go by a final capture, and what is captured by a
    /// refund.
    #[error("a payment intent of which a part is captured cannot be canceled")]
    PartlyCaptured,
    /// The intent's state does not allow a refund.
    #[error("a payment intent that is {status} cannot be refunded")]
    NotRefundable {
        /// Where it stands.
        status: IntentStatus,
    },
    /// Another command on this intent is under way, or its outcome is not known yet.
    #[error("another command on this payment intent is under way")]
    OperationPending,
    /// A capture is nothing, in another currency, or more than is held.
    #[error("a capture is at least one minor unit and at most what is held")]
    CaptureExceeds {
        /// What is held.
        capturable: Money,
    },
    /// A refund is nothing, in another currency, or more than is left.
    #[error(
        "a refund is at least one minor unit and at most what was captured, neither refunded nor disputed"
    )]
    RefundExceeds {
        /// What is left to refund.
        refundable: Money,
    },
    /// Too many attempts.
    #[error("a payment intent has at most {ATTEMPTS_MAX} attempts")]
    TooManyAttempts,
    /// Too many captures.
    #[error("a payment intent has at most {CAPTURES_MAX} captures")]
    TooManyCaptures,
    /// Too many refunds.
    #[error("a payment intent has at most {REFUNDS_MAX} refunds")]
    TooManyRefunds,
    /// Sums do not add up: a defect.
    #[error("the amounts of a payment do not add up")]
    Amounts,
    /// A text names no status of an intent.
    #[error("unknown status of a payment intent")]
    UnknownIntentStatus,
    /// A text names no status of an attempt.
    #[error("unknown status of a payment attempt")]
    UnknownAttemptStatus,
    /// A text names no status of an operation.
    #[error("unknown status of an operation")]
    UnknownOperationStatus,
    /// A text names no status of a refund.
    #[error("unknown status of a refund")]
    UnknownRefundStatus,
    /// A text names no status of a dispute.
    #[error("unknown status of a dispute")]
    UnknownDisputeStatus,
    /// A text names no capture method.
    #[error("unknown capture method")]
    UnknownCaptureMethod,
    /// A text names no account of the ledger.
    #[error("unknown account")]
    UnknownAccount,
    /// The entries of a transfer do not add up to nothing.
    #[error("the entries of a transfer do not add up to nothing")]
    Unbalanced,
}

impl PaymentError {
    /// Whether the answer to the same command stays the same: it does not depend on what else happens
    /// to the payment.
    pub const fn is_final(&self) -> bool {
        match self {
            Self::NothingToPay
            | Self::PaymentMethodMissing
            | Self::TooManyAttempts
            | Self::TooManyCaptures
            | Self::TooManyRefunds => true,
            Self::InvalidPaymentMethod
            | Self::InvalidReturnUrl
            | Self::InvalidReason
            | Self::InvalidCursor
            | Self::OrderNotPayable { .. }
            | Self::IntentExists
            | Self::NotConfirmable { .. }
            | Self::NotCapturable { .. }
            | Self::NotCancelable { .. }
            | Self::PartlyCaptured
            | Self::NotRefundable { .. }
            | Self::OperationPending
            | Self::CaptureExceeds { .. }
            | Self::RefundExceeds { .. }
            | Self::Amounts
            | Self::UnknownIntentStatus
            | Self::UnknownAttemptStatus
            | Self::UnknownOperationStatus
            | Self::UnknownRefundStatus
            | Self::UnknownDisputeStatus
            | Self::UnknownCaptureMethod
            | Self::UnknownAccount
            | Self::Unbalanced => false,
        }
    }
}
