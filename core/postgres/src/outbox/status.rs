//! How the outbox stands. By the role `souk_relay`, which sees the events of all tenants.

use crate::orders::to_column;
use crate::{Database, DatabaseError};
use core::time::Duration;

/// Events of a lane that are counted, at most: counting more would cost more than publishing them.
pub const BACKLOG_PER_LANE_COUNTED_MAX: u16 = 1_000;

/// How a lane stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneStatus {
    /// The lane.
    pub lane: i16,
    /// Which relay holds it, if one does.
    pub holder: Option<String>,
    /// Events above its cursor; [`BACKLOG_PER_LANE_COUNTED_MAX`] means that many or more.
    pub backlog: u32,
    /// Events that are held and not in quarantine, bounded in the same way.
    pub held: u32,
    /// Events in quarantine, bounded in the same way.
    pub quarantined: u32,
    /// How long ago its oldest event happened that waits to be published, quarantine left out.
    pub oldest_unsent_age: Option<Duration>,
    /// How often in a row it was given back because its queue could not be reached.
    pub failures: u32,
    /// For how long nobody takes it therefore.
    pub waits: Duration,
    /// For how long it has been waiting for older transactions to end, none of whose events may still
    /// appear below its cursor.
    pub horizon_age: Duration,
}

/// How the outbox stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxStatus {
    /// Relays that are alive.
    pub relays: u32,
    /// Its lanes, in order.
    pub lanes: Vec<LaneStatus>,
}

impl OutboxStatus {
    /// Events that wait to be published, quarantine left out, and whether there may be more: a lane has as
    /// many as are counted.
    #[must_use]
    pub fn backlog(&self) -> (u64, bool) {
        let counted_max = u32::from(BACKLOG_PER_LANE_COUNTED_MAX);
        let bound = |lane: &LaneStatus| lane.backlog >= counted_max || lane.held >= counted_max;
        let counts = self.lanes.iter().flat_map(|lane| [lane.backlog, lane.held]);
        (counts.map(u64::from).sum(), self.lanes.iter().any(bound))
    }

    /// Events in quarantine, counted up to the same bound per lane.
    #[must_use]
    pub fn quarantined(&self) -> u64 {
        self.lanes
            .iter()
            .map(|lane| u64::from(lane.quarantined))
            .sum()
    }

    /// How long ago the oldest event happened that waits to be published; none where none waits.
    #[must_use]
    pub fn oldest_unsent_age(&self) -> Option<Duration> {
        self.lanes
            .iter()
            .filter_map(|lane| lane.oldest_unsent_age)
            .max()
    }

    /// For how long a lane has been waiting for older transactions to end, at most. Nothing stands still
    /// meanwhile, but reads become slower and partitions cannot be dropped: find the transaction.
    #[must_use]
    pub fn horizon_age(&self) -> Duration {
        let ages = self.lanes.iter().map(|lane| lane.horizon_age);
        ages.max().unwrap_or(Duration::ZERO)
    }
}

/// How the outbox stands now.
pub async fn status(db: &Database) -> Result<OutboxStatus, DatabaseError> {
    let (mut tx, _) = db.begin_to_relay().await?;
    let rows = sqlx::query!(
        r#"SELECT l.lane,
               CASE WHEN l.lease_expires_at > clock_timestamp() THEN l.holder END AS holder,
               (SELECT count(*) FROM (
                    SELECT FROM souk.outbox_events e
                    WHERE e.lane = l.lane AND e.position > l.high_position LIMIT $1) c) AS "backlog!",
               (SELECT count(*) FROM (
                    SELECT FROM souk.outbox_held h
                    WHERE h.lane = l.lane AND h.quarantined_at IS NULL LIMIT $1) c) AS "held!",
               (SELECT count(*) FROM (
                    SELECT FROM souk.outbox_held h
                    WHERE h.lane = l.lane AND h.quarantined_at IS NOT NULL LIMIT $1) c)
                   AS "quarantined!",
               (extract(epoch FROM clock_timestamp() - least(
                    (SELECT e.created_at FROM souk.outbox_events e
                     WHERE e.lane = l.lane AND e.position > l.high_position
                     ORDER BY e.position LIMIT 1),
                    (SELECT h.created_at FROM souk.outbox_held h
                     WHERE h.lane = l.lane AND h.quarantined_at IS NULL
                     ORDER BY h.position LIMIT 1))) * 1000000)::bigint AS oldest_us,
               l.failures,
               CASE WHEN l.next_try_at > clock_timestamp()
                    THEN (extract(epoch FROM l.next_try_at - clock_timestamp()) * 1000000)::bigint
                    ELSE 0 END AS "waits_us!",
               coalesce((extract(epoch FROM clock_timestamp() - l.marked_at) * 1000000)::bigint, 0)
                   AS "horizon_us!"
           FROM souk.outbox_lanes l"#,
        i64::from(BACKLOG_PER_LANE_COUNTED_MAX),
    )
    .fetch_all(tx.connection())
    .await?;
    let relays = sqlx::query_scalar!(
        r#"SELECT count(*) AS "relays!" FROM souk.outbox_relays WHERE alive_until > clock_timestamp()"#
    )
    .fetch_one(tx.connection())
    .await?;
    tx.commit().await?;
    let lanes = rows.into_iter().map(|row| {
        Ok(LaneStatus {
            lane: row.lane,
            holder: row.holder,
            backlog: to_column(row.backlog, "a count")?,
            held: to_column(row.held, "a count")?,
            quarantined: to_column(row.quarantined, "a count")?,
            oldest_unsent_age: row.oldest_us.map(age),
            failures: to_column(row.failures, "a count")?,
            waits: age(row.waits_us),
            horizon_age: age(row.horizon_us),
        })
    });
    let mut lanes: Vec<LaneStatus> = lanes.collect::<Result<_, DatabaseError>>()?;
    lanes.sort_by_key(|lane| lane.lane);
    Ok(OutboxStatus {
        relays: to_column(relays, "a count")?,
        lanes,
    })
}

/// Clocks of writers may be ahead: then nothing is old.
fn age(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}
