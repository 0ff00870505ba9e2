//! What the edge is told of a tenant besides whose it is.

use super::{DirectoryTx, LimitRow};
use crate::DatabaseError;
use serde_json::Value;
use souk_domain::TenantId;

/// What is said of a tenant's callers. Where a limit is not said, its plan's counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantEdgeRow {
    /// Its plan's name.
    pub plan: Option<String>,
    /// Of all its callers together.
    pub tenant: Option<LimitRow>,
    /// Of each of them.
    pub key: Option<LimitRow>,
    /// Whether it is only said in the log what would have been refused.
    pub shadow: Option<bool>,
    /// Origins of pages that may read answers.
    pub cors_origins: Vec<String>,
    /// Kill switches.
    pub disabled: Vec<String>,
    /// What is tried with this tenant first.
    pub features: Vec<String>,
    /// How many of a hundred callers go to the canary.
    pub canary_percent: u8,
}

/// Who may issue tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerRow {
    /// A short name.
    pub name: String,
    /// What `iss` must be.
    pub issuer: String,
    /// Where its keys are.
    pub jwks_url: String,
    /// The one that it signs with.
    pub algorithm: String,
    /// What `aud` must have.
    pub audience: String,
    /// The claim that must have the tenant's id.
    pub tenant_claim: String,
    /// What `typ` must be.
    pub token_type: Option<String>,
    /// The scopes that its tokens may have at most.
    pub grants: Vec<String>,
    /// An object: for each role a list of scopes.
    pub roles: Value,
}

impl DirectoryTx {
    /// What is said of `tenant`, which the caller has locked; what nothing is said of is as it is by
    /// default.
    pub async fn tenant_edge(&mut self, tenant: TenantId) -> Result<TenantEdgeRow, DatabaseError> {
        let mut edges = self.edges(Some(tenant)).await?;
        Ok(edges.remove(&tenant).unwrap_or_default())
    }

    /// Says this of `tenant`.
    ///
    /// # Errors
    /// `edge_tenants_plan_fkey` where there is no such plan, `edge_tenants_…` where it has not the form.
    pub async fn set_tenant_edge(
        &mut self,
        tenant: TenantId,
        to: &TenantEdgeRow,
    ) -> Result<(), DatabaseError> {
        let (tenant_interval_us, tenant_burst) = LimitRow::columns(to.tenant)?;
        let (key_interval_us, key_burst) = LimitRow::columns(to.key)?;
        sqlx::query!(
            "INSERT INTO souk_directory.edge_tenants (tenant_id, plan, tenant_interval_us, \
                 tenant_burst, key_interval_us, key_burst, shadow, cors_origins, disabled, features, \
                 canary_percent) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
             ON CONFLICT (tenant_id) DO UPDATE SET plan = $2, tenant_interval_us = $3, \
                 tenant_burst = $4, key_interval_us = $5, key_burst = $6, shadow = $7, \
                 cors_origins = $8, disabled = $9, features = $10, canary_percent = $11",
            tenant.as_uuid(),
            to.plan,
            tenant_interval_us,
            tenant_burst,
            key_interval_us,
            key_burst,
            to.shadow,
            &to.cors_origins,
            &to.disabled,
            &to.features,
            i16::from(to.canary_percent),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Changes where the requests of `tenant`, which the caller has locked, are processed, and where
    /// they may be at all.
    ///
    /// # Errors
    /// `tenants_region_within_residency`, `tenants_residency_form`, `tenants_region_form`.
    pub async fn set_tenant_region(
        &mut self,
        tenant: TenantId,
        region: &str,
        residency: Option<&str>,
    ) -> Result<(), DatabaseError> {
        sqlx::query!(
            "UPDATE souk_directory.tenants SET region = $2, residency = $3 WHERE tenant_id = $1",
            tenant.as_uuid(),
            region,
            residency,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Enters an issuer of `tenant`, or changes the one of its name.
    ///
    /// # Errors
    /// `edge_issuers_issuer_key` where another has its `iss`, `edge_issuers_…` where it has not the form.
    pub async fn put_issuer(
        &mut self,
        tenant: TenantId,
        issuer: &IssuerRow,
    ) -> Result<(), DatabaseError> {
        sqlx::query!(
            "INSERT INTO souk_directory.edge_issuers (tenant_id, name, issuer, jwks_url, algorithm, \
                 audience, tenant_claim, token_type, grants, roles) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
             ON CONFLICT (tenant_id, name) DO UPDATE SET issuer = $3, jwks_url = $4, algorithm = $5, \
                 audience = $6, tenant_claim = $7, token_type = $8, grants = $9, roles = $10",
            tenant.as_uuid(),
            issuer.name,
            issuer.issuer,
            issuer.jwks_url,
            issuer.algorithm,
            issuer.audience,
            issuer.tenant_claim,
            issuer.token_type,
            &issuer.grants,
            issuer.roles,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Removes an issuer of `tenant`. Whether it was there.
    pub async fn delete_issuer(
        &mut self,
        tenant: TenantId,
        name: &str,
    ) -> Result<bool, DatabaseError> {
        let done = sqlx::query!(
            "DELETE FROM souk_directory.edge_issuers WHERE tenant_id = $1 AND name = $2",
            tenant.as_uuid(),
            name,
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() > 0)
    }
}
