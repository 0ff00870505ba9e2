//! The relay: takes events out of the outbox and puts them into queues, in order, at least once.

mod decide;
mod holding;
mod null_publisher;
mod postgres_store;
mod relay_outbox;
mod relay_shards;
mod report;
mod routed_publisher;
mod sending;
mod settings;
mod store;

pub use decide::{
    Fate, Holds, RetryTerms, Sent, Settlement, backoff, entropy_of, into_batches, into_waves,
    judge, settle, to_outgoing, unmoved,
};
pub use null_publisher::NullPublisher;
pub use relay_outbox::relay_outbox;
pub use relay_shards::{ShardsReport, relay_shards};
pub use report::RelayReport;
pub use routed_publisher::{QueueMissing, RoutedPublisher};
pub use settings::RelaySettings;
pub use souk_postgres::outbox::{
    Failure, Found, LaneCursor, LaneLease, LaneProgress, LaneRelease, LaneStatus, LeaseTerms,
    Leased, LeasedLane, OutboxRead, OutboxStatus, ParkedEvent, PendingEvent, Progress, ReadLimits,
    Recorded, RecordedLane, Seen,
};
pub use store::OutboxStore;
