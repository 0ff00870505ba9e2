//! Gives up the room of deliveries that came to an end long ago.

use crate::AppError;
use souk_domain::Timestamp;
use souk_postgres::{Database, webhooks};
use tokio::time::Instant;

/// Days that a delivery is kept after its end, and can be shown and replayed.
pub const KEPT_DAYS: i64 = 30;
/// Rows of a kind dropped in one transaction.
const BATCH: u16 = 500;

/// Drops deliveries of all tenants of `db` that ended more than [`KEPT_DAYS`] before `now`, with their
/// attempts, and the messages that nothing is left of, until none is left or `stop_at` has come. Returns
/// the number of deliveries and messages dropped. By the role `souk_sweeper`.
///
/// # Errors
/// [`AppError::Database`]; what was dropped before stays dropped.
pub async fn prune_deliveries(
    db: &Database,
    now: Timestamp,
    stop_at: Instant,
) -> Result<u64, AppError> {
    let before = now.plus(time::Duration::days(KEPT_DAYS.saturating_neg()))?;
    let mut dropped: u64 = 0;
    while Instant::now() < stop_at {
        let batch = webhooks::prune(db, before, BATCH).await?;
        dropped = dropped.saturating_add(batch);
        if batch == 0 {
            break;
        }
    }
    Ok(dropped)
}
