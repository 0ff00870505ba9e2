//! How far it is: a bar on a terminal, now and then a line elsewhere.

use super::outcome::Tally;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal as _;

/// Rows between two lines, where there is no terminal.
const ROWS_PER_LINE: u64 = 10_000;

/// Shows how far it is, on standard error.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    bytes_total: u64,
}

impl Progress {
    pub(crate) fn new(bytes_total: u64) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = terminal.then(|| {
            let bar = ProgressBar::new(bytes_total);
            let template = "{bar:30} {percent:>3} %  {msg}  {elapsed}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, bytes_total }
    }

    pub(crate) fn show(&mut self, bytes_read: u64, tally: &Tally) {
        let message = || {
            format!(
                "{} rows, {} applied, {} rejected",
                tally.rows, tally.applied, tally.rejected_rows
            )
        };
        match &self.bar {
            Some(bar) => {
                bar.set_position(bytes_read);
                bar.set_message(message());
            }
            None if tally.rows.is_multiple_of(ROWS_PER_LINE) => {
                let percent = bytes_read.saturating_mul(100).checked_div(self.bytes_total);
                eprintln!("{} % read: {}", percent.unwrap_or(100), message());
            }
            None => {}
        }
    }

    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
