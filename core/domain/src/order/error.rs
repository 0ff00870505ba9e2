//! Why an order, or a part of one, is refused.

use super::{
    CANCEL_REASON_BYTES_MAX, CUSTOMER_REFERENCE_CHARS_MAX, ORDER_LINES_MAX, OrderStatus,
    PaymentStatus, QUANTITY_MAX, SKU_BYTES_MAX, Sku,
};
use crate::pricing::PricingError;

/// Why an order, or a part of one, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// Not a SKU.
    #[error("a sku is 1 to {SKU_BYTES_MAX} of the characters A-Z a-z 0-9 . _ -")]
    InvalidSku,
    /// Not a quantity.
    #[error("a quantity is 1 to {QUANTITY_MAX}")]
    InvalidQuantity,
    /// Not a customer reference.
    #[error("a customer reference is 1 to {CUSTOMER_REFERENCE_CHARS_MAX} printable characters")]
    InvalidCustomerReference,
    /// Not a reason to cancel.
    #[error("a reason is 1 to {CANCEL_REASON_BYTES_MAX} of the characters a-z 0-9 _")]
    InvalidCancelReason,
    /// No line, or too many.
    #[error("an order has 1 to {ORDER_LINES_MAX} lines")]
    InvalidLineCount,
    /// It cannot be priced.
    #[error(transparent)]
    Pricing(#[from] PricingError),
    /// Only a placed order can be confirmed.
    #[error("an order that is {status} cannot be confirmed")]
    NotConfirmable {
        /// Where the order stands.
        status: OrderStatus,
    },
    /// Only a confirmed order can be fulfilled.
    #[error("an order that is {status} cannot be fulfilled")]
    NotFulfillable {
        /// Where the order stands.
        status: OrderStatus,
    },
    /// Only a fulfilled order can be completed.
    #[error("an order that is {status} cannot be completed")]
    NotCompletable {
        /// Where the order stands.
        status: OrderStatus,
    },
    /// The order's state does not allow it to be cancelled.
    #[error("an order that is {status} cannot be cancelled")]
    NotCancellable {
        /// Where the order stands.
        status: OrderStatus,
    },
    /// Only an order that was cancelled because its reservation had run out can be placed again.
    #[error("an order that is {status} cannot be reinstated, unless its reservation has expired")]
    NotReinstatable {
        /// Where the order stands.
        status: OrderStatus,
    },
    /// A part of the order is with its buyer: it cannot be cancelled as if nothing had happened.
    #[error("an order of which units are fulfilled cannot be cancelled")]
    PartlyFulfilled,
    /// A fulfilment names no line.
    #[error("a fulfilment names 1 to {ORDER_LINES_MAX} lines")]
    NothingToFulfil,
    /// A fulfilment names a line that the order does not have.
    #[error("the order has no line {line_number}")]
    NoSuchLine {
        /// The line.
        line_number: u16,
    },
    /// A fulfilment has more units of a line than are still to be fulfilled.
    #[error("line {line_number} has {open_units} units left to fulfil")]
    TooManyUnits {
        /// The line.
        line_number: u16,
        /// Units of it that are not fulfilled.
        open_units: u32,
    },
    /// The order's reservation has fewer units than are to be fulfilled: a defect, or a change by
    /// hand.
    #[error("the reservation holds too few units of {sku}")]
    ReservationIncomplete {
        /// Of this.
        sku: Sku,
    },
    /// The payment's state does not allow the change.
    #[error("a payment that is {status} cannot be {change}")]
    PaymentNotAllowed {
        /// Where the payment stands.
        status: PaymentStatus,
        /// What was to be recorded, such as `captured`.
        change: &'static str,
    },
    /// A capture is less than nothing, more than the total, or in another currency.
    #[error("a capture is at most the total")]
    InvalidCapture,
    /// A refund is nothing, more than is left, or in another currency.
    #[error("a refund is at least one minor unit and at most what was captured and not refunded")]
    InvalidRefund,
    /// A text names no order status.
    #[error("unknown order status")]
    UnknownStatus,
    /// A text names no payment status.
    #[error("unknown payment status")]
    UnknownPaymentStatus,
    /// A text is no cursor of this list.
    #[error("the cursor belongs to a list with other filters, or to none")]
    InvalidCursor,
}
