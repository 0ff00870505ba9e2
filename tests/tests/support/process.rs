//! Programs that a test starts, and the files that they are started from.

use souk_e2e::variable;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A machine that compiles meanwhile takes its time.
const START_TIMEOUT: Duration = Duration::from_secs(300);

/// A file of the packaged artefacts.
pub(crate) fn artefact(name: &str) -> PathBuf {
    let file = Path::new(&variable("SOUK_TEST_ARTEFACTS")).join(name);
    assert!(file.is_file(), "{} is missing", file.display());
    file
}

/// By the value at run time: clones share what cargo has built.
pub(crate) fn repository() -> PathBuf {
    let tests = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap().to_owned()
}

/// A process and what it prints.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    printed: String,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let spawned = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = spawned.unwrap();
        let (sender, lines) = channel();
        forward_lines(child.stdout.take().unwrap(), sender.clone());
        forward_lines(child.stderr.take().unwrap(), sender);
        Self {
            child,
            lines,
            printed: String::new(),
        }
    }

    /// What stands behind `mark` in the first line that has it.
    pub(crate) fn wait_for(&mut self, mark: &str) -> String {
        let give_up_at = Instant::now() + START_TIMEOUT;
        loop {
            let left = give_up_at.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("{mark:?} was not printed:\n{}", self.printed);
            };
            self.printed.push_str(&line);
            if let Some((_, behind)) = line.split_once(mark) {
                return behind.to_owned();
            }
        }
    }

    /// Asks it to end, which ends the processes it has started, and waits.
    pub(crate) fn stop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let pid = self.child.id().to_string();
            let _asked = Command::new("kill").args(["-TERM", &pid]).status();
            let _ended = self.child.wait();
        }
    }

    /// All that was printed, when it has ended.
    pub(crate) fn printed(&mut self) -> String {
        let rest: String = self.lines.iter().collect();
        self.printed.push_str(&rest);
        std::mem::take(&mut self.printed)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

fn forward_lines(stream: impl Read + Send + 'static, sender: Sender<String>) {
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&line).into_owned();
            if sender.send(text).is_err() {
                return;
            }
            line.clear();
        }
    });
}
