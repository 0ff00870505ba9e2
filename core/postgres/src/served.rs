//! Which tenants a database serves.

use crate::{Database, DatabaseError};
use souk_domain::TenantId;
use uuid::Uuid;

/// At most `limit` tenants that are served from here, in the order of their ids; only those after
/// `after`. For the role `souk_sweeper`, which sees nothing else of them.
pub async fn served_tenants(
    db: &Database,
    after: Option<TenantId>,
    limit: u16,
) -> Result<Vec<TenantId>, DatabaseError> {
    let after = after.map_or(Uuid::nil(), |tenant| tenant.as_uuid());
    let mut tx = db.begin_without_tenant().await?;
    let tenants = sqlx::query_scalar!(
        "SELECT tenant_id FROM souk.tenants WHERE placement = 'active' AND tenant_id > $1 \
         ORDER BY tenant_id LIMIT $2",
        after,
        i64::from(limit),
    )
    .fetch_all(tx.connection())
    .await?;
    tx.commit().await?;
    Ok(tenants.into_iter().map(TenantId::from_uuid).collect())
}
