//! The store of a local cloud's edge: KV in files, which wrangler reads and writes.

use super::cloudflare::{stored, wire};
use anyhow::{Result, ensure};
use core::time::Duration;
use serde::Deserialize;
use serde_json::Value;
use souk_app::edge::{EdgeStore, EdgeStoreError, EntryToStore, StoredEntry};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};
use tokio::process::Command;
use tokio::time::timeout;

/// What `script/up` leaves in the folder: it runs wrangler as the local cloud does.
const WRANGLER: &str = "wrangler";
/// Where wrangler keeps all files, in the folder.
const STATE: &str = "state";
/// What was written last, so that wrangler, which takes seconds, need not be asked.
const WRITTEN: &str = "kv.json";
/// The text that wrangler is given.
const INPUT: &str = "kv-input.json";
const TIMEOUT: Duration = Duration::from_secs(45);

/// The store in a folder.
#[derive(Debug)]
pub(crate) struct Local {
    folder: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Key {
    name: String,
    #[serde(default)]
    metadata: Value,
}

type Written = BTreeMap<String, Option<String>>;

impl Local {
    pub(crate) fn at(folder: &Path) -> Result<Self> {
        let folder = std::path::absolute(folder)?;
        ensure!(
            folder.join(WRANGLER).is_file(),
            "{} is no edge of a local cloud: script/up makes one",
            folder.display()
        );
        Ok(Self { folder })
    }

    async fn wrangler(&self, arguments: &[&str]) -> Result<Vec<u8>, EdgeStoreError> {
        let mut command = Command::new(self.folder.join(WRANGLER));
        command
            .args(arguments)
            .args(["--local", "--binding", "ROUTES", "--persist-to", STATE])
            .current_dir(&self.folder)
            .kill_on_drop(true);
        let failed = |why: String| EdgeStoreError::unavailable(format!("wrangler {why}"));
        let output = match timeout(TIMEOUT, command.output()).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => return Err(failed(format!("cannot be run: {error}"))),
            Err(_) => return Err(failed("takes too long".to_owned())),
        };
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim();
        Err(failed(format!("failed ({}): {said}", output.status)))
    }

    /// None, where it may be wrong.
    fn written(&self) -> Option<Written> {
        if !self.folder.join(STATE).is_dir() {
            // Nobody has written anything yet.
            return Some(Written::new());
        }
        let text = fs::read(self.folder.join(WRITTEN)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    async fn list_written(&self) -> Result<Written, EdgeStoreError> {
        if let Some(written) = self.written() {
            return Ok(written);
        }
        let text = self.wrangler(&["kv", "key", "list"]).await?;
        let keys: Vec<Key> = serde_json::from_slice(&text)
            .map_err(|error| EdgeStoreError::unavailable(format!("wrangler's list: {error}")))?;
        let entries = keys.into_iter().map(|key| stored(key.name, &key.metadata));
        let written = entries.map(|entry| (entry.key, entry.sha256)).collect();
        self.remember(&written)?;
        Ok(written)
    }

    fn remember(&self, written: &Written) -> Result<(), EdgeStoreError> {
        serde_json::to_string(written)
            .map_err(io::Error::from)
            .and_then(|text| fs::write(self.folder.join(WRITTEN), text))
            .map_err(|error| EdgeStoreError::unavailable(error.to_string()))
    }

    /// Lets wrangler do something; what is written down is away meanwhile.
    async fn change(
        &self,
        arguments: &[&str],
        input: &Value,
        change: impl FnOnce(&mut Written),
    ) -> Result<Vec<String>, EdgeStoreError> {
        let mut written = self.list_written().await?;
        let file = |error: io::Error| EdgeStoreError::unavailable(error.to_string());
        match fs::remove_file(self.folder.join(WRITTEN)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(file(error)),
            _ => {}
        }
        fs::write(self.folder.join(INPUT), input.to_string()).map_err(file)?;
        self.wrangler(arguments).await?;
        change(&mut written);
        self.remember(&written)?;
        Ok(Vec::new())
    }
}

impl EdgeStore for Local {
    async fn list(&self) -> Result<Vec<StoredEntry>, EdgeStoreError> {
        let written = self.list_written().await?.into_iter();
        let entries = written.map(|(key, sha256)| StoredEntry { key, sha256 });
        Ok(entries.collect())
    }

    async fn put(&self, entries: &[EntryToStore]) -> Result<Vec<String>, EdgeStoreError> {
        let input = serde_json::json!(wire(entries));
        self.change(&["kv", "bulk", "put", INPUT], &input, |written| {
            let entries = entries.iter();
            written.extend(entries.map(|entry| (entry.key.clone(), Some(entry.sha256.clone()))));
        })
        .await
    }

    async fn delete(&self, keys: &[String]) -> Result<Vec<String>, EdgeStoreError> {
        let input = Value::from(keys);
        let command = ["kv", "bulk", "delete", INPUT, "--force"];
        self.change(&command, &input, |written| {
            written.retain(|key, _| !keys.contains(key));
        })
        .await
    }
}
