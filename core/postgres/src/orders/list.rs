//! Lists of orders, the newest first.

use super::rows::{LineRow, OrderRow};
use crate::{DatabaseError, TenantTx};
use souk_domain::pricing::Breakdown;
use souk_domain::{
    Allocation, CustomerReference, Order, OrderFilter, OrderId, OrderStatus, Timestamp,
};
use sqlx::types::Json;
use uuid::Uuid;

/// How far the instant in an order's id may be from the one it was placed at, by the database's
/// count: ids are made from the same reading of the clock, but those of earlier versions of Souk were
/// made a moment later. Costs nothing but a few index entries: the placing time itself is compared
/// too.
pub(crate) const ID_SLACK_MS: i64 = 60_000;
/// Bits of a UUID of version 7 below its milliseconds.
const BITS_BELOW_MS: u32 = 80;

/// One statement for each set of filters: a plan that is made once for all of them would walk
/// through all orders to find the few of one buyer.
macro_rules! list {
    ($condition:literal, $tx:expr, $range:expr, $limit:expr $(, $argument:expr)*) => {
        sqlx::query_as!(
            OrderRow,
            r#"SELECT o.order_id, o.status, o.payment_status, o.currency, o.subtotal_minor,
                   o.discount_minor, o.shipping_minor, o.tax_minor, o.tax_included, o.total_minor,
                   o.captured_minor, o.refunded_minor, o.customer_reference, o.shipping_country,
                   o.breakdown AS "breakdown: Json<Breakdown>",
                   o.allocations AS "allocations: Json<Vec<Allocation>>",
                   o.reservation_expires_at, o.version, o.placed_at, o.confirmed_at,
                   o.fulfilled_at, o.completed_at, o.cancelled_at, o.cancel_reason,
                   coalesce(l.lines, '[]') AS "lines!: Json<Vec<LineRow>>"
               FROM (
                   SELECT * FROM souk.orders
                   WHERE tenant_id = $1 AND order_id >= $2 AND order_id < $3
                     AND placed_at >= $4 AND placed_at < $5 "#
                + $condition
                + r#"
                   ORDER BY order_id DESC LIMIT $6
               ) o
               CROSS JOIN LATERAL (
                   SELECT jsonb_agg(to_jsonb(ol) - 'tenant_id' - 'order_id'
                                    ORDER BY ol.line_number) AS lines
                   FROM souk.order_lines ol
                   WHERE ol.tenant_id = $1 AND ol.order_id = o.order_id
               ) l
               ORDER BY o.order_id DESC"#,
            $tx.tenant().as_uuid(),
            $range.id_from,
            $range.id_before,
            $range.placed_from,
            $range.placed_before,
            $limit,
            $($argument),*
        )
        .fetch_all($tx.connection())
        .await?
    };
}

/// The newest `limit` orders that match `filter` and are older than `after`.
///
/// Keyset: each page is one range of an index, however far down the list it is. An order that is
/// placed while a client goes through the list is newer than the pages to come, and moves none of
/// them.
pub async fn list(
    tx: &mut TenantTx,
    filter: &OrderFilter,
    after: Option<OrderId>,
    limit: u16,
) -> Result<Vec<Order>, DatabaseError> {
    let range = Range::new(filter, after);
    let limit = i64::from(limit);
    let status = filter.status.as_ref().map(OrderStatus::as_str);
    let customer = filter
        .customer_reference
        .as_ref()
        .map(CustomerReference::as_str);
    let rows = match (customer, status) {
        (None, None) => list!("", tx, range, limit),
        (None, Some(status)) => list!("AND status = $7", tx, range, limit, status),
        (Some(customer), None) => {
            list!("AND customer_reference = $7", tx, range, limit, customer)
        }
        (Some(customer), Some(status)) => list!(
            "AND customer_reference = $7 AND status = $8",
            tx,
            range,
            limit,
            customer,
            status
        ),
    };
    rows.into_iter().map(Order::try_from).collect()
}

/// What of the index is read.
struct Range {
    id_from: Uuid,
    id_before: Uuid,
    placed_from: time::OffsetDateTime,
    placed_before: time::OffsetDateTime,
}

impl Range {
    fn new(filter: &OrderFilter, after: Option<OrderId>) -> Self {
        let earliest = time::macros::datetime!(0000-01-01 00:00 UTC);
        let latest = time::macros::datetime!(9999-12-31 23:59:59.999999 UTC);
        let id_from = filter
            .placed_from
            .map_or(Uuid::nil(), |at| first_id_at(at, -ID_SLACK_MS));
        let id_before = filter
            .placed_before
            .map_or(Uuid::max(), |at| first_id_at(at, ID_SLACK_MS));
        Self {
            id_from,
            id_before: after.map_or(id_before, |after| id_before.min(after.as_uuid())),
            placed_from: filter
                .placed_from
                .map_or(earliest, |at| at.as_offset_date_time()),
            placed_before: filter
                .placed_before
                .map_or(latest, |at| at.as_offset_date_time()),
        }
    }
}

/// The least UUID of version 7 of the instant `at` moved by `by_ms`.
pub(crate) fn first_id_at(at: Timestamp, by_ms: i64) -> Uuid {
    let unix_ms = at.unix_ms().saturating_add(by_ms).max(0);
    Uuid::from_u128(u128::try_from(unix_ms).unwrap_or(0) << BITS_BELOW_MS)
}
