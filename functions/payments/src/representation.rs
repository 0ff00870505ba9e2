//! Payments in JSON.

use serde::Serialize;
use souk_app::StoredResponse;
use souk_domain::payment::{
    AttemptStatus, CaptureMethod, Dispute, DisputeStatus, IntentStatus, NextAction, PaymentAttempt,
    PaymentIntent, ProviderFailure, Reason, Refund, RefundStatus,
};
use souk_domain::{
    DisputeId, Money, OrderId, PaymentAttemptId, PaymentIntentId, RefundId, Timestamp,
};
use souk_runtime::answer::json_response;

/// A payment.
#[derive(Serialize)]
struct IntentJson<'a> {
    id: PaymentIntentId,
    order_id: OrderId,
    status: IntentStatus,
    capture_method: CaptureMethod,
    version: u64,
    amount: Money,
    capturable: Money,
    captured: Money,
    refunded: Money,
    disputed: Money,
    next_action: Option<&'a NextAction>,
    last_payment_error: Option<&'a ProviderFailure>,
    review_reason: Option<&'a str>,
    cancellation_reason: Option<&'a str>,
    authorization_expires_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl<'a> From<&'a PaymentIntent> for IntentJson<'a> {
    fn from(intent: &'a PaymentIntent) -> Self {
        Self {
            id: intent.id,
            order_id: intent.order,
            status: intent.status,
            capture_method: intent.capture_method,
            version: intent.version,
            amount: intent.amount,
            capturable: intent.capturable,
            captured: intent.captured,
            refunded: intent.refunded,
            disputed: intent.disputed,
            next_action: intent.next_action.as_ref(),
            last_payment_error: intent.failure.as_ref(),
            review_reason: intent.reason.as_deref(),
            cancellation_reason: intent.cancel_reason.as_ref().map(Reason::as_str),
            authorization_expires_at: intent.authorization_expires_at,
            created_at: intent.created_at,
            updated_at: intent.updated_at,
        }
    }
}

/// A try to pay.
#[derive(Serialize)]
struct AttemptJson<'a> {
    id: PaymentAttemptId,
    status: AttemptStatus,
    payment_method: &'a str,
    failure: Option<&'a ProviderFailure>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl<'a> From<&'a PaymentAttempt> for AttemptJson<'a> {
    fn from(attempt: &'a PaymentAttempt) -> Self {
        Self {
            id: attempt.id,
            status: attempt.status,
            payment_method: attempt.payment_method.as_str(),
            failure: attempt.failure.as_ref(),
            created_at: attempt.created_at,
            updated_at: attempt.updated_at,
        }
    }
}

/// Money that goes back.
#[derive(Serialize)]
struct RefundJson<'a> {
    id: RefundId,
    payment_intent_id: PaymentIntentId,
    amount: Money,
    status: RefundStatus,
    origin: &'a str,
    reason: Option<&'a str>,
    failure: Option<&'a ProviderFailure>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl<'a> From<&'a Refund> for RefundJson<'a> {
    fn from(refund: &'a Refund) -> Self {
        Self {
            id: refund.id,
            payment_intent_id: refund.intent,
            amount: refund.amount,
            status: refund.status,
            origin: refund.origin.as_str(),
            reason: refund.reason.as_ref().map(Reason::as_str),
            failure: refund.failure.as_ref(),
            created_at: refund.created_at,
            updated_at: refund.updated_at,
        }
    }
}

/// A bank asks for money back.
#[derive(Serialize)]
struct DisputeJson<'a> {
    id: DisputeId,
    payment_intent_id: PaymentIntentId,
    amount: Money,
    status: DisputeStatus,
    reason: &'a str,
    withdrawn: Money,
    opened_at: Timestamp,
    closed_at: Option<Timestamp>,
}

impl<'a> From<&'a Dispute> for DisputeJson<'a> {
    fn from(dispute: &'a Dispute) -> Self {
        Self {
            id: dispute.id,
            payment_intent_id: dispute.intent,
            amount: dispute.amount,
            status: dispute.status,
            reason: &dispute.reason,
            withdrawn: dispute.withdrawn,
            opened_at: dispute.opened_at,
            closed_at: dispute.closed_at,
        }
    }
}

#[derive(Serialize)]
struct IntentsJson<'a> {
    payment_intents: Vec<IntentJson<'a>>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<&'a str>,
}

#[derive(Serialize)]
struct AttemptsJson<'a> {
    attempts: Vec<AttemptJson<'a>>,
}

#[derive(Serialize)]
struct RefundsJson<'a> {
    refunds: Vec<RefundJson<'a>>,
}

#[derive(Serialize)]
struct DisputesJson<'a> {
    disputes: Vec<DisputeJson<'a>>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<&'a str>,
}

/// A payment as an answer with `status`: body, `ETag` (its version), and `Location` for a new one.
pub(crate) fn intent_response(status: u16, intent: &PaymentIntent) -> StoredResponse {
    let mut response = json_response(status, &IntentJson::from(intent));
    let tag = format!("\"{}\"", intent.version);
    response.headers.insert("etag".to_owned(), tag);
    if status == 201 {
        let location = format!("/v1/payment-intents/{}", intent.id);
        response.headers.insert("location".to_owned(), location);
    }
    response
}

/// A refund as an answer with `status`: body, and `Location` for a new one.
pub(crate) fn refund_response(status: u16, refund: &Refund) -> StoredResponse {
    let mut response = json_response(status, &RefundJson::from(refund));
    if status == 201 {
        let location = format!("/v1/refunds/{}", refund.id);
        response.headers.insert("location".to_owned(), location);
    }
    response
}

/// 200 with a page of payments.
pub(crate) fn intents_response(
    intents: &[PaymentIntent],
    next_cursor: Option<&str>,
) -> StoredResponse {
    let payment_intents = intents.iter().map(IntentJson::from).collect();
    let json = IntentsJson {
        payment_intents,
        next_cursor,
    };
    json_response(200, &json)
}

/// 200 with all attempts at a payment.
pub(crate) fn attempts_response(attempts: &[PaymentAttempt]) -> StoredResponse {
    let attempts = attempts.iter().map(AttemptJson::from).collect();
    json_response(200, &AttemptsJson { attempts })
}

/// 200 with all refunds of a payment.
pub(crate) fn refunds_response(refunds: &[Refund]) -> StoredResponse {
    let refunds = refunds.iter().map(RefundJson::from).collect();
    json_response(200, &RefundsJson { refunds })
}

/// 200 with a dispute.
pub(crate) fn dispute_response(dispute: &Dispute) -> StoredResponse {
    json_response(200, &DisputeJson::from(dispute))
}

/// 200 with a page of disputes.
pub(crate) fn disputes_response(disputes: &[Dispute], next_cursor: Option<&str>) -> StoredResponse {
    let disputes = disputes.iter().map(DisputeJson::from).collect();
    let json = DisputesJson {
        disputes,
        next_cursor,
    };
    json_response(200, &json)
}
