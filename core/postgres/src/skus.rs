//! Variants of products, by their sku; and the revision that tells that what was priced is stale.

use crate::orders::{timestamp, to_column};
use crate::products::{attributes_from_column, attributes_to_column};
use crate::{DatabaseError, TenantTx};
use souk_domain::catalog::{ProductCode, Variant, VariantContent};
use souk_domain::{OrderError, PricingError, Sku, Timestamp};

struct SkuRow {
    sku: String,
    title: String,
    product_code: Option<String>,
    status: String,
    tax_category: String,
    attributes: serde_json::Value,
    version: i64,
    updated_at: time::OffsetDateTime,
}

impl TryFrom<SkuRow> for Variant {
    type Error = DatabaseError;

    fn try_from(row: SkuRow) -> Result<Self, DatabaseError> {
        let corrupt = |e| DatabaseError::corrupt("sku", e);
        Ok(Self {
            sku: row
                .sku
                .parse()
                .map_err(|e: OrderError| DatabaseError::corrupt("sku", e))?,
            content: VariantContent {
                title: row.title.parse().map_err(corrupt)?,
                product: row
                    .product_code
                    .map(|code| code.parse())
                    .transpose()
                    .map_err(corrupt)?,
                tax_category: row
                    .tax_category
                    .parse()
                    .map_err(|e: PricingError| DatabaseError::corrupt("tax category", e))?,
                attributes: attributes_from_column(row.attributes)?,
            },
            status: row.status.parse().map_err(corrupt)?,
            version: u64::try_from(row.version)
                .map_err(|e| DatabaseError::corrupt("version", e))?,
            updated_at: timestamp(row.updated_at)?,
        })
    }
}

/// The variant, if the tenant has it.
pub async fn load(tx: &mut TenantTx, sku: &Sku) -> Result<Option<Variant>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let row = sqlx::query_as!(
        SkuRow,
        "SELECT sku, title, product_code, status, tax_category, attributes, version, updated_at \
         FROM souk.skus WHERE tenant_id = $1 AND sku = $2",
        tenant,
        sku.as_str(),
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(Variant::try_from).transpose()
}

/// The variant, if the tenant has it, locked against other changes of it, of its prices and of its
/// stock by administrators until the transaction ends; orders do not wait for it.
pub async fn load_for_update(
    tx: &mut TenantTx,
    sku: &Sku,
) -> Result<Option<Variant>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let row = sqlx::query_as!(
        SkuRow,
        "SELECT sku, title, product_code, status, tax_category, attributes, version, updated_at \
         FROM souk.skus WHERE tenant_id = $1 AND sku = $2 FOR NO KEY UPDATE",
        tenant,
        sku.as_str(),
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(Variant::try_from).transpose()
}

/// At most `limit` variants of a product in order of their skus; archived ones among them if
/// `archived_too`.
pub async fn of_product(
    tx: &mut TenantTx,
    code: &ProductCode,
    archived_too: bool,
    limit: u16,
) -> Result<Vec<Variant>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let rows = sqlx::query_as!(
        SkuRow,
        "SELECT sku, title, product_code, status, tax_category, attributes, version, updated_at \
         FROM souk.skus \
         WHERE tenant_id = $1 AND product_code = $2 AND ($3 OR status = 'active') \
         ORDER BY sku LIMIT $4",
        tenant,
        code.as_str(),
        archived_too,
        i64::from(limit),
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter().map(Variant::try_from).collect()
}

/// Writes the variant, as offered. Returns its version: 1 for a new one.
pub async fn put(
    tx: &mut TenantTx,
    sku: &Sku,
    content: &VariantContent,
    now: Timestamp,
) -> Result<u64, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let version = sqlx::query_scalar!(
        "INSERT INTO souk.skus AS s \
             (tenant_id, sku, title, product_code, tax_category, attributes, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT ON CONSTRAINT skus_pkey DO UPDATE \
         SET title = excluded.title, product_code = excluded.product_code, status = 'active', \
             tax_category = excluded.tax_category, attributes = excluded.attributes, \
             version = s.version + 1, updated_at = excluded.updated_at \
         RETURNING version",
        tenant,
        sku.as_str(),
        content.title.as_str(),
        content.product.as_ref().map(ProductCode::as_str),
        content.tax_category.as_str(),
        attributes_to_column(&content.attributes)?,
        now.as_offset_date_time(),
    )
    .fetch_one(tx.connection())
    .await?;
    u64::try_from(version).map_err(|e| DatabaseError::corrupt("version", e))
}

/// Writes what archiving changes. The caller has the row locked by [`load_for_update`].
pub async fn update_status(tx: &mut TenantTx, variant: &Variant) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "UPDATE souk.skus SET status = $3, version = $4, updated_at = $5 \
         WHERE tenant_id = $1 AND sku = $2",
        tenant,
        variant.sku.as_str(),
        variant.status.as_str(),
        to_column::<i64>(variant.version, "a version")?,
        variant.updated_at.as_offset_date_time(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Archives every variant of a product that is offered.
pub async fn archive_all_of(
    tx: &mut TenantTx,
    code: &ProductCode,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "WITH locked AS MATERIALIZED ( \
             SELECT sku FROM souk.skus \
             WHERE tenant_id = $1 AND product_code = $2 AND status = 'active' \
             ORDER BY sku COLLATE \"C\" FOR NO KEY UPDATE \
         ) \
         UPDATE souk.skus s SET status = 'archived', version = s.version + 1, updated_at = $3 \
         FROM locked l WHERE s.tenant_id = $1 AND s.sku = l.sku",
        tenant,
        code.as_str(),
        now.as_offset_date_time(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Lets nobody else change skus or prices of the tenant, or archive its products, until the transaction ends. First in
/// a transaction: rows that are not there yet cannot be locked, so that of two who make the same ones in one order each
/// could end up with some that the other one waits for.
pub async fn lock_catalog(tx: &mut TenantTx) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    // Locks the row, and changes nothing of it where it is there.
    sqlx::query!(
        "INSERT INTO souk.catalog_revisions AS r (tenant_id, revision) VALUES ($1, 0) \
         ON CONFLICT ON CONSTRAINT catalog_revisions_pkey DO UPDATE SET revision = r.revision \
         WHERE false",
        tenant,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Says that skus, prices or rules have changed: what was priced before is priced anew. Where [`lock_catalog`] has
/// not come first it is the last in a transaction, since all that change a catalog wait here for each other.
pub async fn raise_catalog_revision(tx: &mut TenantTx) -> Result<(), DatabaseError> {
    sqlx::query_scalar!("SELECT souk.raise_catalog_revision()")
        .fetch_one(tx.connection())
        .await?;
    Ok(())
}
