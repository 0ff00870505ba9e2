//! The directory: which tenants there are, under which hosts, with which keys, on which shard, and who
//! changed what. A database of its own, with a schema and migrations of its own.

mod api_keys;
mod audit;
mod domains;
mod edge_plans;
mod edge_settings;
mod edge_tenants;
mod edge_view;
mod moves;
mod publications;
mod publishing;
mod tenants;

pub use api_keys::ApiKeyRow;
pub use edge_plans::{LimitRow, PlanRow};
pub use edge_settings::{DeniedRow, EdgeSettingsRow};
pub use edge_tenants::{IssuerRow, TenantEdgeRow};
pub use edge_view::{EdgeView, TenantEdgeView};
pub use moves::{MoveRow, MoveStep};
pub use publications::{EdgeEntryRow, PublicationRow};
pub use tenants::{Placement, TenantRow};

use crate::database::PlainTx;
use crate::{Database, DatabaseError, PendingMigration};

/// The directory's history, compiled in.
pub static DIRECTORY_MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations-directory");

/// The directory, by one role.
#[derive(Debug, Clone)]
pub struct Directory {
    db: Database,
}

impl Directory {
    /// Prepares a pool of at most `connections_max`; the first use connects. `url` names the role: the
    /// owner to administer, `souk_directory_reader` to look tenants up.
    pub fn connect_lazily(url: &str, connections_max: u32) -> Result<Self, DatabaseError> {
        let db = Database::connect_lazily(url, connections_max)?;
        Ok(Self { db })
    }

    /// Over a database that has the directory's schema, or is to get it.
    pub const fn on(db: Database) -> Self {
        Self { db }
    }

    /// Applies the migrations that it lacks, by its owner. Returns how many there are in total.
    pub async fn migrate(&self) -> Result<usize, DatabaseError> {
        self.db.migrate_by(&DIRECTORY_MIGRATOR).await
    }

    /// The migrations that it lacks, in order, by its owner; nothing is applied.
    pub async fn pending(&self) -> Result<Vec<PendingMigration>, DatabaseError> {
        let from = souk_ddl::DIRECTORY_CHECKED_FROM;
        self.db.pending_of(&DIRECTORY_MIGRATOR, from).await
    }

    /// Begins a transaction. One round trip.
    pub async fn begin(&self) -> Result<DirectoryTx, DatabaseError> {
        self.db.begin_without_tenant().await.map(DirectoryTx)
    }

    /// Begins a transaction in which all statements see everything as it is now, to read. One round trip.
    pub async fn begin_snapshot(&self) -> Result<DirectoryTx, DatabaseError> {
        self.db
            .begin_snapshot_without_tenant()
            .await
            .map(DirectoryTx)
    }

    /// Asks the server for nothing, to see whether it answers.
    pub async fn ping(&self) -> Result<(), DatabaseError> {
        self.db.ping().await
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.db.close().await;
    }
}

/// A transaction on the directory. Dropping it without [`DirectoryTx::commit`] undoes everything.
#[derive(Debug)]
pub struct DirectoryTx(PlainTx);

impl DirectoryTx {
    /// Makes all changes durable, or none.
    pub async fn commit(self) -> Result<(), DatabaseError> {
        self.0.commit().await
    }

    /// Undoes all changes at once.
    pub async fn rollback(self) -> Result<(), DatabaseError> {
        self.0.rollback().await
    }

    fn connection(&mut self) -> &mut sqlx::PgConnection {
        self.0.connection()
    }
}
