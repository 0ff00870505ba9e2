//! Lambda entry point of the payments function.

use lambda_http::Error;
use souk_payments::{PaymentsState, router};
use souk_runtime::adapters::tools;
use souk_runtime::config::{Lookup, STRIPE_API_URL};
use souk_runtime::doorbell::Doorbell;
use souk_runtime::edge_keys::EdgeKeys;
use souk_runtime::edge_signature::EdgeGuard;
use souk_runtime::environment::Environment;
use souk_runtime::stripe::{Stripe, StripeAccounts, StripeSettings};
use souk_runtime::telemetry;
use std::sync::Arc;
use std::time::Duration;

/// All attempts of one call of the provider: the edge waits ten seconds, and what is not known by then
/// is found out later.
const PSP_CALL_TIMEOUT: Duration = Duration::from_secs(7);
/// One attempt.
const PSP_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), Error> {
    let environment = Environment::load().await?;
    let lookup = environment.lookup();
    telemetry::init(&lookup)?;
    let tools = tools(&lookup)?;
    let guard = EdgeGuard::new(EdgeKeys::configured(&environment)?, tools.clock.clone());
    let state = PaymentsState {
        tools,
        stripe: stripe(&lookup)?,
        doorbell: Some(Arc::new(Doorbell::configured(&lookup).await?)),
    };
    lambda_http::run(router(state, guard)).await
}

fn stripe(lookup: &Lookup<'_>) -> Result<Stripe, Error> {
    let settings = StripeSettings {
        attempt_timeout: PSP_ATTEMPT_TIMEOUT,
        call_timeout: PSP_CALL_TIMEOUT,
        ..StripeSettings::default()
    };
    let url = lookup.optional(STRIPE_API_URL);
    let accounts = StripeAccounts::from_config(lookup)?;
    Ok(Stripe::new(accounts, url.as_deref(), settings)?)
}
