//! Refunds of payments.

use super::intent_id;
use crate::PaymentsState;
use crate::bodies;
use crate::representation::{refund_response, refunds_response};
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use souk_app::AppError;
use souk_app::payments::{RefundPaymentIntent, get_refund, list_refunds, refund_payment_intent};
use souk_domain::payment::Refund;
use souk_runtime::answer::{answered_and_rung, to_http};
use souk_runtime::edge_signature::EdgeCaller;
use souk_runtime::problem::Problem;
use souk_runtime::request::CommandOn;

/// `POST /v1/payment-intents/{id}/refunds`: 201 with the refund; the same again for the same key.
pub(crate) async fn create(
    State(state): State<PaymentsState>,
    asked: CommandOn,
) -> Result<Response, Problem> {
    let (once, new) = asked.once_with(bodies::new_refund)?;
    let new = new.unwrap_or_default();
    let command = RefundPaymentIntent {
        once,
        intent: intent_id(&asked.id)?,
        amount_minor: new.amount_minor,
        reason: new.reason,
    };
    let caller = &asked.edge.caller;
    let respond = |outcome: Result<&Refund, &AppError>| match outcome {
        Ok(refund) => refund_response(201, refund),
        Err(error) => Problem::from(error).to_stored(caller.request_id),
    };
    let (tools, stripe) = (&state.tools, &state.stripe);
    let answer = refund_payment_intent(tools, stripe, caller, &command, respond).await?;
    Ok(answered_and_rung(state.doorbell.as_deref(), answer).await)
}

/// `GET /v1/payment-intents/{id}/refunds`: 200 with all refunds of the payment, in order.
pub(crate) async fn list(
    State(state): State<PaymentsState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let refunds = list_refunds(&state.tools, &edge.caller, intent_id(&id)?).await?;
    Ok(to_http(refunds_response(&refunds)))
}

/// `GET /v1/refunds/{id}`: 200 with the refund.
pub(crate) async fn read(
    State(state): State<PaymentsState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| AppError::RefundNotFound)?;
    let refund = get_refund(&state.tools, &edge.caller, id).await?;
    Ok(to_http(refund_response(200, &refund)))
}
