//! Webhooks in JSON.

use crate::reveal::SealedJson;
use serde::Serialize;
use souk_app::StoredResponse;
use souk_app::webhooks::{
    Attempt, Delivery, DeliveryPage, DeliveryView, EndpointPage, EndpointView, NewSecret, Replayed,
    SecretView,
};
use souk_domain::webhook::{EndpointState, EventPattern, WebhookEndpoint};
use souk_domain::{EventId, Timestamp, WebhookEndpointId};
use souk_runtime::answer::json_response;
use souk_runtime::conditional::entity_tag;

#[derive(Serialize)]
struct EndpointJson<'a> {
    id: WebhookEndpointId,
    url: &'a str,
    description: &'a str,
    event_types: Vec<&'a str>,
    ordered: bool,
    status: &'static str,
    disabled: Option<DisabledJson>,
    failing_since: Option<Timestamp>,
    version: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    secrets: Option<Vec<SecretJson>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<SealedJson>,
}

#[derive(Serialize)]
struct DisabledJson {
    by: &'static str,
    at: Timestamp,
}

#[derive(Serialize)]
struct SecretJson {
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
}

impl From<&SecretView> for SecretJson {
    fn from(secret: &SecretView) -> Self {
        Self {
            created_at: secret.created_at,
            expires_at: secret.expires_at,
        }
    }
}

impl<'a> From<&'a WebhookEndpoint> for EndpointJson<'a> {
    fn from(endpoint: &'a WebhookEndpoint) -> Self {
        let (status, disabled) = match endpoint.state {
            EndpointState::Enabled => ("enabled", None),
            EndpointState::Disabled { by, at } => {
                let by = by.as_str();
                ("disabled", Some(DisabledJson { by, at }))
            }
        };
        let settings = &endpoint.settings;
        let patterns = settings.filter.patterns().iter();
        Self {
            id: endpoint.id,
            url: settings.url.as_str(),
            description: settings.description.as_str(),
            event_types: patterns.map(EventPattern::as_str).collect(),
            ordered: settings.ordered,
            status,
            disabled,
            failing_since: endpoint.health.failing_since,
            version: endpoint.version,
            created_at: endpoint.created_at,
            updated_at: endpoint.updated_at,
            secrets: None,
            secret: None,
        }
    }
}

/// 200 with the endpoint.
pub(crate) fn endpoint_response(endpoint: &WebhookEndpoint) -> StoredResponse {
    let response = json_response(200, &EndpointJson::from(endpoint));
    tagged(response, endpoint.version)
}

/// 200 with the endpoint and what may be shown of its secrets.
pub(crate) fn endpoint_view_response(view: &EndpointView) -> StoredResponse {
    let secrets = view.secrets.iter().map(SecretJson::from).collect();
    let shown = EndpointJson {
        secrets: Some(secrets),
        ..EndpointJson::from(&view.endpoint)
    };
    tagged(json_response(200, &shown), view.endpoint.version)
}

/// 201 with the endpoint and its secret, sealed: see `reveal`.
pub(crate) fn created_response((endpoint, new): &(WebhookEndpoint, NewSecret)) -> StoredResponse {
    let shown = EndpointJson {
        secret: Some(SealedJson::from(&new.sealed)),
        ..EndpointJson::from(endpoint)
    };
    never_kept(json_response(201, &shown))
}

#[derive(Serialize)]
struct RotatedJson {
    id: WebhookEndpointId,
    secret: SealedJson,
    created_at: Timestamp,
}

/// 200 with the new secret, sealed: see `reveal`.
pub(crate) fn rotated_response((endpoint, new): &(WebhookEndpoint, NewSecret)) -> StoredResponse {
    let shown = RotatedJson {
        id: endpoint.id,
        secret: SealedJson::from(&new.sealed),
        created_at: new.sealed.created_at,
    };
    never_kept(json_response(200, &shown))
}

