//! Orders and their lines.

use crate::{DatabaseError, TenantTx};
use souk_domain::{
    Currency, CustomerReference, Money, Order, OrderId, OrderLine, OrderRecord, OrderStatus,
    Quantity, Timestamp,
};

/// Writes a new order with its lines. One statement.
pub async fn insert(tx: &mut TenantTx, order: &Order) -> Result<(), DatabaseError> {
    let record = order.record();
    let tenant = tx.tenant().as_uuid();
    let mut numbers = Vec::with_capacity(record.lines.len());
    let mut skus = Vec::with_capacity(record.lines.len());
    let mut quantities = Vec::with_capacity(record.lines.len());
    let mut unit_prices = Vec::with_capacity(record.lines.len());
    let mut line_totals = Vec::with_capacity(record.lines.len());
    for line in &record.lines {
        numbers.push(to_column::<i16>(line.line_number, "a line number")?);
        skus.push(line.sku.as_str().to_owned());
        quantities.push(to_column::<i32>(line.quantity.get(), "a quantity")?);
        unit_prices.push(line.unit_price.amount_minor());
        line_totals.push(line.line_total.amount_minor());
    }
    sqlx::query!(
        "WITH new_order AS ( \
             INSERT INTO souk.orders (tenant_id, order_id, status, currency, total_minor, \
                 customer_reference, version, placed_at, cancelled_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ) \
         INSERT INTO souk.order_lines (tenant_id, order_id, line_number, sku, quantity, \
             unit_price_minor, line_total_minor) \
         SELECT $1, $2, l.* \
         FROM unnest($10::smallint[], $11::text[], $12::int[], $13::bigint[], $14::bigint[]) AS l",
        tenant,
        record.id.as_uuid(),
        record.status.as_str(),
        record.total.currency().code(),
        record.total.amount_minor(),
        record
            .customer_reference
            .as_ref()
            .map(CustomerReference::as_str),
        to_column::<i64>(record.version, "a version")?,
        record.placed_at.as_offset_date_time(),
        record.cancelled_at.map(|at| at.as_offset_date_time()),
        &numbers,
        &skus,
        &quantities,
        &unit_prices,
        &line_totals,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Writes what a transition may change. The caller has the row locked by [`load_for_update`].
pub async fn update(tx: &mut TenantTx, order: &Order) -> Result<(), DatabaseError> {
    let record = order.record();
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "UPDATE souk.orders SET status = $3, version = $4, cancelled_at = $5 \
         WHERE tenant_id = $1 AND order_id = $2",
        tenant,
        record.id.as_uuid(),
        record.status.as_str(),
        to_column::<i64>(record.version, "a version")?,
        record.cancelled_at.map(|at| at.as_offset_date_time()),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The order, if this tenant has it.
pub async fn load(tx: &mut TenantTx, id: OrderId) -> Result<Option<Order>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let row = sqlx::query_as!(
        OrderRow,
        "SELECT status, currency, total_minor, customer_reference, version, placed_at, cancelled_at \
         FROM souk.orders WHERE tenant_id = $1 AND order_id = $2",
        tenant,
        id.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    with_lines(tx, id, row).await
}

/// The order, if this tenant has it, locked until the transaction ends: transitions of one order
/// happen one after the other, and so do their events.
pub async fn load_for_update(
    tx: &mut TenantTx,
    id: OrderId,
) -> Result<Option<Order>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let row = sqlx::query_as!(
        OrderRow,
        "SELECT status, currency, total_minor, customer_reference, version, placed_at, cancelled_at \
         FROM souk.orders WHERE tenant_id = $1 AND order_id = $2 FOR UPDATE",
        tenant,
        id.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    with_lines(tx, id, row).await
}

struct OrderRow {
    status: String,
    currency: String,
    total_minor: i64,
    customer_reference: Option<String>,
    version: i64,
    placed_at: time::OffsetDateTime,
    cancelled_at: Option<time::OffsetDateTime>,
}

struct LineRow {
    line_number: i16,
    sku: String,
    quantity: i32,
    unit_price_minor: i64,
    line_total_minor: i64,
}

async fn with_lines(
    tx: &mut TenantTx,
    id: OrderId,
    row: Option<OrderRow>,
) -> Result<Option<Order>, DatabaseError> {
    let Some(row) = row else { return Ok(None) };
    let tenant = tx.tenant().as_uuid();
    let lines = sqlx::query_as!(
        LineRow,
        "SELECT line_number, sku, quantity, unit_price_minor, line_total_minor \
         FROM souk.order_lines WHERE tenant_id = $1 AND order_id = $2 ORDER BY line_number",
        tenant,
        id.as_uuid(),
    )
    .fetch_all(tx.connection())
    .await?;
    order_from_rows(id, row, &lines).map(Some)
}

fn order_from_rows(id: OrderId, row: OrderRow, lines: &[LineRow]) -> Result<Order, DatabaseError> {
    let corrupt_order = |e| DatabaseError::corrupt("order", e);
    let currency: Currency = row
        .currency
        .parse()
        .map_err(|e| DatabaseError::corrupt("currency", e))?;
    let status: OrderStatus = row.status.parse().map_err(corrupt_order)?;
    let lines = lines
        .iter()
        .map(|line| line_from_row(line, currency))
        .collect::<Result<_, _>>()?;
    Ok(Order::from_record(OrderRecord {
        id,
        status,
        total: Money::new(row.total_minor, currency),
        lines,
        customer_reference: row
            .customer_reference
            .map(|text| text.parse())
            .transpose()
            .map_err(corrupt_order)?,
        version: u64::try_from(row.version).map_err(|e| DatabaseError::corrupt("version", e))?,
        placed_at: timestamp(row.placed_at)?,
        cancelled_at: row.cancelled_at.map(timestamp).transpose()?,
    }))
}

fn line_from_row(row: &LineRow, currency: Currency) -> Result<OrderLine, DatabaseError> {
    let corrupt = |e| DatabaseError::corrupt("order line", e);
    let units = u32::try_from(row.quantity).map_err(|e| DatabaseError::corrupt("quantity", e))?;
    Ok(OrderLine {
        line_number: u16::try_from(row.line_number)
            .map_err(|e| DatabaseError::corrupt("line number", e))?,
        sku: row.sku.parse().map_err(corrupt)?,
        quantity: Quantity::new(units).map_err(corrupt)?,
        unit_price: Money::new(row.unit_price_minor, currency),
        line_total: Money::new(row.line_total_minor, currency),
    })
}

pub(crate) fn timestamp(at: time::OffsetDateTime) -> Result<Timestamp, DatabaseError> {
    Timestamp::new(at).map_err(|e| DatabaseError::corrupt("timestamp", e))
}

/// Converts to the column's integer type.
pub(crate) fn to_column<T>(value: impl TryInto<T>, what: &'static str) -> Result<T, DatabaseError> {
    value
        .try_into()
        .map_err(|_| DatabaseError::OutOfRange { what })
}
