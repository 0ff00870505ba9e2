//! What a relay has done.

use super::lanes::{
    Failure, LaneCursor, LaneLease, LeaseTerms, Progress, Recorded, RecordedLane, Seen,
};
use super::leasing::micros;
use crate::orders::to_column;
use crate::{Database, DatabaseError};

/// Failures, or none, in parallel columns.
#[derive(Default)]
struct Failures {
    lanes: Vec<i16>,
    positions: Vec<i64>,
    reasons: Vec<Option<String>>,
    waits_us: Vec<Option<i64>>,
    counts: Vec<Option<bool>>,
}

impl Failures {
    fn push(&mut self, lane: i16, position: i64, failure: Option<&Failure>) {
        self.lanes.push(lane);
        self.positions.push(position);
        self.reasons.push(failure.map(|f| f.reason.clone()));
        self.waits_us.push(failure.map(|f| micros(f.retry_after)));
        self.counts.push(failure.map(|f| f.counts));
    }
}

/// Writes `progress` down and prolongs the leases, in one transaction, for those lanes whose token is
/// still current; the returned lanes are those. A relay stops publishing lanes that are missing from them.
#[allow(
    clippy::as_conversions,
    reason = "converts nothing: tells sqlx's macro that an array has NULLs"
)]
pub async fn record(
    db: &Database,
    terms: &LeaseTerms,
    progress: &Progress,
) -> Result<Recorded, DatabaseError> {
    let lanes: Vec<i16> = progress.lanes.iter().map(|p| p.lease.lane).collect();
    let tokens: Vec<i64> = progress
        .lanes
        .iter()
        .map(|p| p.lease.fencing_token)
        .collect();
    let highs: Vec<i64> = progress.lanes.iter().map(|p| p.high).collect();
    let seens: Vec<String> = progress.lanes.iter().map(|p| p.seen.0.clone()).collect();
    let (mut parked, mut failed) = (Failures::default(), Failures::default());
    for event in &progress.parked {
        parked.push(event.lane, event.position, event.failure.as_ref());
    }
    for (lane, position, failure) in &progress.failed {
        failed.push(*lane, *position, Some(failure));
    }
    let (taken_lanes, taken_positions): (Vec<i16>, Vec<i64>) =
        progress.taken.iter().copied().unzip();
    let mut tx = db.begin_without_tenant().await?;
    let row = sqlx::query!(
        r#"SELECT fair_share AS "fair_share!", quarantined AS "quarantined!", lanes AS "lanes!",
               tokens AS "tokens!", lows AS "lows!"
           FROM souk.record_outbox($1, make_interval(secs => $2), $3, $4, $5, $6, $7, $8, $9, $10,
               $11, $12, $13, $14, $15, $16, $17, $18, $19)"#,
        terms.holder,
        terms.lease.as_secs_f64(),
        to_column::<i32>(terms.tries_max, "a number of tries")?,
        &lanes,
        &tokens,
        &highs,
        &seens,
        &parked.lanes,
        &parked.positions,
        &parked.reasons as &[Option<String>],
        &parked.waits_us as &[Option<i64>],
        &parked.counts as &[Option<bool>],
        &taken_lanes,
        &taken_positions,
        &failed.lanes,
        &failed.positions,
        &failed.reasons as &[Option<String>],
        &failed.waits_us as &[Option<i64>],
        &failed.counts as &[Option<bool>],
    )
    .fetch_one(tx.connection())
    .await?;
    tx.commit().await?;
    let rights = row.lanes.into_iter().zip(row.tokens);
    let recorded = rights
        .zip(row.lows)
        .map(|((lane, fencing_token), low)| RecordedLane {
            lease: LaneLease {
                lane,
                fencing_token,
            },
            low,
        });
    Ok(Recorded {
        lanes: recorded.collect(),
        fair_share: to_column(row.fair_share, "a share of lanes")?,
        quarantined: to_column(row.quarantined, "a count")?,
    })
}

/// Parks all late events of a lane, whatever their number, due at once. `cursor` is what was recorded
/// last; returns the one to go on from, or none where the lease is lost. A transaction that has written
/// very many events takes its time here, under the lock of the lane.
pub async fn park_late(
    db: &Database,
    lease: LaneLease,
    cursor: &LaneCursor,
) -> Result<Option<LaneCursor>, DatabaseError> {
    let mut tx = db.begin_long_without_tenant().await?;
    let row = sqlx::query!(
        r#"SELECT low AS "low!", seen AS "seen!"
           FROM souk.park_late_outbox($1, $2, $3, $4, $5)"#,
        lease.lane,
        lease.fencing_token,
        cursor.low,
        cursor.high,
        cursor.seen.0,
    )
    .fetch_optional(tx.connection())
    .await?;
    tx.commit().await?;
    Ok(row.map(|row| LaneCursor {
        low: row.low,
        high: cursor.high,
        seen: Seen(row.seen),
    }))
}
