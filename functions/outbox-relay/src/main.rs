//! Lambda entry point of the outbox relay. Woken by the doorbell queue or by the sweep schedule; what
//! the event says does not matter.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};
use souk_app::{Database, RelaySettings, relay_outbox};
use souk_outbox_relay::SqsPublisher;
use souk_runtime::adapters::{AwsBounds, aws_config, database};
use souk_runtime::batch::deadline;
use souk_runtime::config::{Lookup, READ_MODELS_QUEUE_URL};
use souk_runtime::telemetry;
use std::time::Duration;

/// Bounds on a `SendMessageBatch`; all of it below [`RelaySettings::publish_timeout`].
const SQS_BOUNDS: AwsBounds = AwsBounds {
    attempt_timeout: Duration::from_secs(3),
    operation_timeout: Duration::from_secs(7),
    attempts_max: 3,
};
/// Kept back of the function's time to mark what is under way and to give leases back.
const STOP_RESERVE: Duration = Duration::from_secs(12);

#[tokio::main]
async fn main() -> Result<(), Error> {
    let lookup = Lookup::environment();
    telemetry::init(&lookup)?;
    let db = database(&lookup)?;
    let queue_url = lookup.required(READ_MODELS_QUEUE_URL)?;
    let sqs = aws_sdk_sqs::Client::new(&aws_config(SQS_BOUNDS).await);
    let publisher = SqsPublisher::new(sqs, queue_url);
    let holder = uuid::Uuid::now_v7().to_string();
    let settings = RelaySettings {
        holder,
        ..RelaySettings::default()
    };
    run(service_fn(|event: LambdaEvent<Value>| {
        handle(&db, &publisher, &settings, event)
    }))
    .await
}

async fn handle(
    db: &Database,
    publisher: &SqsPublisher,
    settings: &RelaySettings,
    event: LambdaEvent<Value>,
) -> Result<Value, Error> {
    let deadline = deadline(&event.context);
    let stop_at = deadline.checked_sub(STOP_RESERVE).unwrap_or(deadline);
    let report = relay_outbox(db, publisher, settings, stop_at).await?;
    tracing::info!(
        events.published = report.published,
        events.failed = report.failed,
        lanes.lost = report.lanes_lost,
        out_of_time = report.out_of_time,
        "outbox relayed"
    );
    // An empty list of failures tells the doorbell queue that every ring is dealt with. What could
    // not be published stays in the outbox, for the next ring or sweep.
    Ok(json!({
        "batchItemFailures": [],
        "published": report.published,
        "failed": report.failed,
    }))
}
