//! Puts a transition's event into the outbox of the same transaction.

use crate::{AppError, Caller, Tools};
use souk_domain::{Event, EventId, Timestamp, Transition};
use souk_postgres::{TenantTx, outbox};

/// The event of `transition`. Its sequence is the order's version: one event a transition.
pub(crate) fn new_event(
    tools: &Tools,
    caller: &Caller,
    transition: &Transition,
    now: Timestamp,
) -> Event {
    Event {
        id: EventId::from_uuid(tools.ids.uuid_v7(now)),
        tenant_id: caller.tenant,
        subject: transition.order.id(),
        sequence: transition.order.version(),
        time: now,
        correlation_id: caller.request_id,
        causation_id: None,
        traceparent: caller.traceparent.clone(),
        data: transition.event.clone(),
    }
}

/// Writes the event of `transition`.
pub(crate) async fn record_event(
    tools: &Tools,
    tx: &mut TenantTx,
    caller: &Caller,
    transition: &Transition,
    now: Timestamp,
) -> Result<(), AppError> {
    let event = new_event(tools, caller, transition, now);
    let text = event.to_json_text()?;
    outbox::append(tx, &event, &text).await?;
    Ok(())
}
