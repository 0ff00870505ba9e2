//! One ring of keys as its vault keeps it, and the steps of its rotation: pure.

use core::fmt;
use serde::{Deserialize, Serialize};
use souk_domain::{Timestamp, TimestampError};
use souk_policy::signature::{KeyError, KeyRing, SigningKey};
use std::collections::BTreeMap;
use time::Duration;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// A key that signs is replaced when it is older.
pub const KEY_AGE_MAX: Duration = Duration::days(30);
/// A verifier reads the ring again when what it has is older.
pub const RING_AGE_MAX: Duration = Duration::minutes(5);
/// How long a new key is known everywhere before it signs: until each verifier has read it, with room for one
/// that has to try twice.
pub const LEARN_FOR: Duration = Duration::minutes(20);
/// How long both keys are accepted after the switch, before the signer is told once more. Longer than a
/// deployment of the edge, which may have read the old key just before.
pub const SETTLE_FOR: Duration = Duration::hours(24);
/// The same where somebody else may know the old key.
pub const SETTLE_FOR_IN_A_HURRY: Duration = Duration::minutes(20);
/// How long the old key is still accepted after that: what the edge's locations need to take a version up, and
/// the life of a signature.
pub const CONFIRM_FOR: Duration = Duration::minutes(20);

/// How far a rotation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// One key, and it signs.
    #[default]
    AtRest,
    /// The new key is written, and not yet in each region.
    Spreading,
    /// It is in each region, and verifiers read it.
    Learning,
    /// It signs. The old one is accepted.
    Settling,
    /// The signer was told again. The old one is accepted still.
    Confirming,
}

impl Phase {
    /// For logs and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AtRest => "at_rest",
            Self::Spreading => "spreading",
            Self::Learning => "learning",
            Self::Settling => "settling",
            Self::Confirming => "confirming",
        }
    }
}

/// The ring. Its text in the vault is JSON: `keys`, an object of id to base64, `signs`, the id of the one that
/// signs, and what is known of the rotation.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningRing {
    keys: BTreeMap<String, String>,
    signs: String,
    #[serde(default)]
    phase: Phase,
    /// When the phase began; nobody has looked yet where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(default)]
    in_a_hurry: bool,
}

impl fmt::Debug for SigningRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningRing")
            .field("ids", &self.keys.keys())
            .field("signs", &self.signs)
            .field("phase", &self.phase)
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}

/// A text that is no ring. Shows no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// Not JSON of the form.
    #[error("the ring is not JSON with keys and signs")]
    Form,
    /// A key cannot be used.
    #[error("the ring has a key that cannot be used: {0}")]
    Key(#[from] KeyError),
    /// The one that signs is not among the keys, or one key too many or too few for the phase.
    #[error("the ring's keys do not fit its phase")]
    Inconsistent,
    /// Ids end in a number, which rises.
    #[error("the id of a key does not end in a number that can be followed by another")]
    Id,
    /// The time cannot be reckoned with.
    #[error("the time is out of range")]
    Time,
}

impl From<TimestampError> for RingError {
    fn from(_: TimestampError) -> Self {
        Self::Time
    }
}

/// What is to be done about a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RingStep {
    /// Nothing before that instant.
    Wait(Timestamp),
    /// Write down that somebody has looked.
    Note,
    /// Write a new key beside the one that signs.
    Begin,
    /// Ask whether each region has it, and if so, write that down.
    AwaitCopies,
    /// Let the new key sign.
    Switch,
    /// Tell the signer again.
    Confirm,
    /// Take the old key out.
    Retire,
}

impl SigningRing {
    /// Reads a vault's text.
    ///
    /// # Errors
    /// Where it is not a ring.
    pub fn parse(text: &str) -> Result<Self, RingError> {
        let ring: Self = serde_json::from_str(text).map_err(|_| RingError::Form)?;
        ring.checked()
    }

