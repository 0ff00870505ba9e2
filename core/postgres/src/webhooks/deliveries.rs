//! The record of deliveries.

use crate::orders::timestamp;
use crate::{DatabaseError, TenantTx};
use souk_domain::webhook::DeliveryStatus;
use souk_domain::{EventId, Timestamp, WebhookEndpointId};
use time::OffsetDateTime;
use uuid::Uuid;

/// One event on its way to one endpoint, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// To which endpoint.
    pub endpoint: WebhookEndpointId,
    /// Of which event.
    pub event: EventId,
    /// Such as `order.placed.v1`.
    pub event_type: String,
    /// When that happened.
    pub occurred_at: Timestamp,
    /// How far it has come.
    pub status: DeliveryStatus,
    /// How often it was attempted.
    pub attempts: u32,
    /// How often it was replayed.
    pub replays: u32,
    /// When it is attempted next; none unless it is pending.
    pub next_attempt_at: Option<Timestamp>,
    /// When it was delivered or given up.
    pub settled_at: Option<Timestamp>,
}

struct DeliveryRow {
    endpoint_id: Uuid,
    event_id: Uuid,
    event_type: String,
    occurred_at: OffsetDateTime,
    status: String,
    attempts: i32,
    replays: i32,
    next_attempt_at: Option<OffsetDateTime>,
    settled_at: Option<OffsetDateTime>,
}

impl TryFrom<DeliveryRow> for Delivery {
    type Error = DatabaseError;

    fn try_from(row: DeliveryRow) -> Result<Self, DatabaseError> {
        let number = |value: i32| {
            u32::try_from(value).map_err(|e| DatabaseError::corrupt("number of a delivery", e))
        };
        Ok(Self {
            endpoint: WebhookEndpointId::from_uuid(row.endpoint_id),
            event: EventId::from_uuid(row.event_id),
            event_type: row.event_type,
            occurred_at: timestamp(row.occurred_at)?,
            status: row
                .status
                .parse()
                .map_err(|e| DatabaseError::corrupt("delivery's status", e))?,
            attempts: number(row.attempts)?,
            replays: number(row.replays)?,
            next_attempt_at: row.next_attempt_at.map(timestamp).transpose()?,
            settled_at: row.settled_at.map(timestamp).transpose()?,
        })
    }
}

/// The delivery and the body that is sent, if there is one.
pub async fn load(
    tx: &mut TenantTx,
    endpoint: WebhookEndpointId,
    event: EventId,
) -> Result<Option<(Delivery, String)>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let row = sqlx::query!(
        "SELECT d.endpoint_id, d.event_id, m.event_type, d.occurred_at, d.status, d.attempts, \
             d.replays, d.next_attempt_at, d.settled_at, m.body \
         FROM souk.webhook_deliveries d \
         JOIN souk.webhook_messages m ON m.tenant_id = d.tenant_id AND m.event_id = d.event_id \
         WHERE d.tenant_id = $1 AND d.endpoint_id = $2 AND d.event_id = $3",
        tenant,
        endpoint.as_uuid(),
        event.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(|row| {
        let delivery = DeliveryRow {
            endpoint_id: row.endpoint_id,
            event_id: row.event_id,
            event_type: row.event_type,
            occurred_at: row.occurred_at,
            status: row.status,
            attempts: row.attempts,
            replays: row.replays,
            next_attempt_at: row.next_attempt_at,
            settled_at: row.settled_at,
        };
        Ok((Delivery::try_from(delivery)?, row.body))
    })
    .transpose()
}

/// The newest `limit` deliveries to the endpoint that are older than `after`, by the ids of their events;
/// only those of `status`, if one is given.
pub async fn list(
    tx: &mut TenantTx,
    endpoint: WebhookEndpointId,
    status: Option<DeliveryStatus>,
    after: Option<EventId>,
    limit: u16,
) -> Result<Vec<Delivery>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let rows = sqlx::query_as!(
        DeliveryRow,
        "SELECT d.endpoint_id, d.event_id, m.event_type, d.occurred_at, d.status, d.attempts, \
             d.replays, d.next_attempt_at, d.settled_at \
         FROM souk.webhook_deliveries d \
         JOIN souk.webhook_messages m ON m.tenant_id = d.tenant_id AND m.event_id = d.event_id \
         WHERE d.tenant_id = $1 AND d.endpoint_id = $2 AND d.event_id < $3 \
           AND ($4::text IS NULL OR d.status = $4) \
         ORDER BY d.event_id DESC LIMIT $5",
        tenant,
        endpoint.as_uuid(),
        after.map_or(Uuid::max(), |after| after.as_uuid()),
        status.map(DeliveryStatus::as_str),
        i64::from(limit),
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter().map(Delivery::try_from).collect()
}
