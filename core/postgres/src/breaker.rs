//! When not to ask a server that did not answer.

use core::time::Duration;
use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;

/// After a failure nobody asks for [`Breaker::pause`]; then one request tries, and the others only
/// when it has been answered.
#[derive(Debug)]
pub(crate) struct Breaker {
    pause: Duration,
    /// Asked again from here on; `None`: it answers.
    closed_until: Mutex<Option<Instant>>,
}

impl Breaker {
    pub(crate) const fn new(pause: Duration) -> Self {
        Self {
            pause,
            closed_until: Mutex::new(None),
        }
    }

    /// Whether to ask, now. One who may after a failure is alone for another pause.
    pub(crate) fn may_ask(&self, now: Instant) -> bool {
        let mut closed_until = self.lock();
        match *closed_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                *closed_until = now.checked_add(self.pause);
                true
            }
        }
    }

    /// It answered.
    pub(crate) fn answered(&self) {
        *self.lock() = None;
    }

    /// It did not.
    pub(crate) fn failed(&self, now: Instant) {
        *self.lock() = now.checked_add(self.pause);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.closed_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(5);
    const TICK: Duration = Duration::from_millis(1);

    #[test]
    fn after_a_failure_one_at_a_time_tries_again() {
        let breaker = Breaker::new(PAUSE);
        let start = Instant::now();
        assert!(breaker.may_ask(start) && breaker.may_ask(start));

        breaker.failed(start);
        assert!(!breaker.may_ask(start));
        assert!(!breaker.may_ask(start + PAUSE - TICK));

        assert!(breaker.may_ask(start + PAUSE));
        assert!(!breaker.may_ask(start + PAUSE));
        // The one that tried was never heard of again.
        assert!(breaker.may_ask(start + PAUSE + PAUSE));

        breaker.answered();
        assert!(breaker.may_ask(start) && breaker.may_ask(start));
    }
}
