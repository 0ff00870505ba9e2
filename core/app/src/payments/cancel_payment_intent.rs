//! Ends a payment before anything is captured.

use super::drive::{Desk, Wish, drive};
use crate::{Answer, AppError, Caller, Once, PaymentProvider, Tools};
use souk_domain::PaymentIntentId;
use souk_domain::payment::{PaymentIntent, Reason};
use souk_postgres::idempotency::StoredResponse;

/// A cancellation that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelPaymentIntent {
    /// What makes it repeatable.
    pub once: Once,
    /// Which intent.
    pub intent: PaymentIntentId,
    /// Why, if that was said.
    pub reason: Option<Reason>,
}

/// Ends the payment, once a key, and lets go what is held for it.
///
/// # Errors
/// [`AppError::Payment`] with `NotCancelable`, `PartlyCaptured` and `OperationPending`, which may
/// change; [`AppError::KeyInFlight`], [`AppError::KeyReused`], [`AppError::Database`]. None of them uses
/// the key up. [`AppError::PaymentIntentNotFound`] is an answer.
pub async fn cancel_payment_intent<P: PaymentProvider>(
    tools: &Tools,
    provider: &P,
    caller: &Caller,
    command: &CancelPaymentIntent,
    respond: impl Fn(Result<&PaymentIntent, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let desk = Desk {
        tools,
        provider,
        caller,
    };
    let wish = Wish::Cancel {
        intent: command.intent,
        reason: command.reason.as_ref(),
    };
    drive(desk, &command.once, &wish, |done| {
        respond(done.map(|done| &done.payment.intent))
    })
    .await
}
