//! Sending again.

use crate::orders::{ID_SLACK_MS, first_id_at};
use crate::{DatabaseError, TenantTx};
use souk_domain::webhook::DeliveryStatus;
use souk_domain::{EventId, Timestamp, WebhookEndpointId};
use uuid::Uuid;

/// Which deliveries of an endpoint are sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayRange {
    /// Of events that happened from then on.
    pub since: Timestamp,
    /// Of events that happened before then.
    pub until: Timestamp,
    /// In these states. Pending ones are on their way anyhow.
    pub statuses: Vec<DeliveryStatus>,
    /// After this event, by its id.
    pub after: Option<EventId>,
    /// At most so many.
    pub limit: u16,
}

/// Lets the delivery begin its schedule anew, at once. Returns false where there is none that is settled.
/// An attempt that is under way does not end it.
pub async fn replay_one(
    tx: &mut TenantTx,
    endpoint: WebhookEndpointId,
    event: EventId,
    now: Timestamp,
) -> Result<bool, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let replayed = sqlx::query!(
        "UPDATE souk.webhook_deliveries \
         SET status = 'pending', failures = 0, replays = replays + 1, next_attempt_at = $4, \
             lease_expires_at = NULL, fencing_token = fencing_token + 1, settled_at = NULL \
         WHERE tenant_id = $1 AND endpoint_id = $2 AND event_id = $3 AND status <> 'pending'",
        tenant,
        endpoint.as_uuid(),
        event.as_uuid(),
        now.as_offset_date_time(),
    )
    .execute(tx.connection())
    .await?;
    Ok(replayed.rows_affected() == 1)
}

/// The same for the deliveries of `range`, in the order of their events' ids. Returns the events.
pub async fn replay_range(
    tx: &mut TenantTx,
    endpoint: WebhookEndpointId,
    range: &ReplayRange,
    now: Timestamp,
) -> Result<Vec<EventId>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let statuses: Vec<String> = range.statuses.iter().map(ToString::to_string).collect();
    let from = first_id_at(range.since, -ID_SLACK_MS);
    let after = range.after.map_or(Uuid::nil(), |after| after.as_uuid());
    let mut events = sqlx::query_scalar!(
        // As a table of its own: a subquery that locks may run again for each row it is joined with.
        "WITH settled AS ( \
             SELECT s.event_id FROM souk.webhook_deliveries s \
             WHERE s.tenant_id = $1 AND s.endpoint_id = $2 AND s.event_id > $3 \
               AND s.event_id < $9 AND s.occurred_at >= $4 AND s.occurred_at < $5 \
               AND s.status = ANY ($6) AND s.status <> 'pending' \
             ORDER BY s.event_id LIMIT $7 FOR UPDATE \
         ) \
         UPDATE souk.webhook_deliveries d \
         SET status = 'pending', failures = 0, replays = replays + 1, next_attempt_at = $8, \
             lease_expires_at = NULL, fencing_token = fencing_token + 1, settled_at = NULL \
         FROM settled \
         WHERE d.tenant_id = $1 AND d.endpoint_id = $2 AND d.event_id = settled.event_id \
         RETURNING d.event_id",
        tenant,
        endpoint.as_uuid(),
        from.max(after),
        range.since.as_offset_date_time(),
        range.until.as_offset_date_time(),
        &statuses,
        i64::from(range.limit),
        now.as_offset_date_time(),
        first_id_at(range.until, ID_SLACK_MS),
    )
    .fetch_all(tx.connection())
    .await?;
    events.sort_unstable();
    Ok(events.into_iter().map(EventId::from_uuid).collect())
}
