//! From the PSP's words to those of the port.

use crate::world::{
    ApiError, Dispute, DisputeStatus, Movement, Payment, Refund, RefundStatus, Status,
};
use souk_domain::payment::{
    MovementKind, NextAction, ProviderDispute, ProviderDisputeStatus, ProviderFailure,
    ProviderMovement, ProviderPayment, ProviderRefund, ProviderRefundStatus, ProviderStatus,
};
use souk_domain::{Currency, Money, Timestamp};

pub(crate) fn money(amount: i64, currency: &str) -> Money {
    let currency: Currency = currency
        .to_ascii_uppercase()
        .parse()
        .expect("the currency was checked when the payment was made");
    Money::new(amount, currency)
}

pub(crate) fn at(ms: i64) -> Timestamp {
    // Stripe's times are whole seconds.
    Timestamp::from_unix_ms(ms.div_euclid(1_000) * 1_000).expect("the year is in range")
}

pub(crate) fn redirect_url(payment: &Payment) -> Option<String> {
    let back = payment.return_url.as_ref()?;
    (payment.status == Status::RequiresAction).then(|| {
        format!(
            "https://psp.invalid/authenticate/{}?back={back}",
            payment.id
        )
    })
}

pub(crate) fn payment(payment: &Payment, refunds: &[Refund]) -> ProviderPayment {
    let money = |amount| money(amount, &payment.currency);
    ProviderPayment {
        id: payment.id.parse().expect("ids are visible ASCII"),
        intent: payment
            .metadata
            .get("souk_payment_intent")
            .and_then(|id| id.parse().ok()),
        status: match payment.status {
            Status::RequiresPaymentMethod => ProviderStatus::RequiresPaymentMethod,
            Status::RequiresConfirmation => ProviderStatus::RequiresConfirmation,
            Status::RequiresAction => ProviderStatus::RequiresAction,
            Status::Processing => ProviderStatus::Processing,
            Status::RequiresCapture => ProviderStatus::RequiresCapture,
            Status::Succeeded => ProviderStatus::Succeeded,
            Status::Canceled => ProviderStatus::Canceled,
        },
        amount: money(payment.amount),
        capturable: money(payment.capturable),
        captured: money(payment.captured),
        refunds: refunds.iter().map(refund).collect(),
        next_action: redirect_url(payment).map(|redirect_url| NextAction { redirect_url }),
        failure: failure(payment),
        created_at: at(payment.created_ms),
    }
}

pub(crate) fn failure(payment: &Payment) -> Option<ProviderFailure> {
    Some(ProviderFailure {
        code: "card_declined".to_owned(),
        decline_code: Some(payment.decline_code?.to_owned()),
        message: "Your card was declined.".to_owned(),
    })
}

pub(crate) fn declined(error: &ApiError) -> ProviderFailure {
    ProviderFailure {
        code: error.code.to_owned(),
        decline_code: error.decline_code.map(str::to_owned),
        message: error.message.clone(),
    }
}

fn refund(refund: &Refund) -> ProviderRefund {
    ProviderRefund {
        id: refund.id.clone(),
        refund: refund
            .metadata
            .get("souk_refund")
            .and_then(|id| id.parse().ok()),
        amount: money(refund.amount, &refund.currency),
        status: match refund.status {
            RefundStatus::Pending => ProviderRefundStatus::Pending,
            RefundStatus::Succeeded => ProviderRefundStatus::Succeeded,
            RefundStatus::Failed => ProviderRefundStatus::Failed,
        },
    }
}

pub(crate) fn movement(movement: &Movement) -> ProviderMovement {
    let money = |amount| money(amount, &movement.currency);
    ProviderMovement {
        id: movement.id.clone(),
        kind: match (movement.kind, movement.category) {
            ("charge", _) => MovementKind::Charge,
            ("refund", _) => MovementKind::Refund,
            ("refund_failure", _) => MovementKind::RefundFailure,
            (_, "dispute") => MovementKind::Dispute,
            (_, "dispute_reversal") => MovementKind::DisputeReversal,
            ("stripe_fee", _) => MovementKind::Fee,
            ("payout", _) => MovementKind::Payout,
            (other, _) => MovementKind::Other(other.to_owned()),
        },
        payment: movement.payment.parse().ok(),
        source: movement.source.clone(),
        refund: movement
            .metadata
            .get("souk_refund")
            .and_then(|id| id.parse().ok()),
        gross: money(movement.gross),
        fee: money(movement.fee),
        net: money(movement.gross - movement.fee),
        created_at: at(movement.created_ms),
    }
}

pub(crate) fn dispute(dispute: &Dispute) -> ProviderDispute {
    ProviderDispute {
        id: dispute.id.clone(),
        payment: dispute.payment.parse().expect("ids are visible ASCII"),
        amount: money(dispute.amount, &dispute.currency),
        status: match dispute.status {
            DisputeStatus::NeedsResponse => ProviderDisputeStatus::Open,
            DisputeStatus::Won => ProviderDisputeStatus::Won,
            DisputeStatus::Lost => ProviderDisputeStatus::Lost,
        },
        reason: "fraudulent".to_owned(),
        funds_withdrawn: dispute.status != DisputeStatus::Won,
        created_at: at(dispute.created_ms),
    }
}
