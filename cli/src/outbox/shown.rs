//! How the outboxes of all shards stand, in words and as JSON.

use core::fmt::Write as _;
use core::time::Duration;
use serde_json::{Value, json};
use souk_app::outbox::{LaneStatus, OutboxStatus};
use std::collections::BTreeMap;

/// Lanes that a relay holds are named up to so many.
const LANES_NAMED_MAX: usize = 16;

/// For people.
pub(super) fn in_words(shard: &str, status: &OutboxStatus) -> String {
    let (backlog, more) = status.backlog();
    let held: u64 = status.lanes.iter().map(|lane| u64::from(lane.held)).sum();
    let oldest = status
        .oldest_unsent_age()
        .map_or_else(|| "-".to_owned(), seconds);
    let at_least = if more { "at least " } else { "" };
    let mut text = format!("shard {shard}\n");
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  backlog      {at_least}{backlog}");
    let _ = writeln!(text, "  oldest       {oldest}");
    let _ = writeln!(text, "  held         {held}");
    let _ = writeln!(text, "  quarantined  {}", status.quarantined());
    let _ = writeln!(text, "  horizon age  {}", seconds(status.horizon_age()));
    let _ = writeln!(text, "  relays       {}", status.relays);
    for (holder, lanes) in holders(status) {
        let numbers: Vec<String> = lanes.iter().map(ToString::to_string).collect();
        let (named, rest) = numbers.split_at(numbers.len().min(LANES_NAMED_MAX));
        let more = if rest.is_empty() { "" } else { " …" };
        let count = lanes.len();
        let _ = writeln!(
            text,
            "    {holder}: {count} lanes: {}{more}",
            named.join(" ")
        );
    }
    for lane in status.lanes.iter().filter(|lane| lane.failures > 0) {
        let (number, failures, waits) = (lane.lane, lane.failures, seconds(lane.waits));
        let _ = writeln!(
            text,
            "    lane {number}: its queue was not reached {failures} times; next try in {waits}"
        );
    }
    text
}

/// For programs.
pub(super) fn as_json(shard: &str, status: &OutboxStatus) -> Value {
    let (backlog, more) = status.backlog();
    let busy = status.lanes.iter().filter(|lane| is_busy(lane));
    json!({
        "shard": shard,
        "backlog": backlog,
        "backlog_is_a_bound": more,
        "oldest_unsent_age_ms": status.oldest_unsent_age().map(millis),
        "held": status.lanes.iter().map(|lane| u64::from(lane.held)).sum::<u64>(),
        "quarantined": status.quarantined(),
        "horizon_age_ms": millis(status.horizon_age()),
        "relays": status.relays,
        "lanes_leased": holders(status),
        "lanes": busy.map(lane).collect::<Vec<_>>(),
    })
}

fn lane(lane: &LaneStatus) -> Value {
    json!({
        "lane": lane.lane,
        "holder": lane.holder,
        "backlog": lane.backlog,
        "held": lane.held,
        "quarantined": lane.quarantined,
        "oldest_unsent_age_ms": lane.oldest_unsent_age.map(millis),
        "failures": lane.failures,
        "waits_ms": millis(lane.waits),
        "horizon_age_ms": millis(lane.horizon_age),
    })
}

/// Whether there is something to tell of it.
fn is_busy(lane: &LaneStatus) -> bool {
    lane.holder.is_some()
        || lane.backlog > 0
        || lane.held > 0
        || lane.quarantined > 0
        || lane.failures > 0
        || !lane.horizon_age.is_zero()
}

fn holders(status: &OutboxStatus) -> BTreeMap<&str, Vec<i16>> {
    let mut holders: BTreeMap<&str, Vec<i16>> = BTreeMap::new();
    for lane in &status.lanes {
        if let Some(holder) = &lane.holder {
            holders.entry(holder).or_default().push(lane.lane);
        }
    }
    holders
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn seconds(duration: Duration) -> String {
    format!(
        "{}.{} s",
        duration.as_secs(),
        duration.subsec_millis() / 100
    )
}
