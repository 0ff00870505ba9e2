//! Changes an endpoint, enables and disables it.

use super::WebhookRefusal;
use crate::once::{Changed, run_once};
use crate::{Answer, AppError, Caller, ExpectedVersion, Once, Tools};
use souk_domain::webhook::{EndpointSettings, WebhookEndpoint};
use souk_domain::{Timestamp, WebhookEndpointId};
use souk_postgres::TenantTx;
use souk_postgres::idempotency::StoredResponse;
use souk_postgres::webhooks;

/// A command on an endpoint that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointCommand {
    /// What makes it repeatable.
    pub once: Once,
    /// Which endpoint.
    pub endpoint: WebhookEndpointId,
    /// In which version.
    pub expected: ExpectedVersion,
}

/// Gives the endpoint other settings. What is on its way goes by them from its next attempt on.
///
/// # Errors
/// [`AppError::Webhook`] with `EndpointNotFound` or `OtherVersion`; [`AppError::KeyInFlight`],
/// [`AppError::KeyReused`], [`AppError::Database`].
pub async fn put_endpoint(
    tools: &Tools,
    caller: &Caller,
    command: &EndpointCommand,
    settings: EndpointSettings,
    respond: impl Fn(Result<&WebhookEndpoint, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let change = |endpoint: WebhookEndpoint, now| endpoint.with_settings(settings, now);
    change_endpoint(tools, caller, command, change, respond).await
}

/// Lets the endpoint be sent to again. What has come up meanwhile was skipped, and can be replayed.
///
/// # Errors
/// As [`put_endpoint`].
pub async fn enable_endpoint(
    tools: &Tools,
    caller: &Caller,
    command: &EndpointCommand,
    respond: impl Fn(Result<&WebhookEndpoint, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    change_endpoint(tools, caller, command, WebhookEndpoint::enabled, respond).await
}

/// Lets nothing be sent to the endpoint any more. An attempt that has begun is not called back; what comes
/// due from now on is skipped.
///
/// # Errors
/// As [`put_endpoint`].
pub async fn disable_endpoint(
    tools: &Tools,
    caller: &Caller,
    command: &EndpointCommand,
    respond: impl Fn(Result<&WebhookEndpoint, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    change_endpoint(tools, caller, command, WebhookEndpoint::disabled, respond).await
}

async fn change_endpoint(
    tools: &Tools,
    caller: &Caller,
    command: &EndpointCommand,
    change: impl FnOnce(WebhookEndpoint, Timestamp) -> WebhookEndpoint,
    respond: impl Fn(Result<&WebhookEndpoint, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let act = async |tx: &mut TenantTx, now| {
        let endpoint = lock(tx, command).await?;
        let endpoint = change(endpoint, now);
        webhooks::update_endpoint(tx, &endpoint).await?;
        Ok(Changed {
            resource_id: endpoint.id.to_string(),
            response: respond(Ok(&endpoint)),
        })
    };
    run_once(tools, caller, &command.once, act, |e| respond(Err(e))).await
}

/// The endpoint, locked, in the version that the command is meant for.
pub(super) async fn lock(
    tx: &mut TenantTx,
    command: &EndpointCommand,
) -> Result<WebhookEndpoint, AppError> {
    let endpoint = webhooks::load_endpoint_for_update(tx, command.endpoint).await?;
    let endpoint = endpoint.ok_or(WebhookRefusal::EndpointNotFound)?;
    let current = endpoint.version;
    if !command.expected.fits(Some(current)) {
        return Err(WebhookRefusal::OtherVersion { current }.into());
    }
    Ok(endpoint)
}
