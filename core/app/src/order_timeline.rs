//! Tells what happened to an order.

use crate::{AppError, Caller, Tools};
use souk_domain::{EventData, OrderId};
use souk_postgres::orders::{self, TimelineEntry};

/// Entries on a page at most.
pub const TIMELINE_ENTRIES_PER_PAGE_MAX: u8 = 100;

/// A page of an order's timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelinePage {
    /// What happened, in order, without gaps.
    pub entries: Vec<TimelineEntry>,
    /// The sequence after which the next page begins; none after the last.
    pub next_after: Option<u64>,
}

/// What happened to the order after its event `after` (0: from the beginning), in order.
///
/// # Errors
/// [`AppError::OrderNotFound`], also for an order of another tenant; [`AppError::Database`].
pub async fn order_timeline(
    tools: &Tools,
    caller: &Caller,
    id: OrderId,
    after: u64,
    limit: u8,
) -> Result<TimelinePage, AppError> {
    let limit = usize::from(limit.clamp(1, TIMELINE_ENTRIES_PER_PAGE_MAX));
    let mut tx = tools
        .db
        .begin_to_read(caller.tenant, caller.consistency.as_ref())
        .await?;
    let order = orders::load(&mut tx, id)
        .await?
        .ok_or(AppError::OrderNotFound)?;
    let mut entries = Vec::new();
    if after == 0 {
        let placing = orders::placing(&mut tx, id)
            .await?
            .ok_or(AppError::OrderNotFound)?;
        let event = EventData::OrderPlacedV1(order.placed_event());
        entries.push(TimelineEntry {
            sequence: 1,
            event_id: placing.event_id,
            event_type: event.type_name().to_owned(),
            occurred_at: order.record().placed_at,
            principal: placing.principal,
            request_id: placing.request_id,
            data: event.to_json()?,
        });
    }
    let with_next = u16::from(TIMELINE_ENTRIES_PER_PAGE_MAX).saturating_add(1);
    entries.extend(orders::transitions(&mut tx, id, after, with_next).await?);
    tx.commit().await?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next_after = entries.last().filter(|_| more).map(|last| last.sequence);
    Ok(TimelinePage {
        entries,
        next_after,
    })
}
