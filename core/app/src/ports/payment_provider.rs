//! The border to the PSP (payment service provider), who moves the money.

use core::future::Future;
use souk_domain::payment::{
    CaptureMethod, ProviderDispute, ProviderFailure, ProviderMovement, ProviderPayment,
    ProviderPaymentId,
};
use souk_domain::{
    Money, OrderId, PaymentIntentId, ProviderOperationId, RefundId, TenantId, Timestamp,
};

/// One effect that is wanted at the PSP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderCommand<'a> {
    /// Makes a payment and confirms it, or confirms `existing`.
    Authorize {
        /// Whose payment; kept with it at the PSP.
        intent: PaymentIntentId,
        /// Which order's; kept with it at the PSP.
        order: OrderId,
        /// How much.
        amount: Money,
        /// When it is taken.
        capture_method: CaptureMethod,
        /// The PSP's token of a payment method, such as `pm_card_visa`. Never card data.
        payment_method: &'a str,
        /// The payment that an earlier attempt has made.
        existing: Option<&'a ProviderPaymentId>,
        /// Where the customer comes back to from [`souk_domain::payment::NextAction`].
        return_url: Option<&'a str>,
    },
    /// Takes authorized money.
    Capture {
        /// Of which payment.
        payment: &'a ProviderPaymentId,
        /// How much, not in all but this time.
        amount: Money,
        /// Whether the rest of the authorization is let go.
        is_final: bool,
    },
    /// Lets an authorization go, or ends a payment that never came to one.
    Void {
        /// Which payment.
        payment: &'a ProviderPaymentId,
    },
    /// Gives captured money back.
    Refund {
        /// Of which payment.
        payment: &'a ProviderPaymentId,
        /// As which refund; kept with it at the PSP.
        refund: RefundId,
        /// How much.
        amount: Money,
    },
}

/// An effect that is wanted, by whom, and under which name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProviderRequest<'a> {
    /// Whose account at the PSP.
    pub tenant: TenantId,
    /// The operation: the PSP's idempotency key is made of it and of nothing else, so that the same
    /// operation, sent again, has its effect once.
    pub operation: ProviderOperationId,
    /// What.
    pub command: ProviderCommand<'a>,
}

/// Why there is no snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The bank said no to this payment method. The payment is still there for another one.
    #[error("declined: {}", failure.code)]
    Declined {
        /// Why.
        failure: ProviderFailure,
        /// The payment after that, where the PSP has shown it.
        payment: Option<Box<ProviderPayment>>,
    },
    /// The PSP will not do this, now or ever: it had no effect, and the same again will have none.
    #[error("refused: {code}: {message}")]
    Refused {
        /// In a word for machines.
        code: String,
        /// In words for people.
        message: String,
    },
    /// It certainly had no effect, and may succeed later: it did not get to the PSP, or the PSP turned it
    /// away before it looked at it.
    #[error("not sent: {reason}")]
    NotSent {
        /// For the log.
        reason: String,
    },
    /// It may have had its effect or not. Only the same operation again, or asking, can tell.
    #[error("outcome unknown: {reason}")]
    Unknown {
        /// For the log.
        reason: String,
    },
    /// The PSP does not know what was asked for.
    #[error("not found at the provider")]
    NotFound,
}

/// Movements in the PSP's order, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovementPage {
    /// Some of them.
    pub movements: Vec<ProviderMovement>,
    /// What to pass as `after` for the next page; none after the last one.
    pub next: Option<String>,
}

/// The PSP. Every call is bounded in time by the implementation, and none is made inside of a
/// transaction.
pub trait PaymentProvider: Send + Sync {
    /// Has the effect, or finds that this operation had it before, and answers with the payment after it.
    fn execute(
        &self,
        request: &ProviderRequest<'_>,
    ) -> impl Future<Output = Result<ProviderPayment, ProviderError>> + Send;

    /// The payment as it stands.
    fn retrieve(
        &self,
        tenant: TenantId,
        payment: &ProviderPaymentId,
    ) -> impl Future<Output = Result<ProviderPayment, ProviderError>> + Send;

    /// The payment that was made for `intent`, at `created_from` or later. `Ok(None)` means that there
    /// certainly is none: all were looked through.
    fn find(
        &self,
        tenant: TenantId,
        intent: PaymentIntentId,
        created_from: Timestamp,
    ) -> impl Future<Output = Result<Option<ProviderPayment>, ProviderError>> + Send;

    /// Movements from `from` up to, not including, `until`; those after the one that `after` names.
    fn movements(
        &self,
        tenant: TenantId,
        from: Timestamp,
        until: Timestamp,
        after: Option<&str>,
    ) -> impl Future<Output = Result<MovementPage, ProviderError>> + Send;

    /// The dispute as it stands.
    fn dispute(
        &self,
        tenant: TenantId,
        id: &str,
    ) -> impl Future<Output = Result<ProviderDispute, ProviderError>> + Send;
}
