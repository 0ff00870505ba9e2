//! Lambda entry point of the orders function.

use lambda_http::Error;
use souk_orders::{OrdersState, router};
use souk_runtime::adapters::{AwsBounds, aws_config, tools};
use souk_runtime::config::{DOORBELL_QUEUE_URL, Lookup};
use souk_runtime::doorbell::Doorbell;
use souk_runtime::edge_signature::EdgeGuard;
use souk_runtime::quote_keys::quote_keys;
use souk_runtime::telemetry;
use std::sync::Arc;
use std::time::Duration;

/// The doorbell is best effort: one attempt, within what an answer may be held up.
const DOORBELL_BOUNDS: AwsBounds = AwsBounds {
    attempt_timeout: Duration::from_millis(700),
    operation_timeout: Duration::from_millis(700),
    attempts_max: 1,
};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let lookup = Lookup::environment();
    telemetry::init(&lookup)?;
    let tools = tools(&lookup)?;
    let guard = EdgeGuard::new(lookup.edge_keys()?, tools.clock.clone());
    let queue_url = lookup.required(DOORBELL_QUEUE_URL)?;
    let sqs = aws_sdk_sqs::Client::new(&aws_config(DOORBELL_BOUNDS).await);
    let doorbell = Some(Arc::new(Doorbell::new(sqs, queue_url)));
    let state = OrdersState {
        tools,
        doorbell,
        quote_keys: Arc::new(quote_keys(&lookup)?),
    };
    lambda_http::run(router(state, guard)).await
}
