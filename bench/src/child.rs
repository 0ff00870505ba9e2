//! Programs that run beside the benchmark and end with it.

use anyhow::{Context as _, Result, bail};
use core::time::Duration;
use std::net::SocketAddr;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const START_TIMEOUT: Duration = Duration::from_secs(30);
/// What a server prints when it takes requests, before its address.
pub(crate) const LISTENING: &str = "listening on ";

/// A server on loopback. Killed when it is dropped; and since its standard input is a pipe from this
/// process, it notices when this process itself was killed.
#[derive(Debug)]
pub(crate) struct ChildServer {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    child: Child,
}

impl ChildServer {
    /// Starts `command` and waits until it says where it listens.
    pub(crate) async fn start(mut command: Command) -> Result<Self> {
        let program = command.as_std().get_program().display().to_string();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let search = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(address) = line.strip_prefix(LISTENING) {
                    return Ok(address.parse()?);
                }
            }
            bail!("{program} ended before it listened")
        };
        let address = timeout(START_TIMEOUT, search)
            .await
            .with_context(|| format!("{program} did not listen in time"))??;
        Ok(Self { address, child })
    }

    /// Processor time it has used so far, its threads and system calls included.
    pub(crate) fn cpu_time(&self) -> Option<Duration> {
        crate::machine::cpu_time_of(self.child.id()?)
    }

    /// Ends it.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.child.kill().await?;
        Ok(())
    }
}
