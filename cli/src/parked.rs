//! `souk parked`: messages that a consumer could not understand when they came, and those that wait behind
//! them.

use crate::operator::tenant_tools;
use crate::sqs;
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use souk_app::Shards;
use souk_app::parked::{
    ParkedCount, ParkedFilter, ParkedMessage, parked_counts, parked_page, unpark,
};
use souk_domain::{EventId, Queue, TenantId};
use souk_runtime::adapters::sweepers;
use souk_runtime::config::Lookup;
use souk_runtime::consumer::{SqsSource, release};

/// Messages read at a time.
const PAGE: u16 = 100;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// Which messages.
#[derive(Debug, Clone, Args)]
struct Which {
    /// The queue that they came from: `read_models`, `order_process` or `webhooks`.
    queue: Queue,
    /// Whose.
    #[arg(long)]
    tenant: TenantId,
    /// Only those of this type, such as order.placed.v1.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
}

impl Which {
    fn filter(&self) -> ParkedFilter<'_> {
        ParkedFilter {
            tenant: self.tenant,
            consumer: self.queue.consumer(),
            event_type: self.event_type.as_deref(),
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints how many are parked, by tenant, consumer, type and reason, as JSON, one kind a line. Needs
    /// `SOUK_SWEEPER_SHARDS`, or `SOUK_SWEEPER_DATABASE_URL`.
    Status,
    /// Prints a tenant's as JSON, one a line, in the order in which they are released.
    List {
        #[command(flatten)]
        which: Which,
        /// With the messages as they came.
        #[arg(long)]
        bodies: bool,
    },
    /// Sends a tenant's to their queue again, each aggregate's in order; for when the consumer has learnt
    /// to understand them. They stay parked until it has applied them. May be interrupted and repeated.
    Release {
        #[command(flatten)]
        which: Which,
        /// At most so many.
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        limit: Option<u64>,
        /// Tells what would be done, and does nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Gives messages up: their consumer never applies them. What waits behind them is to be released
    /// then.
    Drop {
        /// The queue that they came from: `read_models`, `order_process` or `webhooks`.
        queue: Queue,
        /// Whose.
        #[arg(long)]
        tenant: TenantId,
        /// Which events.
        #[arg(long = "event", value_name = "EVENT", required = true)]
        events: Vec<EventId>,
        /// Needed, since nothing brings them back.
        #[arg(long, required = true)]
        yes: bool,
    },
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Status => status().await,
        Command::List { which, bodies } => {
            let db = tenant_tools()?.db;
            let list = async |message: &ParkedMessage| println!("{}", shown(message, bodies));
            each(&db, which.filter(), list).await
        }
        Command::Release {
            which,
            limit,
            dry_run,
        } => {
            let limit = limit.unwrap_or(u64::MAX);
            if dry_run {
                would_release(&which, limit).await
            } else {
                release_all(&which, limit).await
            }
        }
        Command::Drop {
            queue,
            tenant,
            events,
            ..
        } => give_up(queue, tenant, &events).await,
    }
}

async fn status() -> Result<()> {
    for database in sweepers(&Lookup::environment())? {
        for count in parked_counts(&database).await? {
            println!("{}", counted(&count));
        }
    }
    Ok(())
}

/// Does something with each message, page by page.
async fn each(
    db: &Shards,
    filter: ParkedFilter<'_>,
    act: impl AsyncFn(&ParkedMessage),
) -> Result<()> {
    let mut after: Option<(String, u64)> = None;
    loop {
        let from = after.as_ref().map(|(of, at)| (of.as_str(), *at));
        let page = parked_page(db, filter, from, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Some((last.subject.clone(), last.sequence));
        for message in &page {
            act(message).await;
        }
    }
}

async fn would_release(which: &Which, limit: u64) -> Result<()> {
    let db = tenant_tools()?.db;
    let count = core::cell::Cell::new(0_u64);
    each(&db, which.filter(), async |_| {
        count.set(count.get().saturating_add(1));
    })
    .await?;
    println!("{} would be released", count.get().min(limit));
    Ok(())
}

async fn release_all(which: &Which, limit: u64) -> Result<()> {
    let db = tenant_tools()?.db;
    let url = sqs::url_of(which.queue.as_str())?.url;
    let queue = SqsSource::new(sqs::client().await, Some(url), None);
    let report = release(&db, &queue, which.filter(), limit).await?;
    println!("{} released", report.released);
    if report.refused > 0 {
        bail!(
            "the queue refused {}: they stay parked, run the command again",
            report.refused
        );
    }
    Ok(())
}

async fn give_up(queue: Queue, tenant: TenantId, events: &[EventId]) -> Result<()> {
    let db = tenant_tools()?.db;
    let mut missing = Vec::new();
    for event in events {
        if unpark(&db, tenant, queue.consumer(), *event).await? {
            println!("{event} dropped");
        } else {
            missing.push(event.to_string());
        }
    }
    if !missing.is_empty() {
        bail!("not parked: {}", missing.join(", "));
    }
    Ok(())
}

fn counted(count: &ParkedCount) -> Value {
    json!({
        "tenant_id": count.tenant,
        "consumer": count.consumer,
        "event_type": count.event_type,
        "reason": count.reason,
        "messages": count.messages,
        "released": count.released,
        "oldest": count.oldest,
    })
}

fn shown(message: &ParkedMessage, bodies: bool) -> Value {
    let mut shown = json!({
        "event_id": message.event_id,
        "event_type": message.event_type,
        "subject": message.subject,
        "sequence": message.sequence,
        "reason": message.reason,
        "parked_at": message.parked_at,
        "released_at": message.released_at,
        "releases": message.releases,
    });
    if bodies && let Some(fields) = shown.as_object_mut() {
        fields.insert("body".to_owned(), json!(message.body));
    }
    shown
}
