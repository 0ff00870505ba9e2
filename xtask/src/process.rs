//! Child processes that do not outlive this one.
//!
//! Each part runs in a process group of its own: a Ctrl-C in the terminal reaches only this program,
//! which then stops the parts in order, and whatever a part has started is stopped with it.

use anyhow::{Context, Result, bail};
use core::time::Duration;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{ExitStatus, Stdio};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long a part may take to stop before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);
/// Free ports are looked for here, below the range that outgoing connections use.
const PORTS: core::ops::Range<u16> = 20_000..32_000;
const PORT_ATTEMPTS_MAX: u32 = 200;

/// A running part. Dropping it kills its process group.
#[derive(Debug)]
pub(crate) struct Part {
    name: &'static str,
    child: Child,
    group: Pid,
    stop_signal: Signal,
    readers: Vec<JoinHandle<()>>,
    stopped: bool,
}

/// Lines that a part wrote.
pub(crate) type Lines = mpsc::UnboundedReceiver<String>;

impl Part {
    /// Starts `command` in its own group; what it writes comes out of the returned channel.
    pub(crate) fn start(
        name: &'static str,
        mut command: Command,
        stop_signal: Signal,
    ) -> Result<(Self, Lines)> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let pid = child.id().context("a child that runs has an id")?;
        let group = Pid::from_raw(i32::try_from(pid).context("a process id fits 31 bits")?);
        let (sender, lines) = mpsc::unbounded_channel();
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            readers.push(forward(stdout, sender.clone()));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.push(forward(stderr, sender));
        }
        let part = Self {
            name,
            child,
            group,
            stop_signal,
            readers,
            stopped: false,
        };
        Ok((part, lines))
    }

    /// The process id, which is its group's id too.
    pub(crate) fn id(&self) -> i32 {
        self.group.as_raw()
    }

    /// Waits until the process ends by itself.
    pub(crate) async fn ended(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait().await?)
    }

    /// Stops the process, then whatever is left of its group.
    pub(crate) async fn stop(mut self) -> Result<()> {
        // The leader gets the first signal alone: it knows how to stop its children.
        if self.child.id().is_some() {
            nix::sys::signal::kill(self.group, self.stop_signal).ok();
        }
        let ended = timeout(STOP_TIMEOUT, self.child.wait()).await;
        killpg(self.group, Signal::SIGKILL).ok();
        self.child.wait().await?;
        self.stopped = true;
        for reader in self.readers.drain(..) {
            timeout(Duration::from_secs(1), reader).await.ok();
        }
        if ended.is_err() {
            bail!(
                "{} did not stop within {} s and was killed",
                self.name,
                STOP_TIMEOUT.as_secs()
            );
        }
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.stopped {
            killpg(self.group, Signal::SIGKILL).ok();
        }
    }
}

fn forward(
    stream: impl AsyncRead + Unpin + Send + 'static,
    sender: mpsc::UnboundedSender<String>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while let Ok(1..) = reader.read_until(b'\n', &mut line).await {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            if sender.send(text).is_err() {
                break;
            }
        }
        // Keep reading, so that a part is never blocked by a full pipe.
        while let Ok(1..) = reader.read_until(b'\n', &mut line).await {
            line.clear();
        }
    })
}

/// Waits for a line that `wanted` accepts. `seen` collects all lines up to it, for the error message.
pub(crate) async fn wait_for_line(
    lines: &mut Lines,
    limit: Duration,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<String>> {
    let mut seen = Vec::new();
    let search = async {
        while let Some(line) = lines.recv().await {
            let found = wanted(&line);
            seen.push(line);
            if found {
                return true;
            }
        }
        false
    };
    match timeout(limit, search).await {
        Ok(true) => Ok(seen),
        Ok(false) => bail!("it ended at once:\n{}", tail(&seen)),
        Err(_) => bail!("not ready after {} s:\n{}", limit.as_secs(), tail(&seen)),
    }
}

/// The last lines, indented.
pub(crate) fn tail(lines: &[String]) -> String {
    const LINES_MAX: usize = 20;
    let start = lines.len().saturating_sub(LINES_MAX);
    lines
        .iter()
        .skip(start)
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A port of 127.0.0.1 on which nothing listens.
pub(crate) fn free_port() -> Result<u16> {
    for _ in 0..PORT_ATTEMPTS_MAX {
        let port = fastrand::u16(PORTS);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port among {PORT_ATTEMPTS_MAX} of {PORTS:?}")
}

/// Runs a command to its end in the foreground. A signal to this program goes to the command too
/// (the terminal sends Ctrl-C to both), and its end is awaited.
pub(crate) async fn run_foreground(command: &mut Command) -> Result<ExitStatus> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let program = command.as_std().get_program().display().to_string();
    let mut child = command
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(status?),
            _ = interrupt.recv() => {}
            _ = terminate.recv() => terminate_child(&child),
            _ = hangup.recv() => terminate_child(&child),
        }
    }
}

fn terminate_child(child: &Child) {
    if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()) {
        nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGTERM).ok();
    }
}

/// Runs a command to its end and returns what it wrote to stdout.
pub(crate) async fn output_of(command: &mut Command) -> Result<String> {
    let program = command.as_std().get_program().display().to_string();
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("cannot start {program}"))?;
    if !output.status.success() {
        bail!(
            "{program} failed ({}):\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
