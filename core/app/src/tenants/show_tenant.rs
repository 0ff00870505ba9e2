//! Shows what the directory knows.

use super::{ApiKeyRow, TenantError, TenantRow, TenantTools};
use souk_domain::TenantId;

/// Tenants that are read at a time.
const PAGE: u16 = 500;

/// All that the directory knows of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantView {
    /// The tenant.
    pub tenant: TenantRow,
    /// Hosts that lead to it.
    pub hosts: Vec<String>,
    /// Its keys, revoked and expired ones too.
    pub keys: Vec<ApiKeyRow>,
}

/// All that the directory knows of `tenant`.
///
/// # Errors
/// [`TenantError::UnknownTenant`], [`TenantError::Database`].
pub async fn show_tenant(tools: &TenantTools, tenant: TenantId) -> Result<TenantView, TenantError> {
    let mut tx = tools.directory.begin().await?;
    let row = tx
        .lock_tenant(tenant)
        .await?
        .ok_or(TenantError::UnknownTenant(tenant))?;
    let view = TenantView {
        tenant: row,
        hosts: tx.domains_of(tenant).await?,
        keys: tx.api_keys_of(tenant).await?,
    };
    tx.commit().await?;
    Ok(view)
}

/// All tenants, in the order of their ids.
///
/// # Errors
/// [`TenantError::Database`].
pub async fn list_tenants(tools: &TenantTools) -> Result<Vec<TenantRow>, TenantError> {
    let mut tenants: Vec<TenantRow> = Vec::new();
    loop {
        let after = tenants.last().map(|tenant| tenant.id);
        let mut tx = tools.directory.begin().await?;
        let page = tx.list_tenants(after, PAGE).await?;
        tx.commit().await?;
        let is_last = page.len() < usize::from(PAGE);
        tenants.extend(page);
        if is_last {
            return Ok(tenants);
        }
    }
}
