//! What is to be published, as one moment shows it.

use super::lanes::{Found, LeasedLane, OutboxRead, PendingEvent, ReadLimits, Seen};
use crate::orders::to_column;
use crate::{Database, DatabaseError};
use core::cmp::Reverse;
use core::time::Duration;
use std::collections::BTreeMap;
use uuid::Uuid;

/// How the statement below says how it found an event.
const NEW: i32 = 0;
const LATE: i32 = 1;

struct Row {
    found: i32,
    position: i64,
    lane: i16,
    tenant_id: Uuid,
    event_id: Uuid,
    aggregate_id: Uuid,
    event_type: String,
    body: String,
    waits: bool,
    attempts: i32,
    age_us: i64,
}

/// Reads on from the cursors of `lanes`: what is new, what is late, and what is held and due. Changes
/// nothing, and asks nobody whether the leases are still held.
///
/// Partitions of days on which nothing above a lane's `low` can have been written are not looked at.
///
/// An event whose transaction the cursor's snapshot does not know counts as late only where the present
/// snapshot does: else it was restored from another cluster, whose numbers mean nothing here, and all such
/// events that were late lie below the snapshot that was restored with them.
pub async fn read(
    db: &Database,
    lanes: &[LeasedLane],
    limits: ReadLimits,
) -> Result<OutboxRead, DatabaseError> {
    let numbers: Vec<i16> = lanes.iter().map(|lane| lane.lease.lane).collect();
    let lows: Vec<i64> = lanes.iter().map(|lane| lane.cursor.low).collect();
    let highs: Vec<i64> = lanes.iter().map(|lane| lane.cursor.high).collect();
    let seens: Vec<String> = lanes
        .iter()
        .map(|lane| lane.cursor.seen.0.clone())
        .collect();
    let (mut tx, now) = db.begin_to_relay().await?;
    let rows = sqlx::query_as!(
        Row,
        r#"WITH leased AS MATERIALIZED (
               SELECT u.lane, u.low, u.high, u.seen::pg_snapshot AS seen,
                   pg_snapshot_xmax(u.seen::pg_snapshot) > pg_snapshot_xmax($5::text::pg_snapshot)
                       AS foreign_seen,
                   $5::text::pg_snapshot AS present,
                   (SELECT coalesce(max(d.day) - 1, '-infinity') FROM souk.outbox_days d
                    WHERE d.position <= u.low) AS first_day,
                   (SELECT true FROM souk.outbox_held h WHERE h.lane = u.lane LIMIT 1) AS holds
               FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::text[])
                   AS u (lane, low, high, seen)
           )
           SELECT e.found AS "found!", e.position AS "position!", e.lane AS "lane!",
               e.tenant_id AS "tenant_id!", e.event_id AS "event_id!",
               e.aggregate_id AS "aggregate_id!", e.event_type AS "event_type!", e.body AS "body!",
               e.waits AS "waits!", e.attempts AS "attempts!",
               greatest((extract(epoch FROM clock_timestamp() - e.created_at) * 1000000)::bigint, 0)
                   AS "age_us!"
           FROM leased l
           CROSS JOIN LATERAL (
               (SELECT 2 AS found, a.position, a.lane, a.tenant_id, a.event_id, a.aggregate_id,
                    a.event_type, a.body, a.attempts, a.created_at, false AS waits
                FROM (SELECT * FROM souk.outbox_held d
                      WHERE l.holds AND d.lane = l.lane AND d.next_try_at <= clock_timestamp()
                      ORDER BY d.next_try_at LIMIT $8) d
                CROSS JOIN LATERAL (
                    SELECT * FROM souk.outbox_held h
                    WHERE h.lane = d.lane AND h.aggregate_id = d.aggregate_id
                      AND h.position >= d.position
                    ORDER BY h.position LIMIT $8) a
                LIMIT $8)
               UNION ALL
               (SELECT 1, o.position, o.lane, o.tenant_id, o.event_id, o.aggregate_id, o.event_type,
                    o.body, 0, o.created_at,
                    l.holds IS NOT NULL AND (SELECT true FROM souk.outbox_held h
                        WHERE h.lane = o.lane AND h.aggregate_id = o.aggregate_id LIMIT 1) IS NOT NULL
                FROM souk.outbox_events o
                WHERE l.low < l.high AND o.lane = l.lane AND o.position > l.low
                  AND o.position <= l.high AND o.written_on >= l.first_day
                  AND NOT pg_visible_in_snapshot(o.written_in, l.seen)
                  AND (l.foreign_seen
                       OR pg_visible_in_snapshot(o.written_in, l.present))
                ORDER BY o.position LIMIT $7)
               UNION ALL
               (SELECT 0, o.position, o.lane, o.tenant_id, o.event_id, o.aggregate_id, o.event_type,
                    o.body, 0, o.created_at,
                    l.holds IS NOT NULL AND (SELECT true FROM souk.outbox_held h
                        WHERE h.lane = o.lane AND h.aggregate_id = o.aggregate_id LIMIT 1) IS NOT NULL
                FROM souk.outbox_events o
                WHERE o.lane = l.lane AND o.position > l.high AND o.written_on >= l.first_day
                ORDER BY o.position LIMIT $6)
           ) e"#,
        &numbers,
        &lows,
        &highs,
        &seens,
        now,
        i64::from(limits.new_per_lane_max),
        // One more, to see that there are more.
        i64::from(limits.late_per_lane_max).saturating_add(1),
        i64::from(limits.held_per_lane_max),
    )
    .fetch_all(tx.connection())
    .await?;
    tx.commit().await?;
    found(rows, Seen(now), limits)
}

fn found(rows: Vec<Row>, seen: Seen, limits: ReadLimits) -> Result<OutboxRead, DatabaseError> {
    let events = rows.into_iter().map(into_event);
    let mut events = events.collect::<Result<Vec<_>, _>>()?;
    // What is held goes before what is late, and that before what is new.
    events.sort_by_key(|e| (e.lane, Reverse(e.found), e.position));
    let read = OutboxRead {
        seen,
        events,
        overflowing: Vec::new(),
    };
    Ok(without_overflowing(read, limits))
}

fn into_event(row: Row) -> Result<PendingEvent, DatabaseError> {
    let found = match row.found {
        NEW => Found::New,
        LATE => Found::Late,
        _ => Found::Held,
    };
    Ok(PendingEvent {
        position: row.position,
        lane: row.lane,
        tenant_id: row.tenant_id,
        event_id: row.event_id,
        aggregate_id: row.aggregate_id,
        event_type: row.event_type,
        body: row.body,
        found,
        waits: row.waits,
        attempts: to_column(row.attempts, "a count")?,
        age: Duration::from_micros(to_column(row.age_us, "an age")?),
    })
}

/// Without the lanes that have more late events than the limit.
fn without_overflowing(mut read: OutboxRead, limits: ReadLimits) -> OutboxRead {
    let mut late: BTreeMap<i16, u16> = BTreeMap::new();
    for event in read.events.iter().filter(|e| e.found == Found::Late) {
        let count = late.entry(event.lane).or_default();
        *count = count.saturating_add(1);
    }
    let over = |count: &u16| *count > limits.late_per_lane_max;
    read.overflowing = late
        .into_iter()
        .filter(|(_, count)| over(count))
        .map(|(lane, _)| lane)
        .collect();
    if !read.overflowing.is_empty() {
        let overflowing = &read.overflowing;
        read.events.retain(|e| !overflowing.contains(&e.lane));
    }
    read
}
