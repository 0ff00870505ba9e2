//! Which tables a tenant has rows in: what the catalog says, so that none can be forgotten.

use super::RelocationError;
use crate::Database;
use std::collections::BTreeSet;

/// The table that has the tenants themselves.
const TENANTS: &str = "tenants";
/// Of it, what each database says for itself.
const OWN_COLUMNS: [&str; 3] = ["placement", "held_until", "move_token"];
/// The events. Those that were published are history where they arrive, which no relay reads; those that
/// were not keep their lane, and are copied once more in the end, in order.
const OUTBOX: &str = "outbox_events";
/// Of them, what each database says for itself: which transaction wrote it, and where it lies.
const OUTBOX_OWN_COLUMNS: [&str; 2] = ["written_in", POSITION];
const POSITION: &str = "position";
/// Which relays read it: not the same on both sides.
const LANE: &str = "lane";
/// The lane of history that came from elsewhere.
const LANE_OF_HISTORY: i16 = -1;
/// What relays hold back of the events. Where they arrive, nothing is held back yet.
const HELD: &str = "outbox_held";

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    name: String,
    sql_type: String,
    /// The target gets the source's value. Others are made by each database.
    copied: bool,
    /// Both sides have the same value as long as nobody but the mover writes.
    compared: bool,
    /// It is the number that a database gives to each new row.
    numbers_rows: bool,
}

/// A table with a `tenant_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantTable {
    name: String,
    columns: Vec<Column>,
    /// Columns by which a row is the same on both sides.
    key: Vec<String>,
}

/// The tables of a database that have a `tenant_id`: those that others refer to come first.
///
/// # Errors
/// [`RelocationError::NoKey`], [`RelocationError::Circle`].
pub async fn tenant_tables(db: &Database) -> Result<Vec<TenantTable>, RelocationError> {
    let mut tx = db.begin_without_tenant().await?;
    let columns = sqlx::query!(
        r#"SELECT c.relname::text AS "table!", a.attname::text AS "name!",
               format_type(a.atttypid, a.atttypmod) AS "sql_type!",
               a.attidentity <> '' AS "is_identity!", a.attgenerated <> '' AS "is_generated!"
           FROM pg_class c
           JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
           WHERE c.relnamespace = 'souk'::regnamespace AND c.relkind IN ('r', 'p')
             AND NOT c.relispartition
             AND EXISTS (SELECT FROM pg_attribute t WHERE t.attrelid = c.oid
                         AND t.attname = 'tenant_id' AND NOT t.attisdropped)
           ORDER BY c.relname, a.attnum"#
    )
    .fetch_all(tx.connection())
    .await?;
    // The primary key first; one that has a column that each database makes for itself is none.
    let keys = sqlx::query!(
        r#"SELECT c.relname::text AS "table!", k.columns AS "columns!"
           FROM pg_index i
           JOIN pg_class c ON c.oid = i.indrelid AND c.relnamespace = 'souk'::regnamespace
               AND NOT c.relispartition
           CROSS JOIN LATERAL (
               SELECT array_agg(a.attname::text ORDER BY n.n) AS columns,
                   bool_and(a.attnotnull AND a.attidentity = '' AND a.attgenerated = '') AS fits
               FROM unnest(i.indkey::smallint[]) WITH ORDINALITY AS n (attnum, n)
               JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = n.attnum
           ) k
           WHERE i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL
             AND i.indexprs IS NULL AND k.fits
           ORDER BY c.relname, i.indisprimary DESC, i.indexrelid"#
    )
    .fetch_all(tx.connection())
    .await?;
    let references = sqlx::query!(
        r#"SELECT DISTINCT c.relname::text AS "table!", r.relname::text AS "refers_to!"
           FROM pg_constraint f
           JOIN pg_class c ON c.oid = f.conrelid AND c.relnamespace = 'souk'::regnamespace
           JOIN pg_class r ON r.oid = f.confrelid AND NOT r.relispartition
           WHERE f.contype = 'f' AND f.conrelid <> f.confrelid"#
    )
    .fetch_all(tx.connection())
    .await?;
    tx.commit().await?;

    let mut tables: Vec<TenantTable> = Vec::new();
    for row in columns {
        if tables.last().is_none_or(|table| table.name != row.table) {
            let key = keys.iter().find(|key| key.table == row.table);
            tables.push(TenantTable {
                name: row.table.clone(),
                columns: Vec::new(),
                key: key
                    .ok_or_else(|| RelocationError::NoKey {
                        table: row.table.clone(),
                    })?
                    .columns
                    .clone(),
            });
        }
        let is_outbox = row.table == OUTBOX;
        let own = (row.table == TENANTS && OWN_COLUMNS.contains(&row.name.as_str()))
            || (is_outbox && OUTBOX_OWN_COLUMNS.contains(&row.name.as_str()));
        let numbers_rows = row.is_identity || (is_outbox && row.name == POSITION);
        let copied = !(own || row.is_identity || row.is_generated);
        if let Some(table) = tables.last_mut() {
            table.columns.push(Column {
                compared: copied && !(is_outbox && row.name == LANE),
                name: row.name,
                sql_type: row.sql_type,
                copied,
                numbers_rows,
            });
        }
    }
    let references: Vec<(String, String)> = references
        .into_iter()
        .map(|row| (row.table, row.refers_to))
        .collect();
    in_order(tables, &references)
}

