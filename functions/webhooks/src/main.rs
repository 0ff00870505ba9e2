//! Lambda entry point of the webhooks function: requests of the HTTP API, batches of events from the
//! queue, and a schedule each minute.

// The service that lambda_runtime wraps around a handler nests deeper than the default allows.
#![recursion_limit = "256"]

use aws_lambda_events::sqs::SqsEvent;
use axum::Router;
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Service as _};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};
use souk_app::Database;
use souk_app::webhooks::WebhookTools;
use souk_runtime::adapters::{sweepers, tools};
use souk_runtime::batch::deadline;
use souk_runtime::consumer::SqsSource;
use souk_runtime::edge_keys::EdgeKeys;
use souk_runtime::edge_signature::EdgeGuard;
use souk_runtime::environment::Environment;
use souk_runtime::telemetry;
use souk_runtime::webhook_config::{target_rules, webhook_tools};
use souk_runtime::webhook_sender::HttpWebhookSender;
use souk_webhooks::deliver::{deliver_all_due, deliver_events};
use souk_webhooks::{WebhooksState, router};
use std::sync::Arc;

/// Built once a process.
struct Function {
    router: Router,
    webhooks: WebhookTools<HttpWebhookSender>,
    sweepers: Vec<Database>,
    queue: SqsSource,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let environment = Environment::load().await?;
    let lookup = environment.lookup();
    telemetry::init(&lookup)?;
    let tools = tools(&lookup)?;
    let guard = EdgeGuard::new(EdgeKeys::configured(&environment)?, tools.clock.clone());
    let webhooks = webhook_tools(&lookup, tools.clone())?;
    let state = WebhooksState {
        tools,
        keys: Arc::clone(&webhooks.keys),
        rules: target_rules(&lookup)?,
    };
    let function = Function {
        router: router(state, guard),
        webhooks,
        sweepers: sweepers(&lookup)?,
        queue: SqsSource::configured(&lookup).await,
    };
    // It holds all of a delivery.
    Box::pin(run(service_fn(|event: LambdaEvent<Value>| {
        handle(&function, event)
    })))
    .await
}

/// A request has a `requestContext`, a batch has `Records`, and the schedule neither.
async fn handle(function: &Function, event: LambdaEvent<Value>) -> Result<Value, Error> {
    if event.payload.get("requestContext").is_some() {
        return answer(&function.router, event).await;
    }
    let deadline = deadline(&event.context);
    if event.payload.get("Records").is_some() {
        let batch: SqsEvent = serde_json::from_value(event.payload)?;
        let response = deliver_events(&function.webhooks, &function.queue, batch, deadline).await;
        return Ok(serde_json::to_value(response)?);
    }
    let (report, failed) = deliver_all_due(&function.webhooks, &function.sweepers, deadline).await;
    if !failed.is_empty() {
        return Err("not every database could be read".into());
    }
    Ok(json!({ "delivered": report.delivered, "failed": report.failed }))
}

async fn answer(router: &Router, event: LambdaEvent<Value>) -> Result<Value, Error> {
    let request: LambdaRequest = serde_json::from_value(event.payload)?;
    let event = LambdaEvent::new(request, event.context);
    let response = Adapter::from(router.clone()).call(event).await?;
    Ok(serde_json::to_value(response)?)
}
