//! The operator's command line.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it speaks to a person or a script"
)]

mod audit;
mod catalog;
mod operator;
mod tenants;

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
    /// The log of who changed what about tenants.
    Audit(audit::Arguments),
    /// The catalog of a shop: what it sells.
    Catalog(catalog::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Tenants(arguments) => tenants::run(arguments).await,
        Command::Audit(arguments) => audit::run(arguments).await,
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
