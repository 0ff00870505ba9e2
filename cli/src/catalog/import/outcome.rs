//! How an import went.

use core::fmt::Write as _;
use std::path::PathBuf;

/// Why an import could not be finished, and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot read {path}: {source}. Check the path and its rights")]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot write the report {path}: {source}. Give --report a place that can be written")]
    Report {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{0} is not a file that can be read twice. Write its content to a file first")]
    NoFile(PathBuf),
    #[error("the name of {0} does not say what it is. Give --format csv or --format jsonl")]
    UnknownFormat(PathBuf),
    #[error("the file is not in UTF-8 but in UTF-16. Save it as \"CSV UTF-8\" and run it again")]
    Utf16,
    #[error("the first line does not name the columns as it should: {0}")]
    Header(String),
    #[error(
        "line {line}: a quote is opened and not closed within {bytes_max} bytes. Close it and run \
         the same command again: what was applied stays applied"
    )]
    UnclosedQuote { line: u64, bytes_max: usize },
    #[error(
        "the file was changed while it was read. Run the same command again when it is finished"
    )]
    Changed,
    #[error("{0} is no address. Give --url something like https://shop.example")]
    Url(String),
    #[error("the API key or the host has characters that no HTTP header has. Check both")]
    Unsendable,
    #[error(
        "{0}. Check --url and the network, then run the same command again: what was applied is not \
         applied twice"
    )]
    GaveUp(String),
    #[error(
        "the shop does not accept the key: {0}. Check --api-key; it needs the scope catalog:write"
    )]
    NotAllowed(String),
    #[error("nothing takes imports there: {0}. Check --url and --host")]
    NotThere(String),
    #[error(
        "the shop refused a whole chunk: {0}. Check that this command is of the shop's version"
    )]
    Refused(String),
}

/// What has been done so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Rows of the file.
    pub(crate) rows: u64,
    /// Rows that are in the catalog now.
    pub(crate) applied: u64,
    /// Skus that were not there before.
    pub(crate) new_skus: u64,
    pub(crate) rejected_rows: u64,
    pub(crate) chunks: u64,
    /// Chunks that an earlier run had applied.
    pub(crate) replayed: u64,
}

impl Tally {
    pub(crate) fn so_far(&self) -> String {
        format!(
            "{} rows, {} applied, {} rejected",
            self.rows, self.applied, self.rejected_rows
        )
    }

    pub(crate) fn sentence(&self, dry_run: bool) -> String {
        if dry_run {
            return format!(
                "{} rows read: {} are good, {} would be rejected. Nothing was sent.",
                self.rows, self.applied, self.rejected_rows
            );
        }
        let mut text = format!(
            "{} rows read: {} applied, {} rejected; {} skus are new.",
            self.rows, self.applied, self.rejected_rows, self.new_skus
        );
        if self.replayed > 0 {
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                " {} of {} chunks had been applied by an earlier run and were not applied again \
                 (--again does).",
                self.replayed, self.chunks
            );
        }
        text
    }
}
