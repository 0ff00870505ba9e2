//! The relay in a process of its own, as it runs in its function, and what it is compared with.

use crate::queues::{Queues, SqsBounds};
use crate::worker::{READY, Worker};
use anyhow::{Context as _, Result, bail, ensure};
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use souk_app::{EventPublisher, OutgoingEvent, PublishError, RelaySettings, relay_outbox};
use souk_domain::EventId;
use souk_outbox_relay::SqsPublisher;
use souk_postgres::Database;
use std::path::Path;
use std::time::Instant;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use uuid::Uuid;

/// Connections of a relay: as many as its function has.
const CONNECTIONS: u32 = 2;
/// No run of a benchmark takes longer.
const RUN_MAX: Duration = Duration::from_secs(240);
/// What an event says, as long as one that Souk writes for an order.
pub(crate) const EVENT_BODY: &str = include_str!("../sql/event_body.json");

/// What the process is told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RelayArguments {
    /// The database, by the relay's role
    #[arg(long, env = "SOUK_DATABASE_URL", hide_env_values = true)]
    database_url: String,
}

/// What a run did.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Done {
    /// Events that the queue took.
    pub(crate) published: u64,
    /// Requests to the queue.
    pub(crate) requests: u64,
    /// How long it took.
    pub(crate) us: u64,
    /// How long until the last event was taken: a relay looks for more for a while.
    pub(crate) last_us: u64,
}

impl Done {
    pub(crate) const fn elapsed(self) -> Duration {
        Duration::from_micros(self.us)
    }

    pub(crate) const fn until_last(self) -> Duration {
        Duration::from_micros(self.last_us)
    }
}

/// Where events go.
#[derive(Debug)]
pub(crate) enum Target {
    /// Nowhere, after a while: a queue that is that far away.
    Null(Duration),
    /// To a queue.
    Sqs(SqsPublisher),
}

/// Counts requests to a queue.
#[derive(Debug)]
pub(crate) struct Counting<P> {
    inner: P,
    began: Instant,
    requests: AtomicU64,
    last_us: AtomicU64,
}

impl<P> Counting<P> {
    pub(crate) fn new(inner: P) -> Self {
        Self {
            inner,
            began: Instant::now(),
            requests: AtomicU64::new(0),
            last_us: AtomicU64::new(0),
        }
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

impl<P: EventPublisher> EventPublisher for Counting<P> {
    async fn publish(&self, batch: &[OutgoingEvent]) -> Vec<Result<(), PublishError>> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let outcomes = self.inner.publish(batch).await;
        let us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last_us.fetch_max(us, Ordering::Relaxed);
        outcomes
    }
}

impl EventPublisher for Target {
    async fn publish(&self, batch: &[OutgoingEvent]) -> Vec<Result<(), PublishError>> {
        match self {
            Self::Null(away) => {
                if !away.is_zero() {
                    tokio::time::sleep(*away).await;
                }
                batch.iter().map(|_| Ok(())).collect()
            }
            Self::Sqs(publisher) => publisher.publish(batch).await,
        }
    }
}

/// Does what standard input says, until it ends:
///
/// - `null MS`: relays all there is to a queue that takes everything after so many milliseconds;
/// - `sqs URL`: relays all there is to that queue;
/// - `bare URL COUNT`: sends so many events to that queue, from memory.
pub(crate) async fn serve(arguments: RelayArguments) -> Result<()> {
    let database = Database::connect_lazily(&arguments.database_url, CONNECTIONS)?;
    println!("{READY}");
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let words: Vec<&str> = line.split(' ').collect();
        let done = match words.as_slice() {
            ["null", ms] => {
                let away = Duration::from_millis(ms.parse()?);
                drain(&database, Target::Null(away)).await?
            }
            ["sqs", url] => {
                let client = Queues::client_from_environment(SqsBounds::OfRelay).await;
                let publisher = SqsPublisher::new(client, (*url).to_owned());
                drain(&database, Target::Sqs(publisher)).await?
            }
            ["bare", url, count] => bare(url, count.parse()?).await?,
            _ => bail!("{line:?} is not understood"),
        };
        println!("{}", serde_json::to_string(&done)?);
    }
    Ok(())
}

/// Relays all there is.
async fn drain(database: &Database, target: Target) -> Result<Done> {
    let publisher = Counting::new(target);
    let settings = settings();
    let began = Instant::now();
    let stop_at = tokio::time::Instant::now() + RUN_MAX;
    let report = relay_outbox(database, &publisher, &settings, stop_at).await?;
    let elapsed = began.elapsed();
    ensure!(
        report.failed == 0 && !report.out_of_time,
        "not all could be relayed: {report:?}"
    );
    Ok(Done {
        published: report.published,
        requests: publisher.requests(),
        us: u64::try_from(elapsed.as_micros())?,
        last_us: publisher.last_us.load(Ordering::Relaxed),
    })
}

/// As the function has them.
pub(crate) fn settings() -> RelaySettings {
    RelaySettings {
        holder: Uuid::now_v7().to_string(),
        ..RelaySettings::default()
    }
}

/// Sends `count` events in full batches, as many at a time as a relay: nothing else is done.
async fn bare(url: &str, count: usize) -> Result<Done> {
    let client = Queues::client_from_environment(SqsBounds::OfRelay).await;
    let settings = RelaySettings::default();
    let events: Vec<OutgoingEvent> = (0..count).map(|_| outgoing()).collect();
    let batches: Vec<&[OutgoingEvent]> = events.chunks(settings.batch_size_max).collect();
    let next = AtomicU64::new(0);
    let began = Instant::now();
    let senders = (0..settings.batches_in_flight_max).map(|_| async {
        loop {
            let index = usize::try_from(next.fetch_add(1, Ordering::Relaxed))?;
            let Some(batch) = batches.get(index) else {
                return anyhow::Ok(());
            };
            crate::queues::send_batch(&client, url, batch).await?;
        }
    });
    try_join_all(senders).await?;
    let us = u64::try_from(began.elapsed().as_micros())?;
    Ok(Done {
        published: u64::try_from(count)?,
        requests: u64::try_from(batches.len())?,
        us,
        last_us: us,
    })
}

/// An event of an aggregate of its own.
fn outgoing() -> OutgoingEvent {
    let id = EventId::from_uuid(Uuid::now_v7());
    OutgoingEvent {
        event_id: id,
        group: format!("ord_{}", Uuid::now_v7().simple()),
        event_type: "order.placed.v1".to_owned(),
        body: EVENT_BODY.trim_end().to_owned(),
    }
}

/// Starts this very program as a relay; `queues` are where it finds them.
pub(crate) async fn start_relay(database_url: &str, queues: Option<&Queues>) -> Result<Worker> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("relay-worker")
        .env("SOUK_DATABASE_URL", database_url);
    if let Some(queues) = queues {
        command.envs(queues.environment());
    }
    Worker::start(command).await
}

/// Starts graphile-worker.
pub(crate) async fn start_graphile_worker(
    node: &Path,
    bench: &Path,
    database_url: &str,
) -> Result<Worker> {
    let mut command = Command::new(node);
    command
        .arg(bench.join("peers/graphile-worker/worker.mjs"))
        .env("PEER_DATABASE_URL", database_url)
        .env("PEER_BODY_LENGTH", EVENT_BODY.trim_end().len().to_string())
        .env("NODE_ENV", "production");
    Worker::start(command)
        .await
        .context("is the peer installed? script/bootstrap does that")
}
