//! Keeps room for idempotency records and events, and gives up that of old ones.

use crate::AppError;
use souk_domain::Timestamp;
use souk_postgres::partitions::{self, PartitionReport};
use souk_postgres::{Database, DatabaseError};

/// Days for which there is room ahead: so long may nobody look after it.
const DAYS_AHEAD: u8 = 7;
/// Whole days that idempotency records are kept: they expire after one, on the next day.
const IDEMPOTENCY_DAYS_KEPT: u8 = 2;
/// Whole days that published events are kept, to be sent again where a consumer has lost them.
pub const OUTBOX_DAYS_KEPT: u8 = 7;

/// Makes and drops partitions of `db`, by the role `souk_sweeper` or the owner. Nothing of a table where others are
/// at it or that is too busy: the next run does it. Events that a relay may still have to read are kept, however old
/// they are. A table that fails does not hold up the other.
///
/// # Errors
/// [`AppError::Database`]: the first that a table failed with.
pub async fn maintain_partitions(
    db: &Database,
    now: Timestamp,
) -> Result<PartitionReport, AppError> {
    let records =
        partitions::maintain_idempotency_keys(db, now, DAYS_AHEAD, IDEMPOTENCY_DAYS_KEPT).await;
    let events = partitions::maintain_outbox(db, now, DAYS_AHEAD, OUTBOX_DAYS_KEPT).await;
    Ok(unless_contended(records)?.and(unless_contended(events)?))
}

fn unless_contended(
    maintained: Result<PartitionReport, DatabaseError>,
) -> Result<PartitionReport, DatabaseError> {
    match maintained {
        Err(DatabaseError::Contended(_)) => Ok(PartitionReport::default()),
        other => other,
    }
}
