//! Postgres: the only crate with SQL.
//!
//! Queries are grouped by the aggregate they serve and run in a [`TenantTx`], which carries its
//! tenant and has told the database about it: row level security then hides every other tenant's
//! rows, even from a query that forgets to ask for its own.

pub mod admin;
pub mod books;
mod breaker;
pub mod catalog;
pub mod catalog_imports;
mod consistency;
mod database;
pub mod directory;
mod error;
pub mod idempotency;
pub mod inbox;
pub mod inventory;
pub mod ledger;
pub mod order_summaries;
pub mod orders;
pub mod outbox;
pub mod parked;
pub mod partitions;
pub mod payments;
mod pending;
mod pool;
pub mod prices;
pub mod pricing_rules;
pub mod processes;
pub mod products;
pub mod relocation;
pub mod served;
mod shard;
mod shard_name;
mod shards;
pub mod skus;
pub mod stock;
pub mod webhooks;

pub use consistency::{CONSISTENCY_TOKEN_BYTES_MAX, ConsistencyToken, ConsistencyTokenError};
pub use database::{
    Database, IDLE_IN_TRANSACTION_TIMEOUT_MS, LOCK_TIMEOUT_MS, PlainTx, Pooler,
    STATEMENT_TIMEOUT_MS, TenantTx, UnknownPooler,
};
pub use error::DatabaseError;
pub use pending::PendingMigration;
pub use shard::{REPLICA_WAIT_MS, Shard};
pub use shard_name::{SHARD_NAME_BYTES_MAX, ShardName, ShardNameError};
pub use shards::{PLACEMENT_TTL, Shards};

/// The schema's history, compiled in. Each migration keeps the code before it working: expand,
/// migrate, contract.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");
