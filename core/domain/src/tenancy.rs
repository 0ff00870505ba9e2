//! Words of the directory: whether tenants are served, what keys they have.

use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A text that is none of the words it could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {expected}")]
pub struct WordError {
    /// The words, separated by commas.
    pub expected: &'static str,
}

/// Whether a tenant is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantStatus {
    /// It is.
    Active,
    /// It is not, until an operator says so.
    Suspended,
}

impl TenantStatus {
    /// The word as it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }
}

impl FromStr for TenantStatus {
    type Err = WordError;

    fn from_str(word: &str) -> Result<Self, WordError> {
        match word {
            "active" => Ok(Self::Active),
            "suspended" => Ok(Self::Suspended),
            _ => Err(WordError {
                expected: "active, suspended",
            }),
        }
    }
}

/// Who may know an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApiKeyKind {
    /// Anyone: it is in the code of a storefront, and may do only what is safe there.
    Publishable,
    /// Servers of the tenant.
    Secret,
}

impl ApiKeyKind {
    /// The word as it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publishable => "publishable",
            Self::Secret => "secret",
        }
    }
}

impl FromStr for ApiKeyKind {
    type Err = WordError;

    fn from_str(word: &str) -> Result<Self, WordError> {
        match word {
            "publishable" => Ok(Self::Publishable),
            "secret" => Ok(Self::Secret),
            _ => Err(WordError {
                expected: "publishable, secret",
            }),
        }
    }
}

/// Letters and digits of an API key after its prefix: 190 bits.
pub const API_KEY_CHARS: usize = 32;
/// Random bytes from which an API key is made. Not one in a billion of billions is too few.
pub const API_KEY_RANDOM_BYTES: usize = 64;
/// Characters of a key that are shown to tell it by, its prefix included.
const SHOWN_CHARS: usize = 12;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The largest multiple of 62 that a byte reaches: bytes from here on would favour some letters.
const BYTES_FAIR: u8 = 248;

impl ApiKeyKind {
    /// What its keys begin with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Publishable => "souk_pk_",
            Self::Secret => "souk_sk_",
        }
    }
}

/// The text of an API key. It is given to its holder once and kept nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeyText(String);

/// So few of the random bytes were usable that the source of randomness is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the random bytes are not random")]
pub struct ApiKeyTextError;

impl ApiKeyText {
    /// Makes a key from random bytes.
    pub fn new(
        kind: ApiKeyKind,
        random: &[u8; API_KEY_RANDOM_BYTES],
    ) -> Result<Self, ApiKeyTextError> {
        let fair = random.iter().filter(|byte| **byte < BYTES_FAIR);
        let letters: String = fair
            .filter_map(|byte| ALPHABET.get(usize::from(byte.checked_rem(62)?)))
            .take(API_KEY_CHARS)
            .map(|letter| char::from(*letter))
            .collect();
        if letters.len() < API_KEY_CHARS {
            return Err(ApiKeyTextError);
        }
        Ok(Self(format!("{}{letters}", kind.prefix())))
    }

    /// The key, for its holder.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// SHA-256 of its whole text: what is kept.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// What may be shown of it.
    pub fn shown_prefix(&self) -> String {
        self.0.chars().take(SHOWN_CHARS).collect()
    }
}

impl fmt::Debug for ApiKeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKeyText")
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for status in [TenantStatus::Active, TenantStatus::Suspended] {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        for kind in [ApiKeyKind::Publishable, ApiKeyKind::Secret] {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert!("".parse::<TenantStatus>().is_err() && "Secret".parse::<ApiKeyKind>().is_err());
    }

    proptest! {
        #[test]
        fn keys_differ_as_their_bytes_do(
            one: [u8; 32], other: [u8; 32], kind in prop_oneof![
                Just(ApiKeyKind::Secret), Just(ApiKeyKind::Publishable)
            ],
        ) {
            // Bytes that are all fair: each of them chooses a letter.
            let key = |bytes: [u8; 32]| {
                let mut random = [0; API_KEY_RANDOM_BYTES];
                for (place, byte) in random.iter_mut().zip(bytes) {
                    *place = byte % 62;
                }
                (ApiKeyText::new(kind, &random).unwrap(), random)
            };
            let ((one, one_bytes), (other, other_bytes)) = (key(one), key(other));
            prop_assert_eq!(one == other, one_bytes == other_bytes);
            prop_assert_eq!(one.sha256() == other.sha256(), one == other);
            prop_assert_eq!(one.reveal().len(), kind.prefix().len() + API_KEY_CHARS);
            prop_assert!(one.reveal().starts_with(&one.shown_prefix()));
        }
    }

    #[test]
    fn what_is_not_random_makes_no_key_and_no_key_is_printed() {
        assert_eq!(
            ApiKeyText::new(ApiKeyKind::Secret, &[255; API_KEY_RANDOM_BYTES]),
            Err(ApiKeyTextError)
        );
        let key = ApiKeyText::new(ApiKeyKind::Secret, &[7; API_KEY_RANDOM_BYTES]).unwrap();
        assert_eq!(format!("{key:?}"), "ApiKeyText");
    }
}
