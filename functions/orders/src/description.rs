//! The API's description, and the pages that the `type` of a problem leads to.

use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use souk_runtime::problem::{Code, Problem};

/// `docs/openapi.json`: what this version of Souk serves, of all its functions.
const OPENAPI: &str = include_str!("../../../docs/openapi.json");
/// An hour: a page or a description changes with a release at most.
const CACHEABLE: &str = "public, max-age=3600";

// `PAGES: &[(&str, &str)]`, by name: what `docs/problems` holds.
include!(concat!(env!("OUT_DIR"), "/problem_pages.rs"));

#[utoipa::path(
    get,
    path = "/openapi.json",
    summary = "This description",
    responses((
        status = 200,
        description = "An OpenAPI 3.1 document",
        body = serde_json::Value,
        example = json!({ "openapi": "3.1.0", "info": { "title": "Souk", "version": "1" }, "paths": {} }),
    )),
)]
/// `GET /openapi.json`: 200 with the description of the API.
pub(crate) async fn openapi() -> Response {
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, CACHEABLE),
    ];
    (headers, OPENAPI).into_response()
}

#[utoipa::path(
    get,
    path = "/problems/{code}",
    summary = "What a problem means and what to do",
    params(("code" = String, Path, description = "A problem's code, with hyphens", example = "order-not-found")),
    responses((
        status = 200,
        description = "The page of the problem",
        body = String,
        content_type = "text/markdown",
        example = "# `order_not_found`\n…",
    )),
)]
/// `GET /problems/{code}`: 200 with the page of a problem; 404.
pub(crate) async fn problem_page(Path(name): Path<String>) -> Result<Response, Problem> {
    let page = PAGES.iter().find(|(own, _)| *own == name);
    let Some((_, text)) = page else {
        let detail = "there is no problem of this name";
        return Err(Problem::new(Code::RouteNotFound, detail));
    };
    let headers = [
        (CONTENT_TYPE, "text/markdown; charset=utf-8"),
        (CACHE_CONTROL, CACHEABLE),
    ];
    Ok((headers, *text).into_response())
}
