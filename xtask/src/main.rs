//! Repository tasks. `cargo xtask --help` lists them; `script/*` call them.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal: this is its output"
)]

mod files;
mod postgres;
mod process;
mod repo;
mod sqlx_prepare;

use anyhow::Result;
use clap::{Parser, Subcommand};
use repo::Repo;
use std::process::ExitCode;

#[derive(Parser)]
#[command(about = "Tasks of the Souk repository", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run a command against a fresh Postgres that is thrown away afterwards
    ///
    /// SOUK_TEST_POSTGRES_URL names the server (superuser, database `postgres`).
    Postgres {
        /// The command and its arguments; a shell when there is none
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Write the query data that sqlx's macros read when there is no database
    SqlxPrepare {
        /// Change nothing, fail when the committed data are not what the queries need
        #[arg(long)]
        check: bool,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse().task).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(task: Task) -> Result<ExitCode> {
    let repo = Repo::from_env()?;
    match task {
        Task::Postgres { command } => postgres::run_with(&repo, &command).await,
        Task::SqlxPrepare { check } => sqlx_prepare::run(&repo, check).await,
    }
}
