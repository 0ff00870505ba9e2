//! All that the edge is to know, as one transaction sees it.

use super::{
    ApiKeyRow, DeniedRow, DirectoryTx, EdgeSettingsRow, IssuerRow, LimitRow, TenantEdgeRow,
    TenantRow,
};
use super::{PlanRow, tenants};
use crate::DatabaseError;
use souk_domain::TenantId;
use std::collections::BTreeMap;

/// All that the edge is to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EdgeView {
    /// Of each tenant, in the order of their ids.
    pub tenants: Vec<TenantEdgeView>,
    /// The plans, by their names.
    pub plans: BTreeMap<String, PlanRow>,
    /// Of all tenants.
    pub settings: EdgeSettingsRow,
    /// Of no tenant.
    pub denied: Vec<DeniedRow>,
}

/// What it is to know of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantEdgeView {
    /// Whose it is.
    pub tenant: TenantRow,
    /// Where its requests may be processed at all.
    pub residency: Option<String>,
    /// Hosts that lead to it, in order.
    pub hosts: Vec<String>,
    /// Its keys, revoked and expired ones too, in the order of their ids.
    pub keys: Vec<ApiKeyRow>,
    /// What is said of its callers.
    pub edge: TenantEdgeRow,
    /// Its issuers, in the order of their names.
    pub issuers: Vec<IssuerRow>,
}

/// A row that belongs to a tenant: grouped by it, in the order in which they were read.
fn by_tenant<T>(rows: impl IntoIterator<Item = (TenantId, T)>) -> BTreeMap<TenantId, Vec<T>> {
    let mut grouped: BTreeMap<TenantId, Vec<T>> = BTreeMap::new();
    for (tenant, row) in rows {
        grouped.entry(tenant).or_default().push(row);
    }
    grouped
}

impl DirectoryTx {
    /// What the edge is to know of all tenants, or of one; begin with
    /// [`super::Directory::begin_snapshot`], or hold the tenant's lock.
    pub async fn edge_view(&mut self, only: Option<TenantId>) -> Result<EdgeView, DatabaseError> {
        let placed = self.edge_placements(only).await?;
        let mut hosts = self.edge_hosts(only).await?;
        let mut keys = self.edge_keys(only).await?;
        let mut edges = self.edges(only).await?;
        let mut issuers = self.edge_issuers(only).await?;
        let tenants = placed
            .into_iter()
            .map(|(tenant, residency)| TenantEdgeView {
                residency,
                hosts: hosts.remove(&tenant.id).unwrap_or_default(),
                keys: keys.remove(&tenant.id).unwrap_or_default(),
                edge: edges.remove(&tenant.id).unwrap_or_default(),
                issuers: issuers.remove(&tenant.id).unwrap_or_default(),
                tenant,
            });
        let tenants = tenants.collect();
        let plans = self.plans().await?.into_iter();
        Ok(EdgeView {
            tenants,
            plans: plans.map(|plan| (plan.plan.clone(), plan)).collect(),
            settings: self.edge_settings().await?,
            denied: self.denied().await?,
        })
    }

    async fn edge_placements(
        &mut self,
        only: Option<TenantId>,
    ) -> Result<Vec<(TenantRow, Option<String>)>, DatabaseError> {
        let rows = sqlx::query!(
            "SELECT tenant_id, name, status, region, shard, placement_version, created_at, residency \
             FROM souk_directory.tenants WHERE $1::uuid IS NULL OR tenant_id = $1 \
             ORDER BY tenant_id",
            only.map(|tenant| tenant.as_uuid()),
        )
        .fetch_all(self.connection())
        .await?;
        rows.into_iter()
            .map(|row| {
                let residency = row.residency.clone();
                Ok((tenants::tenant_row!(row), residency))
            })
            .collect()
    }

    async fn edge_hosts(
        &mut self,
        only: Option<TenantId>,
    ) -> Result<BTreeMap<TenantId, Vec<String>>, DatabaseError> {
        let rows = sqlx::query!(
            r#"SELECT tenant_id, host FROM souk_directory.domains
               WHERE $1::uuid IS NULL OR tenant_id = $1 ORDER BY host COLLATE "C""#,
            only.map(|tenant| tenant.as_uuid()),
        )
        .fetch_all(self.connection())
        .await?;
        let rows = rows.into_iter();
        Ok(by_tenant(
            rows.map(|row| (TenantId::from_uuid(row.tenant_id), row.host)),
        ))
    }

    pub(super) async fn edges(
        &mut self,
        only: Option<TenantId>,
    ) -> Result<BTreeMap<TenantId, TenantEdgeRow>, DatabaseError> {
        let rows = sqlx::query!(
            "SELECT tenant_id, plan, tenant_interval_us, tenant_burst, key_interval_us, key_burst, \
                 shadow, cors_origins, disabled, features, canary_percent \
             FROM souk_directory.edge_tenants WHERE $1::uuid IS NULL OR tenant_id = $1",
            only.map(|tenant| tenant.as_uuid()),
        )
        .fetch_all(self.connection())
        .await?;
        rows.into_iter()
            .map(|row| {
                let edge = TenantEdgeRow {
                    plan: row.plan,
                    tenant: LimitRow::of(row.tenant_interval_us, row.tenant_burst)?,
                    key: LimitRow::of(row.key_interval_us, row.key_burst)?,
                    shadow: row.shadow,
                    cors_origins: row.cors_origins,
                    disabled: row.disabled,
                    features: row.features,
                    canary_percent: u8::try_from(row.canary_percent)
                        .map_err(|e| DatabaseError::corrupt("canary's share", e))?,
                };
                Ok((TenantId::from_uuid(row.tenant_id), edge))
            })
            .collect()
    }

    async fn edge_issuers(
        &mut self,
        only: Option<TenantId>,
    ) -> Result<BTreeMap<TenantId, Vec<IssuerRow>>, DatabaseError> {
        let rows = sqlx::query!(
            r#"SELECT tenant_id, name, issuer, jwks_url, algorithm, audience, tenant_claim,
                   token_type, grants, roles
               FROM souk_directory.edge_issuers WHERE $1::uuid IS NULL OR tenant_id = $1
               ORDER BY name COLLATE "C""#,
            only.map(|tenant| tenant.as_uuid()),
        )
        .fetch_all(self.connection())
        .await?;
        Ok(by_tenant(rows.into_iter().map(|row| {
            let issuer = IssuerRow {
                name: row.name,
                issuer: row.issuer,
                jwks_url: row.jwks_url,
                algorithm: row.algorithm,
                audience: row.audience,
                tenant_claim: row.tenant_claim,
                token_type: row.token_type,
                grants: row.grants,
                roles: row.roles,
            };
            (TenantId::from_uuid(row.tenant_id), issuer)
        })))
    }
}
