//! Payments: what a PSP says of them.

mod capture_method;
mod provider;

pub use capture_method::CaptureMethod;
pub use provider::{
    MovementKind, NextAction, PROVIDER_PAYMENT_ID_BYTES_MAX, ProviderDispute,
    ProviderDisputeStatus, ProviderFailure, ProviderMovement, ProviderPayment, ProviderPaymentId,
    ProviderPaymentIdError, ProviderRefund, ProviderRefundStatus, ProviderStatus,
};
