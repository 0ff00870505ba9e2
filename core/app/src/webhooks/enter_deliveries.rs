//! Lets an event be delivered.

use super::CONSUMER;
use crate::{AppError, Tools};
use souk_domain::Event;
use souk_domain::webhook::webhook_body;
use souk_postgres::{inbox, webhooks};

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// It is on its way to so many endpoints.
    To(u64),
    /// It had been entered before.
    Duplicate,
}

/// Enters a delivery of `event` to each endpoint of its tenant that wants it, once: inbox entry and
/// deliveries commit together. For a disabled endpoint too, where it will be skipped and can be replayed.
///
/// # Errors
/// [`AppError::Event`], [`AppError::Database`]: nothing was entered, the event is delivered again.
pub async fn enter_deliveries(tools: &Tools, event: &Event) -> Result<Entered, AppError> {
    let now = tools.clock.now();
    let body = webhook_body(event)?;
    let event_type = event.data.type_name();
    let mut tx = tools.db.begin(event.tenant_id).await?;
    if !inbox::accept(&mut tx, CONSUMER, event.id).await? {
        tx.rollback().await?;
        return Ok(Entered::Duplicate);
    }
    let endpoints = webhooks::all_endpoints(&mut tx).await?;
    let wanting: Vec<_> = endpoints
        .iter()
        .filter(|endpoint| endpoint.settings.filter.matches(event_type))
        .map(|endpoint| endpoint.id)
        .collect();
    let entered = if wanting.is_empty() {
        0
    } else {
        webhooks::enter(&mut tx, event, &body, &wanting, now).await?
    };
    tx.commit().await?;
    Ok(Entered::To(entered))
}
