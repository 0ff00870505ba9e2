//! `souk outbox`: how it stands, sending its history again, and what its queues refuse.

mod checkpoint;
mod quarantine;
mod replay;
mod shown;
mod status;

use crate::event_filter::EventFilter;
use anyhow::Result;
use clap::{Args, Subcommand};
use souk_app::Database;
use souk_app::tenants::ShardName;
use souk_runtime::adapters::relays;
use souk_runtime::config::Lookup;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The databases of all shards, by the role `souk_relay`: it sees the events of all tenants.
type Outboxes = BTreeMap<ShardName, Database>;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// How it is done.
#[derive(Debug, Clone, Args)]
struct How {
    #[command(flatten)]
    filter: EventFilter,
    /// Events per second at most.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: Option<u32>,
    /// Tells what would be done, and does nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints what waits to be published, for how long, and which relays are at it.
    Status {
        /// Again each second, until Ctrl-C.
        #[arg(long)]
        watch: bool,
        /// For programs: one object a line.
        #[arg(long)]
        json: bool,
    },
    /// Sends events that were published to one queue again, each aggregate's in order. Consumers apply
    /// only what they have not applied. May be interrupted and repeated.
    Replay {
        /// Where to: one of `SOUK_EVENT_QUEUES` by its name there, such as `read_models`, which gets what
        /// is meant for it; or any by its URL, which gets everything.
        queue: String,
        #[command(flatten)]
        how: How,
        /// A word for this replay. The queue takes an event once for each word, within five minutes.
        #[arg(long, value_name = "WORD")]
        name: Option<String>,
        /// Keeps there how far it has got, and goes on from there if the file exists. It is removed at the
        /// end.
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
    },
    /// Events that a queue has refused too often. Each holds back the later ones of its aggregate.
    Quarantine {
        #[command(subcommand)]
        command: QuarantineCommand,
    },
}

#[derive(Debug, Subcommand)]
enum QuarantineCommand {
    /// Prints them as JSON, one a line, with what the queue said.
    List {
        #[command(flatten)]
        filter: EventFilter,
    },
    /// Lets them be tried again, as if they had never been refused.
    Release(Chosen),
    /// Gives them up: they are never published, and the later ones of their aggregates go on.
    Drop {
        #[command(flatten)]
        chosen: Chosen,
        /// Needed, since consumers will never hear of them.
        #[arg(long, required_unless_present = "dry_run")]
        yes: bool,
    },
}

/// Which events of the quarantine.
#[derive(Debug, Clone, Args)]
struct Chosen {
    #[command(flatten)]
    how: How,
    /// Only these events, by their ids.
    #[arg(long = "event", value_name = "EVENT")]
    events: Vec<souk_domain::EventId>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let outboxes = relays(&Lookup::environment())?;
    match arguments.command {
        Command::Status { watch, json } => status::run(&outboxes, watch, json).await,
        Command::Replay {
            queue,
            how,
            name,
            checkpoint,
        } => {
            let wish = replay::Wish {
                queue,
                how,
                name,
                checkpoint,
            };
            replay::run(&outboxes, wish).await
        }
        Command::Quarantine { command } => match command {
            QuarantineCommand::List { filter } => quarantine::list(&outboxes, &filter).await,
            QuarantineCommand::Release(chosen) => {
                quarantine::act(&outboxes, quarantine::Act::Release, &chosen).await
            }
            QuarantineCommand::Drop { chosen, .. } => {
                quarantine::act(&outboxes, quarantine::Act::Drop, &chosen).await
            }
        },
    }
}
