//! The partitions of events: a day each, made ahead, and dropped when nobody has to read them any more.

use crate::idempotency_partitions::PartitionReport;
use crate::orders::to_column;
use crate::{Database, DatabaseError};
use souk_domain::Timestamp;

/// Makes the partitions of today and of `days_ahead` more days, and drops those of days more than
/// `days_kept` ago, but none with an event that a relay may still have to read. Safe to run at any time,
/// by several at once, for the role `souk_sweeper`.
///
/// # Errors
/// [`DatabaseError::Contended`] when the table could not be locked at once: nothing was changed, and
/// the next run does it.
pub async fn maintain(
    db: &Database,
    now: Timestamp,
    days_ahead: u8,
    days_kept: u8,
) -> Result<PartitionReport, DatabaseError> {
    let mut tx = db.begin_without_tenant().await?;
    let row = sqlx::query!(
        r#"SELECT m.made AS "made!", m.dropped AS "dropped!"
           FROM souk.maintain_outbox($1, $2, $3) AS m"#,
        now.as_offset_date_time(),
        i32::from(days_ahead),
        i32::from(days_kept),
    )
    .fetch_one(tx.connection())
    .await?;
    tx.commit().await?;
    Ok(PartitionReport {
        made: to_column(row.made, "a count")?,
        dropped: to_column(row.dropped, "a count")?,
    })
}
