//! Bodies of requests and answers about webhooks, as the description has them.
#![allow(dead_code, reason = "their fields are the schemas")]

use utoipa::ToSchema;

/// Where a shop wants to be told of events, and of which.
#[derive(ToSchema)]
pub(super) struct WebhookEndpointSettings {
    /// An https URL at a public address. Redirects are not followed.
    #[schema(pattern = "^https://", max_length = 2048)]
    url: String,
    #[schema(max_length = 200)]
    description: Option<String>,
    /// Event types such as `order.placed.v1`, or beginnings such as `order.*`; every event where there is
    /// none.
    #[schema(max_items = 50, pattern = r"^[a-z0-9_]+(\.[a-z0-9_]+)*(\.\*)?$")]
    event_types: Option<Vec<String>>,
    /// Whether a later event of one subject, such as an order, waits until the earlier ones are delivered
    /// or given up. Events of different subjects have no order.
    ordered: Option<bool>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum WebhookEndpointStatus {
    Enabled,
    /// Nothing is sent. What comes up meanwhile is skipped, and can be replayed.
    Disabled,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum WebhookDisabledBy {
    Owner,
    /// It had no success for five days.
    Failing,
    /// It has answered 410.
    Gone,
}

#[derive(ToSchema)]
pub(super) struct WebhookDisabled {
    by: WebhookDisabledBy,
    #[schema(format = DateTime)]
    at: String,
}

/// When a secret was made, and until when it signs beside the newest one.
#[derive(ToSchema)]
pub(super) struct WebhookSecretDates {
    #[schema(format = DateTime)]
    created_at: String,
    /// `null` for the newest.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

#[derive(ToSchema)]
pub(super) struct WebhookEndpoint {
    #[schema(pattern = "^we_[0-9a-f]{32}$")]
    id: String,
    url: String,
    description: String,
    event_types: Vec<String>,
    ordered: bool,
    status: WebhookEndpointStatus,
    disabled: Option<WebhookDisabled>,
    /// The first failure after the last success; `null` where the last attempt succeeded.
    #[schema(format = DateTime)]
    failing_since: Option<String>,
    version: u64,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    /// Those that sign, where one endpoint was asked for.
    #[schema(nullable = false)]
    secrets: Option<Vec<WebhookSecretDates>>,
    /// Where it was just made, and nowhere else: `whsec_` and base64 (Standard Webhooks).
    #[schema(nullable = false, pattern = "^whsec_[A-Za-z0-9+/]+=*$")]
    secret: Option<String>,
}

#[derive(ToSchema)]
pub(super) struct WebhookEndpointPage {
    webhook_endpoints: Vec<WebhookEndpoint>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
}

#[derive(ToSchema)]
pub(super) struct WebhookSecretRotation {
    /// For how long the secret before goes on signing beside the new one; 24 where nothing is said.
    #[schema(minimum = 0, maximum = 168)]
    overlap_hours: Option<i64>,
}

#[derive(ToSchema)]
pub(super) struct WebhookSecret {
    #[schema(pattern = "^we_[0-9a-f]{32}$")]
    id: String,
    /// It is not shown again.
    #[schema(pattern = "^whsec_[A-Za-z0-9+/]+=*$")]
    secret: String,
    #[schema(format = DateTime)]
    created_at: String,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum WebhookDeliveryStatus {
    Pending,
    Delivered,
    /// Not taken in any attempt.
    Failed,
    /// The endpoint was disabled.
    Skipped,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum WebhookAttemptOutcome {
    Started,
    Delivered,
    Failed,
    Gone,
    /// Nobody knows: who made it has not come back.
    Lost,
}

#[derive(ToSchema)]
pub(super) struct WebhookAttempt {
    attempt: u32,
    #[schema(format = DateTime)]
    started_at: String,
    outcome: WebhookAttemptOutcome,
    #[schema(minimum = 100, maximum = 999)]
    status_code: Option<i32>,
    /// Milliseconds.
    latency_ms: Option<u32>,
    error: Option<String>,
    /// The beginning of the answer's body.
    response: Option<String>,
}

#[derive(ToSchema)]
pub(super) struct WebhookDelivery {
    /// Also the message's `webhook-id`.
    #[schema(pattern = "^evt_[0-9a-f]{32}$")]
    event_id: String,
    event_type: String,
    #[schema(format = DateTime)]
    occurred_at: String,
    status: WebhookDeliveryStatus,
    attempt_count: u32,
    replay_count: u32,
    #[schema(format = DateTime)]
    next_attempt_at: Option<String>,
    /// When it was delivered or given up.
    #[schema(format = DateTime)]
    settled_at: Option<String>,
    /// What is sent, where one delivery was asked for.
    #[schema(nullable = false)]
    body: Option<String>,
    /// The latest, where one delivery was asked for.
    #[schema(nullable = false)]
    attempts: Option<Vec<WebhookAttempt>>,
}

#[derive(ToSchema)]
pub(super) struct WebhookDeliveryPage {
    /// Those of the newest events first.
    deliveries: Vec<WebhookDelivery>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum WebhookSettledStatus {
    Delivered,
    Failed,
    Skipped,
}

/// Which deliveries are sent again.
#[derive(ToSchema)]
pub(super) struct WebhookReplay {
    /// Of events that happened from then on.
    #[schema(format = DateTime)]
    since: String,
    /// Of events that happened before then.
    #[schema(format = DateTime)]
    until: String,
    /// `failed` and `skipped` where nothing is said.
    #[schema(min_items = 1, max_items = 3)]
    statuses: Option<Vec<WebhookSettledStatus>>,
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
    /// `next_cursor` of the answer before.
    cursor: Option<String>,
}

#[derive(ToSchema)]
pub(super) struct WebhookReplayed {
    /// Deliveries that are on their way again.
    replayed: u64,
    /// Where the rest of the range begins; `null` where there is none.
    next_cursor: Option<String>,
}
