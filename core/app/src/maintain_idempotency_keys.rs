//! Keeps room for idempotency records, and gives up that of expired ones.

use crate::AppError;
use souk_domain::Timestamp;
use souk_postgres::idempotency_partitions::{self, PartitionReport};
use souk_postgres::{Database, DatabaseError};

/// Days for which there is room ahead: so long may nobody look after it.
const DAYS_AHEAD: u8 = 7;
/// Whole days that records are kept: they expire after one, on the next day.
const DAYS_KEPT: u8 = 2;

/// Makes and drops partitions of `db`, by the role `souk_sweeper` or the owner. Nothing, where others are at it or
/// the table is too busy: the next run does it.
///
/// # Errors
/// [`AppError::Database`].
pub async fn maintain_idempotency_keys(
    db: &Database,
    now: Timestamp,
) -> Result<PartitionReport, AppError> {
    match idempotency_partitions::maintain(db, now, DAYS_AHEAD, DAYS_KEPT).await {
        Err(DatabaseError::Contended(_)) => Ok(PartitionReport::default()),
        other => Ok(other?),
    }
}
