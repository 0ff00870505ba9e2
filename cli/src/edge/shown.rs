//! What may be shown of what the edge is told.

use crate::tenants::shown_key;
use anyhow::Result;
use serde_json::{Value, json};
use souk_app::edge::{IssuerRow, LimitRow, PlanRow, TenantEdgeView, show_edge};
use souk_app::tenants::TenantTools;
use souk_domain::TenantId;

pub(crate) async fn show(tools: &TenantTools, tenant: Option<TenantId>) -> Result<()> {
    let view = show_edge(tools, tenant).await?;
    let shown = match view.tenants.first() {
        Some(of_tenant) if tenant.is_some() => of(of_tenant),
        _ => {
            let denied = view.denied.iter().map(|denied| denied.range.as_str());
            json!({
                "tenants": view.tenants.len(),
                "plans": view.plans.values().map(plan).collect::<Vec<_>>(),
                "denied": denied.collect::<Vec<_>>(),
                "address_limit": view.settings.address.map(limit),
                "disabled": view.settings.disabled,
                "issuer_hosts": view.settings.issuer_hosts,
            })
        }
    };
    println!("{}", serde_json::to_string_pretty(&shown)?);
    Ok(())
}

fn of(view: &TenantEdgeView) -> Value {
    let edge = &view.edge;
    json!({
        "id": view.tenant.id,
        "name": view.tenant.name,
        "status": view.tenant.placement.status,
        "region": view.tenant.region,
        "residency": view.residency,
        "shard": view.tenant.placement.shard.as_str(),
        "hosts": view.hosts,
        "plan": edge.plan,
        "tenant_limit": edge.tenant.map(limit),
        "key_limit": edge.key.map(limit),
        "shadow": edge.shadow,
        "cors_origins": edge.cors_origins,
        "disabled": edge.disabled,
        "features": edge.features,
        "canary_percent": edge.canary_percent,
        "issuers": view.issuers.iter().map(issuer).collect::<Vec<_>>(),
        "keys": view.keys.iter().map(shown_key).collect::<Vec<_>>(),
    })
}

fn limit(limit: LimitRow) -> Value {
    json!({ "emission_interval_us": limit.emission_interval_us, "burst": limit.burst })
}

pub(crate) fn plan(plan: &PlanRow) -> Value {
    json!({
        "plan": plan.plan,
        "tenant": plan.tenant.map(limit),
        "key": plan.key.map(limit),
        "shadow": plan.shadow,
    })
}

pub(crate) fn issuer(issuer: &IssuerRow) -> Value {
    json!({
        "name": issuer.name,
        "issuer": issuer.issuer,
        "jwks_url": issuer.jwks_url,
        "algorithm": issuer.algorithm,
        "audience": issuer.audience,
        "tenant_claim": issuer.tenant_claim,
        "token_type": issuer.token_type,
        "grants": issuer.grants,
        "roles": issuer.roles,
    })
}
