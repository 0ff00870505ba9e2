//! The replica of the test server, which has every test's database a moment later.

use crate::TestDatabase;
use souk_postgres::Database;
use sqlx::{Connection as _, PgConnection};

/// The environment variable with the URL of the test server's replica, by a superuser. `script/test`
/// and `cargo xtask postgres -- COMMAND` set it.
pub const REPLICA_URL_VARIABLE: &str = "SOUK_TEST_REPLICA_URL";

/// Held by a test that stops the replica, against others that want it to go on. All tests share it.
const PAUSE_LOCK: i64 = 0x5061_7573;

/// A test's database on the replica.
#[derive(Debug)]
pub struct TestReplica {
    url: String,
    primary: PgConnection,
    replica: PgConnection,
}

impl TestReplica {
    /// The replica of `db`, for this test alone until it is dropped.
    ///
    /// # Panics
    /// When there is no replica; the message says how to get one.
    pub async fn of(db: &TestDatabase) -> Self {
        #[allow(
            clippy::disallowed_methods,
            reason = "tests get their servers from the environment"
        )]
        let server = std::env::var(REPLICA_URL_VARIABLE).unwrap_or_else(|_| {
            panic!(
                "{REPLICA_URL_VARIABLE} is not set: run script/test, or cargo xtask postgres -- …"
            )
        });
        // The lock is of the server's own database, so that all tests meet there.
        let mut primary = PgConnection::connect_with(db.server())
            .await
            .expect("the server answers");
        sqlx::query("SELECT pg_advisory_lock($1)")
            .bind(PAUSE_LOCK)
            .execute(&mut primary)
            .await
            .expect("the lock comes free");
        let replica = PgConnection::connect(&server)
            .await
            .expect("the replica answers");
        let (server, _) = server.rsplit_once('/').expect("the URL has a database");
        let mut this = Self {
            url: format!("{server}/{}", db.name()),
            primary,
            replica,
        };
        // A test that was killed may have left it stopped.
        this.resume().await;
        this.until_caught_up().await;
        this
    }

    /// The test's database there, by `role`, with its own pool.
    pub fn by_role(&self, role: &str) -> Database {
        let mark = if self.url.contains('?') { '&' } else { '?' };
        let url = format!(
            "{}{mark}options=-c%20role%3D{role}%20-c%20enable_seqscan%3Doff",
            self.url
        );
        Database::connect_lazily(&url, 4).expect("the URL is valid")
    }

    /// From now on nothing new can be seen there.
    pub async fn pause(&mut self) {
        self.execute("SELECT pg_wal_replay_pause()").await;
        while !self
            .says("SELECT pg_get_wal_replay_pause_state() = 'paused'")
            .await
        {
            tokio::task::yield_now().await;
        }
    }

    /// Lets it go on.
    pub async fn resume(&mut self) {
        self.execute("SELECT pg_wal_replay_resume()").await;
    }

    /// Waits until everything that has been committed until now can be seen there.
    pub async fn until_caught_up(&mut self) {
        let position: String = sqlx::query_scalar("SELECT pg_current_wal_flush_lsn()::text")
            .fetch_one(&mut self.primary)
            .await
            .expect("the server answers");
        loop {
            let arrived: bool = sqlx::query_scalar("SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn")
                .bind(&position)
                .fetch_one(&mut self.replica)
                .await
                .expect("the replica answers");
            if arrived {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn execute(&mut self, sql: &'static str) {
        sqlx::raw_sql(sql)
            .execute(&mut self.replica)
            .await
            .expect("the replica answers");
    }

    async fn says(&mut self, sql: &'static str) -> bool {
        sqlx::query_scalar(sql)
            .fetch_one(&mut self.replica)
            .await
            .expect("the replica answers")
    }
}
