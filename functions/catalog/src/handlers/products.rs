//! Products.

use super::{audience, path_part, put_status, responder};
use crate::representation::{page_response, product_offer_response, product_response};
use crate::{CatalogState, bodies, freshness};
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, Uri};
use souk_app::{
    Audience, CatalogRefusal, Offer, PRODUCTS_PER_PAGE_MAX, archive_product, get_product as get,
    list_products as list, put_product as put,
};
use souk_domain::Timestamp;
use souk_domain::catalog::{Product, ProductCode};
use souk_runtime::answer::answered;
use souk_runtime::conditional::{if_match, unless_none_match};
use souk_runtime::edge_signature::EdgeCaller;
use souk_runtime::problem::{Code, Problem};
use souk_runtime::query::Query;
use souk_runtime::request::{Command, read_body};

/// Products on a page where the client does not say.
const PER_PAGE_DEFAULT: u8 = 20;

/// `GET /v1/products`: 200 with a page of products.
pub(crate) async fn list_products(
    State(state): State<CatalogState>,
    Extension(edge): Extension<EdgeCaller>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut query = Query::new(uri.query(), &["limit", "cursor"]);
    let limit = query.number("limit", 1..=PRODUCTS_PER_PAGE_MAX, PER_PAGE_DEFAULT);
    let cursor = query.parsed::<String>("cursor");
    query.finish()?;
    let after = cursor.map(|cursor| from_cursor(&cursor)).transpose()?;
    let audience = audience(&edge);
    let page = list(&state.tools, &edge.caller, after.as_ref(), audience, limit).await?;
    let response = page_response(&page, page.next.as_ref().map(to_cursor));
    let times = (state.tools.clock.now(), None);
    unless_none_match(&headers, freshness::mark(response, None, audience, times))
}

/// `GET /v1/products/{code}`: 200 with the product and its first variants.
pub(crate) async fn get_product(
    State(state): State<CatalogState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(code): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let code = code.parse().map_err(|_| not_found())?;
    let audience = audience(&edge);
    let offer = get(&state.tools, &edge.caller, &code, audience).await?;
    let now = state.tools.clock.now();
    let next = next_change(&offer.variants, now);
    let response = product_offer_response(&offer, now);
    let version = Some(offer.product.version);
    let response = freshness::mark(response, version, audience, (now, next));
    unless_none_match(&headers, response)
}

/// `PUT /v1/products/{code}`: 201 with a new product, 200 with a changed one.
pub(crate) async fn put_product(
    State(state): State<CatalogState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(code): Path<String>,
    command: Command,
    (headers, body): (HeaderMap, Bytes),
) -> Result<Response, Problem> {
    let (code, expected) = (path_part::<ProductCode>(&code)?, if_match(&headers)?);
    let body = read_body(&headers, &body, bodies::product)?;
    let once = command.once(Some(&body.json))?;
    let respond = responder(&edge, answer(state.tools.clock.now()));
    let content = (code, expected, body.value);
    let answer = put(&state.tools, &edge.caller, &once, content, respond).await?;
    Ok(answered(answer))
}

/// `DELETE /v1/products/{code}`: 200 with the product, archived with its variants.
pub(crate) async fn delete_product(
    State(state): State<CatalogState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(code): Path<String>,
    command: Command,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let code = code.parse().map_err(|_| not_found())?;
    let target = (code, if_match(&headers)?);
    let once = command.once(None)?;
    let now = state.tools.clock.now();
    let respond = responder(&edge, move |product: &Product| {
        let times = (now, None);
        let version = Some(product.version);
        freshness::mark(
            product_response(200, product),
            version,
            Audience::Shop,
            times,
        )
    });
    let answer = archive_product(&state.tools, &edge.caller, &once, target, respond).await?;
    Ok(answered(answer))
}

fn answer(now: Timestamp) -> impl Fn(&Product) -> souk_app::StoredResponse + Send + Sync {
    move |product| {
        let response = product_response(put_status(product.version), product);
        freshness::mark(response, Some(product.version), Audience::Shop, (now, None))
    }
}

fn next_change(variants: &[Offer], now: Timestamp) -> Option<Timestamp> {
    let changes = variants
        .iter()
        .filter_map(|offer| offer.next_price_change(now));
    changes.min()
}

fn not_found() -> Problem {
    Problem::from(&CatalogRefusal::ProductNotFound)
}

fn to_cursor(after: &ProductCode) -> String {
    URL_SAFE_NO_PAD.encode(after.as_str())
}

fn from_cursor(cursor: &str) -> Result<ProductCode, Problem> {
    let invalid = || {
        Problem::new(
            Code::CursorInvalid,
            "give next_cursor of the page before as it is",
        )
    };
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
    let code = core::str::from_utf8(&bytes).map_err(|_| invalid())?;
    code.parse().map_err(|_| invalid())
}
