//! Lists what was sent to an endpoint.

use super::WebhookRefusal;
use crate::{AppError, Caller, Tools};
use souk_domain::webhook::DeliveryStatus;
use souk_domain::{EventId, WebhookEndpointId};
use souk_postgres::webhooks::{self, Delivery};

/// Deliveries on a page at most.
pub const DELIVERIES_PER_PAGE_MAX: u8 = 100;

/// Which deliveries are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// To this endpoint.
    pub endpoint: WebhookEndpointId,
    /// In this state.
    pub status: Option<DeliveryStatus>,
    /// Older than that of this event.
    pub after: Option<EventId>,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryPage {
    /// The deliveries, that of the newest event first.
    pub deliveries: Vec<Delivery>,
    /// After which event the next page begins; none after the last.
    pub next: Option<EventId>,
}

/// The deliveries to one endpoint of the caller's tenant: at most `limit`, which is 1 to
/// [`DELIVERIES_PER_PAGE_MAX`].
///
/// # Errors
/// [`AppError::Webhook`] with `EndpointNotFound`, also for an endpoint of another tenant;
/// [`AppError::Database`].
pub async fn list_deliveries(
    tools: &Tools,
    caller: &Caller,
    filter: DeliveryFilter,
    limit: u8,
) -> Result<DeliveryPage, AppError> {
    let limit = limit.clamp(1, DELIVERIES_PER_PAGE_MAX);
    let mut tx = tools
        .db
        .begin_to_read(caller.tenant, caller.consistency.as_ref())
        .await?;
    let endpoint = webhooks::load_endpoint(&mut tx, filter.endpoint).await?;
    let with_next = u16::from(limit).saturating_add(1);
    let mut deliveries = webhooks::list_deliveries(
        &mut tx,
        filter.endpoint,
        filter.status,
        filter.after,
        with_next,
    )
    .await?;
    tx.commit().await?;
    endpoint.ok_or(WebhookRefusal::EndpointNotFound)?;
    let more = deliveries.len() > usize::from(limit);
    deliveries.truncate(usize::from(limit));
    let next = deliveries.last().filter(|_| more).map(|last| last.event);
    Ok(DeliveryPage { deliveries, next })
}
