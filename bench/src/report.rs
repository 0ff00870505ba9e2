//! What a benchmark says at its end: for people, for scripts, for the record.

use crate::benchmarks::{Outcome, Settings};
use crate::machine::Machine;
use crate::postgres::PostgresFacts;
use crate::rounds::{Comparison, Side};
use anyhow::{Context as _, Result};
use serde::Serialize;
use std::fs;
use std::path::Path;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Where good ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Limit {
    /// The ratio must not be smaller.
    AtLeast(f64),
    /// The ratio must not be larger.
    AtMost(f64),
    /// It is shown, and not judged.
    None,
}

impl Limit {
    fn holds(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(limit) => ratio >= limit,
            Self::AtMost(limit) => ratio <= limit,
            Self::None => true,
        }
    }

    fn in_words(self) -> String {
        match self {
            Self::AtLeast(limit) | Self::AtMost(limit) => limit.to_string(),
            Self::None => "none".to_owned(),
        }
    }
}

/// The result of one run, as written to `NAME.json`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    name: &'static str,
    measured_at: String,
    quick: bool,
    /// Runs that are only to see that it runs prove nothing.
    pub(crate) passed: bool,
    ratio: f64,
    limit: Limit,
    machine: Machine,
    postgres: PostgresFacts,
    notes: Vec<String>,
    comparisons: Vec<Comparison>,
    facts: serde_json::Value,
}

impl Report {
    pub(crate) async fn new(
        name: &'static str,
        settings: &Settings<'_>,
        outcome: Outcome,
    ) -> Result<Self> {
        Ok(Self {
            name,
            measured_at: OffsetDateTime::now_utc().format(&Rfc3339)?,
            quick: settings.quick,
            passed: outcome.limit.holds(outcome.ratio),
            ratio: outcome.ratio,
            limit: outcome.limit,
            machine: outcome.machine,
            postgres: settings.server.facts().await?,
            notes: outcome.notes,
            comparisons: outcome.comparisons,
            facts: outcome.facts,
        })
    }

    /// Writes `NAME.json` into `folder`.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{}.json", self.name));
        let text = format!("{}\n", serde_json::to_string_pretty(self)?);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Prints all of it; the verdict is the last line.
    pub(crate) fn print(&self) {
        for comparison in &self.comparisons {
            println!("{}", comparison.name);
            print_side("ours", &comparison.ours);
            print_side("peer", &comparison.peer);
            let (least, most) = extremes(&comparison.pair_ratios);
            println!("  ratio {:.3} ({least:.3} to {most:.3})", comparison.ratio);
        }
        for note in &self.notes {
            println!("{note}");
        }
        println!(
            "load average before: {:.2}",
            self.machine.load_average_before
        );
        if self.quick {
            println!("a quick run: it shows that it runs, its figures mean nothing");
        }
        println!(
            "{} ratio={:.3} limit={}",
            self.name,
            self.ratio,
            self.limit.in_words()
        );
    }
}

fn print_side(name: &str, side: &Side) {
    let cpu = side
        .server_cpu_us_median
        .map_or_else(String::new, |us| format!(", server {us:.0} µs CPU each"));
    println!(
        "  {name}: {:>7.0} /s, p50 {:>6.0} µs, p99 {:>6.0} µs{cpu}: {}",
        side.per_second_median, side.p50_us_median, side.p99_us, side.what
    );
}

fn extremes(values: &[f64]) -> (f64, f64) {
    values
        .iter()
        .fold((f64::INFINITY, 0.0), |(least, most), value| {
            (value.min(least), value.max(most))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_has_a_direction() {
        assert!(Limit::AtLeast(0.85).holds(0.85) && !Limit::AtLeast(0.85).holds(0.84));
        assert!(Limit::AtMost(1.1).holds(1.1) && !Limit::AtMost(1.1).holds(1.11));
        assert!(!Limit::AtLeast(0.85).holds(f64::NAN) && !Limit::AtMost(1.1).holds(f64::NAN));
    }
}
