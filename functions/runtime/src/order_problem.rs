//! What cannot be done with an order, as problem documents.

use crate::problem::{Code, Problem, internal};
use serde_json::json;
use souk_domain::{OrderError, OrderStatus};

impl From<&OrderError> for Problem {
    fn from(error: &OrderError) -> Self {
        let refused = |code| Self::new(code, error.to_string());
        let in_status =
            |code, status: &OrderStatus| refused(code).with_member("order_status", json!(status));
        match error {
            OrderError::Pricing(error) => Self::from(error),
            OrderError::NotConfirmable { status } => in_status(Code::OrderNotConfirmable, status),
            OrderError::NotFulfillable { status } => in_status(Code::OrderNotFulfillable, status),
            OrderError::NotCompletable { status } => in_status(Code::OrderNotCompletable, status),
            OrderError::NotCancellable { status } => in_status(Code::OrderNotCancellable, status),
            OrderError::PartlyFulfilled => {
                in_status(Code::OrderNotCancellable, &OrderStatus::Confirmed)
            }
            OrderError::NoSuchLine { line_number } => {
                refused(Code::OrderLineUnknown).with_member("line_number", json!(line_number))
            }
            OrderError::TooManyUnits {
                line_number,
                open_units,
            } => refused(Code::FulfilmentTooLarge)
                .with_member("line_number", json!(line_number))
                .with_member("open_units", json!(open_units)),
            OrderError::InvalidCursor => refused(Code::CursorInvalid),
            OrderError::InvalidSku
            | OrderError::InvalidQuantity
            | OrderError::InvalidCustomerReference
            | OrderError::InvalidCancelReason
            | OrderError::InvalidLineCount
            | OrderError::NothingToFulfil
            | OrderError::UnknownStatus
            | OrderError::UnknownPaymentStatus => refused(Code::ValidationFailed),
            // No operation of the API records a payment.
            OrderError::NotReinstatable { .. }
            | OrderError::PaymentNotAllowed { .. }
            | OrderError::InvalidCapture
            | OrderError::InvalidRefund
            | OrderError::ReservationIncomplete { .. } => internal().with_cause(error),
        }
    }
}
