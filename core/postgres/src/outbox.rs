//! The outbox: events written with the state they tell of, and the lanes through which relays take
//! them out.
//!
//! Who may mark what: a relay leases lanes. Each lease carries a fencing token that rises when the
//! lane changes hands, and a mark under an older token changes nothing. Lease times are the
//! database's clock alone.

use crate::orders::to_column;
use crate::{Database, DatabaseError, TenantTx};
mod lanes;

use core::time::Duration;
pub use lanes::{
    Failure, Found, LaneCursor, LaneLease, LaneProgress, LaneRelease, LeaseTerms, Leased,
    LeasedLane, OutboxRead, ParkedEvent, PendingEvent, Progress, ReadLimits, Recorded,
    RecordedLane, Seen,
};
use souk_domain::{Event, LANES, lane_of};
use uuid::Uuid;

/// Writes `event` in the transaction of the change that it tells of. `text` is its JSON text, from
/// [`Event::to_json_text`], which has checked its size.
pub async fn append(tx: &mut TenantTx, event: &Event, text: &str) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "INSERT INTO souk.outbox_events \
             (event_id, tenant_id, lane, aggregate_id, sequence, event_type, body, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        event.id.as_uuid(),
        tenant,
        i16::from(lane_of(event.subject.as_uuid())),
        event.subject.as_uuid(),
        to_column::<i64>(event.sequence, "a sequence")?,
        event.data.type_name(),
        text,
        event.time.as_offset_date_time(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// An event that has not been published yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnpublishedEvent {
    /// Where it lies; rises with each event of an aggregate.
    pub position: i64,
    /// Its lane.
    pub lane: i16,
    /// The event's id.
    pub event_id: Uuid,
    /// The aggregate whose order counts.
    pub aggregate_id: Uuid,
    /// Its type, such as `order.placed.v1`.
    pub event_type: String,
    /// Its JSON text.
    pub body: String,
    /// How often publishing it has failed.
    pub attempts: i32,
}

/// Leases up to `lanes_max` lanes that are free and have something to publish. Lanes that another
/// relay is just leasing are passed over, not waited for.
pub async fn lease_lanes(
    db: &Database,
    holder: &str,
    lanes_max: u8,
    lease: Duration,
) -> Result<Vec<LaneLease>, DatabaseError> {
    let mut tx = db.begin_without_tenant().await?;
    let leases = sqlx::query_as!(
        LaneLease,
        "UPDATE souk.outbox_lanes l \
         SET holder = $1, fencing_token = l.fencing_token + 1, \
             lease_expires_at = clock_timestamp() + make_interval(secs => $3) \
         FROM ( \
             SELECT lane FROM souk.outbox_lanes f \
             WHERE lease_expires_at <= clock_timestamp() \
               AND EXISTS (SELECT 1 FROM souk.outbox_events e \
                           WHERE e.lane = f.lane AND e.published_at IS NULL) \
             ORDER BY lease_expires_at, lane LIMIT $2 FOR UPDATE SKIP LOCKED \
         ) free \
         WHERE l.lane = free.lane RETURNING l.lane, l.fencing_token",
        holder,
        i64::from(lanes_max.min(LANES)),
        lease.as_secs_f64(),
    )
    .fetch_all(tx.connection())
    .await?;
    tx.commit().await?;
    Ok(leases)
}

