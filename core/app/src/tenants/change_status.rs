//! Suspends and resumes a tenant.

use super::{TenantError, TenantRow, TenantTools};
use souk_domain::{TenantId, TenantStatus};

/// Lets the edge refuse all requests of the tenant, once its records are published.
///
/// # Errors
/// [`TenantError::UnknownTenant`], [`TenantError::Database`].
pub async fn suspend_tenant(
    tools: &TenantTools,
    tenant: TenantId,
    reason: &str,
) -> Result<TenantRow, TenantError> {
    change(tools, tenant, TenantStatus::Suspended, reason).await
}

/// Lets the tenant be served again, once its records are published.
///
/// # Errors
/// As [`suspend_tenant`].
pub async fn resume_tenant(
    tools: &TenantTools,
    tenant: TenantId,
    reason: &str,
) -> Result<TenantRow, TenantError> {
    change(tools, tenant, TenantStatus::Active, reason).await
}

/// What is so already changes nothing, and is not written down again.
async fn change(
    tools: &TenantTools,
    tenant: TenantId,
    status: TenantStatus,
    reason: &str,
) -> Result<TenantRow, TenantError> {
    let now = tools.clock.now();
    let mut tx = tools.directory.begin().await?;
    let mut row = tx
        .lock_tenant(tenant)
        .await?
        .ok_or(TenantError::UnknownTenant(tenant))?;
    if row.placement.status == status {
        tx.rollback().await?;
        return Ok(row);
    }
    tx.set_tenant_status(tenant, status).await?;
    let action = match status {
        TenantStatus::Active => "tenant.resume",
        TenantStatus::Suspended => "tenant.suspend",
    };
    tx.append_audit(tools.fact(action, tenant, now, &[("reason", reason)]))
        .await?;
    tx.commit().await?;
    row.placement.status = status;
    Ok(row)
}
