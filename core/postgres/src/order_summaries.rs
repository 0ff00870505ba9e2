//! The read model of orders: one row an order, filled from events alone.

use crate::orders::to_column;
use crate::{DatabaseError, TenantTx};
use souk_domain::{OrderId, OrderPlacedV1, OrderStatus, PaymentStatus, Timestamp};

/// Enters an order's first event. Returns false when the order is there already.
pub async fn insert_placed(
    tx: &mut TenantTx,
    sequence: u64,
    placed: &OrderPlacedV1,
) -> Result<bool, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let units: i64 = placed
        .lines
        .iter()
        .map(|line| i64::from(line.quantity))
        .sum();
    let inserted = sqlx::query!(
        "INSERT INTO souk.order_summaries (tenant_id, order_id, status, currency, total_minor, \
             line_count, unit_count, customer_reference, placed_at, last_sequence, events_applied) \
         VALUES ($1, $2, 'placed', $3, $4, $5, $6, $7, $8, $9, 1) \
         ON CONFLICT ON CONSTRAINT order_summaries_pkey DO NOTHING",
        tenant,
        placed.order_id.as_uuid(),
        placed.currency.code(),
        placed.total.amount_minor(),
        to_column::<i32>(placed.lines.len(), "a line count")?,
        units,
        placed.customer_reference.as_deref(),
        placed.placed_at.as_offset_date_time(),
        to_column::<i64>(sequence, "a sequence")?,
    )
    .execute(tx.connection())
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// What an event changes in a summary; what is not given stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SummaryChange {
    /// Where the order stands now.
    pub status: Option<OrderStatus>,
    /// Where its payment stands now.
    pub payment_status: Option<PaymentStatus>,
    /// When it was cancelled. An order that gets another status than cancelled has no such time.
    pub cancelled_at: Option<Timestamp>,
}

/// Applies an event after the first to the summary that stands at the sequence before it. Returns false
/// when there is none: the event came too early, or was applied already.
pub async fn apply(
    tx: &mut TenantTx,
    order: OrderId,
    sequence: u64,
    change: SummaryChange,
) -> Result<bool, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let updated = sqlx::query!(
        "UPDATE souk.order_summaries \
         SET status = coalesce($3, status), payment_status = coalesce($4, payment_status), \
             cancelled_at = CASE WHEN coalesce($3, status) = 'cancelled' \
                 THEN coalesce($5, cancelled_at) END, last_sequence = $6::bigint, \
             events_applied = events_applied + 1 \
         WHERE tenant_id = $1 AND order_id = $2 AND last_sequence = $6::bigint - 1",
        tenant,
        order.as_uuid(),
        change.status.map(|status| status.as_str()),
        change.payment_status.map(|status| status.as_str()),
        change.cancelled_at.map(|at| at.as_offset_date_time()),
        to_column::<i64>(sequence, "a sequence")?,
    )
    .execute(tx.connection())
    .await?;
    Ok(updated.rows_affected() == 1)
}
