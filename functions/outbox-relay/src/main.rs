//! Lambda entry point of the outbox relay. Woken by the doorbell queue or by the sweep schedule; what
//! the event says does not matter.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};
use souk_app::{Database, RelaySettings, RoutedPublisher, relay_shards};
use souk_outbox_relay::{SqsPublisher, emit_metrics};
use souk_runtime::adapters::{AwsBounds, all_primaries, aws_config};
use souk_runtime::batch::{deadline, with_causes};
use souk_runtime::config::SHARDS;
use souk_runtime::environment::Environment;
use souk_runtime::telemetry;
use std::time::Duration;

/// Bounds on a `SendMessageBatch`; all of it below [`RelaySettings::publish_timeout`].
const SQS_BOUNDS: AwsBounds = AwsBounds {
    attempt_timeout: Duration::from_secs(3),
    operation_timeout: Duration::from_secs(7),
    attempts_max: 3,
};
/// Kept back of the function's time to record what is under way, to give leases back and to look how the
/// outboxes stand.
const STOP_RESERVE: Duration = Duration::from_secs(12);

#[tokio::main]
async fn main() -> Result<(), Error> {
    let environment = Environment::load().await?;
    let lookup = environment.lookup();
    telemetry::init(&lookup)?;
    let shards: Vec<_> = all_primaries(&lookup, SHARDS)?.into_values().collect();
    let urls = lookup.event_queues()?;
    let sqs = aws_sdk_sqs::Client::new(&aws_config(SQS_BOUNDS).await);
    let queues = urls
        .into_iter()
        .map(|(queue, url)| (queue, SqsPublisher::new(sqs.clone(), url)))
        .collect();
    let publisher = RoutedPublisher::new(queues)?;
    let holder = uuid::Uuid::now_v7().to_string();
    let settings = RelaySettings {
        holder,
        ..RelaySettings::default()
    };
    run(service_fn(|event: LambdaEvent<Value>| {
        handle(&shards, &publisher, &settings, event)
    }))
    .await
}

async fn handle(
    shards: &[Database],
    publisher: &RoutedPublisher<SqsPublisher>,
    settings: &RelaySettings,
    event: LambdaEvent<Value>,
) -> Result<Value, Error> {
    let deadline = deadline(&event.context);
    let stop_at = deadline.checked_sub(STOP_RESERVE).unwrap_or(deadline);
    let report = relay_shards(shards, publisher, settings, stop_at).await;
    emit_metrics(shards, &report).await;
    let total = report.total;
    tracing::info!(
        events.published = total.published,
        events.failed = total.failed,
        events.quarantined = total.quarantined,
        events.unreached = total.unreached,
        lanes.lost = total.lanes_lost,
        out_of_time = total.out_of_time,
        shards.failed = report.failed.len(),
        "outboxes relayed"
    );
    for (shard, error) in &report.failed {
        let cause = with_causes(error);
        tracing::error!(shard.name = %shard, cause, "an outbox could not be relayed");
    }
    if !report.failed.is_empty() {
        // The others are done. The doorbell rings again, for those that are not.
        let names: Vec<_> = report.failed.keys().map(String::as_str).collect();
        return Err(format!("outboxes not relayed: {}", names.join(", ")).into());
    }
    // An empty list of failures tells the doorbell queue that every ring is dealt with. What could
    // not be published stays in the outbox, for the next ring or sweep.
    Ok(json!({
        "batchItemFailures": [],
        "published": total.published,
        "failed": total.failed,
    }))
}
