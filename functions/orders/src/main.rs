//! Lambda entry point of the orders function.

use lambda_http::Error;
use souk_orders::{OrdersState, router};
use souk_runtime::adapters::tools;
use souk_runtime::doorbell::Doorbell;
use souk_runtime::edge_keys::EdgeKeys;
use souk_runtime::edge_signature::EdgeGuard;
use souk_runtime::environment::Environment;
use souk_runtime::quote_keys::quote_keys;
use souk_runtime::telemetry;
use std::sync::Arc;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let environment = Environment::load().await?;
    let lookup = environment.lookup();
    telemetry::init(&lookup)?;
    let tools = tools(&lookup)?;
    let guard = EdgeGuard::new(EdgeKeys::configured(&environment)?, tools.clock.clone());
    let state = OrdersState {
        tools,
        doorbell: Some(Arc::new(Doorbell::configured(&lookup).await?)),
        quote_keys: Arc::new(quote_keys(&lookup)?),
    };
    lambda_http::run(router(state, guard)).await
}
