//! Makes the entries of the edge's store from what the directory knows. The same knowledge makes the same
//! entries, byte for byte.

use super::EdgeError;
use crate::tenants::route_key;
use serde_json::json;
use souk_domain::Timestamp;
use souk_policy::edge_policy::{EdgePolicy, Limits};
use souk_policy::gcra::Rule;
use souk_policy::identity::Scopes;
use souk_policy::jose::{Algorithm, Issuer};
use souk_policy::route::{KeyRecord, RouteKey, RouteRecord};
use souk_policy::settings::{SETTINGS_KEY, SETTINGS_VERSION, Settings};
use souk_postgres::ShardName;
use souk_postgres::directory::{
    ApiKeyRow, EdgeEntryRow, EdgeView, IssuerRow, LimitRow, PlanRow, TenantEdgeView,
};
use std::collections::BTreeMap;

/// Entries by their keys.
pub(super) type Entries = BTreeMap<String, EdgeEntryRow>;

pub(super) fn by_key(entries: impl IntoIterator<Item = EdgeEntryRow>) -> Entries {
    let entries = entries.into_iter();
    entries.map(|entry| (entry.key.clone(), entry)).collect()
}

/// All entries.
pub(super) fn all_entries(view: &EdgeView, now: Timestamp) -> Result<Entries, EdgeError> {
    let mut entries = vec![settings_entry(view)?];
    for tenant in &view.tenants {
        entries.extend(tenant_entries(tenant, &view.plans, now)?);
    }
    Ok(by_key(entries))
}

/// The entries of a tenant: by its id, and for each of its hosts.
pub(crate) fn tenant_entries(
    view: &TenantEdgeView,
    plans: &BTreeMap<String, PlanRow>,
    now: Timestamp,
) -> Result<Vec<EdgeEntryRow>, EdgeError> {
    let tenant = view.tenant.id;
    let invalid = |source| EdgeError::Record { tenant, source };
    let value = record(view, plans, now)?.to_json().map_err(invalid)?;
    let of_hosts = view
        .hosts
        .iter()
        .map(|host| route_key(host).ok_or_else(|| EdgeError::Host(host.clone())));
    let keys = core::iter::once(Ok(RouteKey::of_tenant(tenant))).chain(of_hosts);
    keys.map(|key| {
        Ok(EdgeEntryRow {
            key: key?.as_str().to_owned(),
            tenant: Some(tenant),
            value: value.clone(),
        })
    })
    .collect()
}

fn record(
    view: &TenantEdgeView,
    plans: &BTreeMap<String, PlanRow>,
    now: Timestamp,
) -> Result<RouteRecord, EdgeError> {
    let tenant = &view.tenant;
    check_residency(&tenant.region, view.residency.as_deref())?;
    // Keys that are not accepted any more are left out.
    let live = view.keys.iter().filter(|key| is_live(key, now));
    let keys = live.map(key_record).collect::<Result<_, EdgeError>>()?;
    Ok(RouteRecord {
        tenant_id: tenant.id,
        status: tenant.placement.status,
        region: tenant.region.clone(),
        shard: shard_hint(&tenant.placement.shard),
        keys,
        policy: policy(view, plans)?,
    })
}

/// Where there is one shard only, nobody has to look for it.
fn shard_hint(shard: &ShardName) -> Option<String> {
    (*shard != ShardName::only()).then(|| shard.to_string())
}

fn is_live(key: &ApiKeyRow, now: Timestamp) -> bool {
    key.revoked_at.is_none() && key.expires_at.is_none_or(|at| at > now)
}

fn key_record(key: &ApiKeyRow) -> Result<KeyRecord, EdgeError> {
    Ok(KeyRecord {
        id: key.id,
        principal: key.principal.clone(),
        sha256: key.sha256,
        scopes: scopes(&key.scopes)?,
        expires_at: key.expires_at.map(|at| at.unix_s()),
    })
}

