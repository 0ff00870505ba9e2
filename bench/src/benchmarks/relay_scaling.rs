//! `relay-scaling`: several relays on one backlog.
//!
//! Where the queue answers after some milliseconds, as one over a network does, a relay waits most of its
//! time, and more of them get more done. Where the queue costs nothing, the machine is the limit, and more
//! relays only have to do no harm.

use super::{Outcome, Settings};
use crate::machine::Machine;
use crate::outbox::Outbox;
use crate::relaying::{Done, start_relay};
use crate::report::Limit;
use crate::rounds::{Comparison, Measure, Round, in_turns};
use crate::worker::Worker;
use anyhow::{Result, ensure};
use core::cell::Cell;
use serde_json::json;
use tokio::sync::Mutex;

/// How far away the queue is.
const AWAY_MS: u64 = 10;
const RELAYS: [usize; 2] = [4, 2];

pub(super) async fn run(settings: &Settings<'_>) -> Result<Outcome> {
    let machine = Machine::look();
    let outbox = Outbox::open(settings.server).await?;
    let (far, near) = settings.pick((20_000, 150_000), (400, 400));
    let mut comparisons = Vec::new();
    let twice = Cell::new(0);
    for relays in settings.some_of(&RELAYS) {
        let name = format!("{relays} relays, a queue {AWAY_MS} ms away");
        let backlog = Backlog {
            events: far,
            away_ms: AWAY_MS,
        };
        comparisons.push(compare(settings, &outbox, (&name, relays), backlog, &twice).await?);
    }
    let name = "4 relays, a queue that costs nothing";
    let backlog = Backlog {
        events: near,
        away_ms: 0,
    };
    comparisons.push(compare(settings, &outbox, (name, 4), backlog, &twice).await?);
    let ratio = comparisons.first().map_or(f64::NAN, |first| first.ratio);
    Ok(Outcome {
        machine,
        ratio,
        limit: Limit::None,
        notes: vec![
            "the ratio is that of 4 relays to one, with a queue over a network".to_owned(),
            format!("{} events were sent twice, in all rounds", twice.get()),
        ],
        facts: json!({ "away_ms": AWAY_MS, "events_sent_twice": twice.get() }),
        comparisons,
    })
}

#[derive(Debug, Clone, Copy)]
struct Backlog {
    events: u64,
    away_ms: u64,
}

async fn compare(
    settings: &Settings<'_>,
    outbox: &Outbox<'_>,
    (name, relays): (&str, usize),
    backlog: Backlog,
    twice: &Cell<u64>,
) -> Result<Comparison> {
    let mut workers = Vec::with_capacity(relays);
    for _ in 0..relays {
        workers.push(start_relay(&outbox.relay_url(), None).await?);
    }
    let workers = Mutex::new(workers);
    let round = async |count: usize| {
        let mut workers = workers.lock().await;
        let some = workers.get_mut(..count).unwrap_or_default();
        round(settings, outbox, some, backlog, twice).await
    };
    eprintln!("{name}: {} events a round", backlog.events);
    if !settings.quick {
        round(relays).await?;
    }
    let pairs = settings.pick(3, 1);
    let (ours, peer) =
        in_turns(pairs, async || round(relays).await, async || round(1).await).await?;
    for worker in workers.into_inner() {
        worker.stop().await?;
    }
    let several = format!("{relays} relays");
    Comparison::new(
        name,
        Measure::Throughput,
        (&several, &ours),
        ("one relay", &peer),
    )
}

/// All `workers` at once, until nothing is left.
async fn round(
    settings: &Settings<'_>,
    outbox: &Outbox<'_>,
    workers: &mut [Worker],
    backlog: Backlog,
    twice: &Cell<u64>,
) -> Result<Round> {
    outbox.fill(backlog.events).await?;
    outbox.settle(settings.quick).await?;
    for worker in &mut *workers {
        worker.say(&format!("null {}", backlog.away_ms)).await?;
    }
    let (mut published, mut longest) = (0, core::time::Duration::ZERO);
    for worker in &mut *workers {
        let done: Done = worker.answer().await?;
        published += done.published;
        longest = longest.max(done.until_last());
    }
    ensure!(
        published >= backlog.events,
        "{published} of {} events",
        backlog.events
    );
    twice.set(twice.get() + published - backlog.events);
    for worker in workers.iter_mut().take(1) {
        let again: Done = worker.ask("null 0").await?;
        ensure!(again.published == 0, "{} events were left", again.published);
    }
    Round::of(backlog.events, longest)
}
