//! Variants.

use super::{audience, path_part, put_status, responder};
use crate::representation::sku_response;
use crate::{CatalogState, bodies, freshness};
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use souk_app::{
    Audience, CatalogRefusal, Offer, StoredResponse, archive_sku, get_sku as get, put_sku as put,
};
use souk_domain::{Sku, Timestamp};
use souk_runtime::answer::answered;
use souk_runtime::conditional::{if_match, unless_none_match};
use souk_runtime::edge_signature::EdgeCaller;
use souk_runtime::problem::Problem;
use souk_runtime::request::{Command, read_body};

/// `GET /v1/skus/{sku}`: 200 with the variant, its prices of the moment, and whether it is in stock.
pub(crate) async fn get_sku(
    State(state): State<CatalogState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(sku): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let sku = sku.parse().map_err(|_| not_found())?;
    let audience = audience(&edge);
    let offer = get(&state.tools, &edge.caller, &sku, audience).await?;
    let response = offered(200, &offer, audience, state.tools.clock.now());
    unless_none_match(&headers, response)
}

/// `PUT /v1/skus/{sku}`: 201 with a new variant, 200 with a changed one.
pub(crate) async fn put_sku(
    State(state): State<CatalogState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(sku): Path<String>,
    command: Command,
    (headers, body): (HeaderMap, Bytes),
) -> Result<Response, Problem> {
    let (sku, expected) = (path_part::<Sku>(&sku)?, if_match(&headers)?);
    let body = read_body(&headers, &body, bodies::variant)?;
    let once = command.once(Some(&body.json))?;
    let now = state.tools.clock.now();
    let respond = responder(&edge, move |offer: &Offer| {
        let status = put_status(offer.variant.version);
        offered(status, offer, Audience::Shop, now)
    });
    let content = (sku, expected, body.value);
    let answer = put(&state.tools, &edge.caller, &once, content, respond).await?;
    Ok(answered(answer))
}

/// `DELETE /v1/skus/{sku}`: 200 with the variant, archived.
pub(crate) async fn delete_sku(
    State(state): State<CatalogState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(sku): Path<String>,
    command: Command,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let sku = sku.parse().map_err(|_| not_found())?;
    let target = (sku, if_match(&headers)?);
    let once = command.once(None)?;
    let now = state.tools.clock.now();
    let respond = responder(&edge, move |offer: &Offer| {
        offered(200, offer, Audience::Shop, now)
    });
    let answer = archive_sku(&state.tools, &edge.caller, &once, target, respond).await?;
    Ok(answered(answer))
}

fn offered(status: u16, offer: &Offer, audience: Audience, now: Timestamp) -> StoredResponse {
    let version = Some(offer.variant.version);
    let times = (now, offer.next_price_change(now));
    freshness::mark(sku_response(status, offer, now), version, audience, times)
}

fn not_found() -> Problem {
    Problem::from(&CatalogRefusal::SkuNotFound)
}
