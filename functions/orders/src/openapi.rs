//! This function's part of the API's description (OpenAPI 3.1), from its handlers.

use crate::{description, idempotency_keys};
use souk_runtime::openapi::{Part, Refusals, complete};
use souk_runtime::operations::Function;
use souk_runtime::problem::Code;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(
    description::openapi,
    description::problem_page,
    idempotency_keys::read
))]
struct Handlers;

/// What each operation can refuse besides what all of its kind do.
const REFUSALS: &[Refusals] = &[("get_idempotency_key", &[Code::IdempotencyKeyUnknown])];

/// The part, and what is missing in it.
pub fn part() -> Part {
    let described = serde_json::to_value(Handlers::openapi()).unwrap_or_default();
    complete(described, Function::Orders, REFUSALS)
}
