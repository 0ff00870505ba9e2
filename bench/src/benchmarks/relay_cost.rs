//! `relay-cost`: what taking events from the outbox to their queues costs by AWS's price list, from what
//! the relay was seen to do under three shapes of load. docs/cost.md explains the table.

use super::{Outcome, Settings};
use crate::live::Live;
use crate::machine::Machine;
use crate::queues::Queues;
use crate::report::Limit;
use crate::rounds::{Comparison, Measure, Round};
use crate::shop::Shop;
use anyhow::{Context as _, Result};
use core::sync::atomic::Ordering;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use serde_json::json;
use souk_runtime::doorbell::Doorbell;
use std::path::Path;

const PRICES: &str = "../infra/prices/aws-2026-11.json";
/// How long SQS takes to answer, about, from a function in the same region.
const AWAY: Duration = Duration::from_millis(8);
/// Memory of the relay's function.
const MEMORY_GB: f64 = 0.25;
/// What Lambda counts of a run beside ours: the runtime's own work, about.
const BESIDE_MS: f64 = 2.0;
/// What a run writes to the log, Lambda's own lines included, about.
const LOG_BYTES: f64 = 1_500.0;
const SWEEPS_PER_MONTH: f64 = 60.0 * 24.0 * 30.0;
const SECONDS_PER_MONTH: f64 = 30.0 * 86_400.0;
const MILLION: f64 = 1e6;

#[derive(Debug, Deserialize)]
struct Prices {
    as_of: String,
    region: String,
    lambda: Lambda,
    sqs: Sqs,
    scheduler: Scheduler,
    logs: Logs,
    pollers: Pollers,
}

#[derive(Debug, Deserialize)]
struct Lambda {
    requests_per_million: f64,
    gb_second_arm64: f64,
}

#[derive(Debug, Deserialize)]
struct Sqs {
    standard_requests_per_million: f64,
    fifo_requests_per_million: f64,
}

#[derive(Debug, Deserialize)]
struct Scheduler {
    invocations_per_million: f64,
}

#[derive(Debug, Deserialize)]
struct Logs {
    ingested_per_gb: f64,
}

#[derive(Debug, Deserialize)]
struct Pollers {
    at_least: f64,
    long_poll_s: f64,
}

/// What was seen under one load.
#[derive(Debug, Clone, Copy, Serialize)]
struct Counts {
    events: u64,
    rings: u64,
    runs: u64,
    run_ms: f64,
    requests: u64,
}

/// Dollars for a million events, or for a month where there are none.
#[derive(Debug, Clone, Copy, Serialize)]
struct Cost {
    doorbell: f64,
    runs: f64,
    queues: f64,
    logs: f64,
}

impl Cost {
    fn total(self) -> f64 {
        self.doorbell + self.runs + self.queues + self.logs
    }
}

pub(super) async fn run(settings: &Settings<'_>) -> Result<Outcome> {
    let machine = Machine::look();
    let places = settings.places;
    let prices = prices(&places.bench.join(PRICES))?;
    let queues = Queues::start(&places.node, &places.bench).await?;
    let shop = Shop::open(settings.server).await?;
    let live = Live::start(shop, queues, AWAY).await?;
    let idle = idle(&live, settings.pick(20, 3)).await?;
    eprintln!("10 events a second");
    let (steady, of_steady) = steady(&live, settings.pick(30, 2)).await?;
    eprintln!("a burst");
    let (burst, of_burst) = burst(&live, settings.pick(5_000, 200)).await?;
    live.stop().await?;
    let (idle_month, per_steady, per_burst) = (
        a_month_of_nothing(&prices, idle),
        per_million(&prices, steady),
        per_million(&prices, burst),
    );
    let told = |name: &str, cost: Cost| {
        format!(
            "{name}: ${:.2} (doorbell {:.3}, runs {:.3}, queues {:.3}, logs {:.3})",
            cost.total(),
            cost.doorbell,
            cost.runs,
            cost.queues,
            cost.logs
        )
    };
    let compared = Comparison::new(
        "a run's time for one event",
        Measure::Throughput,
        ("in a burst", &[of_burst]),
        ("at 10 events a second", &[of_steady]),
    )?;
    Ok(Outcome {
        machine,
        ratio: per_burst.total() / per_steady.total(),
        limit: Limit::None,
        notes: vec![
            format!("prices of {}, {}", prices.as_of, prices.region),
            told("a month without events", idle_month),
            told("a million events at 10 a second", per_steady),
            told("a million events in bursts", per_burst),
            "the ratio is that of the last two".to_owned(),
        ],
        facts: json!({
            "counts": { "idle": idle, "steady": steady, "burst": burst },
            "dollars": { "idle_month": idle_month, "steady": per_steady, "burst": per_burst },
        }),
        comparisons: vec![compared],
    })
}

