//! Rows, from one database to the other, as the text that the database itself gives and takes.

use super::{RelocationError, Site, TenantTable};
use crate::{DatabaseError, TenantTx};
use sqlx::{AssertSqlSafe, Row as _};

/// Rows that are read and written at a time.
const ROWS_MAX: u16 = 500;

/// A transaction that sees the source as it was at one moment.
#[derive(Debug)]
pub struct Snapshot {
    tx: TenantTx,
    oldest_running: String,
}

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// Rows that were written at the target.
    pub rows: u64,
}

impl Snapshot {
    /// Sees the source as it is now.
    pub async fn of(site: Site<'_>) -> Result<Self, RelocationError> {
        let mut tx = site.db.begin_snapshot(site.tenant).await?;
        let oldest_running = sqlx::query_scalar!(
            r#"SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS "xmin!""#
        )
        .fetch_one(tx.connection())
        .await?;
        Ok(Self { tx, oldest_running })
    }

    /// All that transactions below this one have written is seen: an xid8.
    pub fn oldest_running(&self) -> &str {
        &self.oldest_running
    }

    /// Ends it.
    pub async fn end(self) -> Result<(), RelocationError> {
        Ok(self.tx.rollback().await?)
    }

    pub(super) fn tx(&mut self) -> &mut TenantTx {
        &mut self.tx
    }

    /// Opens the rows of `select`, to be fetched.
    pub(super) async fn open(&mut self, select: &str) -> Result<(), RelocationError> {
        let statement = format!("DECLARE souk_rows NO SCROLL CURSOR FOR {select}");
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(self.tx.connection())
            .await?;
        Ok(())
    }

    /// The next rows, none at the end.
    pub(super) async fn fetch(&mut self) -> Result<Vec<String>, RelocationError> {
        let statement = format!("FETCH {ROWS_MAX} FROM souk_rows");
        let rows = sqlx::query(AssertSqlSafe(statement))
            .persistent(false)
            .fetch_all(self.tx.connection())
            .await?;
        if rows.is_empty() {
            sqlx::raw_sql("CLOSE souk_rows")
                .execute(self.tx.connection())
                .await?;
        }
        let texts = rows.iter().map(|row| row.try_get::<String, _>(0));
        Ok(texts.collect::<Result<_, sqlx::Error>>()?)
    }
}

/// Copies the rows of all `tables` that may have changed since all below `copied_below` was copied, or
/// all rows; the `last` time also all events that are not published yet, as such.
pub async fn copy_changes(
    source: &mut Snapshot,
    target: Site<'_>,
    tables: &[TenantTable],
    copied_below: Option<&str>,
    last: bool,
) -> Result<Copied, RelocationError> {
    let mut copied = Copied::default();
    for table in tables.iter().filter(|table| table.is_copied()) {
        let select = select_changes(table, target, copied_below, last)?;
        source.open(&select).await?;
        loop {
            let rows = source.fetch().await?;
            if rows.is_empty() {
                break;
            }
            write(target, table, &rows, last).await?;
            let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
            copied.rows = copied.rows.saturating_add(count);
        }
    }
    Ok(copied)
}

fn select_changes(
    table: &TenantTable,
    site: Site<'_>,
    copied_below: Option<&str>,
    last: bool,
) -> Result<String, RelocationError> {
    // A row that was written by a transaction which that copy may not have seen. Where a row is so
    // old that its transaction's number came round again, it is copied once more, which does no harm.
    let mut changed = match copied_below {
        None => "true".to_owned(),
        Some(xid) => {
            let digits = !xid.is_empty() && xid.bytes().all(|b| b.is_ascii_digit());
            if !digits {
                let what = "a transaction's number";
                return Err(DatabaseError::OutOfRange { what }.into());
            }
            format!("age(t.xmin) <= age('{xid}'::xid8::xid)")
        }
    };
    if let (true, Some(rows)) = (last, table.last_rows()) {
        changed = format!("({changed} OR {rows})");
    }
    Ok(format!(
        "SELECT {row} FROM {table} t WHERE t.tenant_id = '{tenant}' AND {changed}{order}",
        row = table.row_text(last),
        table = table.sql_name(),
        tenant = site.tenant.as_uuid().hyphenated(),
        order = table.order(),
    ))
}

/// Writes rows at the target, over those that are there, in one transaction.
async fn write(
    site: Site<'_>,
    table: &TenantTable,
    rows: &[String],
    last: bool,
) -> Result<(), RelocationError> {
    let columns = table.copied_columns();
    let values: Vec<String> = columns.iter().map(|name| format!("(r.v).{name}")).collect();
    let changes = table.changes();
    let on_conflict = if changes.is_empty() {
        "NOTHING".to_owned()
    } else {
        format!("UPDATE SET {}", changes.join(", "))
    };
    let statement = format!(
        "INSERT INTO {table} ({columns}) SELECT {values} \
         FROM (SELECT u.x::{table} AS v, u.n FROM unnest($1::text[]) WITH ORDINALITY AS u (x, n) \
               OFFSET 0) r ORDER BY r.n \
         ON CONFLICT ({key}) DO {on_conflict}",
        table = table.sql_name(),
        columns = columns.join(", "),
        values = values.join(", "),
        key = table.key_columns(""),
    );
    let mut tx = site
        .db
        .begin_to_move(site.tenant, "incoming", site.token)
        .await?;
    if last && table.last_rows().is_some() {
        // Events that are to be published come with the day on which they were written elsewhere.
        sqlx::query!("LOCK TABLE souk.outbox_days IN EXCLUSIVE MODE")
            .execute(tx.connection())
            .await?;
        sqlx::query!("DELETE FROM souk.outbox_days")
            .execute(tx.connection())
            .await?;
    }
    sqlx::query(AssertSqlSafe(statement))
        .bind(rows)
        .execute(tx.connection())
        .await?;
    tx.commit().await?;
    Ok(())
}
