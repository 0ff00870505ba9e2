//! Migrations that a database lacks, and what in them may break who runs the version before.

use crate::{Database, DatabaseError, MIGRATOR};
use sqlx::migrate::Migrator;

/// A migration that is not applied yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingMigration {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub description: String,
    /// What in it does not only add and has no written reason, in words. A database that has no migration at all has no
    /// version before, and nothing there can break.
    pub breaking: Vec<String>,
}

impl Database {
    /// The migrations that this database lacks, in order. The role must own the schema; nothing is applied.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn pending(&self) -> Result<Vec<PendingMigration>, DatabaseError> {
        self.pending_of(&MIGRATOR, souk_ddl::CHECKED_FROM).await
    }

    pub(crate) async fn pending_of(
        &self,
        migrator: &Migrator,
        checked_from: i64,
    ) -> Result<Vec<PendingMigration>, DatabaseError> {
        let applied = self.applied(migrator).await?;
        let is_new = applied.is_empty();
        let lacks = migrator
            .iter()
            .filter(|migration| !applied.contains(&migration.version));
        Ok(lacks
            .map(|migration| PendingMigration {
                version: migration.version,
                description: migration.description.to_string(),
                breaking: if is_new || migration.version < checked_from {
                    Vec::new()
                } else {
                    in_words(migration.sql.as_str())
                },
            })
            .collect())
    }
}

fn in_words(sql: &str) -> Vec<String> {
    match souk_ddl::breaking(sql) {
        Ok(found) => found.iter().map(ToString::to_string).collect(),
        Err(unreadable) => vec![unreadable.to_string()],
    }
}
