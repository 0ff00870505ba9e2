//! The commands that move an order on. Each answers 200 with the order as it is then, and the same
//! again for the same key.

use super::{answered, order_id, responder};
use crate::OrdersState;
use crate::representation::commands::{cancellation, fulfilment};
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use souk_app::{OrderCommand, cancel_order, complete_order, confirm_order, fulfil_order};
use souk_domain::Fulfilment;
use souk_runtime::conditional::if_match;
use souk_runtime::edge_signature::EdgeCaller;
use souk_runtime::fields::Field;
use souk_runtime::problem::Problem;
use souk_runtime::request::{Command, read_body};

/// `POST /v1/orders/{id}/confirm`.
pub(crate) async fn confirm(
    State(state): State<OrdersState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(id): Path<String>,
    command: Command,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let command = order_command(&id, &command, &headers, None)?;
    let respond = responder(200, edge.caller.request_id);
    let answer = confirm_order(&state.tools, &edge.caller, &command, respond).await?;
    Ok(answered(&state, answer).await)
}

/// `POST /v1/orders/{id}/fulfil`: without a body, all that is left.
pub(crate) async fn fulfil(
    State(state): State<OrdersState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(id): Path<String>,
    command: Command,
    (headers, body): (HeaderMap, Bytes),
) -> Result<Response, Problem> {
    let (json, what) = optional_body(&headers, &body, fulfilment)?;
    let command = order_command(&id, &command, &headers, json.as_ref())?;
    let what = what.unwrap_or(Fulfilment::Rest);
    let respond = responder(200, edge.caller.request_id);
    let answer = fulfil_order(&state.tools, &edge.caller, &command, what, respond).await?;
    Ok(answered(&state, answer).await)
}

/// `POST /v1/orders/{id}/complete`.
pub(crate) async fn complete(
    State(state): State<OrdersState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(id): Path<String>,
    command: Command,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let command = order_command(&id, &command, &headers, None)?;
    let respond = responder(200, edge.caller.request_id);
    let answer = complete_order(&state.tools, &edge.caller, &command, respond).await?;
    Ok(answered(&state, answer).await)
}

/// `POST /v1/orders/{id}/cancel`: with or without a reason.
pub(crate) async fn cancel(
    State(state): State<OrdersState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(id): Path<String>,
    command: Command,
    (headers, body): (HeaderMap, Bytes),
) -> Result<Response, Problem> {
    let (json, cancellation) = optional_body(&headers, &body, cancellation)?;
    let command = order_command(&id, &command, &headers, json.as_ref())?;
    let reason = cancellation.and_then(|given| given.reason);
    let respond = responder(200, edge.caller.request_id);
    let answer = cancel_order(&state.tools, &edge.caller, &command, reason, respond).await?;
    Ok(answered(&state, answer).await)
}

/// What the path, the key and `If-Match` say: 400 where the last cannot be read, 404 for an id that
/// cannot be one.
fn order_command(
    id: &str,
    command: &Command,
    headers: &HeaderMap,
    json: Option<&serde_json::Value>,
) -> Result<OrderCommand, Problem> {
    let expected = if_match(headers)?;
    let on_any_version = OrderCommand::on(order_id(id)?, command.once(json)?);
    Ok(OrderCommand {
        expected,
        ..on_any_version
    })
}

/// A body that may be left out: its JSON, and what `read` makes of it.
fn optional_body<T>(
    headers: &HeaderMap,
    body: &Bytes,
    read: impl FnOnce(&Field<'_>) -> Option<T>,
) -> Result<(Option<serde_json::Value>, Option<T>), Problem> {
    if body.is_empty() {
        return Ok((None, None));
    }
    let body = read_body(headers, body, read)?;
    Ok((Some(body.json), Some(body.value)))
}
