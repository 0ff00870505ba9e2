//! What transitions change.

use super::to_column;
use crate::{DatabaseError, TenantTx};
use souk_domain::{CancelReason, Event, Order, Principal, Timestamp};
use time::OffsetDateTime;

/// Writes a transition: what it has changed in the order, and its entry in the order's timeline. The
/// caller has the row locked by [`super::load_for_update`]. `event` tells of the transition, which
/// `principal` has caused; it is not the placing. One statement.
pub async fn update(
    tx: &mut TenantTx,
    order: &Order,
    event: &Event,
    principal: &Principal,
) -> Result<(), DatabaseError> {
    let record = order.record();
    let tenant = tx.tenant().as_uuid();
    let allocations = serde_json::to_value(&record.allocations)
        .map_err(|e| DatabaseError::corrupt("allocation", e))?;
    let data = event
        .data
        .to_json()
        .map_err(|e| DatabaseError::corrupt("event", e))?;
    let (numbers, fulfilled) = fulfilled_quantities(order)?;
    sqlx::query!(
        "WITH lines AS ( \
             UPDATE souk.order_lines l SET fulfilled_quantity = f.quantity \
             FROM unnest($14::smallint[], $15::int[]) AS f (line_number, quantity) \
             WHERE l.tenant_id = $1 AND l.order_id = $2 AND l.line_number = f.line_number \
               AND l.fulfilled_quantity <> f.quantity \
         ), timeline AS ( \
             INSERT INTO souk.order_transitions (tenant_id, order_id, sequence, event_id, \
                 event_type, occurred_at, principal, request_id, data) \
             VALUES ($1, $2, $6, $16, $17, $18, $19, $20, $21) \
         ) \
         UPDATE souk.orders \
         SET status = $3, payment_status = $4, refunded_minor = $5, version = $6, allocations = $7, \
             reservation_expires_at = $8, confirmed_at = $9, fulfilled_at = $10, \
             completed_at = $11, cancelled_at = $12, cancel_reason = $13, captured_minor = $22 \
         WHERE tenant_id = $1 AND order_id = $2",
        tenant,
        record.id.as_uuid(),
        record.status.as_str(),
        record.payment_status.as_str(),
        record.refunded.amount_minor(),
        to_column::<i64>(record.version, "a version")?,
        allocations,
        column(record.reservation_expires_at),
        column(record.confirmed_at),
        column(record.fulfilled_at),
        column(record.completed_at),
        column(record.cancelled_at),
        record.cancel_reason.as_ref().map(CancelReason::as_str),
        &numbers,
        &fulfilled,
        event.id.as_uuid(),
        event.data.type_name(),
        event.time.as_offset_date_time(),
        principal.as_str(),
        event.correlation_id.as_uuid(),
        data,
        record.captured.amount_minor(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Line numbers, and how much of each is fulfilled.
fn fulfilled_quantities(order: &Order) -> Result<(Vec<i16>, Vec<i32>), DatabaseError> {
    let mut numbers = Vec::with_capacity(order.lines().len());
    let mut fulfilled = Vec::with_capacity(order.lines().len());
    for line in order.lines() {
        numbers.push(to_column(line.line_number, "a line number")?);
        fulfilled.push(to_column(line.fulfilled_quantity, "a quantity")?);
    }
    Ok((numbers, fulfilled))
}

fn column(at: Option<Timestamp>) -> Option<OffsetDateTime> {
    at.map(|at| at.as_offset_date_time())
}
