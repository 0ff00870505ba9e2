//! The event that tells of a transition.

use crate::{Caller, Tools};
use souk_domain::{Event, EventId, Timestamp, Transition};

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
        subject: transition.order.id().into(),
        sequence: transition.order.version(),
        time: now,
        correlation_id: caller.request_id,
        causation_id: None,
        traceparent: caller.traceparent.clone(),
        data: transition.event.clone(),
    }
}
