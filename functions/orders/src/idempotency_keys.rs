//! `GET /v1/idempotency-keys/{key}`: what became of a request whose answer got lost.

use crate::OrdersState;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use souk_app::{AppError, KeyReport, look_up_key};
use souk_domain::{IdempotencyKey, Timestamp};
use souk_runtime::answer::{json_response, to_http};
use souk_runtime::edge_signature::EdgeCaller;
use souk_runtime::problem::Problem;
use utoipa::ToSchema;

/// What is known of an idempotency key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IdempotencyKeyReport)]
struct KeyReportJson<'a> {
    /// The key, without quotes.
    key: &'a str,
    status: KeyStatus,
    /// The operation that it was first used for, by its name.
    operation: &'a str,
    /// The resource that was made or changed, once that is known.
    resource_id: Option<&'a str>,
    /// The status that was answered, once it is finished.
    response_status: Option<u16>,
    /// How far it has come; `finished` in the end.
    recovery_point: &'a str,
    /// When the key was first used.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Until when the key gives the same answer.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Whether the request still runs.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = IdempotencyKeyStatus)]
enum KeyStatus {
    /// It does, or has broken off: the next repetition takes it up again.
    InFlight,
    /// It has ended, and its answer is stored.
    Finished,
}

#[utoipa::path(
    get,
    path = "/v1/idempotency-keys/{key}",
    summary = "What became of a request",
    description = "For a client that did not get its answer: whether the request with this key ran, and \
        which resource it made or changed.",
    params(("key" = String, Path, description = "The key without quotes; or `=` and the key in base64url \
        (RFC 4648, section 5, without padding), for keys with characters that no path has.",
        example = "8e03978e-40d5-43dd-bc93-6894a57f9324")),
    responses((
        status = 200,
        description = "What is known of the caller's own key",
        body = KeyReportJson<'static>,
        example = json!({
            "key": "8e03978e-40d5-43dd-bc93-6894a57f9324",
            "status": "finished",
            "operation": "place_order",
            "resource_id": "ord_0197c0de8f2b7c3a9d4e5f6071829304",
            "response_status": 201,
            "recovery_point": "finished",
            "created_at": "2026-11-21T08:00:00Z",
            "expires_at": "2026-11-22T08:00:00Z",
        }),
    )),
)]
/// `GET /v1/idempotency-keys/{key}`: 200 with what is known of the caller's own key; 404.
pub(crate) async fn read(
    State(state): State<OrdersState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(segment): Path<String>,
) -> Result<Response, Problem> {
    let key = key_of(&segment).ok_or(AppError::KeyUnknown)?;
    let report = look_up_key(&state.tools, &edge.caller, &key).await?;
    let mut response = json_response(200, &to_json(&key, &report));
    let no_store = ("cache-control".to_owned(), "no-store".to_owned());
    response.headers.extend([no_store]);
    Ok(to_http(response))
}

/// The key as it is, or after `=` in base64url (RFC 4648, section 5, unpadded): a key can have
/// characters that no path has.
fn key_of(segment: &str) -> Option<IdempotencyKey> {
    let Some(encoded) = segment.strip_prefix('=') else {
        return IdempotencyKey::parse(segment).ok();
    };
    let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
    let key = String::from_utf8(bytes).ok()?;
    let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
    IdempotencyKey::parse(&quoted).ok()
}

fn to_json<'a>(key: &'a IdempotencyKey, report: &'a KeyReport) -> KeyReportJson<'a> {
    KeyReportJson {
        key: key.as_str(),
        status: match report.finished_at {
            Some(_) => KeyStatus::Finished,
            None => KeyStatus::InFlight,
        },
        operation: &report.first_use.operation,
        resource_id: report.first_use.resource_id.as_deref(),
        response_status: report.response_status,
        recovery_point: &report.recovery_point,
        created_at: report.first_use.created_at,
        expires_at: report.first_use.expires_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_key_can_be_asked_for() {
        let named = |segment: &str| key_of(segment).map(|key| key.as_str().to_owned());
        assert_eq!(named("k-1").as_deref(), Some("k-1"));
        for key in ["a/b", "a, b", "=", "\"quoted\\\"", "100 %"] {
            let segment = format!("={}", URL_SAFE_NO_PAD.encode(key));
            assert_eq!(named(&segment).as_deref(), Some(key));
        }
        for bad in ["", "=", "=*", "=AA", "=_w", &"k".repeat(256)] {
            assert_eq!(key_of(bad), None, "{bad}");
        }
    }
}
