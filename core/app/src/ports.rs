//! The borders to what is not ours: time, identity, the queue, the PSP, the vault of keys and what signs with them.

mod payment_provider;
mod signing_keys;

use core::future::Future;
pub use payment_provider::{
    MovementPage, PaymentProvider, ProviderCommand, ProviderError, ProviderRequest,
};
pub use signing_keys::{EdgeSigner, KeptRing, KeyStoreError, KeyVault};
use souk_domain::{EventId, Timestamp};
use uuid::Uuid;

/// Tells the time. Read once a request.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Makes identities.
pub trait IdGenerator: Send + Sync {
    /// A UUID version 7 (RFC 9562, section 5.7) of the instant `now`, never given before.
    fn uuid_v7(&self, now: Timestamp) -> Uuid;
}

/// An event on its way to a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingEvent {
    /// Deduplicates deliveries.
    pub event_id: EventId,
    /// Messages of one group are delivered in order: the aggregate's id.
    pub group: String,
    /// Such as `order.placed.v1`.
    pub event_type: String,
    /// The event's JSON text.
    pub body: String,
}

/// Whose fault it is that the queue has not taken an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PublishErrorKind {
    /// The event's: sent again unchanged, it will be refused again.
    Refused,
    /// The queue's, or that of the way to it: transport, throttling, time, a fault of the server. It
    /// may have been taken.
    Unavailable,
}

/// Why the queue has not taken an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PublishError {
    /// Whose fault it is.
    pub kind: PublishErrorKind,
    /// In words for an operator.
    pub reason: String,
}

impl PublishError {
    /// The queue does not want the event.
    #[must_use]
    pub fn refused(reason: impl Into<String>) -> Self {
        Self {
            kind: PublishErrorKind::Refused,
            reason: reason.into(),
        }
    }

    /// The queue could not be reached, or did not do its part.
    #[must_use]
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self {
            kind: PublishErrorKind::Unavailable,
            reason: reason.into(),
        }
    }
}

/// Puts events into a queue that keeps the order within a group.
pub trait EventPublisher: Send + Sync {
    /// Sends a batch that fits the queue's limits. Answers for each event, in the batch's order,
    /// whether the queue has taken it; where that is not known, it says no, and the event is sent
    /// again. Bounded in time by the implementation.
    fn publish(
        &self,
        batch: &[OutgoingEvent],
    ) -> impl Future<Output = Vec<Result<(), PublishError>>> + Send;
}
