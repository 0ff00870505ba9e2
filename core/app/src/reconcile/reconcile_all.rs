//! Reconciles the tenants of a database.

use super::{ReconcileReport, Window, reconcile_tenant};
use crate::{AppError, Database, PaymentProvider, Tools};
use souk_domain::TenantId;
use souk_postgres::served::served_tenants;
use tokio::time::Instant;

/// Tenants read at a time.
const TENANTS_PER_READ: u16 = 100;

/// What became of each tenant.
#[derive(Debug, Default)]
pub struct ReconcileAllReport {
    /// Tenants that were reconciled, in the order of their ids.
    pub reports: Vec<ReconcileReport>,
    /// Tenants that were not, and why.
    pub failed: Vec<(TenantId, AppError)>,
    /// The tenant after which to go on, where time ran out.
    pub next_after: Option<TenantId>,
}

/// Reconciles the tenants that `served_by`, read by the role `souk_sweeper`, serves, after the tenant
/// `after`, until `stop_at`. A tenant that fails does not hold up the others.
///
/// # Errors
/// When `served_by` cannot be read.
pub async fn reconcile_all(
    tools: &Tools,
    provider: &impl PaymentProvider,
    served_by: &Database,
    window: Window,
    (after, stop_at): (Option<TenantId>, Instant),
) -> Result<ReconcileAllReport, AppError> {
    let mut all = ReconcileAllReport::default();
    let mut after = after;
    loop {
        let tenants = served_tenants(served_by, after, TENANTS_PER_READ).await?;
        if tenants.is_empty() {
            return Ok(all);
        }
        for tenant in tenants {
            if Instant::now() >= stop_at {
                all.next_after = after;
                return Ok(all);
            }
            match reconcile_tenant(tools, provider, tenant, window).await {
                Ok(report) => all.reports.push(report),
                Err(error) => all.failed.push((tenant, error)),
            }
            after = Some(tenant);
        }
    }
}
