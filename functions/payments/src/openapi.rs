//! This function's part of the API's description (OpenAPI 3.1).

mod operations;
mod schemas;

use souk_runtime::openapi::{Part, Refusals, complete};
use souk_runtime::operations::Function;
use souk_runtime::problem::Code;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(
    operations::create,
    operations::list,
    operations::read,
    operations::confirm,
    operations::capture,
    operations::cancel,
    operations::refund_intent,
    operations::refunds,
    operations::attempts,
    operations::read_refund,
    operations::disputes,
    operations::read_dispute,
    operations::stripe_event,
))]
struct Operations;

/// What each operation can refuse besides what all of its kind do.
const REFUSALS: &[Refusals] = &[
    (
        "create_payment_intent",
        &[
            Code::OrderNotFound,
            Code::OrderNotPayable,
            Code::NothingToPay,
            Code::PaymentIntentExists,
            Code::PaymentMethodMissing,
        ],
    ),
    ("confirm_payment_intent", CHANGING),
    (
        "confirm_payment_intent",
        &[
            Code::PaymentMethodMissing,
            Code::PaymentNotConfirmable,
            Code::PaymentLimitReached,
        ],
    ),
    ("capture_payment_intent", CHANGING),
    (
        "capture_payment_intent",
        &[
            Code::PaymentNotCapturable,
            Code::CaptureTooLarge,
            Code::PaymentLimitReached,
        ],
    ),
    ("cancel_payment_intent", CHANGING),
    ("cancel_payment_intent", &[Code::PaymentNotCancelable]),
    (
        "refund_payment_intent",
        &[
            Code::PaymentIntentNotFound,
            Code::PaymentNotRefundable,
            Code::RefundTooLarge,
            Code::PaymentLimitReached,
        ],
    ),
    (
        "list_payment_intents",
        &[Code::QueryInvalid, Code::CursorInvalid],
    ),
    (
        "get_payment_intent",
        &[Code::PaymentIntentNotFound, Code::PreconditionInvalid],
    ),
    ("list_payment_attempts", &[Code::PaymentIntentNotFound]),
    ("list_refunds", &[Code::PaymentIntentNotFound]),
    ("get_refund", &[Code::RefundNotFound]),
    ("list_disputes", &[Code::QueryInvalid, Code::CursorInvalid]),
    ("get_dispute", &[Code::DisputeNotFound]),
    (
        "receive_stripe_event",
        &[
            Code::PspSignatureInvalid,
            Code::PspUnavailable,
            Code::Contended,
            Code::TenantMoving,
        ],
    ),
];
const CHANGING: &[Code] = &[Code::PaymentIntentNotFound, Code::PaymentOperationPending];

/// The part, and what is missing in it.
pub fn part() -> Part {
    let described = serde_json::to_value(Operations::openapi()).unwrap_or_default();
    complete(described, Function::Payments, REFUSALS)
}
