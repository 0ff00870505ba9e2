//! Two sides in turns, and what their rounds come to.

use anyhow::Result;
use core::time::Duration;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;

/// Latencies are told apart by three digits, from a microsecond to a minute.
const LATENCY_US_MAX: u64 = 60_000_000;
const LATENCY_DIGITS: u8 = 3;

/// One round of one side.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    /// What was done, by answer: an HTTP status, or 0 where there is none.
    pub(crate) answers: BTreeMap<u16, u64>,
    /// How long it took.
    pub(crate) elapsed: Duration,
    /// Of each operation, in microseconds.
    pub(crate) latencies_us: Histogram<u64>,
    /// Processor time of the server, where it is ours to ask.
    pub(crate) server_cpu: Option<Duration>,
}

impl Round {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            answers: BTreeMap::new(),
            elapsed: Duration::ZERO,
            latencies_us: Histogram::new_with_bounds(1, LATENCY_US_MAX, LATENCY_DIGITS)?,
            server_cpu: None,
        })
    }

    /// A round of which only the whole is known: `operations` in `elapsed`, each as long as the mean.
    pub(crate) fn of(operations: u64, elapsed: Duration) -> Result<Self> {
        let mut round = Self::new()?;
        let us = u64::try_from(elapsed.as_micros())? / operations.max(1);
        round
            .latencies_us
            .saturating_record_n(us.max(1), operations);
        round.answers.insert(0, operations);
        round.elapsed = elapsed;
        Ok(round)
    }

    /// Notes one operation.
    pub(crate) fn note(&mut self, answer: u16, latency: Duration) {
        *self.answers.entry(answer).or_default() += 1;
        let us = u64::try_from(latency.as_micros()).unwrap_or(LATENCY_US_MAX);
        self.latencies_us.saturating_record(us.max(1));
    }

    /// Operations, whatever their answer was.
    pub(crate) fn operations(&self) -> u64 {
        self.answers.values().sum()
    }

    /// Operations in a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.operations() as f64 / self.elapsed.as_secs_f64()
    }

    pub(crate) fn p50_us(&self) -> f64 {
        self.latencies_us.value_at_quantile(0.5) as f64
    }

    /// Processor time of the server for one operation, in microseconds.
    fn server_us(&self) -> Option<f64> {
        let operations = self.operations().max(1) as f64;
        Some(self.server_cpu?.as_secs_f64() * 1e6 / operations)
    }
}

/// All rounds of one side.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Side {
    /// What was measured.
    pub(crate) what: String,
    /// Operations per second, a round each.
    pub(crate) per_second: Vec<f64>,
    /// Their median.
    pub(crate) per_second_median: f64,
    /// Median latency, a round each, in microseconds.
    pub(crate) p50_us: Vec<f64>,
    /// Their median.
    pub(crate) p50_us_median: f64,
    /// The 99th percentile over all rounds, in microseconds.
    pub(crate) p99_us: f64,
    /// Processor time of the server for one operation, in microseconds: the median of the rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_cpu_us_median: Option<f64>,
}

impl Side {
    pub(crate) fn new(what: &str, rounds: &[Round]) -> Result<Self> {
        let mut all = Round::new()?.latencies_us;
        for round in rounds {
            all.add(&round.latencies_us)?;
        }
        let per_second: Vec<f64> = rounds.iter().map(Round::per_second).collect();
        let p50_us: Vec<f64> = rounds.iter().map(Round::p50_us).collect();
        let server_us: Vec<f64> = rounds.iter().filter_map(Round::server_us).collect();
        Ok(Self {
            what: what.to_owned(),
            per_second_median: median(&per_second),
            per_second,
            p50_us_median: median(&p50_us),
            p50_us,
            p99_us: all.value_at_quantile(0.99) as f64,
            server_cpu_us_median: (!server_us.is_empty()).then(|| median(&server_us)),
        })
    }
}

/// What of two sides is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Measure {
    /// Operations per second: more is better.
    Throughput,
    /// Median latency: less is better.
    P50,
}

/// Ours against a peer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Comparison {
    /// Under which circumstances.
    pub(crate) name: String,
    /// What `ratio` compares.
    pub(crate) measure: Measure,
    /// One side.
    pub(crate) ours: Side,
    /// The other.
    pub(crate) peer: Side,
    /// Ours divided by the peer's, for each pair of neighbouring rounds: what the machine does to
    /// both is left out.
    pub(crate) pair_ratios: Vec<f64>,
    /// Their median.
    pub(crate) ratio: f64,
}

impl Comparison {
    pub(crate) fn new(
        name: &str,
        measure: Measure,
        ours: (&str, &[Round]),
        peer: (&str, &[Round]),
    ) -> Result<Self> {
        let of = |round: &Round| match measure {
            Measure::Throughput => round.per_second(),
            Measure::P50 => round.p50_us(),
        };
        let pairs = ours.1.iter().zip(peer.1);
        let pair_ratios: Vec<f64> = pairs.map(|(a, b)| of(a) / of(b)).collect();
        Ok(Self {
            name: name.to_owned(),
            measure,
            ours: Side::new(ours.0, ours.1)?,
            peer: Side::new(peer.0, peer.1)?,
            ratio: median(&pair_ratios),
            pair_ratios,
        })
    }
}

/// Runs both sides `pairs` times in turns, A B B A A B …, so that neither profits from coming second.
pub(crate) async fn in_turns(
    pairs: usize,
    mut ours: impl AsyncFnMut() -> Result<Round>,
    mut peer: impl AsyncFnMut() -> Result<Round>,
) -> Result<(Vec<Round>, Vec<Round>)> {
    let (mut of_ours, mut of_peer) = (Vec::new(), Vec::new());
    for pair in 0..pairs {
        if pair % 2 == 0 {
            of_ours.push(ours().await?);
            of_peer.push(peer().await?);
        } else {
            of_peer.push(peer().await?);
            of_ours.push(ours().await?);
        }
        eprint!(".");
    }
    eprintln!();
    Ok((of_ours, of_peer))
}

/// The middle value; the mean of the two in the middle where their number is even.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle).copied().unwrap_or(f64::NAN);
    if sorted.len() % 2 == 1 {
        return upper;
    }
    let lower = middle.checked_sub(1).and_then(|index| sorted.get(index));
    lower.map_or(f64::NAN, |lower| f64::midpoint(*lower, upper))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp, reason = "tests")]

    use super::*;
    use std::cell::RefCell;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn neither_side_always_comes_first_and_neighbours_are_paired() {
        let order = RefCell::new(String::new());
        let round = |side: char, ms: u64| {
            order.borrow_mut().push(side);
            let mut round = Round::new().unwrap();
            round.note(201, Duration::from_millis(ms));
            round.elapsed = Duration::from_millis(ms);
            Ok(round)
        };
        let mut slower = 0;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let (ours, peer) = runtime
            .block_on(in_turns(
                4,
                async || round('A', 10),
                async || {
                    slower += 10;
                    round('B', slower)
                },
            ))
            .unwrap();
        assert_eq!(order.borrow().as_str(), "ABBAABBA");
        let compared = Comparison::new("x", Measure::Throughput, ("a", &ours), ("b", &peer));
        assert_eq!(compared.unwrap().pair_ratios, [1.0, 2.0, 3.0, 4.0]);
    }
}
