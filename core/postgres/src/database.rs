//! The pool, and transactions that cannot forget their tenant.

use crate::error::is_connection_error;
use crate::{DatabaseError, MIGRATOR};
use core::str::FromStr;
use core::time::Duration;
use souk_domain::TenantId;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Transaction};

/// How long a statement waits for a lock before it gives up as [`DatabaseError::Contended`].
pub const LOCK_TIMEOUT_MS: u32 = 2_500;
/// How long one statement may run. Below the shortest function timeout, 10 s.
pub const STATEMENT_TIMEOUT_MS: u32 = 7_000;
/// How long an open transaction may stay silent, so that a frozen or dead function does not hold its
/// locks.
pub const IDLE_IN_TRANSACTION_TIMEOUT_MS: u32 = 10_000;
/// How long to wait for a connection, new or from the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection is closed after this time without use, below what proxies and firewalls drop.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// How often a transaction is begun anew on another connection, when the first ones are dead: a
/// function that wakes from a freeze finds all its connections cut. Nothing has run by then.
const BEGIN_ATTEMPTS_MAX: u32 = 3;

/// One Postgres database, by one role.
#[derive(Debug, Clone)]
pub struct Database {
    pool: PgPool,
}

impl Database {
    /// Prepares a pool of at most `connections_max`; the first use connects.
    ///
    /// `url` is a `postgres://` URL with a role that cannot bypass row level security. Works through
    /// a transaction pooler with `?statement-cache-capacity=0`: no session state is kept.
    pub fn connect_lazily(url: &str, connections_max: u32) -> Result<Self, DatabaseError> {
        let options = PgConnectOptions::from_str(url)?.application_name("souk");
        let pool = PgPoolOptions::new()
            .max_connections(connections_max)
            .min_connections(0)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(IDLE_TIMEOUT)
            // A ping before each use would be one more round trip; `begin` retries instead.
            .test_before_acquire(false)
            .connect_lazy_with(options);
        Ok(Self { pool })
    }

    /// Begins a transaction that sees and writes rows of `tenant` only. One round trip.
    pub async fn begin(&self, tenant: TenantId) -> Result<TenantTx, DatabaseError> {
        // A UUID's text has no character that could end the literal.
        let statement = format!(
            "BEGIN; SELECT set_config('souk.tenant_id', '{}', true), {}",
            tenant.as_uuid().hyphenated(),
            timeouts_sql(),
        );
        let tx = self.begin_with(&statement).await?;
        Ok(TenantTx { tx, tenant })
    }

    /// Begins a transaction of no tenant: it sees no row of any tenant table, unless its role has a
    /// policy of its own there (the relay). One round trip.
    pub async fn begin_without_tenant(
        &self,
    ) -> Result<Transaction<'static, Postgres>, DatabaseError> {
        self.begin_with(&format!("BEGIN; SELECT {}", timeouts_sql()))
            .await
    }

    async fn begin_with(
        &self,
        statement: &str,
    ) -> Result<Transaction<'static, Postgres>, DatabaseError> {
        let mut attempt = 1_u32;
        loop {
            match self
                .pool
                .begin_with(AssertSqlSafe(statement.to_owned()))
                .await
            {
                Ok(tx) => return Ok(tx),
                Err(error) if is_dead_connection(&error) && attempt < BEGIN_ATTEMPTS_MAX => {
                    tracing::debug!(attempt, "connection was dead, beginning on another");
                    attempt = attempt.saturating_add(1);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Asks the server for nothing, to see whether it answers.
    pub async fn ping(&self) -> Result<(), DatabaseError> {
        let tx = self.begin_without_tenant().await?;
        tx.commit().await?;
        Ok(())
    }

    /// Applies the migrations that this database lacks, in order, each in its transaction. The role
    /// must own the schema. Returns how many migrations there are in total.
    pub async fn migrate(&self) -> Result<usize, DatabaseError> {
        MIGRATOR
            .run(&self.pool)
            .await
            .map_err(DatabaseError::Migration)?;
        Ok(MIGRATOR.iter().count())
    }

    /// The pool, for the modules of this crate.
    pub(crate) const fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

fn timeouts_sql() -> String {
    format!(
        "set_config('lock_timeout', '{LOCK_TIMEOUT_MS}', true), \
         set_config('statement_timeout', '{STATEMENT_TIMEOUT_MS}', true), \
         set_config('idle_in_transaction_session_timeout', '{IDLE_IN_TRANSACTION_TIMEOUT_MS}', true)"
    )
}

/// A pooled connection that turns out to be cut. A pool that is merely full is another matter:
/// asking it again would only double the wait.
fn is_dead_connection(error: &sqlx::Error) -> bool {
    let ended_by_server = error
        .as_database_error()
        .and_then(|database| {
            database
                .code()
                .map(|code| code == "57P01" || code == "25P03")
        })
        .unwrap_or(false);
    let full = matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed);
    ended_by_server || (is_connection_error(error) && !full)
}

/// A transaction of one tenant. Dropping it without [`TenantTx::commit`] rolls back.
#[derive(Debug)]
pub struct TenantTx {
    tx: Transaction<'static, Postgres>,
    tenant: TenantId,
}

impl TenantTx {
    /// The tenant whose rows this transaction sees.
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Makes all changes durable, or none. After [`DatabaseError::Unavailable`] it is not known
    /// which; the idempotency key tells.
    pub async fn commit(self) -> Result<(), DatabaseError> {
        self.tx.commit().await?;
        Ok(())
    }

    /// Undoes all changes at once, rather than when the connection is next used.
    pub async fn rollback(self) -> Result<(), DatabaseError> {
        self.tx.rollback().await?;
        Ok(())
    }

    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.tx
    }
}
