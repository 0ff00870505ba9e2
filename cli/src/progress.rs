//! How far it is: a bar on a terminal, now and then a line elsewhere. On standard error.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal as _;

/// Steps between two lines, where there is no terminal.
const STEPS_PER_LINE: u64 = 10_000;

/// Shows how far it is.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    total: u64,
    told_at: u64,
}

impl Progress {
    /// `total` is where it ends, as far as that is known, in whatever is counted.
    pub(crate) fn new(total: u64) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = terminal.then(|| {
            let bar = ProgressBar::new(total);
            let template = "{bar:30} {percent:>3} %  {msg}  {elapsed}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        Self {
            bar,
            total,
            told_at: 0,
        }
    }

    /// `done` of the total is behind us; `steps` is what lines are counted in.
    pub(crate) fn show(&mut self, done: u64, steps: u64, message: impl FnOnce() -> String) {
        match &self.bar {
            Some(bar) => {
                // What is counted may become more while it is worked off.
                bar.set_length(self.total.max(done));
                bar.set_position(done);
                bar.set_message(message());
            }
            None if steps.saturating_sub(self.told_at) >= STEPS_PER_LINE => {
                self.told_at = steps;
                let percent = done.saturating_mul(100).checked_div(self.total);
                eprintln!("{} %: {}", percent.unwrap_or(100).min(100), message());
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
