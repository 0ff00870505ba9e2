//! `souk outbox quarantine`

use super::{Chosen, Outboxes};
use crate::event_filter::EventFilter;
use crate::interrupt::Interrupt;
use crate::pace::Pace;
use crate::progress::Progress;
use anyhow::{Result, bail};
use serde_json::{Value, json};
use souk_app::Database;
use souk_app::outbox::{self, QuarantineFilter, Quarantined};
use souk_domain::{EventId, TenantId, Timestamp};

/// Events read at a time.
const PAGE: u16 = 200;

/// What is done with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Release,
    Drop,
}

impl Act {
    const fn verb(self) -> &'static str {
        match self {
            Self::Release => "released",
            Self::Drop => "dropped",
        }
    }

    async fn apply(self, database: &Database, event: &Quarantined) -> Result<bool> {
        Ok(match self {
            Self::Release => {
                outbox::release_quarantined(database, event.lane, event.position).await?
            }
            Self::Drop => outbox::drop_quarantined(database, event.lane, event.position).await?,
        })
    }
}

pub(super) async fn list(outboxes: &Outboxes, filter: &EventFilter) -> Result<()> {
    for (shard, database) in outboxes {
        let mut pages = Pages::new(database, filter);
        while let Some(events) = pages.next().await? {
            for event in &events {
                println!("{}", shown(shard.as_str(), event));
            }
        }
    }
    Ok(())
}

/// Releases or drops what is chosen. What was done stays done: the same command goes on.
pub(super) async fn act(outboxes: &Outboxes, act: Act, chosen: &Chosen) -> Result<()> {
    let interrupt = Interrupt::listen();
    let mut pace = Pace::new(chosen.how.rate);
    let (mut done, mut seen) = (0_u64, 0_u64);
    let mut progress = Progress::new(count(outboxes, chosen).await?);
    let verb = act.verb();
    'shards: for (shard, database) in outboxes {
        let mut pages = Pages::new(database, &chosen.how.filter);
        while let Some(events) = pages.next().await? {
            for event in events.iter().filter(|event| is_chosen(chosen, event)) {
                if interrupt.asked() {
                    break 'shards;
                }
                seen = seen.saturating_add(1);
                if chosen.how.dry_run {
                    println!("{}", shown(shard.as_str(), event));
                    continue;
                }
                pace.let_pass(1).await;
                // Somebody else may have been faster.
                let was_there = act.apply(database, event).await?;
                done = done.saturating_add(u64::from(was_there));
                progress.show(seen, seen, || format!("{done} {verb}"));
            }
        }
    }
    progress.end();
    if chosen.how.dry_run {
        println!("{seen} would be {verb}");
    } else {
        println!("{done} {verb}");
    }
    if interrupt.asked() {
        bail!("interrupted: the same command goes on");
    }
    Ok(())
}

async fn count(outboxes: &Outboxes, chosen: &Chosen) -> Result<u64> {
    let mut count = 0_usize;
    for database in outboxes.values() {
        let mut pages = Pages::new(database, &chosen.how.filter);
        while let Some(events) = pages.next().await? {
            let of_page = events.iter().filter(|event| is_chosen(chosen, event));
            count = count.saturating_add(of_page.count());
        }
    }
    Ok(u64::try_from(count)?)
}

fn is_chosen(chosen: &Chosen, event: &Quarantined) -> bool {
    chosen.events.is_empty() || chosen.events.contains(&EventId::from_uuid(event.event_id))
}

/// The quarantine of a shard, a page at a time.
struct Pages<'a> {
    database: &'a Database,
    types: Vec<String>,
    filter: QuarantineFilter,
    after: Option<(i16, i64)>,
    ended: bool,
}

impl<'a> Pages<'a> {
    fn new(database: &'a Database, filter: &EventFilter) -> Self {
        Self {
            database,
            types: filter.types.clone(),
            filter: QuarantineFilter {
                tenant_id: filter.tenant.as_ref().map(TenantId::as_uuid),
                event_type: filter.only_type(),
                since: filter.since,
                until: filter.until,
            },
            after: None,
            ended: false,
        }
    }

    async fn next(&mut self) -> Result<Option<Vec<Quarantined>>> {
        if self.ended {
            return Ok(None);
        }
        let filter = &self.filter;
        let page = outbox::list_quarantined(self.database, filter, self.after, PAGE).await?;
        self.ended = page.len() < usize::from(PAGE);
        self.after = page.last().map(|event| (event.lane, event.position));
        let types = &self.types;
        let meant = page
            .into_iter()
            .filter(|event| types.is_empty() || types.contains(&event.event_type));
        Ok(Some(meant.collect()))
    }
}

fn shown(shard: &str, event: &Quarantined) -> Value {
    let at = |at| Timestamp::new(at).ok();
    json!({
        "shard": shard,
        "lane": event.lane,
        "position": event.position,
        "event_id": EventId::from_uuid(event.event_id),
        "event_type": event.event_type,
        "tenant_id": TenantId::from_uuid(event.tenant_id),
        "aggregate_id": event.aggregate_id.to_string(),
        "sequence": event.sequence,
        "time": at(event.created_at),
        "quarantined_at": at(event.quarantined_at),
        "attempts": event.attempts,
        "error": event.last_error,
        "waiting_behind_it": event.waiting,
    })
}
