//! The steps of a process that are done at the provider, by the use cases of payments.

use crate::payments::{
    CancelPaymentIntent, CapturePaymentIntent, RefundPaymentIntent, cancel_payment_intent,
    capture_payment_intent, refund_payment_intent,
};
use crate::{AppError, Caller, Once, PaymentProvider, StoredResponse, Tools};
use souk_domain::payment::Reason;
use souk_domain::process::ProcessStep;
use souk_domain::{IdempotencyKey, OrderId, RequestFingerprint};
use std::collections::BTreeMap;

/// How it went.
pub(super) enum Performed {
    /// The provider was asked. What came of it, or will, is in the payment.
    Asked,
    /// The payment is not any more what the step was decided for, or the provider refuses.
    Declined(String),
    /// It may be tried again.
    Failed(AppError),
}

/// Asks the provider for the effect of `step`, which is step number `sequence` of the order's process.
/// Its key is made of both: where a step is done twice it has its effect once.
pub(super) async fn perform(
    tools: &Tools,
    provider: &impl PaymentProvider,
    caller: &Caller,
    (order, sequence): (OrderId, u64),
    step: &ProcessStep,
) -> Performed {
    let Some(once) = once(order, sequence) else {
        return Performed::Declined("the step has no key".to_owned());
    };
    let answer = match step {
        ProcessStep::Capture { intent, amount } => {
            let command = CapturePaymentIntent {
                once,
                intent: *intent,
                amount_minor: Some(amount.amount_minor()),
                is_final: true,
            };
            let respond = |done: Result<&_, &AppError>| noted(done.map(|_| ()));
            capture_payment_intent(tools, provider, caller, &command, respond).await
        }
        ProcessStep::Void { intent, reason } => {
            let command = CancelPaymentIntent {
                once,
                intent: *intent,
                reason: word(reason),
            };
            let respond = |done: Result<&_, &AppError>| noted(done.map(|_| ()));
            cancel_payment_intent(tools, provider, caller, &command, respond).await
        }
        ProcessStep::Refund {
            intent,
            amount,
            reason,
        } => {
            let command = RefundPaymentIntent {
                once,
                intent: *intent,
                amount_minor: Some(amount.amount_minor()),
                reason: word(reason),
            };
            let respond = |done: Result<&_, &AppError>| noted(done.map(|_| ()));
            refund_payment_intent(tools, provider, caller, &command, respond).await
        }
        ProcessStep::Confirm
        | ProcessStep::Cancel { .. }
        | ProcessStep::Reinstate
        | ProcessStep::Wait { .. }
        | ProcessStep::Review(_)
        | ProcessStep::Done => return Performed::Asked,
    };
    match answer {
        Ok(answer) if answer.response.status < 400 => Performed::Asked,
        Ok(answer) => {
            Performed::Declined(String::from_utf8_lossy(&answer.response.body).into_owned())
        }
        Err(AppError::Payment(refusal)) => Performed::Declined(refusal.to_string()),
        Err(error) => Performed::Failed(error),
    }
}

fn once(order: OrderId, sequence: u64) -> Option<Once> {
    let name = format!("order-process-{order}-{sequence}");
    Some(Once {
        key: IdempotencyKey::parse(&name).ok()?,
        operation: "order process",
        fingerprint: RequestFingerprint::new("POST", &name, None).ok()?,
    })
}

fn word(reason: &str) -> Option<Reason> {
    reason.parse().ok()
}

/// What the key keeps: that it was done, or why not.
fn noted(done: Result<(), &AppError>) -> StoredResponse {
    let (status, body) = match done {
        Ok(()) => (200, String::new()),
        Err(error) => (422, error.to_string()),
    };
    StoredResponse {
        status,
        headers: BTreeMap::new(),
        body: body.into_bytes(),
    }
}
