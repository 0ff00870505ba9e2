//! Lambda entry point of the rotation of the edge's keys. Woken by a schedule each quarter of an hour, and by an operator with
//! `{"rotate": "now"}`; takes one step.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;
use souk_app::signing_keys::{RotationReport, rotate_keys};
use souk_rotate_keys::{CloudflareWorker, SecretsManagerRing};
use souk_runtime::adapters::SystemClock;
use souk_runtime::batch::with_causes;
use souk_runtime::environment::Environment;
use souk_runtime::telemetry;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let environment = Environment::load().await?;
    let lookup = environment.lookup();
    telemetry::init(&lookup)?;
    let vault = SecretsManagerRing::configured(&lookup).await?;
    let edge = CloudflareWorker::configured(&lookup)?;
    run(service_fn(|event: LambdaEvent<Value>| {
        handle(&vault, &edge, event.payload)
    }))
    .await
}

async fn handle(
    vault: &SecretsManagerRing,
    edge: &CloudflareWorker,
    event: Value,
) -> Result<RotationReport, Error> {
    let demanded = event.get("rotate").and_then(Value::as_str) == Some("now");
    match rotate_keys(vault, edge, &SystemClock, demanded).await {
        Ok(report) => {
            tracing::info!(
                done = ?report.done,
                phase = report.phase,
                since = report.since.map(tracing::field::display),
                key.signs = report.signs,
                keys.accepted = ?report.accepted,
                "step of the keys' rotation"
            );
            Ok(report)
        }
        Err(error) => {
            let cause = with_causes(&error);
            tracing::error!(cause, "the keys' rotation did not get on");
            Err(cause.into())
        }
    }
}