    /// The vault's text.
    ///
    /// # Errors
    /// Never, with what this type holds.
    pub fn to_text(&self) -> Result<String, RingError> {
        serde_json::to_string(self).map_err(|_| RingError::Form)
    }

    fn checked(self) -> Result<Self, RingError> {
        self.accepted()?;
        let keys = if self.phase == Phase::AtRest { 1 } else { 2 };
        if self.keys.len() != keys || !self.keys.contains_key(&self.signs) {
            return Err(RingError::Inconsistent);
        }
        Ok(self)
    }

    /// The keys to accept.
    ///
    /// # Errors
    /// Where one cannot be used.
    pub fn accepted(&self) -> Result<KeyRing, RingError> {
        let keys = self.keys.iter();
        let keys = keys.map(|(id, secret)| SigningKey::from_base64(id, secret));
        Ok(KeyRing::new(keys.collect::<Result<_, _>>()?)?)
    }

    /// Ids of the keys to accept.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// The id of the key that signs, and the key in base64.
    pub fn signing(&self) -> (&str, &str) {
        let key = self.keys.get(&self.signs).map_or("", String::as_str);
        (&self.signs, key)
    }

    /// The other key, which will sign or has signed.
    pub fn other(&self) -> Option<(&str, &str)> {
        let mut keys = self.keys.iter();
        let (id, key) = keys.find(|(id, _)| **id != self.signs)?;
        Some((id, key))
    }

    /// How far the rotation is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Since when.
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// What is to be done at `now`; `demanded`: do not wait for the key to grow old.
    ///
    /// # Errors
    /// Where the time is out of range.
    pub fn step(&self, now: Timestamp, demanded: bool) -> Result<RingStep, RingError> {
        let Some(since) = self.since else {
            return Ok(if demanded && self.phase == Phase::AtRest {
                RingStep::Begin
            } else {
                RingStep::Note
            });
        };
        let settle = if self.in_a_hurry || demanded {
            SETTLE_FOR_IN_A_HURRY
        } else {
            SETTLE_FOR
        };
        let (wait, then) = match self.phase {
            Phase::AtRest if demanded => return Ok(RingStep::Begin),
            Phase::AtRest => (KEY_AGE_MAX, RingStep::Begin),
            Phase::Spreading => return Ok(RingStep::AwaitCopies),
            Phase::Learning => (LEARN_FOR, RingStep::Switch),
            Phase::Settling => (settle, RingStep::Confirm),
            Phase::Confirming => (CONFIRM_FOR, RingStep::Retire),
        };
        let until = since.plus(wait)?;
        Ok(if now < until {
            RingStep::Wait(until)
        } else {
            then
        })
    }

    /// The ring once somebody has looked at it at `now`.
    #[must_use]
    pub fn noted(&self, now: Timestamp) -> Self {
        self.entered(self.phase, now)
    }

    /// The ring with a new key, in base64, which does not sign yet.
    ///
    /// # Errors
    /// Where it has two already, or `key` is none.
    pub fn begun(&self, key: String, now: Timestamp, in_a_hurry: bool) -> Result<Self, RingError> {
        let mut ring = self.entered(Phase::Spreading, now);
        ring.in_a_hurry = in_a_hurry;
        ring.keys.insert(next_id(&self.signs)?, key);
        ring.checked()
    }

    /// The ring once each region has it.
    #[must_use]
    pub fn copied(&self, now: Timestamp) -> Self {
        self.entered(Phase::Learning, now)
    }

    /// The ring once the other key signs.
    ///
    /// # Errors
    /// Where there is no other.
    pub fn switched(&self, now: Timestamp) -> Result<Self, RingError> {
        let (id, _) = self.other().ok_or(RingError::Inconsistent)?;
        let mut ring = self.entered(Phase::Settling, now);
        id.clone_into(&mut ring.signs);
        Ok(ring)
    }

