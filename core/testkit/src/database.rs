//! A database per test, copied from a template that has the schema.

use crate::RoundTrips;
use crate::leftovers::{self, LEFT_MAX};
use core::hash::Hasher as _;
use souk_postgres::{Database, DatabaseError, MIGRATOR};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::fmt::Write as _;
use std::hash::DefaultHasher;
use std::str::FromStr;

/// The environment variable with the URL of a test server, by a superuser. `script/test` sets it;
/// `cargo xtask postgres -- COMMAND` runs a command with a throw-away server in it.
pub const SERVER_URL_VARIABLE: &str = "SOUK_TEST_POSTGRES_URL";

/// How many events are still to be published, those in quarantine included.
pub const UNPUBLISHED: &str = "SELECT count(*) FROM souk.outbox_events e \
    WHERE souk.is_unsent(e.lane, e.position, e.written_in)";

/// Serialises the making of the template among test processes.
const TEMPLATE_LOCK: i64 = 0x536f_756b;
/// Connections of one role in one test, at most.
const CONNECTIONS_MAX: u32 = 24;

/// A database that one test owns, with the schema and nothing in it.
#[derive(Debug, Clone)]
pub struct TestDatabase {
    server: PgConnectOptions,
    server_url: String,
    name: String,
    superuser: PgPool,
}

impl TestDatabase {
    /// Makes one.
    ///
    /// # Panics
    /// When there is no server; the message says how to get one.
    pub async fn create() -> Self {
        let (server, server_url) = test_server();
        let template = ensure_template(&server)
            .await
            .expect("the template can be made");
        Self::create_from(server, server_url, Some(&template)).await
    }

    /// Makes one on the server at `server_url`, a superuser's, which the test may stop and start.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn create_on(server_url: &str) -> Self {
        let server = PgConnectOptions::from_str(server_url).expect("the server's URL is valid");
        let template = ensure_template(&server)
            .await
            .expect("the template can be made");
        Self::create_from(server, server_url.to_owned(), Some(&template)).await
    }

    /// Makes one without any schema.
    pub(crate) async fn create_empty() -> Self {
        let (server, server_url) = test_server();
        Self::create_from(server, server_url, None).await
    }

    async fn create_from(
        server: PgConnectOptions,
        server_url: String,
        template: Option<&str>,
    ) -> Self {
        let name = leftovers::name();
        let mut admin = PgConnection::connect_with(&server)
            .await
            .expect("the server answers");
        leftovers::drop_leftovers(&mut admin, LEFT_MAX)
            .await
            .expect("the server answers");
        let template = template.map_or_else(String::new, |name| format!(" TEMPLATE {name}"));
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}{template}")))
            .execute(&mut admin)
            .await
            .expect("the template can be copied");
        admin.close().await.expect("the connection closes");
        let superuser = PgPoolOptions::new()
            .max_connections(4)
            .connect_lazy_with(server.clone().database(&name));
        Self {
            server,
            server_url,
            name,
            superuser,
        }
    }

    /// The database as the functions see it: role `souk_app`.
    pub fn app(&self) -> Database {
        self.by_role("souk_app", CONNECTIONS_MAX)
    }

    /// The database as the relay sees it: role `souk_relay`.
    pub fn relay(&self) -> Database {
        self.by_role("souk_relay", CONNECTIONS_MAX)
    }

    /// The database by `role`, with its own pool.
    pub fn by_role(&self, role: &str, connections_max: u32) -> Database {
        Database::connect_lazily(&self.url_by_role(role), connections_max)
            .expect("the URL is valid")
    }

    /// A URL that logs in and becomes `role` at once: row level security then applies as it does to
    /// the role itself; so do the settings that the role gets when it logs in.
    pub fn url_by_role(&self, role: &str) -> String {
        let mut url = self.url();
        write!(
            url,
            "{}options=-c%20role%3D{role}%20-c%20enable_seqscan%3Doff",
            if url.contains('?') { '&' } else { '?' }
        )
        .expect("writing to a string succeeds");
        url
    }

    /// The database by the app's role over one connection, behind a counter of its round trips.
    ///
    /// # Panics
    /// When the server does not listen on an address of this machine.
    pub async fn app_counted(&self) -> (Database, RoundTrips) {
        let (host, port) = (self.server.get_host(), self.server.get_port());
        let address = tokio::net::lookup_host((host, port))
            .await
            .ok()
            .and_then(|mut found| found.next())
            .expect("the server listens on this machine");
        let counter = RoundTrips::before(address).await;
        let there = format!("{host}:{port}");
        let here = counter.address().to_string();
        let url = self.url_by_role("souk_app");
        assert!(url.contains(&there), "{url} does not name {there}");
        let url = url.replacen(&there, &here, 1);
        let database = Database::connect_lazily(&url, 1).expect("the URL is valid");
        (database, counter)
    }

    /// The password of who logs in at its server, if there is one.
    pub(crate) fn password(&self) -> Option<&str> {
        let (_, rest) = self.server_url.split_once("://")?;
        let (credentials, _) = rest.split_once('@')?;
        Some(credentials.split_once(':')?.1)
    }

    /// Its name on the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A URL of this database, by the superuser.
    pub fn url(&self) -> String {
        let (before_query, query) = match self.server_url.split_once('?') {
            Some((before, query)) => (before, format!("?{query}")),
            None => (self.server_url.as_str(), String::new()),
        };
        let server = before_query
            .rsplit_once('/')
            .map_or(before_query, |(server, _)| server);
        format!("{server}/{}{query}", self.name)
    }

    /// The database by the superuser, whom row level security does not bind.
    pub fn superuser(&self) -> Database {
        Database::connect_lazily(&self.url(), 4).expect("the URL is valid")
    }

    /// A pool by the superuser, for statements that no crate has.
    pub const fn pool(&self) -> &PgPool {
        &self.superuser
    }

    /// The single number that `sql` asks for, by the superuser.
    pub async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql)
            .fetch_one(&self.superuser)
            .await
            .expect("the query runs")
    }

    /// One text from the database, by the superuser.
    pub async fn text(&self, sql: &'static str) -> String {
        sqlx::query_scalar(sql)
            .fetch_one(&self.superuser)
            .await
            .expect("the query gives a text")
    }

    /// The single number that `sql` asks for, where the server may be away: then none.
    pub async fn try_number(&self, sql: &str) -> Option<i64> {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
            .fetch_one(&self.superuser)
            .await
            .ok()
    }

    /// Runs `sql`, one or more statements, by the superuser.
    pub async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&self.superuser)
            .await
            .expect("the statement runs");
    }

    /// Runs `sql`, one or more statements, by the superuser, who may be refused: then the words of the
    /// refusal.
    pub async fn try_execute(&self, sql: &str) -> Result<(), String> {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&self.superuser)
            .await;
        done.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Runs `sql` by the superuser in a transaction that stays open, with its locks, until it is told
    /// to end.
    pub async fn hold(&self, sql: &str) -> HeldTransaction {
        let mut tx = self.superuser.begin().await.expect("the server answers");
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut *tx)
            .await
            .expect("the statement runs");
        HeldTransaction(tx)
    }

    /// Waits until `backends` sessions of this database wait for a lock.
    pub async fn until_waiting_for_locks(&self, backends: i64) {
        let waiting = "SELECT count(*) FROM pg_stat_activity \
                       WHERE wait_event_type = 'Lock' AND datname = current_database()";
        while self.number(waiting).await < backends {
            tokio::task::yield_now().await;
        }
    }

    /// Options to connect to the server's own database, by the superuser.
    pub const fn server(&self) -> &PgConnectOptions {
        &self.server
    }
}

