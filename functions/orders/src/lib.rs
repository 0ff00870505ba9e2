//! The orders function: `/v1/orders` behind the edge.

mod description;
mod handlers;
mod idempotency_keys;
pub mod openapi;
mod quotes;
mod representation;
mod totals;

use axum::Router;
use axum::routing::get;
use souk_app::Tools;
use souk_domain::pricing::QuoteKeys;
use souk_runtime::answer::method_not_allowed;
use souk_runtime::doorbell::Doorbell;
use souk_runtime::edge_signature::EdgeGuard;
use souk_runtime::operations::Function;
use souk_runtime::routes::Routes;
use std::sync::Arc;

/// What the handlers work with, built once a process.
#[derive(Debug, Clone)]
pub struct OrdersState {
    /// For the use cases.
    pub tools: Tools,
    /// Wakes the relay after an effect; none where the sweep is enough.
    pub doorbell: Option<Arc<Doorbell>>,
    /// What quotes are signed with.
    pub quote_keys: Arc<QuoteKeys>,
}

/// All routes. What is in the table of operations needs the edge's signature; `/healthz` does not.
pub fn router(state: OrdersState, guard: EdgeGuard) -> Router {
    let guard = guard.hinting(&state.tools.db);
    Router::new()
        .route(
            "/healthz",
            get(handlers::healthz).fallback(method_not_allowed),
        )
        .merge(routes().behind_the_edge(guard))
        .with_state(state)
}

/// Which handler serves which operation.
fn routes() -> Routes<OrdersState> {
    Routes::of(Function::Orders)
        .serve("place_order", handlers::create)
        .serve("get_order", handlers::read)
        .serve("list_orders", handlers::list::list)
        .serve("get_order_timeline", handlers::timeline::timeline)
        .serve("cancel_order", handlers::lifecycle::cancel)
        .serve("confirm_order", handlers::lifecycle::confirm)
        .serve("fulfil_order", handlers::lifecycle::fulfil)
        .serve("complete_order", handlers::lifecycle::complete)
        .serve("quote", quotes::create)
        .serve("get_idempotency_key", idempotency_keys::read)
        .serve("get_openapi", description::openapi)
        .serve("get_problem", description::problem_page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use souk_runtime::routes::Disagreement;

    #[test]
    fn every_operation_has_its_handler() {
        let not_written: [&str; 0] = [];
        let expected = Disagreement {
            unserved: not_written.to_vec(),
            unknown: Vec::new(),
        };
        assert_eq!(routes().disagreement(), expected);
    }
}
