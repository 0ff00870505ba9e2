//! The webhooks function: the tenants' endpoints behind the edge, deliveries from the queue of events and
//! from a schedule.

// A delivery's future nests deeper than the default allows.
#![recursion_limit = "256"]

mod bodies;
pub mod deliver;
mod handlers;
pub mod openapi;
mod representation;
mod reveal;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;
use souk_app::Tools;
use souk_app::webhooks::SealingKeys;
use souk_domain::webhook::TargetRules;
use souk_runtime::answer::method_not_allowed;
use souk_runtime::edge_signature::EdgeGuard;
use souk_runtime::operations::Function;
use souk_runtime::problem::Problem;
use souk_runtime::routes::Routes;
use std::sync::Arc;

/// What the handlers work with, built once a process.
#[derive(Debug, Clone)]
pub struct WebhooksState {
    /// For the use cases.
    pub tools: Tools,
    /// The keys of secrets at rest.
    pub keys: Arc<SealingKeys>,
    /// What may be sent to.
    pub rules: TargetRules,
}

/// All routes. What is in the table of operations needs the edge's signature; `/healthz` does not.
pub fn router(state: WebhooksState, guard: EdgeGuard) -> Router {
    let guard = guard.hinting(&state.tools.db);
    Router::new()
        .route("/healthz", get(healthz).fallback(method_not_allowed))
        .merge(routes().behind_the_edge(guard))
        .with_state(state)
}

/// Which handler serves which operation.
fn routes() -> Routes<WebhooksState> {
    Routes::of(Function::Webhooks)
        .serve("create_webhook_endpoint", handlers::create_endpoint)
        .serve("list_webhook_endpoints", handlers::list_endpoints)
        .serve("get_webhook_endpoint", handlers::get_endpoint)
        .serve("put_webhook_endpoint", handlers::put_endpoint)
        .serve("delete_webhook_endpoint", handlers::delete_endpoint)
        .serve("enable_webhook_endpoint", handlers::enable_endpoint)
        .serve("disable_webhook_endpoint", handlers::disable_endpoint)
        .serve("rotate_webhook_secret", handlers::rotate_secret)
        .serve("list_webhook_deliveries", handlers::list_deliveries)
        .serve("get_webhook_delivery", handlers::get_delivery)
        .serve("replay_webhook_delivery", handlers::replay_delivery)
        .serve("replay_webhook_deliveries", handlers::replay_deliveries)
}

/// `GET /healthz`: 204 when the database answers, 503 otherwise.
async fn healthz(State(state): State<WebhooksState>) -> Result<StatusCode, Problem> {
    state.tools.db.ping().await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use souk_runtime::routes::Disagreement;

    #[test]
    fn every_operation_has_its_handler() {
        assert_eq!(routes().disagreement(), Disagreement::default());
    }
}
