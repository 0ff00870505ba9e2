//! Partitions of a day each, made ahead, and dropped when nobody has to read them any more.

use crate::orders::to_column;
use crate::{Database, DatabaseError};
use souk_domain::Timestamp;

/// What a run has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartitionReport {
    /// Partitions made.
    pub made: u32,
    /// Partitions dropped, with all that was in them.
    pub dropped: u32,
}

impl PartitionReport {
    fn read(made: i32, dropped: i32) -> Result<Self, DatabaseError> {
        Ok(Self {
            made: to_column(made, "a count")?,
            dropped: to_column(dropped, "a count")?,
        })
    }

    /// Both runs as one.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            made: self.made.saturating_add(other.made),
            dropped: self.dropped.saturating_add(other.dropped),
        }
    }
}

/// Makes the partitions of idempotency records of today and of `days_ahead` more days, and drops those of days
/// more than `days_kept` ago. Safe to run at any time, by several at once, for the role `souk_sweeper`.
///
/// # Errors
/// [`DatabaseError::Contended`] when the table could not be locked at once: nothing was changed, and
/// the next run does it.
pub async fn maintain_idempotency_keys(
    db: &Database,
    now: Timestamp,
    days_ahead: u8,
    days_kept: u8,
) -> Result<PartitionReport, DatabaseError> {
    let mut tx = db.begin_without_tenant().await?;
    let row = sqlx::query!(
        r#"SELECT m.made AS "made!", m.dropped AS "dropped!"
           FROM souk.maintain_idempotency_keys($1, $2, $3) AS m"#,
        now.as_offset_date_time(),
        i32::from(days_ahead),
        i32::from(days_kept),
    )
    .fetch_one(tx.connection())
    .await?;
    tx.commit().await?;
    PartitionReport::read(row.made, row.dropped)
}

/// The same for the partitions of events, but none with an event that a relay may still have to read is dropped,
/// however old it is. Before, notes how far positions have been drawn today, by which relays know the partitions that
/// they need not look into.
///
/// # Errors
/// As [`maintain_idempotency_keys`].
pub async fn maintain_outbox(
    db: &Database,
    now: Timestamp,
    days_ahead: u8,
    days_kept: u8,
) -> Result<PartitionReport, DatabaseError> {
    let mut tx = db.begin_without_tenant().await?;
    sqlx::query!("SELECT souk.note_outbox_day()")
        .execute(tx.connection())
        .await?;
    tx.commit().await?;
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
    PartitionReport::read(row.made, row.dropped)
}
