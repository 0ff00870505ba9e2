//! Many rows of a catalog at once: a statement a table, whatever their number.

use crate::orders::to_column;
use crate::{DatabaseError, TenantTx};
use souk_domain::catalog::{CatalogStatus, CatalogTextError, ProductCode, Title};
use souk_domain::pricing::TaxCategory;
use souk_domain::{Sku, Timestamp};
use std::collections::BTreeMap;

/// The status of those of `codes` that the tenant has, locked in order as by
/// [`crate::products::load_for_update`].
pub async fn lock_products<'a>(
    tx: &mut TenantTx,
    codes: impl IntoIterator<Item = &'a ProductCode>,
) -> Result<BTreeMap<ProductCode, CatalogStatus>, DatabaseError> {
    let codes: Vec<String> = codes
        .into_iter()
        .map(|code| code.as_str().to_owned())
        .collect();
    let tenant = tx.tenant().as_uuid();
    let rows = sqlx::query!(
        "SELECT product_code, status FROM souk.products \
         WHERE tenant_id = $1 AND product_code = ANY ($2) \
         ORDER BY product_code COLLATE \"C\" FOR NO KEY UPDATE",
        tenant,
        &codes,
    )
    .fetch_all(tx.connection())
    .await?;
    let corrupt = |e: CatalogTextError| DatabaseError::corrupt("product", e);
    rows.into_iter()
        .map(|row| {
            let code = row.product_code.parse().map_err(corrupt)?;
            Ok((code, row.status.parse().map_err(corrupt)?))
        })
        .collect()
}

/// Locks those of `skus` that the tenant has, in order, as by [`crate::skus::load_for_update`].
pub async fn lock_skus<'a>(
    tx: &mut TenantTx,
    skus: impl IntoIterator<Item = &'a Sku>,
) -> Result<(), DatabaseError> {
    let skus: Vec<String> = skus
        .into_iter()
        .map(|sku| sku.as_str().to_owned())
        .collect();
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "SELECT sku FROM souk.skus WHERE tenant_id = $1 AND sku = ANY ($2) \
         ORDER BY sku COLLATE \"C\" FOR NO KEY UPDATE",
        tenant,
        &skus,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(())
}

/// Writes titles of products, as offered; new ones among them.
pub async fn put_products(
    tx: &mut TenantTx,
    titles: &BTreeMap<&ProductCode, &Title>,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let codes: Vec<String> = titles.keys().map(|c| c.as_str().to_owned()).collect();
    let titles: Vec<String> = titles.values().map(|t| t.as_str().to_owned()).collect();
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "INSERT INTO souk.products AS p (tenant_id, product_code, title, updated_at) \
         SELECT $1, w.*, $4 FROM unnest($2::text[], $3::text[]) AS w \
         ON CONFLICT ON CONSTRAINT products_pkey DO UPDATE \
         SET title = excluded.title, status = 'active', version = p.version + 1, \
             updated_at = excluded.updated_at \
         WHERE (p.title, p.status) IS DISTINCT FROM (excluded.title, 'active')",
        tenant,
        &codes,
        &titles,
        now.as_offset_date_time(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// What a row says of a variant; what it leaves out stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportedSku<'a> {
    /// Its name.
    pub title: &'a Title,
    /// What it is a variant of.
    pub product: Option<&'a ProductCode>,
    /// How it is taxed.
    pub tax_category: Option<&'a TaxCategory>,
}

/// Writes variants, as offered; new ones among them. Returns how many are new.
#[allow(
    clippy::as_conversions,
    reason = "tells sqlx that the columns may be null"
)]
pub async fn put_skus(
    tx: &mut TenantTx,
    variants: &BTreeMap<&Sku, ImportedSku<'_>>,
    now: Timestamp,
) -> Result<u64, DatabaseError> {
    let skus: Vec<String> = variants.keys().map(|s| s.as_str().to_owned()).collect();
    let titles: Vec<String> = variants
        .values()
        .map(|v| v.title.as_str().to_owned())
        .collect();
    let products: Vec<Option<String>> = variants
        .values()
        .map(|v| v.product.map(|code| code.as_str().to_owned()))
        .collect();
    let tax_categories: Vec<Option<String>> = variants
        .values()
        .map(|v| v.tax_category.map(|name| name.as_str().to_owned()))
        .collect();
    let tenant = tx.tenant().as_uuid();
    let made = sqlx::query!(
        "INSERT INTO souk.skus (tenant_id, sku, title, product_code, tax_category, updated_at) \
         SELECT $1, w.sku, w.title, w.product_code, coalesce(w.tax_category, 'standard'), $6 \
         FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) \
             AS w (sku, title, product_code, tax_category) \
         ON CONFLICT ON CONSTRAINT skus_pkey DO NOTHING",
        tenant,
        &skus,
        &titles,
        &products as &[Option<String>],
        &tax_categories as &[Option<String>],
        now.as_offset_date_time(),
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    sqlx::query!(
        "UPDATE souk.skus s \
         SET title = w.title, product_code = coalesce(w.product_code, s.product_code), \
             tax_category = coalesce(w.tax_category, s.tax_category), status = 'active', \
             version = s.version + 1, updated_at = $6 \
         FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) \
             AS w (sku, title, product_code, tax_category) \
         WHERE s.tenant_id = $1 AND s.sku = w.sku \
           AND (s.title, s.product_code, s.tax_category, s.status) IS DISTINCT FROM \
               (w.title, coalesce(w.product_code, s.product_code), \
                coalesce(w.tax_category, s.tax_category), 'active')",
        tenant,
        &skus,
        &titles,
        &products as &[Option<String>],
        &tax_categories as &[Option<String>],
        now.as_offset_date_time(),
    )
    .execute(tx.connection())
    .await?;
    to_column(made, "a number of rows")
}
