//! What is to be run, as a test says it.

use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The file whose path is given to the program.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Specification {
    /// `spin.toml`.
    pub(crate) manifest: PathBuf,
    /// The built component, in place of the manifest's.
    pub(crate) component: PathBuf,
    /// Application variables, as of `spin up --variable`.
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, String>,
    /// What the default store holds at the beginning, as of `spin up --key-value`.
    #[serde(default)]
    pub(crate) key_value: BTreeMap<String, String>,
    /// What is wrong with keys, by how they begin.
    #[serde(default)]
    pub(crate) faults: BTreeMap<String, Fault>,
    /// The header in which a request says who sends it, in place of its connection: a test has one machine.
    pub(crate) client_address_header: Option<String>,
    /// What the clock says, in Unix seconds, in place of the machine's.
    pub(crate) now_unix_s: Option<u64>,
    /// Requests that one instance serves in all.
    #[serde(default = "requests_per_instance")]
    pub(crate) requests_per_instance: usize,
    /// Requests that one instance serves at once.
    #[serde(default = "requests_at_once")]
    pub(crate) requests_at_once: usize,
    /// Milliseconds of rest after which an instance is dropped.
    #[serde(default = "idle_ms")]
    pub(crate) idle_ms: u64,
}

/// What is wrong with a key of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// Whoever asks gets an error.
    Error,
    /// Whoever asks gets no answer.
    Silence,
}

// As Spin does where nothing else is said.
const fn requests_per_instance() -> usize {
    128
}

const fn requests_at_once() -> usize {
    16
}

const fn idle_ms() -> u64 {
    1_000
}

impl Specification {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(serde_json::from_slice(&text)?)
    }
}
