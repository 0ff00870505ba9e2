//! A tenant's way from one database to another: what a mover does on each of the two, by the role that
//! owns the schema.
//!
//! Nobody but the mover writes a tenant's rows where it is `incoming`. Every write of a mover carries
//! its token, so that one that was thought dead and replaced writes nothing.

mod compare;
mod copy;
mod gate;
mod prune;
mod tables;

pub use compare::{TableSum, compare};
pub use copy::{Copied, Snapshot, copy_changes};
pub use gate::{
    Arrival, activate, give_up, hold, left_behind, prepare, release, retire, seal, take,
};
pub use prune::{purge, remove_extras};
pub use tables::{TenantTable, tenant_tables};

use crate::{Database, DatabaseError, TenantTx};
use souk_domain::TenantId;

/// A mover's place at work: a database, whose rows, and under which token.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// The database, by the role that owns the schema.
    pub db: &'a Database,
    /// The tenant that is moved.
    pub tenant: TenantId,
    /// The mover's token.
    pub token: i64,
}

/// Why a step of a move was not done.
#[derive(Debug, thiserror::Error)]
pub enum RelocationError {
    /// Another mover has taken over, or the tenant is in another state here.
    #[error("another mover has taken over")]
    Replaced,
    /// The database that should receive the tenant serves it.
    #[error("the target serves this tenant already")]
    ServedThere,
    /// The tenant is not where the directory says.
    #[error("the tenant's placement on a shard is not what the directory implies")]
    NotServedHere,
    /// The two databases are not at the same migration.
    #[error("table {table} differs between the two databases: migrate both first")]
    SchemasDiffer {
        /// The table.
        table: String,
    },
    /// A table cannot be copied: it has no unique key of columns that are copied.
    #[error("table {table} has no key to move its rows by")]
    NoKey {
        /// The table.
        table: String,
    },
    /// Tables refer to each other in a circle.
    #[error("tables refer to each other in a circle")]
    Circle,
    /// The database refuses or fails.
    #[error("the database operation failed")]
    Database(#[source] DatabaseError),
}

impl From<DatabaseError> for RelocationError {
    fn from(error: DatabaseError) -> Self {
        if let DatabaseError::Unexpected(source) = &error
            && let Some(source) = source.as_database_error()
            && source.code().is_some_and(|code| code == "SK003")
        {
            return Self::Replaced;
        }
        Self::Database(error)
    }
}

impl From<sqlx::Error> for RelocationError {
    fn from(error: sqlx::Error) -> Self {
        DatabaseError::from(error).into()
    }
}

/// Ends a transaction by its outcome at once.
async fn end<T>(tx: TenantTx, outcome: Result<T, RelocationError>) -> Result<T, RelocationError> {
    if outcome.is_ok() {
        tx.commit().await?;
    } else if let Err(error) = tx.rollback().await {
        tracing::debug!(%error, "rollback failed");
    }
    outcome
}
