//! Where a tenant wants to be told of events.

use super::delivery::words;
use super::{AttemptOutcome, EndpointUrl, EventFilter, Health};
use crate::{Timestamp, WebhookEndpointId, WordError};
use core::fmt;
use core::str::FromStr;

/// Characters of a description at most.
pub const DESCRIPTION_CHARS_MAX: usize = 200;

/// What an endpoint is for, in its owner's words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description(String);

/// A text that is no description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is longer than {DESCRIPTION_CHARS_MAX} characters, or has control characters")]
pub struct DescriptionError;

impl Description {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Description {
    type Err = DescriptionError;

    fn from_str(text: &str) -> Result<Self, DescriptionError> {
        let fits = text.chars().count() <= DESCRIPTION_CHARS_MAX;
        if fits && !text.chars().any(char::is_control) {
            return Ok(Self(text.to_owned()));
        }
        Err(DescriptionError)
    }
}

/// What an endpoint's owner decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSettings {
    /// Where.
    pub url: EndpointUrl,
    /// What for.
    pub description: Description,
    /// Of what.
    pub filter: EventFilter,
    /// Whether a later event of a subject waits until the earlier ones are delivered or given up.
    pub ordered: bool,
}

/// Who disabled an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DisabledBy {
    /// Its owner.
    Owner,
    /// Souk, since it has failed for too long.
    Failing,
    /// Souk, since it has answered 410.
    Gone,
}

words!(DisabledBy: "owner, failing, gone" {
    Owner = "owner",
    Failing = "failing",
    Gone = "gone",
});

/// Whether anything is sent to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointState {
    /// It is.
    Enabled,
    /// It is not.
    Disabled {
        /// Whose decision that was.
        by: DisabledBy,
        /// Since when.
        at: Timestamp,
    },
}

/// An endpoint, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEndpoint {
    /// Which.
    pub id: WebhookEndpointId,
    /// What its owner has decided.
    pub settings: EndpointSettings,
    /// Whether anything is sent to it.
    pub state: EndpointState,
    /// How it has fared.
    pub health: Health,
    /// Events that it is the subject of.
    pub events: u64,
    /// Rises with each change.
    pub version: u64,
    /// When it was entered.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl WebhookEndpoint {
    /// A new one, enabled.
    pub fn new(id: WebhookEndpointId, settings: EndpointSettings, now: Timestamp) -> Self {
        Self {
            id,
            settings,
            state: EndpointState::Enabled,
            health: Health::default(),
            events: 0,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }

    /// Whether anything is sent to it.
    pub fn is_enabled(&self) -> bool {
        self.state == EndpointState::Enabled
    }

    /// With other settings. What is under way goes to where they say from its next attempt on.
    #[must_use]
    pub fn with_settings(self, settings: EndpointSettings, now: Timestamp) -> Self {
        Self { settings, ..self }.changed(now)
    }

    /// Enabled again, with a clean record; as it is where it was enabled.
    #[must_use]
    pub fn enabled(self, now: Timestamp) -> Self {
        if self.is_enabled() {
            return self;
        }
        let enabled = Self {
            state: EndpointState::Enabled,
            health: Health::default(),
            ..self
        };
        enabled.changed(now)
    }

    /// Disabled by its owner; as it is where it was disabled.
    #[must_use]
    pub fn disabled(self, now: Timestamp) -> Self {
        if !self.is_enabled() {
            return self;
        }
        let by = DisabledBy::Owner;
        let state = EndpointState::Disabled { by, at: now };
        Self { state, ..self }.changed(now)
    }

    /// As it is after an attempt that ended at `now`, and whether that disabled it: then it has one event
    /// more, which tells of it. An attempt that ends after somebody has disabled the endpoint changes
    /// nothing.
    #[must_use]
    pub fn after(self, outcome: AttemptOutcome, now: Timestamp) -> (Self, Option<DisabledBy>) {
        if !self.is_enabled() {
            return (self, None);
        }
        let (health, by) = self.health.after(outcome, now);
        let Some(by) = by else {
            return (Self { health, ..self }, None);
        };
        let disabled = Self {
            state: EndpointState::Disabled { by, at: now },
            health,
            events: self.events.saturating_add(1),
            ..self
        };
        (disabled.changed(now), Some(by))
    }

    fn changed(self, now: Timestamp) -> Self {
        Self {
            version: self.version.saturating_add(1),
            updated_at: now,
            ..self
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn at(unix_ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(unix_ms).unwrap()
    }

    fn endpoint() -> WebhookEndpoint {
        let settings = EndpointSettings {
            url: "https://shop.example/hooks".parse().unwrap(),
            description: Description::default(),
            filter: EventFilter::default(),
            ordered: false,
        };
        WebhookEndpoint::new(WebhookEndpointId::from_uuid(Uuid::nil()), settings, at(0))
    }

    #[test]
    fn only_souk_tells_of_what_it_disabled() {
        let (gone, by) = endpoint().after(AttemptOutcome::Gone, at(1));
        assert_eq!((by, gone.events), (Some(DisabledBy::Gone), 1));
        let disabled = endpoint().disabled(at(1));
        assert_eq!(disabled.events, 0);
        let (same, by) = disabled.clone().after(AttemptOutcome::Gone, at(2));
        assert_eq!((same, by), (disabled, None));
        let again = gone.enabled(at(3));
        assert_eq!(again.health, Health::default());
        assert!(again.is_enabled());
    }

    proptest! {
        /// The events of an endpoint have no gaps, and its version never falls.
        #[test]
        fn events_are_counted(steps in prop::collection::vec(0_u8..5, 0..60)) {
            let mut one = endpoint();
            let mut events = 0;
            for (n, step) in steps.into_iter().enumerate() {
                let now = at(i64::try_from(n).unwrap() * 86_400_000);
                let before = one.version;
                let mut by = None;
                one = match step {
                    0 => one.enabled(now),
                    1 => one.disabled(now),
                    other => {
                        let outcome = match other {
                            2 => AttemptOutcome::Delivered,
                            3 => AttemptOutcome::Failed,
                            _ => AttemptOutcome::Gone,
                        };
                        let after;
                        (after, by) = one.after(outcome, now);
                        after
                    }
                };
                events += u64::from(by.is_some());
                prop_assert_eq!(one.events, events);
                prop_assert!(one.version >= before);
            }
        }
    }

    #[test]
    fn descriptions() {
        assert!("Lager, Tor 3".parse::<Description>().is_ok());
        for bad in ["a\nb".to_owned(), "x".repeat(DESCRIPTION_CHARS_MAX + 1)] {
            assert_eq!(bad.parse::<Description>(), Err(DescriptionError));
        }
    }
}
