//! Products.

use crate::orders::{timestamp, to_column};
use crate::{DatabaseError, TenantTx};
use souk_domain::Timestamp;
use souk_domain::catalog::{Attributes, Product, ProductCode, ProductContent};
use std::collections::BTreeMap;

struct ProductRow {
    product_code: String,
    title: String,
    description: String,
    status: String,
    attributes: serde_json::Value,
    version: i64,
    updated_at: time::OffsetDateTime,
}

impl TryFrom<ProductRow> for Product {
    type Error = DatabaseError;

    fn try_from(row: ProductRow) -> Result<Self, DatabaseError> {
        let corrupt = |e| DatabaseError::corrupt("product", e);
        Ok(Self {
            code: row.product_code.parse().map_err(corrupt)?,
            content: ProductContent {
                title: row.title.parse().map_err(corrupt)?,
                description: row.description.parse().map_err(corrupt)?,
                attributes: attributes_from_column(row.attributes)?,
            },
            status: row.status.parse().map_err(corrupt)?,
            version: u64::try_from(row.version)
                .map_err(|e| DatabaseError::corrupt("version", e))?,
            updated_at: timestamp(row.updated_at)?,
        })
    }
}

/// The product, if the tenant has it.
pub async fn load(tx: &mut TenantTx, code: &ProductCode) -> Result<Option<Product>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let row = sqlx::query_as!(
        ProductRow,
        "SELECT product_code, title, description, status, attributes, version, updated_at \
         FROM souk.products WHERE tenant_id = $1 AND product_code = $2",
        tenant,
        code.as_str(),
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(Product::try_from).transpose()
}

/// The product, if the tenant has it, locked against other changes until the transaction ends.
/// Whoever locks products and skus locks the product first.
pub async fn load_for_update(
    tx: &mut TenantTx,
    code: &ProductCode,
) -> Result<Option<Product>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let row = sqlx::query_as!(
        ProductRow,
        "SELECT product_code, title, description, status, attributes, version, updated_at \
         FROM souk.products WHERE tenant_id = $1 AND product_code = $2 FOR NO KEY UPDATE",
        tenant,
        code.as_str(),
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(Product::try_from).transpose()
}

/// At most `limit` products in order of their codes, from after `after` on; archived ones among them
/// if `archived_too`.
pub async fn list(
    tx: &mut TenantTx,
    after: Option<&ProductCode>,
    archived_too: bool,
    limit: u16,
) -> Result<Vec<Product>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let rows = sqlx::query_as!(
        ProductRow,
        "SELECT product_code, title, description, status, attributes, version, updated_at \
         FROM souk.products \
         WHERE tenant_id = $1 AND product_code > $2 AND ($3 OR status = 'active') \
         ORDER BY product_code LIMIT $4",
        tenant,
        after.map_or("", ProductCode::as_str),
        archived_too,
        i64::from(limit),
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter().map(Product::try_from).collect()
}

/// Writes the product, as offered. Returns its version: 1 for a new one.
pub async fn put(
    tx: &mut TenantTx,
    code: &ProductCode,
    content: &ProductContent,
    now: Timestamp,
) -> Result<u64, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let version = sqlx::query_scalar!(
        "INSERT INTO souk.products AS p \
             (tenant_id, product_code, title, description, attributes, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT ON CONSTRAINT products_pkey DO UPDATE \
         SET title = excluded.title, description = excluded.description, status = 'active', \
             attributes = excluded.attributes, version = p.version + 1, \
             updated_at = excluded.updated_at \
         RETURNING version",
        tenant,
        code.as_str(),
        content.title.as_str(),
        content.description.as_str(),
        attributes_to_column(&content.attributes)?,
        now.as_offset_date_time(),
    )
    .fetch_one(tx.connection())
    .await?;
    u64::try_from(version).map_err(|e| DatabaseError::corrupt("version", e))
}

/// Writes what archiving changes. The caller has the row locked by [`load_for_update`].
pub async fn update_status(tx: &mut TenantTx, product: &Product) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "UPDATE souk.products SET status = $3, version = $4, updated_at = $5 \
         WHERE tenant_id = $1 AND product_code = $2",
        tenant,
        product.code.as_str(),
        product.status.as_str(),
        to_column::<i64>(product.version, "a version")?,
        product.updated_at.as_offset_date_time(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

pub(crate) fn attributes_from_column(
    column: serde_json::Value,
) -> Result<Attributes, DatabaseError> {
    let entries: BTreeMap<String, String> =
        serde_json::from_value(column).map_err(|e| DatabaseError::corrupt("attribute", e))?;
    Attributes::new(entries).map_err(|errors| match errors.into_iter().next() {
        Some((_, error)) => DatabaseError::corrupt("attribute", error),
        None => DatabaseError::OutOfRange {
            what: "an attribute",
        },
    })
}

pub(crate) fn attributes_to_column(
    attributes: &Attributes,
) -> Result<serde_json::Value, DatabaseError> {
    serde_json::to_value(attributes).map_err(|e| DatabaseError::corrupt("attribute", e))
}
