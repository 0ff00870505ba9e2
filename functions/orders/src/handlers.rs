//! Handlers: parse, call the use case, answer.

pub(crate) mod lifecycle;
pub(crate) mod list;
pub(crate) mod timeline;

use crate::OrdersState;
use crate::representation::{new_order, order_response};
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use souk_app::{Answer, AppError, OrderWish, StoredResponse, get_order, place_order};
use souk_domain::{Order, OrderId};
use souk_runtime::answer::answered_and_rung;
use souk_runtime::conditional::unless_none_match;
use souk_runtime::edge_signature::EdgeCaller;
use souk_runtime::problem::Problem;
use souk_runtime::request::{Command, read_body};

/// `POST /v1/orders`: 201 with the order; the same again for the same key.
pub(crate) async fn create(
    State(state): State<OrdersState>,
    Extension(edge): Extension<EdgeCaller>,
    command: Command,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let body = read_body(&headers, &body, new_order)?;
    let once = command.once(Some(&body.json))?;
    let respond = responder(201, &edge);
    let (request, quote) = body.value;
    let wish = OrderWish::new(request, quote, &state.quote_keys);
    let answer = place_order(&state.tools, &edge.caller, &once, wish, respond).await?;
    Ok(answered(&state, answer).await)
}

/// `GET /v1/orders/{id}`: 200 with the order, or 304 where the client has it in this version.
pub(crate) async fn read(
    State(state): State<OrdersState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let order = get_order(&state.tools, &edge.caller, order_id(&id)?).await?;
    let mut response = order_response(200, &order);
    let revalidate = "private, no-cache".to_owned();
    response
        .headers
        .insert("cache-control".to_owned(), revalidate);
    unless_none_match(&headers, response)
}

/// `GET /healthz`: 204 when the database answers, 503 otherwise.
pub(crate) async fn healthz(State(state): State<OrdersState>) -> Result<StatusCode, Problem> {
    state.tools.db.ping().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The answer to a command on an order: the order, or why it was refused.
fn responder(
    status: u16,
    edge: &EdgeCaller,
) -> impl Fn(Result<&Order, &AppError>) -> StoredResponse + Send + Sync + use<> {
    let request_id = edge.caller.request_id;
    move |outcome| match outcome {
        Ok(order) => order_response(status, order),
        Err(error) => Problem::from(error).to_stored(request_id),
    }
}

/// An id that cannot be one names nothing: 404, as for an order of someone else.
fn order_id(text: &str) -> Result<OrderId, Problem> {
    text.parse().map_err(|_| AppError::OrderNotFound.into())
}

/// Answers a command: rings for its event when it had an effect, and tells a replay apart.
async fn answered(state: &OrdersState, answer: Answer) -> Response {
    answered_and_rung(state.doorbell.as_deref(), answer).await
}
