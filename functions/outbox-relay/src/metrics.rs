//! What a run did and how the outboxes stand, for CloudWatch: one line a run.

use futures::future::join_all;
use souk_app::relay::OutboxStatus;
use souk_app::{Clock as _, Database, RelayReport, ShardsReport, outbox_status};
use souk_runtime::adapters::SystemClock;
use souk_runtime::batch::with_causes;
use souk_runtime::metrics::{Histogram, MetricDocument, Unit};
use std::time::Duration;

/// Writes the metrics of a run over `shards`. A shard that does not answer is left out: that it failed is
/// told by the run.
pub async fn emit_metrics(shards: &[Database], report: &ShardsReport) {
    let mut stands = Vec::with_capacity(shards.len());
    for (shard, status) in shards
        .iter()
        .zip(join_all(shards.iter().map(outbox_status)).await)
    {
        match status {
            Ok(status) => stands.push(status),
            Err(error) => {
                let cause = with_causes(&error);
                tracing::warn!(shard.name = %shard.shard(), cause, "how an outbox stands is not known");
            }
        }
    }
    document(&report.total, &stands).emit();
}

/// The metrics of a run and of how outboxes stand after it.
fn document(run: &RelayReport, stands: &[OutboxStatus]) -> MetricDocument {
    let mut lag = Histogram::default();
    for (milliseconds, events) in &run.lag_ms {
        lag.record_many(*milliseconds, *events);
    }
    let sent = run
        .published
        .saturating_add(run.failed)
        .saturating_add(run.unreached);
    let mut document = MetricDocument::new("Souk", SystemClock.now())
        .dimension("Function", "souk-outbox-relay")
        .metric("EventsPublished", Unit::Count, run.published)
        .metric("EventsFailed", Unit::Count, run.failed)
        .metric("EventsUnreached", Unit::Count, run.unreached)
        .metric("EventsQuarantinedNow", Unit::Count, run.quarantined)
        .metric("LeaseTakeovers", Unit::Count, run.lanes_taken_over)
        .metric("LanesLost", Unit::Count, run.lanes_lost)
        .property("out_of_time", run.out_of_time)
        .histogram("CommitToQueueLag", Unit::Milliseconds, &lag);
    // Hundredths of a full request.
    if let Some(fill) = sent.saturating_mul(10).checked_div(run.requests) {
        document = document.metric("BatchFill", Unit::Percent, fill);
    }
    if stands.is_empty() {
        return document;
    }
    let backlogs: Vec<(u64, bool)> = stands.iter().map(OutboxStatus::backlog).collect();
    let oldest = stands
        .iter()
        .filter_map(OutboxStatus::oldest_unsent_age)
        .max();
    let horizon = stands.iter().map(OutboxStatus::horizon_age).max();
    document
        .metric("Backlog", Unit::Count, backlogs.iter().map(|b| b.0).sum())
        // Counting stops at a bound: then there are that many, or more.
        .property("backlog_is_a_lower_bound", backlogs.iter().any(|b| b.1))
        .metric(
            "Quarantined",
            Unit::Count,
            stands.iter().map(OutboxStatus::quarantined).sum(),
        )
        .metric("OldestUnsentAge", Unit::Seconds, seconds(oldest))
        .metric("HorizonAge", Unit::Seconds, seconds(horizon))
}

fn seconds(age: Option<Duration>) -> u64 {
    age.unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;
    use serde_json::Value;
    use std::collections::BTreeMap;

    #[test]
    fn a_run_is_one_line_of_metrics() {
        let run = RelayReport {
            published: 25,
            requests: 5,
            lag_ms: BTreeMap::from([(12, 24), (300, 1)]),
            ..RelayReport::default()
        };
        let stand = OutboxStatus {
            relays: 1,
            lanes: Vec::new(),
        };
        let lines = document(&run, &[stand]).lines().unwrap();
        assert_eq!(lines.len(), 1);
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["BatchFill"], 50, "half of what fits was in a request");
        assert_eq!(line["EventsPublished"], 25);
        assert_eq!(line["CommitToQueueLag"]["Count"], 25);
        assert_eq!(line["Backlog"], 0);
        assert_eq!(line["backlog_is_a_lower_bound"], false);
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let lines = document(&RelayReport::default(), &[]).lines().unwrap();
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        for absent in ["Backlog", "HorizonAge", "BatchFill", "CommitToQueueLag"] {
            assert!(line.get(absent).is_none(), "{absent}");
        }
    }
}
