//! The built edge worker in workerd, with a key-value store and an origin of the test's own.

use crate::process::{Process, artefact, repository};
use serde_json::{Value, json};
use souk_e2e::variable;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The id of the key that the worker signs with.
pub(crate) const SIGNING_KEY_ID: &str = "edge-2";
/// The key, in base64.
pub(crate) const SIGNING_KEY: &str = "c291ay1lZGdlLXdvcmtlci10ZXN0LXNpZ25pbmcta2V5IQ==";
/// The region whose origin the worker forwards to.
pub(crate) const REGION: &str = "local";

const READY: &str = "Ready on http://127.0.0.1:";
/// The line of `edge/wrangler.toml` that names the bundle.
const MAIN: &str = "main = \"build/index.js\"";

/// A running worker. It is stopped when this is dropped, also by a panic.
pub(crate) struct Worker {
    /// Where it listens, on 127.0.0.1.
    pub(crate) port: u16,
    process: Process,
    /// Configuration, store, logs and wrangler's own files.
    home: TempDir,
}

impl Worker {
    /// Starts the worker of the packaged artefacts in front of `origin_url`. `entries` are keys of the store
    /// and what it holds under them.
    pub(crate) fn start(origin_url: &str, entries: &[(String, String)]) -> Self {
        Self::start_set(origin_url, entries, "")
    }

    /// The same with more settings, a line each.
    #[allow(dead_code, reason = "each test program uses a part of this")]
    pub(crate) fn start_set(
        origin_url: &str,
        entries: &[(String, String)],
        settings: &str,
    ) -> Self {
        let home = tempfile::tempdir().unwrap();
        configure(home.path(), origin_url, &module("index.js"));
        add_settings(home.path(), settings);
        publish(home.path(), entries);
        Self::run(home)
    }

    /// The same behind a module of `support`, which stands around the packaged one.
    #[allow(dead_code, reason = "each test program uses a part of this")]
    pub(crate) fn start_within(
        around: &str,
        origin_url: &str,
        entries: &[(String, String)],
    ) -> Self {
        let home = tempfile::tempdir().unwrap();
        let main = beside(home.path(), around, &["index.js", "index_bg.wasm"]);
        configure(home.path(), origin_url, &main);
        with_modules(home.path());
        publish(home.path(), entries);
        Self::run(home)
    }

    /// Stops it and starts it again, on the same store: an isolate that knows nothing.
    #[allow(dead_code, reason = "each test program uses a part of this")]
    pub(crate) fn start_again(self) -> Self {
        let Self {
            mut process, home, ..
        } = self;
        process.stop();
        Self::run(home)
    }

    /// What the store has under a key.
    #[allow(dead_code, reason = "each test program uses a part of this")]
    pub(crate) fn stored(&self, key: &str) -> Option<String> {
        let mut command = wrangler(self.home.path());
        command
            .args(["kv", "key", "get", key, "--local", "--text"])
            .args(["--binding", "ROUTES", "--persist-to", "state"]);
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let found = output.status.success() && !text.contains("Value not found");
        found.then_some(text)
    }

    /// Starts, in place of the worker, what runs vectors against the policy as it is packaged.
    #[allow(dead_code, reason = "each test program uses a part of this")]
    pub(crate) fn start_harness() -> Self {
        let home = tempfile::tempdir().unwrap();
        let harness = beside(home.path(), "harness.js", &["policy.js", "index_bg.wasm"]);
        configure(home.path(), "http://127.0.0.1:9", &harness);
        let path = home.path().join("wrangler.toml");
        let settings = fs::read_to_string(&path).unwrap();
        // It has no objects.
        let (before, rest) = settings.split_once("[[durable_objects.bindings]]").unwrap();
        let (_, behind) = rest.split_once("[vars]").unwrap();
        fs::write(&path, format!("{before}[vars]{behind}")).unwrap();
        with_modules(home.path());
        Self::run(home)
    }

    fn run(home: TempDir) -> Self {
        let mut command = wrangler(home.path());
        command
            .args(["dev", "--local", "--ip", "127.0.0.1", "--port", "0"])
            .args(["--inspector-port", "0", "--log-level", "log"])
            .args(["--show-interactive-dev-session=false"])
            .args(["--persist-to", "state", "--env-file", "edge.env"]);
        let mut process = Process::start(&mut command);
        let port = process.wait_for(READY);
        Self {
            port: port.trim().parse().unwrap(),
            process,
            home,
        }
    }

