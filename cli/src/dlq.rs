//! `souk dlq`: messages that a consumer has given up.
//!
//! SQS can move them back by itself (`StartMessageMoveTask`), but all of them, at a rate that nobody
//! chooses one by one, and not for FIFO queues by tenant, type or time. So this receives, sends and
//! deletes, in that order: a message is deleted only when the queue has said that it took it.

mod drop_letters;
mod letter;
mod list;
mod queues;
mod redrive;
mod tally;
mod walk;

use crate::event_filter::EventFilter;
use anyhow::Result;
use clap::{Args, Subcommand};
use queues::Queues;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// Which messages.
#[derive(Debug, Clone, Args)]
struct Which {
    /// The queue whose messages were given up: one of `SOUK_EVENT_QUEUES` by its name there, such as
    /// `read_models`, or any by its URL. Its redrive policy says where the messages are.
    queue: String,
    #[command(flatten)]
    filter: EventFilter,
    /// At most so many.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

/// How they are worked off.
#[derive(Debug, Clone, Args)]
struct How {
    /// Messages per second at most.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: Option<u32>,
    /// Tells what would be done, and does nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints messages with what is known of them, as JSON, one a line. Of each group of a FIFO queue
    /// the first ones: SQS shows no others before those are gone.
    List {
        #[command(flatten)]
        which: Which,
        /// With their bodies.
        #[arg(long)]
        bodies: bool,
    },
    /// Sends messages to their queue again, groups in their order. May be interrupted and repeated: a
    /// message is gone from here only when its queue has taken it.
    Redrive {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        how: How,
    },
    /// Deletes messages for good.
    Drop {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        how: How,
        /// Appends them there first, as JSON, one a line.
        #[arg(long, value_name = "FILE")]
        save: Option<PathBuf>,
        /// Needed, since nothing brings them back.
        #[arg(long, required_unless_present = "dry_run")]
        yes: bool,
    },
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::List { which, bodies } => {
            let queues = Queues::find(&which.queue).await?;
            list::run(&queues, &which, bodies).await
        }
        Command::Redrive { which, how } => {
            let queues = Queues::find(&which.queue).await?;
            redrive::run(&queues, &which, &how).await
        }
        Command::Drop {
            which, how, save, ..
        } => {
            let queues = Queues::find(&which.queue).await?;
            drop_letters::run(&queues, &which, &how, save.as_deref()).await
        }
    }
}
