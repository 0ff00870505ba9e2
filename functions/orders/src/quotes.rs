//! What an order would cost.

use crate::OrdersState;
use crate::representation::order_request;
use crate::totals::{AmountsJson, PricedLineJson};
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use serde::Serialize;
use souk_app::{Quote, StoredResponse, quote_order};
use souk_domain::pricing::CountryCode;
use souk_domain::{OrderRequest, Timestamp};
use souk_runtime::answer::{json_response, to_http};
use souk_runtime::edge_signature::EdgeCaller;
use souk_runtime::problem::Problem;
use souk_runtime::request::read_body;

/// `POST /v1/quotes`: 200 with the numbers that the order will have, and the quote that fixes them.
pub(crate) async fn create(
    State(state): State<OrdersState>,
    Extension(edge): Extension<EdgeCaller>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let request = read_body(&headers, &body, order_request)?.value;
    let quote = quote_order(&state.tools, &edge.caller, &state.quote_keys, &request).await?;
    Ok(to_http(quote_response(&request, &quote)))
}

#[derive(Serialize)]
struct QuoteJson<'a> {
    quote: &'a str,
    expires_at: Timestamp,
    #[serde(flatten)]
    amounts: AmountsJson<'a>,
    shipping_country: Option<CountryCode>,
    lines: Vec<PricedLineJson<'a>>,
}

fn quote_response(request: &OrderRequest, quote: &Quote) -> StoredResponse {
    let totals = &quote.totals;
    let json = QuoteJson {
        quote: &quote.token,
        expires_at: quote.expires_at,
        amounts: AmountsJson::from(totals),
        shipping_country: request.shipping_country(),
        lines: totals.lines.iter().map(PricedLineJson::from).collect(),
    };
    let mut response = json_response(200, &json);
    // It is of one buyer, and of now.
    let header = ("cache-control".to_owned(), "no-store".to_owned());
    response.headers.extend([header]);
    response
}
