//! The audit log's chain: each entry's hash covers the entry before.
//!
//! The hash is SHA-256 over the canonical JSON (RFC 8785) of
//! `{"action", "actor", "at", "detail", "previous_hash", "seq", "tenant"}`, with hashes in lower-case
//! hexadecimal and the tenant `null` where there is none.

use crate::{TenantId, Timestamp};
use core::fmt;
use core::str::FromStr;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A SHA-256, shown in lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AuditHash([u8; 32]);

impl AuditHash {
    /// What the first entry follows.
    pub const NONE: Self = Self([0; 32]);

    /// From its bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for AuditHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How long the log is, and its last entry's hash. Text form `SEQ:HASH`, to be kept elsewhere: with it,
/// a log whose end was cut off can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditHead {
    /// Number of the last entry, 0 where there is none.
    pub seq: u64,
    /// Its hash.
    pub hash: AuditHash,
}

impl AuditHead {
    /// Of a log without entries.
    pub const EMPTY: Self = Self {
        seq: 0,
        hash: AuditHash::NONE,
    };
}

impl fmt::Display for AuditHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

/// A text that is no head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a head has the form SEQ:HASH, as `souk audit verify` has printed it")]
pub struct AuditHeadError;

impl FromStr for AuditHead {
    type Err = AuditHeadError;

    fn from_str(text: &str) -> Result<Self, AuditHeadError> {
        let (seq, hash) = text.split_once(':').ok_or(AuditHeadError)?;
        let mut bytes = [0; 32];
        let lower_case = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f');
        if hash.len() != 64 || !hash.bytes().all(lower_case) {
            return Err(AuditHeadError);
        }
        for (byte, digits) in bytes.iter_mut().zip(hash.as_bytes().chunks(2)) {
            let digits = core::str::from_utf8(digits).map_err(|_| AuditHeadError)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| AuditHeadError)?;
        }
        Ok(Self {
            seq: seq.parse().map_err(|_| AuditHeadError)?,
            hash: AuditHash(bytes),
        })
    }
}

/// Something that was done.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditFact {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub actor: String,
    /// What, such as `tenant.suspend`.
    pub action: String,
    /// To which tenant.
    pub tenant: Option<TenantId>,
    /// With which particulars: a JSON object of texts. Never a secret.
    pub detail: Value,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// Its number, from 1 and without gaps.
    pub seq: u64,
    /// What it tells of.
    pub fact: AuditFact,
    /// The hash of the entry before.
    pub previous_hash: AuditHash,
    /// Its own.
    pub hash: AuditHash,
}

/// Why an entry cannot be made: its particulars have no canonical form, or numbers have run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the entry has no canonical form")]
pub struct AuditEntryError;

#[derive(Serialize)]
struct Canonical<'a> {
    action: &'a str,
    actor: &'a str,
    at: Timestamp,
    detail: &'a Value,
    previous_hash: AuditHash,
    // As text: RFC 8785 has no integers beyond 2^53.
    seq: String,
    tenant: Option<TenantId>,
}

impl AuditEntry {
    /// The entry of `fact` that follows `head`.
    pub fn after(head: AuditHead, fact: AuditFact) -> Result<Self, AuditEntryError> {
        let seq = head.seq.checked_add(1).ok_or(AuditEntryError)?;
        let hash = hash_of(seq, &fact, head.hash)?;
        Ok(Self {
            seq,
            fact,
            previous_hash: head.hash,
            hash,
        })
    }

    /// The head of a log that ends with it.
    pub const fn head(&self) -> AuditHead {
        AuditHead {
            seq: self.seq,
            hash: self.hash,
        }
    }
}

fn hash_of(seq: u64, fact: &AuditFact, previous: AuditHash) -> Result<AuditHash, AuditEntryError> {
    let canonical = serde_jcs::to_vec(&Canonical {
        action: &fact.action,
        actor: &fact.actor,
        at: fact.at,
        detail: &fact.detail,
        previous_hash: previous,
        seq: seq.to_string(),
        tenant: fact.tenant,
    })
    .map_err(|_| AuditEntryError)?;
    Ok(AuditHash(Sha256::digest(canonical).into()))
}

