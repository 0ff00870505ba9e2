//! What the parts write: into `log/` of the state directory, and to the terminal, one prefixed line
//! each.

use super::cloud::Cloud;
use crate::process::Lines;
use core::time::Duration;
use std::collections::HashSet;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// How often the functions' logs are asked for.
const POLL_PERIOD: Duration = Duration::from_secs(1);
/// The part that has the functions in it.
pub(crate) const MINISTACK: &str = "ministack";
/// Lambda's own lines around each invocation.
const PLATFORM_LINES: [&str; 3] = ["START RequestId:", "END RequestId:", "REPORT RequestId:"];
/// Functions whose logs are shown, and the name before each line.
const FUNCTION_LOGS: [(&str, &str); 10] = [
    ("souk-catalog", "catalog"),
    ("souk-migrate", "migrate"),
    ("souk-order-process", "order-process"),
    ("souk-orders", "orders"),
    ("souk-outbox-relay", "outbox-relay"),
    ("souk-payments", "payments"),
    ("souk-read-models", "read-models"),
    ("souk-reconcile", "reconcile"),
    ("souk-sweeper", "sweeper"),
    ("souk-webhooks", "webhooks"),
];

/// Where lines go.
#[derive(Debug)]
pub(crate) struct Console {
    talkative: bool,
    /// Whether the parts' lines go to the terminal as well; not while they start.
    live: Arc<AtomicBool>,
    followers: Mutex<Vec<JoinHandle<()>>>,
}

impl Console {
    /// `talkative`: tells the terminal how far it is.
    pub(crate) fn new(talkative: bool) -> Self {
        Self {
            talkative,
            live: Arc::new(AtomicBool::new(false)),
            followers: Mutex::new(Vec::new()),
        }
    }

    /// A step of ours.
    pub(crate) fn say(&self, text: &str) {
        if self.talkative {
            println!("{text}");
        }
    }

    /// From now on, the parts' lines go to the terminal.
    pub(crate) fn go_live(&self) {
        self.live.store(true, Ordering::Relaxed);
    }

    /// From now on, they go to the files only: what parts say while they stop is of no interest.
    pub(crate) fn go_quiet(&self) {
        self.live.store(false, Ordering::Relaxed);
    }

    /// Passes a part's lines on until it ends.
    pub(crate) fn follow(&self, name: &'static str, mut lines: Lines, state: &Path) {
        let log = Log::open(name, state, &self.live);
        tokio::spawn(async move {
            while let Some(line) = lines.recv().await {
                log.write(&line);
            }
            log.write("(ended)");
        });
    }

    /// Passes on what the functions write, as MiniStack keeps it.
    pub(crate) fn follow_functions(&self, cloud: &Cloud, state: &Path) {
        let mut followers = self.followers();
        for (function, name) in FUNCTION_LOGS {
            let log = Log::open(name, state, &self.live);
            let cloud = cloud.clone();
            followers.push(tokio::spawn(follow_function(cloud, function, log)));
        }
    }

    /// Asks for the functions' logs no more.
    pub(crate) async fn stop_following(&self) {
        let followers: Vec<_> = self.followers().drain(..).collect();
        for follower in followers {
            follower.abort();
            // An aborted task has nothing to say.
            follower.await.ok();
        }
    }

    fn followers(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.followers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks for new lines, again and again.
async fn follow_function(cloud: Cloud, function: &'static str, log: Log) {
    let group = format!("/aws/lambda/{function}");
    let mut after_ms = 0;
    // MiniStack makes a stream for each invocation and fills it at once, at its end.
    let mut seen = HashSet::new();
    loop {
        let found = cloud
            .logs
            .filter_log_events()
            .log_group_name(&group)
            .start_time(after_ms)
            .send()
            .await;
        // The group is made by the first invocation.
        let events = found.map(|page| page.events.unwrap_or_default());
        let mut fresh = HashSet::new();
        for event in events.unwrap_or_default() {
            let stream = event.log_stream_name.unwrap_or_default();
            let at_ms = event.timestamp.unwrap_or_default();
            let message = event.message.unwrap_or_default();
            let platform = PLATFORM_LINES.iter().any(|line| message.starts_with(line));
            if !seen.contains(&stream) && !platform {
                log.write(&message);
            }
            if at_ms > after_ms {
                after_ms = at_ms;
                fresh.clear();
            }
            fresh.insert(stream);
        }
        // Only streams of the newest instant can be answered again.
        if !fresh.is_empty() {
            seen = fresh;
        }
        sleep(POLL_PERIOD).await;
    }
}

/// The lines of one part.
struct Log {
    name: &'static str,
    file: Option<Mutex<File>>,
    live: Arc<AtomicBool>,
}

impl Log {
    fn open(name: &'static str, state: &Path, live: &Arc<AtomicBool>) -> Self {
        let path = state.join("log").join(format!("{name}.log"));
        Self {
            name,
            file: File::create(path).ok().map(Mutex::new),
            live: Arc::clone(live),
        }
    }

    fn write(&self, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        if let Some(file) = &self.file {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            // A full disk must not end the stack.
            writeln!(file, "{line}").ok();
        }
        if self.live.load(Ordering::Relaxed) && !repeats_function(self.name, line) {
            println!("{:<13}| {line}", self.name);
        }
    }
}

/// MiniStack's own log repeats what functions write, in lines without its time stamp.
fn repeats_function(name: &str, line: &str) -> bool {
    name == MINISTACK
        && (!line.starts_with(|c: char| c.is_ascii_digit()) || line.ends_with("output:"))
}
