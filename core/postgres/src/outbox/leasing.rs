//! Who holds which lane.

use super::lanes::{LaneCursor, LaneLease, LaneRelease, LeaseTerms, Leased, LeasedLane, Seen};
use crate::orders::to_column;
use crate::{Database, DatabaseError};
use core::time::Duration;

/// Says that the relay is alive, and leases lanes that are free, have something to do and need not wait:
/// up to `lanes_max`, and to the relay's fair share together with the `lanes_held`. Lanes that another
/// relay is just leasing are passed over, not waited for.
pub async fn lease(
    db: &Database,
    terms: &LeaseTerms,
    lanes_held: u8,
    lanes_max: u8,
) -> Result<Leased, DatabaseError> {
    let mut tx = db.begin_without_tenant().await?;
    let row = sqlx::query!(
        r#"SELECT fair_share AS "fair_share!", held_by_others AS "held_by_others!",
               lanes AS "lanes!", tokens AS "tokens!", lows AS "lows!", highs AS "highs!",
               seens AS "seens!", failures AS "failures!", takeovers AS "takeovers!"
           FROM souk.lease_outbox_lanes($1, make_interval(secs => $2), $3, $4)"#,
        terms.holder,
        terms.lease.as_secs_f64(),
        i32::from(lanes_held),
        i32::from(lanes_max),
    )
    .fetch_one(tx.connection())
    .await?;
    tx.commit().await?;
    let rights = row.lanes.into_iter().zip(row.tokens);
    let cursors = row.lows.into_iter().zip(row.highs).zip(row.seens);
    let pasts = row.failures.into_iter().zip(row.takeovers);
    let lanes = rights
        .zip(cursors)
        .zip(pasts)
        .map(|((right, cursor), past)| {
            Ok(LeasedLane {
                lease: LaneLease {
                    lane: right.0,
                    fencing_token: right.1,
                },
                cursor: LaneCursor {
                    low: cursor.0.0,
                    high: cursor.0.1,
                    seen: Seen(cursor.1),
                },
                failures: to_column(past.0, "a count")?,
                taken_over: past.1,
            })
        });
    Ok(Leased {
        lanes: lanes.collect::<Result<_, DatabaseError>>()?,
        fair_share: to_column(row.fair_share, "a share of lanes")?,
        held_by_others: to_column(row.held_by_others, "a count of lanes")?,
    })
}

/// Gives lanes back before their leases end, where they are still held, some with a time to wait. A relay
/// that is `leaving` counts no longer as alive.
#[allow(
    clippy::as_conversions,
    reason = "converts nothing: tells sqlx's macro that an array has NULLs"
)]
pub async fn release(
    db: &Database,
    holder: &str,
    lanes: &[LaneRelease],
    leaving: bool,
) -> Result<(), DatabaseError> {
    let numbers: Vec<i16> = lanes.iter().map(|lane| lane.lease.lane).collect();
    let tokens: Vec<i64> = lanes.iter().map(|lane| lane.lease.fencing_token).collect();
    let waits: Vec<Option<i64>> = lanes.iter().map(|lane| lane.wait.map(micros)).collect();
    let mut tx = db.begin_without_tenant().await?;
    sqlx::query!(
        "WITH mine AS ( \
             SELECT l.lane, u.wait_us \
             FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS u (lane, token, wait_us) \
             JOIN souk.outbox_lanes l ON l.lane = u.lane AND l.fencing_token = u.token \
             ORDER BY l.lane FOR UPDATE OF l) \
         UPDATE souk.outbox_lanes l \
         SET lease_expires_at = clock_timestamp(), holder = '', \
             failures = CASE WHEN m.wait_us IS NULL THEN l.failures ELSE l.failures + 1 END, \
             next_try_at = clock_timestamp() + coalesce(m.wait_us, 0) * interval '1 microsecond' \
         FROM mine m WHERE l.lane = m.lane",
        &numbers,
        &tokens,
        &waits as &[Option<i64>],
    )
    .execute(tx.connection())
    .await?;
    if leaving {
        sqlx::query!("DELETE FROM souk.outbox_relays WHERE holder = $1", holder)
            .execute(tx.connection())
            .await?;
    }
    tx.commit().await
}

/// Microseconds, as columns and parameters have them.
pub(super) fn micros(wait: Duration) -> i64 {
    i64::try_from(wait.as_micros()).unwrap_or(i64::MAX)
}
