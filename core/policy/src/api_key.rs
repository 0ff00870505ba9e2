//! API keys: how one is presented and how it is found among a tenant's.

use crate::route::{KeyRecord, RouteRecord};
use core::fmt;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// What a key is for, which its text begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// `souk_sk_…`, for servers: has the scopes that it was given.
    Secret,
    /// `souk_pk_…`, for pages that anyone can read: never more than [`PUBLISHABLE_SCOPES`].
    Publishable,
}

impl KeyKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Secret, Self::Publishable];

    /// What the texts of its keys begin with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Secret => "souk_sk_",
            Self::Publishable => "souk_pk_",
        }
    }

    /// The kind of a text that begins like a key.
    pub fn of(key: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| key.starts_with(kind.prefix()))
    }
}

/// The scopes that a publishable key may have. What is for sale can be read without any key, and
/// `catalog:read` shows more than that: future prices, archived products, discount rules.
pub const PUBLISHABLE_SCOPES: [&str; 1] = ["quotes:write"];
/// Characters after the prefix at least: 190 bits of 62 characters.
pub const KEY_CHARS_MIN: usize = 32;
/// Characters after the prefix at most.
pub const KEY_CHARS_MAX: usize = 128;

/// The digest of an API key that a caller presented. The key itself is not kept.
#[derive(Clone, PartialEq, Eq)]
pub struct PresentedKey {
    kind: KeyKind,
    sha256: [u8; 32],
}

impl fmt::Debug for PresentedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresentedKey").finish_non_exhaustive()
    }
}

impl PresentedKey {
    /// Digests a text of the form of an API key; nothing where it has another form.
    pub fn new(key: &str) -> Option<Self> {
        let kind = KeyKind::of(key)?;
        let secret = key.strip_prefix(kind.prefix())?;
        let fits = (KEY_CHARS_MIN..=KEY_CHARS_MAX).contains(&secret.len());
        let well_formed = fits && secret.bytes().all(|byte| byte.is_ascii_alphanumeric());
        well_formed.then(|| Self {
            kind,
            sha256: Sha256::digest(key.as_bytes()).into(),
        })
    }

    /// What it was made for, which its digest covers.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The key of the tenant with this digest. Every key is compared, in constant time each, so that
    /// how long it takes tells nothing about which one was nearly met.
    pub fn find<'a>(&self, record: &'a RouteRecord) -> Option<&'a KeyRecord> {
        let mut found = None;
        for key in &record.keys {
            if bool::from(key.sha256.ct_eq(&self.sha256)) {
                found = Some(key);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_one_form() {
        let good = format!("souk_sk_{}", "aZ09".repeat(8));
        let kind = |key: &str| PresentedKey::new(key).map(|key| key.kind());
        assert_eq!(kind(&good), Some(KeyKind::Secret));
        let publishable = good.replace("_sk_", "_pk_");
        assert_eq!(kind(&publishable), Some(KeyKind::Publishable));
        for bad in [
            "",
            "souk_sk_",
            &format!("souk_sk_{}", "a".repeat(31)),
            &format!("souk_sk_{}", "a".repeat(129)),
            &format!("souk_xk_{}", "a".repeat(32)),
            &format!("souk_sk_{}-", "a".repeat(32)),
            &format!(" {good}"),
            &format!("{good}="),
        ] {
            assert!(PresentedKey::new(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn is_not_printed() {
        let key = PresentedKey::new(&format!("souk_sk_{}", "a".repeat(32))).unwrap();
        assert_eq!(format!("{key:?}"), "PresentedKey { .. }");
    }
}
