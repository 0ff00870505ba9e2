//! The inbox: which events a consumer has applied.

use crate::{Database, DatabaseError, TenantTx};
use souk_domain::{Event, EventId, Timestamp};

/// Whether a consumer may apply an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// Yes, in this transaction.
    First,
    /// It has applied it before.
    Known,
    /// An earlier event of its aggregate is parked. Nothing was noted.
    Behind,
}

/// Notes that `consumer` applies the event in this transaction. Returns false when it has done so
/// before; a concurrent first delivery of the same event is waited for.
pub async fn accept(
    tx: &mut TenantTx,
    consumer: &str,
    event: EventId,
) -> Result<bool, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let inserted = sqlx::query!(
        "INSERT INTO souk.inbox_messages (tenant_id, consumer, event_id) VALUES ($1, $2, $3) \
         ON CONFLICT ON CONSTRAINT inbox_messages_pkey DO NOTHING",
        tenant,
        consumer,
        event.as_uuid(),
    )
    .execute(tx.connection())
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// The same for a consumer that needs the events of an aggregate in order: not while an earlier one is parked. One
/// round trip as well.
pub async fn accept_in_order(
    tx: &mut TenantTx,
    consumer: &str,
    event: &Event,
) -> Result<Acceptance, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let sequence = i64::try_from(event.sequence)
        .map_err(|_| DatabaseError::OutOfRange { what: "a sequence" })?;
    let row = sqlx::query!(
        r#"WITH earlier AS (
               SELECT FROM souk.parked_messages
               WHERE tenant_id = $1 AND consumer = $2 AND subject = $4 AND sequence < $5 LIMIT 1
           ), noted AS (
               INSERT INTO souk.inbox_messages (tenant_id, consumer, event_id)
               SELECT $1, $2, $3 WHERE NOT EXISTS (SELECT FROM earlier)
               ON CONFLICT ON CONSTRAINT inbox_messages_pkey DO NOTHING RETURNING event_id
           )
           SELECT EXISTS (SELECT FROM earlier) AS "behind!", EXISTS (SELECT FROM noted) AS "first!""#,
        tenant,
        consumer,
        event.id.as_uuid(),
        event.subject.to_string(),
        sequence,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(match (row.behind, row.first) {
        (true, _) => Acceptance::Behind,
        (false, true) => Acceptance::First,
        (false, false) => Acceptance::Known,
    })
}

/// Forgets at most `limit` entries from before `before`, the oldest first. For the role `souk_sweeper`, which sees
/// none of the last 14 days. Returns how many were forgotten.
pub async fn forget(db: &Database, before: Timestamp, limit: u32) -> Result<u64, DatabaseError> {
    let mut tx = db.begin_without_tenant().await?;
    let forgotten = sqlx::query!(
        "DELETE FROM souk.inbox_messages WHERE (tenant_id, consumer, event_id) IN (
             SELECT tenant_id, consumer, event_id FROM souk.inbox_messages
             WHERE received_at < $1 ORDER BY received_at LIMIT $2)",
        before.as_offset_date_time(),
        i64::from(limit),
    )
    .execute(tx.connection())
    .await?;
    tx.commit().await?;
    Ok(forgotten.rows_affected())
}
