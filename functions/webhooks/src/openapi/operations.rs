//! Operations on webhooks, as the description has them.
#![allow(dead_code, reason = "only what the macro makes of them is used")]

use super::schemas::{
    WebhookDelivery, WebhookDeliveryPage, WebhookEndpoint, WebhookEndpointPage,
    WebhookEndpointSettings, WebhookReplay, WebhookReplayed, WebhookSecret, WebhookSecretRotation,
};

#[utoipa::path(
    post,
    path = "/v1/webhook-endpoints",
    summary = "Enters an endpoint",
    request_body(content = WebhookEndpointSettings, example = json!({ "url": "https://shop.example/hooks", "description": "ERP", "event_types": ["order.*"], "ordered": true })),
    responses((
        status = 201,
        description = "The endpoint, with its secret",
        body = WebhookEndpoint,
        headers(("Cache-Control" = String, description = "`no-store`")),
        example = json!({ "id": "we_0197c0de8f2b7c3a9d4e5f6071829304", "url": "https://shop.example/hooks", "description": "ERP", "event_types": ["order.*"], "ordered": true, "status": "enabled", "disabled": null, "failing_since": null, "version": 1, "created_at": "2026-11-21T08:00:00Z", "updated_at": "2026-11-21T08:00:00Z", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }),
    )),
)]
fn create_webhook_endpoint() {}

#[utoipa::path(
    get,
    path = "/v1/webhook-endpoints",
    summary = "Endpoints, in the order in which they were entered",
    params(("limit" = Option<i32>, Query, description = "Endpoints on a page", minimum = 1, maximum = 100), ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, as it is")),
    responses((
        status = 200,
        description = "A page of endpoints",
        body = WebhookEndpointPage,
        example = json!({ "webhook_endpoints": [{ "id": "we_0197c0de8f2b7c3a9d4e5f6071829304", "url": "https://shop.example/hooks", "description": "ERP", "event_types": ["order.*"], "ordered": true, "status": "enabled", "disabled": null, "failing_since": null, "version": 1, "created_at": "2026-11-21T08:00:00Z", "updated_at": "2026-11-21T08:00:00Z" }], "next_cursor": null }),
    )),
)]
fn list_webhook_endpoints() {}

#[utoipa::path(
    get,
    path = "/v1/webhook-endpoints/{id}",
    summary = "An endpoint",
    params(("id" = String, Path, description = "The endpoint's id", pattern = "^we_[0-9a-f]{32}$", example = "we_0197c0de8f2b7c3a9d4e5f6071829304")),
    responses((
        status = 200,
        description = "The endpoint",
        body = WebhookEndpoint,
        headers(("ETag" = String, description = "The version")),
        example = json!({ "id": "we_0197c0de8f2b7c3a9d4e5f6071829304", "url": "https://shop.example/hooks", "description": "ERP", "event_types": ["order.*"], "ordered": true, "status": "enabled", "disabled": null, "failing_since": null, "version": 1, "created_at": "2026-11-21T08:00:00Z", "updated_at": "2026-11-21T08:00:00Z", "secrets": [{ "created_at": "2026-11-21T08:00:00Z", "expires_at": null }] }),
    )),
)]
fn get_webhook_endpoint() {}

#[utoipa::path(
    put,
    path = "/v1/webhook-endpoints/{id}",
    summary = "Gives an endpoint other settings",
    params(("id" = String, Path, description = "The endpoint's id", pattern = "^we_[0-9a-f]{32}$", example = "we_0197c0de8f2b7c3a9d4e5f6071829304"), ("If-Match" = Option<String>, Header, description = "The version that it must still have: the `ETag` of an answer", example = "\"1\"")),
    request_body(content = WebhookEndpointSettings, example = json!({ "url": "https://shop.example/hooks", "description": "ERP", "event_types": ["order.*"], "ordered": true })),
    responses((
        status = 200,
        description = "As it is now",
        body = WebhookEndpoint,
        headers(("ETag" = String, description = "The version")),
        example = json!({ "id": "we_0197c0de8f2b7c3a9d4e5f6071829304", "url": "https://shop.example/hooks", "description": "ERP", "event_types": ["order.*"], "ordered": true, "status": "enabled", "disabled": null, "failing_since": null, "version": 1, "created_at": "2026-11-21T08:00:00Z", "updated_at": "2026-11-21T08:00:00Z" }),
    )),
)]
fn put_webhook_endpoint() {}

