//! The orders function: `/v1/orders` behind the edge.

mod handlers;
mod representation;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use souk_app::Tools;
use souk_runtime::answer::{method_not_allowed, no_such_route};
use souk_runtime::doorbell::Doorbell;
use souk_runtime::edge_signature::{EdgeGuard, require_edge_signature};
use std::sync::Arc;

/// What the handlers work with, built once a process.
#[derive(Debug, Clone)]
pub struct OrdersState {
    /// For the use cases.
    pub tools: Tools,
    /// Wakes the relay after an effect; none where the sweep is enough.
    pub doorbell: Option<Arc<Doorbell>>,
}

/// All routes. Everything under `/v1` needs the edge's signature; `/healthz` does not.
pub fn router(state: OrdersState, guard: EdgeGuard) -> Router {
    let signed = Router::new()
        .route("/v1/orders", post(handlers::create))
        .route("/v1/orders/{id}", get(handlers::read))
        .route("/v1/orders/{id}/cancel", post(handlers::cancel))
        .fallback(no_such_route)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(guard, require_edge_signature))
        .with_state(state.clone());
    Router::new()
        .route(
            "/healthz",
            get(handlers::healthz).fallback(method_not_allowed),
        )
        .with_state(state)
        .merge(signed)
}
