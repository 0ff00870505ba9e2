//! Tries to pay.

use super::drive::{Desk, Wish, drive};
use crate::{Answer, AppError, Caller, Once, PaymentProvider, Tools};
use souk_domain::PaymentIntentId;
use souk_domain::payment::{PaymentIntent, PaymentMethodToken, ReturnUrl};
use souk_postgres::idempotency::StoredResponse;

/// A try to pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfirmPaymentIntent {
    /// What makes it repeatable.
    pub once: Once,
    /// Which intent.
    pub intent: PaymentIntentId,
    /// With what; none for what was left with the intent.
    pub payment_method: Option<PaymentMethodToken>,
    /// Where the customer comes back to, if the bank asks for anything.
    pub return_url: Option<ReturnUrl>,
}

/// Tries to pay, once a key: the next attempt, at the same payment at the PSP. A declined payment method
/// is no error: the intent then says why, and waits for another.
///
/// # Errors
/// [`AppError::Payment`] with `NotConfirmable` and `OperationPending`, which may change;
/// [`AppError::KeyInFlight`], [`AppError::KeyReused`], [`AppError::Database`]. None of them uses the key
/// up. What is refused for good is an answer: [`AppError::PaymentIntentNotFound`],
/// `PaymentMethodMissing`, `TooManyAttempts`.
pub async fn confirm_payment_intent<P: PaymentProvider>(
    tools: &Tools,
    provider: &P,
    caller: &Caller,
    command: &ConfirmPaymentIntent,
    respond: impl Fn(Result<&PaymentIntent, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let desk = Desk {
        tools,
        provider,
        caller,
    };
    let wish = Wish::Confirm {
        intent: command.intent,
        payment_method: command.payment_method.as_ref(),
        return_url: command.return_url.as_ref(),
    };
    drive(desk, &command.once, &wish, |done| {
        respond(done.map(|done| &done.payment.intent))
    })
    .await
}
