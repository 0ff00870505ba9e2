//! Lambda entry point of what `CodeDeploy` asks before it moves any traffic to a new version.

use aws_config::SdkConfig;
use core::time::Duration;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::Deserialize;
use souk_names::Names;
use souk_pre_traffic::{CodeDeploy, Doubt, LambdaVersions, SmokeOrder, check, hook};
use souk_runtime::adapters::{AwsBounds, aws_config};
use souk_runtime::environment::Environment;
use souk_runtime::telemetry;

/// A cold start and a smoke order's slowest answer fit in.
const BOUNDS: AwsBounds = AwsBounds {
    attempt_timeout: Duration::from_secs(25),
    operation_timeout: Duration::from_secs(40),
    attempts_max: 2,
};

/// What `CodeDeploy` sends.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Asked {
    deployment_id: String,
    lifecycle_event_hook_execution_id: String,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    // Read again for each deployment: what cannot be read has to be told, and keys change.
    if let Ok(environment) = Environment::load().await {
        telemetry::init(&environment.lookup())?;
    }
    let config = aws_config(BOUNDS).await;
    run(service_fn(|event: LambdaEvent<Asked>| {
        handle(&config, event.payload)
    }))
    .await
}

async fn handle(config: &SdkConfig, asked: Asked) -> Result<&'static str, Error> {
    let delivery = CodeDeploy::new(config)?;
    let deployment = &asked.deployment_id;
    let look = look(config, &delivery, deployment);
    let execution = &asked.lifecycle_event_hook_execution_id;
    let verdict = Box::pin(hook(&delivery, look, deployment, execution)).await?;
    Ok(verdict.as_str())
}

async fn look(config: &SdkConfig, delivery: &CodeDeploy, deployment: &str) -> Result<(), Doubt> {
    let unreadable = |error: &dyn core::error::Error| Doubt(error.to_string());
    let environment = Environment::load().await.map_err(|e| unreadable(&e))?;
    let order = SmokeOrder::configured(&environment.lookup()).map_err(|e| unreadable(&e))?;
    let names = Names::read().map_err(|e| unreadable(&e))?;
    let versions = LambdaVersions::new(config);
    check(delivery, &versions, &names, order.as_ref(), deployment).await
}
