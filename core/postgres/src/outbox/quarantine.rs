//! Events that nobody tries any more: the queue has refused them too often. Each holds back the later
//! ones of its aggregate until an operator decides. By the role `souk_relay`, which sees those of all
//! tenants.

use crate::orders::to_column;
use crate::{Database, DatabaseError};
use souk_domain::Timestamp;
use time::OffsetDateTime;
use uuid::Uuid;

/// Which events of the quarantine are meant; what is none bounds nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QuarantineFilter {
    /// Of this tenant.
    pub tenant_id: Option<Uuid>,
    /// Of this type.
    pub event_type: Option<String>,
    /// That happened at this time or later.
    pub since: Option<Timestamp>,
    /// That happened before this time.
    pub until: Option<Timestamp>,
}

/// An event in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Its lane. With its position it names the event.
    pub lane: i16,
    /// Its position.
    pub position: i64,
    /// Whose it is.
    pub tenant_id: Uuid,
    /// The aggregate that it holds back.
    pub aggregate_id: Uuid,
    /// The event's id.
    pub event_id: Uuid,
    /// Its number in the aggregate.
    pub sequence: i64,
    /// Its type.
    pub event_type: String,
    /// When it happened.
    pub created_at: OffsetDateTime,
    /// Since when nobody tries it.
    pub quarantined_at: OffsetDateTime,
    /// How often the queue has refused it.
    pub attempts: u32,
    /// What it said last.
    pub last_error: String,
    /// How many later events of its aggregate wait for it; those after the first hundred are not counted.
    pub waiting: u32,
}

/// Events in quarantine that `filter` means, in the order of lane and position, after `after` (a lane and
/// a position), at most `limit`.
pub async fn list_quarantined(
    db: &Database,
    filter: &QuarantineFilter,
    after: Option<(i16, i64)>,
    limit: u16,
) -> Result<Vec<Quarantined>, DatabaseError> {
    let (lane, position) = after.unwrap_or((-1, 0));
    let mut tx = db.begin_without_tenant().await?;
    let rows = sqlx::query!(
        r#"SELECT h.lane, h.position, h.tenant_id, h.aggregate_id, h.event_id, h.sequence,
               h.event_type, h.created_at, h.quarantined_at AS "quarantined_at!", h.attempts,
               coalesce(h.last_error, '') AS "last_error!",
               (SELECT count(*) FROM (
                    SELECT FROM souk.outbox_held w
                    WHERE w.lane = h.lane AND w.aggregate_id = h.aggregate_id
                      AND w.position > h.position LIMIT 100) w) AS "waiting!"
           FROM souk.outbox_held h
           WHERE h.quarantined_at IS NOT NULL AND (h.lane, h.position) > ($1, $2)
             AND ($3::uuid IS NULL OR h.tenant_id = $3)
             AND ($4::text IS NULL OR h.event_type = $4)
             AND ($5::timestamptz IS NULL OR h.created_at >= $5)
             AND ($6::timestamptz IS NULL OR h.created_at < $6)
           ORDER BY h.lane, h.position LIMIT $7"#,
        lane,
        position,
        filter.tenant_id,
        filter.event_type,
        filter.since.map(|at| at.as_offset_date_time()),
        filter.until.map(|at| at.as_offset_date_time()),
        i64::from(limit),
    )
    .fetch_all(tx.connection())
    .await?;
    tx.commit().await?;
    let events = rows.into_iter().map(|row| {
        Ok(Quarantined {
            lane: row.lane,
            position: row.position,
            tenant_id: row.tenant_id,
            aggregate_id: row.aggregate_id,
            event_id: row.event_id,
            sequence: row.sequence,
            event_type: row.event_type,
            created_at: row.created_at,
            quarantined_at: row.quarantined_at,
            attempts: to_column(row.attempts, "a count")?,
            last_error: row.last_error,
            waiting: to_column(row.waiting, "a count")?,
        })
    });
    events.collect()
}

/// Lets an event be tried again, as if it had never been refused. Whether there was one.
pub async fn release_quarantined(
    db: &Database,
    lane: i16,
    position: i64,
) -> Result<bool, DatabaseError> {
    let mut tx = db.begin_without_tenant().await?;
    let released = sqlx::query!(
        "UPDATE souk.outbox_held \
         SET quarantined_at = NULL, attempts = 0, next_try_at = clock_timestamp() \
         WHERE lane = $1 AND position = $2 AND quarantined_at IS NOT NULL",
        lane,
        position,
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    tx.commit().await?;
    Ok(released > 0)
}

/// Gives an event up: it is never published by a relay, and the later ones of its aggregate go on.
/// Whether there was one in quarantine.
pub async fn drop_quarantined(
    db: &Database,
    lane: i16,
    position: i64,
) -> Result<bool, DatabaseError> {
    let mut tx = db.begin_without_tenant().await?;
    // No relay parks another event of the aggregate meanwhile, which nobody would wake.
    sqlx::query_scalar!(
        "SELECT lane FROM souk.outbox_lanes WHERE lane = $1 FOR UPDATE",
        lane,
    )
    .fetch_optional(tx.connection())
    .await?;
    let aggregate = sqlx::query_scalar!(
        "DELETE FROM souk.outbox_held \
         WHERE lane = $1 AND position = $2 AND quarantined_at IS NOT NULL RETURNING aggregate_id",
        lane,
        position,
    )
    .fetch_optional(tx.connection())
    .await?;
    if let Some(aggregate) = aggregate {
        sqlx::query_scalar!(
            r#"SELECT souk.wake_held_aggregates(ARRAY[$1]::smallint[], ARRAY[$2]::uuid[])::text
                   AS "done!""#,
            lane,
            aggregate,
        )
        .fetch_one(tx.connection())
        .await?;
    }
    tx.commit().await?;
    Ok(aggregate.is_some())
}
