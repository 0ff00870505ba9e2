//! `souk catalog`.

mod import;

use clap::Subcommand;
use std::process::ExitCode;

/// Arguments of `souk catalog`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes the rows of a file into the catalog: skus, their products, prices and stock.
    Import(import::Arguments),
}

/// Runs the command. The code is 0 when all was done, 1 when some rows were rejected, and 2 when it
/// could not be finished.
pub(crate) async fn run(arguments: Arguments) -> ExitCode {
    match arguments.command {
        Command::Import(arguments) => import::run(arguments).await,
    }
}
