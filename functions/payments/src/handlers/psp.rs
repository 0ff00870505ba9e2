//! What the payment service provider tells.

use crate::PaymentsState;
use axum::Extension;
use axum::extract::{Path, State};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use souk_app::payments::receive_provider_event;
use souk_runtime::edge_signature::EdgeCaller;
use souk_runtime::problem::{Code, Problem};

/// `POST /v1/psp/stripe/{tenant}`: 204 when what the event says is written down, or was before; 400
/// where Stripe has not signed it. The edge has found the tenant by the path; that it is the same is
/// checked here once more.
pub(crate) async fn stripe_event(
    State(state): State<PaymentsState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let caller = &edge.caller;
    if tenant != caller.tenant.to_string() {
        let detail = "the path names another tenant";
        return Err(Problem::new(Code::RouteNotFound, detail));
    }
    let now = state.tools.clock.now();
    let event = state
        .stripe
        .verified_event(caller.tenant, &headers, &body, now);
    let event = event.map_err(|error| {
        tracing::warn!(request.id = %caller.request_id, reason = %error, "an event of the provider is refused");
        Problem::new(Code::PspSignatureInvalid, error.to_string())
    })?;
    let (tools, stripe) = (&state.tools, &state.stripe);
    let received = receive_provider_event(tools, stripe, caller.tenant, &event).await?;
    tracing::info!(
        request.id = %caller.request_id,
        event.id = event.id,
        event.kind = event.kind,
        received = ?received,
        "an event of the provider is written down"
    );
    if let Some(doorbell) = &state.doorbell {
        doorbell.ring().await;
    }
    Ok(StatusCode::NO_CONTENT)
}
