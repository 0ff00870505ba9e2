//! What can go wrong at the database, sorted by what a caller can do about it.

use std::borrow::Cow;

/// A failed database operation. Display names the category only; the cause is the source.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// Another transaction held what this one wanted for too long, or the two collided. Nothing was
    /// changed; trying again is right. SQLSTATE 40001, 40P01, 55P03.
    #[error("the database is contended")]
    Contended(#[source] sqlx::Error),
    /// The database cannot be reached, shuts down, has no connection free or takes too long. When it
    /// happens at the end of a transaction, whether that transaction took effect is not known.
    #[error("the database is unavailable")]
    Unavailable(#[source] sqlx::Error),
    /// The tenant is being moved to another shard: it takes writes again in a few seconds. SQLSTATE
    /// SK001.
    #[error("writes of this tenant are held")]
    WritesHeld,
    /// The tenant is not served from this database. SQLSTATE SK002.
    #[error("this tenant is not served from here")]
    TenantElsewhere,
    /// A named constraint refused the change. Code matches on the name.
    #[error("constraint {name} refused the change")]
    Constraint {
        /// The constraint's name, as in the migrations.
        name: String,
        /// The database's error.
        #[source]
        source: sqlx::Error,
    },
    /// A stored value is none that this version of Souk writes.
    #[error("a stored {what} is not valid")]
    Corrupt {
        /// What was read.
        what: &'static str,
        /// Why it does not parse.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A value cannot be stored: it exceeds what its column holds.
    #[error("{what} does not fit its column")]
    OutOfRange {
        /// What was to be written.
        what: &'static str,
    },
    /// A migration failed.
    #[error("the schema could not be migrated")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// Anything else: a defect.
    #[error("unexpected database error")]
    Unexpected(#[source] sqlx::Error),
}

impl DatabaseError {
    /// No answer within the time that this side allows.
    pub(crate) fn timed_out() -> Self {
        let error = std::io::Error::from(std::io::ErrorKind::TimedOut);
        Self::Unavailable(sqlx::Error::Io(error))
    }

    /// Wraps a parse error of a stored value.
    pub(crate) fn corrupt(
        what: &'static str,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self::Corrupt {
            what,
            source: Box::new(source),
        }
    }
}

/// Appendix A of the PostgreSQL manual: states in which trying again is right.
const CONTENDED: [&str; 3] = ["40001", "40P01", "55P03"];
/// States in which the server is going away, full, or stopped the statement for its length.
const UNAVAILABLE: [&str; 6] = ["57P01", "57P02", "57P03", "53300", "57014", "25P03"];

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        let Some(database) = error.as_database_error() else {
            return if is_connection_error(&error) {
                Self::Unavailable(error)
            } else {
                Self::Unexpected(error)
            };
        };
        let code = database.code().unwrap_or(Cow::Borrowed(""));
        if CONTENDED.contains(&code.as_ref()) {
            return Self::Contended(error);
        }
        if UNAVAILABLE.contains(&code.as_ref()) || code.starts_with("08") {
            return Self::Unavailable(error);
        }
        match code.as_ref() {
            "SK001" => return Self::WritesHeld,
            "SK002" => return Self::TenantElsewhere,
            _ => {}
        }
        match database.constraint().map(str::to_owned) {
            Some(name) => Self::Constraint {
                name,
                source: error,
            },
            None => Self::Unexpected(error),
        }
    }
}

/// Whether the connection, not the statement, failed.
pub(crate) fn is_connection_error(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
    )
}
