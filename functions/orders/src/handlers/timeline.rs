//! `GET /v1/orders/{id}/timeline`.

use super::order_id;
use crate::OrdersState;
use crate::representation::timeline::timeline_response;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use http::Uri;
use souk_app::{TIMELINE_ENTRIES_PER_PAGE_MAX, order_timeline};
use souk_runtime::answer::to_http;
use souk_runtime::edge_signature::EdgeCaller;
use souk_runtime::problem::Problem;
use souk_runtime::query::Query;

/// `GET /v1/orders/{id}/timeline`: 200 with what happened to the order, in order; a page of it, where
/// that is long.
pub(crate) async fn timeline(
    State(state): State<OrdersState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut query = Query::new(uri.query(), &["limit", "cursor"]);
    let max = TIMELINE_ENTRIES_PER_PAGE_MAX;
    let limit = query.number("limit", 1..=max, max);
    let after: u64 = query.parsed("cursor").unwrap_or(0);
    query.finish()?;
    let page = order_timeline(&state.tools, &edge.caller, order_id(&id)?, after, limit).await?;
    Ok(to_http(timeline_response(&page)))
}
