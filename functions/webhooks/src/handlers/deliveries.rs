//! What was sent, and sending it again.

use super::{endpoint_command, endpoint_id, event_id, from_cursor, responder, to_cursor};
use crate::representation::{
    deliveries_response, delivery_response, delivery_view_response, replayed_response,
};
use crate::{WebhooksState, bodies};
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Uri};
use souk_app::webhooks::{
    DELIVERIES_PER_PAGE_MAX, DeliveryFilter, get_delivery as get, list_deliveries as list,
    replay_deliveries as replay_range, replay_delivery as replay_one,
};
use souk_domain::webhook::DeliveryStatus;
use souk_runtime::answer::{answered, to_http};
use souk_runtime::edge_signature::EdgeCaller;
use souk_runtime::problem::Problem;
use souk_runtime::query::Query;
use souk_runtime::request::{Command, read_body};

/// Deliveries on a page where the client does not say.
const PER_PAGE_DEFAULT: u8 = 20;

/// `GET /v1/webhook-endpoints/{id}/deliveries`: 200 with a page of deliveries.
pub(crate) async fn list_deliveries(
    State(state): State<WebhooksState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut query = Query::new(uri.query(), &["status", "limit", "cursor"]);
    let status = query.parsed::<DeliveryStatus>("status");
    let limit = query.number("limit", 1..=DELIVERIES_PER_PAGE_MAX, PER_PAGE_DEFAULT);
    let cursor = query.parsed::<String>("cursor");
    query.finish()?;
    let filter = DeliveryFilter {
        endpoint: endpoint_id(&id)?,
        status,
        after: cursor.map(|cursor| from_cursor(&cursor)).transpose()?,
    };
    let page = list(&state.tools, &edge.caller, filter, limit).await?;
    let next = page.next.as_ref().map(to_cursor);
    Ok(to_http(deliveries_response(&page, next)))
}

/// `GET /v1/webhook-endpoints/{id}/deliveries/{event_id}`: 200 with the delivery and its attempts.
pub(crate) async fn get_delivery(
    State(state): State<WebhooksState>,
    Extension(edge): Extension<EdgeCaller>,
    Path((id, event)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (endpoint, event) = (endpoint_id(&id)?, event_id(&event)?);
    let view = get(&state.tools, &edge.caller, endpoint, event).await?;
    Ok(to_http(delivery_view_response(&view)))
}

/// `POST /v1/webhook-endpoints/{id}/deliveries/{event_id}/replay`: 200 with the delivery, on its way.
pub(crate) async fn replay_delivery(
    State(state): State<WebhooksState>,
    Extension(edge): Extension<EdgeCaller>,
    Path((id, event)): Path<(String, String)>,
    command: Command,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let command = endpoint_command(&id, &command, &headers, None)?;
    let event = event_id(&event)?;
    let respond = responder(&edge, delivery_response);
    let answer = replay_one(&state.tools, &edge.caller, &command, event, respond).await?;
    Ok(answered(answer))
}

/// `POST /v1/webhook-endpoints/{id}/replays`: 200 with how many deliveries of the range are on their way.
pub(crate) async fn replay_deliveries(
    State(state): State<WebhooksState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(id): Path<String>,
    command: Command,
    (headers, body): (HeaderMap, Bytes),
) -> Result<Response, Problem> {
    let body = read_body(&headers, &body, bodies::replay)?;
    let command = endpoint_command(&id, &command, &headers, Some(&body.json))?;
    let (mut range, cursor) = body.value;
    range.after = cursor.map(|cursor| from_cursor(&cursor)).transpose()?;
    let respond = responder(&edge, |replayed: &souk_app::webhooks::Replayed| {
        replayed_response(replayed, replayed.next.as_ref().map(to_cursor))
    });
    let answer = replay_range(&state.tools, &edge.caller, &command, range, respond).await?;
    Ok(answered(answer))
}
