//! Makes the intent to pay an order.

use super::drive::{Desk, Wish, drive};
use crate::{Answer, AppError, Caller, Once, PaymentProvider, Tools};
use souk_domain::OrderId;
use souk_domain::payment::{CaptureMethod, PaymentIntent, PaymentMethodToken, ReturnUrl};
use souk_postgres::idempotency::StoredResponse;

/// A payment intent that is asked for. The amount is the order's total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatePaymentIntent {
    /// What makes it repeatable.
    pub once: Once,
    /// Whose payment.
    pub order: OrderId,
    /// When the money is taken.
    pub capture_method: CaptureMethod,
    /// With what, if that is known already.
    pub payment_method: Option<PaymentMethodToken>,
    /// Whether to try at once. Then a payment method is needed.
    pub confirm: bool,
    /// Where the customer comes back to, if the bank asks for anything.
    pub return_url: Option<ReturnUrl>,
}

/// Makes the intent, once, and confirms it if that is asked for. A declined payment method is no error:
/// the intent then says why, and waits for another.
///
/// # Errors
/// [`AppError::Payment`] with `OrderNotPayable` and `IntentExists`, which may change;
/// [`AppError::KeyInFlight`], [`AppError::KeyReused`], [`AppError::Database`]. None of them uses the key
/// up. What is refused for good is an answer: [`AppError::OrderNotFound`], `NothingToPay`,
/// `PaymentMethodMissing`.
pub async fn create_payment_intent<P: PaymentProvider>(
    tools: &Tools,
    provider: &P,
    caller: &Caller,
    command: &CreatePaymentIntent,
    respond: impl Fn(Result<&PaymentIntent, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let desk = Desk {
        tools,
        provider,
        caller,
    };
    let wish = Wish::Create {
        order: command.order,
        capture_method: command.capture_method,
        payment_method: command.payment_method.as_ref(),
        confirm: command.confirm,
        return_url: command.return_url.as_ref(),
    };
    drive(desk, &command.once, &wish, |done| {
        respond(done.map(|done| &done.payment.intent))
    })
    .await
}
