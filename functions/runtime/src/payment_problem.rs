//! What cannot be done with a payment, as problem documents.

use crate::problem::{Code, Problem, internal};
use serde_json::json;
use souk_domain::payment::{IntentStatus, PaymentError};

/// Seconds after which a command that is under way may have ended.
const OPERATION_RETRY_AFTER_S: u32 = 1;

impl From<&PaymentError> for Problem {
    fn from(error: &PaymentError) -> Self {
        let refused = |code| Self::new(code, error.to_string());
        let in_status = |code, status: &IntentStatus| {
            refused(code).with_member("payment_intent_status", json!(status))
        };
        match error {
            PaymentError::OrderNotPayable { order, payment } => refused(Code::OrderNotPayable)
                .with_member("order_status", json!(order))
                .with_member("payment_status", json!(payment)),
            PaymentError::NothingToPay => refused(Code::NothingToPay),
            PaymentError::IntentExists => refused(Code::PaymentIntentExists),
            PaymentError::PaymentMethodMissing => refused(Code::PaymentMethodMissing),
            PaymentError::NotConfirmable { status } => {
                in_status(Code::PaymentNotConfirmable, status)
            }
            PaymentError::NotCapturable { status } => in_status(Code::PaymentNotCapturable, status),
            PaymentError::NotCancelable { status } => in_status(Code::PaymentNotCancelable, status),
            PaymentError::PartlyCaptured => {
                in_status(Code::PaymentNotCancelable, &IntentStatus::RequiresCapture)
            }
            PaymentError::NotRefundable { status } => in_status(Code::PaymentNotRefundable, status),
            PaymentError::OperationPending => {
                refused(Code::PaymentOperationPending).with_retry_after(OPERATION_RETRY_AFTER_S)
            }
            PaymentError::CaptureExceeds { capturable } => {
                refused(Code::CaptureTooLarge).with_member("capturable", json!(capturable))
            }
            PaymentError::RefundExceeds { refundable } => {
                refused(Code::RefundTooLarge).with_member("refundable", json!(refundable))
            }
            PaymentError::TooManyAttempts
            | PaymentError::TooManyCaptures
            | PaymentError::TooManyRefunds => refused(Code::PaymentLimitReached),
            PaymentError::InvalidCursor => refused(Code::CursorInvalid),
            PaymentError::InvalidPaymentMethod
            | PaymentError::InvalidReturnUrl
            | PaymentError::InvalidReason => refused(Code::ValidationFailed),
            // Words that are not a client's.
            PaymentError::Amounts
            | PaymentError::UnknownIntentStatus
            | PaymentError::UnknownAttemptStatus
            | PaymentError::UnknownOperationStatus
            | PaymentError::UnknownRefundStatus
            | PaymentError::UnknownDisputeStatus
            | PaymentError::UnknownCaptureMethod
            | PaymentError::UnknownAccount
            | PaymentError::Unbalanced => internal().with_cause(error),
        }
    }
}
