//! `relay-sqs`: what taking events from Postgres, in order, costs beside sending them.
//!
//! Both send to a queue of the same server, with the same client, full batches, as many requests at a
//! time. The peer has its events in memory, and no order to keep.

use super::{Outcome, Settings};
use crate::machine::Machine;
use crate::outbox::Outbox;
use crate::queues::Queues;
use crate::relaying::{Done, start_relay};
use crate::report::Limit;
use crate::rounds::{Comparison, Measure, Round, in_turns};
use crate::worker::Worker;
use anyhow::{Result, ensure};
use serde_json::json;
use tokio::sync::Mutex;

const EVENTS: u64 = 20_000;

pub(super) async fn run(settings: &Settings<'_>) -> Result<Outcome> {
    let machine = Machine::look();
    let (pairs, events) = settings.pick((6, EVENTS), (1, 500));
    let places = settings.places;
    let queues = Queues::start(&places.node, &places.bench).await?;
    let outbox = Outbox::open(settings.server).await?;
    let worker = Mutex::new(start_relay(&outbox.relay_url(), Some(&queues)).await?);
    let relayed = async || {
        outbox.fill(events).await?;
        outbox.settle(settings.quick).await?;
        into_queue(&queues, &mut *worker.lock().await, "sqs", None, events).await
    };
    let bare = async || {
        into_queue(
            &queues,
            &mut *worker.lock().await,
            "bare",
            Some(events),
            events,
        )
        .await
    };
    eprintln!("{pairs} rounds of {events} events");
    if !settings.quick {
        relayed().await?;
        bare().await?;
    }
    let (ours, peer) = in_turns(pairs, relayed, bare).await?;
    worker.into_inner().stop().await?;
    queues.stop().await?;
    let compared = Comparison::new(
        "into a queue",
        Measure::Throughput,
        ("the relay, from Postgres", &ours),
        ("SendMessageBatch in a loop, from memory", &peer),
    )?;
    Ok(Outcome {
        machine,
        ratio: compared.ratio,
        limit: Limit::AtLeast(0.8),
        notes: vec![
            "the queue server shares the machine, and is the slowest part of both".to_owned(),
        ],
        facts: json!({ "events": events }),
        comparisons: vec![compared],
    })
}

/// Has `events` sent to a new queue, and fails unless it has each of them once.
async fn into_queue(
    queues: &Queues,
    worker: &mut Worker,
    verb: &str,
    count: Option<u64>,
    events: u64,
) -> Result<Round> {
    let url = queues.make(true).await?;
    let count = count.map_or_else(String::new, |count| format!(" {count}"));
    let before = worker.cpu_time();
    let done: Done = worker.ask(&format!("{verb} {url}{count}")).await?;
    let after = worker.cpu_time();
    let arrived = queues.count(&url).await?;
    ensure!(
        done.published == events && arrived == events,
        "{} of {events} events were sent, {arrived} arrived",
        done.published
    );
    queues.remove(&url).await?;
    let mut round = Round::of(events, done.elapsed())?;
    round.server_cpu = after
        .zip(before)
        .map(|(after, before)| after.saturating_sub(before));
    Ok(round)
}
