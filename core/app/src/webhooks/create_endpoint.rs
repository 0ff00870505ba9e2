//! Enters an endpoint.

use super::{NewSecret, SealingKeys, SecretPlace, WebhookRefusal, fresh_secret};
use crate::once::{Changed, run_once};
use crate::{Answer, AppError, Caller, Once, Tools};
use souk_domain::WebhookEndpointId;
use souk_domain::webhook::{ENDPOINTS_MAX, EndpointSettings, WebhookEndpoint};
use souk_postgres::idempotency::StoredResponse;
use souk_postgres::webhooks;

/// Enters an endpoint, enabled, with its first secret. What `respond` makes is stored with the key, so it
/// must not have the secret's text: only what is sealed.
///
/// # Errors
/// [`AppError::Webhook`] with `TooManyEndpoints` or `Sealing`; [`AppError::KeyInFlight`],
/// [`AppError::KeyReused`], [`AppError::Database`].
pub async fn create_endpoint(
    tools: &Tools,
    keys: &SealingKeys,
    caller: &Caller,
    (once, settings): (&Once, EndpointSettings),
    respond: impl Fn(Result<&(WebhookEndpoint, NewSecret), &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let act = async |tx: &mut souk_postgres::TenantTx, now| {
        if webhooks::count_endpoints(tx).await? >= u64::from(ENDPOINTS_MAX) {
            return Err(WebhookRefusal::TooManyEndpoints.into());
        }
        let id = WebhookEndpointId::from_uuid(tools.ids.uuid_v7(now));
        let endpoint = WebhookEndpoint::new(id, settings, now);
        let place = SecretPlace {
            tenant: caller.tenant,
            endpoint: id,
            generation: 1,
        };
        let secret = fresh_secret().map_err(WebhookRefusal::from)?;
        let sealed = keys
            .seal(&secret, place, now)
            .map_err(WebhookRefusal::from)?;
        webhooks::insert_endpoint(tx, &endpoint).await?;
        webhooks::add_secret(tx, id, &sealed, now).await?;
        Ok(Changed {
            resource_id: id.to_string(),
            response: respond(Ok(&(endpoint, NewSecret { secret, sealed }))),
        })
    };
    run_once(tools, caller, once, act, |e| respond(Err(e))).await
}