    /// Stops it, and returns all that it has printed and what wrangler has logged to files.
    pub(crate) fn stop(mut self) -> String {
        self.process.stop();
        let mut log = self.process.printed();
        for entry in fs::read_dir(self.home.path().join("log")).unwrap() {
            log.push_str(&fs::read_to_string(entry.unwrap().path()).unwrap());
        }
        log
    }
}

/// What the store holds for a tenant's host: `keys` are ids, digests in hexadecimal, scopes and expiry.
pub(crate) fn record(tenant: &str, status: &str, region: &str, keys: &[Value]) -> String {
    json!({
        "version": 1,
        "tenant_id": tenant,
        "status": status,
        "region": region,
        "keys": keys,
    })
    .to_string()
}

/// A file of the packaged worker.
fn module(name: &str) -> PathBuf {
    artefact(&format!("edge/{name}"))
}

/// A module of `support`, with these of the package beside it.
fn beside(home: &Path, name: &str, packaged: &[&str]) -> PathBuf {
    // A folder of their own: wrangler watches it.
    let modules = home.join("modules");
    fs::create_dir(&modules).unwrap();
    for name in packaged {
        fs::copy(module(name), modules.join(name)).unwrap();
    }
    let own = modules.join(name);
    let support = repository().join("tests/tests/support");
    fs::copy(support.join(name), &own).unwrap();
    own
}

fn configure(home: &Path, origin_url: &str, module: &Path) {
    let settings = fs::read_to_string(repository().join("edge/wrangler.toml")).unwrap();
    assert!(settings.contains(MAIN), "edge/wrangler.toml has no {MAIN}");
    let main = format!("main = {}", json!(module));
    fs::write(home.join("wrangler.toml"), settings.replace(MAIN, &main)).unwrap();
    // Wrangler expands `$` in this file.
    let origin_url = origin_url.replace('$', "\\$");
    let variables = format!(
        "ORIGIN_URL='{origin_url}'\nREGION={REGION}\nSIGNING_KEY_ID={SIGNING_KEY_ID}\n\
         SIGNING_KEY={SIGNING_KEY}\n"
    );
    fs::write(home.join("edge.env"), variables).unwrap();
}

/// Its modules lie beside it.
fn with_modules(home: &Path) {
    let path = home.join("wrangler.toml");
    let settings = fs::read_to_string(&path).unwrap();
    let rules = "find_additional_modules = true\nrules = [{ type = \"ESModule\", globs = [\"**/*.js\"] }]\n";
    fs::write(&path, format!("{rules}{settings}")).unwrap();
}

fn add_settings(home: &Path, settings: &str) {
    let path = home.join("edge.env");
    let before = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{before}{settings}\n")).unwrap();
}

fn publish(home: &Path, entries: &[(String, String)]) {
    let entries: Vec<Value> = entries
        .iter()
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect();
    if entries.is_empty() {
        return;
    }
    fs::write(home.join("records.json"), json!(entries).to_string()).unwrap();
    let mut command = wrangler(home);
    command
        .args(["kv", "bulk", "put", "records.json", "--local"])
        .args(["--binding", "ROUTES", "--persist-to", "state"]);
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Wrangler on the Node it needs, with no way to the internet and nothing outside of `home`.
fn wrangler(home: &Path) -> Command {
    let modules = repository().join("edge/node_modules");
    let node = node(&modules);
    let folders = std::iter::once(node.parent().unwrap().to_owned());
    let path = variable("PATH");
    let path = std::env::join_paths(folders.chain(std::env::split_paths(&path))).unwrap();
    let temp = home.join("tmp");
    fs::create_dir_all(&temp).unwrap();
    let mut command = Command::new(&node);
    command
        .arg(modules.join("wrangler/bin/wrangler.js"))
        .current_dir(home)
        .env_clear()
        .env("PATH", path)
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home.join("config"))
        .env("TMPDIR", temp)
        .env("LANG", "C.UTF-8")
        .env("CI", "true")
        .env("NO_COLOR", "1")
        .env("WRANGLER_SEND_METRICS", "false")
        .env("WRANGLER_LOG_PATH", home.join("log"))
        .env("WRANGLER_REGISTRY_PATH", home.join("registry"))
        .env("CLOUDFLARE_CF_FETCH_ENABLED", "false")
        .stdin(Stdio::null());
    command
}

/// npm brings the one folder with a Node that fits the machine.
fn node(modules: &Path) -> PathBuf {
    let entries = fs::read_dir(modules).unwrap_or_else(|error| {
        panic!("{}: {error}: run script/bootstrap", modules.display());
    });
    entries
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("node-"))
        .map(|entry| entry.path().join("bin/node"))
        .find(|node| node.is_file())
        .expect("edge/node_modules has a Node")
}
