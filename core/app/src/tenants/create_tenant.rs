//! Enters a tenant.

use super::add_domain::{host_name, insert_domain};
use super::{Placement, ShardName, TenantError, TenantRow, TenantTools};
use souk_domain::{TenantId, TenantStatus};
use souk_policy::identity::is_region;
use souk_postgres::admin;

/// Characters of a tenant's name at most.
const NAME_CHARS_MAX: usize = 200;

/// A tenant to enter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTenant {
    /// Its id; one is made where there is none.
    pub id: Option<TenantId>,
    /// Its name for people.
    pub name: String,
    /// Hosts that lead to it.
    pub hosts: Vec<String>,
    /// Where its rows are to be.
    pub shard: ShardName,
    /// Whose functions serve it.
    pub region: String,
}

/// Makes a place for the tenant on its shard and enters it into the directory. A crash in between
/// leaves an empty place that nobody uses.
///
/// # Errors
/// [`TenantError::Name`], [`TenantError::Region`], [`TenantError::UnknownShard`], [`TenantError::Host`],
/// [`TenantError::HostTaken`], [`TenantError::Database`].
pub async fn create_tenant(tools: &TenantTools, new: NewTenant) -> Result<TenantRow, TenantError> {
    let now = tools.clock.now();
    if !(1..=NAME_CHARS_MAX).contains(&new.name.chars().count()) {
        return Err(TenantError::Name);
    }
    if !is_region(&new.region) {
        return Err(TenantError::Region);
    }
    let hosts = new.hosts.iter().map(|host| host_name(host));
    let hosts = hosts.collect::<Result<Vec<_>, _>>()?;
    let shard = tools.shard(&new.shard)?;
    let id = new
        .id
        .unwrap_or_else(|| TenantId::from_uuid(tools.ids.uuid_v7(now)));
    let tenant = TenantRow {
        id,
        name: new.name,
        region: new.region,
        placement: Placement {
            shard: new.shard,
            status: TenantStatus::Active,
            version: 1,
        },
        created_at: now,
    };

    let mut tx = shard.begin_unplaced(id).await?;
    admin::create_tenant(&mut tx, &tenant.name, now).await?;
    tx.commit().await?;

    let mut tx = tools.directory.begin().await?;
    tx.insert_tenant(&tenant).await?;
    for host in &hosts {
        insert_domain(&mut tx, id, host, now).await?;
    }
    let detail = [
        ("name", tenant.name.as_str()),
        ("shard", tenant.placement.shard.as_str()),
        ("region", tenant.region.as_str()),
        ("hosts", &hosts.join(" ")),
    ];
    tx.append_audit(tools.fact("tenant.create", id, now, &detail))
        .await?;
    tx.commit().await?;
    Ok(tenant)
}