/// A database that somebody else owns, to look into.
#[derive(Debug)]
pub struct Probe(PgPool);

impl Probe {
    /// Looks into the database at `url`, by a superuser.
    pub fn new(url: &str) -> Self {
        let options = PgConnectOptions::from_str(url).expect("the URL is valid");
        Self(
            PgPoolOptions::new()
                .max_connections(2)
                .connect_lazy_with(options),
        )
    }

    /// The single number that `sql` asks for.
    pub async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
            .fetch_one(&self.0)
            .await
            .expect("the query runs")
    }
}

/// A transaction of somebody else, still open.
#[derive(Debug)]
pub struct HeldTransaction(sqlx::Transaction<'static, sqlx::Postgres>);

impl HeldTransaction {
    /// Runs `sql` in it.
    pub async fn execute(&mut self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut *self.0)
            .await
            .expect("the statement runs");
    }

    /// Commits it.
    pub async fn commit(self) {
        self.0.commit().await.expect("the transaction commits");
    }

    /// Undoes it.
    pub async fn rollback(self) {
        self.0.rollback().await.expect("the transaction rolls back");
    }
}

/// The server of the tests, and its URL.
fn test_server() -> (PgConnectOptions, String) {
    #[allow(
        clippy::disallowed_methods,
        reason = "tests get their server from the environment"
    )]
    let url = std::env::var(SERVER_URL_VARIABLE).unwrap_or_else(|_| {
        panic!("{SERVER_URL_VARIABLE} is not set: run script/test, or cargo xtask postgres -- …")
    });
    let server = PgConnectOptions::from_str(&url).expect("the server's URL is valid");
    (server, url)
}

/// Makes the template once per state of the migrations and server.
async fn ensure_template(server: &PgConnectOptions) -> Result<String, DatabaseError> {
    // A name has 63 bytes at most, and migrations become more.
    let mut checksum = DefaultHasher::new();
    for migration in MIGRATOR.iter() {
        checksum.write(&migration.checksum);
    }
    let name = format!("souk_template_{:016x}", checksum.finish());
    let mut admin = PgConnection::connect_with(server).await?;
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(TEMPLATE_LOCK)
        .execute(&mut admin)
        .await?;
    let ready: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate)",
    )
    .bind(&name)
    .fetch_one(&mut admin)
    .await?;
    if !ready {
        // A leftover without the template mark was not finished.
        sqlx::raw_sql(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name}")))
            .execute(&mut admin)
            .await?;
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&mut admin)
            .await?;
        let mut schema = PgConnection::connect_with(&server.clone().database(&name)).await?;
        MIGRATOR
            .run(&mut schema)
            .await
            .map_err(DatabaseError::Migration)?;
        schema.close().await?;
        sqlx::raw_sql(AssertSqlSafe(format!(
            "ALTER DATABASE {name} IS_TEMPLATE true"
        )))
        .execute(&mut admin)
        .await?;
    }
    // Ends the session, and with it the lock.
    admin.close().await?;
    Ok(name)
}
