//! Endpoints.

use super::{endpoint_command, endpoint_id, from_cursor, responder, to_cursor};
use crate::representation::{endpoint_response, endpoint_view_response, page_response};
use crate::{WebhooksState, bodies};
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Uri};
use souk_app::webhooks::{
    ENDPOINTS_PER_PAGE_MAX, delete_endpoint as delete, disable_endpoint as disable,
    enable_endpoint as enable, get_endpoint as get, list_endpoints as list, put_endpoint as put,
};
use souk_runtime::answer::{answered, to_http};
use souk_runtime::edge_signature::EdgeCaller;
use souk_runtime::problem::Problem;
use souk_runtime::query::Query;
use souk_runtime::request::{Command, read_body};

/// Endpoints on a page where the client does not say.
const PER_PAGE_DEFAULT: u8 = 20;

/// `GET /v1/webhook-endpoints`: 200 with a page of endpoints.
pub(crate) async fn list_endpoints(
    State(state): State<WebhooksState>,
    Extension(edge): Extension<EdgeCaller>,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut query = Query::new(uri.query(), &["limit", "cursor"]);
    let limit = query.number("limit", 1..=ENDPOINTS_PER_PAGE_MAX, PER_PAGE_DEFAULT);
    let cursor = query.parsed::<String>("cursor");
    query.finish()?;
    let after = cursor.map(|cursor| from_cursor(&cursor)).transpose()?;
    let page = list(&state.tools, &edge.caller, after, limit).await?;
    let next = page.next.as_ref().map(to_cursor);
    Ok(to_http(page_response(&page, next)))
}

/// `GET /v1/webhook-endpoints/{id}`: 200 with the endpoint.
pub(crate) async fn get_endpoint(
    State(state): State<WebhooksState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let view = get(&state.tools, &edge.caller, endpoint_id(&id)?).await?;
    Ok(to_http(endpoint_view_response(&view)))
}

/// `PUT /v1/webhook-endpoints/{id}`: 200 with the endpoint as it is now.
pub(crate) async fn put_endpoint(
    State(state): State<WebhooksState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(id): Path<String>,
    command: Command,
    (headers, body): (HeaderMap, Bytes),
) -> Result<Response, Problem> {
    let body = read_body(&headers, &body, |body| bodies::endpoint(body, &state.rules))?;
    let command = endpoint_command(&id, &command, &headers, Some(&body.json))?;
    let respond = responder(&edge, endpoint_response);
    let answer = put(&state.tools, &edge.caller, &command, body.value, respond).await?;
    Ok(answered(answer))
}

/// `POST /v1/webhook-endpoints/{id}/enable`: 200 with the endpoint as it is now.
pub(crate) async fn enable_endpoint(
    State(state): State<WebhooksState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(id): Path<String>,
    command: Command,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let command = endpoint_command(&id, &command, &headers, None)?;
    let respond = responder(&edge, endpoint_response);
    let answer = enable(&state.tools, &edge.caller, &command, respond).await?;
    Ok(answered(answer))
}

/// `POST /v1/webhook-endpoints/{id}/disable`: 200 with the endpoint as it is now.
pub(crate) async fn disable_endpoint(
    State(state): State<WebhooksState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(id): Path<String>,
    command: Command,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let command = endpoint_command(&id, &command, &headers, None)?;
    let respond = responder(&edge, endpoint_response);
    let answer = disable(&state.tools, &edge.caller, &command, respond).await?;
    Ok(answered(answer))
}

/// `DELETE /v1/webhook-endpoints/{id}`: 200 with the endpoint as it was.
pub(crate) async fn delete_endpoint(
    State(state): State<WebhooksState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(id): Path<String>,
    command: Command,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let command = endpoint_command(&id, &command, &headers, None)?;
    let respond = responder(&edge, endpoint_response);
    let answer = delete(&state.tools, &edge.caller, &command, respond).await?;
    Ok(answered(answer))
}
