//! Lambda entry point of the read-model consumer: applies each event of the queue once.

// The service that lambda_runtime wraps around a handler nests deeper than the default allows.
#![recursion_limit = "256"]

use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use souk_read_models::read_models;
use souk_runtime::adapters::shards;
use souk_runtime::batch::deadline;
use souk_runtime::consumer::SqsSource;
use souk_runtime::environment::Environment;
use souk_runtime::telemetry;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let environment = Environment::load().await?;
    let lookup = environment.lookup();
    telemetry::init(&lookup)?;
    let consumer = read_models(shards(&lookup)?, SqsSource::configured(&lookup).await);
    run(service_fn(async |batch: LambdaEvent<SqsEvent>| {
        let deadline = deadline(&batch.context);
        Ok::<_, Error>(consumer.consume(batch.payload, deadline).await)
    }))
    .await
}