/// The oldest unpublished events of each leased lane, at most `events_per_lane_max` of each, in
/// order. Aggregates in `held` are left out, so that what cannot be sent does not fill the window.
pub async fn read_lanes(
    db: &Database,
    leases: &[LaneLease],
    held: &[Uuid],
    events_per_lane_max: u16,
) -> Result<Vec<UnpublishedEvent>, DatabaseError> {
    let (lanes, _) = columns(leases);
    let mut tx = db.begin_without_tenant().await?;
    let events = sqlx::query_as!(
        UnpublishedEvent,
        r#"SELECT e.position AS "position!", e.lane AS "lane!", e.event_id AS "event_id!",
               e.aggregate_id AS "aggregate_id!", e.event_type AS "event_type!",
               e.body AS "body!", e.attempts AS "attempts!"
           FROM unnest($1::smallint[]) AS leased (lane)
           CROSS JOIN LATERAL (
               SELECT * FROM souk.outbox_events o
               WHERE o.lane = leased.lane AND o.published_at IS NULL
                 AND o.aggregate_id <> ALL ($2::uuid[])
               ORDER BY o.position LIMIT $3
           ) e
           ORDER BY e.position"#,
        &lanes,
        held,
        i64::from(events_per_lane_max),
    )
    .fetch_all(tx.connection())
    .await?;
    tx.commit().await?;
    Ok(events)
}

/// What a relay learned of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BatchResult {
    /// Positions that the queue has taken.
    pub published: Vec<i64>,
    /// Positions that it has not, with the reason.
    pub failed: Vec<(i64, String)>,
}

/// Writes down `result` and prolongs the leases, in one transaction. Only lanes whose token is still
/// current are touched; the returned leases are those. A relay stops publishing lanes that are
/// missing from them.
pub async fn record(
    db: &Database,
    leases: &[LaneLease],
    lease: Duration,
    result: &BatchResult,
) -> Result<Vec<LaneLease>, DatabaseError> {
    let (lanes, tokens) = columns(leases);
    let (failed, reasons): (Vec<i64>, Vec<String>) = result.failed.iter().cloned().unzip();
    let mut tx = db.begin_without_tenant().await?;
    // The row locks taken here hold off a relay that would take over a lane before the marks below
    // are committed.
    let current = sqlx::query_as!(
        LaneLease,
        "UPDATE souk.outbox_lanes l \
         SET lease_expires_at = clock_timestamp() + make_interval(secs => $3) \
         FROM unnest($1::smallint[], $2::bigint[]) AS mine (lane, fencing_token) \
         WHERE l.lane = mine.lane AND l.fencing_token = mine.fencing_token \
         RETURNING l.lane, l.fencing_token",
        &lanes,
        &tokens,
        lease.as_secs_f64(),
    )
    .fetch_all(tx.connection())
    .await?;
    let (current_lanes, _) = columns(&current);
    if !result.published.is_empty() {
        sqlx::query!(
            "UPDATE souk.outbox_events SET published_at = clock_timestamp() \
             WHERE position = ANY ($1) AND lane = ANY ($2) AND published_at IS NULL",
            &result.published,
            &current_lanes,
        )
        .execute(tx.connection())
        .await?;
    }
    if !failed.is_empty() {
        sqlx::query!(
            "UPDATE souk.outbox_events e SET attempts = attempts + 1, last_error = f.reason \
             FROM unnest($1::bigint[], $2::text[]) AS f (position, reason) \
             WHERE e.position = f.position AND e.lane = ANY ($3) AND e.published_at IS NULL",
            &failed,
            &reasons,
            &current_lanes,
        )
        .execute(tx.connection())
        .await?;
    }
    tx.commit().await?;
    Ok(current)
}

/// Gives lanes back before their leases end, where they are still held.
pub async fn release_lanes(db: &Database, leases: &[LaneLease]) -> Result<(), DatabaseError> {
    let (lanes, tokens) = columns(leases);
    let mut tx = db.begin_without_tenant().await?;
    sqlx::query!(
        "UPDATE souk.outbox_lanes l SET lease_expires_at = clock_timestamp(), holder = '' \
         FROM unnest($1::smallint[], $2::bigint[]) AS mine (lane, fencing_token) \
         WHERE l.lane = mine.lane AND l.fencing_token = mine.fencing_token",
        &lanes,
        &tokens,
    )
    .execute(tx.connection())
    .await?;
    tx.commit().await?;
    Ok(())
}

fn columns(leases: &[LaneLease]) -> (Vec<i16>, Vec<i64>) {
    leases
        .iter()
        .map(|lease| (lease.lane, lease.fencing_token))
        .unzip()
}
