//! Publishes the outboxes of all shards.

use crate::{EventPublisher, RelayReport, RelaySettings, relay_outbox};
use futures::future::join_all;
use souk_postgres::{Database, DatabaseError};
use std::collections::BTreeMap;
use tokio::time::Instant;

/// What became of each shard's outbox.
#[derive(Debug)]
pub struct ShardsReport {
    /// Of all shards that could be relayed, together.
    pub total: RelayReport,
    /// The shards that could not, by name: what waits there waits for the next run.
    pub failed: BTreeMap<String, DatabaseError>,
}

/// Runs [`relay_outbox`] for each of `shards` at the same time, until `stop_at`. A shard that fails,
/// or is slow, holds up no other.
pub async fn relay_shards<P: EventPublisher>(
    shards: &[Database],
    publisher: &P,
    settings: &RelaySettings,
    stop_at: Instant,
) -> ShardsReport {
    let runs = shards
        .iter()
        .map(|shard| relay_outbox(shard, publisher, settings, stop_at));
    let outcomes = join_all(runs).await;
    let mut report = ShardsReport {
        total: RelayReport::default(),
        failed: BTreeMap::new(),
    };
    for (shard, outcome) in shards.iter().zip(outcomes) {
        match outcome {
            Ok(one) => report.total = report.total.and(one),
            Err(error) => {
                report.failed.insert(shard.shard().to_string(), error);
            }
        }
    }
    report
}
