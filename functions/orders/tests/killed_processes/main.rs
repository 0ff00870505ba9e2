//! Processes of the orders function are killed at any moment while a crowd of clients places, cancels
//! and fulfils orders of few skus, and repeats with the same key whatever was not answered. At the end
//! every unit is accounted for, and nothing was lost, doubled or left half done.
//!
//! The test runs itself once more for each process: with [`DATABASE_URL`] in its environment
//! it is the function, not the test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod books;
mod clients;
#[path = "../../../runtime/tests/edge/killed_servers.rs"]
mod servers;

use axum::Router;
use clients::{Client, Order, Outcome};
use core::time::Duration;
use fastrand::Rng;
use futures::future::join_all;
use servers::{Program, Servers};
use souk_orders::{OrdersState, router};
use souk_testkit::{TestDatabase, TestTenant};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Makes of this test the function, on that database.
const DATABASE_URL: &str = "SOUK_TEST_SERVE_DATABASE_URL";
const CONNECTIONS: u32 = 8;
const SERVERS: usize = 3;
/// Requests on their way at the same time; many more than the servers have connections.
const IN_FLIGHT_MAX: usize = 120;
/// Longer than it ever takes: what does not converge shall fail, not hang.
const LIMIT: Duration = Duration::from_secs(240);

/// How much of it.
#[derive(Debug, Clone, Copy)]
struct Scale {
    orders: usize,
    kills: usize,
}

const SHORT: Scale = Scale {
    orders: 300,
    kills: 6,
};
const FULL: Scale = Scale {
    orders: 1_000,
    kills: 25,
};

#[test]
fn killed_processes_lose_double_and_oversell_nothing() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    if let Ok(database_url) = std::env::var(DATABASE_URL) {
        return runtime.block_on(async { servers::serve(orders(&database_url)).await });
    }
    let full = std::env::var_os("SOUK_TEST_FULL").is_some();
    let scale = if full { FULL } else { SHORT };
    let seed = std::env::var("SOUK_TEST_SEED").map_or_else(
        |_| fastrand::u64(..),
        |text| text.parse().expect("SOUK_TEST_SEED is a number"),
    );
    // Shown when the test fails.
    println!("SOUK_TEST_SEED={seed}");
    runtime.block_on(async {
        timeout(LIMIT, crowd(scale, seed))
            .await
            .expect("it converges");
    });
}

/// The function.
fn orders(database_url: &str) -> Router {
    let state = OrdersState {
        tools: servers::tools(database_url, CONNECTIONS),
        doorbell: None,
        quote_keys: souk_testkit::quote_keys(),
    };
    router(state, servers::guard())
}

async fn crowd(scale: Scale, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let db = TestDatabase::create().await;
    let tenant = books::open_shop(&db).await;
    let before = books::units_by_sku(&db).await;
    let program = Program {
        test: "killed_processes_lose_double_and_oversell_nothing",
        variables: vec![(DATABASE_URL, db.url_by_role("souk_app"))],
    };
    let servers = Arc::new(Servers::start(program, SERVERS).await);
    let outcomes = run(&servers, &tenant, scale, &mut rng).await;

    assert_eq!(servers.kills(), scale.kills, "every kill has happened");
    let placed = outcomes.iter().filter(|outcome| outcome.order.is_some());
    println!(
        "{} of {} orders placed, {} answers repeated",
        placed.count(),
        scale.orders,
        servers.replays()
    );
    servers.stop().await;
    books::until_quiet(&db).await;
    assert_eq!(books::units_by_sku(&db).await, before, "units per sku");
    books::assert_consistent(&db).await;
    books::assert_has(&db, &outcomes).await;
}

/// Lets all clients act at once, and kills processes along the way.
async fn run(
    servers: &Arc<Servers>,
    tenant: &TestTenant,
    scale: Scale,
    rng: &mut Rng,
) -> Vec<Outcome> {
    let in_flight = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
    let clients: Vec<_> = (0..scale.orders)
        .map(|number| {
            let client = Client::new(tenant.id, servers.clone(), in_flight.clone(), rng.u64(..));
            tokio::spawn(client.act(Order::random(number, rng)))
        })
        .collect();
    // By how much was answered, not by time: the same on a slow machine. All before the last answers,
    // each order has one at least.
    let mut moments: Vec<usize> = (0..scale.kills)
        .map(|_| rng.usize(1..scale.orders))
        .collect();
    moments.sort_unstable();
    let killer = async {
        for moment in moments {
            servers.until_answered(moment).await;
            servers.kill_and_restart(rng.usize(..SERVERS)).await;
        }
    };
    let (outcomes, ()) = tokio::join!(join_all(clients), killer);
    outcomes.into_iter().map(|done| done.unwrap()).collect()
}
