//! The catalog function: products, skus, prices and stock behind the edge.

use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use http::StatusCode;
use souk_app::Tools;
use souk_runtime::answer::{method_not_allowed, no_such_route};
use souk_runtime::edge_signature::{EdgeGuard, require_edge_signature};
use souk_runtime::problem::Problem;

/// What the handlers work with, built once a process.
#[derive(Debug, Clone)]
pub struct CatalogState {
    /// For the use cases.
    pub tools: Tools,
}

/// All routes. Everything under `/v1` needs the edge's signature; `/healthz` does not.
pub fn router(state: CatalogState, guard: EdgeGuard) -> Router {
    let signed = Router::new()
        .fallback(no_such_route)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(guard, require_edge_signature))
        .with_state(state.clone());
    Router::new()
        .route("/healthz", get(healthz).fallback(method_not_allowed))
        .with_state(state)
        .merge(signed)
}

/// `GET /healthz`: 204 when the database answers, 503 otherwise.
async fn healthz(State(state): State<CatalogState>) -> Result<StatusCode, Problem> {
    state.tools.db.ping().await?;
    Ok(StatusCode::NO_CONTENT)
}
