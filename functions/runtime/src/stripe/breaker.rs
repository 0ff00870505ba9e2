//! When not to call Stripe, since it does not answer.

use core::time::Duration;
use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;

/// Opens after so many failures in a row, and then lets one call a pause try.
#[derive(Debug)]
pub(super) struct Breaker {
    failures_max: u32,
    pause: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Nobody calls before; `None`: it is closed.
    open_until: Option<Instant>,
}

impl Breaker {
    pub(super) fn new(failures_max: u32, pause: Duration) -> Self {
        Self {
            failures_max,
            pause,
            state: Mutex::default(),
        }
    }

    /// Whether to call, now. Who may after failures is alone for another pause, whatever becomes of it.
    pub(super) fn may_call(&self, now: Instant) -> bool {
        let mut state = self.lock();
        match state.open_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                state.open_until = now.checked_add(self.pause);
                true
            }
        }
    }

    /// It answered, whatever it said.
    pub(super) fn answered(&self) {
        *self.lock() = State::default();
    }

    /// It did not answer, or had a failure of its own.
    pub(super) fn failed(&self, now: Instant) {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= self.failures_max {
            state.open_until = now.checked_add(self.pause);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(5);

    #[test]
    fn it_opens_after_failures_in_a_row_and_then_one_at_a_time_tries() {
        let breaker = Breaker::new(3, PAUSE);
        let start = Instant::now();
        for _ in 0..2 {
            breaker.failed(start);
        }
        breaker.answered();
        for _ in 0..2 {
            breaker.failed(start);
            assert!(breaker.may_call(start), "two in a row are not enough");
        }
        breaker.failed(start);
        assert!(!breaker.may_call(start));
        assert!(breaker.may_call(start + PAUSE));
        assert!(!breaker.may_call(start + PAUSE), "only one tries");
        breaker.failed(start + PAUSE);
        assert!(!breaker.may_call(start + PAUSE));
        // The one that tried was never heard of again.
        assert!(breaker.may_call(start + PAUSE * 2));
        assert!(breaker.may_call(start + PAUSE * 3));
        breaker.answered();
        assert!(breaker.may_call(start) && breaker.may_call(start));
    }
}
