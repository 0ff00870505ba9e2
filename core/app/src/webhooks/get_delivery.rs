//! Reads what was sent to an endpoint, and what came of it.

use super::WebhookRefusal;
use crate::{AppError, Caller, Tools};
use souk_domain::{EventId, WebhookEndpointId};
use souk_postgres::webhooks::{self, Attempt, Delivery};

/// Attempts of a delivery that are shown: the latest.
pub const ATTEMPTS_SHOWN_MAX: u16 = 50;

/// A delivery with its attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryView {
    /// The delivery.
    pub delivery: Delivery,
    /// What is sent.
    pub body: String,
    /// Its latest attempts, the first one first.
    pub attempts: Vec<Attempt>,
}

/// The delivery of `event` to `endpoint`, if both are the caller's tenant's.
///
/// # Errors
/// [`AppError::Webhook`] with `EndpointNotFound` or `DeliveryNotFound`; [`AppError::Database`].
pub async fn get_delivery(
    tools: &Tools,
    caller: &Caller,
    endpoint: WebhookEndpointId,
    event: EventId,
) -> Result<DeliveryView, AppError> {
    let mut tx = tools
        .db
        .begin_to_read(caller.tenant, caller.consistency.as_ref())
        .await?;
    let known = webhooks::load_endpoint(&mut tx, endpoint).await?;
    let found = webhooks::load_delivery(&mut tx, endpoint, event).await?;
    let attempts = webhooks::attempts(&mut tx, endpoint, event, ATTEMPTS_SHOWN_MAX).await?;
    tx.commit().await?;
    known.ok_or(WebhookRefusal::EndpointNotFound)?;
    let (delivery, body) = found.ok_or(WebhookRefusal::DeliveryNotFound)?;
    Ok(DeliveryView {
        delivery,
        body,
        attempts,
    })
}
