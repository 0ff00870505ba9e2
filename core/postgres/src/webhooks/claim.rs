//! Taking a delivery to attempt it.

use crate::{DatabaseError, TenantTx};
use core::time::Duration;
use souk_domain::webhook::EndpointUrl;
use souk_domain::{EventId, Timestamp, WebhookEndpointId};

/// A delivery that its holder attempts now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedDelivery {
    /// To which endpoint.
    pub endpoint: WebhookEndpointId,
    /// Of which event.
    pub event: EventId,
    /// Where that is.
    pub url: EndpointUrl,
    /// What is sent.
    pub body: String,
    /// Which attempt this is, from 1.
    pub attempt: i32,
    /// Failures since it was entered or replayed.
    pub failures: u32,
    /// The token under which its end is written.
    pub fencing_token: i64,
}

/// Takes one delivery that is due at `now`, the longest waiting first, for `lease`, and writes down that
/// an attempt has begun; one that its holder has let expire is taken over, and that attempt is lost. None
/// where nothing is due that may be attempted: an endpoint has at most `per_endpoint_max` under way, and
/// where it wants order none whose subject has an earlier event pending. What another one is just taking
/// is passed over.
pub async fn claim(
    tx: &mut TenantTx,
    now: Timestamp,
    lease: Duration,
    per_endpoint_max: u8,
) -> Result<Option<ClaimedDelivery>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let row = sqlx::query!(
        r#"WITH due AS (
               SELECT d.endpoint_id, d.event_id
               FROM souk.webhook_deliveries d
               JOIN souk.webhook_endpoints e
                   ON e.tenant_id = d.tenant_id AND e.endpoint_id = d.endpoint_id
               WHERE d.tenant_id = $1 AND d.status = 'pending' AND d.next_attempt_at <= $2
                 AND (d.lease_expires_at IS NULL OR d.lease_expires_at <= clock_timestamp())
                 AND e.status = 'enabled'
                 AND (NOT e.ordered OR NOT EXISTS (
                     SELECT FROM souk.webhook_deliveries b
                     WHERE b.tenant_id = d.tenant_id AND b.endpoint_id = d.endpoint_id
                       AND b.subject_id = d.subject_id AND b.sequence < d.sequence
                       AND b.status = 'pending'))
                 AND (SELECT count(*) FROM souk.webhook_deliveries u
                      WHERE u.tenant_id = d.tenant_id AND u.endpoint_id = d.endpoint_id
                        AND u.lease_expires_at > clock_timestamp()) < $4
               ORDER BY d.next_attempt_at, d.event_id
               LIMIT 1 FOR UPDATE OF d SKIP LOCKED
           ), claimed AS (
               UPDATE souk.webhook_deliveries d
               SET attempts = d.attempts + 1, fencing_token = d.fencing_token + 1,
                   lease_expires_at = clock_timestamp() + make_interval(secs => $3)
               FROM due
               WHERE d.tenant_id = $1 AND d.endpoint_id = due.endpoint_id
                 AND d.event_id = due.event_id
               RETURNING d.endpoint_id, d.event_id, d.attempts, d.failures, d.fencing_token
           ), lost AS (
               UPDATE souk.webhook_attempts a SET outcome = 'lost'
               FROM claimed c
               WHERE a.tenant_id = $1 AND a.endpoint_id = c.endpoint_id
                 AND a.event_id = c.event_id AND a.outcome = 'started'
           ), started AS (
               INSERT INTO souk.webhook_attempts
                   (tenant_id, endpoint_id, event_id, attempt, started_at, outcome)
               SELECT $1, c.endpoint_id, c.event_id, c.attempts, $2, 'started' FROM claimed c
           )
           SELECT c.endpoint_id, c.event_id, c.attempts, c.failures, c.fencing_token, e.url, m.body
           FROM claimed c
           JOIN souk.webhook_endpoints e ON e.tenant_id = $1 AND e.endpoint_id = c.endpoint_id
           JOIN souk.webhook_messages m ON m.tenant_id = $1 AND m.event_id = c.event_id"#,
        tenant,
        now.as_offset_date_time(),
        lease.as_secs_f64(),
        i64::from(per_endpoint_max),
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(|row| {
        Ok(ClaimedDelivery {
            endpoint: WebhookEndpointId::from_uuid(row.endpoint_id),
            event: EventId::from_uuid(row.event_id),
            url: row
                .url
                .parse()
                .map_err(|e| DatabaseError::corrupt("endpoint's URL", e))?,
            body: row.body,
            attempt: row.attempts,
            failures: u32::try_from(row.failures)
                .map_err(|e| DatabaseError::corrupt("number of failures", e))?,
            fencing_token: row.fencing_token,
        })
    })
    .transpose()
}

/// Skips at most `limit` deliveries that are due at `now` and whose endpoint is not enabled. Returns how
/// many.
pub async fn skip_due_of_disabled(
    tx: &mut TenantTx,
    now: Timestamp,
    limit: u16,
) -> Result<u64, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let skipped = sqlx::query!(
        "WITH due AS ( \
             SELECT p.endpoint_id, p.event_id FROM souk.webhook_deliveries p \
             JOIN souk.webhook_endpoints e \
                 ON e.tenant_id = p.tenant_id AND e.endpoint_id = p.endpoint_id \
             WHERE p.tenant_id = $1 AND p.status = 'pending' AND p.next_attempt_at <= $2 \
               AND e.status <> 'enabled' \
             ORDER BY p.next_attempt_at, p.event_id LIMIT $3 FOR UPDATE OF p SKIP LOCKED \
         ) \
         UPDATE souk.webhook_deliveries d \
         SET status = 'skipped', next_attempt_at = NULL, settled_at = $2 \
         FROM due \
         WHERE d.tenant_id = $1 AND d.endpoint_id = due.endpoint_id AND d.event_id = due.event_id",
        tenant,
        now.as_offset_date_time(),
        i64::from(limit),
    )
    .execute(tx.connection())
    .await?;
    Ok(skipped.rows_affected())
}
