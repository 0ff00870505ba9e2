//! Stock as administrators see and count it: by sku and location. What orders do with it is in
//! [`crate::stock`].

use crate::orders::to_column;
use crate::{DatabaseError, TenantTx};
use souk_domain::catalog::{CatalogTextError, Location, Restocked, StockCell};
use souk_domain::{OrderError, Sku};
use std::collections::{BTreeMap, BTreeSet};

/// The units of a variant at a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocationStock {
    /// Where.
    pub location: Location,
    /// Can be ordered.
    pub available: u64,
    /// Held by orders.
    pub reserved: u64,
    /// Gone to customers.
    pub sold: u64,
    /// Rows that they are spread over.
    pub buckets: u64,
}

/// What lies of a variant at each location, in their order.
pub async fn load(tx: &mut TenantTx, sku: &Sku) -> Result<Vec<LocationStock>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let rows = sqlx::query!(
        r#"SELECT location, sum(available)::bigint AS "available!",
               sum(reserved)::bigint AS "reserved!", sum(sold)::bigint AS "sold!",
               count(*) AS "buckets!"
           FROM souk.stock_levels WHERE tenant_id = $1 AND sku = $2
           GROUP BY location ORDER BY location"#,
        tenant,
        sku.as_str(),
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(LocationStock {
                location: location(&row.location)?,
                available: units(row.available)?,
                reserved: units(row.reserved)?,
                sold: units(row.sold)?,
                buckets: units(row.buckets)?,
            })
        })
        .collect()
}

/// Those of `skus` of which at least one unit can be ordered.
pub async fn in_stock<'a>(
    tx: &mut TenantTx,
    skus: impl IntoIterator<Item = &'a Sku>,
) -> Result<BTreeSet<Sku>, DatabaseError> {
    let skus: Vec<String> = skus
        .into_iter()
        .map(|sku| sku.as_str().to_owned())
        .collect();
    let tenant = tx.tenant().as_uuid();
    let rows = sqlx::query_scalar!(
        "SELECT DISTINCT sku FROM souk.stock_levels \
         WHERE tenant_id = $1 AND sku = ANY ($2) AND available > 0",
        tenant,
        &skus,
    )
    .fetch_all(tx.connection())
    .await?;
    rows.iter().map(|sku| parse_sku(sku)).collect()
}

/// The buckets of each of `places`, locked against orders until the transaction ends; where nothing
/// lies yet, the answer has no entry. Rows are locked in the order in which orders lock them. The
/// caller has the skus locked, so that nobody else adds buckets.
pub async fn lock(
    tx: &mut TenantTx,
    places: &BTreeSet<(Sku, Location)>,
) -> Result<BTreeMap<(Sku, Location), Vec<StockCell>>, DatabaseError> {
    let skus: Vec<String> = places.iter().map(|p| p.0.as_str().to_owned()).collect();
    let locations: Vec<String> = places.iter().map(|p| p.1.as_str().to_owned()).collect();
    let tenant = tx.tenant().as_uuid();
    let rows = sqlx::query!(
        "SELECT s.sku, s.location, s.bucket, s.available, s.reserved, s.sold \
         FROM souk.stock_levels s \
         JOIN unnest($2::text[], $3::text[]) AS w (sku, location) USING (sku, location) \
         WHERE s.tenant_id = $1 \
         ORDER BY s.sku COLLATE \"C\", s.location COLLATE \"C\", s.bucket FOR UPDATE OF s",
        tenant,
        &skus,
        &locations,
    )
    .fetch_all(tx.connection())
    .await?;
    let mut cells: BTreeMap<(Sku, Location), Vec<StockCell>> = BTreeMap::new();
    for row in rows {
        let place = (parse_sku(&row.sku)?, location(&row.location)?);
        cells.entry(place).or_default().push(StockCell {
            bucket: u8::try_from(row.bucket).map_err(|e| DatabaseError::corrupt("bucket", e))?,
            available: units(row.available)?,
            reserved: units(row.reserved)?,
            sold: units(row.sold)?,
        });
    }
    Ok(cells)
}

/// Writes what a count has made of the buckets that [`lock`] has returned.
pub async fn write(
    tx: &mut TenantTx,
    places: &BTreeMap<(Sku, Location), Restocked>,
) -> Result<(), DatabaseError> {
    let mut dropped = Columns::default();
    let mut present = Columns::default();
    for (place, restocked) in places {
        for bucket in &restocked.dropped {
            dropped.push(place, *bucket);
        }
        for cell in &restocked.cells {
            present.push(place, cell.bucket);
            let available = to_column(cell.available, "a number of units")?;
            present.available.push(available);
            present
                .sold
                .push(to_column(cell.sold, "a number of units")?);
        }
    }
    let tenant = tx.tenant().as_uuid();
    if !dropped.skus.is_empty() {
        sqlx::query!(
            "DELETE FROM souk.stock_levels s \
             USING unnest($2::text[], $3::text[], $4::smallint[]) AS w (sku, location, bucket) \
             WHERE s.tenant_id = $1 AND s.sku = w.sku AND s.location = w.location \
               AND s.bucket = w.bucket",
            tenant,
            &dropped.skus,
            &dropped.locations,
            &dropped.buckets,
        )
        .execute(tx.connection())
        .await?;
    }
    // What orders hold is not written: it is theirs.
    sqlx::query!(
        "INSERT INTO souk.stock_levels (tenant_id, sku, location, bucket, available, sold) \
         SELECT $1, w.* FROM unnest($2::text[], $3::text[], $4::smallint[], $5::bigint[], \
             $6::bigint[]) AS w \
         ON CONFLICT ON CONSTRAINT stock_levels_pkey DO UPDATE \
         SET available = excluded.available, sold = excluded.sold",
        tenant,
        &present.skus,
        &present.locations,
        &present.buckets,
        &present.available,
        &present.sold,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

#[derive(Default)]
struct Columns {
    skus: Vec<String>,
    locations: Vec<String>,
    buckets: Vec<i16>,
    available: Vec<i64>,
    sold: Vec<i64>,
}

impl Columns {
    fn push(&mut self, place: &(Sku, Location), bucket: u8) {
        self.skus.push(place.0.as_str().to_owned());
        self.locations.push(place.1.as_str().to_owned());
        self.buckets.push(i16::from(bucket));
    }
}

fn parse_sku(text: &str) -> Result<Sku, DatabaseError> {
    text.parse()
        .map_err(|e: OrderError| DatabaseError::corrupt("sku", e))
}

fn location(text: &str) -> Result<Location, DatabaseError> {
    text.parse()
        .map_err(|e: CatalogTextError| DatabaseError::corrupt("location", e))
}

fn units(column: i64) -> Result<u64, DatabaseError> {
    u64::try_from(column).map_err(|e| DatabaseError::corrupt("number of units", e))
}
