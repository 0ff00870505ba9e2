//! Lists endpoints.

use crate::{AppError, Caller, Tools};
use souk_domain::WebhookEndpointId;
use souk_domain::webhook::WebhookEndpoint;
use souk_postgres::webhooks;

/// Endpoints on a page at most.
pub const ENDPOINTS_PER_PAGE_MAX: u8 = 100;

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointPage {
    /// The endpoints, in the order in which they were entered.
    pub endpoints: Vec<WebhookEndpoint>,
    /// After which the next page begins; none after the last.
    pub next: Option<WebhookEndpointId>,
}

/// The endpoints of the caller's tenant from after `after` on: at most `limit`, which is 1 to
/// [`ENDPOINTS_PER_PAGE_MAX`].
///
/// # Errors
/// [`AppError::Database`].
pub async fn list_endpoints(
    tools: &Tools,
    caller: &Caller,
    after: Option<WebhookEndpointId>,
    limit: u8,
) -> Result<EndpointPage, AppError> {
    let limit = limit.clamp(1, ENDPOINTS_PER_PAGE_MAX);
    let mut tx = tools
        .db
        .begin_to_read(caller.tenant, caller.consistency.as_ref())
        .await?;
    // One more than is shown tells whether there is a next page.
    let with_next = u16::from(limit).saturating_add(1);
    let mut endpoints = webhooks::list_endpoints(&mut tx, after, with_next).await?;
    tx.commit().await?;
    let more = endpoints.len() > usize::from(limit);
    endpoints.truncate(usize::from(limit));
    let next = endpoints.last().filter(|_| more).map(|last| last.id);
    Ok(EndpointPage { endpoints, next })
}
