//! Answering: what a use case returns, as HTTP.

use crate::doorbell::Doorbell;
use crate::problem::{Code, Problem};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use serde::Serialize;
use souk_app::{Answer, StoredResponse};
use std::collections::BTreeMap;

static REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
static CONSISTENCY: HeaderName = HeaderName::from_static("souk-consistency");
static KEY_EXPIRES: HeaderName = HeaderName::from_static("idempotency-key-expires");

/// `value` as a JSON answer.
pub fn json_response(status: u16, value: &impl Serialize) -> StoredResponse {
    let content_type = ("content-type".to_owned(), "application/json".to_owned());
    StoredResponse {
        status,
        headers: BTreeMap::from([content_type]),
        // Serialising structs of strings and integers into memory cannot fail.
        body: serde_json::to_vec(value).unwrap_or_default(),
    }
}

/// The answer to a keyed command that may have told an event: rings for it when it had an effect.
pub async fn answered_and_rung(doorbell: Option<&Doorbell>, answer: Answer) -> Response {
    if !answer.replayed
        && let Some(doorbell) = doorbell
    {
        doorbell.ring().await;
    }
    answered(answer)
}

/// The answer to a keyed command: tells a replay apart, until when the key stands for it, and what a
/// reader needs to see its effect.
pub fn answered(answer: Answer) -> Response {
    let mut response = to_http(answer.response);
    let headers = response.headers_mut();
    if answer.replayed {
        headers.insert(REPLAYED.clone(), HeaderValue::from_static("true"));
    }
    let token = answer.consistency.map(|token| token.to_string());
    if let Some(Ok(token)) = token.map(|text| HeaderValue::from_str(&text)) {
        headers.insert(CONSISTENCY.clone(), token);
    }
    if let Ok(expires) = HeaderValue::from_str(&answer.expires_at.to_string()) {
        headers.insert(KEY_EXPIRES.clone(), expires);
    }
    response
}

/// Status, headers and body as they are.
pub fn to_http(stored: StoredResponse) -> Response {
    let status = StatusCode::from_u16(stored.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, stored.body).into_response();
    for (name, value) in stored.headers {
        let header = HeaderName::try_from(name)
            .ok()
            .zip(HeaderValue::try_from(value).ok());
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The fallback of a router: 404.
#[allow(clippy::unused_async, reason = "axum's handlers are async")]
pub async fn no_such_route() -> Problem {
    Problem::new(Code::RouteNotFound, "see the API's description")
}

/// The fallback of a route: 405.
#[allow(clippy::unused_async, reason = "axum's handlers are async")]
pub async fn method_not_allowed() -> Problem {
    Problem::new(
        Code::MethodNotAllowed,
        "the route has other methods; see the Allow header",
    )
}
