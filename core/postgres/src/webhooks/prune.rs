//! What came to an end long ago is dropped.

use crate::{Database, DatabaseError};
use souk_domain::Timestamp;

/// Drops at most `limit` deliveries that came to an end before `before`, with their attempts, and as many
/// messages of before then that no delivery is left of. Returns how many rows of either kind went. Rows
/// that others have locked are left to the next run. For the role `souk_sweeper`, for all tenants.
///
/// # Errors
/// [`DatabaseError`]: nothing of this batch was dropped.
pub async fn prune(db: &Database, before: Timestamp, limit: u16) -> Result<u64, DatabaseError> {
    let mut tx = db.begin_without_tenant().await?;
    let deliveries = sqlx::query!(
        "WITH old AS MATERIALIZED ( \
             SELECT d.tenant_id, d.endpoint_id, d.event_id \
             FROM souk.webhook_deliveries d \
             WHERE d.status <> 'pending' AND d.settled_at < $1 AND d.lease_expires_at IS NULL \
             ORDER BY d.settled_at LIMIT $2 \
         ), attempts AS ( \
             DELETE FROM souk.webhook_attempts a USING old \
             WHERE a.tenant_id = old.tenant_id AND a.endpoint_id = old.endpoint_id \
               AND a.event_id = old.event_id \
         ) \
         DELETE FROM souk.webhook_deliveries d USING old \
         WHERE d.tenant_id = old.tenant_id AND d.endpoint_id = old.endpoint_id \
           AND d.event_id = old.event_id AND d.status <> 'pending' AND d.settled_at < $1",
        before.as_offset_date_time(),
        i64::from(limit),
    )
    .execute(tx.connection())
    .await?;
    let messages = sqlx::query!(
        "WITH old AS MATERIALIZED ( \
             SELECT m.tenant_id, m.event_id FROM souk.webhook_messages m \
             WHERE m.occurred_at < $1 \
               AND NOT EXISTS (SELECT FROM souk.webhook_deliveries d \
                               WHERE d.tenant_id = m.tenant_id AND d.event_id = m.event_id) \
             ORDER BY m.occurred_at LIMIT $2 \
         ) \
         DELETE FROM souk.webhook_messages m USING old \
         WHERE m.tenant_id = old.tenant_id AND m.event_id = old.event_id",
        before.as_offset_date_time(),
        i64::from(limit),
    )
    .execute(tx.connection())
    .await?;
    tx.commit().await?;
    Ok(deliveries
        .rows_affected()
        .saturating_add(messages.rows_affected()))
}
