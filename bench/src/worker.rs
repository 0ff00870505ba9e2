//! Programs that are told line by line what to do, and answer each line by one of JSON.

use anyhow::{Context as _, Result, bail};
use core::time::Duration;
use serde::de::DeserializeOwned;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// What such a program prints when it can be told something.
pub(crate) const READY: &str = "ready";
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Nothing that a benchmark asks for takes longer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(300);

/// Such a program. Killed when this is dropped; and it ends when its standard input does.
#[derive(Debug)]
pub(crate) struct Worker {
    program: String,
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    /// Starts `command` and waits until it is ready.
    pub(crate) async fn start(mut command: Command) -> Result<Self> {
        let program = command.as_std().get_program().display().to_string();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let stdin = child.stdin.take().context("stdin is piped")?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let mut worker = Self {
            program,
            child,
            stdin,
            lines: BufReader::new(stdout).lines(),
        };
        let line = timeout(START_TIMEOUT, worker.line())
            .await
            .with_context(|| format!("{} was not ready in time", worker.program))??;
        if line != READY {
            bail!("{} says {line:?} at its start", worker.program);
        }
        Ok(worker)
    }

    /// Says `line`, without waiting for the answer.
    pub(crate) async fn say(&mut self, line: &str) -> Result<()> {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await?;
        self.stdin.flush().await?;
        Ok(())
    }

    /// The answer to what was said.
    pub(crate) async fn answer<T: DeserializeOwned>(&mut self) -> Result<T> {
        let line = timeout(ANSWER_TIMEOUT, self.line())
            .await
            .with_context(|| format!("{} did not answer in time", self.program))??;
        serde_json::from_str(&line).with_context(|| format!("{} says {line:?}", self.program))
    }

    /// Both.
    pub(crate) async fn ask<T: DeserializeOwned>(&mut self, line: &str) -> Result<T> {
        self.say(line).await?;
        self.answer().await
    }

    /// Processor time it has used so far.
    pub(crate) fn cpu_time(&self) -> Option<Duration> {
        crate::machine::cpu_time_of(self.child.id()?)
    }

    /// Ends it.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.child.kill().await?;
        Ok(())
    }

    async fn line(&mut self) -> Result<String> {
        let line = self.lines.next_line().await?;
        line.with_context(|| format!("{} ended, and says why above", self.program))
    }
}
