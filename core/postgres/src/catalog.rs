//! What is sold, and at which price.

use crate::database::{CALL_TIMEOUT, CallError};
use crate::orders::timestamp;
use crate::{Database, DatabaseError};
use core::ops::ControlFlow;
use serde::Deserialize;
use souk_domain::pricing::{PriceWindow, PricingRules, TaxCategory};
use souk_domain::{Currency, Money, Sku, TenantId, Timestamp};
use sqlx::types::Json;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use tokio::time::timeout;

/// All that is needed to price some skus, as of one revision of the tenant's catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedPrices {
    /// The catalog's revision; what was loaded is at least as new.
    pub revision: i64,
    /// The tenant's rules.
    pub rules: PricingRules,
    /// Those that are sold, now or later.
    pub skus: BTreeMap<Sku, LoadedSku>,
}

/// A sku with its prices in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedSku {
    /// How it is taxed.
    pub tax_category: TaxCategory,
    /// Its prices that hold now or later, by the instant from which they hold.
    pub prices: Vec<PriceWindow>,
}

#[derive(Debug, Deserialize)]
struct SkuJson {
    sku: Sku,
    tax_category: TaxCategory,
    prices: Vec<WindowJson>,
}

#[derive(Debug, Deserialize)]
struct WindowJson {
    amount_minor: i64,
    valid_from_us: i64,
    valid_until_us: Option<i64>,
}

/// Loads what is needed to price `skus` in `currency` at `now` and after. One round trip.
///
/// # Errors
/// [`DatabaseError::TenantElsewhere`].
pub async fn load_prices(
    db: &Database,
    tenant: TenantId,
    currency: Currency,
    skus: &[Sku],
    now: Timestamp,
) -> Result<LoadedPrices, DatabaseError> {
    let wanted: Vec<String> = skus.iter().map(|sku| sku.as_str().to_owned()).collect();
    let mut call = db.call();
    let row = loop {
        let mut connection = call.connection().await?;
        let loading = async {
            let loaded = sqlx::query!(
                r#"SELECT p.revision AS "revision!", p.rules AS "rules: Json<PricingRules>",
                   p.skus AS "skus!: Json<Vec<SkuJson>>"
               FROM souk.load_pricing($1, $2, $3, $4) AS p"#,
                tenant.as_uuid(),
                currency.code(),
                &wanted,
                now.as_offset_date_time(),
            );
            Ok::<_, CallError>(loaded.fetch_one(connection.connection()).await?)
        };
        let made = timeout(CALL_TIMEOUT, loading).await;
        if let ControlFlow::Break(outcome) = call.ended(connection, made).await {
            break outcome?;
        }
    };
    let skus = row
        .skus
        .0
        .into_iter()
        .map(|found| {
            let prices = found
                .prices
                .iter()
                .map(|window| window.read(currency))
                .collect::<Result<_, _>>()?;
            let loaded = LoadedSku {
                tax_category: found.tax_category,
                prices,
            };
            Ok((found.sku, loaded))
        })
        .collect::<Result<_, DatabaseError>>()?;
    Ok(LoadedPrices {
        revision: row.revision,
        rules: row.rules.map(|rules| rules.0).unwrap_or_default(),
        skus,
    })
}

impl WindowJson {
    fn read(&self, currency: Currency) -> Result<PriceWindow, DatabaseError> {
        Ok(PriceWindow {
            unit_price: Money::new(self.amount_minor, currency),
            valid_from: from_unix_us(self.valid_from_us)?,
            valid_until: self.valid_until_us.map(from_unix_us).transpose()?,
        })
    }
}

fn from_unix_us(unix_us: i64) -> Result<Timestamp, DatabaseError> {
    let nanos = i128::from(unix_us).saturating_mul(1_000);
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanos)
        .map_err(|e| DatabaseError::corrupt("price window", e))?;
    timestamp(at)
}
