//! Reads an endpoint.

use super::WebhookRefusal;
use crate::{AppError, Caller, Tools};
use souk_domain::webhook::WebhookEndpoint;
use souk_domain::{Timestamp, WebhookEndpointId};
use souk_postgres::webhooks;

/// What may be shown of a secret: when it was made and until when it signs, if that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretView {
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it signs; none while it is the newest.
    pub expires_at: Option<Timestamp>,
}

/// An endpoint with what may be shown of the secrets that sign, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointView {
    /// The endpoint.
    pub endpoint: WebhookEndpoint,
    /// Its secrets.
    pub secrets: Vec<SecretView>,
}

/// The endpoint, if it is the caller's tenant's.
///
/// # Errors
/// [`AppError::Webhook`] with `EndpointNotFound`, also for an endpoint of another tenant;
/// [`AppError::Database`].
pub async fn get_endpoint(
    tools: &Tools,
    caller: &Caller,
    id: WebhookEndpointId,
) -> Result<EndpointView, AppError> {
    let now = tools.clock.now();
    let mut tx = tools
        .db
        .begin_to_read(caller.tenant, caller.consistency.as_ref())
        .await?;
    let endpoint = webhooks::load_endpoint(&mut tx, id).await?;
    let secrets = webhooks::all_secrets(&mut tx, id, now).await?;
    tx.commit().await?;
    let secrets = secrets.iter().map(|secret| SecretView {
        created_at: secret.created_at,
        expires_at: secret.expires_at,
    });
    Ok(EndpointView {
        endpoint: endpoint.ok_or(WebhookRefusal::EndpointNotFound)?,
        secrets: secrets.collect(),
    })
}
