//! Consumers: what a function needs to apply the events of a queue, each once, in order, and none lost.
//!
//! A consumer says which types of events it handles, and gets each with its data already typed. Everything else is
//! done here: batches with partial answers, order within a group, time limits, panics, what is done with messages
//! that fail, metrics.
//!
//! ```no_run
//! use lambda_runtime::{Error, LambdaEvent, run, service_fn};
//! use souk_domain::{Event, OrderConfirmedV1, kinds};
//! use souk_runtime::adapters::{SystemClock, shards};
//! use souk_runtime::batch::deadline;
//! use souk_runtime::consumer::{Consumer, QueueKind, SqsSource};
//! use souk_runtime::environment::Environment;
//! use std::sync::Arc;
//!
//! # async fn print_label(event: &Event, confirmed: &OrderConfirmedV1) -> Result<(), std::io::Error> { Ok(()) }
//! #[tokio::main]
//! async fn main() -> Result<(), Error> {
//!     let environment = Environment::load().await?;
//!     let lookup = environment.lookup();
//!     let queue = SqsSource::configured(&lookup).await;
//!     let labels = Consumer::new("labels", QueueKind::Fifo, shards(&lookup)?, queue)
//!         .with_clock(Arc::new(SystemClock))
//!         .on(kinds::ORDER_CONFIRMED_V1, async |event, confirmed| {
//!             print_label(&event, &confirmed).await?;
//!             Ok(())
//!         });
//!     run(service_fn(async |batch: LambdaEvent<_>| {
//!         Ok::<_, Error>(labels.consume(batch.payload, deadline(&batch.context)).await)
//!     }))
//!     .await
//! }
//! ```
//!
//! `functions/runtime/examples/consumer.rs` is one that runs without a cloud.
//!
//! # What a handler has to do
//! A message may come twice, whatever the queue promises: the function may die after the effect and before its
//! answer. So the effect and the note that it was had belong into one transaction. That is a use case of `souk-app`,
//! by [`souk_app::apply_once`], under the consumer's name; [`souk_app::apply_once_in_order`] where an aggregate's
//! events must not overtake each other. A handler whose effect is the same however often it is had needs neither.
//!
//! # What becomes of a message
//! | it | then |
//! | --- | --- |
//! | is handled | it leaves the queue |
//! | has a type that is not known here, or that the consumer has no handler for | it is parked: [`souk_app::parked`]. [`release`] sends it again, after an upgrade |
//! | is [`HandlerError::Behind`] a parked one of its aggregate | it is parked too |
//! | fails, panics, or takes too long | it comes again, after a while that grows with each time; in a FIFO queue all later ones of its group come with it, and none of them is tried before |
//! | fails when it was received [`ConsumerSettings::receives_max`] times | it goes to the dead-letter queue, with the reason, and its group goes on; the next one of the group gets another try, since it was received as often |
//! | is no event at all, or is [`HandlerError::Refused`] | the same, at once |
//! | finds no time left before the function's end | it comes again at once |
//!
//! The queue's own redrive is for what even this cannot do: a function that dies each time. Its `maxReceiveCount`
//! is above [`ConsumerSettings::receives_max`], and messages that come by it have no reason with them.
//!
//! # What the deployment has to give
//! - `ReportBatchItemFailures` on the event source mapping: without it every failure is taken for a success.
//! - A visibility timeout of at least six times the function's timeout, plus the batching window.
//! - `SOUK_CONSUMER_QUEUE_URL` and `SOUK_CONSUMER_DLQ_URL`, and the rights to change the visibility of messages of the
//!   one and to send to the other. Without them failed messages come again after the visibility timeout, and go to
//!   the dead-letter queue by the queue's redrive.

mod batch;
mod handlers;
mod message;
mod queue;
mod release;
mod sqs_source;
mod tell;

pub use batch::QueueKind;
pub use handlers::HandlerError;
pub use queue::{
    ATTRIBUTE_CONSUMER, ATTRIBUTE_ERROR, ATTRIBUTE_FIRST_FAILED_AT, ATTRIBUTE_REASON,
    ATTRIBUTE_RECEIVES, ATTRIBUTE_RELEASED, ATTRIBUTE_TYPE, DEAD_LETTER_ATTRIBUTES, DeadLetter,
    DeadLetterReason, QueueError, ReleasedMessage, SourceQueue,
};
pub use release::{ReleaseReport, release};
pub use sqs_source::SqsSource;

use crate::adapters::SystemClock;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use batch::InFlight;
use core::fmt;
use core::future::Future;
use core::time::Duration;
use futures::FutureExt as _;
use futures::future::{Either, select};
use handlers::Handlers;
use souk_app::{Clock, Shards};
use souk_domain::{Event, EventKind, EventType};
use std::pin::pin;
use std::sync::Arc;
use tokio::time::{Instant, sleep};

/// Kept back of the function's time: for what is told to the queue at the end, and the answer itself.
const ANSWER_RESERVE: Duration = Duration::from_secs(3);

/// Bounds of a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumerSettings {
    /// Groups of a FIFO queue, or messages of a standard one, that are handled at once.
    pub concurrency_max: u8,
    /// How long a message may take, within the function's time.
    pub message_timeout: Duration,
    /// A message that fails when it is received for the so-manieth time is given up.
    pub receives_max: u32,
    /// How often messages that are still being handled are kept from coming again.
    pub heartbeat: Duration,
    /// For how long, each time. Longer than the heartbeat.
    pub heartbeat_extends: Duration,
    /// After its first failure a message comes again after this time; after each further one twice as late.
    pub backoff: Duration,
    /// Never later than this.
    pub backoff_max: Duration,
}

