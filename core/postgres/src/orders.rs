//! Orders and their lines.

mod due;
mod list;
mod load;
mod rows;
mod timeline;
mod update;

pub use due::{DueReservation, due_reservations};
pub use list::list;
pub(crate) use list::{ID_SLACK_MS, first_id_at};
pub use load::{load, load_for_update};
pub use timeline::{Placing, TimelineEntry, placing, transitions};
pub use update::update;

use crate::database::{CALL_TIMEOUT, CallError};
use crate::idempotency::{Claim, ClaimRow, KeyedRequest, ResponseColumns, StoredResponse};
use crate::{ConsistencyToken, Database, DatabaseError, ShardName};
use core::ops::ControlFlow;
use souk_domain::pricing::CountryCode;
use souk_domain::{CustomerReference, Event, Order, OrderLine, Sku, Timestamp, lane_of};
use sqlx::PgConnection;
use sqlx::postgres::PgDatabaseError;
use sqlx::types::Json;
use std::collections::BTreeMap;
use tokio::time::timeout;

/// A new order, decided, with all that is written along with it.
#[derive(Debug, Clone, Copy)]
pub struct Placement<'a> {
    /// The request that asks for it.
    pub request: &'a KeyedRequest,
    /// Now.
    pub now: Timestamp,
    /// Until when the key gives the answer.
    pub key_expires_at: Timestamp,
    /// The revision of the catalog that the order was priced from; none where its prices are fixed.
    pub catalog_revision: Option<i64>,
    /// The order.
    pub order: &'a Order,
    /// The event that tells of it, and its JSON text from [`Event::to_json_text`].
    pub event: (&'a Event, &'a str),
    /// The answer.
    pub response: &'a StoredResponse,
}

/// What became of a [`Placement`].
#[derive(Debug, Clone, PartialEq)]
pub enum Placed {
    /// It is done.
    Placed(ConsistencyToken),
    /// Nothing was written: the key is in use, or was used. Never [`Claim::Begun`]; for
    /// [`Claim::Finished`] with what a reader needs to see the first effect.
    Key(Claim, Option<ConsistencyToken>),
    /// Nothing was written: prices have changed meanwhile.
    PricesChanged,
    /// Nothing was written: too few units are left of these.
    Short(Vec<Sku>),
}

/// Writes idempotency record, order, lines and event, and reserves the stock, all of it or nothing:
/// one call, one round trip. Safe to repeat: the key sees to it.
///
/// # Errors
/// [`DatabaseError::WritesHeld`], [`DatabaseError::TenantElsewhere`]; [`DatabaseError::Contended`]
/// when stock is locked for too long. After [`DatabaseError::Unavailable`] it is not known whether it
/// was done; the key tells.
pub async fn place(db: &Database, placement: Placement<'_>) -> Result<Placed, DatabaseError> {
    let lines = LineColumns::of(placement.order)?;
    let response = ResponseColumns::new(placement.response)?;
    let mut call = db.call();
    loop {
        let mut connection = call.connection().await?;
        let placing = call_place(
            connection.connection(),
            db.shard(),
            &placement,
            &lines,
            &response,
        );
        let made = timeout(CALL_TIMEOUT, placing).await;
        // Where a call got through and its answer did not, the next one finds its key finished.
        if let ControlFlow::Break(outcome) = call.ended(connection, made).await {
            return match outcome {
                Err(CallError::Sql(error)) => refusal(error),
                other => Ok(other?),
            };
        }
    }
}

/// What `souk.place_order` raises to undo what it has begun.
fn refusal(error: sqlx::Error) -> Result<Placed, DatabaseError> {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    match code.as_deref() {
        Some("SK010") => Ok(Placed::PricesChanged),
        Some("SK011") => {
            let detail = error
                .as_database_error()
                .and_then(|e| e.try_downcast_ref::<PgDatabaseError>())
                .and_then(PgDatabaseError::detail)
                .unwrap_or_default();
            let skus = serde_json::from_str(detail)
                .map_err(|e| DatabaseError::corrupt("list of skus", e))?;
            Ok(Placed::Short(skus))
        }
        _ => Err(error.into()),
    }
}

