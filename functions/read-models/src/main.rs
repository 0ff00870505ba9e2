//! Lambda entry point of the read-model consumer: applies each event of the queue once.

// The service that lambda_runtime wraps around a handler nests deeper than the default allows.
#![recursion_limit = "256"]

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use souk_app::{ProjectionError, Shards, project_order};
use souk_domain::{Event, EventError};
use souk_runtime::adapters::shards;
use souk_runtime::batch::{QueueKind, deadline, process_batch};
use souk_runtime::environment::Environment;
use souk_runtime::telemetry;

/// Why a message was not applied. It is delivered again, and after too many times goes to the DLQ:
/// an event of a version that this consumer does not know yet is kept there, not lost.
#[derive(Debug, thiserror::Error)]
enum MessageError {
    #[error("the message is no event")]
    Event(#[from] EventError),
    #[error("the event was not applied")]
    Projection(#[from] ProjectionError),
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let environment = Environment::load().await?;
    let lookup = environment.lookup();
    telemetry::init(&lookup)?;
    let db = shards(&lookup)?;
    run(service_fn(|event: LambdaEvent<SqsEvent>| {
        handle(&db, event)
    }))
    .await
}

async fn handle(db: &Shards, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
    let deadline = deadline(&event.context);
    let apply = |body: String| async move { apply(db, &body).await };
    Ok(process_batch(event.payload, QueueKind::Fifo, deadline, apply).await)
}

async fn apply(db: &Shards, body: &str) -> Result<(), MessageError> {
    let event = Event::from_json_text(body)?;
    let projection = project_order(db, &event).await?;
    tracing::info!(
        event.id = %event.id,
        event.sequence = event.sequence,
        request.id = %event.correlation_id,
        projection = ?projection,
        "event applied"
    );
    Ok(())
}
