//! What is sent.

use crate::{Event, EventError, Timestamp};
use serde::Serialize;

#[derive(Serialize)]
struct Payload<'a> {
    #[serde(rename = "type")]
    type_name: &'a str,
    timestamp: Timestamp,
    data: serde_json::Value,
}

/// The body that tells of `event`: `type`, `timestamp` and `data` (Standard Webhooks, "Payload
/// structure"). The timestamp is when it happened, the same in each attempt; the header
/// `webhook-timestamp` is when the attempt is made.
pub fn webhook_body(event: &Event) -> Result<String, EventError> {
    let payload = Payload {
        type_name: event.data.type_name(),
        timestamp: event.time,
        data: event.data.to_json()?,
    };
    serde_json::to_string(&payload).map_err(EventError::Malformed)
}
