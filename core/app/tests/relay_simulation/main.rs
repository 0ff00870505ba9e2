//! Promise 2, simulated: the relay's own loop against a model of the outbox and of a FIFO queue, in a
//! time of its own, under a scheduler that draws from a seed how long everything takes and what goes
//! wrong. Transactions commit late or not at all; statements and requests are lost before or after their
//! effect, delayed for minutes and doubled; entries are refused; relays die or stand still at any await,
//! for longer than their leases; consumers die before and after their commits.
//!
//! In every run of every seed: no committed event is lost, an aggregate's events are taken first in their
//! order, each has its effect once, a relay that was fenced off changes nothing, and no cursor passes what
//! is neither published nor held. The flaws of `flaws.rs` must be found; `conformance.rs` holds the model
//! of the outbox against the real one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod actors;
mod conformance;
mod flaws;
mod outbox;
mod queue;

mod store;
mod world;

use conformance::Comparison;
use core::time::Duration;
use flaws::Flaw;
use souk_testkit::TestDatabase;
use std::collections::BTreeMap;
use tokio::time::sleep;
use world::{Shared, Tally};

const SEEDS: u64 = 10_000;
const THREADS: u64 = 2;
/// Within so many seeds each flaw must have been found.
const SEEDS_FOR_A_FLAW: u64 = 500;
/// Runs of random operations on the model and on Postgres.
const CONFORMANCE_SEEDS: u64 = 8;
const RELAYS: usize = 3;
const WRITERS: usize = 3;
const CONSUMERS: usize = 2;
/// After this long without any fault everything must have arrived.
const PATIENCE: Duration = Duration::from_secs(4 * 3_600);

/// How a run ended.
struct Ended {
    broken: Option<String>,
    tally: Tally,
    fingerprint: u64,
    log: Vec<String>,
}

/// A run of the simulation; the same for the same seed.
fn simulate(seed: u64, flaw: Option<Flaw>, with_log: bool) -> Ended {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = Shared::new(seed, flaw, with_log);
        run(&world).await;
        let mut world = world.lock();
        Ended {
            broken: world.broken.take(),
            tally: world.tally,
            fingerprint: world.fingerprint,
            log: world.log.take().unwrap_or_default(),
        }
    })
}

async fn run(world: &Shared) {
    world.lock().writers_at_work = WRITERS;
    for _ in 0..WRITERS {
        tokio::spawn(actors::write(world.clone()));
    }
    for number in 0..RELAYS {
        tokio::spawn(actors::relay(world.clone(), number));
    }
    for _ in 0..CONSUMERS {
        tokio::spawn(queue::consume(world.clone()));
    }
    tokio::spawn(actors::operate(world.clone()));
    let storm_ms = world.lock().rng.u64(20_000..150_000);
    for _ in 0..storm_ms / 1_000 {
        sleep(Duration::from_millis(1_000)).await;
        if world.lock().broken.is_some() {
            return;
        }
    }
    world.lock().calm = true;
    let calm_since = tokio::time::Instant::now();
    while !world.lock().is_quiet() && world.lock().broken.is_none() {
        sleep(Duration::from_millis(3_000)).await;
        if calm_since.elapsed() > PATIENCE {
            world
                .lock()
                .breaks(|| "committed events do not arrive".to_owned());
        }
    }
    world.lock().check_cursors();
}

/// The seed that the environment names, to be looked at alone.
fn only_seed() -> Option<u64> {
    let text = std::env::var("SOUK_TEST_SEED").ok()?;
    Some(text.parse().expect("SOUK_TEST_SEED is a number"))
}

#[test]
fn no_seed_breaks_a_promise() {
    if let Some(seed) = only_seed() {
        let ended = simulate(seed, None, true);
        println!("{}", ended.log.join("\n"));
        assert_eq!(ended.broken, None, "seed {seed}");
        return;
    }
    let shares: Vec<_> = (0..THREADS)
        .map(|share| std::thread::spawn(move || simulate_every(share)))
        .collect();
    let mut tally = Tally::default();
    let mut broken = Vec::new();
    for share in shares {
        let (of_share, broken_seeds) = share.join().unwrap();
        tally.add(&of_share);
        broken.extend(broken_seeds);
    }
    println!("{tally:?}");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert_not_idle(&tally);
}

fn simulate_every(share: u64) -> (Tally, Vec<String>) {
    let (mut tally, mut broken) = (Tally::default(), Vec::new());
    for seed in (share..SEEDS).step_by(usize::try_from(THREADS).unwrap()) {
        let ended = simulate(seed, None, false);
        tally.add(&ended.tally);
        if let Some(promise) = ended.broken {
            broken.push(format!(
                "seed {seed}: {promise}\n    again: SOUK_TEST_SEED={seed} cargo test -p souk-app \
                 --test relay_simulation no_seed_breaks_a_promise"
            ));
        }
        if broken.len() > 20 {
            break;
        }
    }
    (tally, broken)
}

/// What the simulation is there for has happened, many times.
fn assert_not_idle(tally: &Tally) {
    for (what, count) in [
        ("events", tally.events),
        ("deaths", tally.deaths),
        ("stalls", tally.stalls),
        ("takeovers", tally.takeovers),
        ("records of relays that were fenced off", tally.fenced_off),
        ("late events", tally.late_events),
        ("lanes with too many late events", tally.parked_late),
        ("parked events", tally.parked),
        ("quarantined events", tally.quarantined),
        (
            "repetitions that the queue swallowed",
            tally.swallowed_doubles,
        ),
        ("repetitions that it took", tally.taken_doubles),
        ("requests that were lost", tally.requests_lost),
        ("repeated deliveries", tally.redelivered),
    ] {
        assert!(count > SEEDS / 200, "{what}: only {count}");
    }
}

#[test]
fn every_planted_flaw_is_found() {
    for flaw in Flaw::ALL {
        let found = (0..SEEDS_FOR_A_FLAW).find_map(|seed| {
            let broken = simulate(seed, Some(flaw), false).broken?;
            Some((seed, broken))
        });
        let Some((seed, broken)) = found else {
            panic!("{flaw:?} is not found within {SEEDS_FOR_A_FLAW} seeds");
        };
        println!("{flaw:?}: seed {seed}: {broken}");
    }
}

#[tokio::test]
async fn the_model_is_what_postgres_does() {
    let server = souk_testkit::OwnServer::start().await;
    let mut tally: BTreeMap<&str, u32> = BTreeMap::new();
    let seeds = only_seed().map_or(0..CONFORMANCE_SEEDS, |seed| seed..seed + 1);
    for seed in seeds {
        let db = TestDatabase::create_on(&server.url()).await;
        for (what, count) in Comparison::new(db, seed).run().await {
            *tally.entry(what).or_default() += count;
        }
    }
    println!("{tally:?}");
    server.stop().await;
    for (what, count) in tally {
        assert!(count > 0, "{what} never happened");
    }
}

#[test]
fn a_seed_gives_the_same_run_each_time() {
    for seed in 0..20 {
        let (one, other) = (simulate(seed, None, false), simulate(seed, None, false));
        assert_eq!(one.fingerprint, other.fingerprint, "seed {seed}");
    }
}