#[utoipa::path(
    delete,
    path = "/v1/webhook-endpoints/{id}",
    summary = "Deletes an endpoint, with its secrets",
    params(("id" = String, Path, description = "The endpoint's id", pattern = "^we_[0-9a-f]{32}$", example = "we_0197c0de8f2b7c3a9d4e5f6071829304"), ("If-Match" = Option<String>, Header, description = "The version that it must still have: the `ETag` of an answer", example = "\"1\"")),
    responses((
        status = 200,
        description = "As it was",
        body = WebhookEndpoint,
        headers(("ETag" = String, description = "The version")),
        example = json!({ "id": "we_0197c0de8f2b7c3a9d4e5f6071829304", "url": "https://shop.example/hooks", "description": "ERP", "event_types": ["order.*"], "ordered": true, "status": "enabled", "disabled": null, "failing_since": null, "version": 1, "created_at": "2026-11-21T08:00:00Z", "updated_at": "2026-11-21T08:00:00Z" }),
    )),
)]
fn delete_webhook_endpoint() {}

#[utoipa::path(
    post,
    path = "/v1/webhook-endpoints/{id}/enable",
    summary = "Lets an endpoint be sent to again",
    params(("id" = String, Path, description = "The endpoint's id", pattern = "^we_[0-9a-f]{32}$", example = "we_0197c0de8f2b7c3a9d4e5f6071829304"), ("If-Match" = Option<String>, Header, description = "The version that it must still have: the `ETag` of an answer", example = "\"1\"")),
    responses((
        status = 200,
        description = "As it is now",
        body = WebhookEndpoint,
        headers(("ETag" = String, description = "The version")),
        example = json!({ "id": "we_0197c0de8f2b7c3a9d4e5f6071829304", "url": "https://shop.example/hooks", "description": "ERP", "event_types": ["order.*"], "ordered": true, "status": "enabled", "disabled": null, "failing_since": null, "version": 1, "created_at": "2026-11-21T08:00:00Z", "updated_at": "2026-11-21T08:00:00Z" }),
    )),
)]
fn enable_webhook_endpoint() {}

#[utoipa::path(
    post,
    path = "/v1/webhook-endpoints/{id}/disable",
    summary = "Lets nothing be sent to an endpoint",
    params(("id" = String, Path, description = "The endpoint's id", pattern = "^we_[0-9a-f]{32}$", example = "we_0197c0de8f2b7c3a9d4e5f6071829304"), ("If-Match" = Option<String>, Header, description = "The version that it must still have: the `ETag` of an answer", example = "\"1\"")),
    responses((
        status = 200,
        description = "As it is now",
        body = WebhookEndpoint,
        headers(("ETag" = String, description = "The version")),
        example = json!({ "id": "we_0197c0de8f2b7c3a9d4e5f6071829304", "url": "https://shop.example/hooks", "description": "ERP", "event_types": ["order.*"], "ordered": true, "status": "disabled", "disabled": { "by": "owner", "at": "2026-11-21T08:00:00Z" }, "failing_since": null, "version": 1, "created_at": "2026-11-21T08:00:00Z", "updated_at": "2026-11-21T08:00:00Z" }),
    )),
)]
fn disable_webhook_endpoint() {}

#[utoipa::path(
    post,
    path = "/v1/webhook-endpoints/{id}/rotate-secret",
    summary = "Gives an endpoint another secret",
    params(("id" = String, Path, description = "The endpoint's id", pattern = "^we_[0-9a-f]{32}$", example = "we_0197c0de8f2b7c3a9d4e5f6071829304"), ("If-Match" = Option<String>, Header, description = "The version that it must still have: the `ETag` of an answer", example = "\"1\"")),
    request_body(content = WebhookSecretRotation, example = json!({ "overlap_hours": 24 })),
    responses((
        status = 200,
        description = "The new secret",
        body = WebhookSecret,
        headers(("Cache-Control" = String, description = "`no-store`")),
        example = json!({ "id": "we_0197c0de8f2b7c3a9d4e5f6071829304", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "created_at": "2026-11-21T08:00:00Z" }),
    )),
)]
fn rotate_webhook_secret() {}

