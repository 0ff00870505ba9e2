//! Lambda entry point of reconciliation: by a schedule each day for all tenants, and on demand for one.

// The service that lambda_runtime wraps around a handler nests deeper than the default allows.
#![recursion_limit = "256"]

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;
use souk_app::{Database, Tools};
use souk_reconcile::{Demand, all_tenants, one_tenant};
use souk_runtime::adapters::{sweepers, tools};
use souk_runtime::batch::deadline;
use souk_runtime::environment::Environment;
use souk_runtime::stripe::Stripe;
use souk_runtime::telemetry;
use std::time::Duration;

/// Kept back of the function's time to end what is under way: pages of the PSP and what is written then.
const STOP_RESERVE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<(), Error> {
    let environment = Environment::load().await?;
    let lookup = environment.lookup();
    telemetry::init(&lookup)?;
    let tools = tools(&lookup)?;
    let provider = Stripe::configured(&lookup)?;
    let sweepers = sweepers(&lookup)?;
    run(service_fn(|event: LambdaEvent<Value>| {
        handle(&tools, &provider, &sweepers, event)
    }))
    .await
}

async fn handle(
    tools: &Tools,
    provider: &Stripe,
    sweepers: &[Database],
    event: LambdaEvent<Value>,
) -> Result<Value, Error> {
    let deadline = deadline(&event.context);
    let stop_at = deadline.checked_sub(STOP_RESERVE).unwrap_or(deadline);
    match Demand::read(&event.payload)? {
        Some(demand) => one_tenant(tools, provider, &demand).await,
        None => all_tenants(tools, provider, sweepers, stop_at).await,
    }
}
