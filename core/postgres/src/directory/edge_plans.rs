//! Plans: how often callers of their tenants may call.

use super::DirectoryTx;
use crate::DatabaseError;

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitRow {
    /// Microseconds from one request to the next, in the long run.
    pub emission_interval_us: u64,
    /// How many may come at once after a rest.
    pub burst: u32,
}

impl LimitRow {
    pub(super) fn of(
        interval_us: Option<i64>,
        burst: Option<i32>,
    ) -> Result<Option<Self>, DatabaseError> {
        let (Some(interval_us), Some(burst)) = (interval_us, burst) else {
            return Ok(None);
        };
        Ok(Some(Self {
            emission_interval_us: u64::try_from(interval_us)
                .map_err(|e| DatabaseError::corrupt("emission interval", e))?,
            burst: u32::try_from(burst).map_err(|e| DatabaseError::corrupt("burst", e))?,
        }))
    }

    pub(super) fn columns(
        limit: Option<Self>,
    ) -> Result<(Option<i64>, Option<i32>), DatabaseError> {
        let Some(limit) = limit else {
            return Ok((None, None));
        };
        let what = "a limit";
        let interval_us = i64::try_from(limit.emission_interval_us)
            .map_err(|_| DatabaseError::OutOfRange { what })?;
        let burst = i32::try_from(limit.burst).map_err(|_| DatabaseError::OutOfRange { what })?;
        Ok((Some(interval_us), Some(burst)))
    }
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRow {
    /// Its name.
    pub plan: String,
    /// Of all callers of a tenant together.
    pub tenant: Option<LimitRow>,
    /// Of each caller.
    pub key: Option<LimitRow>,
    /// Whether it is only said in the log what would have been refused.
    pub shadow: bool,
}

impl DirectoryTx {
    /// Enters a plan, or changes it.
    ///
    /// # Errors
    /// `plans_plan_form`, `plans_tenant_limit`, `plans_key_limit`.
    pub async fn put_plan(&mut self, plan: &PlanRow) -> Result<(), DatabaseError> {
        let (tenant_interval_us, tenant_burst) = LimitRow::columns(plan.tenant)?;
        let (key_interval_us, key_burst) = LimitRow::columns(plan.key)?;
        sqlx::query!(
            "INSERT INTO souk_directory.plans (plan, tenant_interval_us, tenant_burst, \
                 key_interval_us, key_burst, shadow) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (plan) DO UPDATE SET tenant_interval_us = $2, tenant_burst = $3, \
                 key_interval_us = $4, key_burst = $5, shadow = $6",
            plan.plan,
            tenant_interval_us,
            tenant_burst,
            key_interval_us,
            key_burst,
            plan.shadow,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Removes a plan. Whether it was there.
    ///
    /// # Errors
    /// `edge_tenants_plan_fkey` where a tenant has it.
    pub async fn delete_plan(&mut self, plan: &str) -> Result<bool, DatabaseError> {
        let done = sqlx::query!("DELETE FROM souk_directory.plans WHERE plan = $1", plan)
            .execute(self.connection())
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// All plans, in the order of their names.
    pub async fn plans(&mut self) -> Result<Vec<PlanRow>, DatabaseError> {
        let rows = sqlx::query!(
            "SELECT plan, tenant_interval_us, tenant_burst, key_interval_us, key_burst, shadow \
             FROM souk_directory.plans ORDER BY plan",
        )
        .fetch_all(self.connection())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(PlanRow {
                    plan: row.plan,
                    tenant: LimitRow::of(row.tenant_interval_us, row.tenant_burst)?,
                    key: LimitRow::of(row.key_interval_us, row.key_burst)?,
                    shadow: row.shadow,
                })
            })
            .collect()
    }
}