/// What is wrong with a log, and where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuditBreak {
    /// An entry is not there, though later ones are.
    #[error("entry {seq} is missing")]
    Missing {
        /// Its number.
        seq: u64,
    },
    /// An entry does not say what it said when it was written.
    #[error("entry {seq} was altered")]
    Altered {
        /// Its number.
        seq: u64,
    },
    /// An entry follows another one than the one before it.
    #[error("entry {seq} does not follow the one before it")]
    Unlinked {
        /// Its number.
        seq: u64,
    },
    /// The end of the log is not the one that was written down.
    #[error("the log ends at entry {seq}, the recorded head is another")]
    OtherEnd {
        /// Number of the last entry.
        seq: u64,
    },
    /// The entry that an anchor names is not there or is another.
    #[error("entry {seq} is not the one that was anchored")]
    OtherAnchor {
        /// The anchor's number.
        seq: u64,
    },
}

/// Goes through a log, entry by entry in order.
#[derive(Debug, Clone, Copy)]
pub struct AuditCheck {
    head: AuditHead,
    anchor: Option<AuditHead>,
}

impl AuditCheck {
    /// Begins. `anchor` is a head that was kept elsewhere.
    pub const fn new(anchor: Option<AuditHead>) -> Self {
        Self {
            head: AuditHead::EMPTY,
            anchor,
        }
    }

    /// The last entry that was found good.
    pub const fn head(&self) -> AuditHead {
        self.head
    }

    /// Checks the next entry.
    pub fn next(&mut self, entry: &AuditEntry) -> Result<(), AuditBreak> {
        let seq = self.head.seq.saturating_add(1);
        if entry.seq != seq {
            return Err(AuditBreak::Missing { seq });
        }
        if entry.previous_hash != self.head.hash {
            return Err(AuditBreak::Unlinked { seq });
        }
        if hash_of(entry.seq, &entry.fact, entry.previous_hash) != Ok(entry.hash) {
            return Err(AuditBreak::Altered { seq });
        }
        self.head = entry.head();
        match self.anchor {
            Some(anchor) if anchor.seq == seq && anchor != self.head => {
                Err(AuditBreak::OtherAnchor { seq })
            }
            _ => Ok(()),
        }
    }

