//! When a second request is sent beside a first one that is slow: of two, one is seldom late.
//!
//! Only what has no effect is hedged, only where the edge's settings say after how long, and only a share of all:
//! an origin that is slow under load must not get twice the load.

/// Milliseconds after which a request may be hedged, at least.
pub const AFTER_MS_MIN: u32 = 10;
/// At most.
pub const AFTER_MS_MAX: u32 = 5_000;
/// Requests that earn one hedge.
pub const REQUESTS_PER_HEDGE: u32 = 20;
/// Hedges that are saved up at most.
pub const SAVED_MAX: u32 = 10;

/// How many hedges may be sent: a state that hosts keep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HedgeBudget {
    /// In requests.
    earned: u32,
}

impl HedgeBudget {
    /// None yet.
    pub const fn new() -> Self {
        Self { earned: 0 }
    }

    /// A request that may be hedged was sent.
    pub fn earn(&mut self) {
        let most = REQUESTS_PER_HEDGE.saturating_mul(SAVED_MAX);
        self.earned = self.earned.saturating_add(1).min(most);
    }

    /// Whether one that is late may be hedged; if so, the hedge is spent.
    pub fn spend(&mut self) -> bool {
        let left = self.earned.checked_sub(REQUESTS_PER_HEDGE);
        self.earned = left.unwrap_or(self.earned);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests")]

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn never_more_than_a_share_is_hedged(late in proptest::collection::vec(any::<bool>(), 0..2_000)) {
            let (mut budget, mut hedges) = (HedgeBudget::new(), 0_u32);
            let mut requests = 0_u32;
            for is_late in late {
                budget.earn();
                requests += 1;
                hedges += u32::from(is_late && budget.spend());
                prop_assert!(hedges * REQUESTS_PER_HEDGE <= requests);
            }
        }
    }

    #[test]
    fn what_is_saved_is_bounded() {
        let mut budget = HedgeBudget::new();
        for _ in 0..10_000 {
            budget.earn();
        }
        let hedges = (0..1_000).filter(|_| budget.spend()).count();
        assert_eq!(hedges, 10);
    }
}
