//! Whose deliveries are due.

use crate::{Database, DatabaseError};
use souk_domain::{TenantId, Timestamp};
use uuid::Uuid;

/// At most `limit` tenants after `after` that have a delivery due at `now`, in the order of their ids.
/// For the role `souk_sweeper`, which sees nothing else of deliveries. One step in the index for each
/// tenant, however many are due.
pub async fn tenants_with_due(
    db: &Database,
    now: Timestamp,
    after: Option<TenantId>,
    limit: u16,
) -> Result<Vec<TenantId>, DatabaseError> {
    let mut tx = db.begin_without_tenant().await?;
    let tenants = sqlx::query_scalar!(
        r#"WITH RECURSIVE waiting (tenant_id) AS (
               (SELECT d.tenant_id FROM souk.webhook_deliveries d
                WHERE d.status = 'pending' AND d.tenant_id > $2
                ORDER BY d.tenant_id LIMIT 1)
               UNION ALL
               SELECT (SELECT d.tenant_id FROM souk.webhook_deliveries d
                       WHERE d.status = 'pending' AND d.tenant_id > w.tenant_id
                       ORDER BY d.tenant_id LIMIT 1)
               FROM waiting w WHERE w.tenant_id IS NOT NULL
           )
           SELECT w.tenant_id AS "tenant_id!" FROM waiting w
           WHERE EXISTS (SELECT FROM souk.webhook_deliveries d
                         WHERE d.status = 'pending' AND d.tenant_id = w.tenant_id
                           AND d.next_attempt_at <= $1)
           LIMIT $3"#,
        now.as_offset_date_time(),
        after.map_or(Uuid::nil(), |after| after.as_uuid()),
        i64::from(limit),
    )
    .fetch_all(tx.connection())
    .await?;
    tx.commit().await?;
    Ok(tenants.into_iter().map(TenantId::from_uuid).collect())
}
