//! Messages that a consumer could not take: parked, looked at, released, given up.

use souk_domain::{EventHead, EventId, TenantId};
use souk_postgres::{Database, DatabaseError, Shards, parked};

pub use souk_postgres::parked::{ParkReason, ParkedCount, ParkedMessage};

/// Kinds of parked messages that are counted at once.
pub const PARKED_COUNTS_MAX: u16 = 1000;

/// Keeps a message for `consumer` until it is released. Repeating it changes nothing.
pub async fn park(
    db: &Shards,
    consumer: &str,
    head: &EventHead,
    reason: ParkReason,
    body: &str,
) -> Result<(), DatabaseError> {
    let mut tx = db.begin(head.tenant_id).await?;
    parked::park(&mut tx, consumer, head, reason, body).await?;
    tx.commit().await
}

/// The message is parked no longer: its consumer has applied it, or an operator gives it up. Returns whether it was.
pub async fn unpark(
    db: &Shards,
    tenant: TenantId,
    consumer: &str,
    event: EventId,
) -> Result<bool, DatabaseError> {
    let mut tx = db.begin(tenant).await?;
    let was = parked::unpark(&mut tx, consumer, event).await?;
    tx.commit().await?;
    Ok(was)
}

/// Which of a tenant's parked messages.
#[derive(Debug, Clone, Copy)]
pub struct ParkedFilter<'a> {
    /// Whose.
    pub tenant: TenantId,
    /// For which consumer.
    pub consumer: &'a str,
    /// Of this type only.
    pub event_type: Option<&'a str>,
}

/// At most `limit` messages in the order in which they are released: by aggregate, and in sequence within it. Only
/// those after `after`, an aggregate and a sequence.
pub async fn parked_page(
    db: &Shards,
    filter: ParkedFilter<'_>,
    after: Option<(&str, u64)>,
    limit: u16,
) -> Result<Vec<ParkedMessage>, DatabaseError> {
    let mut tx = db.begin(filter.tenant).await?;
    let page = parked::page(&mut tx, filter.consumer, filter.event_type, after, limit).await?;
    tx.commit().await?;
    Ok(page)
}

/// Notes that messages were sent to their consumer again. They stay until it has applied them.
pub async fn mark_released(
    db: &Shards,
    tenant: TenantId,
    consumer: &str,
    events: &[EventId],
) -> Result<(), DatabaseError> {
    let mut tx = db.begin(tenant).await?;
    parked::mark_released(&mut tx, consumer, events).await?;
    tx.commit().await
}

/// What is parked in a database, by tenant, consumer, type and reason, at most [`PARKED_COUNTS_MAX`] kinds. `db` is
/// by the role `souk_sweeper`.
pub async fn parked_counts(db: &Database) -> Result<Vec<ParkedCount>, DatabaseError> {
    parked::counts(db, PARKED_COUNTS_MAX).await
}
