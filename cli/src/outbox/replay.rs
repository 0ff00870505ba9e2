//! `souk outbox replay`

use super::checkpoint::{Checkpoint, CheckpointFile};
use super::{How, Outboxes};
use crate::event_filter::EventFilter;
use crate::interrupt::Interrupt;
use crate::operator::random_bytes;
use crate::pace::Pace;
use crate::progress::Progress;
use crate::sqs::{self, BATCH_MAX, NamedQueue, entry_id};
use anyhow::{Result, bail, ensure};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use core::fmt::Write as _;
use core::time::Duration;
use souk_app::Database;
use souk_app::outbox::{self, HistoryEvent, HistoryFilter, HistoryPlace};
use souk_domain::{EventId, EventType, Queue, Subject, TenantId};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Events read at a time.
const PAGE: u16 = 200;
/// Lanes of a shard, that of history from elsewhere included.
const LANES: u64 = 65;
/// The attribute with the event's type, as the relay sets it.
const TYPE: &str = "type";
/// The attribute that names the replay.
const REPLAY: &str = "souk-replay";
/// How often a queue may refuse an event before the replay ends.
const TRIES_MAX: u32 = 5;
const WAIT_FIRST: Duration = Duration::from_millis(200);
/// How the URL of a FIFO queue ends.
const FIFO: &str = "fifo";
/// A FIFO queue takes a deduplication id of at most 128 characters.
const NAME_LENGTH_MAX: usize = 40;

/// What was asked for.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) queue: String,
    pub(super) how: How,
    pub(super) name: Option<String>,
    pub(super) checkpoint: Option<PathBuf>,
}

pub(super) async fn run(outboxes: &Outboxes, wish: Wish) -> Result<()> {
    let target = sqs::url_of(&wish.queue)?;
    let file = CheckpointFile(wish.checkpoint.filter(|_| !wish.how.dry_run));
    let own = hex::encode(random_bytes::<4>()?);
    let asked = format!("{} {:?}", wish.queue, wish.how.filter);
    let checkpoint = file.begin(wish.name, &own, asked)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    ensure!(
        checkpoint.name.chars().all(fits) && (1..=NAME_LENGTH_MAX).contains(&checkpoint.name.len()),
        "a replay's name has 1 to {NAME_LENGTH_MAX} letters, digits, - and _"
    );
    let mut replay = Replay {
        client: sqs::client().await,
        fifo: target
            .url
            .rsplit_once('.')
            .is_some_and(|(_, end)| end == FIFO),
        target,
        dry_run: wish.how.dry_run,
        pace: Pace::new(wish.how.rate),
        interrupt: Interrupt::listen(),
        progress: Progress::new(LANES.saturating_mul(u64::try_from(outboxes.len())?)),
        lanes_done: 0,
        by_type: BTreeMap::new(),
        not_meant: 0,
        checkpoint,
        file,
    };
    let mut done = Ok(true);
    for (shard, database) in outboxes {
        done = replay
            .shard(shard.as_str(), database, &wish.how.filter)
            .await;
        if !matches!(done, Ok(true)) {
            break;
        }
    }
    replay.progress.end();
    println!("{}", replay.sentences());
    if done? {
        return replay.file.end();
    }
    bail!(
        "interrupted: the same command with --name {} goes on",
        replay.checkpoint.name
    )
}

struct Replay {
    client: Client,
    target: NamedQueue,
    fifo: bool,
    dry_run: bool,
    pace: Pace,
    interrupt: Interrupt,
    progress: Progress,
    lanes_done: u64,
    by_type: BTreeMap<String, u64>,
    not_meant: u64,
    checkpoint: Checkpoint,
    file: CheckpointFile,
}

impl Replay {
    /// One shard's history; false where somebody wants it to end.
    async fn shard(
        &mut self,
        shard: &str,
        database: &Database,
        filter: &EventFilter,
    ) -> Result<bool> {
        let history = in_history(filter);
        let Some(mut place) = self.checkpoint.place_in(shard) else {
            self.lanes_done = self.lanes_done.saturating_add(LANES);
            return Ok(true);
        };
        loop {
            let page = outbox::history(database, &history, place, PAGE).await?;
            let last = page.len() < usize::from(PAGE);
            let Some(end) = page.last().map(|event| event.place) else {
                break;
            };
            let meant = page.into_iter().filter(|event| {
                filter.types.is_empty() || filter.types.contains(&event.event_type)
            });
            self.page(meant.collect()).await?;
            place = end;
            self.reached(shard, place)?;
            if last {
                break;
            }
            if self.interrupt.asked() {
                return Ok(false);
            }
        }
        self.lanes_done = self.lanes_done.saturating_add(LANES);
        Ok(true)
    }

