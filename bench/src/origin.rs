//! The orders function over plain HTTP, and its peer, each in a process of its own.

use crate::child::{ChildServer, LISTENING};
use crate::requests::{key_ring, quote_keys};
use anyhow::{Context as _, Result};
use souk_app::{Shards, Tools};
use souk_orders::{OrdersState, router};
use souk_postgres::Database;
use souk_runtime::adapters::{SystemClock, SystemIds};
use souk_runtime::edge_signature::EdgeGuard;
use std::path::Path;
use std::sync::Arc;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::process::Command;

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
    let app = router(state, EdgeGuard::new(key_ring()?, clock));
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
