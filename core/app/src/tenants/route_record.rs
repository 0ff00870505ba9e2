//! What the edge is to know of a tenant.

use super::add_domain::{host_name, route_key};
use super::{TenantError, TenantTools};
use crate::edge::{EdgeError, show_edge, tenant_entries};
use souk_domain::TenantId;

/// An entry of the edge's key-value store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutePublication {
    /// `host:` and the host, or `tenant:` and the tenant's id.
    pub key: String,
    /// The route record, as JSON.
    pub value: String,
}

/// The entry for `host`.
///
/// # Errors
/// [`TenantError::Host`], [`TenantError::UnknownHost`], [`TenantError::Edge`],
/// [`TenantError::Database`].
pub async fn route_record(
    tools: &TenantTools,
    host: &str,
) -> Result<RoutePublication, TenantError> {
    let host = host_name(host)?;
    let mut tx = tools.directory.begin().await?;
    let tenant = tx.tenant_of_host(&host).await?;
    tx.commit().await?;
    let tenant = tenant.ok_or_else(|| TenantError::UnknownHost(host.clone()))?;
    let all = route_records(tools, tenant).await?;
    all.into_iter()
        .find(|entry| route_key(&host).is_some_and(|key| key.as_str() == entry.key))
        .ok_or(TenantError::UnknownHost(host))
}

/// The entries of a tenant, by its id and for all its hosts.
///
/// # Errors
/// [`TenantError::UnknownTenant`], [`TenantError::Edge`].
pub async fn route_records(
    tools: &TenantTools,
    tenant: TenantId,
) -> Result<Vec<RoutePublication>, TenantError> {
    let view = match show_edge(tools, Some(tenant)).await {
        Err(EdgeError::UnknownTenant(tenant)) => return Err(TenantError::UnknownTenant(tenant)),
        other => other.map_err(|error| TenantError::Edge(Box::new(error)))?,
    };
    let now = tools.clock.now();
    let mut all = Vec::new();
    for of_tenant in &view.tenants {
        let entries = tenant_entries(of_tenant, &view.plans, now);
        let entries = entries.map_err(|error| TenantError::Edge(Box::new(error)))?;
        all.extend(entries.into_iter().map(|entry| RoutePublication {
            key: entry.key,
            value: entry.value,
        }));
    }
    Ok(all)
}
