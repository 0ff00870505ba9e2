//! Tenants and where they are placed.

use super::{Directory, DirectoryTx};
use crate::{DatabaseError, ShardName};
use souk_domain::{TenantId, TenantStatus, Timestamp};

/// Where a tenant is served from, and whether it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The shard.
    pub shard: ShardName,
    /// Whether the tenant is served.
    pub status: TenantStatus,
    /// Raised by each move.
    pub version: u64,
}

/// A tenant, as the directory knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantRow {
    /// Its id.
    pub id: TenantId,
    /// Its name for people.
    pub name: String,
    /// The region whose functions serve it.
    pub region: String,
    /// Where it is placed.
    pub placement: Placement,
    /// Since when it is known.
    pub created_at: Timestamp,
}

macro_rules! tenant_row {
    ($row:expr) => {{
        let row = $row;
        $crate::directory::TenantRow {
            id: TenantId::from_uuid(row.tenant_id),
            name: row.name,
            region: row.region,
            placement: $crate::directory::tenants::placement(
                &row.shard,
                &row.status,
                row.placement_version,
            )?,
            created_at: $crate::orders::timestamp(row.created_at)?,
        }
    }};
}

pub(super) use tenant_row;

pub(super) fn placement(
    shard: &str,
    status: &str,
    version: i64,
) -> Result<Placement, DatabaseError> {
    Ok(Placement {
        shard: shard
            .parse()
            .map_err(|e| DatabaseError::corrupt("shard name", e))?,
        status: status
            .parse()
            .map_err(|e| DatabaseError::corrupt("tenant status", e))?,
        version: u64::try_from(version)
            .map_err(|e| DatabaseError::corrupt("placement version", e))?,
    })
}

impl Directory {
    /// Where `tenant` is placed; all that `souk_directory_reader` may ask.
    pub async fn placement(&self, tenant: TenantId) -> Result<Option<Placement>, DatabaseError> {
        let mut tx = self.begin().await?;
        let row = sqlx::query!(
            "SELECT shard, status, placement_version FROM souk_directory.tenants \
             WHERE tenant_id = $1",
            tenant.as_uuid(),
        )
        .fetch_optional(tx.connection())
        .await?;
        tx.commit().await?;
        row.map(|row| placement(&row.shard, &row.status, row.placement_version))
            .transpose()
    }
}

impl DirectoryTx {
    /// Enters a tenant; its placement's version is 1.
    ///
    /// # Errors
    /// `tenants_pkey` when it is there.
    pub async fn insert_tenant(&mut self, tenant: &TenantRow) -> Result<(), DatabaseError> {
        sqlx::query!(
            "INSERT INTO souk_directory.tenants \
                 (tenant_id, name, status, region, shard, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
            tenant.id.as_uuid(),
            tenant.name,
            tenant.placement.status.as_str(),
            tenant.region,
            tenant.placement.shard.as_str(),
            tenant.created_at.as_offset_date_time(),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// The tenant, locked until the transaction ends.
    pub async fn lock_tenant(
        &mut self,
        tenant: TenantId,
    ) -> Result<Option<TenantRow>, DatabaseError> {
        let row = sqlx::query!(
            "SELECT tenant_id, name, status, region, shard, placement_version, created_at \
             FROM souk_directory.tenants WHERE tenant_id = $1 FOR UPDATE",
            tenant.as_uuid(),
        )
        .fetch_optional(self.connection())
        .await?;
        row.map(|row| Ok(tenant_row!(row))).transpose()
    }

    /// Up to `limit` tenants whose ids follow `after`, in the order of their ids.
    pub async fn list_tenants(
        &mut self,
        after: Option<TenantId>,
        limit: u16,
    ) -> Result<Vec<TenantRow>, DatabaseError> {
        let rows = sqlx::query!(
            "SELECT tenant_id, name, status, region, shard, placement_version, created_at \
             FROM souk_directory.tenants WHERE $1::uuid IS NULL OR tenant_id > $1 \
             ORDER BY tenant_id LIMIT $2",
            after.map(|tenant| tenant.as_uuid()),
            i64::from(limit),
        )
        .fetch_all(self.connection())
        .await?;
        rows.into_iter().map(|row| Ok(tenant_row!(row))).collect()
    }

    /// Changes whether the tenant is served.
    pub async fn set_tenant_status(
        &mut self,
        tenant: TenantId,
        status: TenantStatus,
    ) -> Result<(), DatabaseError> {
        sqlx::query!(
            "UPDATE souk_directory.tenants SET status = $2 WHERE tenant_id = $1",
            tenant.as_uuid(),
            status.as_str(),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Places the tenant elsewhere and raises the version of its placement.
    pub async fn set_tenant_shard(
        &mut self,
        tenant: TenantId,
        shard: &ShardName,
    ) -> Result<(), DatabaseError> {
        sqlx::query!(
            "UPDATE souk_directory.tenants \
             SET shard = $2, placement_version = placement_version + 1 WHERE tenant_id = $1",
            tenant.as_uuid(),
            shard.as_str(),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
