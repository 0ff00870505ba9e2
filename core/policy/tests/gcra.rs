//! GCRA against what it stands for: a bucket of `burst` that fills by one each interval, in exact
//! rational numbers, and the sum that no window of time may exceed.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests")]

use proptest::prelude::*;
use souk_policy::gcra::{BURST_MAX, INTERVAL_US_MAX, Rule};

/// A level as a fraction: `num / den` requests.
#[derive(Clone, Copy)]
struct Level {
    num: i128,
    den: i128,
}

impl Level {
    fn add(self, other: Self) -> Self {
        Self {
            num: self.num * other.den + other.num * self.den,
            den: self.den * other.den,
        }
        .reduced()
    }

    fn reduced(self) -> Self {
        let (mut a, mut b) = (self.num.abs(), self.den);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        let divisor = a.max(1);
        Self {
            num: self.num / divisor,
            den: self.den / divisor,
        }
    }

    fn at_most(self, whole: i128) -> Self {
        if self.num > whole * self.den {
            Self { num: whole, den: 1 }
        } else {
            self
        }
    }

    fn at_least(self, whole: i128) -> bool {
        self.num >= whole * self.den
    }
}

fn whole(number: impl Into<i128>) -> Level {
    Level {
        num: number.into(),
        den: 1,
    }
}

fn rules() -> impl Strategy<Value = Rule> {
    let intervals = prop_oneof![1..50_u64, 1..2_000_000_u64, Just(INTERVAL_US_MAX)];
    let bursts = prop_oneof![1..6_u32, 1..500_u32, Just(BURST_MAX)];
    (intervals, bursts).prop_map(|(interval, burst)| Rule::new(interval, burst).unwrap())
}

/// Pauses in µs, many of them none or just an interval, and costs.
fn steps(rule: Rule) -> impl Strategy<Value = Vec<(u64, u32)>> {
    let interval = rule.interval_us();
    let pauses = prop_oneof![
        Just(0),
        Just(interval),
        Just(interval - 1),
        0..interval.saturating_mul(4),
        0..rule.tolerance_us().saturating_mul(2).max(1),
    ];
    let costs = prop_oneof![4 => Just(1_u32), 1 => 1..8_u32];
    prop::collection::vec((pauses, costs), 1..200)
}

fn rule_and_steps() -> impl Strategy<Value = (Rule, Vec<(u64, u32)>)> {
    rules().prop_flat_map(|rule| (Just(rule), steps(rule)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn is_the_bucket_in_exact_numbers((rule, steps) in rule_and_steps()) {
        let burst = i128::from(rule.burst());
        let mut level = whole(burst);
        let mut now_us = 1_763_700_000_000_000_u64;
        let mut tat_us = None;
        for (pause_us, cost) in steps {
            now_us += pause_us;
            let filled = Level { num: pause_us.into(), den: rule.interval_us().into() };
            level = level.add(filled.reduced()).at_most(burst);
            let allowed = level.at_least(cost.into());
            if allowed {
                level = level.add(whole(-i128::from(cost)));
            }
            let verdict = rule.check(tat_us, now_us, cost);
            tat_us = Some(verdict.tat_us);
            prop_assert_eq!(verdict.allowed, allowed);
            prop_assert_eq!(i128::from(verdict.remaining), level.num.div_euclid(level.den));
            let missing = whole(burst).add(Level { num: -level.num, den: level.den });
            prop_assert_eq!(
                i128::from(verdict.reset_us) * missing.den,
                missing.num * i128::from(rule.interval_us())
            );
            if let Some(retry_us) = verdict.retry_us {
                // Not a microsecond too early, and not one too late.
                prop_assert!(retry_us > 0);
                prop_assert!(rule.check(tat_us, now_us + retry_us, cost).allowed);
                prop_assert!(!rule.check(tat_us, now_us + retry_us - 1, cost).allowed);
            } else {
                prop_assert!(allowed || i128::from(cost) > burst);
            }
        }
    }

    #[test]
    fn no_window_has_more_than_burst_and_rate_times_time((rule, steps) in rule_and_steps()) {
        let mut now_us = 0_u64;
        let mut tat_us = None;
        let mut taken: Vec<(u64, u32)> = Vec::new();
        for (pause_us, cost) in steps {
            now_us += pause_us;
            let verdict = rule.check(tat_us, now_us, cost);
            tat_us = Some(verdict.tat_us);
            if !verdict.allowed {
                continue;
            }
            taken.push((now_us, cost));
            let mut sum = 0_i128;
            for (at_us, cost) in taken.iter().rev() {
                sum += i128::from(*cost);
                let window_us = i128::from(now_us - at_us);
                let interval_us = i128::from(rule.interval_us());
                prop_assert!((sum - i128::from(rule.burst())) * interval_us <= window_us);
            }
        }
    }

    #[test]
    fn no_memory_and_no_clock_locks_anyone_out_for_longer_than_a_burst(
        rule in rules(), tat_us in any::<Option<u64>>(), now_us in 0..u64::MAX / 4, cost in 0..3_u32,
    ) {
        let verdict = rule.check(tat_us, now_us, cost);
        prop_assert!(verdict.reset_us <= rule.tolerance_us());
        prop_assert!(verdict.retry_us.is_none_or(|retry_us| retry_us <= rule.tolerance_us()));
    }
}

/// One object decides for all of its clients, one after the other, whatever their order.
#[test]
fn a_hundred_clients_at_once_get_the_burst_and_then_the_rate() {
    let rule = Rule::new(10_000, 50).unwrap();
    let mut tat_us = None;
    let mut allowed = 0;
    // Each of 100 clients tries each millisecond for a second.
    for now_us in (0..1_000_000).step_by(1_000) {
        for _client in 0..100 {
            let verdict = rule.check(tat_us, now_us, 1);
            tat_us = Some(verdict.tat_us);
            allowed += u32::from(verdict.allowed);
        }
    }
    assert_eq!(allowed, 50 + 99, "the burst, and one each 10 ms");
}

#[test]
fn rules_are_bounded() {
    assert!(Rule::new(0, 1).is_err() && Rule::new(1, 0).is_err());
    assert!(Rule::new(INTERVAL_US_MAX + 1, 1).is_err());
    assert!(Rule::new(1, BURST_MAX + 1).is_err());
    let read = serde_json::from_str::<Rule>("{\"emission_interval_us\":5,\"burst\":2}");
    assert_eq!(read.unwrap(), Rule::new(5, 2).unwrap());
    assert!(serde_json::from_str::<Rule>("{\"emission_interval_us\":0,\"burst\":2}").is_err());
}
