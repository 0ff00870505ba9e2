//! What was published, for as long as it is kept: to be sent again. By the role `souk_relay`, which sees
//! the events of all tenants.

use crate::{Database, DatabaseError};
use souk_domain::Timestamp;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// Of lanes that relays read, the last.
const LANE_LAST: i16 = 63;
/// The lane of history that came with a tenant from another database.
const LANE_OF_OTHERS: i16 = -1;
/// Clocks of writers and of the database are closer together than this.
const CLOCKS_APART_MAX: Duration = Duration::DAY;

/// Which events are meant; what is none bounds nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryFilter {
    /// Of this tenant.
    pub tenant_id: Option<Uuid>,
    /// Of this type.
    pub event_type: Option<String>,
    /// That happened at this time or later.
    pub since: Option<Timestamp>,
    /// That happened before this time.
    pub until: Option<Timestamp>,
}

/// A place in the history, which is read lane by lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HistoryPlace {
    /// The lane.
    pub lane: i16,
    /// The position in it.
    pub position: i64,
}

impl HistoryPlace {
    /// Before all events.
    pub const START: Self = Self {
        lane: LANE_OF_OTHERS,
        position: 0,
    };
}

/// An event that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEvent {
    /// Where it lies.
    pub place: HistoryPlace,
    /// Whose it is.
    pub tenant_id: Uuid,
    /// The event's id.
    pub event_id: Uuid,
    /// The aggregate whose order counts.
    pub aggregate_id: Uuid,
    /// Its number in the aggregate.
    pub sequence: i64,
    /// Its type.
    pub event_type: String,
    /// Its JSON text.
    pub body: String,
    /// When it happened.
    pub created_at: OffsetDateTime,
}

/// Published events that `filter` means, after `after`, at most `limit`. Those of one aggregate come in
/// order. Fewer than `limit` means that there are no more. Events that a relay has published but whose
/// lane has not settled yet (a transaction that is older is still open) are left out.
pub async fn history(
    db: &Database,
    filter: &HistoryFilter,
    after: HistoryPlace,
    limit: u16,
) -> Result<Vec<HistoryEvent>, DatabaseError> {
    let since = filter.since.map(|at| at.as_offset_date_time());
    let until = filter.until.map(|at| at.as_offset_date_time());
    let first_day = since.and_then(|at| at.checked_sub(CLOCKS_APART_MAX));
    let last_day = until.and_then(|at| at.checked_add(CLOCKS_APART_MAX));
    let mut found = Vec::new();
    let (mut tx, _) = db.begin_to_relay().await?;
    for lane in after.lane..=LANE_LAST {
        let position = if lane == after.lane {
            after.position
        } else {
            0
        };
        let missing = usize::from(limit).saturating_sub(found.len());
        let rows = sqlx::query!(
            r#"SELECT e.position, e.tenant_id, e.event_id, e.aggregate_id, e.sequence, e.event_type,
                   e.body, e.created_at
               FROM souk.outbox_events e
               WHERE e.lane = $1 AND e.position > $2
                 AND ($1 = -1 OR e.position <= (
                     SELECT l.low_position FROM souk.outbox_lanes l WHERE l.lane = $1))
                 AND ($3::uuid IS NULL OR e.tenant_id = $3)
                 AND ($4::text IS NULL OR e.event_type = $4)
                 AND ($5::timestamptz IS NULL OR e.created_at >= $5)
                 AND ($6::timestamptz IS NULL OR e.created_at < $6)
                 AND ($7::date IS NULL OR e.written_on >= $7)
                 AND ($8::date IS NULL OR e.written_on <= $8)
                 AND NOT EXISTS (SELECT FROM souk.outbox_held h
                                 WHERE h.lane = e.lane AND h.position = e.position)
               ORDER BY e.position LIMIT $9"#,
            lane,
            position,
            filter.tenant_id,
            filter.event_type,
            since,
            until,
            first_day.map(OffsetDateTime::date),
            last_day.map(OffsetDateTime::date),
            i64::try_from(missing).unwrap_or(i64::MAX),
        )
        .fetch_all(tx.connection())
        .await?;
        found.extend(rows.into_iter().map(|row| HistoryEvent {
            place: HistoryPlace {
                lane,
                position: row.position,
            },
            tenant_id: row.tenant_id,
            event_id: row.event_id,
            aggregate_id: row.aggregate_id,
            sequence: row.sequence,
            event_type: row.event_type,
            body: row.body,
            created_at: row.created_at,
        }));
        if found.len() >= usize::from(limit) {
            break;
        }
    }
    tx.commit().await?;
    Ok(found)
}
