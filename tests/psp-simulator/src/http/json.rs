//! Objects as Stripe writes them, as far as Souk reads them.

use crate::convert::redirect_url;
use crate::world::{ApiError, Dispute, Event, Movement, Payment, Refund, RefundStatus};
use serde_json::{Value, json};

/// What of a payment is shown whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expanded {
    pub(super) charge: bool,
    pub(super) refunds: bool,
}

/// Refunds that are shown with a charge, at most.
const REFUNDS_SHOWN_MAX: usize = 10;

const fn seconds(ms: i64) -> i64 {
    ms.div_euclid(1_000)
}

pub(super) fn payment(payment: &Payment, refunds: &[Refund], expanded: Expanded) -> Value {
    let charge = match (&payment.charge, expanded.charge) {
        (None, _) => Value::Null,
        (Some(id), false) => json!(id),
        (Some(_), true) => charge(payment, refunds, expanded.refunds),
    };
    let next_action = redirect_url(payment).map(|url| {
        let back = &payment.return_url;
        json!({"type": "redirect_to_url", "redirect_to_url": {"url": url, "return_url": back}})
    });
    let error = payment.decline_code.map(|decline_code| {
        json!({
            "type": "card_error",
            "code": "card_declined",
            "decline_code": decline_code,
            "message": "Your card was declined.",
        })
    });
    json!({
        "id": payment.id,
        "object": "payment_intent",
        "amount": payment.amount,
        "amount_capturable": payment.capturable,
        "amount_received": payment.captured,
        "capture_method": if payment.manual_capture { "manual" } else { "automatic" },
        "created": seconds(payment.created_ms),
        "currency": payment.currency,
        "last_payment_error": error,
        "latest_charge": charge,
        "livemode": false,
        "metadata": payment.metadata,
        "next_action": next_action,
        "payment_method": payment.payment_method,
        "status": payment.status.as_str(),
    })
}

fn charge(payment: &Payment, refunds: &[Refund], with_refunds: bool) -> Value {
    let refunded: i64 = refunds
        .iter()
        .filter(|refund| refund.status != RefundStatus::Failed)
        .map(|refund| refund.amount)
        .sum();
    let mut charge = json!({
        "id": payment.charge,
        "object": "charge",
        "amount": payment.amount,
        "amount_captured": payment.captured,
        "amount_refunded": refunded,
        "captured": payment.captured > 0,
        "currency": payment.currency,
        "metadata": payment.metadata,
        "payment_intent": payment.id,
        "status": if payment.decline_code.is_some() { "failed" } else { "succeeded" },
    });
    if with_refunds {
        let newest = refunds.iter().rev().take(REFUNDS_SHOWN_MAX);
        let has_more = refunds.len() > REFUNDS_SHOWN_MAX;
        charge["refunds"] = list(&newest.map(refund).collect::<Vec<_>>(), has_more);
    }
    charge
}

pub(super) fn refund(refund: &Refund) -> Value {
    json!({
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "charge": refund.charge,
        "created": seconds(refund.created_ms),
        "currency": refund.currency,
        "metadata": refund.metadata,
        "payment_intent": refund.payment,
        "status": refund.status.as_str(),
    })
}

/// `source` is the object itself, where it is wanted and known.
pub(super) fn movement(movement: &Movement, source: Option<Value>) -> Value {
    json!({
        "id": movement.id,
        "object": "balance_transaction",
        "amount": movement.gross,
        "created": seconds(movement.created_ms),
        "currency": movement.currency,
        "fee": movement.fee,
        "net": movement.gross - movement.fee,
        "reporting_category": movement.category,
        "source": source.unwrap_or_else(|| json!(movement.source)),
        "type": movement.kind,
    })
}

pub(super) fn charge_of(payment: &Payment) -> Value {
    charge(payment, &[], false)
}

/// `movements` are all there are, of which those of the dispute are shown.
pub(super) fn dispute(dispute: &Dispute, movements: &[Movement]) -> Value {
    let own = movements.iter().filter(|own| own.source == dispute.id);
    let moved: Vec<Value> = own.map(|own| movement(own, None)).collect();
    json!({
        "id": dispute.id,
        "object": "dispute",
        "amount": dispute.amount,
        "balance_transactions": moved,
        "charge": dispute.charge,
        "created": seconds(dispute.created_ms),
        "currency": dispute.currency,
        "metadata": {},
        "payment_intent": dispute.payment,
        "reason": "fraudulent",
        "status": dispute.status.as_str(),
    })
}

pub(super) fn event(event: &Event, object: &Value) -> Value {
    json!({
        "id": event.id,
        "object": "event",
        "api_version": "2026-09-30.endive",
        "created": seconds(event.created_ms),
        "data": {"object": object},
        "livemode": false,
        "type": event.kind,
    })
}

pub(super) fn list(data: &[Value], has_more: bool) -> Value {
    json!({"object": "list", "data": data, "has_more": has_more, "url": "/v1/"})
}

pub(super) fn error(error: &ApiError) -> Value {
    let expanded = Expanded {
        charge: false,
        refunds: false,
    };
    let about = error
        .payment
        .as_ref()
        .map(|own| payment(own, &[], expanded));
    json!({"error": {
        "type": error.kind,
        "code": error.code,
        "decline_code": error.decline_code,
        "message": error.message,
        "payment_intent": about,
    }})
}
