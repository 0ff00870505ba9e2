//! The relay: takes events out of the outbox and puts them into queues, in order, at least once.

mod decide;
mod null_publisher;
mod relay_outbox;
mod relay_shards;
mod routed_publisher;
mod store;

pub use decide::{
    Fate, Holds, RetryTerms, Sent, Settlement, backoff, entropy_of, into_batches, into_waves,
    judge, settle, to_outgoing, unmoved,
};
pub use null_publisher::NullPublisher;
pub use relay_outbox::{RelayReport, RelaySettings, relay_outbox};
pub use relay_shards::{ShardsReport, relay_shards};
pub use routed_publisher::{QueueMissing, RoutedPublisher};
pub use souk_postgres::outbox::{
    Failure, Found, LaneCursor, LaneLease, LaneProgress, LaneRelease, LeaseTerms, Leased,
    LeasedLane, OutboxRead, ParkedEvent, PendingEvent, Progress, ReadLimits, Recorded,
    RecordedLane, Seen,
};
pub use store::OutboxStore;
