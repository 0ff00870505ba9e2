//! Disputes of payments.

use crate::PaymentsState;
use crate::representation::{dispute_response, disputes_response};
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use http::Uri;
use souk_app::AppError;
use souk_app::payments::{PAYMENTS_PER_PAGE_MAX, get_dispute, list_disputes};
use souk_runtime::answer::to_http;
use souk_runtime::edge_signature::EdgeCaller;
use souk_runtime::problem::Problem;
use souk_runtime::query::Query;

/// Disputes on a page, where the client does not say.
const DISPUTES_PER_PAGE_DEFAULT: u8 = 20;

/// `GET /v1/disputes`: 200 with a page of disputes, the newest first.
pub(crate) async fn list(
    State(state): State<PaymentsState>,
    Extension(edge): Extension<EdgeCaller>,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut query = Query::new(uri.query(), &["limit", "cursor"]);
    let limit = query.number(
        "limit",
        1..=PAYMENTS_PER_PAGE_MAX,
        DISPUTES_PER_PAGE_DEFAULT,
    );
    let cursor = query.parsed::<String>("cursor");
    query.finish()?;
    let (tools, caller) = (&state.tools, &edge.caller);
    let page = list_disputes(tools, caller, cursor.as_deref(), limit).await?;
    Ok(to_http(disputes_response(
        &page.disputes,
        page.next_cursor.as_deref(),
    )))
}

/// `GET /v1/disputes/{id}`: 200 with the dispute.
pub(crate) async fn read(
    State(state): State<PaymentsState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| AppError::DisputeNotFound)?;
    let dispute = get_dispute(&state.tools, &edge.caller, id).await?;
    Ok(to_http(dispute_response(&dispute)))
}
