//! Gives up the room of deliveries that came to an end long ago.

use crate::AppError;
use crate::sweep::{days_before, drop_in_batches};
use souk_domain::Timestamp;
use souk_postgres::{Database, webhooks};
use tokio::time::Instant;

/// Days that a delivery is kept after its end, and can be shown and replayed.
pub const KEPT_DAYS: u8 = 30;
/// Rows of a kind dropped in one transaction.
const BATCH_SIZE: u16 = 500;

/// Drops deliveries of all tenants of `db` that ended more than [`KEPT_DAYS`] before `now`, with their
/// attempts, and the messages that nothing is left of, until none is left or `stop_at` has come; the next run goes
/// on. Returns the number of deliveries and messages dropped. By the role `souk_sweeper`.
///
/// # Errors
/// [`AppError::Database`], [`AppError::Clock`]; what was dropped before stays dropped.
pub async fn prune_deliveries(
    db: &Database,
    now: Timestamp,
    stop_at: Instant,
) -> Result<u64, AppError> {
    let before = days_before(now, KEPT_DAYS)?;
    drop_in_batches(stop_at, BATCH_SIZE.into(), async || {
        webhooks::prune(db, before, BATCH_SIZE).await
    })
    .await
}
