//! Processes of the payments function are killed at any moment while a crowd of clients pays orders at
//! a provider of which a third of all calls and events goes wrong. Whatever was not answered is sent
//! again with the same key. At the end what was captured at the provider is what is booked and shown,
//! nobody has paid twice, and every payment has come to its end.
//!
//! The test runs itself once more for each process: with [`DATABASE_URL`] in its environment it is the
//! function, not the test.
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
mod clients;
mod edge;
#[path = "../psp/mod.rs"]
mod psp;
#[path = "../../../runtime/tests/edge/killed_servers.rs"]
mod servers;

use axum::Router;
use clients::{Client, Life};
use core::time::Duration;
use edge::Edge;
use fastrand::Rng;
use futures::future::join_all;
use servers::{Program, Servers};
use souk_app::payments::{PaymentSweepSettings, sweep_operations};
use souk_payments::{PaymentsState, router};
use souk_psp_simulator::{Faults, Served};
use souk_testkit::{TestDatabase, TestTenant};
use std::sync::Arc;
use tokio::time::{Instant, timeout};

/// Makes of this test the function, on that database, with that provider.
const DATABASE_URL: &str = "SOUK_TEST_SERVE_DATABASE_URL";
const PSP_URL: &str = "SOUK_TEST_SERVE_PSP_URL";
const TEST: &str = "killed_processes_charge_nobody_twice_and_lose_no_payment";

const CONNECTIONS: u32 = 8;
const SERVERS: usize = 3;
const ORDERS: usize = 200;
const KILLS: usize = 12;
const FAULTS_PERCENT: u16 = 30;
/// Longer than it ever takes: what does not converge shall fail, not hang.
const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn killed_processes_charge_nobody_twice_and_lose_no_payment() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    if let Ok(database_url) = std::env::var(DATABASE_URL) {
        let psp_url = std::env::var(PSP_URL).unwrap();
        return runtime.block_on(async { servers::serve(payments(&database_url, &psp_url)).await });
    }
    let seed = std::env::var("SOUK_TEST_SEED").map_or_else(
        |_| fastrand::u64(..),
        |text| text.parse().expect("SOUK_TEST_SEED is a number"),
    );
    // Shown when the test fails.
    println!("SOUK_TEST_SEED={seed}");
    runtime.block_on(async {
        timeout(LIMIT, crowd(seed)).await.expect("it converges");
    });
}

/// The function.
fn payments(database_url: &str, psp_url: &str) -> Router {
    let state = PaymentsState {
        tools: servers::tools(database_url, CONNECTIONS),
        stripe: psp::stripe(psp_url),
        doorbell: None,
    };
    router(state, servers::guard())
}

async fn crowd(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", books::PRICE, 1_000)]).await;
    let provider = psp::start().await;
    let program = Program {
        test: TEST,
        variables: vec![
            (DATABASE_URL, db.url_by_role("souk_app")),
            (PSP_URL, provider.url()),
        ],
    };
    let servers = Arc::new(Servers::start(program, SERVERS).await);
    let edge = Arc::new(Edge::new(tenant.id, servers.clone()));
    edge.hear_of(&provider).await;
    let mut orders = Vec::new();
    let tools = psp::tools(&tenant, &provider);
    for n in 0..ORDERS {
        orders.push(psp::order(&tools, &tenant, &format!("order-{n}")).await);
    }
    provider.simulator.set_faults(faults(seed));

    let clients: Vec<_> = orders
        .into_iter()
        .map(|order| {
            let client = Client::new(edge.clone(), rng.fork());
            tokio::spawn(client.act(order, Life::random(&mut rng)))
        })
        .collect();
    let lived = join_all(clients);
    tokio::pin!(lived);
    let killer = kill(&db, &servers, &mut rng);
    let sweeper = async {
        loop {
            sweep(&db, &tenant, &provider).await;
            edge.swept.notify_waiters();
        }
    };
    let ended = async {
        let (ended, ()) = tokio::join!(&mut lived, killer);
        ended.into_iter().map(|one| one.unwrap()).collect()
    };
    let ended: Vec<clients::Ended> = tokio::select! {
        ended = ended => ended,
        never = sweeper => never,
    };
    assert_eq!(servers.kills(), KILLS, "every kill has happened");
    provider.simulator.set_faults(Faults::none(seed));
    while books::pending(&db).await > 0 {
        sweep(&db, &tenant, &provider).await;
    }
    servers.stop().await;
    let totals = provider.simulator.totals();
    println!(
        "{} payments, {} answers repeated, faults: {:?}",
        ended.len(),
        servers.replays(),
        totals.faults
    );
    let faults = totals.faults.iter().filter(|(kind, _)| *kind != "None");
    assert!(faults.map(|(_, count)| count).sum::<u64>() > 50);
    books::assert_true(&db, &tools, tenant.id, &totals, &ended).await;
}

/// Of all kinds but one: an error that the provider keeps under its key for a day is for tests whose
/// clock can be moved.
fn faults(seed: u64) -> Faults {
    let mut faults = Faults::on_the_way(seed, FAULTS_PERCENT);
    let calls = &mut faults.calls;
    let kept = calls.error_kept_before + calls.error_kept_after;
    calls.answer_lost += kept;
    calls.error_kept_before = 0;
    calls.error_kept_after = 0;
    faults
}

/// Kills processes, by how much was answered, not by time: the same on a slow machine. Then the leases
/// of the dead run out.
async fn kill(db: &TestDatabase, servers: &Servers, rng: &mut Rng) {
    let mut moments: Vec<usize> = (0..KILLS).map(|_| rng.usize(1..ORDERS)).collect();
    moments.sort_unstable();
    for moment in moments {
        servers.until_answered(moment).await;
        servers.kill_and_restart(rng.usize(..SERVERS)).await;
        db.execute(
            "UPDATE souk.idempotency_keys SET lease_expires_at = '-infinity' \
             WHERE finished_at IS NULL",
        )
        .await;
    }
}

/// What is pending is due at once: no test waits for the times between two tries.
async fn sweep(db: &TestDatabase, tenant: &TestTenant, provider: &Served) {
    db.execute(
        "UPDATE souk.provider_operations SET next_try_at = now() - interval '1 second' \
             WHERE next_try_at IS NOT NULL; \
         UPDATE souk.payment_intents SET due_at = now() - interval '1 second' \
             WHERE due_at IS NOT NULL AND status = 'processing'",
    )
    .await;
    let stripe = psp::stripe(&provider.url());
    let tools = psp::tools(tenant, provider);
    let due_in = db.by_role("souk_sweeper", 1);
    let stop_at = Instant::now() + Duration::from_secs(5);
    let settings = PaymentSweepSettings {
        concurrency_max: 16,
        ..PaymentSweepSettings::default()
    };
    sweep_operations(&tools, &stripe, &due_in, settings, stop_at)
        .await
        .unwrap();
    due_in.close().await;
    tokio::task::yield_now().await;
}
