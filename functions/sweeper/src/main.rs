//! Lambda entry point of the sweeper. Woken by a schedule each minute; what the event says does not
//! matter.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};
use souk_app::{Database, SweepSettings, Tools};
use souk_runtime::adapters::{sweepers, tools};
use souk_runtime::batch::{deadline, with_causes};
use souk_runtime::config::STRIPE_ACCOUNTS;
use souk_runtime::environment::Environment;
use souk_runtime::stripe::Stripe;
use souk_runtime::telemetry;
use souk_sweeper::sweep;
use std::time::Duration;

/// Kept back of the function's time to end what is under way: as long as one statement may run.
const STOP_RESERVE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Error> {
    let environment = Environment::load().await?;
    let lookup = environment.lookup();
    telemetry::init(&lookup)?;
    let tools = tools(&lookup)?;
    let sweepers = sweepers(&lookup)?;
    let takes_payments = lookup.optional(STRIPE_ACCOUNTS).is_some();
    let stripe = takes_payments
        .then(|| Stripe::configured(&lookup))
        .transpose()?;
    run(service_fn(|event: LambdaEvent<Value>| {
        handle(&tools, stripe.as_ref(), &sweepers, event)
    }))
    .await
}

async fn handle(
    tools: &Tools,
    stripe: Option<&Stripe>,
    sweepers: &[Database],
    event: LambdaEvent<Value>,
) -> Result<Value, Error> {
    let deadline = deadline(&event.context);
    let stop_at = deadline.checked_sub(STOP_RESERVE).unwrap_or(deadline);
    let total = sweep(tools, stripe, sweepers, SweepSettings::default(), stop_at).await;
    tracing::info!(
        orders.cancelled = total.reservations.cancelled,
        orders.settled_by_others = total.reservations.settled_by_others,
        orders.failed = total.reservations.failed,
        out_of_time = total.reservations.out_of_time,
        payments.operations = total.payments.operations,
        payments.looked_at = total.payments.payments,
        payments.failed = total.payments.failed,
        partitions.made = total.partitions.made,
        partitions.dropped = total.partitions.dropped,
        webhooks.dropped = total.webhooks_dropped,
        inbox.forgotten = total.inbox_entries_forgotten,
        databases.failed = total.failed.len(),
        "reservations and payments swept"
    );
    for error in &total.failed {
        let cause = with_causes(error);
        tracing::error!(cause, "a database could not be swept");
    }
    if !total.failed.is_empty() {
        return Err("not every database could be swept".into());
    }
    Ok(json!({ "cancelled": total.reservations.cancelled, "failed": total.reservations.failed }))
}
