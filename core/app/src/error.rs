//! Why a use case did not do what was asked.

use crate::webhooks::WebhookRefusal;
use crate::{CatalogRefusal, ProviderError};
use souk_domain::payment::PaymentError;
use souk_domain::pricing::QuoteError;
use souk_domain::{EventError, OrderError, Sku, Timestamp, TimestampError};
use souk_postgres::DatabaseError;

/// The one error of this crate's border. Except for [`AppError::Database`] of the kind
/// [`DatabaseError::Unavailable`], every error means that nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The first request with this idempotency key still runs.
    #[error("a request with this idempotency key is still running")]
    KeyInFlight {
        /// Seconds after which it may have ended, at least 1.
        retry_after_s: u32,
    },
    /// The idempotency key belongs to another request.
    #[error("the idempotency key was used for another request")]
    KeyReused(Box<KeyReuse>),
    /// Nothing is known of the idempotency key.
    #[error("nothing is known of this idempotency key")]
    KeyUnknown,
    /// A recovery point has left what this version of Souk cannot read or write.
    #[error("the state of a recovery point is not valid")]
    RecoveryState(#[source] serde_json::Error),
    /// The tenant has no such order.
    #[error("no such order")]
    OrderNotFound,
    /// The tenant has no such payment intent.
    #[error("no such payment intent")]
    PaymentIntentNotFound,
    /// The tenant has no such refund.
    #[error("no such refund")]
    RefundNotFound,
    /// The tenant has no such dispute.
    #[error("no such dispute")]
    DisputeNotFound,
    /// The domain refuses what was asked of a payment.
    #[error(transparent)]
    Payment(#[from] PaymentError),
    /// The PSP cannot be asked.
    #[error("the payment provider cannot be asked")]
    Provider(#[from] ProviderError),
    /// The order is not in the version that the command is meant for.
    #[error("the order is in version {current}")]
    VersionMismatch {
        /// The version it is in.
        current: u64,
    },
    /// Too few units are left.
    #[error("insufficient stock")]
    InsufficientStock {
        /// Of these.
        skus: Vec<Sku>,
    },
    /// Prices changed again and again while the order was priced.
    #[error("prices are changing")]
    PricesChanging,
    /// The domain refuses.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// The quote is not accepted.
    #[error(transparent)]
    Quote(#[from] QuoteError),
    /// The catalog or the stock refuses.
    #[error(transparent)]
    Catalog(#[from] CatalogRefusal),
    /// A command about webhooks is refused.
    #[error(transparent)]
    Webhook(#[from] WebhookRefusal),
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

impl AppError {
    /// Whether the answer to the same request stays the same, so that it is stored under its key: what
    /// is not found and what the domain refuses. Not what depends on others (409, 429) or on how Souk
    /// fares (5xx), nor what the client corrects and sends again (malformed requests never get here).
    pub const fn is_final(&self) -> bool {
        match self {
            Self::OrderNotFound
            | Self::PaymentIntentNotFound
            | Self::RefundNotFound
            | Self::DisputeNotFound
            | Self::VersionMismatch { .. }
            | Self::Quote(_) => true,
            Self::Payment(error) => error.is_final(),
            Self::Order(error) => !matches!(
                error,
                OrderError::NotConfirmable { .. }
                    | OrderError::NotFulfillable { .. }
                    | OrderError::NotCompletable { .. }
                    | OrderError::NotCancellable { .. }
                    | OrderError::NotReinstatable { .. }
                    | OrderError::PartlyFulfilled
                    | OrderError::PaymentNotAllowed { .. }
                    | OrderError::ReservationIncomplete { .. }
            ),
            Self::Catalog(refusal) => refusal.is_final(),
            Self::Webhook(refusal) => refusal.is_final(),
            Self::KeyInFlight { .. }
            | Self::KeyReused(_)
            | Self::KeyUnknown
            | Self::Provider(_)
            | Self::RecoveryState(_)
            | Self::InsufficientStock { .. }
            | Self::PricesChanging
            | Self::Event(_)
            | Self::Clock(_)
            | Self::Database(_) => false,
        }
    }
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
