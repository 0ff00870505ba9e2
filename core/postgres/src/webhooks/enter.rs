//! A message and its deliveries.

use crate::orders::to_column;
use crate::{DatabaseError, TenantTx};
use souk_domain::{Event, Timestamp, WebhookEndpointId};
use uuid::Uuid;

/// Writes the message of `event` and a delivery to each of `endpoints`, due at once. What was written
/// before stays as it is. Returns how many deliveries are new.
pub async fn enter(
    tx: &mut TenantTx,
    event: &Event,
    body: &str,
    endpoints: &[WebhookEndpointId],
    now: Timestamp,
) -> Result<u64, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let sequence: i64 = to_column(event.sequence, "a sequence")?;
    let endpoints: Vec<Uuid> = endpoints.iter().map(WebhookEndpointId::as_uuid).collect();
    let entered = sqlx::query!(
        "WITH message AS ( \
             INSERT INTO souk.webhook_messages \
                 (tenant_id, event_id, event_type, subject_id, sequence, occurred_at, body) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT ON CONSTRAINT webhook_messages_pkey DO NOTHING \
         ) \
         INSERT INTO souk.webhook_deliveries \
             (tenant_id, endpoint_id, event_id, subject_id, sequence, occurred_at, status, \
              next_attempt_at, created_at) \
         SELECT $1, wanting.endpoint_id, $2, $4, $5, $6, 'pending', $9, $9 \
         FROM unnest($8::uuid[]) AS wanting (endpoint_id) \
         ON CONFLICT ON CONSTRAINT webhook_deliveries_pkey DO NOTHING",
        tenant,
        event.id.as_uuid(),
        event.data.type_name(),
        event.subject.as_uuid(),
        sequence,
        event.time.as_offset_date_time(),
        body,
        &endpoints,
        now.as_offset_date_time(),
    )
    .execute(tx.connection())
    .await?;
    Ok(entered.rows_affected())
}
