//! Gives an endpoint another secret.

use super::change_endpoint::lock;
use super::{EndpointCommand, NewSecret, SealingKeys, SecretPlace, WebhookRefusal, fresh_secret};
use crate::once::{Changed, run_once};
use crate::{Answer, AppError, Caller, Tools};
use souk_domain::webhook::{SECRETS_LIVE_MAX, WebhookEndpoint};
use souk_postgres::idempotency::StoredResponse;
use souk_postgres::webhooks;

/// How a secret is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// For how many hours the one before goes on signing, beside the new one.
    pub overlap_hours: u16,
}

/// Gives the endpoint another secret. The one before signs beside it until the overlap is over, so that a
/// receiver who knows either accepts every message. What `respond` makes is stored with the key, so it
/// must not have the secret's text: only what is sealed.
///
/// # Errors
/// [`AppError::Webhook`] with `EndpointNotFound`, `OtherVersion`, `TooManySecrets` or `Sealing`;
/// [`AppError::KeyInFlight`], [`AppError::KeyReused`], [`AppError::Database`].
pub async fn rotate_secret(
    tools: &Tools,
    keys: &SealingKeys,
    caller: &Caller,
    (command, rotation): (&EndpointCommand, Rotation),
    respond: impl Fn(Result<&(WebhookEndpoint, NewSecret), &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let act = async |tx: &mut souk_postgres::TenantTx, now: souk_domain::Timestamp| {
        let endpoint = lock(tx, command).await?;
        let live = webhooks::all_secrets(tx, endpoint.id, now).await?;
        // Without overlap the one before ends at once.
        let ends = usize::from(rotation.overlap_hours == 0);
        if live.len().saturating_sub(ends) >= SECRETS_LIVE_MAX {
            return Err(WebhookRefusal::TooManySecrets.into());
        }
        let newest = live.first().map_or(0, |newest| newest.generation);
        let place = SecretPlace {
            tenant: caller.tenant,
            endpoint: endpoint.id,
            generation: newest.saturating_add(1),
        };
        let secret = fresh_secret().map_err(WebhookRefusal::from)?;
        let sealed = keys
            .seal(&secret, place, now)
            .map_err(WebhookRefusal::from)?;
        let overlap_until = now.plus(time::Duration::hours(rotation.overlap_hours.into()))?;
        webhooks::add_secret(tx, endpoint.id, &sealed, overlap_until).await?;
        webhooks::remove_expired_secrets(tx, endpoint.id, now).await?;
        Ok(Changed {
            resource_id: endpoint.id.to_string(),
            response: respond(Ok(&(endpoint, NewSecret { secret, sealed }))),
        })
    };
    run_once(tools, caller, &command.once, act, |e| respond(Err(e))).await
}
