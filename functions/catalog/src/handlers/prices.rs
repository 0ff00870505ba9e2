//! Prices.

use super::{audience, path_part, responder};
use crate::representation::prices_response;
use crate::{CatalogState, bodies, freshness};
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use souk_app::{Audience, CatalogRefusal, get_prices as get, put_prices as put};
use souk_domain::catalog::PriceSchedule;
use souk_domain::{Currency, Sku};
use souk_runtime::answer::answered;
use souk_runtime::conditional::unless_none_match;
use souk_runtime::edge_signature::EdgeCaller;
use souk_runtime::problem::Problem;
use souk_runtime::request::{Command, read_body};

/// `GET /v1/skus/{sku}/prices/{currency}`: 200 with the prices.
pub(crate) async fn get_prices(
    State(state): State<CatalogState>,
    Extension(edge): Extension<EdgeCaller>,
    Path((sku, currency)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let sku: Sku = sku
        .parse()
        .map_err(|_| Problem::from(&CatalogRefusal::SkuNotFound))?;
    let currency: Currency = path_part(&currency)?;
    let audience = audience(&edge);
    let schedule = get(&state.tools, &edge.caller, &sku, currency, audience).await?;
    let now = state.tools.clock.now();
    let response = prices_response(&sku, &schedule, audience, now);
    let times = (now, schedule.next_change(now));
    unless_none_match(&headers, freshness::mark(response, None, audience, times))
}

/// `PUT /v1/skus/{sku}/prices/{currency}`: 200 with all prices, as they are now.
pub(crate) async fn put_prices(
    State(state): State<CatalogState>,
    Extension(edge): Extension<EdgeCaller>,
    Path((sku, currency)): Path<(String, String)>,
    command: Command,
    (headers, body): (HeaderMap, Bytes),
) -> Result<Response, Problem> {
    let sku: Sku = path_part(&sku)?;
    let currency: Currency = path_part(&currency)?;
    let body = read_body(&headers, &body, |body| bodies::prices(body, currency))?;
    let once = command.once(Some(&body.json))?;
    let (named, now) = (sku.clone(), state.tools.clock.now());
    let respond = responder(&edge, move |schedule: &PriceSchedule| {
        let response = prices_response(&named, schedule, Audience::Shop, now);
        freshness::mark(response, None, Audience::Shop, (now, None))
    });
    let answer = put(
        &state.tools,
        &edge.caller,
        &once,
        (sku, body.value),
        respond,
    )
    .await?;
    Ok(answered(answer))
}
