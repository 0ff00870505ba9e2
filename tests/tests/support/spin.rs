//! The built gateway in `tests/spin-host`, with a key-value store and variables of the test's own.

use crate::process::{Process, artefact, repository};
use crate::worker::{REGION, SIGNING_KEY, SIGNING_KEY_ID};
use serde_json::{Map, Value, json};
use souk_e2e::variable;
use std::fs;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const READY: &str = "Serving http://127.0.0.1:";

/// A running gateway. It is stopped when this is dropped, also by a panic.
pub(crate) struct SpinHost {
    /// Where it listens, on 127.0.0.1.
    pub(crate) port: u16,
    process: Process,
    /// Its specification.
    _home: TempDir,
}

impl SpinHost {
    /// Starts the packaged gateway, by its own manifest, in front of `origin_url`.
    pub(crate) fn start(origin_url: &str, entries: &[(String, String)]) -> Self {
        Self::start_with(origin_url, entries, None, &json!({}))
    }

    /// The same, with issuers' keys at `issuer_url` if anywhere, and `more` of what `tests/spin-host` can be told.
    pub(crate) fn start_with(
        origin_url: &str,
        entries: &[(String, String)],
        issuer_url: Option<&str>,
        more: &Value,
    ) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (origin, path) = split(origin_url);
        let mut variables = json!({
            "origin": origin,
            "origin_path": path,
            "region": REGION,
            "signing_key_id": SIGNING_KEY_ID,
            "signing_key": SIGNING_KEY,
        });
        if let Some(issuer_url) = issuer_url {
            variables["first_issuer"] = json!(issuer_url);
        }
        let entries = entries.iter();
        let key_value: Map<String, Value> = entries
            .map(|(key, value)| (key.clone(), json!(value)))
            .collect();
        let mut specification = json!({
            "manifest": repository().join("wasm/gateway/spin.toml"),
            "component": artefact("gateway/souk_gateway.wasm"),
            "variables": variables,
            "key_value": key_value,
        });
        for (name, value) in more.as_object().unwrap() {
            specification[name] = value.clone();
        }
        let file = home.path().join("specification.json");
        fs::write(&file, specification.to_string()).unwrap();
        let mut command = Command::new(variable("SOUK_TEST_SPIN_HOST"));
        command.arg(&file).env_clear().stdin(Stdio::null());
        let mut process = Process::start(&mut command);
        let port = process.wait_for(READY);
        Self {
            port: port.trim().parse().unwrap(),
            process,
            _home: home,
        }
    }

    /// Stops it, and returns all that it has printed, which is the gateway's log.
    pub(crate) fn stop(mut self) -> String {
        self.process.stop();
        self.process.printed()
    }
}

/// Scheme, host and port of a URL, and its path.
pub(crate) fn split(url: &str) -> (&str, &str) {
    let authority = url.find("://").unwrap() + 3;
    let path = url[authority..].find('/');
    url.split_at(path.map_or(url.len(), |at| authority + at))
}