    /// The ring once the signer was told again.
    #[must_use]
    pub fn confirmed(&self, now: Timestamp) -> Self {
        self.entered(Phase::Confirming, now)
    }

    /// The ring without the key that does not sign.
    #[must_use]
    pub fn retired(&self, now: Timestamp) -> Self {
        let mut ring = self.entered(Phase::AtRest, now);
        ring.in_a_hurry = false;
        ring.keys.retain(|id, _| *id == self.signs);
        ring
    }

    fn entered(&self, phase: Phase, now: Timestamp) -> Self {
        Self {
            phase,
            since: Some(now),
            ..self.clone()
        }
    }
}

/// `edge-b2` after `edge-a1`: the other slot, and a number that was never used.
fn next_id(id: &str) -> Result<String, RingError> {
    let digits = id.trim_end_matches(|c: char| c.is_ascii_digit());
    let number: u64 = id
        .strip_prefix(digits)
        .and_then(|number| number.parse().ok())
        .ok_or(RingError::Id)?;
    let next = number.checked_add(1).ok_or(RingError::Id)?;
    let name = digits.strip_suffix(['a', 'b']).ok_or(RingError::Id)?;
    let slot = if digits.ends_with('a') { 'b' } else { 'a' };
    Ok(format!("{name}{slot}{next}"))
}

// A verifier that reads the ring just before the key is there, and fails to read it once, knows it in time.
const _: () = assert!(
    LEARN_FOR.whole_seconds() >= 3 * RING_AGE_MAX.whole_seconds(),
    "a key signs before each verifier has read it"
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_id_is_never_used_again() {
        assert_eq!(next_id("edge-a1").unwrap(), "edge-b2");
        assert_eq!(next_id("edge-b2").unwrap(), "edge-a3");
        assert_eq!(next_id("edge-a99").unwrap(), "edge-b100");
        for bad in ["edge", "edge-c1", "a18446744073709551615", ""] {
            assert_eq!(next_id(bad), Err(RingError::Id), "{bad}");
        }
    }

    #[test]
    fn what_is_no_ring_is_refused_and_never_shown() {
        let key = "c291ay1lZGdlLXdvcmtlci10ZXN0LXNpZ25pbmcta2V5IQ==";
        let good = format!(r#"{{"keys":{{"edge-a1":"{key}"}},"signs":"edge-a1"}}"#);
        let ring = SigningRing::parse(&good).unwrap();
        assert!(!format!("{ring:?}").contains("c291"));
        for bad in [
            good.replace("\"signs\":\"edge-a1\"", "\"signs\":\"edge-b2\""),
            good.replace('}', ",\"phase\":\"settling\"}"),
            good.replace(key, "c2hvcnQ="),
            good.replace("signs", "signed_by"),
            good.replace('{', "["),
            String::new(),
        ] {
            let error = SigningRing::parse(&bad).unwrap_err().to_string();
            assert!(
                !error.contains("c291") && !error.contains("c2hv"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_ring_is_read_as_it_was_written() {
        let key = "c291ay1lZGdlLXdvcmtlci10ZXN0LXNpZ25pbmcta2V5IQ==".to_owned();
        let text = format!(r#"{{"keys":{{"edge-a1":"{key}"}},"signs":"edge-a1"}}"#);
        let now = Timestamp::UNIX_EPOCH;
        let mut ring = SigningRing::parse(&text).unwrap();
        for _ in 0..3 {
            for next in [
                ring.begun(key.clone(), now, true).unwrap(),
                ring.begun(key.clone(), now, false).unwrap().copied(now),
            ] {
                assert_eq!(SigningRing::parse(&next.to_text().unwrap()).unwrap(), next);
                ring = next;
                if ring.phase() == Phase::Learning {
                    ring = ring.switched(now).unwrap().confirmed(now).retired(now);
                } else {
                    ring = ring.retired(now);
                }
                assert_eq!(ring.ids().count(), 1);
            }
        }
    }
}
