//! `souk catalog import`: streams a file through `POST /v1/catalog-imports`.
//!
//! Rows are checked here first, by the same code as in the function. Good ones are sent in chunks, each
//! under a key made from the file's content and the chunk's: whoever runs the command again after a
//! crash gets answers for what was applied, and nothing is applied twice.

mod chunk;
mod client;
mod outcome;
mod record;
mod report;
mod source;

use crate::progress::Progress;
use chunk::Chunk;
use client::Client;
use outcome::{Failure, Tally};
use report::{Rejection, Report};
use source::{Format, Row, Source};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `souk catalog import`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A file in UTF-8: CSV with a line of column names first, or JSON Lines, one object a line. The
    /// names are `product_code`, `product_title`, `sku`, `title`, `tax_category`, `currency`,
    /// `amount_minor`, `location`, `on_hand` and `buckets`; `sku` and `title` are needed.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What the file is, where its name does not end in .csv, .jsonl or .ndjson.
    #[arg(long)]
    format: Option<Format>,
    /// Where the shop's API is, such as <https://shop.example>.
    #[arg(long, env = "SOUK_URL", required_unless_present = "dry_run")]
    url: Option<String>,
    /// The shop's host, where it is not the one of the URL, as with a local cloud.
    #[arg(long, env = "SOUK_HOST")]
    host: Option<String>,
    /// A secret key of the shop with the scope `catalog:write`. Better given by the environment, which
    /// other users of the machine do not see.
    #[arg(
        long,
        env = "SOUK_API_KEY",
        hide_env_values = true,
        required_unless_present = "dry_run"
    )]
    api_key: Option<String>,
    /// Rows in one request at most.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=500))]
    chunk_size: u16,
    /// Writes all rejected rows there, as CSV: line, column, reason.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Checks the file and sends nothing.
    #[arg(long)]
    dry_run: bool,
    /// Applies a file again that was applied within the last 24 hours, which otherwise changes nothing:
    /// any word that was not used for it yet.
    #[arg(long, value_name = "WORD", default_value = "")]
    again: String,
    /// Seconds to wait for the answer to one attempt.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout_s: u64,
    /// How often one chunk is sent before it is given up.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=100))]
    attempts_max: u32,
}

/// Runs the command and tells how it went.
pub(crate) async fn run(arguments: Arguments) -> ExitCode {
    let mut tally = Tally::default();
    match import(&arguments, &mut tally).await {
        Ok(()) => {
            println!("{}", tally.sentence(arguments.dry_run));
            if tally.rejected_rows == 0 {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(1)
            }
        }
        Err(failure) => {
            if tally.rows > 0 {
                eprintln!("{}", tally.sentence(arguments.dry_run));
            }
            eprintln!("souk: {failure}");
            ExitCode::from(2)
        }
    }
}

async fn import(arguments: &Arguments, tally: &mut Tally) -> Result<(), Failure> {
    let mut report = Report::open(arguments.report.as_deref())?;
    let mut source = Source::open(&arguments.file, arguments.format)?;
    let client = client(arguments)?;
    let mut progress = Progress::new(source.bytes_total());
    let naming = format!("{}{}", source.digest(), arguments.again);
    let mut chunk = Chunk::new(&naming, arguments.chunk_size);
    let result = async {
        while let Some(row) = source.next()? {
            tally.rows = tally.rows.saturating_add(1);
            match row {
                Row::Rejected(rejections) => reject(tally, &mut report, &rejections)?,
                Row::Good { line, json } => {
                    if !chunk.has_room_for(&json) {
                        send(client.as_ref(), &mut chunk, tally, &mut report).await?;
                    }
                    chunk.push(line, json);
                }
            }
            progress.show(source.bytes_read(), tally.rows, || tally.so_far());
        }
        send(client.as_ref(), &mut chunk, tally, &mut report).await?;
        source.check_unchanged()
    }
    .await;
    progress.end();
    report.close()?;
    result
}

fn client(arguments: &Arguments) -> Result<Option<Client>, Failure> {
    let (false, Some(url), Some(key)) = (arguments.dry_run, &arguments.url, &arguments.api_key)
    else {
        return Ok(None);
    };
    let timeout = Duration::from_secs(arguments.timeout_s);
    Client::new(url, arguments.host.as_deref(), key)
        .map(|client| Some(client.bounded(timeout, arguments.attempts_max)))
}

/// Sends what is in the chunk, if anything is, and empties it.
async fn send(
    client: Option<&Client>,
    chunk: &mut Chunk,
    tally: &mut Tally,
    report: &mut Report,
) -> Result<(), Failure> {
    if chunk.is_empty() {
        return Ok(());
    }
    tally.chunks = tally.chunks.saturating_add(1);
    let Some(client) = client else {
        tally.applied = tally.applied.saturating_add(chunk.rows());
        chunk.clear();
        return Ok(());
    };
    let answer = client.send(&chunk.key(), &chunk.body()).await?;
    tally.applied = tally.applied.saturating_add(answer.applied);
    tally.new_skus = tally.new_skus.saturating_add(answer.new_skus);
    if answer.replayed {
        tally.replayed = tally.replayed.saturating_add(1);
    }
    let mut rejections: Vec<Rejection> = Vec::new();
    for refused in answer.rejected {
        let line = chunk.line(refused.row).unwrap_or_default();
        if rejections.last().is_some_and(|last| last.line != line) {
            reject(tally, report, &rejections)?;
            rejections.clear();
        }
        rejections.push(Rejection::new(line, &refused.pointer, refused.reason));
    }
    reject(tally, report, &rejections)?;
    chunk.clear();
    Ok(())
}

/// Notes what is wrong with one row.
fn reject(tally: &mut Tally, report: &mut Report, rejections: &[Rejection]) -> Result<(), Failure> {
    if rejections.is_empty() {
        return Ok(());
    }
    tally.rejected_rows = tally.rejected_rows.saturating_add(1);
    report.note(rejections)
}
