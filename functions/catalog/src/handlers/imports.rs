//! Imports.

use super::responder;
use crate::representation::import_response;
use crate::{CatalogState, bodies};
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use souk_app::import_catalog as import;
use souk_runtime::answer::answered;
use souk_runtime::edge_signature::EdgeCaller;
use souk_runtime::problem::Problem;
use souk_runtime::request::{Command, read_body};

/// `POST /v1/catalog-imports`: 200 with what became of each row.
pub(crate) async fn import_catalog(
    State(state): State<CatalogState>,
    Extension(edge): Extension<EdgeCaller>,
    command: Command,
    (headers, body): (HeaderMap, Bytes),
) -> Result<Response, Problem> {
    let body = read_body(&headers, &body, bodies::import)?;
    let once = command.once(Some(&body.json))?;
    let respond = responder(&edge, import_response);
    let answer = import(&state.tools, &edge.caller, &once, body.value, respond).await?;
    Ok(answered(answer))
}
