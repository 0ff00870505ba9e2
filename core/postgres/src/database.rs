//! Transactions that cannot forget their tenant.

use crate::consistency::ConsistencyToken;
use crate::error::is_connection_error;
use crate::pool::{Connections, InUse};
use crate::{DatabaseError, MIGRATOR, ShardName};
use core::ops::ControlFlow;
use core::str::FromStr;
use core::time::Duration;
use souk_domain::TenantId;
use sqlx::migrate::{Migrate as _, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

/// How long a statement waits for a lock before it gives up as [`DatabaseError::Contended`].
pub const LOCK_TIMEOUT_MS: u32 = 2_500;
/// How long one statement may run. Below the shortest function timeout, 10 s.
pub const STATEMENT_TIMEOUT_MS: u32 = 7_000;
/// How long an open transaction may stay silent, so that a frozen or dead function does not hold its
/// locks.
pub const IDLE_IN_TRANSACTION_TIMEOUT_MS: u32 = 10_000;
/// How long a statement that reads or writes all rows of a tenant may run, and such a transaction may
/// stay silent.
const MOVE_TIMEOUT_MS: u32 = 120_000;
/// The same bound for a call that is a transaction by itself, kept by this side: the server counts
/// the time of such a statement from before it could be told.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_millis(7_000);
/// How many connections are tried when the first ones are dead: a function that wakes from a freeze
/// finds all its connections cut.
const CONNECTION_ATTEMPTS_MAX: u32 = 3;

/// How long a statement may run, and how long an open transaction may stay silent.
#[derive(Debug, Clone, Copy)]
struct Patience {
    statement_ms: u32,
    silence_ms: u32,
}

const OF_REQUESTS: Patience = Patience {
    statement_ms: STATEMENT_TIMEOUT_MS,
    silence_ms: IDLE_IN_TRANSACTION_TIMEOUT_MS,
};
/// Of those who read or write all rows of a tenant.
const OF_MOVES: Patience = Patience {
    statement_ms: MOVE_TIMEOUT_MS,
    silence_ms: MOVE_TIMEOUT_MS,
};

/// What stands between this side and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pooler {
    /// Nothing, or what gives a connection to one client as long as that one keeps it.
    #[default]
    None,
    /// What gives a connection of the server to another client after each transaction. Between transactions nothing
    /// may be left behind, and nothing be found: statements are prepared anew in each, and a call that would be a
    /// transaction by itself becomes one of several statements, two round trips more.
    Transaction,
}

/// A text that names no [`Pooler`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pooler is `none` or `transaction`")]
pub struct UnknownPooler;

impl FromStr for Pooler {
    type Err = UnknownPooler;

    fn from_str(name: &str) -> Result<Self, UnknownPooler> {
        match name {
            "none" => Ok(Self::None),
            "transaction" => Ok(Self::Transaction),
            _ => Err(UnknownPooler),
        }
    }
}

/// The beginning of every transaction, up to where [`FORGET_STATEMENTS`] has its place.
const STATEMENT_END: char = ';';
/// What other clients of a pooler have prepared on this connection of the server, under names that this one is about
/// to use. It travels with the beginning of the transaction.
const FORGET_STATEMENTS: &str = "; DEALLOCATE ALL;";

/// One Postgres database, by one role.
#[derive(Debug, Clone)]
pub struct Database {
    connections: Connections,
    shard: ShardName,
    pooler: Pooler,
}

impl Database {
    /// Prepares a pool of at most `connections_max`; the first use connects.
    ///
    /// `url` is a `postgres://` URL with a role that cannot bypass row level security.
    pub fn connect_lazily(url: &str, connections_max: u32) -> Result<Self, DatabaseError> {
        Self::connect_through(Pooler::None, url, connections_max)
    }

