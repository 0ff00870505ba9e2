//! Lets an event be delivered.

use super::CONSUMER;
use crate::{AppError, Applied, Tools, apply_once};
use souk_domain::Event;
use souk_domain::webhook::webhook_body;
use souk_postgres::webhooks;

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
    let applied = apply_once(&tools.db, CONSUMER, event, async |tx| {
        let endpoints = webhooks::all_endpoints(tx).await?;
        let wanting: Vec<_> = endpoints
            .iter()
            .filter(|endpoint| endpoint.settings.filter.matches(event_type))
            .map(|endpoint| endpoint.id)
            .collect();
        if wanting.is_empty() {
            return Ok::<u64, AppError>(0);
        }
        Ok(webhooks::enter(tx, event, &body, &wanting, now).await?)
    });
    Ok(match applied.await? {
        Applied::First(entered) => Entered::To(entered),
        // It waits for no other: endpoints that want order keep it by sequence.
        Applied::Known | Applied::Behind => Entered::Duplicate,
    })
}
