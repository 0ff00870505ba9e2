//! `GET /v1/orders`.

use crate::OrdersState;
use crate::representation::list_response;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::Uri;
use souk_app::{ORDERS_PER_PAGE_MAX, list_orders};
use souk_domain::OrderFilter;
use souk_runtime::answer::to_http;
use souk_runtime::edge_signature::EdgeCaller;
use souk_runtime::problem::Problem;
use souk_runtime::query::Query;

/// Orders on a page, where the client does not say.
const ORDERS_PER_PAGE_DEFAULT: u8 = 20;
const PARAMETERS: [&str; 6] = [
    "limit",
    "cursor",
    "status",
    "customer_reference",
    "placed_from",
    "placed_before",
];

/// `GET /v1/orders`: 200 with a page of orders, the newest first.
pub(crate) async fn list(
    State(state): State<OrdersState>,
    Extension(edge): Extension<EdgeCaller>,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut query = Query::new(uri.query(), &PARAMETERS);
    let limit = query.number("limit", 1..=ORDERS_PER_PAGE_MAX, ORDERS_PER_PAGE_DEFAULT);
    let cursor = query.parsed::<String>("cursor");
    let filter = OrderFilter {
        status: query.parsed("status"),
        customer_reference: query.parsed("customer_reference"),
        placed_from: query.parsed("placed_from"),
        placed_before: query.parsed("placed_before"),
    };
    query.finish()?;
    let page = list_orders(
        &state.tools,
        &edge.caller,
        &filter,
        cursor.as_deref(),
        limit,
    )
    .await?;
    Ok(to_http(list_response(&page)))
}