    /// The same through a pooler, where `url` leads to. Not for migrations, which hold a lock of the session.
    pub fn connect_through(
        pooler: Pooler,
        url: &str,
        connections_max: u32,
    ) -> Result<Self, DatabaseError> {
        // The parser takes any scheme.
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(DatabaseError::OutOfRange {
                what: "a URL that is not postgres://…",
            });
        }
        let mut options = PgConnectOptions::from_str(url)?.application_name("souk");
        if pooler == Pooler::Transaction {
            options = options.statement_cache_capacity(0);
        }
        let connections = Connections::new(options, connections_max)
            .map_err(|_| DatabaseError::OutOfRange { what: "a pool" })?;
        Ok(Self {
            connections,
            shard: ShardName::only(),
            pooler,
        })
    }

    /// The same database, as a server of `shard`: what the tokens of its writes name.
    #[must_use]
    pub fn of_shard(self, shard: ShardName) -> Self {
        Self { shard, ..self }
    }

    /// The shard that it serves.
    pub const fn shard(&self) -> &ShardName {
        &self.shard
    }

    /// Begins a transaction that sees and writes rows of `tenant` only, whose placement cannot change
    /// before it ends. One round trip.
    ///
    /// # Errors
    /// [`DatabaseError::WritesHeld`], [`DatabaseError::TenantElsewhere`].
    pub async fn begin(&self, tenant: TenantId) -> Result<TenantTx, DatabaseError> {
        self.begin_tenant(tenant, "souk.enter_to_write").await
    }

    /// Begins a transaction that sees rows of `tenant` only, to read them. One round trip.
    ///
    /// # Errors
    /// [`DatabaseError::TenantElsewhere`].
    pub async fn begin_to_read(&self, tenant: TenantId) -> Result<TenantTx, DatabaseError> {
        self.begin_tenant(tenant, "souk.enter_to_read").await
    }

    /// As [`Database::begin_to_read`], on a replica, for a reader who has to see the write of
    /// `newer_than`: none where that has not arrived after `wait_ms` milliseconds, or where the server
    /// is no replica. One round trip.
    pub(crate) async fn begin_on_replica(
        &self,
        tenant: TenantId,
        newer_than: Option<&ConsistencyToken>,
        wait_ms: u32,
    ) -> Result<Option<TenantTx>, DatabaseError> {
        // Made of digits, letters and slashes only, as the tenant's id below.
        let write = newer_than.map_or_else(
            || "NULL, NULL".to_owned(),
            |token| format!("'{}', '{}'", token.wal_position(), token.transaction_id()),
        );
        let statement = format!(
            "BEGIN; SELECT {}, souk.enter_replica_to_read('{}', {write}, {wait_ms})",
            timeouts_sql(OF_REQUESTS),
            tenant.as_uuid().hyphenated(),
        );
        match self.begin_of(tenant, &statement).await {
            Ok(tx) => Ok(Some(tx)),
            Err(DatabaseError::Unexpected(error)) if is_replica_behind(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Begins a transaction of `tenant` whatever its placement is, also where the database does not
    /// know it yet: for those who make and move tenants. One round trip.
    pub async fn begin_unplaced(&self, tenant: TenantId) -> Result<TenantTx, DatabaseError> {
        let statement = format!(
            "BEGIN; SELECT set_config('souk.tenant_id', '{}', true), {}",
            tenant.as_uuid().hyphenated(),
            timeouts_sql(OF_REQUESTS),
        );
        self.begin_of(tenant, &statement).await
    }

    /// Begins a transaction that sees the rows of `tenant` as they are now, for as long as it takes to
    /// read all of them, in a form that is the same on every server.
    pub(crate) async fn begin_snapshot(&self, tenant: TenantId) -> Result<TenantTx, DatabaseError> {
        let statement = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
             SELECT set_config('souk.tenant_id', '{}', true), {}, {}",
            tenant.as_uuid().hyphenated(),
            timeouts_sql(OF_MOVES),
            TEXT_FORMS_SQL,
        );
        self.begin_of(tenant, &statement).await
    }

    /// Begins a transaction of the mover who holds `token`, where the tenant's placement is
    /// `placement` until it ends.
    pub(crate) async fn begin_to_move(
        &self,
        tenant: TenantId,
        placement: &'static str,
        token: i64,
    ) -> Result<TenantTx, DatabaseError> {
        let statement = format!(
            "BEGIN; SELECT {}, {}, souk.enter_to_move('{}', '{placement}', {token})",
            timeouts_sql(OF_MOVES),
            TEXT_FORMS_SQL,
            tenant.as_uuid().hyphenated(),
        );
        self.begin_of(tenant, &statement).await
    }

    /// Begins a transaction of no tenant: it sees no row of any tenant table, unless its role has a
    /// policy of its own there (the relay). One round trip.
    pub async fn begin_without_tenant(&self) -> Result<PlainTx, DatabaseError> {
        self.begin_with(&format!("BEGIN; SELECT {}", timeouts_sql(OF_REQUESTS)))
            .await
    }

    /// Begins a transaction in which all statements see the outbox as it is now, whatever the tenant, by
    /// the role of the relay. Two round trips. Returns the snapshot as well.
    pub(crate) async fn begin_to_relay(&self) -> Result<(PlainTx, String), DatabaseError> {
        let statement = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT {}, {INDEX_ORDER_SQL}",
            timeouts_sql(OF_REQUESTS),
        );
        let mut tx = self.begin_with(&statement).await?;
        let snapshot = sqlx::query_scalar!(r#"SELECT pg_current_snapshot()::text AS "snapshot!""#)
            .fetch_one(tx.connection())
            .await?;
        Ok((tx, snapshot))
    }

    /// Begins a transaction of no tenant that sees everything as it is now, to read much of it. One round trip.
    pub(crate) async fn begin_snapshot_without_tenant(&self) -> Result<PlainTx, DatabaseError> {
        let statement = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT {}",
            timeouts_sql(OF_MOVES),
        );
        self.begin_with(&statement).await
    }

    /// Begins a transaction of no tenant whose statements may take long. One round trip.
    pub(crate) async fn begin_long_without_tenant(&self) -> Result<PlainTx, DatabaseError> {
        self.begin_with(&format!("BEGIN; SELECT {}", timeouts_sql(OF_MOVES)))
            .await
    }

    async fn begin_tenant(
        &self,
        tenant: TenantId,
        enter: &'static str,
    ) -> Result<TenantTx, DatabaseError> {
        // A UUID's text has no character that could end the literal.
        let statement = format!(
            "BEGIN; SELECT {}, {enter}('{}')",
            timeouts_sql(OF_REQUESTS),
            tenant.as_uuid().hyphenated(),
        );
        self.begin_of(tenant, &statement).await
    }

    async fn begin_of(&self, tenant: TenantId, statement: &str) -> Result<TenantTx, DatabaseError> {
        let tx = self.begin_with(statement).await?;
        Ok(TenantTx { tx, tenant })
    }

    async fn begin_with(&self, statement: &str) -> Result<PlainTx, DatabaseError> {
        let statement = match self.pooler {
            Pooler::None => statement.to_owned(),
            Pooler::Transaction => statement.replacen(STATEMENT_END, FORGET_STATEMENTS, 1),
        };
        let mut attempt = 1_u32;
        loop {
            let mut connection = self.connections.take().await?;
            let began = sqlx::raw_sql(AssertSqlSafe(statement.clone()))
                .execute(connection.connection())
                .await;
            match began {
                Ok(_) => return Ok(self.transaction(connection)),
                Err(error) if is_dead_connection(&error) && attempt < CONNECTION_ATTEMPTS_MAX => {
                    tracing::debug!(attempt, "connection was dead, beginning on another");
                    attempt = attempt.saturating_add(1);
                }
                Err(error) => {
                    // It lives, in a transaction that has failed.
                    if error.as_database_error().is_some() {
                        let tx = self.transaction(connection);
                        if let Err(error) = tx.rollback().await {
                            tracing::debug!(%error, "rollback failed");
                        }
                    }
                    return Err(error.into());
                }
            }
        }
    }

    fn transaction(&self, connection: InUse) -> PlainTx {
        PlainTx {
            connection,
            shard: self.shard.clone(),
        }
    }

    /// A token of all that has been committed until now. Only for a primary. One round trip.
    pub async fn token_now(&self) -> Result<ConsistencyToken, DatabaseError> {
        let mut connection = self.connections.take().await?;
        // Nothing is prepared for it.
        let row = sqlx::raw_sql("SELECT pg_current_wal_insert_lsn()::text")
            .fetch_one(connection.connection())
            .await?;
        let position: String = row.try_get(0)?;
        connection.give_back();
        ConsistencyToken::new(&self.shard, &position, "0")
    }

    /// A call that is a transaction by itself, not made yet.
    pub(crate) const fn call(&self) -> Call<'_> {
        Call {
            database: self,
            attempt: 0,
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
        self.migrate_by(&MIGRATOR).await
    }

    pub(crate) async fn migrate_by(&self, migrator: &Migrator) -> Result<usize, DatabaseError> {
        let mut connection = self.connections.take().await?;
        migrator
            .run(connection.connection())
            .await
            .map_err(DatabaseError::Migration)?;
        connection.give_back();
        Ok(migrator.iter().count())
    }

    /// Numbers of the migrations of `migrator` and others that this database has.
    pub(crate) async fn applied(&self, migrator: &Migrator) -> Result<Vec<i64>, DatabaseError> {
        let mut connection = self.connections.take().await?;
        let history = connection.connection();
        history
            .ensure_migrations_table(&migrator.table_name)
            .await
            .map_err(DatabaseError::Migration)?;
        let applied = history.list_applied_migrations(&migrator.table_name).await;
        let applied = applied.map_err(DatabaseError::Migration)?;
        connection.give_back();
        Ok(applied.iter().map(|migration| migration.version).collect())
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.connections.close().await;
    }
}

