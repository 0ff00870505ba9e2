//! Processes of relays and consumers, and what they say.

use crate::consumer::Delivery;
use crate::relay::LOST;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use souk_testkit::TestDatabase;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// Makes of this test a process of that kind.
pub(crate) const ROLE: &str = "SOUK_CHAOS_ROLE";

/// What the test has given a process to know.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap()
}

/// Ends when the test does, however it does.
pub(crate) async fn until_standard_input_ends() {
    let mut byte = [0_u8; 1];
    let _ended = tokio::io::stdin().read(&mut byte).await;
}

/// Sends `signal` to a process of ours that has not been waited for, so that its number is still its own.
pub(crate) fn signal(child: &Child, signal: Signal) {
    let pid = child.id().expect("it has not been waited for");
    kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
}

struct Worker {
    name: String,
    child: Child,
    listening: JoinHandle<()>,
}

/// All processes of a kind.
pub(crate) struct Workers {
    role: &'static str,
    database_url: String,
    queue_url: String,
    endpoints: Vec<String>,
    running: Vec<tokio::sync::Mutex<Worker>>,
    started: AtomicUsize,
    kills: AtomicUsize,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Workers {
    /// A relay for each of `endpoints`.
    pub(crate) fn relays(db: &TestDatabase, queue_url: &str, endpoints: Vec<String>) -> Arc<Self> {
        Self::start("relay", db.url_by_role("souk_relay"), queue_url, endpoints)
    }

    pub(crate) fn consumers(
        db: &TestDatabase,
        queue_url: &str,
        endpoint: &str,
        count: usize,
    ) -> Arc<Self> {
        let endpoints = vec![endpoint.to_owned(); count];
        Self::start("consumer", db.url_by_role("souk_app"), queue_url, endpoints)
    }

    fn start(
        role: &'static str,
        database_url: String,
        queue_url: &str,
        endpoints: Vec<String>,
    ) -> Arc<Self> {
        let mut this = Self {
            role,
            database_url,
            queue_url: queue_url.to_owned(),
            endpoints,
            running: Vec::new(),
            started: AtomicUsize::new(0),
            kills: AtomicUsize::new(0),
            lines: Arc::default(),
        };
        for slot in 0..this.endpoints.len() {
            let worker = this.spawn(slot);
            this.running.push(tokio::sync::Mutex::new(worker));
        }
        Arc::new(this)
    }

    fn spawn(&self, slot: usize) -> Worker {
        let started = self.started.fetch_add(1, Ordering::SeqCst);
        let name = format!("{}-{started}", self.role);
        // Postgres tells by this setting who has written what.
        let database_url = format!("{}%20-c%20souk.test_worker%3D{name}", self.database_url);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "--test-threads=1"])
            .arg("killed_and_stopped_processes_lose_double_and_reorder_nothing")
            .env(ROLE, self.role)
            .env("SOUK_CHAOS_NAME", &name)
            .env("SOUK_CHAOS_DATABASE_URL", database_url)
            .env("SOUK_CHAOS_QUEUE_URL", &self.queue_url)
            .env("SOUK_CHAOS_ENDPOINT", &self.endpoints[slot])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut read = BufReader::new(child.stdout.take().unwrap()).lines();
        let lines = self.lines.clone();
        let listening = tokio::spawn(async move {
            while let Ok(Some(line)) = read.next_line().await {
                lines.lock().unwrap().push(line);
            }
        });
        Worker {
            name,
            child,
            listening,
        }
    }

    /// SIGKILL: it says nothing to anybody. Another takes its place.
    pub(crate) async fn kill_and_replace(&self, choice: usize) {
        let slot = choice % self.running.len();
        let mut worker = self.running[slot].lock().await;
        worker.child.kill().await.unwrap();
        self.kills.fetch_add(1, Ordering::SeqCst);
        let next = self.spawn(slot);
        let before = core::mem::replace(&mut *worker, next);
        // What it has said is in the pipe.
        before.listening.await.unwrap();
    }

    /// SIGSTOP: it sees no time pass until [`Workers::wake`]. Returns its name.
    pub(crate) async fn halt(&self, slot: usize) -> String {
        let worker = self.running[slot].lock().await;
        signal(&worker.child, Signal::SIGSTOP);
        worker.name.clone()
    }

    pub(crate) async fn wake(&self, slot: usize) {
        signal(&self.running[slot].lock().await.child, Signal::SIGCONT);
    }

    pub(crate) fn kills(&self) -> usize {
        self.kills.load(Ordering::SeqCst)
    }

    /// How often a relay came back to lanes that were another's.
    pub(crate) fn found_out(&self) -> usize {
        let lines = self.lines.lock().unwrap();
        lines.iter().filter(|line| line.contains(LOST)).count()
    }

    /// Waits until a relay has come back to lanes that were another's.
    pub(crate) async fn until_one_found_out(&self) -> usize {
        crate::until(async || self.found_out() > 0).await;
        self.found_out()
    }

    /// Ends all of them; what consumers have got.
    pub(crate) async fn end(&self) -> Vec<Delivery> {
        for worker in &self.running {
            let mut worker = worker.lock().await;
            worker.child.kill().await.unwrap();
            (&mut worker.listening).await.unwrap();
        }
        let lines = self.lines.lock().unwrap();
        lines
            .iter()
            .filter_map(|line| Delivery::parse(line))
            .collect()
    }
}
