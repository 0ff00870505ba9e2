//! Stock.

use super::{path_part, responder};
use crate::representation::{location_response, stock_response};
use crate::{CatalogState, bodies, freshness};
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use souk_app::{CatalogRefusal, LocationStock, get_stock as get, put_stock as put};
use souk_domain::Sku;
use souk_domain::catalog::Location;
use souk_runtime::answer::{answered, to_http};
use souk_runtime::edge_signature::EdgeCaller;
use souk_runtime::problem::Problem;
use souk_runtime::request::{Command, read_body};

/// `GET /v1/skus/{sku}/stock`: 200 with the units, summed and by location.
pub(crate) async fn get_stock(
    State(state): State<CatalogState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(sku): Path<String>,
) -> Result<Response, Problem> {
    let sku: Sku = sku
        .parse()
        .map_err(|_| Problem::from(&CatalogRefusal::SkuNotFound))?;
    let locations = get(&state.tools, &edge.caller, &sku).await?;
    Ok(to_http(freshness::never_kept(stock_response(
        &sku, &locations,
    ))))
}

/// `PUT /v1/skus/{sku}/stock/{location}`: 200 with the location as it is now.
pub(crate) async fn put_stock(
    State(state): State<CatalogState>,
    Extension(edge): Extension<EdgeCaller>,
    Path((sku, location)): Path<(String, String)>,
    command: Command,
    (headers, body): (HeaderMap, Bytes),
) -> Result<Response, Problem> {
    let (sku, location) = (path_part::<Sku>(&sku)?, path_part::<Location>(&location)?);
    let body = read_body(&headers, &body, bodies::stock)?;
    let once = command.once(Some(&body.json))?;
    let respond = responder(&edge, |stock: &LocationStock| {
        freshness::never_kept(location_response(stock))
    });
    let count = (sku, location, body.value);
    let answer = put(&state.tools, &edge.caller, &once, count, respond).await?;
    Ok(answered(answer))
}
