//! `relay`: how fast events come out of the outbox, when the queue costs nothing.
//!
//! Both sides work off a backlog that lies in Postgres, with bodies of the same length, in one process
//! with one programme: ours leases lanes and moves cursors, the peer locks jobs and deletes them.

use super::{Outcome, Settings};
use crate::machine::Machine;
use crate::outbox::Outbox;
use crate::relaying::{Done, start_graphile_worker, start_relay};
use crate::report::Limit;
use crate::rounds::{Comparison, Measure, Round, in_turns};
use crate::worker::Worker;
use anyhow::{Result, ensure};
use core::time::Duration;
use serde::Deserialize;
use serde_json::json;

const EVENTS: u64 = 200_000;
const JOBS: u64 = 100_000;

#[derive(Deserialize)]
struct Worked {
    jobs: u64,
    ms: f64,
}

pub(super) async fn run(settings: &Settings<'_>) -> Result<Outcome> {
    let machine = Machine::look();
    let (pairs, events, jobs) = settings.pick((6, EVENTS, JOBS), (1, 2_000, 2_000));
    let outbox = Outbox::open(settings.server).await?;
    let mut relay = start_relay(&outbox.relay_url(), None).await?;
    let database = settings.server.create_database().await?;
    let places = settings.places;
    let mut peer =
        start_graphile_worker(&places.node, &places.bench, database.url().as_str()).await?;
    eprintln!("{pairs} rounds of {events} events and {jobs} jobs, which are written first");
    if !settings.quick {
        // Plans, caches and compilers are nobody's figures.
        relayed(settings, &outbox, &mut relay, events / 4).await?;
        worked(&mut peer, jobs / 4).await?;
    }
    let (ours, others) = in_turns(
        pairs,
        async || relayed(settings, &outbox, &mut relay, events).await,
        async || {
            if !settings.quick {
                database.sql("CHECKPOINT", &[]).await?;
            }
            worked(&mut peer, jobs).await
        },
    )
    .await?;
    relay.stop().await?;
    peer.stop().await?;
    let compared = Comparison::new(
        "a backlog, to a queue that costs nothing",
        Measure::Throughput,
        ("one relay: leases, cursors, order kept", &ours),
        (
            "graphile-worker 0.18, localQueue 500, completion in batches, a task that does nothing",
            &others,
        ),
    )?;
    Ok(Outcome {
        machine,
        ratio: compared.ratio,
        limit: Limit::AtLeast(2.0),
        notes: vec![
            "p50 and p99 are the time for one event, a round's mean; the peer's clock runs from its \
             first job to its last"
                .to_owned(),
        ],
        facts: json!({ "events": events, "jobs": jobs }),
        comparisons: vec![compared],
    })
}

/// Fills the outbox and relays all of it.
async fn relayed(
    settings: &Settings<'_>,
    outbox: &Outbox<'_>,
    relay: &mut Worker,
    events: u64,
) -> Result<Round> {
    outbox.fill(events).await?;
    outbox.settle(settings.quick).await?;
    let before = relay.cpu_time();
    let done: Done = relay.ask("null 0").await?;
    let mut round = Round::of(done.published, done.elapsed())?;
    let after = relay.cpu_time();
    round.server_cpu = after
        .zip(before)
        .map(|(after, before)| after.saturating_sub(before));
    ensure!(
        done.published == events,
        "{} of {events} events",
        done.published
    );
    let again: Done = relay.ask("null 0").await?;
    ensure!(
        again.published == 0,
        "{} events came twice",
        again.published
    );
    Ok(round)
}

async fn worked(peer: &mut Worker, jobs: u64) -> Result<Round> {
    let before = peer.cpu_time();
    let done: Worked = peer.ask(&jobs.to_string()).await?;
    ensure!(done.jobs == jobs, "{} of {jobs} jobs", done.jobs);
    let mut round = Round::of(jobs, Duration::from_secs_f64(done.ms / 1e3))?;
    // Also for adding them, which is little.
    let after = peer.cpu_time();
    round.server_cpu = after
        .zip(before)
        .map(|(after, before)| after.saturating_sub(before));
    Ok(round)
}
