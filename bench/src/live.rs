//! The relay as Lambda runs it: woken by the doorbell queue, one run after the other. Without what Lambda
//! itself takes between a message and the function.

use crate::outbox::fill;
use crate::queues::Queues;
use crate::relaying::settings;
use crate::shop::Shop;
use anyhow::{Result, bail, ensure};
use aws_sdk_sqs::Client;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use souk_app::{
    EventPublisher, OutgoingEvent, PublishError, QueueMissing, RelaySettings, RoutedPublisher,
    relay_outbox,
};
use souk_domain::{Event, EventId, OrderId, Queue, Timestamp};
use souk_outbox_relay::SqsPublisher;
use souk_postgres::{Database, outbox};
use souk_runtime::doorbell::Doorbell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Connections of the writer, and so how many write at a time.
const WRITERS: u32 = 8;
const RELAY_CONNECTIONS: u32 = 2;
/// How long an event may be under way.
const ARRIVAL_MAX: Duration = Duration::from_secs(120);
/// When a relay runs that nobody has rung for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What was seen of the relay's runs.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// When all queues of an event had taken it.
    taken: Mutex<HashMap<EventId, Instant>>,
    /// How long each run took.
    runs: Mutex<Vec<Duration>>,
    /// `SendMessageBatch` requests.
    pub(crate) requests: AtomicU64,
    /// Rings that were received.
    pub(crate) rings: AtomicU64,
    /// Events that no ring was heard for.
    pub(crate) swept: AtomicU64,
}

impl Seen {
    fn taken(&self) -> std::sync::MutexGuard<'_, HashMap<EventId, Instant>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The runs since this was asked last.
    pub(crate) fn take_runs(&self) -> Vec<Duration> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        core::mem::take(&mut *runs)
    }
}

/// Sends an event to one queue, some way off, and counts the requests.
#[derive(Debug)]
struct FarQueue {
    inner: SqsPublisher,
    away: Duration,
    seen: Arc<Seen>,
}

impl EventPublisher for FarQueue {
    async fn publish(&self, batch: &[OutgoingEvent]) -> Vec<Result<(), PublishError>> {
        self.seen.requests.fetch_add(1, Ordering::Relaxed);
        if !self.away.is_zero() {
            tokio::time::sleep(self.away).await;
        }
        self.inner.publish(batch).await
    }
}

/// Notes when events were taken.
struct Noting<P> {
    inner: P,
    seen: Arc<Seen>,
}

impl<P: EventPublisher> EventPublisher for Noting<P> {
    async fn publish(&self, batch: &[OutgoingEvent]) -> Vec<Result<(), PublishError>> {
        let outcomes = self.inner.publish(batch).await;
        let now = Instant::now();
        let mut taken = self.seen.taken();
        for (event, outcome) in batch.iter().zip(&outcomes) {
            if outcome.is_ok() {
                taken.entry(event.event_id).or_insert(now);
            }
        }
        outcomes
    }
}

/// A shop, its queues, a writer and the relay.
pub(crate) struct Live<'a> {
    pub(crate) shop: Shop<'a>,
    pub(crate) queues: Queues,
    pub(crate) doorbell_url: String,
    pub(crate) seen: Arc<Seen>,
    event_queues: BTreeMap<Queue, String>,
    away: Duration,
    writer: Database,
    writers: Semaphore,
    stop: Arc<AtomicBool>,
    relay: Option<JoinHandle<Result<()>>>,
}

impl<'a> Live<'a> {
    /// Starts all of it; each queue is `away`.
    pub(crate) async fn start(shop: Shop<'a>, queues: Queues, away: Duration) -> Result<Self> {
        let mut event_queues = BTreeMap::new();
        for queue in Queue::ALL {
            event_queues.insert(queue, queues.make(true).await?);
        }
        let mut live = Self {
            doorbell_url: queues.make(false).await?,
            writer: Database::connect_lazily(&shop.app_url(), WRITERS)?,
            writers: Semaphore::new(usize::try_from(WRITERS)?),
            seen: Arc::default(),
            stop: Arc::default(),
            relay: None,
            event_queues,
            away,
            shop,
            queues,
        };
        let relay = Relay {
            database: Database::connect_lazily(
                &live.shop.database.url_by_role("souk_relay"),
                RELAY_CONNECTIONS,
            )?,
            client: live.queues.client.clone(),
            doorbell_url: live.doorbell_url.clone(),
            publisher: live.publisher()?,
            seen: Arc::clone(&live.seen),
            stop: Arc::clone(&live.stop),
        };
        live.relay = Some(std::thread::spawn(move || relay.run()));
        Ok(live)
    }

