//! Lambda entry point of the catalog function.

use lambda_http::Error;
use souk_catalog::{CatalogState, router};
use souk_runtime::adapters::tools;
use souk_runtime::edge_keys::EdgeKeys;
use souk_runtime::edge_signature::EdgeGuard;
use souk_runtime::environment::Environment;
use souk_runtime::telemetry;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let environment = Environment::load().await?;
    let lookup = environment.lookup();
    telemetry::init(&lookup)?;
    let tools = tools(&lookup)?;
    let guard = EdgeGuard::new(EdgeKeys::configured(&environment)?, tools.clock.clone());
    lambda_http::run(router(CatalogState { tools }, guard)).await
}
