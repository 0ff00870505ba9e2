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
use souk_domain::{Event, Queue};
use souk_order_process::{OrderProcess, consume, sweep};
use souk_runtime::adapters::{sweepers, tools};
use souk_runtime::batch::{deadline, with_causes};
use souk_runtime::config::CAPTURE_POLICY;
use souk_runtime::consumer::{Consumer, HandlerError, QueueKind, SqsSource};
use souk_runtime::doorbell::Doorbell;
use souk_runtime::environment::Environment;
use souk_runtime::stripe::Stripe;
use souk_runtime::telemetry;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Kept back of the function's time to end what is under way: a call to the PSP with what is written
/// before and after it.
const STOP_RESERVE: Duration = Duration::from_secs(15);

/// The consumer's name among parked messages and in metrics.
const ORDER_PROCESS: &str = Queue::OrderProcess.consumer();

/// Built once a process.
struct Function {
    process: OrderProcess<Stripe>,
    sweepers: Vec<Database>,
    doorbell: Doorbell,
    queue: SqsSource,
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
        queue: SqsSource::configured(&lookup).await,
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
    let db = function.process.tools.db.clone();
    let response = Consumer::new(ORDER_PROCESS, QueueKind::Fifo, db, &function.queue)
        .on_each(Queue::OrderProcess.event_types(), async |event: Event| {
            let taken = consume(&function.process, &event).await?;
            steps.fetch_add(taken, Ordering::Relaxed);
            Ok::<(), HandlerError>(())
        })
        .consume(batch, deadline)
        .await;
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