/// A call that is a transaction by itself. Where its connection turns out to be dead it is made again
/// on another: whether it got through before is not known, so it is safe to repeat.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    database: &'a Database,
    attempt: u32,
}

impl Call<'_> {
    /// A connection to make it on. Through a pooler a transaction is open there, which keeps it this client's.
    pub(crate) async fn connection(&mut self) -> Result<InUse, DatabaseError> {
        loop {
            self.attempt = self.attempt.saturating_add(1);
            let mut connection = self.database.connections.take().await?;
            if self.database.pooler == Pooler::None {
                return Ok(connection);
            }
            let statement = format!("BEGIN{FORGET_STATEMENTS}");
            let began = sqlx::raw_sql(AssertSqlSafe(statement))
                .execute(connection.connection())
                .await;
            match began {
                Ok(_) => return Ok(connection),
                Err(error)
                    if is_dead_connection(&error) && self.attempt < CONNECTION_ATTEMPTS_MAX => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What has come of it on that connection, within [`CALL_TIMEOUT`]; goes on where it is to be made
    /// once more.
    pub(crate) async fn ended<T>(
        &self,
        mut connection: InUse,
        made: Result<Result<T, CallError>, Elapsed>,
    ) -> ControlFlow<Result<T, CallError>> {
        let mut outcome = made.unwrap_or_else(|_| Err(DatabaseError::timed_out().into()));
        if self.database.pooler == Pooler::Transaction {
            outcome = end_transaction(&mut connection, outcome).await;
        }
        match &outcome {
            Ok(_) => connection.give_back(),
            Err(CallError::Sql(error)) if is_dead_connection(error) => {
                if self.attempt < CONNECTION_ATTEMPTS_MAX {
                    return ControlFlow::Continue(());
                }
            }
            Err(CallError::Sql(error)) if error.as_database_error().is_some() => {
                connection.give_back();
            }
            // It may be in the middle of something.
            Err(_) => {}
        }
        ControlFlow::Break(outcome)
    }
}

/// Makes durable what a call has done, or undoes what it has begun. What it was answered is known only then.
async fn end_transaction<T>(
    connection: &mut InUse,
    outcome: Result<T, CallError>,
) -> Result<T, CallError> {
    let statement = match &outcome {
        Ok(_) => "COMMIT",
        Err(CallError::Sql(error)) if error.as_database_error().is_some() => "ROLLBACK",
        // The connection is closed, and the pooler rolls back.
        Err(_) => return outcome,
    };
    let ending = sqlx::raw_sql(statement).execute(connection.connection());
    match timeout(CALL_TIMEOUT, ending).await {
        Ok(Ok(_)) => outcome,
        Ok(Err(error)) => Err(error.into()),
        Err(_elapsed) => Err(DatabaseError::timed_out().into()),
    }
}

/// Why a [`Call`] gave nothing.
pub(crate) enum CallError {
    /// The server or the connection says so.
    Sql(sqlx::Error),
    /// What it answered is not as it should be.
    Answer(DatabaseError),
}

impl From<sqlx::Error> for CallError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<DatabaseError> for CallError {
    fn from(error: DatabaseError) -> Self {
        Self::Answer(error)
    }
}

impl From<CallError> for DatabaseError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Sql(error) => error.into(),
            CallError::Answer(error) => error,
        }
    }
}

