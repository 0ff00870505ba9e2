//! Why a use case did not do what was asked.

use souk_domain::{EventError, OrderError, Sku, Timestamp, TimestampError};
use souk_postgres::DatabaseError;

/// The one error of this crate's border. Except for [`AppError::Database`] of the kind
/// [`DatabaseError::Unavailable`], every error means that nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The first request with this idempotency key still runs.
    #[error("a request with this idempotency key is still running")]
    KeyInFlight,
    /// The idempotency key belongs to another request.
    #[error("the idempotency key was used for another request")]
    KeyReused(Box<KeyReuse>),
    /// The tenant has no such order.
    #[error("no such order")]
    OrderNotFound,
    /// Too few units are left.
    #[error("insufficient stock")]
    InsufficientStock {
        /// Of these.
        skus: Vec<Sku>,
    },
    /// The domain refuses.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// The event cannot be written down.
    #[error("the event cannot be written")]
    Event(#[from] EventError),
    /// The clock shows a time that cannot be written.
    #[error("the clock is out of range")]
    Clock(#[from] TimestampError),
    /// The database refuses or fails.
    #[error("the database operation failed")]
    Database(#[from] DatabaseError),
}

/// Where an idempotency key was used first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyReuse {
    /// Method and route.
    pub operation: String,
    /// The resource that the first request made or changed.
    pub resource_id: Option<String>,
    /// When.
    pub first_used_at: Timestamp,
}
