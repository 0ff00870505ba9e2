//! What is sold, and at which price.

use crate::{DatabaseError, TenantTx};
use souk_domain::{Currency, Money, Sku};
use std::collections::BTreeMap;

/// Prices of one unit of each of `skus` in `currency`; a sku that is not sold in it is absent.
pub async fn load_prices<'a>(
    tx: &mut TenantTx,
    skus: impl IntoIterator<Item = &'a Sku>,
    currency: Currency,
) -> Result<BTreeMap<Sku, Money>, DatabaseError> {
    let wanted: Vec<String> = skus
        .into_iter()
        .map(|sku| sku.as_str().to_owned())
        .collect();
    let tenant = tx.tenant().as_uuid();
    let rows = sqlx::query!(
        "SELECT sku, unit_price_minor FROM souk.prices \
         WHERE tenant_id = $1 AND currency = $2 AND sku = ANY($3)",
        tenant,
        currency.code(),
        &wanted,
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            let sku = row
                .sku
                .parse()
                .map_err(|e| DatabaseError::corrupt("sku", e))?;
            Ok((sku, Money::new(row.unit_price_minor, currency)))
        })
        .collect()
}
