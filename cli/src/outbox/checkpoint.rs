//! How far a replay has got, on the disk.

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use souk_app::outbox::HistoryPlace;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Checkpoint {
    /// The word of the replay.
    pub(super) name: String,
    /// What was asked for, in words: another wish does not go on from here.
    pub(super) wish: String,
    pub(super) shard: Option<String>,
    pub(super) lane: i16,
    pub(super) position: i64,
    pub(super) sent: u64,
}

impl Checkpoint {
    /// The place to go on after, in `shard`: none where that was done.
    pub(super) fn place_in(&self, shard: &str) -> Option<HistoryPlace> {
        match self.shard.as_deref() {
            Some(reached) if shard < reached => None,
            Some(reached) if shard == reached => Some(HistoryPlace {
                lane: self.lane,
                position: self.position,
            }),
            _ => Some(HistoryPlace::START),
        }
    }
}

/// A file, or none.
#[derive(Debug)]
pub(super) struct CheckpointFile(pub(super) Option<PathBuf>);

impl CheckpointFile {
    /// What an earlier run has left for the same wish, or a new beginning.
    pub(super) fn begin(
        &self,
        name: Option<String>,
        own: &str,
        wish: String,
    ) -> Result<Checkpoint> {
        if let Some(kept) = self.read()? {
            ensure!(
                kept.wish == wish && name.as_ref().is_none_or(|name| *name == kept.name),
                "the checkpoint is of another replay: {} {}",
                kept.name,
                kept.wish
            );
            return Ok(kept);
        }
        Ok(Checkpoint {
            name: name.unwrap_or_else(|| own.to_owned()),
            wish,
            shard: None,
            lane: 0,
            position: 0,
            sent: 0,
        })
    }

    fn read(&self) -> Result<Option<Checkpoint>> {
        let Some(path) = &self.0 else {
            return Ok(None);
        };
        match fs::read_to_string(path) {
            Ok(text) => {
                let kept = serde_json::from_str(&text);
                Ok(Some(kept.with_context(|| told(path, "is no checkpoint"))?))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| told(path, "cannot be read")),
        }
    }

    /// On the disk, whole or not at all.
    pub(super) fn keep(&self, checkpoint: &Checkpoint) -> Result<()> {
        let Some(path) = &self.0 else {
            return Ok(());
        };
        let draft = path.with_extension("draft");
        let written = File::create(&draft).and_then(|mut file| {
            writeln!(file, "{}", serde_json::to_string(checkpoint)?)?;
            file.sync_all()?;
            fs::rename(&draft, path)
        });
        written.with_context(|| told(path, "cannot be written"))
    }

    pub(super) fn end(&self) -> Result<()> {
        let Some(path) = &self.0 else {
            return Ok(());
        };
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| told(path, "cannot be removed"))
            }
            _ => Ok(()),
        }
    }
}

fn told(path: &Path, what: &str) -> String {
    format!("{} {what}", path.display())
}
