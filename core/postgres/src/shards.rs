//! Which database serves a tenant, and whether its primary or a replica does.

use crate::{ConsistencyToken, Database, DatabaseError, Shard, ShardName, TenantTx};
use souk_domain::TenantId;

/// The databases that tenants are spread over.
#[derive(Debug, Clone)]
pub struct Shards {
    only: Shard,
}

impl Shards {
    /// One database for all tenants.
    pub fn single(database: Database) -> Self {
        Self::one(Shard::new(ShardName::only(), database))
    }

    /// One shard for all tenants.
    pub const fn one(shard: Shard) -> Self {
        Self { only: shard }
    }

    /// The primary of the tenant's shard.
    pub async fn home(&self, _tenant: TenantId) -> Result<Database, DatabaseError> {
        Ok(self.only.primary().clone())
    }

    /// Begins a transaction of `tenant` that may write.
    ///
    /// # Errors
    /// [`DatabaseError::WritesHeld`] while the tenant is being moved.
    pub async fn begin(&self, tenant: TenantId) -> Result<TenantTx, DatabaseError> {
        self.only.begin(tenant).await
    }

    /// Begins a transaction of `tenant` that reads, from a replica where that has seen the write
    /// that `newer_than` names; see [`Shard::begin_to_read`].
    pub async fn begin_to_read(
        &self,
        tenant: TenantId,
        newer_than: Option<&ConsistencyToken>,
    ) -> Result<TenantTx, DatabaseError> {
        self.only.begin_to_read(tenant, newer_than).await
    }

    /// Asks every primary for nothing, to see whether it answers.
    pub async fn ping(&self) -> Result<(), DatabaseError> {
        self.only.primary().ping().await
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.only.close().await;
    }
}
