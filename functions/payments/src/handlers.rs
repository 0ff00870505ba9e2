//! Handlers: parse, call the use case, answer.

pub(crate) mod disputes;
pub(crate) mod intents;
pub(crate) mod psp;
pub(crate) mod refunds;

use crate::PaymentsState;
use axum::extract::State;
use http::StatusCode;
use souk_app::AppError;
use souk_domain::PaymentIntentId;
use souk_runtime::problem::Problem;

/// `GET /healthz`: 204 when the database answers, 503 otherwise.
pub(crate) async fn healthz(State(state): State<PaymentsState>) -> Result<StatusCode, Problem> {
    state.tools.db.ping().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An id that cannot be one names nothing: 404, as for a payment of someone else.
fn intent_id(text: &str) -> Result<PaymentIntentId, Problem> {
    text.parse()
        .map_err(|_| AppError::PaymentIntentNotFound.into())
}
