//! `relay-latency`: how long after its commit an event is in its queues.
//!
//! The peer is the shortest way there is, which loses events: the writer sends the event itself when it
//! has committed.

use super::{Outcome, Settings};
use crate::live::Live;
use crate::machine::Machine;
use crate::queues::Queues;
use crate::report::Limit;
use crate::rounds::{Comparison, Measure, Round, in_turns};
use crate::shop::Shop;
use anyhow::{Result, ensure};
use core::sync::atomic::Ordering;
use core::time::Duration;
use futures::StreamExt as _;
use futures::future::try_join_all;
use serde_json::json;
use souk_app::{EventPublisher, OutgoingEvent};
use souk_domain::Event;
use souk_runtime::doorbell::Doorbell;
use std::time::Instant;
use tokio::time::MissedTickBehavior;

/// Events per second of the second comparison.
const PER_SECOND: u32 = 500;
const PER_SECOND_QUICK: u32 = 50;
const OURS: &str = "outbox, doorbell, relay, three queues";
const PEER: &str = "the writer sends to the three queues itself";

pub(super) async fn run(settings: &Settings<'_>) -> Result<Outcome> {
    let machine = Machine::look();
    let places = settings.places;
    let queues = Queues::start(&places.node, &places.bench).await?;
    let shop = Shop::open(settings.server).await?;
    let live = Live::start(shop, queues, Duration::ZERO).await?;
    let publisher = live.publisher()?;
    let mut comparisons = Vec::new();
    let (pairs, events) = settings.pick((4, 50), (1, 5));
    one_by_one(&live, &publisher, 5, true).await?;
    let (ours, peer) = in_turns(
        pairs,
        async || one_by_one(&live, &publisher, events, true).await,
        async || one_by_one(&live, &publisher, events, false).await,
    )
    .await?;
    let name = "idle: each event alone, its doorbell silent before";
    comparisons.push(Comparison::new(
        name,
        Measure::P50,
        (OURS, &ours),
        (PEER, &peer),
    )?);
    let (pairs, seconds) = settings.pick((3, 5), (1, 1));
    let load = Load {
        per_second: settings.pick(PER_SECOND, PER_SECOND_QUICK),
        seconds,
    };
    let (ours, peer) = in_turns(
        pairs,
        async || at_a_rate(&live, &publisher, load, true).await,
        async || at_a_rate(&live, &publisher, load, false).await,
    )
    .await?;
    let name = format!("{} events/s, one sandbox's doorbell", load.per_second);
    comparisons.push(Comparison::new(
        &name,
        Measure::P50,
        (OURS, &ours),
        (PEER, &peer),
    )?);
    let runs = live.seen.take_runs().len();
    let swept = live.seen.swept.load(Ordering::Relaxed);
    drop(publisher);
    live.stop().await?;
    let ratio = comparisons.first().map_or(f64::NAN, |first| first.ratio);
    Ok(Outcome {
        machine,
        ratio,
        limit: Limit::None,
        notes: vec![
            "from the commit's answer to the last queue's; what Lambda takes between the doorbell's \
             message and the function is not in it"
                .to_owned(),
            format!("{swept} events were found by a sweep, since no ring was heard"),
        ],
        facts: json!({ "relay_runs": runs, "swept": swept, "events_per_second": load.per_second }),
        comparisons,
    })
}

/// Each event when the one before has arrived.
async fn one_by_one<P: EventPublisher>(
    live: &Live<'_>,
    publisher: &P,
    events: usize,
    by_outbox: bool,
) -> Result<Round> {
    let mut round = Round::new()?;
    let began = Instant::now();
    for _ in 0..events {
        // One that has been silent: a sandbox that has not rung for a while.
        let bell = doorbell(live);
        round.note(0, under_way(live, publisher, &bell, by_outbox).await?);
    }
    settled(live, by_outbox).await?;
    round.elapsed = began.elapsed();
    Ok(round)
}

/// So many events, evenly.
#[derive(Debug, Clone, Copy)]
struct Load {
    per_second: u32,
    seconds: u32,
}

async fn at_a_rate<P: EventPublisher>(
    live: &Live<'_>,
    publisher: &P,
    load: Load,
    by_outbox: bool,
) -> Result<Round> {
    let bell = doorbell(live);
    let count = u64::from(load.per_second * load.seconds);
    let began = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / load.per_second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut under_way_now = futures::stream::FuturesUnordered::new();
    let mut round = Round::new()?;
    let mut started = 0;
    while started < count {
        tokio::select! {
            _ = ticks.tick() => {
                under_way_now.push(under_way(live, publisher, &bell, by_outbox));
                started += 1;
            }
            Some(latency) = under_way_now.next() => round.note(0, latency?),
        }
    }
    while let Some(latency) = under_way_now.next().await {
        round.note(0, latency?);
    }
    ensure!(round.operations() == count, "{} events", round.operations());
    settled(live, by_outbox).await?;
    round.elapsed = began.elapsed();
    Ok(round)
}

fn doorbell(live: &Live<'_>) -> Doorbell {
    Doorbell::new(live.queues.client.clone(), live.doorbell_url.clone())
}

/// One event, from its commit to its queues.
async fn under_way<P: EventPublisher>(
    live: &Live<'_>,
    publisher: &P,
    bell: &Doorbell,
    by_outbox: bool,
) -> Result<Duration> {
    let event = live.event()?;
    let committed = live.write(&event).await?;
    if by_outbox {
        bell.ring().await;
        let arrived = live.arrival(event.id).await?;
        return Ok(arrived.saturating_duration_since(committed));
    }
    for outcome in publisher.publish(&[outgoing(&event)?]).await {
        outcome?;
    }
    let sent = committed.elapsed();
    live.arrival(event.id).await?;
    Ok(sent)
}

fn outgoing(event: &Event) -> Result<OutgoingEvent> {
    Ok(OutgoingEvent {
        event_id: event.id,
        group: event.subject.to_string(),
        event_type: event.data.type_name().to_owned(),
        body: event.to_json_text()?,
    })
}

/// What the peer has sent lies in the outbox as well: it goes before the next round.
async fn settled(live: &Live<'_>, by_outbox: bool) -> Result<()> {
    if by_outbox {
        return Ok(());
    }
    let last = live.event()?;
    live.write(&last).await?;
    doorbell(live).ring().await;
    try_join_all([live.arrival(last.id)]).await?;
    Ok(())
}
