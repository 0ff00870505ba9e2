//! Takes what is held.

use super::drive::{Desk, Wish, drive};
use crate::{Answer, AppError, Caller, Once, PaymentProvider, Tools};
use souk_domain::PaymentIntentId;
use souk_domain::payment::PaymentIntent;
use souk_postgres::idempotency::StoredResponse;

/// A capture that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturePaymentIntent {
    /// What makes it repeatable.
    pub once: Once,
    /// Which intent.
    pub intent: PaymentIntentId,
    /// How much, in minor units of the intent's currency; none for all that is held.
    pub amount_minor: Option<i64>,
    /// Whether the rest is let go: the intent has then succeeded.
    pub is_final: bool,
}

/// Takes a part of what is held, or all of it, once a key.
///
/// # Errors
/// [`AppError::Payment`] with `NotCapturable`, `OperationPending` and `CaptureExceeds`, which may
/// change; [`AppError::KeyInFlight`], [`AppError::KeyReused`], [`AppError::Database`]. None of them uses
/// the key up. What is refused for good is an answer: [`AppError::PaymentIntentNotFound`],
/// `TooManyCaptures`.
pub async fn capture_payment_intent<P: PaymentProvider>(
    tools: &Tools,
    provider: &P,
    caller: &Caller,
    command: &CapturePaymentIntent,
    respond: impl Fn(Result<&PaymentIntent, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let desk = Desk {
        tools,
        provider,
        caller,
    };
    let wish = Wish::Capture {
        intent: command.intent,
        amount_minor: command.amount_minor,
        is_final: command.is_final,
    };
    drive(desk, &command.once, &wish, |done| {
        respond(done.map(|done| &done.payment.intent))
    })
    .await
}
