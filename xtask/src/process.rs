//! Child processes that do not outlive this one.
//!
//! Each part runs in a process group of its own: a Ctrl-C in the terminal reaches only this program,
//! which then stops the parts in order, and whatever a part has started is stopped with it.

use crate::files;
use anyhow::{Context, Result, bail};
use core::time::Duration;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long a part may take to stop before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// Names the state directory in the environment of every part and of all that a part starts.
const MARKER: &str = "SOUK_LOCAL_STATE";

/// Lines that a part wrote.
pub(crate) type Lines = mpsc::UnboundedReceiver<String>;

/// The running parts of one state directory, in the order in which they were started.
#[derive(Debug)]
pub(crate) struct Parts {
    state: PathBuf,
    running: Mutex<Vec<Part>>,
}

impl Parts {
    /// No part yet. Ends what an earlier run on the same state, itself killed, has left behind; the
    /// caller holds the state directory's lock.
    pub(crate) fn of(state: &Path) -> Self {
        end_marked(state);
        Self {
            state: state.to_owned(),
            running: Mutex::new(Vec::new()),
        }
    }

    /// Starts `command` in a group of its own; what it writes comes out of the returned channel. It
    /// runs until [`Parts::stop`], which sends it `stop_signal`.
    pub(crate) fn start(
        &self,
        name: &'static str,
        command: Command,
        stop_signal: Signal,
    ) -> Result<Lines> {
        let (part, lines) = Part::start(name, command, stop_signal, &self.state)?;
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(part);
        Ok(lines)
    }

    /// Stops all parts, the last one first.
    pub(crate) async fn stop(&self) -> Result<()> {
        let mut failures = Vec::new();
        while let Some(part) = self.last() {
            if let Err(error) = part.stop().await {
                failures.push(format!("{error:#}"));
            }
        }
        end_marked(&self.state);
        if !failures.is_empty() {
            bail!("{}", failures.join("; "));
        }
        Ok(())
    }

    fn last(&self) -> Option<Part> {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
    }
}

/// A running part. Dropping it kills its process group.
#[derive(Debug)]
struct Part {
    name: &'static str,
    child: Child,
    group: Pid,
    stop_signal: Signal,
    stopped: bool,
}

impl Part {
    fn start(
        name: &'static str,
        mut command: Command,
        stop_signal: Signal,
        state: &Path,
    ) -> Result<(Self, Lines)> {
        command
            .env(MARKER, state)
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
        if let Some(stdout) = child.stdout.take() {
            forward(stdout, sender.clone());
        }
        if let Some(stderr) = child.stderr.take() {
            forward(stderr, sender);
        }
        let part = Self {
            name,
            child,
            group,
            stop_signal,
            stopped: false,
        };
        Ok((part, lines))
    }

    /// Stops the process, then whatever is left of its group.
    async fn stop(mut self) -> Result<()> {
        // The leader gets the first signal alone: it knows how to stop its children.
        if self.child.id().is_some() {
            kill(self.group, self.stop_signal).ok();
        }
        let ended = timeout(STOP_TIMEOUT, self.child.wait()).await;
        killpg(self.group, Signal::SIGKILL).ok();
        self.child.wait().await?;
        self.stopped = true;
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

/// Kills every process that carries this state's mark, except servers of Postgres: these are stopped
/// by name of their data, gently.
fn end_marked(state: &Path) {
    let mut mark = MARKER.as_bytes().to_vec();
    mark.push(b'=');
    mark.extend_from_slice(state.as_os_str().as_encoded_bytes());
    for process in files::entries(Path::new("/proc")).unwrap_or_default() {
        let Some(pid) = process
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.parse().ok())
            .map(Pid::from_raw)
        else {
            continue;
        };
        let environment = std::fs::read(process.join("environ")).unwrap_or_default();
        let marked = environment
            .split(|byte| *byte == 0)
            .any(|entry| entry == mark);
        let program = std::fs::read_to_string(process.join("comm")).unwrap_or_default();
        if marked && program.trim() != "postgres" && pid != Pid::this() {
            kill(pid, Signal::SIGKILL).ok();
        }
    }
}

fn forward(stream: impl AsyncRead + Unpin + Send + 'static, sender: mpsc::UnboundedSender<String>) {
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
    });
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

/// The signals that ask this program to stop. While one of these exists, they do not end it.
#[derive(Debug)]
pub(crate) struct StopSignals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl StopSignals {
    /// Listens from now on.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
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
        kill(Pid::from_raw(pid), Signal::SIGTERM).ok();
    }
}

/// Runs a command to its end and returns what it wrote to stdout.
pub(crate) async fn output_of(command: &mut Command) -> Result<String> {
    output_with_input(command, "").await
}

/// Like [`output_of`], with `input` on the command's stdin.
pub(crate) async fn output_with_input(command: &mut Command, input: &str) -> Result<String> {
    let program = command.as_std().get_program().display().to_string();
    let start = || format!("cannot start {program}");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(start)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read its input tells more by how it ends.
        stdin.write_all(input.as_bytes()).await.ok();
    }
    let output = child.wait_with_output().await.with_context(start)?;
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