    /// A publisher as the relay has it, which notes in `seen`.
    pub(crate) fn publisher(&self) -> Result<impl EventPublisher + 'static, QueueMissing> {
        let far = |url: &String| FarQueue {
            inner: SqsPublisher::new(self.queues.client.clone(), url.clone()),
            away: self.away,
            seen: Arc::clone(&self.seen),
        };
        let queues = self.event_queues.iter();
        let routed = RoutedPublisher::new(queues.map(|(queue, url)| (*queue, far(url))).collect())?;
        Ok(Noting {
            inner: routed,
            seen: Arc::clone(&self.seen),
        })
    }

    /// An event of an order of its own.
    pub(crate) fn event(&self) -> Result<Event> {
        let mut event = Event::from_json_text(crate::relaying::EVENT_BODY)?;
        event.id = EventId::from_uuid(Uuid::now_v7());
        event.tenant_id = self.shop.tenant;
        event.subject = OrderId::from_uuid(Uuid::now_v7()).into();
        event.time = Timestamp::new(OffsetDateTime::now_utc())?;
        Ok(event)
    }

    /// Writes it in a transaction; returns when that was committed.
    pub(crate) async fn write(&self, event: &Event) -> Result<Instant> {
        let text = event.to_json_text()?;
        // The pool would give up on one that waits for long.
        let _permit = self.writers.acquire().await?;
        let mut tx = self.writer.begin(self.shop.tenant).await?;
        outbox::append(&mut tx, event, &text).await?;
        tx.commit().await?;
        Ok(Instant::now())
    }

    /// Waits until its queues have taken it, and says when.
    pub(crate) async fn arrival(&self, event: EventId) -> Result<Instant> {
        let give_up_at = Instant::now() + ARRIVAL_MAX;
        loop {
            if let Some(at) = self.seen.taken().remove(&event) {
                return Ok(at);
            }
            let ended = self.relay.as_ref().is_none_or(JoinHandle::is_finished);
            if ended || Instant::now() > give_up_at {
                bail!("an event did not arrive; the relay has ended: {ended}");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Writes `events` events at once, rings, and waits until all of them have arrived.
    pub(crate) async fn burst(&self, events: u64, bell: &Doorbell) -> Result<()> {
        let before = self.seen.taken().len();
        let body = crate::relaying::EVENT_BODY.trim_end();
        let tenant = self.shop.tenant.as_uuid();
        fill(&self.shop.database, tenant, events, body).await?;
        bell.ring().await;
        let wanted = before + usize::try_from(events)?;
        let give_up_at = Instant::now() + ARRIVAL_MAX;
        while self.seen.taken().len() < wanted {
            ensure!(
                Instant::now() < give_up_at,
                "not all events of a burst arrived"
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Ends it.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(relay) = self.relay.take() {
            let ended = tokio::task::spawn_blocking(move || relay.join()).await?;
            ended.map_err(|_| anyhow::anyhow!("the relay panicked"))??;
        }
        self.writer.close().await;
        self.queues.stop().await
    }
}

struct Relay<P> {
    database: Database,
    client: Client,
    doorbell_url: String,
    publisher: P,
    seen: Arc<Seen>,
    stop: Arc<AtomicBool>,
}

impl<P: EventPublisher> Relay<P> {
    fn run(self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let went = runtime.block_on(self.go());
        went.inspect_err(|error| eprintln!("the relay ends: {error:#}"))
    }

    async fn go(&self) -> Result<()> {
        let settings = settings();
        let mut ran_at = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            let woken = self.woken().await?;
            if !woken && ran_at.elapsed() < SWEEP_EVERY {
                continue;
            }
            let published = self.relay(&settings).await?;
            ran_at = Instant::now();
            if !woken {
                self.seen.swept.fetch_add(published, Ordering::Relaxed);
            }
        }
        self.database.close().await;
        Ok(())
    }

    /// Whether the doorbell rang.
    async fn woken(&self) -> Result<bool> {
        let receive = self.client.receive_message().queue_url(&self.doorbell_url);
        let receive = receive.max_number_of_messages(10).wait_time_seconds(1);
        let rings = receive.send().await?.messages.unwrap_or_default();
        for ring in &rings {
            let delete = self.client.delete_message().queue_url(&self.doorbell_url);
            let receipt = ring.receipt_handle().unwrap_or_default();
            delete.receipt_handle(receipt).send().await?;
        }
        let count = u64::try_from(rings.len())?;
        self.seen.rings.fetch_add(count, Ordering::Relaxed);
        Ok(count > 0)
    }

    async fn relay(&self, settings: &RelaySettings) -> Result<u64> {
        let began = Instant::now();
        let stop_at = tokio::time::Instant::now() + ARRIVAL_MAX;
        let report = relay_outbox(&self.database, &self.publisher, settings, stop_at).await?;
        ensure!(
            report.failed == 0 && report.unreached == 0,
            "the queue was not there: {report:?}"
        );
        let mut runs = self
            .seen
            .runs
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        runs.push(began.elapsed());
        Ok(report.published)
    }
}
