//! The log of what a process has done.

use super::{ProcessState, Standing};
use crate::orders::{timestamp, to_column};
use crate::{DatabaseError, TenantTx};
use souk_domain::{OrderId, Timestamp};

/// A step that has been decided.
#[derive(Debug, Clone, PartialEq)]
pub struct NewStep<'a> {
    /// Its number: one more than the process's version.
    pub sequence: u64,
    /// Which.
    pub step: &'static str,
    /// What it is about.
    pub detail: &'a serde_json::Value,
    /// What made the process look.
    pub cause: &'a str,
    /// How it ended, where that is known already.
    pub outcome: Option<&'a str>,
}

/// Writes down a step of a process that this transaction has opened, and where the process stands with
/// it.
pub async fn log_step(
    tx: &mut TenantTx,
    order: OrderId,
    step: &NewStep<'_>,
    standing: Standing<'_>,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let sequence: i64 = to_column(step.sequence, "a step's number")?;
    sqlx::query!(
        "WITH step AS ( \
             INSERT INTO souk.order_process_steps \
                 (tenant_id, order_id, sequence, step, detail, cause, decided_at, finished_at, outcome) \
             VALUES ($1, $2, $3, $4, $5, $6, $7::timestamptz, \
                 CASE WHEN $8::text IS NOT NULL THEN $7::timestamptz END, $8) \
         ) \
         UPDATE souk.order_processes \
         SET version = $3, state = $9, detail = $10, deadline = $11, updated_at = $7::timestamptz \
         WHERE tenant_id = $1 AND order_id = $2",
        tenant,
        order.as_uuid(),
        sequence,
        step.step,
        step.detail,
        step.cause,
        now.as_offset_date_time(),
        step.outcome,
        standing.state.as_str(),
        standing.detail,
        standing.deadline.map(|at| at.as_offset_date_time()),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Writes down how the step `sequence` ended, and lets the process be looked at again at `look_at`.
/// Returns false where another step was begun since: then only the outcome is noted.
pub async fn finish_step(
    tx: &mut TenantTx,
    order: OrderId,
    sequence: u64,
    outcome: &str,
    (now, look_at): (Timestamp, Timestamp),
) -> Result<bool, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let sequence: i64 = to_column(sequence, "a step's number")?;
    sqlx::query!(
        "UPDATE souk.order_process_steps SET finished_at = $4, outcome = $5 \
         WHERE tenant_id = $1 AND order_id = $2 AND sequence = $3 AND outcome IS NULL",
        tenant,
        order.as_uuid(),
        sequence,
        now.as_offset_date_time(),
        outcome,
    )
    .execute(tx.connection())
    .await?;
    let stands = sqlx::query!(
        "UPDATE souk.order_processes SET state = $4, deadline = $5, updated_at = $6 \
         WHERE tenant_id = $1 AND order_id = $2 AND version = $3",
        tenant,
        order.as_uuid(),
        sequence,
        ProcessState::Waiting.as_str(),
        look_at.as_offset_date_time(),
        now.as_offset_date_time(),
    )
    .execute(tx.connection())
    .await?;
    Ok(stands.rows_affected() == 1)
}

/// A step as it was written down.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedStep {
    /// Its number, from 1.
    pub sequence: u64,
    /// Which.
    pub step: String,
    /// What it is about.
    pub detail: serde_json::Value,
    /// What made the process look.
    pub cause: String,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// When it had ended; none where it is being done or was interrupted.
    pub finished_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<String>,
}

/// The last `limit` steps of an order's process, in order.
pub async fn steps(
    tx: &mut TenantTx,
    order: OrderId,
    limit: u16,
) -> Result<Vec<LoggedStep>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let rows = sqlx::query!(
        "SELECT sequence, step, detail, cause, decided_at, finished_at, outcome \
         FROM souk.order_process_steps WHERE tenant_id = $1 AND order_id = $2 \
         ORDER BY sequence DESC LIMIT $3",
        tenant,
        order.as_uuid(),
        i64::from(limit),
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .rev()
        .map(|row| {
            Ok(LoggedStep {
                sequence: u64::try_from(row.sequence)
                    .map_err(|e| DatabaseError::corrupt("sequence", e))?,
                step: row.step,
                detail: row.detail,
                cause: row.cause,
                decided_at: timestamp(row.decided_at)?,
                finished_at: row.finished_at.map(timestamp).transpose()?,
                outcome: row.outcome,
            })
        })
        .collect()
}
