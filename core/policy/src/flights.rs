//! One fetch for all who ask for the same public answer at the same time.
//!
//! Keys are those under which hosts keep answers: a tenant and what is asked for, of nobody in particular. Who
//! comes second waits for the first one's answer, and gets it only where the origin lets it be kept; otherwise it
//! asks for itself. A state that hosts keep; times are Unix milliseconds.

use std::collections::BTreeMap;

/// Milliseconds for which one waits for another's fetch at most: of the ten seconds that a request has, a part is
/// left to ask for itself.
pub const WAIT_MS_MAX: u64 = 8_000;
/// Milliseconds after which a fetch that was not heard of is over.
pub const FLIGHT_MS_MAX: u64 = 12_000;
/// Milliseconds for which nobody waits for an answer that turned out to be nobody else's.
pub const UNSHARED_MS: u64 = 10_000;
/// Keys that are remembered at most; beyond, all are forgotten, and some ask twice.
pub const KEYS_MAX: usize = 1_000;

/// The fetches that are under way.
#[derive(Debug, Default)]
pub struct Flights {
    since_ms_of: BTreeMap<String, u64>,
    unshared_until_ms: BTreeMap<String, u64>,
}

impl Flights {
    /// None.
    pub const fn new() -> Self {
        Self {
            since_ms_of: BTreeMap::new(),
            unshared_until_ms: BTreeMap::new(),
        }
    }

    /// Whether to wait for somebody else's fetch of `key`, and then to look again. Who has waited once does not
    /// ask this again.
    pub fn is_under_way(&self, key: &str, now_ms: u64) -> bool {
        let since_ms = self.since_ms_of.get(key);
        // A clock that went back makes nobody wait.
        since_ms.is_some_and(|since_ms| {
            (*since_ms..since_ms.saturating_add(FLIGHT_MS_MAX)).contains(&now_ms)
        })
    }

    /// To be called by who asks the origin for `key`: whether others may wait for it. Then, how it
    /// landed has to be said.
    pub fn begin(&mut self, key: &str, now_ms: u64) -> bool {
        let until_ms = self.unshared_until_ms.get(key);
        let is_unshared = until_ms.is_some_and(|until_ms| now_ms < *until_ms);
        if key.is_empty() || is_unshared || self.is_under_way(key, now_ms) {
            return false;
        }
        make_room(&mut self.since_ms_of);
        self.since_ms_of.insert(key.to_owned(), now_ms);
        true
    }

    /// The fetch is over, and others may have its answer.
    pub fn landed(&mut self, key: &str) {
        self.since_ms_of.remove(key);
        self.unshared_until_ms.remove(key);
    }

    /// It is over, and the answer is the first one's alone, if there is any.
    pub fn landed_unshared(&mut self, key: &str, now_ms: u64) {
        self.since_ms_of.remove(key);
        make_room(&mut self.unshared_until_ms);
        let until_ms = now_ms.saturating_add(UNSHARED_MS);
        self.unshared_until_ms.insert(key.to_owned(), until_ms);
    }
}

fn make_room(times: &mut BTreeMap<String, u64>) {
    if times.len() >= KEYS_MAX {
        times.clear();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests")]

    use super::*;
    use proptest::prelude::*;

    const NOW_MS: u64 = 1_763_700_000_000;

    #[test]
    fn one_flies_and_the_others_wait() {
        let mut flights = Flights::new();
        assert!(!flights.is_under_way("a", NOW_MS) && flights.begin("a", NOW_MS));
        assert!(flights.is_under_way("a", NOW_MS + 1) && !flights.is_under_way("b", NOW_MS + 1));
        assert!(
            !flights.begin("a", NOW_MS + 2),
            "who has waited flies alone"
        );
        flights.landed("a");
        assert!(!flights.is_under_way("a", NOW_MS + 4) && flights.begin("a", NOW_MS + 4));
    }

    #[test]
    fn nobody_waits_for_what_is_not_shared_or_not_heard_of() {
        let mut flights = Flights::new();
        assert!(!flights.begin("", NOW_MS) && !flights.is_under_way("", NOW_MS));
        assert!(flights.begin("a", NOW_MS));
        flights.landed_unshared("a", NOW_MS);
        assert!(!flights.begin("a", NOW_MS + UNSHARED_MS - 1));
        let again_ms = NOW_MS + UNSHARED_MS;
        assert!(flights.begin("a", again_ms));
        let lost_ms = again_ms + FLIGHT_MS_MAX;
        assert!(flights.is_under_way("a", lost_ms - 1) && !flights.is_under_way("a", lost_ms));
        assert!(!flights.is_under_way("a", NOW_MS), "the clock went back");
        assert!(flights.begin("a", lost_ms));
    }

    #[test]
    fn memory_is_bounded() {
        let mut flights = Flights::new();
        for number in 0..5_000_u32 {
            let key = number.to_string();
            flights.begin(&key, NOW_MS);
            if number % 2 == 0 {
                flights.landed_unshared(&key, NOW_MS);
            }
        }
        assert!(flights.since_ms_of.len() <= KEYS_MAX);
        assert!(flights.unshared_until_ms.len() <= KEYS_MAX);
    }

    proptest! {
        /// At any time others wait for one at most, and nobody waits when nobody flies.
        #[test]
        fn at_most_one_is_waited_for(
            steps in proptest::collection::vec((0_u8..3, any::<bool>(), any::<bool>(), 0_u64..2_000), 1..200)
        ) {
            let mut flights = Flights::new();
            let mut now_ms = NOW_MS;
            let mut flying: BTreeMap<String, u64> = BTreeMap::new();
            for (key, lands, is_kept, later_ms) in steps {
                now_ms += later_ms;
                let key = format!("key-{key}");
                flying.retain(|_, since_ms| now_ms < *since_ms + FLIGHT_MS_MAX);
                if lands {
                    if is_kept {
                        flights.landed(&key);
                    } else {
                        flights.landed_unshared(&key, now_ms);
                    }
                    flying.remove(&key);
                    continue;
                }
                prop_assert_eq!(flights.is_under_way(&key, now_ms), flying.contains_key(&key));
                if flights.begin(&key, now_ms) {
                    prop_assert!(flying.insert(key, now_ms).is_none());
                }
            }
        }
    }
}
