//! A circuit breaker: what has failed several times in a row is left alone for a while, so that it costs
//! nobody's time. One for each origin, and one for the limiter.

/// Failures in a row that open it.
pub const FAILURES_MAX: u32 = 5;
/// Milliseconds for which it stays open.
pub const OPEN_MS: u64 = 5_000;
/// Milliseconds after which a trial that was not heard of counts as failed.
pub const TRIAL_MS: u64 = 15_000;

/// Whether something is worth trying. Times are Unix milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Breaker {
    failures: u32,
    /// Nobody tries before; then one does, and moves it on.
    closed_from_ms: u64,
}

impl Breaker {
    /// A closed one.
    pub const fn new() -> Self {
        Self {
            failures: 0,
            closed_from_ms: 0,
        }
    }

    /// Whether to try: yes while it is closed, and once each time it has been open for [`OPEN_MS`].
    pub fn may_try(&mut self, now_ms: u64) -> bool {
        if self.failures < FAILURES_MAX {
            return true;
        }
        // A clock that went back does not keep it open for longer.
        let waits = self.closed_from_ms.saturating_sub(now_ms);
        if waits > 0 && waits <= TRIAL_MS {
            return false;
        }
        self.closed_from_ms = now_ms.saturating_add(TRIAL_MS);
        true
    }

    /// It worked: all is as it was.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// It did not.
    pub fn failed(&mut self, now_ms: u64) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES_MAX {
            self.closed_from_ms = now_ms.saturating_add(OPEN_MS);
        }
    }

    /// Seconds until the next trial, rounded up: for `Retry-After`.
    pub fn retry_after_s(&self, now_ms: u64) -> u64 {
        self.closed_from_ms
            .saturating_sub(now_ms)
            .div_ceil(1000)
            .max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_763_700_000_000;

    fn open() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES_MAX {
            assert!(breaker.may_try(NOW_MS));
            breaker.failed(NOW_MS);
        }
        breaker
    }

    #[test]
    fn opens_after_failures_in_a_row_only() {
        let mut breaker = Breaker::default();
        for _ in 0..100 {
            for _ in 1..FAILURES_MAX {
                breaker.failed(NOW_MS);
            }
            breaker.succeeded();
        }
        assert!(breaker.may_try(NOW_MS));
        let mut breaker = open();
        assert!(!breaker.may_try(NOW_MS) && !breaker.may_try(NOW_MS + OPEN_MS - 1));
        assert_eq!(breaker.retry_after_s(NOW_MS), 5);
    }

    #[test]
    fn one_tries_at_a_time_and_closes_it_or_not() {
        let mut breaker = open();
        let trial_ms = NOW_MS + OPEN_MS;
        assert!(breaker.may_try(trial_ms));
        assert!(!breaker.may_try(trial_ms), "another one is trying");
        let mut failed = breaker;
        failed.failed(trial_ms + 10);
        assert!(!failed.may_try(trial_ms + 11) && failed.may_try(trial_ms + 10 + OPEN_MS));
        let mut lost = breaker;
        assert!(!lost.may_try(trial_ms + TRIAL_MS - 1) && lost.may_try(trial_ms + TRIAL_MS));
        breaker.succeeded();
        assert!(breaker.may_try(trial_ms) && breaker.may_try(trial_ms));
    }

    #[test]
    fn a_clock_that_goes_back_does_not_shut_it_for_good() {
        let mut breaker = open();
        assert!(breaker.may_try(NOW_MS - 3_600_000));
    }
}
