//! A queue over the SQS API, in a process of its own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The program, as seen from the repository's root.
const SERVER: &str = "local/queue/server.mjs";
/// The pinned Node, where the environment names no other.
const NODE: &str = "edge/node_modules/.bin/node";

/// A server of the SQS API on a port of this machine; `local/queue` says which. It ends when this is
/// dropped, and when the process of the test ends.
#[derive(Debug)]
pub struct QueueServer {
    address: String,
    process: Child,
}

impl QueueServer {
    /// Starts one without any queue, on a free port.
    ///
    /// # Panics
    /// When it does not start: `script/bootstrap` installs what it needs.
    pub fn start() -> Self {
        let root = repository();
        let mut process = Command::new(node(&root))
            .arg("--no-warnings")
            .arg(root.join(SERVER))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Node starts: run script/bootstrap");
        let stdout = process.stdout.take().expect("it is piped");
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("the queue server says where it is");
        let address = line.trim().strip_prefix("listening on ");
        Self {
            address: address
                .expect("the queue server starts: run script/bootstrap")
                .to_owned(),
            process,
        }
    }

    /// Its URL: what `AWS_ENDPOINT_URL` is to be.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for QueueServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "where Node is, the environment says"
)]
fn node(root: &Path) -> PathBuf {
    let named = std::env::var_os("SOUK_TEST_NODE");
    named.map_or_else(|| root.join(NODE), PathBuf::from)
}

/// The folder above the package under test that has the server; by its value at run time, since clones
/// share what cargo has built.
#[allow(
    clippy::disallowed_methods,
    reason = "where the package is, the environment says"
)]
fn repository() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests");
    let found = Path::new(&package)
        .ancestors()
        .find(|folder| folder.join(SERVER).is_file());
    found.expect("the test is in the repository").to_owned()
}
