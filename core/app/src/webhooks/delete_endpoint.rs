//! Deletes an endpoint.

use super::EndpointCommand;
use super::change_endpoint::lock;
use crate::once::{Changed, run_once};
use crate::{Answer, AppError, Caller, Tools};
use souk_domain::webhook::WebhookEndpoint;
use souk_postgres::idempotency::StoredResponse;
use souk_postgres::webhooks;

/// Lets the endpoint not be found any more, and forgets its secrets. Its deliveries stay on record in the
/// database, and no more are made.
///
/// # Errors
/// As [`super::put_endpoint`].
pub async fn delete_endpoint(
    tools: &Tools,
    caller: &Caller,
    command: &EndpointCommand,
    respond: impl Fn(Result<&WebhookEndpoint, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let act = async |tx: &mut souk_postgres::TenantTx, _now| {
        let endpoint = lock(tx, command).await?;
        webhooks::delete_endpoint(tx, &endpoint).await?;
        Ok(Changed {
            resource_id: endpoint.id.to_string(),
            response: respond(Ok(&endpoint)),
        })
    };
    run_once(tools, caller, &command.once, act, |e| respond(Err(e))).await
}
