//! Attempts and how they ended.

use super::ClaimedDelivery;
use crate::orders::{timestamp, to_column};
use crate::{DatabaseError, TenantTx};
use souk_domain::webhook::{AttemptOutcome, Step};
use souk_domain::{EventId, Timestamp, WebhookEndpointId};

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptEnd {
    /// In one word.
    pub outcome: AttemptOutcome,
    /// The status of the answer, if there was one.
    pub status_code: Option<u16>,
    /// From the first byte of work to the answer or the error.
    pub latency_ms: u32,
    /// Why there was no answer, or none that is taken.
    pub error: Option<String>,
    /// The beginning of the answer's body.
    pub response: Option<String>,
}

/// An attempt on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Which, from 1.
    pub attempt: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// In one word.
    pub outcome: AttemptOutcome,
    /// The status of the answer, if there was one.
    pub status_code: Option<u16>,
    /// How long it took, once it has ended.
    pub latency_ms: Option<u32>,
    /// Why there was no answer, or none that is taken.
    pub error: Option<String>,
    /// The beginning of the answer's body.
    pub response: Option<String>,
}

/// Writes down how the attempt of `claimed` ended, and what becomes of the delivery. Returns false where
/// somebody else has taken it over: then the attempt's end is on record, and nothing else has changed. A
/// delivery that was skipped meanwhile stays so unless it was delivered.
pub async fn end_attempt(
    tx: &mut TenantTx,
    claimed: &ClaimedDelivery,
    end: &AttemptEnd,
    step: &Step,
    now: Timestamp,
) -> Result<bool, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "UPDATE souk.webhook_attempts \
         SET outcome = $5, status_code = $6, latency_ms = $7, error = $8, response = $9 \
         WHERE tenant_id = $1 AND endpoint_id = $2 AND event_id = $3 AND attempt = $4",
        tenant,
        claimed.endpoint.as_uuid(),
        claimed.event.as_uuid(),
        claimed.attempt,
        end.outcome.as_str(),
        end.status_code
            .map(|code| i16::try_from(code).unwrap_or(i16::MAX)),
        i32::try_from(end.latency_ms).unwrap_or(i32::MAX),
        end.error,
        end.response,
    )
    .execute(tx.connection())
    .await?;
    let ended = sqlx::query!(
        "UPDATE souk.webhook_deliveries \
         SET lease_expires_at = NULL, failures = $6, \
             status = CASE WHEN status = 'pending' OR $5 = 'delivered' THEN $5 ELSE status END, \
             next_attempt_at = CASE WHEN status = 'pending' THEN $7::timestamptz END, \
             settled_at = CASE WHEN status = 'pending' AND $5 = 'pending' THEN NULL ELSE $8::timestamptz END \
         WHERE tenant_id = $1 AND endpoint_id = $2 AND event_id = $3 AND fencing_token = $4",
        tenant,
        claimed.endpoint.as_uuid(),
        claimed.event.as_uuid(),
        claimed.fencing_token,
        step.status.as_str(),
        to_column::<i32>(step.failures, "a number of failures")?,
        step.next_attempt_at.map(|at| at.as_offset_date_time()),
        now.as_offset_date_time(),
    )
    .execute(tx.connection())
    .await?;
    Ok(ended.rows_affected() == 1)
}

/// The latest attempts of a delivery, the first one first, at most `limit`.
pub async fn attempts(
    tx: &mut TenantTx,
    endpoint: WebhookEndpointId,
    event: EventId,
    limit: u16,
) -> Result<Vec<Attempt>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let rows = sqlx::query!(
        "SELECT attempt, started_at, outcome, status_code, latency_ms, error, response \
         FROM souk.webhook_attempts \
         WHERE tenant_id = $1 AND endpoint_id = $2 AND event_id = $3 \
         ORDER BY attempt DESC LIMIT $4",
        tenant,
        endpoint.as_uuid(),
        event.as_uuid(),
        i64::from(limit),
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .rev()
        .map(|row| {
            let corrupt = |e| DatabaseError::corrupt("attempt", e);
            Ok(Attempt {
                attempt: u32::try_from(row.attempt).map_err(corrupt)?,
                started_at: timestamp(row.started_at)?,
                outcome: row
                    .outcome
                    .parse()
                    .map_err(|e| DatabaseError::corrupt("outcome", e))?,
                status_code: row
                    .status_code
                    .map(u16::try_from)
                    .transpose()
                    .map_err(corrupt)?,
                latency_ms: row
                    .latency_ms
                    .map(u32::try_from)
                    .transpose()
                    .map_err(corrupt)?,
                error: row.error,
                response: row.response,
            })
        })
        .collect()
}