/// What is referred to comes before what refers to it.
fn in_order(
    mut waiting: Vec<TenantTable>,
    references: &[(String, String)],
) -> Result<Vec<TenantTable>, RelocationError> {
    let mut ordered: Vec<TenantTable> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let unplaced: BTreeSet<String> = waiting.iter().map(|table| table.name.clone()).collect();
        let is_free = |table: &TenantTable| {
            !references
                .iter()
                .any(|(from, to)| *from == table.name && unplaced.contains(to))
        };
        let (free, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_free);
        if free.is_empty() {
            return Err(RelocationError::Circle);
        }
        ordered.extend(free);
        waiting = rest;
    }
    Ok(ordered)
}

impl TenantTable {
    /// Its name, without the schema.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is the table of the tenants themselves.
    pub fn is_tenants(&self) -> bool {
        self.name == TENANTS
    }

    /// Two databases that have the same tables can move tenants between them.
    ///
    /// # Errors
    /// [`RelocationError::SchemasDiffer`] names the first table that differs.
    pub fn check_same(ours: &[Self], theirs: &[Self]) -> Result<(), RelocationError> {
        let longest = ours.len().max(theirs.len());
        for n in 0..longest {
            let (one, other) = (ours.get(n), theirs.get(n));
            if one != other {
                let table = one.or(other).map(|table| table.name.clone());
                return Err(RelocationError::SchemasDiffer {
                    table: table.unwrap_or_default(),
                });
            }
        }
        Ok(())
    }

    pub(super) fn sql_name(&self) -> String {
        format!("souk.{}", quoted(&self.name))
    }

    /// Whether its rows are the same on both sides in the end.
    pub(super) fn is_copied(&self) -> bool {
        self.name != HELD
    }

    /// A row as text, to be copied; for the `last` time, or by the way.
    pub(super) fn row_text(&self, last: bool) -> String {
        self.text_of(|column| {
            let (name, sql_type) = (quoted(&column.name), &column.sql_type);
            if self.name == OUTBOX && column.name == LANE {
                let history = format!("{LANE_OF_HISTORY}::{sql_type}");
                return if last {
                    format!("CASE WHEN {UNSENT} THEN t.{name} ELSE {history} END")
                } else {
                    history
                };
            }
            value_if(column.copied, column)
        })
    }

    /// A row as text, to be compared.
    pub(super) fn compared_text(&self) -> String {
        self.text_of(|column| value_if(column.compared, column))
    }

    /// A row as text, with these values.
    fn text_of(&self, value: impl Fn(&Column) -> String) -> String {
        let values: Vec<String> = self.columns.iter().map(value).collect();
        format!("ROW({})::{}::text", values.join(", "), self.sql_name())
    }

    /// A row's key as text.
    pub(super) fn key_text(&self) -> String {
        format!("ROW({})::text", self.key_columns("t."))
    }

    pub(super) fn key_columns(&self, prefix: &str) -> String {
        let names: Vec<String> = self
            .key
            .iter()
            .map(|name| format!("{prefix}{}", quoted(name)))
            .collect();
        names.join(", ")
    }

    pub(super) fn copied_columns(&self) -> Vec<String> {
        let copied = self.columns.iter().filter(|column| column.copied);
        copied.map(|column| quoted(&column.name)).collect()
    }

    /// What a row that is there already is changed to: all that is copied and not of the key. An event
    /// gets a new place as well, above all that relays may have read.
    pub(super) fn changes(&self) -> Vec<String> {
        let copied = self.columns.iter().filter(|column| column.copied);
        let settable = copied.filter(|column| !self.key.contains(&column.name));
        let mut changes: Vec<String> = settable
            .map(|column| format!("{name} = excluded.{name}", name = quoted(&column.name)))
            .collect();
        if self.name == OUTBOX {
            let own = OUTBOX_OWN_COLUMNS.map(|name| format!("{} = DEFAULT", quoted(name)));
            changes.extend(own);
        }
        changes
    }

    /// In which order rows are read: that in which they were numbered.
    pub(super) fn order(&self) -> String {
        let numbered = self.columns.iter().find(|column| column.numbers_rows);
        numbered.map_or_else(String::new, |column| {
            format!(" ORDER BY t.{}", quoted(&column.name))
        })
    }

    /// Which rows are copied the last time however old they are: only then is it known which events are
    /// still to be published, and a relay may publish them from where they lie.
    pub(super) fn last_rows(&self) -> Option<&'static str> {
        (self.name == OUTBOX).then_some(UNSENT)
    }
}

/// Whether an event is still to be published.
const UNSENT: &str = "souk.is_unsent(t.lane, t.position, t.written_in)";

fn value_if(wanted: bool, column: &Column) -> String {
    if wanted {
        return format!("t.{}", quoted(&column.name));
    }
    format!("NULL::{}", column.sql_type)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