    /// Ends: `recorded` is the head that is kept beside the log.
    pub fn end(self, recorded: AuditHead) -> Result<AuditHead, AuditBreak> {
        let seq = self.head.seq;
        if recorded != self.head {
            return Err(AuditBreak::OtherEnd { seq });
        }
        match self.anchor {
            Some(anchor) if anchor.seq > seq => Err(AuditBreak::OtherAnchor { seq: anchor.seq }),
            _ => Ok(self.head),
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::Index;
    use serde_json::json;

    fn chain(texts: &[String]) -> Vec<AuditEntry> {
        let mut head = AuditHead::EMPTY;
        texts
            .iter()
            .enumerate()
            .map(|(n, text)| {
                let fact = AuditFact {
                    at: Timestamp::from_unix_ms(1_700_000_000_000 + i64::try_from(n).unwrap())
                        .unwrap(),
                    actor: "operator".to_owned(),
                    action: "tenant.create".to_owned(),
                    tenant: None,
                    detail: json!({ "name": text }),
                };
                let entry = AuditEntry::after(head, fact).unwrap();
                head = entry.head();
                entry
            })
            .collect()
    }

    fn check(log: &[AuditEntry], recorded: AuditHead) -> Result<AuditHead, AuditBreak> {
        let mut check = AuditCheck::new(None);
        for entry in log {
            check.next(entry)?;
        }
        check.end(recorded)
    }

    /// Every way to alter an entry.
    fn altered(entry: &AuditEntry, how: u8) -> AuditEntry {
        let mut entry = entry.clone();
        match how {
            0 => entry.fact.actor.push('x'),
            1 => entry.fact.action.push('x'),
            2 => entry.fact.tenant = Some(TenantId::from_uuid(uuid::Uuid::from_u128(1))),
            3 => entry.fact.detail = json!({ "name": "something else entirely" }),
            4 => entry.fact.at = Timestamp::from_unix_ms(5).unwrap(),
            5 => entry.hash = AuditHash([7; 32]),
            6 => entry.previous_hash = AuditHash([7; 32]),
            _ => entry.seq += 1,
        }
        entry
    }

    proptest! {
        #[test]
        fn what_was_written_is_found_good(texts in prop::collection::vec(".*", 0..20)) {
            let log = chain(&texts);
            let head = log.last().map_or(AuditHead::EMPTY, AuditEntry::head);
            prop_assert_eq!(check(&log, head), Ok(head));
            prop_assert_eq!(head.to_string().parse(), Ok(head));
        }

        #[test]
        fn an_altered_entry_is_found(
            texts in prop::collection::vec(".*", 1..20), at: Index, how in 0_u8..8,
        ) {
            let mut log = chain(&texts);
            let head = log.last().unwrap().head();
            let at = at.index(log.len());
            log[at] = altered(&log[at], how);
            let broken = check(&log, head).unwrap_err();
            let seq = u64::try_from(at).unwrap() + 1;
            let named = match broken {
                AuditBreak::Missing { seq } | AuditBreak::Altered { seq }
                | AuditBreak::Unlinked { seq } | AuditBreak::OtherEnd { seq }
                | AuditBreak::OtherAnchor { seq } => seq,
            };
            prop_assert_eq!(named, seq);
        }

        #[test]
        fn an_altered_entry_is_found_though_its_own_hash_was_made_anew(
            texts in prop::collection::vec(".*", 1..20), at: Index,
        ) {
            let mut log = chain(&texts);
            let head = log.last().unwrap().head();
            let at = at.index(log.len());
            log[at].fact.actor.push('x');
            log[at].hash = hash_of(log[at].seq, &log[at].fact, log[at].previous_hash).unwrap();
            prop_assert!(check(&log, head).is_err());
        }

        #[test]
        fn a_removed_or_swapped_entry_is_found(
            texts in prop::collection::vec(".*", 2..20), one: Index, other: Index,
        ) {
            let log = chain(&texts);
            let head = log.last().unwrap().head();
            let mut removed = log.clone();
            removed.remove(one.index(log.len()));
            prop_assert!(check(&removed, head).is_err());
            let (one, other) = (one.index(log.len()), other.index(log.len()));
            if one != other {
                let mut swapped = log;
                swapped.swap(one, other);
                prop_assert!(check(&swapped, head).is_err());
            }
        }

        #[test]
        fn a_log_made_anew_up_to_its_end_is_found_by_an_anchor(
            texts in prop::collection::vec(".*", 1..20), at: Index, keep: Index,
        ) {
            let log = chain(&texts);
            let anchor = log[at.index(log.len())].head();
            // Cut off before the anchor, with the head put right.
            let kept = keep.index(at.index(log.len()) + 1);
            let cut = &log[..kept];
            let head = cut.last().map_or(AuditHead::EMPTY, AuditEntry::head);
            prop_assert_eq!(check(cut, head), Ok(head));
            let mut with_anchor = AuditCheck::new(Some(anchor));
            for entry in cut {
                with_anchor.next(entry).unwrap();
            }
            prop_assert_eq!(
                with_anchor.end(head),
                Err(AuditBreak::OtherAnchor { seq: anchor.seq })
            );
            // Written anew from the beginning.
            let mut texts = texts;
            texts[0].push('x');
            let anew = chain(&texts);
            let mut with_anchor = AuditCheck::new(Some(anchor));
            let broken = anew.iter().find_map(|entry| with_anchor.next(entry).err());
            prop_assert_eq!(broken, Some(AuditBreak::OtherAnchor { seq: anchor.seq }));
        }
    }

    #[test]
    fn the_form_that_is_hashed_does_not_change() {
        let log = chain(&["a".to_owned()]);
        let canonical = "{\"action\":\"tenant.create\",\"actor\":\"operator\",\
             \"at\":\"2023-11-14T22:13:20Z\",\"detail\":{\"name\":\"a\"},\"previous_hash\":\"\
             0000000000000000000000000000000000000000000000000000000000000000\",\
             \"seq\":\"1\",\"tenant\":null}";
        assert_eq!(
            log[0].hash.as_bytes().as_slice(),
            Sha256::digest(canonical).as_slice()
        );
    }
}
