//! This function's part of the API's description (OpenAPI 3.1).

mod operations;
mod schemas;

use crate::{description, idempotency_keys};
use souk_runtime::openapi::{Part, Refusals, complete};
use souk_runtime::operations::Function;
use souk_runtime::problem::Code;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(
    operations::place,
    operations::list,
    operations::read,
    operations::timeline,
    operations::cancel,
    operations::confirm,
    operations::fulfil,
    operations::complete,
    operations::quote,
    idempotency_keys::read,
    description::openapi,
    description::problem_page,
))]
struct Operations;

/// What each operation can refuse besides what all of its kind do.
const REFUSALS: &[Refusals] = &[
    ("place_order", PRICING),
    (
        "place_order",
        &[
            Code::InsufficientStock,
            Code::QuoteExpired,
            Code::QuoteInvalid,
            Code::PricesChanging,
        ],
    ),
    ("quote", PRICING),
    ("list_orders", &[Code::QueryInvalid, Code::CursorInvalid]),
    (
        "get_order",
        &[Code::OrderNotFound, Code::PreconditionInvalid],
    ),
    (
        "get_order_timeline",
        &[Code::OrderNotFound, Code::QueryInvalid],
    ),
    ("cancel_order", CHANGING),
    ("cancel_order", &[Code::OrderNotCancellable]),
    ("confirm_order", CHANGING),
    ("confirm_order", &[Code::OrderNotConfirmable]),
    ("fulfil_order", CHANGING),
    (
        "fulfil_order",
        &[
            Code::OrderNotFulfillable,
            Code::OrderLineUnknown,
            Code::FulfilmentTooLarge,
        ],
    ),
    ("complete_order", CHANGING),
    ("complete_order", &[Code::OrderNotCompletable]),
    ("get_idempotency_key", &[Code::IdempotencyKeyUnknown]),
];
const PRICING: &[Code] = &[
    Code::SkuNotSold,
    Code::ShippingCountryMissing,
    Code::NotShipped,
    Code::NotTaxed,
    Code::DiscountCodeUnknown,
    Code::DiscountCodeNotApplicable,
    Code::TotalTooLarge,
];
const CHANGING: &[Code] = &[
    Code::OrderNotFound,
    Code::PreconditionInvalid,
    Code::PreconditionFailed,
];

/// The part, and what is missing in it.
pub fn part() -> Part {
    let described = serde_json::to_value(Operations::openapi()).unwrap_or_default();
    complete(described, Function::Orders, REFUSALS)
}
