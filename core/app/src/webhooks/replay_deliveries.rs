//! Sends again.

use super::change_endpoint::lock;
use super::{EndpointCommand, WebhookRefusal};
use crate::once::{Changed, run_once};
use crate::{Answer, AppError, Caller, Tools};
use souk_domain::webhook::WebhookEndpoint;
use souk_domain::{EventId, Timestamp};
use souk_postgres::TenantTx;
use souk_postgres::idempotency::StoredResponse;
use souk_postgres::webhooks::{self, Delivery, ReplayRange};

/// Deliveries of a range that one command sends again, at most.
pub const REPLAYED_MAX: u16 = 1_000;

/// What a command sends again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// How many deliveries.
    pub count: u64,
    /// After which event the rest of the range begins; none where there is none.
    pub next: Option<EventId>,
}

/// Lets the delivery of `event` begin its schedule anew, now, whether it was delivered or not. The message
/// keeps its id, so that a receiver can tell.
///
/// # Errors
/// [`AppError::Webhook`] with `EndpointNotFound`, `OtherVersion`, `EndpointDisabled`, `DeliveryNotFound` or
/// `DeliveryPending`; [`AppError::KeyInFlight`], [`AppError::KeyReused`], [`AppError::Database`].
pub async fn replay_delivery(
    tools: &Tools,
    caller: &Caller,
    command: &EndpointCommand,
    event: EventId,
    respond: impl Fn(Result<&Delivery, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let act = async |tx: &mut TenantTx, now: Timestamp| {
        let endpoint = lock_enabled(tx, command).await?;
        let replayed = webhooks::replay_one(tx, endpoint.id, event, now).await?;
        let found = webhooks::load_delivery(tx, endpoint.id, event).await?;
        let (delivery, _) = found.ok_or(WebhookRefusal::DeliveryNotFound)?;
        if !replayed {
            return Err(WebhookRefusal::DeliveryPending.into());
        }
        Ok(Changed {
            resource_id: event.to_string(),
            response: respond(Ok(&delivery)),
        })
    };
    run_once(tools, caller, &command.once, act, |e| respond(Err(e))).await
}

/// The same for the deliveries of a range: at most [`REPLAYED_MAX`] of them, and as many as it asks for.
///
/// # Errors
/// As [`replay_delivery`], but for the two of the delivery.
pub async fn replay_deliveries(
    tools: &Tools,
    caller: &Caller,
    command: &EndpointCommand,
    range: ReplayRange,
    respond: impl Fn(Result<&Replayed, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let limit = range.limit.clamp(1, REPLAYED_MAX);
    let range = ReplayRange { limit, ..range };
    let act = async |tx: &mut TenantTx, now: Timestamp| {
        let endpoint = lock_enabled(tx, command).await?;
        let events = webhooks::replay_range(tx, endpoint.id, &range, now).await?;
        let full = events.len() >= usize::from(limit);
        let replayed = Replayed {
            count: u64::try_from(events.len()).unwrap_or(u64::MAX),
            next: events.last().copied().filter(|_| full),
        };
        Ok(Changed {
            resource_id: endpoint.id.to_string(),
            response: respond(Ok(&replayed)),
        })
    };
    run_once(tools, caller, &command.once, act, |e| respond(Err(e))).await
}

async fn lock_enabled(
    tx: &mut TenantTx,
    command: &EndpointCommand,
) -> Result<WebhookEndpoint, AppError> {
    let endpoint = lock(tx, command).await?;
    if endpoint.is_enabled() {
        return Ok(endpoint);
    }
    Err(WebhookRefusal::EndpointDisabled.into())
}
