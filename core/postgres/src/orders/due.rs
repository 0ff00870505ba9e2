//! Reservations that have run out, of all tenants.

use super::timestamp;
use crate::{Database, DatabaseError};
use souk_domain::{OrderId, TenantId, Timestamp};
use uuid::Uuid;

/// An order whose reservation has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueReservation {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub order: OrderId,
    /// When its reservation ran out.
    pub expired_at: Timestamp,
}

/// At most `limit` reservations that have run out by `now`, those that ran out first, first; only those
/// after `after`. For the role `souk_sweeper`, which sees nothing else. Nothing is locked: who cancels
/// looks again.
pub async fn due_reservations(
    db: &Database,
    now: Timestamp,
    after: Option<DueReservation>,
    limit: u16,
) -> Result<Vec<DueReservation>, DatabaseError> {
    let (after_at, after_id) = after.map_or((Timestamp::UNIX_EPOCH, Uuid::nil()), |due| {
        (due.expired_at, due.order.as_uuid())
    });
    let mut tx = db.begin_without_tenant().await?;
    let rows = sqlx::query!(
        r#"SELECT tenant_id, order_id, reservation_expires_at AS "expired_at!"
           FROM souk.orders
           WHERE reservation_expires_at <= $1
             AND (reservation_expires_at, order_id) > ($2::timestamptz, $3::uuid)
           ORDER BY reservation_expires_at, order_id LIMIT $4"#,
        now.as_offset_date_time(),
        after_at.as_offset_date_time(),
        after_id,
        i64::from(limit),
    )
    .fetch_all(tx.connection())
    .await?;
    tx.commit().await?;
    rows.into_iter()
        .map(|row| {
            Ok(DueReservation {
                tenant: TenantId::from_uuid(row.tenant_id),
                order: OrderId::from_uuid(row.order_id),
                expired_at: timestamp(row.expired_at)?,
            })
        })
        .collect()
}
