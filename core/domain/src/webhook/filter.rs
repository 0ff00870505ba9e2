//! Which events an endpoint wants.

use core::fmt;
use core::str::FromStr;

/// Patterns of an endpoint at most.
pub const EVENT_PATTERNS_MAX: usize = 50;
/// Bytes of a pattern at most.
pub const EVENT_PATTERN_BYTES_MAX: usize = 100;

/// An event type such as `order.placed.v1`, or the beginning of some, such as `order.*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventPattern(String);

/// Why something is no filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Not a type, nor the beginning of some.
    #[error(
        "is neither an event type, such as order.placed.v1, nor the beginning of some, such as order.*"
    )]
    Pattern,
    /// Too many patterns.
    #[error("has more than {EVENT_PATTERNS_MAX} patterns")]
    TooMany,
}

/// The events that match one of some patterns; every event where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventFilter(Vec<EventPattern>);

impl EventPattern {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether events of this type match.
    pub fn matches(&self, event_type: &str) -> bool {
        match self.0.strip_suffix(".*") {
            // With its point: `order.*` is not the beginning of `orders.placed.v1`.
            Some(beginning) => event_type
                .strip_prefix(beginning)
                .is_some_and(|rest| rest.starts_with('.')),
            None => event_type == self.0,
        }
    }
}

impl FromStr for EventPattern {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let word = |word: &str| {
            let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
            !word.is_empty() && word.bytes().all(allowed)
        };
        let words = text.strip_suffix(".*").unwrap_or(text);
        if text.len() <= EVENT_PATTERN_BYTES_MAX && words.split('.').all(word) {
            return Ok(Self(text.to_owned()));
        }
        Err(FilterError::Pattern)
    }
}

impl fmt::Display for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl EventFilter {
    /// Of these patterns; one that occurs twice is kept once.
    ///
    /// # Errors
    /// [`FilterError::TooMany`].
    pub fn new(patterns: Vec<EventPattern>) -> Result<Self, FilterError> {
        let mut kept: Vec<EventPattern> = Vec::with_capacity(patterns.len());
        for pattern in patterns {
            if !kept.contains(&pattern) {
                kept.push(pattern);
            }
        }
        if kept.len() > EVENT_PATTERNS_MAX {
            return Err(FilterError::TooMany);
        }
        Ok(Self(kept))
    }

    /// The patterns, in the order in which they were given.
    pub fn patterns(&self) -> &[EventPattern] {
        &self.0
    }

    /// Whether events of this type are wanted.
    pub fn matches(&self, event_type: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|one| one.matches(event_type))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filter(patterns: &[&str]) -> EventFilter {
        EventFilter::new(patterns.iter().map(|one| one.parse().unwrap()).collect()).unwrap()
    }

    #[test]
    fn matching() {
        let some = filter(&["order.placed.v1", "refund.*"]);
        for wanted in ["order.placed.v1", "refund.succeeded.v1", "refund.x"] {
            assert!(some.matches(wanted), "{wanted}");
        }
        for other in [
            "order.placed.v10",
            "order.placed",
            "refund",
            "refunds.x",
            "xrefund.x",
        ] {
            assert!(!some.matches(other), "{other}");
        }
        assert!(EventFilter::default().matches("anything.at.all"));
    }

    #[test]
    fn forms() {
        for good in [
            "order",
            "order.*",
            "order.placed.v1",
            "webhook_endpoint.disabled.v1",
        ] {
            assert!(good.parse::<EventPattern>().is_ok(), "{good}");
        }
        let long = "a".repeat(EVENT_PATTERN_BYTES_MAX + 1);
        for bad in [
            "",
            "*",
            ".*",
            "order.",
            "order.*.v1",
            "Order.*",
            "a b",
            "order.**",
            &long,
        ] {
            assert_eq!(
                bad.parse::<EventPattern>(),
                Err(FilterError::Pattern),
                "{bad}"
            );
        }
        assert_eq!(filter(&["a", "b", "a"]).patterns().len(), 2);
    }

    proptest! {
        #[test]
        fn a_beginning_matches_what_begins_with_it_and_a_point(
            beginning in "[a-z]{1,3}(\\.[a-z]{1,3}){0,2}", event in "[a-z]{1,3}(\\.[a-z]{1,3}){0,3}"
        ) {
            let expected = event.starts_with(&format!("{beginning}."));
            prop_assert_eq!(filter(&[&format!("{beginning}.*")]).matches(&event), expected);
            prop_assert_eq!(filter(&[&beginning]).matches(&event), beginning == event);
        }
    }
}
