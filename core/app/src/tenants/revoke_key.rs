//! Revokes an API key.

use super::{TenantError, TenantTools};
use souk_domain::{ApiKeyId, TenantId};

/// Lets a key not be accepted any more, once the tenant's records are published. A key that is revoked
/// already stays so.
///
/// # Errors
/// [`TenantError::UnknownTenant`], [`TenantError::UnknownKey`], [`TenantError::Database`].
pub async fn revoke_key(
    tools: &TenantTools,
    tenant: TenantId,
    key: ApiKeyId,
) -> Result<(), TenantError> {
    let now = tools.clock.now();
    let mut tx = tools.directory.begin().await?;
    tx.lock_tenant(tenant)
        .await?
        .ok_or(TenantError::UnknownTenant(tenant))?;
    let keys = tx.api_keys_of(tenant).await?;
    let found = keys
        .iter()
        .find(|found| found.id == key)
        .ok_or(TenantError::UnknownKey(key))?;
    if found.revoked_at.is_some() {
        return Ok(tx.rollback().await?);
    }
    tx.revoke_api_key(tenant, key, now).await?;
    tx.append_audit(tools.fact("key.revoke", tenant, now, &[("key", &key.to_string())]))
        .await?;
    Ok(tx.commit().await?)
}