fn prices(path: &Path) -> Result<Prices> {
    let text = std::fs::read_to_string(path);
    let text = text.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(serde_json::from_str(&text)?)
}

fn doorbell(live: &Live<'_>) -> Doorbell {
    Doorbell::new(live.queues.client.clone(), live.doorbell_url.clone())
}

/// Runs that find nothing: those of the sweep.
async fn idle(live: &Live<'_>, runs: u64) -> Result<Counts> {
    let before = count(live);
    let mut seen = 0;
    while seen < runs {
        doorbell(live).ring().await;
        while live.seen.rings.load(Ordering::Relaxed) - before.rings <= seen {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        seen += 1;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(since(live, before, 0))
}

/// Ten events a second, one after the other.
async fn steady(live: &Live<'_>, seconds: u64) -> Result<(Counts, Round)> {
    let before = count(live);
    let bell = doorbell(live);
    let events = 10 * seconds;
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let mut written = Vec::new();
    for _ in 0..events {
        ticks.tick().await;
        let event = live.event()?;
        live.write(&event).await?;
        bell.ring().await;
        written.push(event.id);
    }
    for event in written {
        live.arrival(event).await?;
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let counts = since(live, before, events);
    Ok((counts, round(counts)?))
}

/// All at once, before the doorbell is heard.
async fn burst(live: &Live<'_>, events: u64) -> Result<(Counts, Round)> {
    let before = count(live);
    live.burst(events, &doorbell(live)).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let counts = since(live, before, events);
    Ok((counts, round(counts)?))
}

fn count(live: &Live<'_>) -> Counts {
    let runs = live.seen.take_runs();
    let run_ms = runs.iter().map(|run| (run.as_secs_f64() * 1e3).ceil());
    Counts {
        events: 0,
        rings: live.seen.rings.load(Ordering::Relaxed),
        runs: u64::try_from(runs.len()).unwrap_or(u64::MAX),
        run_ms: run_ms.sum(),
        requests: live.seen.requests.load(Ordering::Relaxed),
    }
}

fn since(live: &Live<'_>, before: Counts, events: u64) -> Counts {
    let now = count(live);
    Counts {
        events,
        rings: now.rings - before.rings,
        requests: now.requests - before.requests,
        ..now
    }
}

fn round(counts: Counts) -> Result<Round> {
    Round::of(counts.events, Duration::from_secs_f64(counts.run_ms / 1e3))
}

/// Of a run: the invocation and its time.
fn of_runs(prices: &Prices, runs: f64, ms: f64) -> f64 {
    let gb_seconds = (ms + runs * BESIDE_MS) / 1e3 * MEMORY_GB;
    runs * prices.lambda.requests_per_million / MILLION + gb_seconds * prices.lambda.gb_second_arm64
}

fn of_logs(prices: &Prices, runs: f64) -> f64 {
    runs * LOG_BYTES / 1e9 * prices.logs.ingested_per_gb
}

fn per_million(prices: &Prices, seen: Counts) -> Cost {
    let each = MILLION / seen.events.max(1) as f64;
    let (rings, runs) = (seen.rings as f64 * each, seen.runs as f64 * each);
    // Lambda receives a ring, and deletes it: two requests for a run.
    let doorbell_requests = rings + 2.0 * runs;
    Cost {
        doorbell: doorbell_requests * prices.sqs.standard_requests_per_million / MILLION,
        runs: of_runs(prices, runs, seen.run_ms * each),
        // Ten events are far below the 64 KiB that count as a request.
        queues: seen.requests as f64 * each * prices.sqs.fifo_requests_per_million / MILLION,
        logs: of_logs(prices, runs),
    }
}

fn a_month_of_nothing(prices: &Prices, seen: Counts) -> Cost {
    let ms = seen.run_ms / seen.runs.max(1) as f64;
    let polls = prices.pollers.at_least * SECONDS_PER_MONTH / prices.pollers.long_poll_s;
    let scheduled = SWEEPS_PER_MONTH * prices.scheduler.invocations_per_million / MILLION;
    Cost {
        doorbell: polls * prices.sqs.standard_requests_per_million / MILLION,
        runs: of_runs(prices, SWEEPS_PER_MONTH, ms * SWEEPS_PER_MONTH) + scheduled,
        queues: 0.0,
        logs: of_logs(prices, SWEEPS_PER_MONTH),
    }
}
