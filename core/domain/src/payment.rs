//! Payments: an order's intent to be paid, the attempts at it, what is wanted of the PSP, and what the
//! PSP says.
//!
//! Commands decide what is wanted ([`Payment::confirm`], [`Payment::capture`], [`Payment::cancel`],
//! [`Payment::refund`]); each leaves an operation that is pending until the PSP has spoken. Whatever
//! the PSP says, through whichever door, is a snapshot, and [`Payment::observe`] is the one place where
//! a snapshot becomes a state: captured money only grows, what has ended stays ended, and an older
//! snapshot changes nothing.

mod capture_method;
mod change;
mod command;
mod dispute;
mod error;
mod filter;
mod intent;
mod ledger;
mod observe;
mod operation;
mod provider;
mod refund;
mod settle;
mod status;
#[cfg(test)]
mod tests;
mod text;

pub use capture_method::CaptureMethod;
pub use change::PaymentTransition;
pub use dispute::{Dispute, DisputeTransition};
pub use error::PaymentError;
pub use filter::PaymentIntentFilter;
pub use intent::{
    ATTEMPTS_MAX, AUTHORIZATION_TTL_DAYS, CAPTURES_MAX, Payment, PaymentAttempt, PaymentIntent,
    REFUNDS_MAX, Refund, RefundOrigin,
};
pub use ledger::{Account, Entry, Transfer};
pub use operation::{OperationKind, ProviderOperation};
pub use provider::{
    MovementKind, NextAction, PROVIDER_PAYMENT_ID_BYTES_MAX, ProviderDispute,
    ProviderDisputeStatus, ProviderFailure, ProviderMovement, ProviderPayment, ProviderPaymentId,
    ProviderPaymentIdError, ProviderRefund, ProviderRefundStatus, ProviderStatus,
};
pub use settle::OperationOutcome;
pub use status::{AttemptStatus, DisputeStatus, IntentStatus, OperationStatus, RefundStatus};
pub use text::{
    PAYMENT_METHOD_BYTES_MAX, PaymentMethodToken, REASON_BYTES_MAX, RETURN_URL_BYTES_MAX, Reason,
    ReturnUrl,
};
