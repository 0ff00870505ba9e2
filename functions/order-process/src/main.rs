//! Lambda entry point of the order process: batches of events from its queue, and a schedule each minute
//! for what no event will come for.

// The service that lambda_runtime wraps around a handler nests deeper than the default allows.
#![recursion_limit = "256"]

use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};
use souk_app::Database;
use souk_app::process::ProcessSettings;
use souk_domain::process::CapturePolicy;
use souk_order_process::{OrderProcess, consume, sweep};
use souk_runtime::adapters::{sweepers, tools};
use souk_runtime::batch::{QueueKind, deadline, process_batch, with_causes};
use souk_runtime::config::CAPTURE_POLICY;
use souk_runtime::doorbell::Doorbell;
use souk_runtime::environment::Environment;
use souk_runtime::stripe::Stripe;
use souk_runtime::telemetry;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Kept back of the function's time to end what is under way: a call to the PSP with what is written
/// before and after it.
const STOP_RESERVE: Duration = Duration::from_secs(15);

/// Built once a process.
struct Function {
    process: OrderProcess<Stripe>,
    sweepers: Vec<Database>,
    doorbell: Doorbell,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let environment = Environment::load().await?;
    let lookup = environment.lookup();
    telemetry::init(&lookup)?;
    let settings = ProcessSettings {
        capture_policy: lookup.parsed_or(CAPTURE_POLICY, CapturePolicy::OnFulfilment)?,
    };
    let provider = Stripe::configured(&lookup)?;
    let function = Function {
        process: OrderProcess::new(tools(&lookup)?, provider, settings),
        sweepers: sweepers(&lookup)?,
        doorbell: Doorbell::configured(&lookup).await?,
    };
    run(service_fn(|event: LambdaEvent<Value>| {
        handle(&function, event)
    }))
    .await
}

/// A batch has `Records`, the schedule has none.
async fn handle(function: &Function, event: LambdaEvent<Value>) -> Result<Value, Error> {
    let deadline = deadline(&event.context);
    if event.payload.get("Records").is_none() {
        return tick(function, deadline).await;
    }
    let batch: SqsEvent = serde_json::from_value(event.payload)?;
    let steps = AtomicU32::new(0);
    let look = |body: String| {
        let steps = &steps;
        async move {
            let taken = consume(&function.process, &body).await?;
            steps.fetch_add(taken, Ordering::Relaxed);
            Ok::<(), souk_order_process::ConsumeError>(())
        }
    };
    let response = process_batch(batch, QueueKind::Fifo, deadline, look).await;
    if steps.into_inner() > 0 {
        function.doorbell.ring().await;
    }
    Ok(serde_json::to_value(response)?)
}

async fn tick(function: &Function, deadline: tokio::time::Instant) -> Result<Value, Error> {
    let stop_at = deadline.checked_sub(STOP_RESERVE).unwrap_or(deadline);
    let total = sweep(&function.process, &function.sweepers, stop_at).await;
    let processes = total.processes;
    tracing::info!(
        process.looked_at = processes.looked_at,
        process.steps = processes.steps,
        process.failed = processes.failed,
        out_of_time = processes.out_of_time,
        databases.failed = total.failed.len(),
        "deadlines of order processes swept"
    );
    for error in &total.failed {
        let cause = with_causes(error);
        tracing::error!(cause, "a database could not be swept");
    }
    if processes.steps > 0 {
        function.doorbell.ring().await;
    }
    if !total.failed.is_empty() {
        return Err("not every database could be swept".into());
    }
    Ok(json!({ "steps": processes.steps, "failed": processes.failed }))
}
