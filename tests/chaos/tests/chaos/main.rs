//! Promise 2 under chaos: five processes of relays and three of consumers are killed and stopped at
//! random, Postgres and the queue service are restarted, and writers go on writing all the while. No
//! event is lost, an aggregate's events come first in their order, each has its effect once, and a
//! relay that was stopped for longer than its lease changes nothing when it wakes.
//!
//! What goes wrong, and when, comes from a seed; what the processes make of it does not, so a seed
//! repeats the plan and not the run. The test runs itself once more for each process: with [`ROLE`] in
//! its environment it is a relay or a consumer, not the test.
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

mod books;
mod consumer;
mod gate;
mod orders;
mod plan;
mod queue;
mod refused;
mod relay;
mod workers;

use books::Books;
use core::time::Duration;
use gate::Gate;
use orders::Orders;
use plan::{Plan, Scale};
use queue::QueueService;
use souk_testkit::{OwnServer, TestDatabase, TestTenant};
use std::sync::{Arc, Mutex};
use tokio::time::timeout;
use workers::{ROLE, Workers};

const RELAYS: usize = 5;
const CONSUMERS: usize = 3;

#[test]
fn killed_and_stopped_processes_lose_double_and_reorder_nothing() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    match std::env::var(ROLE).as_deref() {
        Ok("relay") => return runtime.block_on(relay::run()),
        Ok("consumer") => return runtime.block_on(consumer::run()),
        _ => {}
    }
    let scale = Scale::from_environment();
    let seed = std::env::var("SOUK_TEST_SEED").map_or_else(
        |_| fastrand::u64(..),
        |text| text.parse().expect("SOUK_TEST_SEED is a number"),
    );
    // Shown when the test fails.
    println!("again: SOUK_TEST_SEED={seed} {}", scale.command());
    runtime.block_on(async {
        let waits_for = Mutex::new("the start");
        let ended = timeout(scale.limit, chaos(scale, seed, &waits_for)).await;
        assert!(
            ended.is_ok(),
            "after {:?} it still waited for {}",
            scale.limit,
            waits_for.lock().unwrap()
        );
    });
}

async fn chaos(scale: Scale, seed: u64, waits_for: &Mutex<&'static str>) {
    let now_waits_for = |what| *waits_for.lock().unwrap() = what;
    let mut rng = fastrand::Rng::with_seed(seed);
    let postgres = Arc::new(OwnServer::start().await);
    let db = TestDatabase::create_on(&postgres.url()).await;
    let books = Arc::new(Books::open(&db).await);
    let tenant = TestTenant::create(&db, &[]).await;
    let queue = QueueService::start().await;
    let queue_url = queue.create_queue().await;
    let gate = Gate::new(queue.endpoint(), books.clone());
    let endpoints = gate.open(RELAYS).await;
    let relays = Workers::relays(&db, &queue_url, endpoints);
    let consumers = Workers::consumers(&db, &queue_url, &queue.endpoint(), CONSUMERS);
    let plan = Plan::new(scale, &mut rng);
    gate.set_plan(relays.clone(), &plan, rng.fork());

    now_waits_for("the writers and what was to be restarted");
    let orders = Orders::new(scale, &tenant);
    let written = orders.write(&gate, rng.u64(..));
    let restarted = plan.carry_out(&gate, &consumers, &postgres, &queue);
    let ((), ()) = tokio::join!(written, restarted);
    // Whoever stopped last wakes before the end is looked at.
    now_waits_for("a relay that was stopped");
    gate.until_all_woken().await;
    now_waits_for("the effects of all events");
    books.until_applied(scale).await;
    now_waits_for("a relay that finds its lanes to be another's");
    let late = relays.until_one_found_out().await;

    now_waits_for("processes that were killed to end");
    let deliveries = consumers.end().await;
    relays.end().await;
    books::assert_first_deliveries_in_order(&deliveries, scale);
    books.assert_effects_exactly_once(scale).await;
    books.assert_nobody_wrote_for_another().await;
    let takeovers = books.takeovers().await;
    println!(
        "{} deliveries of {} events; {} relays killed, {} stopped, {takeovers} lanes taken over, \
         {late} relays found that out late; {} consumers killed; {} requests met no queue",
        deliveries.len(),
        scale.events(),
        gate.kills(),
        gate.stops(),
        consumers.kills(),
        gate.unanswered(),
    );
    assert_eq!(gate.kills(), scale.relay_kills, "every kill has happened");
    assert!(gate.stops() >= scale.relay_stops, "every stop has happened");
    assert!(takeovers > 0, "no lease ended before its holder came back");
    assert!(gate.unanswered() > 0, "the queue service was never away");
    drop(queue);
    postgres.stop().await;
}

/// Asks until `probe` says yes. Bounded by the test's own limit.
async fn until<F: Future<Output = bool>>(probe: impl Fn() -> F) {
    while !probe().await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
