//! Forgets which events consumers have applied, when nothing can bring them again.

use crate::AppError;
use crate::maintain_partitions::OUTBOX_DAYS_KEPT;
use crate::sweep::{days_before, drop_in_batches};
use souk_domain::Timestamp;
use souk_postgres::{Database, inbox};
use tokio::time::Instant;

/// Days that inbox entries are kept: longer than a queue, its dead-letter queue and the outbox's history together
/// can bring an event again.
pub const INBOX_KEPT_DAYS: u8 = 60;
/// Days that SQS keeps a message at most, and its DLQ again.
const QUEUE_DAYS_MAX: u8 = 14;
const _: () = assert!(INBOX_KEPT_DAYS > OUTBOX_DAYS_KEPT + 2 * QUEUE_DAYS_MAX);
/// Entries forgotten in a transaction.
const FORGOTTEN_AT_ONCE: u32 = 5_000;

/// Forgets what is older than [`INBOX_KEPT_DAYS`] in `db`, by the role `souk_sweeper`, until `stop_at`; the next run
/// goes on. Returns how many entries were forgotten.
///
/// # Errors
/// [`AppError::Database`], [`AppError::Clock`].
pub async fn forget_inbox(
    db: &Database,
    now: Timestamp,
    stop_at: Instant,
) -> Result<u64, AppError> {
    let before = days_before(now, INBOX_KEPT_DAYS)?;
    drop_in_batches(stop_at, FORGOTTEN_AT_ONCE.into(), async || {
        inbox::forget(db, before, FORGOTTEN_AT_ONCE).await
    })
    .await
}
