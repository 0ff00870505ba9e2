//! Many values as few: buckets whose width grows with the value.

use super::VALUES_MAX;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Leading bits of a value that are kept: a bucket is at most a 16th of its values wide.
const PRECISION_BITS: u32 = 4;

/// How often which value was seen. Takes a bounded room, however many are recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// How many, by the least value of their bucket.
    counts: BTreeMap<u64, u64>,
    sum: u64,
    extremes: Option<(u64, u64)>,
}

impl Histogram {
    /// Counts a value.
    pub fn record(&mut self, value: u64) {
        self.record_many(value, 1);
    }

    /// Counts a value `times` times.
    pub fn record_many(&mut self, value: u64, times: u64) {
        if times == 0 {
            return;
        }
        let count = self
            .counts
            .entry(bucket(value, PRECISION_BITS))
            .or_default();
        *count = count.saturating_add(times);
        self.sum = self.sum.saturating_add(value.saturating_mul(times));
        self.extremes = Some(self.extremes.map_or((value, value), |(min, max)| {
            (min.min(value), max.max(value))
        }));
    }

    /// Counts what another has counted.
    pub fn merge(&mut self, other: &Self) {
        for (value, times) in &other.counts {
            let count = self.counts.entry(*value).or_default();
            *count = count.saturating_add(*times);
        }
        self.sum = self.sum.saturating_add(other.sum);
        self.extremes = match (self.extremes, other.extremes) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, two) => one.or(two),
        };
    }

    /// How many values were recorded.
    pub fn count(&self) -> u64 {
        self.counts
            .values()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.extremes.is_none()
    }

    /// The largest value, exactly.
    pub fn max(&self) -> Option<u64> {
        self.extremes.map(|(_, max)| max)
    }

    /// The member of a document: values and how often each was seen, as fine as fits. None without values.
    pub(super) fn target(&self) -> Option<Value> {
        let (min, max) = self.extremes?;
        let buckets = self.buckets();
        // A bucket stands for its values with its middle, which must not leave the range that was seen.
        let middle = |(least, width): (u64, u64)| least.saturating_add(width / 2).clamp(min, max);
        let values: Vec<u64> = buckets.iter().map(|(range, _)| middle(*range)).collect();
        let counts: Vec<u64> = buckets.iter().map(|(_, count)| *count).collect();
        Some(json!({
            "Values": values,
            "Counts": counts,
            "Min": min,
            "Max": max,
            "Sum": self.sum,
            "Count": self.count(),
        }))
    }

    /// At most [`VALUES_MAX`] buckets, as (least value, width) and count. Coarser where there would be more: 64 powers
    /// of two are the coarsest.
    fn buckets(&self) -> Vec<((u64, u64), u64)> {
        let mut bits = PRECISION_BITS;
        loop {
            let mut coarse = BTreeMap::<u64, u64>::new();
            for (value, count) in &self.counts {
                let sum = coarse.entry(bucket(*value, bits)).or_default();
                *sum = sum.saturating_add(*count);
            }
            if coarse.len() <= VALUES_MAX || bits == 0 {
                let ranged = coarse
                    .into_iter()
                    .map(|(least, count)| ((least, width(least, bits)), count));
                return ranged.collect();
            }
            bits = bits.saturating_sub(1);
        }
    }
}

/// The least value of the bucket that `value` falls into: its leading bit and the `bits` after it, then zeros.
fn bucket(value: u64, bits: u32) -> u64 {
    value & u64::MAX.checked_shl(dropped(value, bits)).unwrap_or(0)
}

/// How many values the bucket with this least value has, less one.
fn width(least: u64, bits: u32) -> u64 {
    1_u64
        .checked_shl(dropped(least, bits))
        .unwrap_or(u64::MAX)
        .saturating_sub(1)
}

fn dropped(value: u64, bits: u32) -> u32 {
    let length = u64::BITS.saturating_sub(value.leading_zeros());
    length.saturating_sub(bits.saturating_add(1))
}
