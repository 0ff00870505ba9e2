//! Connections, kept between uses.
//!
//! A connection goes back to the pool without a word to the server, and is checked by its next use:
//! sqlx's own pool asks the server after each use, which would be a round trip more for every request.

use core::time::Duration;
use deadpool::Runtime;
use deadpool::managed::{
    self, BuildError, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult, Timeouts,
};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use tokio::time::timeout;

/// How long to wait for a connection, new or from the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection is closed after this time without use, below what proxies and firewalls drop.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// How long to say goodbye to the server; a connection that is merely dropped is reset instead.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Manager {
    options: PgConnectOptions,
}

impl managed::Manager for Manager {
    type Type = PgConnection;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<PgConnection, sqlx::Error> {
        PgConnection::connect_with(&self.options).await
    }

    async fn recycle(
        &self,
        _connection: &mut PgConnection,
        metrics: &Metrics,
    ) -> RecycleResult<sqlx::Error> {
        if metrics.last_used() < IDLE_TIMEOUT {
            return Ok(());
        }
        Err(RecycleError::message("unused for too long"))
    }
}

/// A pool of at most so many connections; the first use connects.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    pool: Pool<Manager>,
}

/// A connection in use. What is dropped before [`InUse::give_back`] is closed: it may be in the
/// middle of something.
#[derive(Debug)]
pub(crate) struct InUse(Option<Object<Manager>>);

impl Connections {
    pub(crate) fn new(options: PgConnectOptions, connections_max: u32) -> Result<Self, BuildError> {
        let max = usize::try_from(connections_max)
            .unwrap_or(usize::MAX)
            .max(1);
        let timeouts = Timeouts {
            wait: Some(ACQUIRE_TIMEOUT),
            create: Some(ACQUIRE_TIMEOUT),
            recycle: None,
        };
        let pool = Pool::builder(Manager { options })
            .max_size(max)
            .timeouts(timeouts)
            .runtime(Runtime::Tokio1)
            .build()?;
        Ok(Self { pool })
    }

    /// A connection, as soon as there is one. It may turn out to be dead.
    pub(crate) async fn take(&self) -> Result<InUse, sqlx::Error> {
        match self.pool.get().await {
            Ok(connection) => Ok(InUse(Some(connection))),
            Err(PoolError::Backend(error)) => Err(error),
            Err(PoolError::Closed) => Err(sqlx::Error::PoolClosed),
            Err(
                PoolError::Timeout(_)
                | PoolError::NoRuntimeSpecified
                | PoolError::PostCreateHook(_),
            ) => Err(sqlx::Error::PoolTimedOut),
        }
    }

    /// Closes all connections; those in use when they are given back.
    pub(crate) async fn close(&self) {
        let idle = self.pool.retain(|_, _| false);
        self.pool.close();
        for connection in idle.removed {
            // The server finds out by itself when the goodbye does not get through.
            let _late = timeout(CLOSE_TIMEOUT, connection.close()).await;
        }
    }
}

impl InUse {
    /// The connection.
    ///
    /// # Panics
    /// Never: it is there until it is given back, which takes `self`.
    #[allow(clippy::expect_used, reason = "an invariant of this type")]
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        self.0.as_mut().expect("a connection in use is there")
    }

    /// Back to the pool: nothing is open on it.
    pub(crate) fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(Object::take(connection));
        }
    }
}
