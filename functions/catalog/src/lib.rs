//! The catalog function: products, skus, prices and stock behind the edge.

mod bodies;
mod freshness;
mod handlers;
pub mod openapi;
mod pricing_rules;
mod representation;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;
use souk_app::Tools;
use souk_runtime::answer::method_not_allowed;
use souk_runtime::edge_signature::EdgeGuard;
use souk_runtime::operations::Function;
use souk_runtime::problem::Problem;
use souk_runtime::routes::Routes;

/// What the handlers work with, built once a process.
#[derive(Debug, Clone)]
pub struct CatalogState {
    /// For the use cases.
    pub tools: Tools,
}

/// All routes. What is in the table of operations needs the edge's signature; `/healthz` does not.
pub fn router(state: CatalogState, guard: EdgeGuard) -> Router {
    let guard = guard.hinting(&state.tools.db);
    Router::new()
        .route("/healthz", get(healthz).fallback(method_not_allowed))
        .merge(routes().behind_the_edge(guard))
        .with_state(state)
}

/// Which handler serves which operation.
fn routes() -> Routes<CatalogState> {
    Routes::of(Function::Catalog)
        .serve("get_pricing_rules", pricing_rules::read)
        .serve("put_pricing_rules", pricing_rules::replace)
        .serve("list_products", handlers::list_products)
        .serve("get_product", handlers::get_product)
        .serve("put_product", handlers::put_product)
        .serve("delete_product", handlers::delete_product)
        .serve("get_sku", handlers::get_sku)
        .serve("put_sku", handlers::put_sku)
        .serve("delete_sku", handlers::delete_sku)
        .serve("get_prices", handlers::get_prices)
        .serve("put_prices", handlers::put_prices)
        .serve("get_stock", handlers::get_stock)
        .serve("put_stock", handlers::put_stock)
        .serve("import_catalog", handlers::import_catalog)
}

/// `GET /healthz`: 204 when the database answers, 503 otherwise.
async fn healthz(State(state): State<CatalogState>) -> Result<StatusCode, Problem> {
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
