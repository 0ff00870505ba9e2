//! Bodies of commands on payments.

use souk_domain::OrderId;
use souk_domain::payment::{CaptureMethod, PaymentMethodToken, Reason, ReturnUrl};
use souk_runtime::fields::Field;

/// The largest amount that a body can have: what every program reads as it was written.
const AMOUNT_MINOR_MAX: i64 = 9_007_199_254_740_991;

/// Body of `POST /v1/payment-intents`.
pub(crate) struct NewIntent {
    pub(crate) order: OrderId,
    pub(crate) capture_method: CaptureMethod,
    pub(crate) confirmation: Confirmation,
    pub(crate) confirm: bool,
}

/// Body of `POST /v1/payment-intents/{id}/confirm`.
#[derive(Default)]
pub(crate) struct Confirmation {
    pub(crate) payment_method: Option<PaymentMethodToken>,
    pub(crate) return_url: Option<ReturnUrl>,
}

/// Body of `POST /v1/payment-intents/{id}/capture`.
#[derive(Default)]
pub(crate) struct Capture {
    /// All that is held, where it is not there.
    pub(crate) amount_minor: Option<i64>,
    pub(crate) is_final: Option<bool>,
}

/// Body of `POST /v1/payment-intents/{id}/refunds`.
#[derive(Default)]
pub(crate) struct NewRefund {
    /// All that is left, where it is not there.
    pub(crate) amount_minor: Option<i64>,
    pub(crate) reason: Option<Reason>,
}

pub(crate) fn new_intent(body: &Field<'_>) -> Option<NewIntent> {
    let body = body.object(&[
        "order_id",
        "capture_method",
        "payment_method",
        "confirm",
        "return_url",
    ])?;
    let order = body.required("order_id", Field::parse);
    let capture_method = body.optional("capture_method", Field::parse);
    let payment_method = body.optional("payment_method", Field::parse);
    let confirm = body.optional("confirm", Field::boolean);
    let return_url = body.optional("return_url", Field::parse);
    Some(NewIntent {
        order: order?,
        capture_method: capture_method?.unwrap_or(CaptureMethod::Automatic),
        confirmation: Confirmation {
            payment_method: payment_method?,
            return_url: return_url?,
        },
        confirm: confirm?.unwrap_or(false),
    })
}

pub(crate) fn confirmation(body: &Field<'_>) -> Option<Confirmation> {
    let body = body.object(&["payment_method", "return_url"])?;
    let payment_method = body.optional("payment_method", Field::parse);
    let return_url = body.optional("return_url", Field::parse);
    Some(Confirmation {
        payment_method: payment_method?,
        return_url: return_url?,
    })
}

pub(crate) fn capture(body: &Field<'_>) -> Option<Capture> {
    let body = body.object(&["amount_minor", "final"])?;
    let amount_minor = body.optional("amount_minor", amount_minor_of);
    let is_final = body.optional("final", Field::boolean);
    Some(Capture {
        amount_minor: amount_minor?,
        is_final: is_final?,
    })
}

/// Body of `POST /v1/payment-intents/{id}/cancel`: a reason, or none.
#[allow(
    clippy::option_option,
    reason = "nothing sent and something wrong are different"
)]
pub(crate) fn cancellation(body: &Field<'_>) -> Option<Option<Reason>> {
    body.object(&["reason"])?.optional("reason", Field::parse)
}

pub(crate) fn new_refund(body: &Field<'_>) -> Option<NewRefund> {
    let body = body.object(&["amount_minor", "reason"])?;
    let amount_minor = body.optional("amount_minor", amount_minor_of);
    let reason = body.optional("reason", Field::parse);
    Some(NewRefund {
        amount_minor: amount_minor?,
        reason: reason?,
    })
}

fn amount_minor_of(field: &Field<'_>) -> Option<i64> {
    field.integer(1..=AMOUNT_MINOR_MAX)
}