#[derive(Serialize)]
struct PageJson<'a> {
    webhook_endpoints: Vec<EndpointJson<'a>>,
    next_cursor: Option<String>,
}

/// 200 with a page of endpoints.
pub(crate) fn page_response(page: &EndpointPage, next_cursor: Option<String>) -> StoredResponse {
    let webhook_endpoints = page.endpoints.iter().map(EndpointJson::from).collect();
    json_response(
        200,
        &PageJson {
            webhook_endpoints,
            next_cursor,
        },
    )
}

#[derive(Serialize)]
struct DeliveryJson<'a> {
    event_id: EventId,
    event_type: &'a str,
    occurred_at: Timestamp,
    status: &'static str,
    attempt_count: u32,
    replay_count: u32,
    next_attempt_at: Option<Timestamp>,
    settled_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<Vec<AttemptJson<'a>>>,
}

impl<'a> From<&'a Delivery> for DeliveryJson<'a> {
    fn from(delivery: &'a Delivery) -> Self {
        Self {
            event_id: delivery.event,
            event_type: &delivery.event_type,
            occurred_at: delivery.occurred_at,
            status: delivery.status.as_str(),
            attempt_count: delivery.attempts,
            replay_count: delivery.replays,
            next_attempt_at: delivery.next_attempt_at,
            settled_at: delivery.settled_at,
            body: None,
            attempts: None,
        }
    }
}

#[derive(Serialize)]
struct AttemptJson<'a> {
    attempt: u32,
    started_at: Timestamp,
    outcome: &'static str,
    status_code: Option<u16>,
    latency_ms: Option<u32>,
    error: Option<&'a str>,
    response: Option<&'a str>,
}

impl<'a> From<&'a Attempt> for AttemptJson<'a> {
    fn from(attempt: &'a Attempt) -> Self {
        Self {
            attempt: attempt.attempt,
            started_at: attempt.started_at,
            outcome: attempt.outcome.as_str(),
            status_code: attempt.status_code,
            latency_ms: attempt.latency_ms,
            error: attempt.error.as_deref(),
            response: attempt.response.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct DeliveriesJson<'a> {
    deliveries: Vec<DeliveryJson<'a>>,
    next_cursor: Option<String>,
}

/// 200 with a page of deliveries.
pub(crate) fn deliveries_response(
    page: &DeliveryPage,
    next_cursor: Option<String>,
) -> StoredResponse {
    let deliveries = page.deliveries.iter().map(DeliveryJson::from).collect();
    json_response(
        200,
        &DeliveriesJson {
            deliveries,
            next_cursor,
        },
    )
}

/// 200 with the delivery.
pub(crate) fn delivery_response(delivery: &Delivery) -> StoredResponse {
    json_response(200, &DeliveryJson::from(delivery))
}

/// 200 with the delivery, what is sent, and its attempts.
pub(crate) fn delivery_view_response(view: &DeliveryView) -> StoredResponse {
    let shown = DeliveryJson {
        body: Some(&view.body),
        attempts: Some(view.attempts.iter().map(AttemptJson::from).collect()),
        ..DeliveryJson::from(&view.delivery)
    };
    json_response(200, &shown)
}

#[derive(Serialize)]
struct ReplayedJson {
    replayed: u64,
    next_cursor: Option<String>,
}

/// 200 with how many deliveries are on their way again.
pub(crate) fn replayed_response(
    replayed: &Replayed,
    next_cursor: Option<String>,
) -> StoredResponse {
    json_response(
        200,
        &ReplayedJson {
            replayed: replayed.count,
            next_cursor,
        },
    )
}

fn tagged(mut response: StoredResponse, version: u64) -> StoredResponse {
    let tag = entity_tag(Some(version), &response.body);
    response.headers.insert("etag".to_owned(), tag);
    response
}

fn never_kept(mut response: StoredResponse) -> StoredResponse {
    let name = "cache-control".to_owned();
    response.headers.insert(name, "no-store".to_owned());
    response
}