#[allow(
    clippy::too_many_lines,
    reason = "one statement, whose parameters are a line each"
)]
async fn call_place(
    connection: &mut PgConnection,
    shard: &ShardName,
    placement: &Placement<'_>,
    lines: &LineColumns,
    response: &ResponseColumns<'_>,
) -> Result<Placed, CallError> {
    let record = placement.order.record();
    let (event, event_text) = placement.event;
    let request = placement.request;
    let breakdown = serde_json::to_value(&record.breakdown)
        .map_err(|e| DatabaseError::corrupt("breakdown", e))?;
    let row = sqlx::query!(
        r#"SELECT p.verdict AS "verdict!", (p.key_record).created_on,
               (p.key_record).fencing_token, (p.key_record).recovery_point, (p.key_record).state,
               (p.key_record).operation, (p.key_record).resource_id,
               (p.key_record).response_status,
               (p.key_record).response_headers AS "response_headers: Json<BTreeMap<String, String>>",
               (p.key_record).response_body, (p.key_record).created_at,
               (p.key_record).expires_at,
               ceil(extract(epoch FROM (p.key_record).lease_expires_at - clock_timestamp()))::int
                   AS lease_s,
               p.wal_position, p.transaction_id
           FROM souk.place_order($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
               $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32,
               $33, $34, $35, $36, $37, $38) AS p"#,
        event.tenant_id.as_uuid(),
        request.principal.as_str(),
        request.key.as_str(),
        request.operation,
        request.fingerprint.as_bytes().as_slice(),
        placement.now.as_offset_date_time(),
        placement.key_expires_at.as_offset_date_time(),
        placement.catalog_revision,
        record.id.as_uuid(),
        record.total.currency().code(),
        record.subtotal.amount_minor(),
        record.discount.amount_minor(),
        record.shipping.amount_minor(),
        record.tax.amount_minor(),
        record.tax_included,
        record.total.amount_minor(),
        record
            .customer_reference
            .as_ref()
            .map(CustomerReference::as_str),
        record.shipping_country.as_ref().map(CountryCode::as_str),
        breakdown,
        record
            .reservation_expires_at
            .map(|at| at.as_offset_date_time()),
        event.correlation_id.as_uuid(),
        &lines.numbers,
        &lines.skus,
        &lines.quantities,
        &lines.unit_prices,
        &lines.totals,
        &lines.discounts,
        &lines.taxes,
        &lines.tax_rates,
        &lines.stock_skus,
        &lines.stock_units,
        event.id.as_uuid(),
        i16::from(lane_of(event.subject.as_uuid())),
        event.data.type_name(),
        event_text,
        response.status,
        response.headers,
        response.body,
    )
    .fetch_one(connection)
    .await?;
    let token = match (&row.wal_position, &row.transaction_id) {
        (Some(position), Some(transaction)) => {
            Some(ConsistencyToken::new(shard, position, transaction)?)
        }
        _ => None,
    };
    let token = match token {
        Some(token) if row.verdict == "placed" => return Ok(Placed::Placed(token)),
        token => token,
    };
    let claim = ClaimRow {
        verdict: row.verdict,
        created_on: row.created_on,
        fencing_token: row.fencing_token,
        recovery_point: row.recovery_point,
        state: row.state,
        operation: row.operation,
        resource_id: row.resource_id,
        response_status: row.response_status,
        response_headers: row.response_headers,
        response_body: row.response_body,
        created_at: row.created_at,
        expires_at: row.expires_at,
        lease_s: row.lease_s,
    };
    Ok(Placed::Key(claim.into_claim(request)?, token))
}

/// An order's lines, a column each, and the units of each sku over all lines, by sku.
struct LineColumns {
    numbers: Vec<i16>,
    skus: Vec<String>,
    quantities: Vec<i32>,
    unit_prices: Vec<i64>,
    totals: Vec<i64>,
    discounts: Vec<i64>,
    taxes: Vec<i64>,
    tax_rates: Vec<i32>,
    stock_skus: Vec<String>,
    stock_units: Vec<i64>,
}

impl LineColumns {
    fn of(order: &Order) -> Result<Self, DatabaseError> {
        let lines = order.lines();
        let column = |of: fn(&OrderLine) -> i64| lines.iter().map(of).collect();
        let units = order.units_by_sku();
        Ok(Self {
            numbers: lines
                .iter()
                .map(|line| to_column(line.line_number, "a line number"))
                .collect::<Result<_, _>>()?,
            skus: lines
                .iter()
                .map(|line| line.sku.as_str().to_owned())
                .collect(),
            quantities: lines
                .iter()
                .map(|line| to_column(line.quantity.get(), "a quantity"))
                .collect::<Result<_, _>>()?,
            unit_prices: column(|line| line.unit_price.amount_minor()),
            totals: column(|line| line.line_total.amount_minor()),
            discounts: column(|line| line.discount.amount_minor()),
            taxes: column(|line| line.tax.amount_minor()),
            tax_rates: lines
                .iter()
                .map(|line| to_column(line.tax_rate_ppm, "a tax rate"))
                .collect::<Result<_, _>>()?,
            stock_skus: units.keys().map(|sku| sku.as_str().to_owned()).collect(),
            stock_units: units
                .values()
                .map(|units| to_column(*units, "a quantity"))
                .collect::<Result<_, _>>()?,
        })
    }
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
