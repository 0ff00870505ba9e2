//! One shard: a primary, and perhaps a replica that takes reads off it.

use crate::breaker::Breaker;
use crate::{ConsistencyToken, Database, DatabaseError, ShardName, TenantTx};
use core::time::Duration;
use souk_domain::TenantId;
use std::sync::Arc;
use tokio::time::{Instant, timeout};

/// How long a replica may take to catch up with a read before the primary serves it.
pub const REPLICA_WAIT_MS: u32 = 150;
/// How long a replica may take to begin a read, besides catching up, with a new connection if need be.
const REPLICA_ANSWER_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a replica that did not answer is left alone.
const DEAD_PAUSE: Duration = Duration::from_secs(5);
/// How long nobody waits for a replica that did not catch up in time: it is asked, and has got there
/// or has not.
const BEHIND_PAUSE: Duration = Duration::from_secs(1);

/// Databases that hold the same tenants' rows.
#[derive(Debug, Clone)]
pub struct Shard {
    primary: Database,
    replica: Option<Arc<Replica>>,
}

#[derive(Debug)]
struct Replica {
    database: Database,
    /// Whether it answers.
    alive: Breaker,
    /// Whether it catches up in time.
    in_time: Breaker,
}

impl Shard {
    /// A shard of this name with its primary alone.
    pub fn new(name: ShardName, primary: Database) -> Self {
        Self {
            primary: primary.of_shard(name),
            replica: None,
        }
    }

    /// The same with a replica: a server in recovery from the primary's log, with the same database
    /// and role.
    #[must_use]
    pub fn with_replica(self, replica: Database) -> Self {
        let replica = Replica {
            database: replica.of_shard(self.name().clone()),
            alive: Breaker::new(DEAD_PAUSE),
            in_time: Breaker::new(BEHIND_PAUSE),
        };
        Self {
            replica: Some(Arc::new(replica)),
            ..self
        }
    }

    /// Its name, as in the configuration, the directory and consistency tokens.
    pub fn name(&self) -> &ShardName {
        self.primary.shard()
    }

    /// The database that takes writes.
    pub const fn primary(&self) -> &Database {
        &self.primary
    }

    /// Begins a transaction of `tenant` that may write. One round trip.
    ///
    /// # Errors
    /// As [`Database::begin`].
    pub async fn begin(&self, tenant: TenantId) -> Result<TenantTx, DatabaseError> {
        self.primary.begin(tenant).await
    }

    /// Begins a transaction of `tenant` that reads. One round trip, on the replica where there is one.
    ///
    /// Without `newer_than` what is read may be old. With it, it contains the write that the token
    /// stands for: the replica serves it when it has that write within [`REPLICA_WAIT_MS`], else the
    /// primary does. The primary also serves tokens of another shard, from where the tenant has come
    /// with all its rows, and everything that the replica cannot.
    ///
    /// # Errors
    /// As [`Database::begin_to_read`], of the primary.
    pub async fn begin_to_read(
        &self,
        tenant: TenantId,
        newer_than: Option<&ConsistencyToken>,
    ) -> Result<TenantTx, DatabaseError> {
        if let Some(replica) = &self.replica
            && newer_than.is_none_or(|token| token.shard() == self.name())
            && let Some(tx) = replica.begin(tenant, newer_than).await
        {
            return Ok(tx);
        }
        self.primary.begin_to_read(tenant).await
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.primary.close().await;
        if let Some(replica) = &self.replica {
            replica.database.close().await;
        }
    }
}

impl Replica {
    /// A transaction that sees what it has to, or none: why is the log's matter, not the caller's.
    async fn begin(
        &self,
        tenant: TenantId,
        newer_than: Option<&ConsistencyToken>,
    ) -> Option<TenantTx> {
        if !self.alive.may_ask(Instant::now()) {
            return None;
        }
        let waits = newer_than.is_some() && self.in_time.may_ask(Instant::now());
        let wait_ms = if waits { REPLICA_WAIT_MS } else { 0 };
        let limit = REPLICA_ANSWER_TIMEOUT.saturating_add(Duration::from_millis(wait_ms.into()));
        let beginning = self.database.begin_on_replica(tenant, newer_than, wait_ms);
        match timeout(limit, beginning).await {
            Ok(Ok(Some(tx))) => {
                self.alive.answered();
                if newer_than.is_some() {
                    self.in_time.answered();
                }
                Some(tx)
            }
            Ok(Ok(None)) => {
                self.alive.answered();
                if waits {
                    tracing::info!(shard.name = %self.database.shard(), "replica is behind");
                    self.in_time.failed(Instant::now());
                }
                None
            }
            // It answers, and does not know the tenant, or the schema, yet.
            Ok(Err(error)) if !matches!(error, DatabaseError::Unavailable(_)) => {
                tracing::debug!(shard.name = %self.database.shard(), %error, "replica cannot serve");
                self.alive.answered();
                None
            }
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(shard.name = %self.database.shard(), "replica does not answer");
                self.alive.failed(Instant::now());
                None
            }
        }
    }
}
