//! The states of limits that a host keeps in its own memory: in place of a limiter that does not answer, or
//! beside one that does not count exactly.

use crate::gcra::Verdict;
use crate::limit::{LimitQuestion, decide_charges};
use std::collections::BTreeMap;

/// States at most; beyond, those at rest are forgotten first, then all.
const STATES_MAX: usize = 10_000;

/// States by their keys: theoretical arrival times in Unix microseconds.
#[derive(Debug, Default)]
pub struct States(BTreeMap<String, u64>);

impl States {
    /// None.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Decides, and keeps what has to be kept under the limiter's name.
    pub fn decide(&mut self, question: &LimitQuestion, now_us: u64) -> Vec<Verdict> {
        self.decide_beside(question, now_us, |_| None)
    }

    /// The same beside a place that keeps states too: what lies further ahead counts, so that neither
    /// forgets what the other has counted.
    pub fn decide_beside(
        &mut self,
        question: &LimitQuestion,
        now_us: u64,
        stored: impl Fn(&str) -> Option<u64>,
    ) -> Vec<Verdict> {
        let name = |key: &str| format!("{}/{key}", question.limiter);
        let verdicts = decide_charges(question, now_us, |key| {
            self.0.get(&name(key)).copied().max(stored(key))
        });
        if self.0.len() >= STATES_MAX {
            self.0.retain(|_, tat_us| *tat_us > now_us);
            if self.0.len() >= STATES_MAX {
                self.0.clear();
            }
        }
        for (charge, verdict) in question.charges.iter().zip(&verdicts) {
            self.0.insert(name(&charge.key), verdict.tat_us);
        }
        verdicts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gcra::Rule;
    use crate::limit::{Charge, Silence};

    const NOW_US: u64 = 1_763_700_000_000_000;

    fn question() -> LimitQuestion {
        LimitQuestion {
            limiter: "ten_1".to_owned(),
            charges: vec![Charge {
                name: "tenant",
                key: "tenant".to_owned(),
                rule: Rule::new(1_000_000, 10).unwrap(),
            }],
            cost: 1,
            silence: Silence::Passes,
        }
    }

    #[test]
    fn what_is_counted_in_either_place_counts() {
        let mut own = States::new();
        for _ in 0..4 {
            assert!(own.decide(&question(), NOW_US)[0].allowed);
        }
        // The store has seen seven, three of them elsewhere.
        let stored = NOW_US + 7_000_000;
        let verdict = own.decide_beside(&question(), NOW_US, |_| Some(stored))[0];
        assert_eq!((verdict.allowed, verdict.remaining), (true, 2));
        // A write that came late has taken the store back: nothing is forgotten.
        let verdict = own.decide_beside(&question(), NOW_US, |_| Some(NOW_US))[0];
        assert_eq!((verdict.allowed, verdict.remaining), (true, 1));
        let verdict = own.decide_beside(&question(), NOW_US, |_| None)[0];
        assert_eq!((verdict.allowed, verdict.remaining), (true, 0));
        assert!(!own.decide_beside(&question(), NOW_US, |_| None)[0].allowed);
    }
}
