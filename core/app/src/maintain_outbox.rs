//! Keeps room for events, and gives up that of old ones.

use crate::AppError;
use souk_domain::Timestamp;
use souk_postgres::idempotency_partitions::PartitionReport;
use souk_postgres::{Database, DatabaseError, outbox};

/// Days for which there is room ahead: so long may nobody look after it.
const DAYS_AHEAD: u8 = 7;
/// Whole days that published events are kept, to be sent again where a consumer has lost them.
pub const OUTBOX_DAYS_KEPT: u8 = 7;

/// Makes and drops partitions of `db`, by the role `souk_sweeper` or the owner. Nothing, where others are
/// at it or the table is too busy: the next run does it. Events that a relay may still have to read are
/// kept, however old they are.
///
/// # Errors
/// [`AppError::Database`].
pub async fn maintain_outbox(db: &Database, now: Timestamp) -> Result<PartitionReport, AppError> {
    match outbox::maintain(db, now, DAYS_AHEAD, OUTBOX_DAYS_KEPT).await {
        Err(DatabaseError::Contended(_)) => Ok(PartitionReport::default()),
        other => Ok(other?),
    }
}
