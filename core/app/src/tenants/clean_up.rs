//! Removes what a tenant has left behind on a shard.

use super::{ShardName, TenantError, TenantTools};
use souk_domain::TenantId;
use souk_postgres::relocation::{Site, left_behind, purge, tenant_tables};

/// Removes the rows of a tenant from a shard that it was moved away from, some at a time. What stays
/// is the note that it is elsewhere. Returns how many rows were removed.
///
/// # Errors
/// [`TenantError::InUse`] while the tenant is there, or a move is not over. [`TenantError::Database`].
pub async fn clean_up(
    tools: &TenantTools,
    tenant: TenantId,
    shard: &ShardName,
) -> Result<u64, TenantError> {
    let now = tools.clock.now();
    let db = tools.shard(shard)?;
    let mut tx = tools.directory.begin().await?;
    let row = tx
        .lock_tenant(tenant)
        .await?
        .ok_or(TenantError::UnknownTenant(tenant))?;
    if row.placement.shard == *shard || tx.has_open_move(tenant).await? {
        return Err(TenantError::InUse(shard.clone()));
    }
    tx.rollback().await?;
    // The shard itself says again that it does not serve the tenant, for each part that is removed.
    let Some(token) = left_behind(db, tenant).await? else {
        return Err(TenantError::InUse(shard.clone()));
    };
    let site = Site { db, tenant, token };
    let removed = purge(site, "moved", &tenant_tables(db).await?).await?;
    let mut tx = tools.directory.begin().await?;
    let detail = [("shard", shard.as_str()), ("rows", &removed.to_string())];
    tx.append_audit(tools.fact("tenant.clean_up", tenant, now, &detail))
        .await?;
    tx.commit().await?;
    Ok(removed)
}
