//! Repository tasks. `cargo xtask --help` lists them; `script/*` call them.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal: this is its output"
)]
#![allow(
    clippy::large_futures,
    reason = "each is made once in the life of the program"
)]

mod files;
mod fuzz;
mod openapi;
mod package;
mod ports;
mod postgres;
mod process;
mod repo;
mod sqlx_prepare;
mod stack;
mod test;
mod tidy;
mod tools;

use anyhow::Result;
use clap::{Parser, Subcommand};
use repo::Repo;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(about = "Tasks of the Souk repository", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Feed the edge's policy with what libFuzzer thinks of
    Fuzz(fuzz::FuzzArguments),
    /// Write the API's description, `docs/openapi.json`, from the code
    ///
    /// Fails where a client of the committed description would break.
    Openapi(openapi::OpenapiArguments),
    /// Build what is deployed: a zip for each function, the edge worker's bundle, and the Spin component
    Package {
        /// Where to put it, instead of .souk/artefacts
        #[arg(long)]
        out: Option<PathBuf>,
        /// Only the edge worker
        #[arg(long)]
        edge: bool,
        /// Only the gateway, a Spin component
        #[arg(long, conflicts_with = "edge")]
        gateway: bool,
    },
    /// Run a command against a fresh Postgres that is thrown away afterwards
    ///
    /// `SOUK_TEST_POSTGRES_URL` names the server (superuser, database `postgres`), and
    /// `SOUK_TEST_REPLICA_URL` its replica.
    Postgres {
        /// Start a streaming replica as well
        #[arg(long)]
        replica: bool,
        /// The command and its arguments; a shell when there is none
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Start the local cloud, place a demo order, and stay with its logs until Ctrl-C
    Stack {
        /// Stop once the order is in the read model; fail when it does not get there
        #[arg(long)]
        check: bool,
    },
    /// Run all tests against a fresh local cloud
    Test(test::TestArguments),
    /// Check the rules of this repository that no compiler knows
    Tidy,
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
        Task::Fuzz(arguments) => {
            fuzz::run(&repo, &arguments).await?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Openapi(arguments) => {
            openapi::run(&repo, &arguments).await?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Package { out, edge, gateway } => {
            let out = out.as_deref();
            match (edge, gateway) {
                (true, _) => package::run_edge(&repo, out).await?,
                (false, true) => package::run_gateway(&repo, out).await?,
                (false, false) => package::run(&repo, out).await?,
            }
            Ok(ExitCode::SUCCESS)
        }
        Task::Postgres { replica, command } => postgres::run_with(&repo, &command, replica).await,
        Task::Stack { check } => {
            let state = repo.state();
            if check {
                stack::check(&repo, &state).await?;
            } else {
                stack::serve(&repo, &state).await?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Task::Test(arguments) => test::run(&repo, &arguments).await,
        Task::Tidy => {
            tidy::run(&repo)?;
            Ok(ExitCode::SUCCESS)
        }
        Task::SqlxPrepare { check } => sqlx_prepare::run(&repo, check).await,
    }
}
