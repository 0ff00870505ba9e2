//! Processes of the orders function that are killed and started again.

use core::sync::atomic::{AtomicUsize, Ordering};
use souk_app::{Database, Shards, Tools};
use souk_orders::{OrdersState, router};
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

/// Makes of this test the function, on that database.
pub(crate) const DATABASE_URL: &str = "SOUK_TEST_SERVE_DATABASE_URL";
const LISTENING: &str = "listening on ";
const CONNECTIONS: u32 = 8;

/// The key with which requests are signed.
pub(crate) fn signing_key() -> SigningKey {
    SigningKey::new("k1", vec![1; 32]).unwrap()
}

/// The function, until whoever has started it is gone.
pub(crate) async fn serve(database_url: &str) {
    let clock = Arc::new(SystemClock);
    let database = Database::connect_lazily(database_url, CONNECTIONS).unwrap();
    let state = OrdersState {
        tools: Tools {
            db: Shards::single(database),
            clock: clock.clone(),
            ids: Arc::new(SystemIds),
            prices: Arc::default(),
        },
        doorbell: None,
        quote_keys: souk_testkit::quote_keys(),
    };
    let ring = KeyRing::new(vec![signing_key()]).unwrap();
    let app = router(state, EdgeGuard::new(ring, clock));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    println!("{LISTENING}{}", listener.local_addr().unwrap());
    let mut byte = [0_u8; 1];
    let mut standard_input = tokio::io::stdin();
    tokio::select! {
        served = async { axum::serve(listener, app).await } => served.unwrap(),
        _ = standard_input.read(&mut byte) => {}
    }
}

struct Server {
    child: Child,
    address: SocketAddr,
}

/// All of them, and how far the clients have come.
pub(crate) struct Servers {
    database_url: String,
    running: Vec<tokio::sync::Mutex<Server>>,
    addresses: Mutex<Vec<SocketAddr>>,
    answered: AtomicUsize,
    progress: Notify,
    kills: AtomicUsize,
    replays: AtomicUsize,
}

impl Servers {
    pub(crate) async fn start(database_url: &str, count: usize) -> Self {
        let mut running = Vec::new();
        for _ in 0..count {
            running.push(Server::start(database_url).await);
        }
        Self {
            database_url: database_url.to_owned(),
            addresses: Mutex::new(running.iter().map(|server| server.address).collect()),
            running: running.into_iter().map(tokio::sync::Mutex::new).collect(),
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
        *server = Server::start(&self.database_url).await;
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
    async fn start(database_url: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "--test-threads=1"])
            .arg("killed_processes_lose_double_and_oversell_nothing")
            .env(DATABASE_URL, database_url)
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
