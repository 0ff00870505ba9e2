//! What happens to webhook endpoints.

use crate::{Timestamp, WebhookEndpointId};
use serde::{Deserialize, Serialize};

/// Data of `webhook_endpoint.disabled.v1`: Souk has disabled an endpoint. Other endpoints of its tenant are
/// told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookEndpointDisabledV1 {
    /// Which.
    pub endpoint_id: WebhookEndpointId,
    /// `failing`: without a success for five days. `gone`: it has answered 410.
    pub reason: String,
    /// The first failure after its last success.
    pub failing_since: Timestamp,
    /// When.
    pub disabled_at: Timestamp,
}
