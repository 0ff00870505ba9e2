//! Benchmarks: ours and a peer, measured in one run, in turns. `bench/README.md` says what each one
//! compares and what its figures mean.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal: this is its output"
)]
#![allow(
    clippy::float_arithmetic,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::arithmetic_side_effects,
    reason = "statistics of measurements, never money"
)]
#![allow(
    clippy::large_futures,
    reason = "each is made once in the life of the program"
)]

mod benchmarks;
mod child;
mod deciding;
mod live;
mod load;
mod machine;
mod origin;
mod outbox;
mod pgbench;
mod postgres;
mod queues;
mod relaying;
mod report;
mod requests;
mod rounds;
mod shop;
mod worker;

use anyhow::{Context as _, Result};
use benchmarks::Benchmark;
use clap::{Parser, Subcommand};
use origin::{ServeArguments, ServePaymentsArguments, ServePspArguments};
use postgres::Server;
use relaying::RelayArguments;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(
    name = "souk-bench",
    about = "Measures ours and a peer in one run, in turns; exits 1 where the limit is missed",
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Cli {
    #[command(subcommand)]
    inner: Option<Inner>,
    /// What to measure
    #[arg(value_enum, required = true)]
    name: Option<Benchmark>,
    /// A few seconds, without a limit: to see that it runs
    #[arg(long)]
    quick: bool,
    /// Threads of the orders function
    #[arg(long, default_value_t = 2)]
    threads: usize,
    #[command(flatten)]
    places: Places,
}

#[derive(Subcommand)]
enum Inner {
    /// The orders function over plain HTTP on loopback, in a process of its own
    #[command(hide = true)]
    Serve(ServeArguments),
    /// The payments function
    #[command(hide = true)]
    ServePayments(ServePaymentsArguments),
    /// The PSP
    #[command(hide = true)]
    ServePsp(ServePspArguments),
    /// The relay, which does what its standard input says
    #[command(hide = true)]
    RelayWorker(RelayArguments),
}

/// Where things are. Paths are relative to the repository's root.
#[derive(Debug, Clone, clap::Args)]
struct Places {
    /// A Postgres server, by a superuser; `cargo xtask postgres` starts one and sets this
    #[arg(
        long,
        env = "SOUK_TEST_POSTGRES_URL",
        hide_env_values = true,
        default_value = ""
    )]
    postgres_url: String,
    /// The folder of psql and pgbench; where none is given, they are looked for like any program
    #[arg(long, env = "SOUK_TEST_POSTGRES_BIN")]
    postgres_bin: Option<PathBuf>,
    /// The benchmarks' own folder, with their SQL and peers
    #[arg(long, default_value = "bench")]
    bench: PathBuf,
    /// The program for peers in JavaScript; the pinned one of the edge tools
    #[arg(long, default_value = "edge/node_modules/.bin/node")]
    node: PathBuf,
    /// Where the results are written
    #[arg(long, default_value = "bench/out")]
    out: PathBuf,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    let serving = |threads: usize| {
        Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
    };
    match cli.inner {
        Some(Inner::Serve(arguments)) => {
            serving(arguments.threads)?.block_on(origin::serve(arguments))?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Inner::ServePayments(arguments)) => {
            serving(arguments.threads())?.block_on(origin::serve_payments(arguments))?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Inner::ServePsp(arguments)) => {
            serving(1)?.block_on(origin::serve_psp(arguments))?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Inner::RelayWorker(arguments)) => {
            serving(2)?.block_on(relaying::serve(arguments))?;
            return Ok(ExitCode::SUCCESS);
        }
        None => {}
    }
    // The load generator shares the machine with what it measures: one thread for it.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(cli))
}

async fn measure(cli: Cli) -> Result<ExitCode> {
    let benchmark = cli.name.context("a benchmark is named")?;
    let server = Server::new(&cli.places.postgres_url, cli.places.postgres_bin.as_deref())?;
    let settings = benchmarks::Settings {
        server: &server,
        places: &cli.places,
        quick: cli.quick,
        threads: cli.threads,
    };
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // Whatever a benchmark has started goes with its future: children are killed.
    let measured = tokio::select! {
        measured = benchmark.run(&settings) => measured,
        _ = interrupt.recv() => Err(anyhow::anyhow!("interrupted")),
        _ = terminate.recv() => Err(anyhow::anyhow!("terminated")),
    };
    server.remove_databases().await;
    let outcome = measured?;
    let report = report::Report::new(benchmark.name(), &settings, outcome).await?;
    report.write(&cli.places.out)?;
    report.print();
    Ok(if report.passed || cli.quick {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
