//! Plans.

use super::records::rule;
use super::{EdgeError, LimitRow, PlanRow, fact, is_refused_by};
use crate::tenants::TenantTools;

/// Enters a plan, or changes it for all tenants that have it.
///
/// # Errors
/// [`EdgeError::PlanName`], [`EdgeError::Limit`], [`EdgeError::Database`].
pub async fn put_plan(tools: &TenantTools, plan: &PlanRow) -> Result<(), EdgeError> {
    let now = tools.clock.now();
    for limit in [plan.tenant, plan.key].into_iter().flatten() {
        rule(limit)?;
    }
    let mut tx = tools.directory.begin().await?;
    tx.put_plan(plan).await.map_err(|error| {
        if is_refused_by(&error, "plans_plan_form") {
            return EdgeError::PlanName;
        }
        error.into()
    })?;
    let detail = [
        ("plan", plan.plan.clone()),
        ("tenant", limit_text(plan.tenant)),
        ("key", limit_text(plan.key)),
        ("shadow", plan.shadow.to_string()),
    ];
    tx.append_audit(fact(tools, "edge.plan.put", None, now, &detail))
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Removes a plan that no tenant has.
///
/// # Errors
/// [`EdgeError::UnknownPlan`], [`EdgeError::PlanInUse`], [`EdgeError::Database`].
pub async fn remove_plan(tools: &TenantTools, plan: &str) -> Result<(), EdgeError> {
    let now = tools.clock.now();
    let mut tx = tools.directory.begin().await?;
    let found = tx.delete_plan(plan).await.map_err(|error| {
        if is_refused_by(&error, "edge_tenants_plan_fkey") {
            return EdgeError::PlanInUse(plan.to_owned());
        }
        error.into()
    })?;
    if !found {
        return Err(EdgeError::UnknownPlan(plan.to_owned()));
    }
    let detail = [("plan", plan.to_owned())];
    tx.append_audit(fact(tools, "edge.plan.remove", None, now, &detail))
        .await?;
    tx.commit().await?;
    Ok(())
}

/// All plans, in the order of their names.
///
/// # Errors
/// [`EdgeError::Database`].
pub async fn list_plans(tools: &TenantTools) -> Result<Vec<PlanRow>, EdgeError> {
    let mut tx = tools.directory.begin().await?;
    let plans = tx.plans().await?;
    tx.commit().await?;
    Ok(plans)
}

pub(super) fn limit_text(limit: Option<LimitRow>) -> String {
    limit.map_or_else(
        || "none".to_owned(),
        |limit| {
            format!(
                "one in {} µs, {} at once",
                limit.emission_interval_us, limit.burst
            )
        },
    )
}
