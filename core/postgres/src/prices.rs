//! Prices by sku, currency and time.

use crate::orders::timestamp;
use crate::{DatabaseError, TenantTx};
use souk_domain::catalog::PriceSchedule;
use souk_domain::pricing::PriceWindow;
use souk_domain::{Currency, Money, OrderError, Sku, Timestamp};
use std::collections::BTreeMap;

/// All prices of a variant in one currency.
pub async fn load(
    tx: &mut TenantTx,
    sku: &Sku,
    currency: Currency,
) -> Result<PriceSchedule, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let rows = sqlx::query!(
        "SELECT unit_price_minor, valid_from, valid_until FROM souk.prices \
         WHERE tenant_id = $1 AND sku = $2 AND currency = $3",
        tenant,
        sku.as_str(),
        currency.code(),
    )
    .fetch_all(tx.connection())
    .await?;
    let windows = rows
        .into_iter()
        .map(|row| {
            let unit_price = Money::new(row.unit_price_minor, currency);
            window(unit_price, row.valid_from, row.valid_until)
        })
        .collect::<Result<_, _>>()?;
    Ok(PriceSchedule::from_stored(currency, windows))
}

/// The prices of several variants in all currencies that hold at `now` or later, by sku and in order
/// of currencies.
pub async fn load_all<'a>(
    tx: &mut TenantTx,
    skus: impl IntoIterator<Item = &'a Sku>,
    now: Timestamp,
) -> Result<BTreeMap<Sku, Vec<PriceSchedule>>, DatabaseError> {
    let skus: Vec<String> = skus
        .into_iter()
        .map(|sku| sku.as_str().to_owned())
        .collect();
    let tenant = tx.tenant().as_uuid();
    let rows = sqlx::query!(
        "SELECT sku, currency, unit_price_minor, valid_from, valid_until FROM souk.prices \
         WHERE tenant_id = $1 AND sku = ANY ($2) AND (valid_until IS NULL OR valid_until > $3)",
        tenant,
        &skus,
        now.as_offset_date_time(),
    )
    .fetch_all(tx.connection())
    .await?;
    let mut windows: BTreeMap<(Sku, &'static str), (Currency, Vec<PriceWindow>)> = BTreeMap::new();
    for row in rows {
        let sku: Sku = row
            .sku
            .parse()
            .map_err(|e: OrderError| DatabaseError::corrupt("sku", e))?;
        let currency: Currency = row
            .currency
            .parse()
            .map_err(|e| DatabaseError::corrupt("currency", e))?;
        let unit_price = Money::new(row.unit_price_minor, currency);
        let window = window(unit_price, row.valid_from, row.valid_until)?;
        let entry = windows.entry((sku, currency.code()));
        entry.or_insert((currency, Vec::new())).1.push(window);
    }
    let mut schedules: BTreeMap<Sku, Vec<PriceSchedule>> = BTreeMap::new();
    for ((sku, _), (currency, windows)) in windows {
        let schedule = PriceSchedule::from_stored(currency, windows);
        schedules.entry(sku).or_default().push(schedule);
    }
    Ok(schedules)
}

/// Replaces all prices of a variant in the schedule's currency. The caller has the sku locked.
pub async fn replace(
    tx: &mut TenantTx,
    sku: &Sku,
    schedule: &PriceSchedule,
) -> Result<(), DatabaseError> {
    let windows: Vec<(&Sku, &PriceSchedule)> = vec![(sku, schedule)];
    replace_all(tx, &windows).await
}

/// Replaces the prices of several variants, each in its schedule's currency. No pair of sku and
/// currency is given twice; the caller has the skus locked.
#[allow(
    clippy::as_conversions,
    reason = "tells sqlx that the column may be null"
)]
pub async fn replace_all(
    tx: &mut TenantTx,
    schedules: &[(&Sku, &PriceSchedule)],
) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let mut skus = Vec::with_capacity(schedules.len());
    let mut currencies = Vec::with_capacity(schedules.len());
    let mut columns = Columns::default();
    for (sku, schedule) in schedules {
        skus.push(sku.as_str().to_owned());
        currencies.push(schedule.currency().code().to_owned());
        for window in schedule.windows() {
            columns.push(sku, window);
        }
    }
    sqlx::query!(
        "DELETE FROM souk.prices p USING unnest($2::text[], $3::text[]) AS w (sku, currency) \
         WHERE p.tenant_id = $1 AND p.sku = w.sku AND p.currency = w.currency",
        tenant,
        &skus,
        &currencies,
    )
    .execute(tx.connection())
    .await?;
    sqlx::query!(
        "INSERT INTO souk.prices \
             (tenant_id, sku, currency, unit_price_minor, valid_from, valid_until) \
         SELECT $1, w.* FROM unnest($2::text[], $3::text[], $4::bigint[], $5::timestamptz[], \
             $6::timestamptz[]) AS w",
        tenant,
        &columns.skus,
        &columns.currencies,
        &columns.amounts,
        &columns.from,
        &columns.until as &[Option<time::OffsetDateTime>],
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

#[derive(Default)]
struct Columns {
    skus: Vec<String>,
    currencies: Vec<String>,
    amounts: Vec<i64>,
    from: Vec<time::OffsetDateTime>,
    until: Vec<Option<time::OffsetDateTime>>,
}

impl Columns {
    fn push(&mut self, sku: &Sku, window: &PriceWindow) {
        self.skus.push(sku.as_str().to_owned());
        let currency = window.unit_price.currency().code();
        self.currencies.push(currency.to_owned());
        self.amounts.push(window.unit_price.amount_minor());
        self.from.push(window.valid_from.as_offset_date_time());
        let until = window.valid_until.map(|until| until.as_offset_date_time());
        self.until.push(until);
    }
}

fn window(
    unit_price: Money,
    valid_from: time::OffsetDateTime,
    valid_until: Option<time::OffsetDateTime>,
) -> Result<PriceWindow, DatabaseError> {
    Ok(PriceWindow {
        unit_price,
        valid_from: timestamp(valid_from)?,
        valid_until: valid_until.map(timestamp).transpose()?,
    })
}
