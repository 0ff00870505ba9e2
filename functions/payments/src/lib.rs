//! The payments function: `/v1/payment-intents`, `/v1/refunds`, `/v1/disputes` and what the payment
//! service provider tells, behind the edge.

mod bodies;
mod handlers;
pub mod openapi;
mod representation;

use axum::Router;
use axum::routing::get;
use souk_app::Tools;
use souk_runtime::answer::method_not_allowed;
use souk_runtime::doorbell::Doorbell;
use souk_runtime::edge_signature::EdgeGuard;
use souk_runtime::operations::Function;
use souk_runtime::routes::Routes;
use souk_runtime::stripe::Stripe;
use std::sync::Arc;

/// What the handlers work with, built once a process.
#[derive(Debug, Clone)]
pub struct PaymentsState {
    /// For the use cases.
    pub tools: Tools,
    /// The payment service provider.
    pub stripe: Stripe,
    /// Wakes the relay after an effect; none where the sweep is enough.
    pub doorbell: Option<Arc<Doorbell>>,
}

/// All routes. What is in the table of operations needs the edge's signature; `/healthz` does not.
pub fn router(state: PaymentsState, guard: EdgeGuard) -> Router {
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
fn routes() -> Routes<PaymentsState> {
    use handlers::{disputes, intents, psp, refunds};
    Routes::of(Function::Payments)
        .serve("create_payment_intent", intents::create)
        .serve("list_payment_intents", intents::list)
        .serve("get_payment_intent", intents::read)
        .serve("confirm_payment_intent", intents::confirm)
        .serve("capture_payment_intent", intents::capture)
        .serve("cancel_payment_intent", intents::cancel)
        .serve("list_payment_attempts", intents::attempts)
        .serve("refund_payment_intent", refunds::create)
        .serve("list_refunds", refunds::list)
        .serve("get_refund", refunds::read)
        .serve("list_disputes", disputes::list)
        .serve("get_dispute", disputes::read)
        .serve("receive_stripe_event", psp::stripe_event)
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
