//! Refusals about webhooks as problems.

use crate::problem::{Code, Problem, internal};
use serde_json::json;
use souk_app::webhooks::WebhookRefusal;

impl From<&WebhookRefusal> for Problem {
    fn from(refusal: &WebhookRefusal) -> Self {
        match refusal {
            WebhookRefusal::EndpointNotFound => Self::new(
                Code::WebhookEndpointNotFound,
                "there is no webhook endpoint with this id",
            ),
            WebhookRefusal::DeliveryNotFound => Self::new(
                Code::WebhookDeliveryNotFound,
                "the endpoint has no delivery of an event with this id",
            ),
            WebhookRefusal::OtherVersion { current } => Self::new(
                Code::PreconditionFailed,
                "the endpoint is in none of the versions that If-Match names; nothing was changed",
            )
            .with_member("current_version", json!(current)),
            WebhookRefusal::TooManyEndpoints => Self::new(
                Code::WebhookEndpointsTooMany,
                "delete an endpoint that is not needed any more",
            ),
            WebhookRefusal::TooManySecrets => Self::new(
                Code::WebhookSecretsTooMany,
                "wait until the overlap of an earlier rotation is over, or rotate without overlap",
            ),
            WebhookRefusal::EndpointDisabled => Self::new(
                Code::WebhookEndpointDisabled,
                "enable the endpoint before deliveries are replayed",
            ),
            WebhookRefusal::DeliveryPending => Self::new(
                Code::WebhookDeliveryPending,
                "the delivery is attempted, or will be, without being replayed",
            ),
            WebhookRefusal::Sealing(error) => internal().with_cause(error),
        }
    }
}
