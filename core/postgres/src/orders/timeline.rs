//! What happened to an order, in order.

use super::{timestamp, to_column};
use crate::{DatabaseError, TenantTx};
use souk_domain::{EventId, OrderId, RequestId, Timestamp};

/// One thing that happened to an order.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineEntry {
    /// Its place: the version that the order had afterwards.
    pub sequence: u64,
    /// The event that told it. Orders placed by the first version of Souk have none on record.
    pub event_id: Option<EventId>,
    /// Such as `order.placed.v1`.
    pub event_type: String,
    /// When.
    pub occurred_at: Timestamp,
    /// Who caused it, if that is on record.
    pub principal: Option<String>,
    /// In which request, if that is on record.
    pub request_id: Option<RequestId>,
    /// The event's data.
    pub data: serde_json::Value,
}

/// How an order was placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placing {
    /// The event that told it.
    pub event_id: Option<EventId>,
    /// By whom.
    pub principal: Option<String>,
    /// In which request.
    pub request_id: Option<RequestId>,
}

/// How the order was placed, if this tenant has it.
pub async fn placing(tx: &mut TenantTx, id: OrderId) -> Result<Option<Placing>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let row = sqlx::query!(
        "SELECT placed_event_id, placed_by, placed_request_id \
         FROM souk.orders WHERE tenant_id = $1 AND order_id = $2",
        tenant,
        id.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| Placing {
        event_id: row.placed_event_id.map(EventId::from_uuid),
        principal: Some(row.placed_by).filter(|name| !name.is_empty()),
        request_id: row.placed_request_id.map(RequestId::from_uuid),
    }))
}

/// The order's transitions after the one with `sequence`, at most `limit`, in order. Its placing is not
/// among them.
pub async fn transitions(
    tx: &mut TenantTx,
    id: OrderId,
    after: u64,
    limit: u16,
) -> Result<Vec<TimelineEntry>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let rows = sqlx::query!(
        "SELECT sequence, event_id, event_type, occurred_at, principal, request_id, data \
         FROM souk.order_transitions \
         WHERE tenant_id = $1 AND order_id = $2 AND sequence > $3 \
         ORDER BY sequence LIMIT $4",
        tenant,
        id.as_uuid(),
        to_column::<i64>(after, "a sequence")?,
        i64::from(limit),
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(TimelineEntry {
                sequence: u64::try_from(row.sequence)
                    .map_err(|e| DatabaseError::corrupt("sequence", e))?,
                event_id: Some(EventId::from_uuid(row.event_id)),
                event_type: row.event_type,
                occurred_at: timestamp(row.occurred_at)?,
                principal: Some(row.principal),
                request_id: Some(RequestId::from_uuid(row.request_id)),
                data: row.data,
            })
        })
        .collect()
}
