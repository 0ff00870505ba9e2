//! Lets a host lead nowhere.

use super::add_domain::host_name;
use super::{TenantError, TenantTools};
use souk_domain::TenantId;

/// Lets `host`, which leads to the tenant, lead nowhere. The edge goes by its record until that is
/// removed as well.
///
/// # Errors
/// [`TenantError::Host`], [`TenantError::UnknownHost`], [`TenantError::Database`].
pub async fn remove_domain(
    tools: &TenantTools,
    tenant: TenantId,
    host: &str,
) -> Result<String, TenantError> {
    let now = tools.clock.now();
    let host = host_name(host)?;
    let mut tx = tools.directory.begin().await?;
    if !tx.delete_domain(tenant, &host).await? {
        tx.rollback().await?;
        return Err(TenantError::UnknownHost(host));
    }
    tx.append_audit(tools.fact("domain.remove", tenant, now, &[("host", &host)]))
        .await?;
    tx.commit().await?;
    Ok(host)
}
