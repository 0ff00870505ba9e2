//! The functions over plain HTTP, the peer in JavaScript, and the PSP, each in a process of its own.

use crate::child::{ChildServer, LISTENING};
use crate::requests::{key_ring, quote_keys};
use anyhow::{Context as _, Result};
use axum::Router;
use core::time::Duration;
use souk_app::{Shards, Tools};
use souk_orders::{OrdersState, router};
use souk_payments::PaymentsState;
use souk_postgres::Database;
use souk_psp_simulator::{Faults, Settings};
use souk_runtime::adapters::{SystemClock, SystemIds};
use souk_runtime::edge_signature::EdgeGuard;
use souk_runtime::stripe::{Stripe, StripeAccounts, StripeSettings};
use std::path::Path;
use std::sync::Arc;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::process::Command;

/// The account at the PSP.
const PSP_ACCOUNTS: &str = r#"{"default":{"secret_key":"sk_test_bench"}}"#;

/// What the serving process is told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ServeArguments {
    /// The database, by the functions' role
    #[arg(long, env = "SOUK_DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// Connections to it
    #[arg(long)]
    connections: u32,
    /// Threads that handle requests
    #[arg(long)]
    pub(crate) threads: usize,
}

/// Serves the orders function's router, guard and all, until standard input ends.
pub(crate) async fn serve(arguments: ServeArguments) -> Result<()> {
    let clock = Arc::new(SystemClock);
    let database = Database::connect_lazily(&arguments.database_url, arguments.connections)?;
    let state = OrdersState {
        tools: Tools {
            db: Shards::single(database),
            clock: clock.clone(),
            ids: Arc::new(SystemIds),
            prices: Arc::default(),
        },
        doorbell: None,
        quote_keys: Arc::new(quote_keys()?),
    };
    until_input_ends(router(state, EdgeGuard::new(key_ring()?, clock))).await
}

async fn until_input_ends(app: Router) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{LISTENING}{}", listener.local_addr()?);
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        // An answer is written in one piece; waiting for more would only delay it.
        stream.set_nodelay(true).ok();
    });
    let mut standard_input = tokio::io::stdin();
    let mut byte = [0_u8; 1];
    tokio::select! {
        served = async { axum::serve(listener, app).await } => served.context("serving failed"),
        _ = standard_input.read(&mut byte) => Ok(()),
    }
}

/// What the process that serves the payments function is told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ServePaymentsArguments {
    #[command(flatten)]
    serve: ServeArguments,
    /// The PSP
    #[arg(long)]
    psp: String,
}

impl ServePaymentsArguments {
    pub(crate) const fn threads(&self) -> usize {
        self.serve.threads
    }
}

/// What the process that is the PSP is told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ServePspArguments {
    /// How late its answers are
    #[arg(long)]
    latency_ms: u64,
}

/// Serves the payments function's router, guard and all, until standard input ends.
pub(crate) async fn serve_payments(arguments: ServePaymentsArguments) -> Result<()> {
    let clock = Arc::new(SystemClock);
    let ServePaymentsArguments { serve, psp } = arguments;
    let database = Database::connect_lazily(&serve.database_url, serve.connections)?;
    let accounts = StripeAccounts::parse(PSP_ACCOUNTS)?;
    let state = PaymentsState {
        tools: Tools {
            db: Shards::single(database),
            clock: clock.clone(),
            ids: Arc::new(SystemIds),
            prices: Arc::default(),
        },
        stripe: Stripe::new(accounts, Some(&psp), StripeSettings::default())?,
        doorbell: None,
    };
    let guard = EdgeGuard::new(key_ring()?, clock);
    until_input_ends(souk_payments::router(state, guard)).await
}

/// Is a PSP until standard input ends.
pub(crate) async fn serve_psp(arguments: ServePspArguments) -> Result<()> {
    let mut faults = Faults::none(1);
    if arguments.latency_ms > 0 {
        faults.calls.answer_late = 1_000;
    }
    let served = souk_psp_simulator::serve(Settings {
        faults,
        lateness: Duration::from_millis(arguments.latency_ms),
        ..Settings::default()
    })
    .await?;
    println!("{LISTENING}{}", served.address);
    let mut byte = [0_u8; 1];
    // Whatever comes: it ends.
    let _bytes = tokio::io::stdin().read(&mut byte).await?;
    Ok(())
}

/// Starts this very program as the payments function.
pub(crate) async fn start_payments(
    database_url: &str,
    threads: usize,
    psp_url: &str,
) -> Result<ChildServer> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["serve-payments", "--connections", "2"])
        .args(["--threads", &threads.to_string()])
        .args(["--psp", psp_url])
        .env("SOUK_DATABASE_URL", database_url);
    ChildServer::start(command).await
}

/// Starts this very program as the PSP.
pub(crate) async fn start_psp(latency_ms: u64) -> Result<ChildServer> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("serve-psp")
        .args(["--latency-ms", &latency_ms.to_string()]);
    ChildServer::start(command).await
}

/// Starts this very program as the orders function.
pub(crate) async fn start_ours(
    database_url: &str,
    connections: usize,
    threads: usize,
) -> Result<ChildServer> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("serve")
        .args(["--connections", &connections.to_string()])
        .args(["--threads", &threads.to_string()])
        .env("SOUK_DATABASE_URL", database_url);
    ChildServer::start(command).await
}

/// Starts the peer in JavaScript.
pub(crate) async fn start_node(
    node: &Path,
    bench: &Path,
    database_url: &str,
    connections: usize,
) -> Result<ChildServer> {
    let mut command = Command::new(node);
    command
        .arg(bench.join("peers/node/server.mjs"))
        .env("PEER_DATABASE_URL", database_url)
        .env("PEER_CONNECTIONS", connections.to_string())
        .env("NODE_ENV", "production");
    ChildServer::start(command)
        .await
        .context("is the peer installed? script/bootstrap does that")
}
