//! Sends captured money back.

use super::drive::{Desk, Wish, drive};
use crate::{Answer, AppError, Caller, Once, PaymentProvider, Tools};
use souk_domain::PaymentIntentId;
use souk_domain::payment::{Reason, Refund};
use souk_postgres::idempotency::StoredResponse;

/// A refund that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundPaymentIntent {
    /// What makes it repeatable.
    pub once: Once,
    /// Which intent.
    pub intent: PaymentIntentId,
    /// How much, in minor units of the intent's currency; none for all that is left.
    pub amount_minor: Option<i64>,
    /// Why, if that was said.
    pub reason: Option<Reason>,
}

/// Sends money back, once a key. What it sends is kept for it until the PSP has spoken: of two refunds at
/// once that are more than was captured, one is refused. `respond` gets the refund as it stands: pending,
/// where the PSP has not paid it out yet or nobody knows; failed, where the PSP refuses.
///
/// # Errors
/// [`AppError::Payment`] with `NotRefundable` and `RefundExceeds`, which may change;
/// [`AppError::KeyInFlight`], [`AppError::KeyReused`], [`AppError::Database`]. None of them uses the key
/// up. What is refused for good is an answer: [`AppError::PaymentIntentNotFound`],
/// `TooManyRefunds`.
pub async fn refund_payment_intent<P: PaymentProvider>(
    tools: &Tools,
    provider: &P,
    caller: &Caller,
    command: &RefundPaymentIntent,
    respond: impl Fn(Result<&Refund, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let desk = Desk {
        tools,
        provider,
        caller,
    };
    let wish = Wish::Refund {
        intent: command.intent,
        amount_minor: command.amount_minor,
        reason: command.reason.as_ref(),
    };
    drive(desk, &command.once, &wish, |done| {
        let refund = done.and_then(|done| {
            let refunds = &done.payment.refunds;
            let found = refunds.iter().find(|r| Some(r.id) == done.refund);
            found.ok_or(&AppError::RefundNotFound)
        });
        respond(refund)
    })
    .await
}
