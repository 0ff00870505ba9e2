//! The operator's command line.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it speaks to a person or a script"
)]

mod audit;
mod catalog;
mod cost;
mod dlq;
mod edge;
mod event_filter;
mod interrupt;
mod ledger;
mod operator;
mod outbox;
mod pace;
mod parked;
mod process;
mod progress;
mod reconcile;
mod sqs;
mod tenants;
mod webhooks;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Operates Souk.
#[derive(Debug, Parser)]
#[command(name = "souk", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tenants: who they are, where they are served from, and with which keys.
    Tenants(tenants::Arguments),
    /// The edge: limits, issuers of tokens, pages, switches, and publishing them with the tenants' routes.
    Edge(edge::Arguments),
    /// The log of who changed what about tenants.
    Audit(audit::Arguments),
    /// The catalog of a shop: what it sells.
    Catalog(catalog::Arguments),
    /// What orders cost in the cloud in a month, line by line, by list prices of a dated file.
    Cost(cost::Arguments),
    /// What is done about an order by itself.
    Process(process::Arguments),
    /// The books of tenants.
    Ledger(ledger::Arguments),
    /// Compares the PSP's movements with a tenant's books, heals what is safe, and prints what differs.
    /// Needs the PSP's accounts in the environment, as the functions do.
    Reconcile(reconcile::Arguments),
    /// Webhooks to a tenant's own systems: endpoints, what was sent to them, and sending it again.
    Webhooks(webhooks::Arguments),
    /// The outbox: how it stands, sending its history again, and what its queues refuse.
    Outbox(outbox::Arguments),
    /// Messages that a consumer has given up: what they are, back to their queue, or away.
    Dlq(dlq::Arguments),
    /// Messages that a consumer could not understand when they came, and those that wait behind them.
    Parked(parked::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Tenants(arguments) => tenants::run(arguments).await,
        Command::Edge(arguments) => edge::run(arguments).await,
        Command::Audit(arguments) => audit::run(arguments).await,
        Command::Cost(arguments) => cost::run(&arguments),
        Command::Process(arguments) => process::run(arguments).await,
        Command::Ledger(arguments) => ledger::run(arguments).await,
        Command::Reconcile(arguments) => reconcile::run(arguments).await,
        Command::Webhooks(arguments) => webhooks::run(arguments).await,
        Command::Outbox(arguments) => outbox::run(arguments).await,
        Command::Dlq(arguments) => dlq::run(arguments).await,
        Command::Parked(arguments) => parked::run(arguments).await,
        // It has more than two ways to end.
        Command::Catalog(arguments) => return catalog::run(arguments).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("souk: {error:#}");
            ExitCode::FAILURE
        }
    }
}
