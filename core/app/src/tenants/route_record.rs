//! What the edge is to know of a tenant.

use super::add_domain::host_name;
use super::create_key::is_live;
use super::{TenantError, TenantTools, TenantView, show_tenant};
use souk_domain::{TenantId, Timestamp};
use souk_policy::edge_policy::EdgePolicy;
use souk_policy::identity::Scopes;
use souk_policy::route::{KeyRecord, RouteKey, RouteRecord};

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
/// [`TenantError::Host`], [`TenantError::UnknownHost`], [`TenantError::Record`],
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
        .find(|entry| RouteKey::of_host(&host).is_some_and(|key| key.as_str() == entry.key))
        .ok_or(TenantError::UnknownHost(host))
}

/// The entries of a tenant, by its id and for all its hosts: what has to be published when the tenant
/// has changed.
///
/// # Errors
/// [`TenantError::UnknownTenant`], [`TenantError::Record`], [`TenantError::Database`].
pub async fn route_records(
    tools: &TenantTools,
    tenant: TenantId,
) -> Result<Vec<RoutePublication>, TenantError> {
    let view = show_tenant(tools, tenant).await?;
    let value = record(&view, tools.clock.now())?
        .to_json()
        .map_err(TenantError::Record)?;
    let of_hosts = view
        .hosts
        .iter()
        .map(|host| RouteKey::of_host(host).ok_or_else(|| TenantError::Host(host.clone())));
    let keys = core::iter::once(Ok(RouteKey::of_tenant(tenant))).chain(of_hosts);
    keys.map(|key| {
        Ok(RoutePublication {
            key: key?.as_str().to_owned(),
            value: value.clone(),
        })
    })
    .collect()
}

/// Keys that are not accepted any more are left out.
fn record(view: &TenantView, now: Timestamp) -> Result<RouteRecord, TenantError> {
    let live = view.keys.iter().filter(|key| is_live(key, now));
    let keys = live
        .map(|key| {
            Ok(KeyRecord {
                id: key.id,
                principal: key.principal.clone(),
                sha256: key.sha256,
                scopes: Scopes::new(key.scopes.iter().map(String::as_str))?,
                expires_at: key.expires_at.map(|at| at.unix_s()),
            })
        })
        .collect::<Result<Vec<_>, TenantError>>()?;
    Ok(RouteRecord {
        tenant_id: view.tenant.id,
        status: view.tenant.placement.status,
        region: view.tenant.region.clone(),
        keys,
        policy: EdgePolicy::default(),
    })
}
