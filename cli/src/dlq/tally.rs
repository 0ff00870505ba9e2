//! What was done so far.

use super::walk::Left;
use core::fmt::Write as _;
use std::collections::BTreeMap;

/// Counts of one command.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Messages that were looked at.
    pub(super) seen: u64,
    /// Done with: sent and deleted, or deleted; in a dry run, what would be.
    pub(super) done: u64,
    /// Taken by the queue, and still here, since deleting them failed.
    pub(super) doubled: u64,
    /// What stays, by the reason.
    pub(super) left: BTreeMap<Left, u64>,
    /// What was done, by type of event.
    pub(super) by_type: BTreeMap<String, u64>,
    /// The first refusal in the queue's words.
    pub(super) refusal: Option<String>,
}

impl Tally {
    pub(super) fn note_done(&mut self, event_type: Option<&str>) {
        self.done = self.done.saturating_add(1);
        let name = event_type.unwrap_or("(no type)").to_owned();
        let count = self.by_type.entry(name).or_default();
        *count = count.saturating_add(1);
    }

    pub(super) fn note_left(&mut self, why: Left) {
        let count = self.left.entry(why).or_default();
        *count = count.saturating_add(1);
    }

    pub(super) fn count_of(&self, why: Left) -> u64 {
        self.left.get(&why).copied().unwrap_or_default()
    }

    pub(super) fn so_far(&self, verb: &str) -> String {
        let left: u64 = self.left.values().sum();
        format!("{} seen, {} {verb}, {left} left", self.seen, self.done)
    }

    /// All of it for people. `verb` is what was done, such as `sent again`.
    pub(super) fn sentences(&self, verb: &str, dry_run: bool, behind: u64) -> String {
        let would = if dry_run { "would be " } else { "" };
        let mut text = format!("{} messages seen: {} {would}{verb}.", self.seen, self.done);
        // Writing to a string cannot fail.
        for (event_type, count) in &self.by_type {
            let _ = write!(text, "\n{count}\t{event_type}");
        }
        for (why, count) in &self.left {
            let _ = write!(text, "\n{count} left: {}", why.in_words());
        }
        if self.doubled > 0 {
            let _ = write!(
                text,
                "\n{} of them could not be deleted here: run the command again",
                self.doubled
            );
        }
        if behind > 0 {
            let _ = write!(
                text,
                "\nabout {behind} more were not shown by the queue: they lie behind those of their \
                 group, or others have them"
            );
        }
        if let Some(refusal) = &self.refusal {
            let _ = write!(text, "\nthe queue says: {refusal}");
        }
        text
    }
}
