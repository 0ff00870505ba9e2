//! One order.

use super::rows::{LineRow, OrderRow};
use crate::{DatabaseError, TenantTx};
use souk_domain::pricing::Breakdown;
use souk_domain::{Allocation, Order, OrderId};
use sqlx::types::Json;

/// The order, if this tenant has it. One statement: order and lines are of one moment.
pub async fn load(tx: &mut TenantTx, id: OrderId) -> Result<Option<Order>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let row = sqlx::query_as!(
        OrderRow,
        r#"SELECT o.order_id, o.status, o.payment_status, o.currency, o.subtotal_minor,
               o.discount_minor, o.shipping_minor, o.tax_minor, o.tax_included, o.total_minor,
               o.captured_minor, o.refunded_minor, o.customer_reference, o.shipping_country,
               o.breakdown AS "breakdown: Json<Breakdown>",
               o.allocations AS "allocations: Json<Vec<Allocation>>",
               o.reservation_expires_at, o.version, o.placed_at, o.confirmed_at, o.fulfilled_at,
               o.completed_at, o.cancelled_at, o.cancel_reason,
               coalesce(l.lines, '[]') AS "lines!: Json<Vec<LineRow>>"
           FROM souk.orders o
           CROSS JOIN LATERAL (
               SELECT jsonb_agg(to_jsonb(ol) - 'tenant_id' - 'order_id' ORDER BY ol.line_number)
                   AS lines
               FROM souk.order_lines ol
               WHERE ol.tenant_id = $1 AND ol.order_id = o.order_id
           ) l
           WHERE o.tenant_id = $1 AND o.order_id = $2"#,
        tenant,
        id.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(Order::try_from).transpose()
}

/// The order, if this tenant has it, locked until the transaction ends: transitions of one order
/// happen one after the other, and so do their events.
///
/// Two statements: one that waits for the lock still sees the lines as they were when it began to
/// wait.
pub async fn load_for_update(
    tx: &mut TenantTx,
    id: OrderId,
) -> Result<Option<Order>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let locked = sqlx::query_scalar!(
        "SELECT version FROM souk.orders WHERE tenant_id = $1 AND order_id = $2 FOR UPDATE",
        tenant,
        id.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    if locked.is_none() {
        return Ok(None);
    }
    load(tx, id).await
}
