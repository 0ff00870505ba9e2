//! Processes of a function that are killed and started again.
#![allow(dead_code, reason = "each test program uses a part of it")]

use axum::Router;
use core::sync::atomic::{AtomicUsize, Ordering};
use souk_app::{Database, Shards, Tools};
use souk_runtime::adapters::{SystemClock, SystemIds};
use souk_runtime::edge_signature::EdgeGuard;
use souk_runtime::signature::{KeyRing, SigningKey};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::Notify;

const LISTENING: &str = "listening on ";

/// The key with which requests are signed.
pub(crate) fn signing_key() -> SigningKey {
    SigningKey::new("k1", vec![1; 32]).unwrap()
}

/// What checks the signatures.
pub(crate) fn guard() -> EdgeGuard {
    EdgeGuard::new(
        KeyRing::new(vec![signing_key()]).unwrap(),
        Arc::new(SystemClock),
    )
}

/// The tools of a function on that database.
pub(crate) fn tools(database_url: &str, connections: u32) -> Tools {
    let database = Database::connect_lazily(database_url, connections).unwrap();
    Tools {
        db: Shards::single(database),
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        prices: Arc::default(),
    }
}

/// The function, until whoever has started it is gone.
pub(crate) async fn serve(app: Router) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    println!("{LISTENING}{}", listener.local_addr().unwrap());
    let mut byte = [0_u8; 1];
    let mut standard_input = tokio::io::stdin();
    tokio::select! {
        served = async { axum::serve(listener, app).await } => served.unwrap(),
        _ = standard_input.read(&mut byte) => {}
    }
}

/// How a process is started: this program once more, with one of its tests, which finds in its
/// environment that it is to be the function.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) test: &'static str,
    pub(crate) variables: Vec<(&'static str, String)>,
}

struct Server {
    child: Child,
    address: SocketAddr,
}

/// All of them, and how far the clients have come.
pub(crate) struct Servers {
    program: Program,
    running: Vec<tokio::sync::Mutex<Server>>,
    addresses: Mutex<Vec<SocketAddr>>,
    answered: AtomicUsize,
    progress: Notify,
    kills: AtomicUsize,
    replays: AtomicUsize,
}

impl Servers {
    pub(crate) async fn start(program: Program, count: usize) -> Self {
        let mut running = Vec::new();
        for _ in 0..count {
            running.push(Server::start(&program).await);
        }
        Self {
            addresses: Mutex::new(running.iter().map(|server| server.address).collect()),
            running: running.into_iter().map(tokio::sync::Mutex::new).collect(),
            program,
            answered: AtomicUsize::new(0),
            progress: Notify::new(),
            kills: AtomicUsize::new(0),
            replays: AtomicUsize::new(0),
        }
    }

    /// Where the `choice`-th of them listens at this moment.
    pub(crate) fn address(&self, choice: usize) -> SocketAddr {
        let addresses = self.addresses.lock().unwrap();
        addresses[choice % addresses.len()]
    }

    /// Notes an answer that ends a request.
    pub(crate) fn note_answer(&self, replayed: bool) {
        self.answered.fetch_add(1, Ordering::SeqCst);
        self.replays
            .fetch_add(usize::from(replayed), Ordering::SeqCst);
        self.progress.notify_waiters();
    }

    pub(crate) async fn until_answered(&self, count: usize) {
        loop {
            let next = self.progress.notified();
            if self.answered.load(Ordering::SeqCst) >= count {
                return;
            }
            next.await;
        }
    }

    /// SIGKILL: nothing is said to clients or database. A new process takes its place.
    pub(crate) async fn kill_and_restart(&self, choice: usize) {
        let mut server = self.running[choice].lock().await;
        server.child.kill().await.unwrap();
        self.kills.fetch_add(1, Ordering::SeqCst);
        *server = Server::start(&self.program).await;
        self.addresses.lock().unwrap()[choice] = server.address;
    }

    pub(crate) fn kills(&self) -> usize {
        self.kills.load(Ordering::SeqCst)
    }

    pub(crate) fn replays(&self) -> usize {
        self.replays.load(Ordering::SeqCst)
    }

    pub(crate) async fn stop(&self) {
        for server in &self.running {
            server.lock().await.child.kill().await.unwrap();
        }
    }
}

impl Server {
    async fn start(program: &Program) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "--test-threads=1"])
            .arg(program.test)
            .envs(program.variables.clone())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next_line().await.unwrap();
            let line = line.expect("the process listens before it ends");
            // The test's own name stands before it.
            if let Some((_, address)) = line.split_once(LISTENING) {
                break address.parse().unwrap();
            }
        };
        Self { child, address }
    }
}
