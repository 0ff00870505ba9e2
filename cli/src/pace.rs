//! At most so many a second.

use core::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Lets things pass at a rate, evenly.
#[derive(Debug)]
pub(crate) struct Pace {
    per_second: Option<u32>,
    next_at: Instant,
}

impl Pace {
    /// At most `per_second`; without a number all pass at once.
    pub(crate) fn new(per_second: Option<u32>) -> Self {
        Self {
            per_second,
            next_at: Instant::now(),
        }
    }

    /// Waits until `count` more may pass. What was not used earlier is not made up for.
    pub(crate) async fn let_pass(&mut self, count: usize) {
        let Some(per_second) = self.per_second else {
            return;
        };
        let now = Instant::now();
        let at = self.next_at.max(now);
        let micros = u64::try_from(count)
            .unwrap_or(u64::MAX)
            .saturating_mul(1_000_000)
            .checked_div(u64::from(per_second))
            .unwrap_or_default();
        self.next_at = at.checked_add(Duration::from_micros(micros)).unwrap_or(at);
        sleep_until(at).await;
    }

    /// How many of `at_most` make sense at a time: those of a second.
    pub(crate) fn at_a_time(&self, at_most: usize) -> usize {
        let of_a_second = self
            .per_second
            .and_then(|per_second| usize::try_from(per_second).ok())
            .unwrap_or(at_most);
        of_a_second.clamp(1, at_most.max(1))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests")]

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn never_more_pass_than_the_rate_allows() {
        let mut pace = Pace::new(Some(20));
        let began = Instant::now();
        for _ in 0..10 {
            pace.let_pass(10).await;
        }
        // The first ten pass at once, and the others at twenty a second.
        assert_eq!(began.elapsed().as_millis(), 4_500);
        tokio::time::advance(Duration::from_secs(60)).await;
        let after_a_pause = Instant::now();
        pace.let_pass(10).await;
        pace.let_pass(10).await;
        assert_eq!(after_a_pause.elapsed().as_millis(), 500);
        assert_eq!(
            (pace.at_a_time(10), Pace::new(Some(3)).at_a_time(10)),
            (10, 3)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_nothing_waits() {
        let mut pace = Pace::new(None);
        let began = Instant::now();
        for _ in 0..1_000 {
            pace.let_pass(10).await;
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
