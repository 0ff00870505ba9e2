//! Changes what the edge is told of a tenant.

use super::change_plan::limit_text;
use super::change_settings::allow_issuer_host;
use super::changes::{as_set, check_switches, with, without};
use super::records::{check_residency, issuer, rule, tenant_entries};
use super::{EdgeError, IssuerRow, LimitRow, TenantEdgeRow, fact, is_refused_by};
use crate::tenants::{TenantRow, TenantTools};
use souk_domain::TenantId;
use souk_policy::edge_policy::{EdgePolicy, EdgePolicyError};
use souk_policy::identity::is_region;
use souk_postgres::directory::DirectoryTx;

/// A change of what is said of a tenant's callers. Where a limit or the shadow is none, the plan's counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallerChange {
    /// Its plan.
    Plan(Option<String>),
    /// How often all its callers together may call.
    TenantLimit(Option<LimitRow>),
    /// How often each of them may.
    KeyLimit(Option<LimitRow>),
    /// Whether it is only said in the log what would have been refused.
    Shadow(Option<bool>),
    /// Origins of pages that may read answers: all of them.
    CorsOrigins(Vec<String>),
    /// Switches operations off.
    Disable(Vec<String>),
    /// Switches them on.
    Enable(Vec<String>),
    /// How many of a hundred callers go to the canary.
    Canary(u8),
    /// What is tried with this tenant first: all of it.
    Features(Vec<String>),
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantChange {
    /// Of its callers.
    Callers(CallerChange),
    /// Where its requests are processed.
    Region(String),
    /// Where they may be at all.
    Residency(Option<String>),
    /// Enters an issuer of tokens, or changes the one of this name.
    PutIssuer {
        /// The issuer.
        issuer: Box<IssuerRow>,
        /// Whether keys may be fetched from its host, if that is not so yet.
        allow_host: bool,
    },
    /// Removes an issuer.
    RemoveIssuer(String),
}

impl From<CallerChange> for TenantChange {
    fn from(change: CallerChange) -> Self {
        Self::Callers(change)
    }
}

/// Changes what the edge is told of a tenant, once it is published: all of the changes, or none.
///
/// # Errors
/// [`EdgeError::UnknownTenant`], what is wrong with a change, [`EdgeError::Database`].
pub async fn change_tenant_edge(
    tools: &TenantTools,
    tenant: TenantId,
    changes: &[TenantChange],
) -> Result<(), EdgeError> {
    let now = tools.clock.now();
    let mut tx = tools.directory.begin().await?;
    tx.lock_tenant(tenant)
        .await?
        .ok_or(EdgeError::UnknownTenant(tenant))?;
    for change in changes {
        let (action, detail) = apply(&mut tx, tenant, change).await?;
        tx.append_audit(fact(tools, action, Some(tenant), now, &detail))
            .await?;
    }
    // What the edge would not read is not stored.
    let view = tx.edge_view(Some(tenant)).await?;
    for view_of_tenant in &view.tenants {
        tenant_entries(view_of_tenant, &view.plans, now)?;
    }
    tx.commit().await?;
    Ok(())
}

type Told = (&'static str, Vec<(&'static str, String)>);

async fn apply(
    tx: &mut DirectoryTx,
    tenant: TenantId,
    change: &TenantChange,
) -> Result<Told, EdgeError> {
    match change {
        TenantChange::Region(region) => set_region(tx, tenant, region).await,
        TenantChange::Residency(residency) => set_residency(tx, tenant, residency.as_deref()).await,
        TenantChange::PutIssuer { issuer, allow_host } => {
            put_issuer(tx, tenant, issuer, *allow_host).await
        }
        TenantChange::RemoveIssuer(name) => {
            if !tx.delete_issuer(tenant, name).await? {
                return Err(EdgeError::UnknownIssuer(name.clone()));
            }
            Ok(("edge.issuer.remove", vec![("issuer", name.clone())]))
        }
        TenantChange::Callers(change) => {
            let mut edge = tx.tenant_edge(tenant).await?;
            let told = change_row(&mut edge, change)?;
            check(&edge)?;
            let plan = edge.plan.clone().unwrap_or_default();
            tx.set_tenant_edge(tenant, &edge).await.map_err(|error| {
                if is_refused_by(&error, "edge_tenants_plan_fkey") {
                    return EdgeError::UnknownPlan(plan);
                }
                error.into()
            })?;
            Ok(told)
        }
    }
}

/// The policy's own word on it, before the database's.
fn check(edge: &TenantEdgeRow) -> Result<(), EdgeError> {
    for limit in [edge.tenant, edge.key].into_iter().flatten() {
        rule(limit)?;
    }
    let policy = EdgePolicy {
        cors_origins: edge.cors_origins.clone(),
        disabled: edge.disabled.clone(),
        features: edge.features.clone(),
        canary_percent: edge.canary_percent,
        ..EdgePolicy::default()
    };
    Ok(policy.check()?)
}