/// Where texts of rows are compared: what a session's settings would change in them.
const TEXT_FORMS_SQL: &str = "set_config('TimeZone', 'UTC', true), \
     set_config('DateStyle', 'ISO, YMD', true), set_config('IntervalStyle', 'postgres', true), \
     set_config('extra_float_digits', '1', true), set_config('bytea_output', 'hex', true)";

/// Where rows are wanted in the order of an index, and few of many: whatever the planner believes of a
/// table that was empty when it last looked. One plan does for all arguments then, and making it takes longer than
/// running it where there are many partitions.
const INDEX_ORDER_SQL: &str = "set_config('enable_seqscan', 'off', true), \
     set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true), \
     set_config('jit', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true)";

fn timeouts_sql(patience: Patience) -> String {
    let Patience {
        statement_ms,
        silence_ms,
    } = patience;
    format!(
        "set_config('lock_timeout', '{LOCK_TIMEOUT_MS}', true), \
         set_config('statement_timeout', '{statement_ms}', true), \
         set_config('idle_in_transaction_session_timeout', '{silence_ms}', true)"
    )
}

/// What `souk.enter_replica_to_read` raises.
fn is_replica_behind(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(|database| database.code().map(|code| code == "SK012"))
        .unwrap_or(false)
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

/// A transaction of no tenant. Dropping it without [`PlainTx::commit`] closes its connection, and the
/// server rolls back.
#[derive(Debug)]
pub struct PlainTx {
    connection: InUse,
    shard: ShardName,
}

impl PlainTx {
    /// Makes all changes durable, or none.
    pub async fn commit(self) -> Result<(), DatabaseError> {
        self.end("COMMIT").await
    }

    /// Undoes all changes at once.
    pub async fn rollback(self) -> Result<(), DatabaseError> {
        self.end("ROLLBACK").await
    }

    async fn end(mut self, statement: &'static str) -> Result<(), DatabaseError> {
        sqlx::raw_sql(statement)
            .execute(self.connection.connection())
            .await?;
        self.connection.give_back();
        Ok(())
    }

    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        self.connection.connection()
    }
}

