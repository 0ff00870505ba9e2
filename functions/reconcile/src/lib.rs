//! Reconciliation, of one tenant on demand or of all of them each day.

use lambda_runtime::Error;
use serde::Deserialize;
use serde_json::{Value, json};
use souk_app::reconcile::{ReconcileReport, Resolution, Window, reconcile_all, reconcile_tenant};
use souk_app::{Database, PaymentProvider, Tools};
use souk_domain::{TenantId, Timestamp, TimestampError};
use souk_runtime::batch::with_causes;
use tokio::time::Instant;

/// The daily run looks back this far. Longer than a day: what a run misses the next one finds, and doing
/// it twice does no harm.
const LOOK_BACK: time::Duration = time::Duration::hours(-50);

/// A reconciliation that somebody asks for: `{"tenant": …, "from": …, "until": …}`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demand {
    tenant: TenantId,
    from: Timestamp,
    until: Timestamp,
}

impl Demand {
    /// What the event asks for; nothing where it is the schedule's.
    ///
    /// # Errors
    /// When it names a tenant, and is not of the form above.
    pub fn read(event: &Value) -> Result<Option<Self>, serde_json::Error> {
        if event.get("tenant").is_none() {
            return Ok(None);
        }
        serde_json::from_value(event.clone()).map(Some)
    }
}

/// Reconciles one tenant and answers with its report.
///
/// # Errors
/// When the database cannot be used.
pub async fn one_tenant(
    tools: &Tools,
    provider: &impl PaymentProvider,
    demand: &Demand,
) -> Result<Value, Error> {
    let window = Window {
        from: demand.from,
        until: demand.until,
    };
    let reconciling = reconcile_tenant(tools, provider, demand.tenant, window);
    let report = Box::pin(reconciling).await?;
    log(&report);
    Ok(serde_json::to_value(report)?)
}

/// Reconciles all tenants that `served_by` serve, by the role `souk_sweeper`, until `stop_at`.
///
/// # Errors
/// When a tenant could not be reconciled, or time was too short for all.
pub async fn all_tenants(
    tools: &Tools,
    provider: &impl PaymentProvider,
    served_by: &[Database],
    stop_at: Instant,
) -> Result<Value, Error> {
    let window = daily(tools.clock.now())?;
    let (mut tenants, mut findings, mut missed) = (0_usize, 0_usize, Vec::new());
    for database in served_by {
        let reconciling = reconcile_all(tools, provider, database, window, (None, stop_at));
        let all = Box::pin(reconciling).await?;
        for report in &all.reports {
            log(report);
            tenants = tenants.saturating_add(1);
            findings = findings.saturating_add(report.findings.len());
            if !report.incomplete.is_empty() {
                missed.push(report.tenant.to_string());
            }
        }
        for (tenant, error) in &all.failed {
            let cause = with_causes(error);
            tracing::error!(tenant.id = %tenant, cause, "a tenant could not be reconciled");
            missed.push(tenant.to_string());
        }
        missed.extend(all.next_after.map(|tenant| format!("those after {tenant}")));
    }
    if !missed.is_empty() {
        return Err(format!("not reconciled in full: {}", missed.join(", ")).into());
    }
    Ok(json!({ "tenants": tenants, "findings": findings }))
}

fn daily(now: Timestamp) -> Result<Window, TimestampError> {
    Ok(Window {
        from: now.plus(LOOK_BACK)?,
        until: now,
    })
}

fn log(report: &ReconcileReport) {
    tracing::info!(
        tenant.id = %report.tenant,
        movements = report.movements,
        payments = report.payments,
        fees.booked = report.fees_booked,
        findings.healed = report.count(Resolution::Healed),
        findings.review = report.count(Resolution::Review),
        findings.open = report.count(Resolution::Open),
        "tenant reconciled"
    );
    for finding in &report.findings {
        let difference = &finding.difference;
        tracing::warn!(
            tenant.id = %report.tenant,
            difference = difference.kind.as_str(),
            payment_intent.id = difference.intent.map(tracing::field::display),
            source = difference.source,
            ours.minor = difference.ours_minor,
            theirs.minor = difference.theirs_minor,
            resolution = finding.resolution.as_str(),
            "the PSP and the books differ"
        );
    }
    for missed in &report.incomplete {
        tracing::error!(tenant.id = %report.tenant, missed, "not reconciled in full");
    }
}