fn change_row(edge: &mut TenantEdgeRow, change: &CallerChange) -> Result<Told, EdgeError> {
    Ok(match change {
        CallerChange::Plan(plan) => {
            edge.plan.clone_from(plan);
            let plan = plan.clone().unwrap_or_default();
            ("edge.plan", vec![("plan", plan)])
        }
        CallerChange::TenantLimit(limit) => {
            edge.tenant = *limit;
            ("edge.limit", vec![("tenant", limit_text(*limit))])
        }
        CallerChange::KeyLimit(limit) => {
            edge.key = *limit;
            ("edge.limit", vec![("key", limit_text(*limit))])
        }
        CallerChange::Shadow(shadow) => {
            edge.shadow = *shadow;
            let shadow = shadow.map_or_else(|| "the plan's".to_owned(), |on| on.to_string());
            ("edge.shadow", vec![("shadow", shadow)])
        }
        CallerChange::CorsOrigins(origins) => {
            edge.cors_origins = as_set(origins);
            ("edge.cors", vec![("origins", edge.cors_origins.join(" "))])
        }
        CallerChange::Disable(names) => {
            check_switches(names)?;
            with(&mut edge.disabled, names);
            ("edge.disable", vec![("operations", names.join(" "))])
        }
        CallerChange::Enable(names) => {
            without(&mut edge.disabled, names);
            ("edge.enable", vec![("operations", names.join(" "))])
        }
        CallerChange::Canary(percent) => {
            edge.canary_percent = *percent;
            ("edge.canary", vec![("percent", percent.to_string())])
        }
        CallerChange::Features(features) => {
            edge.features = as_set(features);
            ("edge.features", vec![("features", edge.features.join(" "))])
        }
    })
}

/// Where the tenant is served from and may be.
async fn places(
    tx: &mut DirectoryTx,
    tenant: TenantId,
) -> Result<(TenantRow, Option<String>), EdgeError> {
    let view = tx.edge_view(Some(tenant)).await?;
    let view = view.tenants.into_iter().next();
    let view = view.ok_or(EdgeError::UnknownTenant(tenant))?;
    Ok((view.tenant, view.residency))
}

async fn set_region(
    tx: &mut DirectoryTx,
    tenant: TenantId,
    region: &str,
) -> Result<Told, EdgeError> {
    if !is_region(region) {
        return Err(EdgeError::Region);
    }
    let (_, residency) = places(tx, tenant).await?;
    check_residency(region, residency.as_deref())?;
    tx.set_tenant_region(tenant, region, residency.as_deref())
        .await?;
    Ok(("edge.region", vec![("region", region.to_owned())]))
}

async fn set_residency(
    tx: &mut DirectoryTx,
    tenant: TenantId,
    residency: Option<&str>,
) -> Result<Told, EdgeError> {
    let accepted = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let fits = |name: &str| (1..=32).contains(&name.len()) && name.bytes().all(accepted);
    if !residency.is_none_or(fits) {
        return Err(EdgeError::ResidencyForm);
    }
    let (row, _) = places(tx, tenant).await?;
    check_residency(&row.region, residency)?;
    tx.set_tenant_region(tenant, &row.region, residency).await?;
    let residency = residency.unwrap_or_default().to_owned();
    Ok(("edge.residency", vec![("residency", residency)]))
}

async fn put_issuer(
    tx: &mut DirectoryTx,
    tenant: TenantId,
    row: &IssuerRow,
    allow_host: bool,
) -> Result<Told, EdgeError> {
    let parsed = issuer(row)?;
    parsed.check().map_err(EdgePolicyError::from)?;
    let host = parsed.jwks_host().unwrap_or_default().to_owned();
    let mut settings = tx.lock_edge_settings().await?;
    if !settings.issuer_hosts.contains(&host) {
        if !allow_host {
            return Err(EdgeError::IssuerHost(host));
        }
        allow_issuer_host(&mut settings, &host)?;
        tx.set_edge_settings(&settings).await?;
    }
    tx.put_issuer(tenant, row).await.map_err(|error| {
        if is_refused_by(&error, "edge_issuers_issuer_key") {
            return EdgePolicyError::Issuers.into();
        }
        EdgeError::from(error)
    })?;
    let detail = vec![
        ("issuer", row.name.clone()),
        ("iss", row.issuer.clone()),
        ("jwks_url", row.jwks_url.clone()),
        ("algorithm", row.algorithm.clone()),
        ("audience", row.audience.clone()),
        ("grants", row.grants.join(" ")),
        ("host", host),
    ];
    Ok(("edge.issuer.put", detail))
}