/// Whether a region is part of where a tenant's requests may be processed.
pub(super) fn check_residency(region: &str, residency: Option<&str>) -> Result<(), EdgeError> {
    let Some(residency) = residency else {
        return Ok(());
    };
    let part = region.strip_prefix(residency);
    if part.is_some_and(|rest| rest.is_empty() || rest.starts_with('-')) {
        return Ok(());
    }
    Err(EdgeError::Residency {
        region: region.to_owned(),
        residency: residency.to_owned(),
    })
}

fn policy(
    view: &TenantEdgeView,
    plans: &BTreeMap<String, PlanRow>,
) -> Result<EdgePolicy, EdgeError> {
    let edge = &view.edge;
    let plan = edge.plan.as_ref().map(|name| {
        plans
            .get(name)
            .ok_or_else(|| EdgeError::UnknownPlan(name.clone()))
    });
    let plan = plan.transpose()?;
    let tenant = edge.tenant.or(plan.and_then(|plan| plan.tenant));
    let key = edge.key.or(plan.and_then(|plan| plan.key));
    let shadow = edge.shadow.or(plan.map(|plan| plan.shadow)) == Some(true);
    let issuers = view.issuers.iter().map(issuer);
    Ok(EdgePolicy {
        plan: edge.plan.clone(),
        issuers: issuers.collect::<Result<_, _>>()?,
        limits: Limits {
            tenant: tenant.map(rule).transpose()?,
            key: key.map(rule).transpose()?,
            shadow: shadow && (tenant.is_some() || key.is_some()),
        },
        cors_origins: edge.cors_origins.clone(),
        disabled: edge.disabled.clone(),
        canary_percent: edge.canary_percent,
        features: edge.features.clone(),
    })
}

pub(super) fn rule(limit: LimitRow) -> Result<Rule, EdgeError> {
    Ok(Rule::new(limit.emission_interval_us, limit.burst)?)
}

/// An issuer as the edge reads it.
pub(super) fn issuer(row: &IssuerRow) -> Result<Issuer, EdgeError> {
    let algorithms = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256];
    let algorithm = algorithms
        .into_iter()
        .find(|algorithm| algorithm.name() == row.algorithm);
    let roles: BTreeMap<String, Vec<String>> =
        serde_json::from_value(row.roles.clone()).map_err(|_| EdgeError::Roles)?;
    let roles = roles
        .into_iter()
        .map(|(role, names)| Ok((role, scopes(&names)?)));
    Ok(Issuer {
        name: row.name.clone(),
        issuer: row.issuer.clone(),
        jwks_url: row.jwks_url.clone(),
        algorithm: algorithm.ok_or(EdgeError::Algorithm)?,
        audience: row.audience.clone(),
        tenant_claim: row.tenant_claim.clone(),
        token_type: row.token_type.clone(),
        grants: scopes(&row.grants)?,
        roles: roles.collect::<Result<_, EdgeError>>()?,
    })
}

fn scopes(names: &[String]) -> Result<Scopes, EdgeError> {
    Ok(Scopes::new(names.iter().map(String::as_str))?)
}

/// What counts for all tenants, as the edge's own parser reads and writes it.
pub(super) fn settings_entry(view: &EdgeView) -> Result<EdgeEntryRow, EdgeError> {
    let denied = view.denied.iter().map(|denied| denied.range.as_str());
    let wire = json!({
        "version": SETTINGS_VERSION,
        "denied": denied.collect::<Vec<_>>(),
        "address_limit": view.settings.address.map(rule).transpose()?,
        "disabled": view.settings.disabled,
        "issuer_hosts": view.settings.issuer_hosts,
    });
    let settings = Settings::parse(&wire.to_string())?;
    let value = serde_json::to_string(&settings)
        .map_err(souk_policy::settings::SettingsError::Malformed)?;
    Ok(EdgeEntryRow {
        key: SETTINGS_KEY.to_owned(),
        tenant: None,
        value,
    })
}