impl Default for ConsumerSettings {
    /// Eight tries over twenty minutes.
    fn default() -> Self {
        Self {
            concurrency_max: 4,
            message_timeout: Duration::from_mins(1),
            receives_max: 8,
            heartbeat: Duration::from_mins(1),
            heartbeat_extends: Duration::from_mins(3),
            backoff: Duration::from_secs(10),
            backoff_max: Duration::from_mins(10),
        }
    }
}

/// A consumer: its handlers by type of event, and what they stand on. Built once a process.
pub struct Consumer<'a, Q> {
    name: &'static str,
    kind: QueueKind,
    db: Shards,
    queue: Q,
    clock: Arc<dyn Clock>,
    settings: ConsumerSettings,
    handlers: Handlers<'a>,
}

impl<Q> fmt::Debug for Consumer<'_, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl<'a, Q: SourceQueue> Consumer<'a, Q> {
    /// A consumer without handlers. `name` is what it is called in the inbox, among parked messages and in metrics,
    /// and does not change. `db` is where messages are parked, each on its tenant's shard; `queue` is where they come
    /// from, by whose promise `kind`.
    pub fn new(name: &'static str, kind: QueueKind, db: Shards, queue: Q) -> Self {
        Self {
            name,
            kind,
            db,
            queue,
            clock: Arc::new(SystemClock),
            settings: ConsumerSettings::default(),
            handlers: Handlers::default(),
        }
    }

    /// By this clock, for what it tells of the age of events.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Within these bounds.
    #[must_use]
    pub fn with_settings(mut self, settings: ConsumerSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Handles the events of one type, with their data. A second handler of the same type takes the first one's
    /// place.
    #[must_use]
    pub fn on<T, F, Fut>(mut self, kind: EventKind<T>, handler: F) -> Self
    where
        T: 'static,
        F: Fn(Event, T) -> Fut + 'a,
        Fut: Future<Output = Result<(), HandlerError>> + 'a,
    {
        self.handlers.insert_typed(kind, handler);
        self
    }

    /// Handles the events of several types alike.
    #[must_use]
    pub fn on_each<F, Fut>(mut self, types: impl IntoIterator<Item = EventType>, handler: F) -> Self
    where
        F: Fn(Event) -> Fut + 'a,
        Fut: Future<Output = Result<(), HandlerError>> + 'a,
    {
        self.handlers.insert_each(types, handler);
        self
    }

    /// Handles a batch until `deadline`, which is when Lambda ends the function. The answer names the messages that
    /// are to come again.
    pub async fn consume(&self, batch: SqsEvent, deadline: Instant) -> SqsBatchResponse {
        let stop_at = deadline.checked_sub(ANSWER_RESERVE).unwrap_or(deadline);
        let in_flight = InFlight::of(&batch.records);
        let handling = batch::handle(
            &batch.records,
            self.kind,
            self.settings.concurrency_max,
            async |index, message, behind_one_given_up| {
                // Its type ends here: a function's own would nest too deeply with it.
                let taking = self.take(message, behind_one_given_up, stop_at);
                let outcome = taking.boxed_local().await;
                in_flight.ended(index);
                outcome
            },
        );
        let outcomes = match select(pin!(handling), self.beat(&in_flight).boxed_local()).await {
            Either::Left((outcomes, _)) => outcomes,
            Either::Right((never, _)) => match never {},
        };
        let failed = batch.records.iter().zip(&outcomes);
        let delays: Vec<_> = failed
            .filter_map(|(message, outcome)| {
                Some((message.receipt_handle.clone()?, outcome.comes_again()?))
            })
            .collect();
        self.hide(&delays).await;
        self.tell(&batch.records, &outcomes);
        batch::response(&batch.records, &outcomes)
    }

    /// Keeps what is still being handled from coming again. Ends with the batch.
    async fn beat(&self, in_flight: &InFlight) -> core::convert::Infallible {
        loop {
            sleep(self.settings.heartbeat).await;
            let delays: Vec<_> = in_flight
                .receipts()
                .into_iter()
                .map(|receipt| (receipt, self.settings.heartbeat_extends))
                .collect();
            self.hide(&delays).await;
        }
    }

    /// What the queue does not do is no reason to fail a message: it comes again by its visibility timeout.
    async fn hide(&self, delays: &[(String, Duration)]) {
        if delays.is_empty() {
            return;
        }
        if let Err(error) = self.queue.hide(delays).await {
            tracing::warn!(consumer = self.name, %error, "visibility was not changed");
        }
    }

    /// After so many receives a message comes again so late, give or take a quarter.
    fn backoff(&self, receives: u32) -> Duration {
        let doublings = receives.saturating_sub(1).min(16);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let settings = self.settings;
        let delay = settings.backoff.saturating_mul(factor);
        let delay_ms = u64::try_from(delay.min(settings.backoff_max).as_millis());
        let delay_ms = delay_ms.unwrap_or(u64::MAX);
        let jitter_ms = fastrand::u64(0..=delay_ms / 2);
        Duration::from_millis((delay_ms.saturating_sub(delay_ms / 4)).saturating_add(jitter_ms))
    }
}