#[utoipa::path(
    get,
    path = "/v1/webhook-endpoints/{id}/deliveries",
    summary = "What was sent to an endpoint",
    params(("id" = String, Path, description = "The endpoint's id", pattern = "^we_[0-9a-f]{32}$", example = "we_0197c0de8f2b7c3a9d4e5f6071829304"), ("status" = Option<String>, Query, description = "Only those: `pending`, `delivered`, `failed` or `skipped`"), ("limit" = Option<i32>, Query, description = "Deliveries on a page", minimum = 1, maximum = 100), ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, as it is")),
    responses((
        status = 200,
        description = "A page of deliveries",
        body = WebhookDeliveryPage,
        example = json!({ "deliveries": [{ "event_id": "evt_0197c0de8f2b7c3a9d4e5f6071829304", "event_type": "order.placed.v1", "occurred_at": "2026-11-21T08:00:00Z", "status": "delivered", "attempt_count": 1, "replay_count": 0, "next_attempt_at": null, "settled_at": "2026-11-21T08:00:01Z" }], "next_cursor": null }),
    )),
)]
fn list_webhook_deliveries() {}

#[utoipa::path(
    get,
    path = "/v1/webhook-endpoints/{id}/deliveries/{event_id}",
    summary = "A delivery, with its attempts",
    params(("id" = String, Path, description = "The endpoint's id", pattern = "^we_[0-9a-f]{32}$", example = "we_0197c0de8f2b7c3a9d4e5f6071829304"), ("event_id" = String, Path, description = "The event's id", pattern = "^evt_[0-9a-f]{32}$", example = "evt_0197c0de8f2b7c3a9d4e5f6071829304")),
    responses((
        status = 200,
        description = "The delivery",
        body = WebhookDelivery,
        example = json!({ "event_id": "evt_0197c0de8f2b7c3a9d4e5f6071829304", "event_type": "order.placed.v1", "occurred_at": "2026-11-21T08:00:00Z", "status": "delivered", "attempt_count": 1, "replay_count": 0, "next_attempt_at": null, "settled_at": "2026-11-21T08:00:01Z", "body": "{}", "attempts": [{ "attempt": 1, "started_at": "2026-11-21T08:00:00Z", "outcome": "delivered", "status_code": 204, "latency_ms": 87, "error": null, "response": "" }] }),
    )),
)]
fn get_webhook_delivery() {}

#[utoipa::path(
    post,
    path = "/v1/webhook-endpoints/{id}/deliveries/{event_id}/replay",
    summary = "Sends an event again",
    params(("id" = String, Path, description = "The endpoint's id", pattern = "^we_[0-9a-f]{32}$", example = "we_0197c0de8f2b7c3a9d4e5f6071829304"), ("event_id" = String, Path, description = "The event's id", pattern = "^evt_[0-9a-f]{32}$", example = "evt_0197c0de8f2b7c3a9d4e5f6071829304"), ("If-Match" = Option<String>, Header, description = "The version that it must still have: the `ETag` of an answer", example = "\"1\"")),
    responses((
        status = 200,
        description = "The delivery, on its way",
        body = WebhookDelivery,
        example = json!({ "event_id": "evt_0197c0de8f2b7c3a9d4e5f6071829304", "event_type": "order.placed.v1", "occurred_at": "2026-11-21T08:00:00Z", "status": "pending", "attempt_count": 1, "replay_count": 1, "next_attempt_at": "2026-11-21T08:00:00Z", "settled_at": null }),
    )),
)]
fn replay_webhook_delivery() {}

#[utoipa::path(
    post,
    path = "/v1/webhook-endpoints/{id}/replays",
    summary = "Sends a range of events again",
    params(("id" = String, Path, description = "The endpoint's id", pattern = "^we_[0-9a-f]{32}$", example = "we_0197c0de8f2b7c3a9d4e5f6071829304"), ("If-Match" = Option<String>, Header, description = "The version that it must still have: the `ETag` of an answer", example = "\"1\"")),
    request_body(content = WebhookReplay, example = json!({ "since": "2026-11-20T00:00:00Z", "until": "2026-11-21T00:00:00Z" })),
    responses((
        status = 200,
        description = "How many are on their way",
        body = WebhookReplayed,
        example = json!({ "replayed": 12, "next_cursor": null }),
    )),
)]
fn replay_webhook_deliveries() {}