    fn reached(&mut self, shard: &str, place: HistoryPlace) -> Result<()> {
        self.checkpoint.shard = Some(shard.to_owned());
        self.checkpoint.lane = place.lane;
        self.checkpoint.position = place.position;
        self.file.keep(&self.checkpoint)?;
        let lanes = u64::try_from(place.lane.saturating_add(1)).unwrap_or(0);
        let done = self.lanes_done.saturating_add(lanes);
        let sent = self.checkpoint.sent;
        self.progress
            .show(done, sent, || format!("{sent} sent, lane {}", place.lane));
        Ok(())
    }

    /// Sends a page; a request has each aggregate at most once, and no later event of one is sent before
    /// the queue has taken the earlier one.
    async fn page(&mut self, events: Vec<HistoryEvent>) -> Result<()> {
        let (meant, others): (Vec<_>, Vec<_>) = events
            .into_iter()
            .partition(|event| is_meant_for(self.target.queue, &event.event_type));
        let others = u64::try_from(others.len()).unwrap_or(u64::MAX);
        self.not_meant = self.not_meant.saturating_add(others);
        for wave in sqs::waves(meant, |event| Some(event.aggregate_id.to_string())) {
            for request in sqs::requests(&wave, |event| event.body.len()) {
                self.request(request).await?;
            }
        }
        Ok(())
    }

    async fn request(&mut self, events: &[HistoryEvent]) -> Result<()> {
        for part in events.chunks(self.pace.at_a_time(BATCH_MAX)) {
            self.pace.let_pass(part.len()).await;
            if !self.dry_run {
                self.send(part).await?;
            }
            for event in part {
                let count = self.by_type.entry(event.event_type.clone()).or_default();
                *count = count.saturating_add(1);
                self.checkpoint.sent = self.checkpoint.sent.saturating_add(1);
            }
        }
        Ok(())
    }

    /// Sends until all are taken.
    async fn send(&self, events: &[HistoryEvent]) -> Result<()> {
        let mut left: Vec<&HistoryEvent> = events.iter().collect();
        let mut wait = WAIT_FIRST;
        for _ in 0..TRIES_MAX {
            let entries = left.iter().enumerate();
            let entries = entries.map(|(place, event)| self.entry(place, event));
            let entries = entries.collect::<Result<Vec<_>, _>>()?;
            let outcomes = sqs::send(&self.client, &self.target.url, entries).await;
            let mut refusal = None;
            let mut outcomes = outcomes.into_iter();
            left.retain(|_| match outcomes.next() {
                Some(Ok(())) => false,
                Some(Err(reason)) => {
                    refusal.get_or_insert(reason);
                    true
                }
                None => true,
            });
            if left.is_empty() {
                return Ok(());
            }
            eprintln!("the queue says: {}", refusal.unwrap_or_default());
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2);
        }
        bail!("the queue does not take {} events", left.len())
    }

    /// The event as a relay would send it, under an id of the replay's own: under the event's, the queue
    /// would swallow what it has had within five minutes.
    fn entry(
        &self,
        place: usize,
        event: &HistoryEvent,
    ) -> Result<SendMessageBatchRequestEntry, BuildError> {
        let text = |value: &str| {
            let value = MessageAttributeValue::builder()
                .data_type("String")
                .string_value(value);
            value.build()
        };
        let mut entry = SendMessageBatchRequestEntry::builder()
            .id(entry_id(place))
            .message_attributes(TYPE, text(&event.event_type)?)
            .message_attributes(REPLAY, text(&self.checkpoint.name)?)
            .message_body(&event.body);
        if self.fifo {
            let subject = Subject::of_json_text(&event.body);
            let group = subject.map_or_else(
                || event.aggregate_id.simple().to_string(),
                |subject| subject.to_string(),
            );
            let id = EventId::from_uuid(event.event_id);
            entry = entry
                .message_group_id(group)
                .message_deduplication_id(format!("replay-{}-{id}", self.checkpoint.name));
        }
        entry.build()
    }

    fn sentences(&self) -> String {
        let would = if self.dry_run { "would be " } else { "" };
        // Writing to a string cannot fail.
        let mut text = format!("{} events {would}sent again", self.checkpoint.sent);
        for (event_type, count) in &self.by_type {
            let _ = write!(text, "\n{count}\t{event_type}");
        }
        if self.not_meant > 0 {
            let _ = write!(
                text,
                "\n{} left out, since events of their type do not go to that queue",
                self.not_meant
            );
        }
        text
    }
}

fn in_history(filter: &EventFilter) -> HistoryFilter {
    HistoryFilter {
        tenant_id: filter.tenant.as_ref().map(TenantId::as_uuid),
        event_type: filter.only_type(),
        since: filter.since,
        until: filter.until,
    }
}

/// By the table that the relay goes by. A queue that is known by its URL only gets everything, and one of
/// ours nothing of a type that is not known here.
fn is_meant_for(queue: Option<Queue>, event_type: &str) -> bool {
    let Some(queue) = queue else {
        return true;
    };
    let known: Result<EventType, _> = event_type.parse();
    known.is_ok_and(|known| known.queues().contains(&queue))
}
