//! Whole payments, thousands of them, each by its seed: what the client does, what the PSP and the bank
//! do, what is lost on the way, and who dies when. In the end nobody has paid twice, and what was taken
//! at the PSP is what is booked and what is shown.
//!
//! A seed that fails prints the command that plays it again. Faults, scripts, crashes and ids are drawn
//! from the seed; only who of two at the same time comes first at Postgres is not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod books;
mod crash;
mod flow;
mod script;
mod shop;

use books::Tally;
use flow::Flow;
use shop::Shop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use tokio::runtime::Builder;

/// How many seeds are played, unless `script/test --full` wants all.
const SEEDS: u64 = 1_000;
const SEEDS_FULL: u64 = 10_000;
/// Seeds at the same time, each with a database of its own: they wait for Postgres most of the time.
const WORKERS: u64 = 8;
/// A flow that takes longer hangs.
const FLOW_TIMEOUT: Duration = Duration::from_secs(60);

#[allow(
    clippy::disallowed_methods,
    reason = "what to play is in the environment"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn number(name: &str) -> Option<u64> {
    variable(name).map(|text| text.parse().expect("a number"))
}

/// Plays seeds until there are no more.
async fn work(next: &AtomicU64, end: u64) -> Tally {
    let mut shop = Shop::open().await;
    let mut tally = Tally::default();
    loop {
        let seed = next.fetch_add(1, Ordering::SeqCst);
        if seed >= end {
            return tally;
        }
        let played = tokio::time::timeout(FLOW_TIMEOUT, Box::pin(Flow::play(&shop, seed))).await;
        match played.unwrap_or_else(|_| Err("it does not end".to_owned())) {
            Ok(own) => tally.add(&own),
            Err(reason) => {
                println!(
                    "seed {seed}: {reason}\n  again: SOUK_FLOW_SEED={seed} cargo xtask postgres -- \
                     cargo nextest run -p souk-psp-simulator --test payment_flows --no-capture"
                );
                tally.failed += 1;
                // What it has left behind would be in the way of the next.
                shop = Shop::open().await;
            }
        }
    }
}

#[test]
fn nobody_pays_twice_and_what_is_taken_is_booked_and_shown() {
    let (first, count) = match number("SOUK_FLOW_SEED") {
        Some(seed) => (seed, 1),
        None if variable("SOUK_TEST_FULL").is_some() => (1, SEEDS_FULL),
        None => (1, number("SOUK_FLOW_SEEDS").unwrap_or(SEEDS)),
    };
    let next = AtomicU64::new(first);
    let mut tally = Tally::default();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS.min(count))
            .map(|_| {
                scope.spawn(|| {
                    let runtime = Builder::new_current_thread().enable_all().build();
                    runtime.unwrap().block_on(work(&next, first + count))
                })
            })
            .collect();
        for worker in workers {
            tally.add(&worker.join().expect("a worker does not panic"));
        }
    });
    println!("{tally}");
    assert_eq!(tally.failed, 0, "{} of {count} seeds failed", tally.failed);
    assert_eq!(tally.flows, count);
}
