//! A directory per test, and databases by the role that owns their schema without being a superuser.

use crate::TestDatabase;
use souk_postgres::Database;
use souk_postgres::directory::Directory;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// The role that owns schemas in tests: bound by forced row level security, as in production.
pub const OWNER_ROLE: &str = "souk_test_owner";

impl TestDatabase {
    /// Makes an empty database with the directory's schema, owned by [`OWNER_ROLE`].
    ///
    /// # Panics
    /// When there is no server.
    pub async fn create_directory() -> Self {
        let db = Self::create_empty().await;
        db.make_owner().await;
        db.execute(&format!(
            "ALTER DATABASE {} OWNER TO {OWNER_ROLE}; GRANT CREATE ON SCHEMA public TO {OWNER_ROLE}",
            db.name()
        ))
        .await;
        db.directory()
            .migrate()
            .await
            .expect("the directory can be migrated");
        db
    }

    /// The directory, by its owner.
    pub fn directory(&self) -> Directory {
        Directory::on(self.by_role(OWNER_ROLE, 8))
    }

    /// The directory as the functions see it.
    pub fn directory_reader(&self) -> Directory {
        Directory::on(self.by_role("souk_directory_reader", 8))
    }

    /// The database by the role that owns its schema, which is made so, and is no superuser.
    pub async fn owner(&self) -> Database {
        self.make_owner().await;
        let statements: Vec<String> = sqlx::query_scalar(
            "SELECT 'ALTER SCHEMA souk OWNER TO ' || $1 \
             UNION ALL SELECT format('ALTER TABLE %s OWNER TO ', c.oid::regclass) || $1 \
             FROM pg_class c WHERE c.relnamespace = 'souk'::regnamespace AND c.relkind IN ('r', 'p') \
             UNION ALL SELECT format('ALTER FUNCTION %s OWNER TO ', p.oid::regprocedure) || $1 \
             FROM pg_proc p WHERE p.pronamespace = 'souk'::regnamespace",
        )
        .bind(OWNER_ROLE)
        .fetch_all(self.pool())
        .await
        .expect("the catalog can be read");
        self.execute(&statements.join("; ")).await;
        self.by_role(OWNER_ROLE, 8)
    }

    /// What the server says to `sql` by `role`, or by the superuser: none where it does it.
    pub async fn refusal(&self, role: Option<&str>, sql: &str) -> Option<String> {
        let url = role.map_or_else(|| self.url(), |role| self.url_by_role(role));
        let mut connection = PgConnection::connect(&url)
            .await
            .expect("the server answers");
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut connection)
            .await;
        done.err().map(|error| error.to_string())
    }

    /// The texts that `sql` asks for, by the superuser.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
            .fetch_all(self.pool())
            .await
            .expect("the query runs")
    }

    async fn make_owner(&self) {
        let create = format!(
            "DO $$ BEGIN CREATE ROLE {OWNER_ROLE} LOGIN CREATEROLE; \
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        );
        sqlx::raw_sql(AssertSqlSafe(create))
            .execute(self.pool())
            .await
            .expect("the role can be made");
    }
}
