//! Lets a host lead to a tenant.

use super::{TenantError, TenantTools};
use souk_domain::{TenantId, Timestamp};
use souk_policy::route::RouteKey;
use souk_postgres::DatabaseError;
use souk_postgres::directory::DirectoryTx;

/// What the edge puts before a host to make its key.
const HOST_KEY_PREFIX: &str = "host:";
/// Some label, to ask for the pattern that has it.
const ANY_LABEL: &str = "any";

/// Lets `host`, or all hosts one label below a name, `*.shops.example`, lead to the tenant. Returns the host in the form that the edge looks up.
///
/// # Errors
/// [`TenantError::Host`], [`TenantError::HostTaken`], [`TenantError::UnknownTenant`],
/// [`TenantError::Database`].
pub async fn add_domain(
    tools: &TenantTools,
    tenant: TenantId,
    host: &str,
) -> Result<String, TenantError> {
    let now = tools.clock.now();
    let host = host_name(host)?;
    let mut tx = tools.directory.begin().await?;
    tx.lock_tenant(tenant)
        .await?
        .ok_or(TenantError::UnknownTenant(tenant))?;
    insert_domain(&mut tx, tenant, &host, now).await?;
    tx.append_audit(tools.fact("domain.add", tenant, now, &[("host", &host)]))
        .await?;
    tx.commit().await?;
    Ok(host)
}

/// The form of a host that the edge looks up.
pub(super) fn host_name(host: &str) -> Result<String, TenantError> {
    let key = route_key(host).ok_or_else(|| TenantError::Host(host.to_owned()))?;
    let name = key.as_str().strip_prefix(HOST_KEY_PREFIX);
    Ok(name.unwrap_or(key.as_str()).to_owned())
}

/// The key of a host, or of a pattern for all hosts one label below another name, `*.shops.example`.
pub(crate) fn route_key(host: &str) -> Option<RouteKey> {
    match host.strip_prefix("*.") {
        Some(parent) => RouteKey::of_host(&format!("{ANY_LABEL}.{parent}"))?.wildcard(),
        None => RouteKey::of_host(host),
    }
}

pub(super) async fn insert_domain(
    tx: &mut DirectoryTx,
    tenant: TenantId,
    host: &str,
    now: Timestamp,
) -> Result<(), TenantError> {
    match tx.insert_domain(tenant, host, now).await {
        Err(DatabaseError::Constraint { name, .. }) if name == "domains_pkey" => {
            Err(TenantError::HostTaken(host.to_owned()))
        }
        other => Ok(other?),
    }
}
