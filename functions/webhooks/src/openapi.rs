//! This function's part of the API's description (OpenAPI 3.1).

mod operations;
mod schemas;

use souk_runtime::openapi::{Part, Refusals, complete};
use souk_runtime::operations::Function;
use souk_runtime::problem::Code;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(
    operations::create_webhook_endpoint,
    operations::list_webhook_endpoints,
    operations::get_webhook_endpoint,
    operations::put_webhook_endpoint,
    operations::delete_webhook_endpoint,
    operations::enable_webhook_endpoint,
    operations::disable_webhook_endpoint,
    operations::rotate_webhook_secret,
    operations::list_webhook_deliveries,
    operations::get_webhook_delivery,
    operations::replay_webhook_delivery,
    operations::replay_webhook_deliveries,
))]
struct Operations;

/// What a command on one endpoint can refuse.
const ON_ENDPOINT: &[Code] = &[
    Code::WebhookEndpointNotFound,
    Code::PreconditionInvalid,
    Code::PreconditionFailed,
];
const LISTED: &[Code] = &[Code::QueryInvalid, Code::CursorInvalid];

/// What each operation can refuse besides what all of its kind do.
const REFUSALS: &[Refusals] = &[
    ("create_webhook_endpoint", &[Code::WebhookEndpointsTooMany]),
    ("list_webhook_endpoints", LISTED),
    ("get_webhook_endpoint", &[Code::WebhookEndpointNotFound]),
    ("put_webhook_endpoint", ON_ENDPOINT),
    ("delete_webhook_endpoint", ON_ENDPOINT),
    ("enable_webhook_endpoint", ON_ENDPOINT),
    ("disable_webhook_endpoint", ON_ENDPOINT),
    ("rotate_webhook_secret", ON_ENDPOINT),
    ("rotate_webhook_secret", &[Code::WebhookSecretsTooMany]),
    ("list_webhook_deliveries", LISTED),
    ("list_webhook_deliveries", &[Code::WebhookEndpointNotFound]),
    (
        "get_webhook_delivery",
        &[Code::WebhookEndpointNotFound, Code::WebhookDeliveryNotFound],
    ),
    ("replay_webhook_delivery", ON_ENDPOINT),
    (
        "replay_webhook_delivery",
        &[
            Code::WebhookDeliveryNotFound,
            Code::WebhookDeliveryPending,
            Code::WebhookEndpointDisabled,
        ],
    ),
    ("replay_webhook_deliveries", ON_ENDPOINT),
    (
        "replay_webhook_deliveries",
        &[Code::WebhookEndpointDisabled, Code::CursorInvalid],
    ),
];

/// The part, and what is missing in it.
pub fn part() -> Part {
    let described = serde_json::to_value(Operations::openapi()).unwrap_or_default();
    complete(described, Function::Webhooks, REFUSALS)
}
