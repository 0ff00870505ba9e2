//! Whether both databases have the same rows.

use super::copy::Snapshot;
use super::{RelocationError, Site, TenantTable};
use crate::TenantTx;
use sqlx::{AssertSqlSafe, Row as _};

/// How many rows a table has, and the sum of their hashes: 64 bits each by two seeds. It does not
/// depend on the order of the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSum {
    /// The table.
    pub table: String,
    /// Rows.
    pub rows: i64,
    /// Sum of their hashes.
    pub checksum: String,
}

/// Sums of all tables on both sides, the source's first. The source is summed as the snapshot sees it.
pub async fn compare(
    source: &mut Snapshot,
    target: Site<'_>,
    tables: &[TenantTable],
) -> Result<Vec<(TableSum, TableSum)>, RelocationError> {
    let mut there = target.db.begin_snapshot(target.tenant).await?;
    let (ours, theirs) = tokio::try_join!(sums(source.tx(), tables), sums(&mut there, tables),)?;
    there.rollback().await?;
    Ok(ours.into_iter().zip(theirs).collect())
}

async fn sums(tx: &mut TenantTx, tables: &[TenantTable]) -> Result<Vec<TableSum>, RelocationError> {
    let tenant = tx.tenant().as_uuid();
    let mut sums = Vec::with_capacity(tables.len());
    for table in tables {
        if !table.is_copied() {
            sums.push(TableSum {
                table: table.name().to_owned(),
                rows: 0,
                checksum: String::new(),
            });
            continue;
        }
        let statement = format!(
            "SELECT count(*), concat_ws(':', coalesce(sum(hashtextextended(r.x, 0)::numeric), 0), \
                 coalesce(sum(hashtextextended(r.x, 1)::numeric), 0)) \
             FROM (SELECT {row} AS x FROM {table} t WHERE t.tenant_id = $1 OFFSET 0) r",
            row = table.compared_text(),
            table = table.sql_name(),
        );
        let row = sqlx::query(AssertSqlSafe(statement))
            .persistent(false)
            .bind(tenant)
            .fetch_one(tx.connection())
            .await?;
        sums.push(TableSum {
            table: table.name().to_owned(),
            rows: row.try_get(0)?,
            checksum: row.try_get(1)?,
        });
    }
    Ok(sums)
}
