//! The peer that comes with Postgres: pgbench, prepared statements, one thread.

use crate::postgres::BenchDatabase;
use crate::rounds::Round;
use anyhow::{Context as _, Result, bail};
use core::time::Duration;
use std::fs;
use std::path::Path;
use std::process::Stdio;

/// The role of the functions, with what its log-in sets, here as there.
const ROLE: &str = "-c role=souk_app -c enable_seqscan=off";

/// What pgbench is to run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Script<'a> {
    /// A file of statements.
    pub(crate) file: &'a Path,
    /// Its `:name`s, sent as parameters.
    pub(crate) variables: &'a [(&'a str, String)],
}

/// Runs `script` over `connections` for `seconds`.
pub(crate) async fn pgbench(
    database: &BenchDatabase<'_>,
    script: Script<'_>,
    connections: usize,
    seconds: u64,
) -> Result<Round> {
    let logs = tempfile::tempdir()?;
    let mut command = database.program("pgbench")?;
    command
        .env("PGOPTIONS", ROLE)
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=1", "--log"])
        .arg(format!("--client={connections}"))
        .arg(format!("--time={seconds}"))
        .arg(format!(
            "--log-prefix={}",
            logs.path().join("log").display()
        ))
        .arg("--file")
        .arg(script.file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .stdin(Stdio::null());
    for (name, value) in script.variables {
        command.arg("--define").arg(format!("{name}={value}"));
    }
    let output = command.output().await.context("cannot start pgbench")?;
    let told = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("pgbench fails: {}", String::from_utf8_lossy(&output.stderr));
    }
    let per_second = value_after(&told, "tps = ").context("pgbench tells its rate")?;
    let mut round = Round::new()?;
    for entry in fs::read_dir(logs.path())? {
        read_log(&fs::read_to_string(entry?.path())?, &mut round)?;
    }
    round.elapsed = Duration::from_secs_f64(round.operations() as f64 / per_second);
    Ok(round)
}

/// One line an operation: client, number, microseconds, script, seconds, microseconds.
fn read_log(log: &str, round: &mut Round) -> Result<()> {
    for line in log.lines() {
        let latency = line
            .split(' ')
            .nth(2)
            .and_then(|us| us.parse().ok())
            .with_context(|| format!("pgbench has failed or skipped: {line}"))?;
        round.note(0, Duration::from_micros(latency));
    }
    Ok(())
}

fn value_after(text: &str, label: &str) -> Option<f64> {
    let (_, rest) = text.split_once(label)?;
    rest.split_whitespace().next()?.parse().ok()
}
