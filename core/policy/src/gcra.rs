//! The generic cell rate algorithm (ITU-T I.371), in whole microseconds: no fraction is ever rounded, so
//! however many steps are taken the rate stays what it was.
//!
//! All that is kept is one time: when the caller would be at rest again, the theoretical arrival time
//! (TAT). Each request moves it one emission interval on; what would move it further ahead of the
//! clock than the burst allows is refused, and moves nothing.

use serde::{Deserialize, Serialize};

/// Microseconds of an emission interval at most: an hour.
pub const INTERVAL_US_MAX: u64 = 3_600_000_000;
/// A burst at most.
pub const BURST_MAX: u32 = 1_000_000;

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WireRule", into = "WireRule")]
pub struct Rule {
    interval_us: u64,
    burst: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRule {
    /// Microseconds from one request to the next, in the long run.
    emission_interval_us: u64,
    /// How many may come at once after a rest.
    burst: u32,
}

/// Numbers that make no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an emission interval is 1 to {INTERVAL_US_MAX} µs, a burst 1 to {BURST_MAX}")]
pub struct RuleError;

impl TryFrom<WireRule> for Rule {
    type Error = RuleError;

    fn try_from(wire: WireRule) -> Result<Self, RuleError> {
        Self::new(wire.emission_interval_us, wire.burst)
    }
}

impl From<Rule> for WireRule {
    fn from(rule: Rule) -> Self {
        Self {
            emission_interval_us: rule.interval_us,
            burst: rule.burst,
        }
    }
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it may pass.
    pub allowed: bool,
    /// What has to be kept: the new TAT, or the old one where it is refused. Unix microseconds.
    pub tat_us: u64,
    /// How many more requests of cost 1 could come at once.
    pub remaining: u32,
    /// Microseconds until all of the burst could.
    pub reset_us: u64,
    /// Microseconds until this one could, where it is refused and ever can.
    pub retry_us: Option<u64>,
}

impl Rule {
    /// Takes microseconds between requests, and how many may come at once.
    pub fn new(emission_interval_us: u64, burst: u32) -> Result<Self, RuleError> {
        let fits = (1..=INTERVAL_US_MAX).contains(&emission_interval_us)
            && (1..=BURST_MAX).contains(&burst);
        let rule = Self {
            interval_us: emission_interval_us,
            burst,
        };
        fits.then_some(rule).ok_or(RuleError)
    }

    /// How many may come at once.
    pub const fn burst(&self) -> u32 {
        self.burst
    }

    /// Microseconds between requests, in the long run.
    pub const fn interval_us(&self) -> u64 {
        self.interval_us
    }

    /// Microseconds by which a TAT may lie ahead of the clock: at most 3.6e15.
    pub const fn tolerance_us(&self) -> u64 {
        self.cost_us(self.burst)
    }

    /// Factors are bounded, so that the product fits.
    const fn cost_us(&self, cost: u32) -> u64 {
        #[allow(clippy::as_conversions, reason = "`From` is not const; it widens")]
        self.interval_us.saturating_mul(cost as u64)
    }

    /// Decides about a request of `cost` at `now_us`, Unix microseconds. `tat_us` is what the last
    /// verdict said to keep, nothing where there was none.
    pub fn check(&self, tat_us: Option<u64>, now_us: u64, cost: u32) -> Verdict {
        let tolerance_us = self.tolerance_us();
        // One that lies further ahead was made by a clock that went back, or by another rule.
        let ahead_max_us = now_us.saturating_add(tolerance_us);
        let tat_us = tat_us.unwrap_or(now_us).clamp(now_us, ahead_max_us);
        let wanted_us = tat_us.saturating_add(self.cost_us(cost));
        let allowed = wanted_us <= ahead_max_us;
        let kept_us = if allowed { wanted_us } else { tat_us };
        let reset_us = kept_us.saturating_sub(now_us);
        let free_us = tolerance_us.saturating_sub(reset_us);
        let remaining = free_us.checked_div(self.interval_us).unwrap_or(0);
        Verdict {
            allowed,
            tat_us: kept_us,
            remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
            reset_us,
            retry_us: (!allowed && cost <= self.burst)
                .then(|| wanted_us.saturating_sub(ahead_max_us)),
        }
    }
}