/// A transaction of one tenant. Dropping it without [`TenantTx::commit`] closes its connection, and
/// the server rolls back.
#[derive(Debug)]
pub struct TenantTx {
    tx: PlainTx,
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
        self.tx.commit().await
    }

    /// As [`TenantTx::commit`], and says which state of the database has the changes. One round trip
    /// as well. For transactions that have written.
    pub async fn commit_for_token(mut self) -> Result<ConsistencyToken, DatabaseError> {
        // Both statements travel together.
        let token = self.token_and("; COMMIT").await?;
        self.tx.connection.give_back();
        Ok(token)
    }

    /// What [`TenantTx::commit_for_token`] would say now, before the commit. One round trip.
    pub async fn token_so_far(&mut self) -> Result<ConsistencyToken, DatabaseError> {
        self.token_and("").await
    }

    async fn token_and(&mut self, then: &'static str) -> Result<ConsistencyToken, DatabaseError> {
        let statement =
            format!("SELECT pg_current_wal_insert_lsn()::text, pg_current_xact_id()::text{then}");
        let rows = sqlx::raw_sql(AssertSqlSafe(statement))
            .fetch_all(self.tx.connection())
            .await?;
        let row = rows.first().ok_or(DatabaseError::OutOfRange {
            what: "an answer without rows",
        })?;
        ConsistencyToken::new(&self.tx.shard, row.try_get(0)?, row.try_get(1)?)
    }

    /// Whether a replica serves this transaction, by the server's own account. One round trip.
    pub async fn is_on_replica(&mut self) -> Result<bool, DatabaseError> {
        let answer = sqlx::query_scalar!(r#"SELECT pg_is_in_recovery() AS "answer!""#)
            .fetch_one(self.connection())
            .await?;
        Ok(answer)
    }

    /// Undoes all changes at once, rather than when the server notices that nobody is there.
    pub async fn rollback(self) -> Result<(), DatabaseError> {
        self.tx.rollback().await
    }

    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        self.tx.connection()
    }
}
