//! What makes a secret, and shows it this one time.

use super::{endpoint_command, responder};
use crate::representation::{created_response, rotated_response};
use crate::reveal::reveal;
use crate::{WebhooksState, bodies};
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use souk_app::webhooks::{create_endpoint as create, rotate_secret as rotate};
use souk_runtime::answer::answered;
use souk_runtime::edge_signature::EdgeCaller;
use souk_runtime::problem::Problem;
use souk_runtime::request::{Command, read_body};

/// `POST /v1/webhook-endpoints`: 201 with the endpoint and its secret.
pub(crate) async fn create_endpoint(
    State(state): State<WebhooksState>,
    Extension(edge): Extension<EdgeCaller>,
    command: Command,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let body = read_body(&headers, &body, |body| bodies::endpoint(body, &state.rules))?;
    let once = command.once(Some(&body.json))?;
    let respond = responder(&edge, created_response);
    let wish = (&once, body.value);
    let answer = create(&state.tools, &state.keys, &edge.caller, wish, respond).await?;
    Ok(answered(reveal(answer, &state.keys, edge.caller.tenant)?))
}

/// `POST /v1/webhook-endpoints/{id}/rotate-secret`: 200 with the new secret.
pub(crate) async fn rotate_secret(
    State(state): State<WebhooksState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(id): Path<String>,
    command: Command,
    (headers, body): (HeaderMap, Bytes),
) -> Result<Response, Problem> {
    let body = read_body(&headers, &body, bodies::rotation)?;
    let command = endpoint_command(&id, &command, &headers, Some(&body.json))?;
    let respond = responder(&edge, rotated_response);
    let wish = (&command, body.value);
    let answer = rotate(&state.tools, &state.keys, &edge.caller, wish, respond).await?;
    Ok(answered(reveal(answer, &state.keys, edge.caller.tenant)?))
}
