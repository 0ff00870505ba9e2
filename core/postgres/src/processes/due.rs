//! Processes whose deadline has come, of all tenants.

use crate::orders::timestamp;
use crate::{Database, DatabaseError};
use souk_domain::{OrderId, TenantId, Timestamp};
use uuid::Uuid;

/// An order whose process is to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueProcess {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub order: OrderId,
    /// Its deadline.
    pub deadline: Timestamp,
}

/// At most `limit` processes whose deadline has come by `now`, the oldest first; only those after
/// `after`. For the role `souk_sweeper`, which sees nothing else of them. Nothing is locked: who advances
/// one looks again.
pub async fn due_processes(
    db: &Database,
    now: Timestamp,
    after: Option<DueProcess>,
    limit: u16,
) -> Result<Vec<DueProcess>, DatabaseError> {
    let (after_at, after_id) = after.map_or((Timestamp::UNIX_EPOCH, Uuid::nil()), |due| {
        (due.deadline, due.order.as_uuid())
    });
    let mut tx = db.begin_without_tenant().await?;
    let rows = sqlx::query!(
        r#"SELECT tenant_id, order_id, deadline AS "deadline!"
           FROM souk.order_processes
           WHERE deadline <= $1 AND (deadline, order_id) > ($2::timestamptz, $3::uuid)
           ORDER BY deadline, order_id LIMIT $4"#,
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
            Ok(DueProcess {
                tenant: TenantId::from_uuid(row.tenant_id),
                order: OrderId::from_uuid(row.order_id),
                deadline: timestamp(row.deadline)?,
            })
        })
        .collect()
}
